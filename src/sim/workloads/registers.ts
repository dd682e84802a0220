/**
 * Registers, one a row, in several ranges: reads and writes by single statements (latest reads, and writes that follow
 * them at other nodes), compare-and-set, and transactions over several that read in one order what others write in another:
 * long forks, causal reversals and stale reads show as circles in the history.
 */
import type { Operation } from '../../check/history.ts';
import type { SimClient } from '../client.ts';
import { mapOutcome } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const KEYS = 6;

export const registers: Workload = {
  name: 'registers',
  clients: 6,

  async setUp(client) {
    await client.query('CREATE TABLE registers (key integer PRIMARY KEY, value integer NOT NULL)');
    for (let at = 2; at < KEYS; at += 2) {
      await client.query(`ALTER TABLE registers SPLIT AT VALUES (${at})`);
    }
    for (let key = 0; key < KEYS; key++) {
      await client.query(`INSERT INTO registers VALUES (${key}, 0)`);
    }
  },

  splits: (random) => [`ALTER TABLE registers SPLIT AT VALUES (${random.int(0, KEYS)})`],

  async step(client, context) {
    const { random } = context;
    const kind = random.next();
    if (kind < 0.25) await readOne(client, context);
    else if (kind < 0.5) await writeOne(client, context);
    else if (kind < 0.6) await compareAndSet(client, context);
    else await several(client, context);
  },
};

const named = (key: number): string => `register ${key}`;
const seen = (key: number, rows: readonly (readonly (string | null)[])[]): Operation => {
  const value = Number(rows[0]?.[0] ?? 0);
  return ['r', named(key), value === 0 ? null : value];
};
const selectText = (key: number): string => `SELECT value FROM registers WHERE key = ${key}`;
const updateText = (key: number, value: number): string =>
  `UPDATE registers SET value = ${value} WHERE key = ${key}`;

async function readOne(client: SimClient, { random, history }: WorkloadContext): Promise<void> {
  const key = random.int(0, KEYS - 1);
  await history.run([['r', named(key), null]], async () =>
    mapOutcome(await client.single(selectText(key)), ({ rows }) => [seen(key, rows)]),
  );
}

async function writeOne(client: SimClient, { random, history }: WorkloadContext): Promise<void> {
  const key = random.int(0, KEYS - 1);
  const value = history.value();
  const op: Operation = ['w', named(key), value];
  await history.run([op], async () =>
    mapOutcome(await client.single(updateText(key, value)), () => [op]),
  );
}

/** Reads, and then writes under the condition that what was read is still there. */
async function compareAndSet(
  client: SimClient,
  { random, history }: WorkloadContext,
): Promise<void> {
  const key = random.int(0, KEYS - 1);
  const found = await client.single(selectText(key));
  if (found.kind !== 'ok') return;
  const before = found.value.rows[0]?.[0] ?? '0';
  const value = history.value();
  const expected: Operation = ['r', named(key), before === '0' ? null : Number(before)];
  const write: Operation = ['w', named(key), value];
  await history.run([expected, write], async () => {
    const text = `${updateText(key, value)} AND value = ${before}`;
    // Nothing is known of one that found another value.
    return mapOutcome(await client.single(text), ({ tag }) =>
      tag === 'UPDATE 1' ? [expected, write] : [],
    );
  });
}

async function several(
  client: SimClient,
  { random, history, pause }: WorkloadContext,
): Promise<void> {
  const keys = new Set(Array.from({ length: random.int(2, 4) }, () => random.int(0, KEYS - 1)));
  const plan = [...keys].map((key): Operation =>
    random.next() < 0.6 ? ['r', named(key), null] : ['w', named(key), history.value()],
  );
  const isSlow = random.next() < 0.3;
  await history.run(plan, () =>
    client.transaction(async () => {
      const ops: Operation[] = [];
      for (const op of plan) {
        const [kind, name, value] = op;
        const key = Number(name.split(' ')[1]);
        if (kind === 'r') ops.push(seen(key, await client.query(selectText(key))));
        else {
          await client.query(updateText(key, Number(value)));
          ops.push(op);
        }
        if (isSlow) await pause(random.int(1, 200));
      }
      return ops;
    }),
  );
}
