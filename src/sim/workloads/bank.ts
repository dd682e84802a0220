/**
 * Transfers between accounts in several ranges, with a row for each, and full reads beside them. The sum is the same in
 * every read; in the end the balances are what the rows say, with every transfer that was acknowledged and none that was refused.
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const ACCOUNTS = 9;
const START = 100;

interface Ledger {
  readonly acknowledged: Set<number>;
  readonly refused: Set<number>;
  last: number;
}

export function bank(): Workload {
  const ledger: Ledger = { acknowledged: new Set(), refused: new Set(), last: 0 };
  return {
    name: 'bank',
    clients: 5,

    async setUp(client) {
      await client.query(
        'CREATE TABLE accounts (id integer PRIMARY KEY, balance integer NOT NULL)',
      );
      await client.query(
        'CREATE TABLE transfers (id integer PRIMARY KEY, source integer, target integer, amount integer)',
      );
      for (const at of [3, 6]) await client.query(`ALTER TABLE accounts SPLIT AT VALUES (${at})`);
      const rows = Array.from({ length: ACCOUNTS }, (_, id) => `(${id}, ${START})`);
      await client.query(`INSERT INTO accounts VALUES ${rows.join(', ')}`);
    },

    splits: (random) => [`ALTER TABLE accounts SPLIT AT VALUES (${random.int(0, ACCOUNTS)})`],

    async step(client, context) {
      if (context.random.next() < 0.25) await readAll(client, context);
      else await transfer(client, context, ledger);
    },

    check: (client, context) => audit(client, context, ledger),
  };
}

async function readAll(client: SimClient, { random, fail }: WorkloadContext): Promise<void> {
  const text = 'SELECT sum(balance) FROM accounts';
  const isBlock = random.next() < 0.5;
  const outcome = isBlock
    ? await client.transaction(async () => (await client.query(text))[0]?.[0])
    : await client.single(text);
  if (outcome.kind !== 'ok') return;
  const { value } = outcome;
  const sum = typeof value === 'object' ? value?.rows[0]?.[0] : value;
  if (Number(sum) !== ACCOUNTS * START) fail(`bank: the balances of one read add up to ${sum}`);
}

async function transfer(
  client: SimClient,
  { random }: WorkloadContext,
  ledger: Ledger,
): Promise<void> {
  const source = random.int(0, ACCOUNTS - 1);
  const target = (source + random.int(1, ACCOUNTS - 1)) % ACCOUNTS;
  const amount = random.int(1, 10);
  const id = ++ledger.last;
  const locks = random.next() < 0.5 ? ' FOR UPDATE' : '';
  const isBlind = random.next() < 0.3;
  const outcome = await client.transaction(async () => {
    await client.query(`INSERT INTO transfers VALUES (${id}, ${source}, ${target}, ${amount})`);
    for (const [account, change] of [
      [source, -amount],
      [target, amount],
    ] as const) {
      if (isBlind) {
        await client.query(
          `UPDATE accounts SET balance = balance + ${change} WHERE id = ${account}`,
        );
        continue;
      }
      const rows = await client.query(`SELECT balance FROM accounts WHERE id = ${account}${locks}`);
      const balance = Number(rows[0]?.[0]) + change;
      await client.query(`UPDATE accounts SET balance = ${balance} WHERE id = ${account}`);
    }
    if (random.next() < 0.1) {
      await client.query('SAVEPOINT s');
      await client.query(
        `UPDATE accounts SET balance = 0 WHERE id = ${random.int(0, ACCOUNTS - 1)}`,
      );
      await client.query('ROLLBACK TO s');
    }
  });
  if (outcome.kind === 'ok') ledger.acknowledged.add(id);
  if (outcome.kind === 'fail') ledger.refused.add(id);
}

async function audit(client: SimClient, { fail }: WorkloadContext, ledger: Ledger): Promise<void> {
  const rows = await client.query('SELECT id, source, target, amount FROM transfers');
  const balances = Array.from({ length: ACCOUNTS }, () => START);
  const found = new Set<number>();
  for (const row of rows) {
    const [id = 0, source = 0, target = 0, amount = 0] = row.map(Number);
    found.add(id);
    balances[source] = (balances[source] ?? 0) - amount;
    balances[target] = (balances[target] ?? 0) + amount;
    if (ledger.refused.has(id)) fail(`bank: transfer ${id} was refused, and is there`);
  }
  for (const id of ledger.acknowledged) {
    if (!found.has(id)) fail(`bank: transfer ${id} was acknowledged, and is missing`);
  }
  const accounts = await client.query('SELECT balance FROM accounts ORDER BY id');
  const held = accounts.map(([balance]) => Number(balance));
  if (held.join() !== balances.join()) {
    fail(`bank: the balances are ${held.join()}, the transfers say ${balances.join()}`);
  }
}
