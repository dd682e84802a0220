/**
 * Appends to lists in several ranges, and reads of them: one table keeps a list in a row, the other a value in a row,
 * which makes predicates of the reads.
 */
import type { Operation } from '../../check/history.ts';
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const KEYS = 9;

/** A rival may have taken the place that was counted out. */
const RIVAL = ['23505'];

export const lists: Workload = {
  name: 'lists',
  clients: 6,

  async setUp(client) {
    await client.query('CREATE TABLE lists (key integer PRIMARY KEY, items text NOT NULL)');
    await client.query(
      'CREATE TABLE items (key integer, at integer, item integer NOT NULL, PRIMARY KEY (key, at))',
    );
    await client.query(`ALTER TABLE lists SPLIT AT VALUES (${KEYS / 3})`);
    await client.query(`ALTER TABLE items SPLIT AT VALUES (${KEYS / 3}, 0)`);
  },

  splits: (random) => [`ALTER TABLE lists SPLIT AT VALUES (${random.int(0, KEYS)})`],

  async step(client, { random, history }) {
    const plan = Array.from({ length: random.int(1, 4) }, () => operation({ random, history }));
    await history.run(plan, () =>
      client.transaction(async () => {
        const seen: Operation[] = [];
        for (const op of plan) seen.push(await execute(client, op));
        return seen;
      }, RIVAL),
    );
  },
};

function operation({ random, history }: Pick<WorkloadContext, 'random' | 'history'>): Operation {
  const table = random.next() < 0.5 ? 'list' : 'item';
  const key = `${table} ${random.int(0, KEYS - 1)}`;
  return random.next() < 0.5 ? ['r', key, null] : ['append', key, history.value()];
}

async function execute(client: SimClient, op: Operation): Promise<Operation> {
  const [kind, key, value] = op;
  const [table, id = '0'] = key.split(' ');
  const isList = table === 'list';
  if (kind !== 'r') {
    await client.query(
      isList
        ? `INSERT INTO lists VALUES (${id}, '${String(value)}')
           ON CONFLICT (key) DO UPDATE SET items = lists.items || ',' || excluded.items`
        : `INSERT INTO items (key, at, item)
           SELECT ${id}, coalesce(max(at), 0) + 1, ${String(value)} FROM items WHERE key = ${id}`,
    );
    return op;
  }
  const rows = await client.query(
    isList
      ? `SELECT items FROM lists WHERE key = ${id}`
      : `SELECT item FROM items WHERE key = ${id} ORDER BY at`,
  );
  const items = isList
    ? (rows[0]?.[0] ?? '').split(',').filter(Boolean)
    : rows.map(([item]) => item);
  return ['r', key, items.map(Number)];
}
