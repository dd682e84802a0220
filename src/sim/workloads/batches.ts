/**
 * Batches of rows, one in each of several ranges, by one INSERT of several rows, which locks none of them: nothing but
 * the protocol of COMMIT keeps a batch together. Between INSERT and COMMIT clients think, so that whatever goes wrong
 * meets many that are about to commit. A batch is there as a whole or not at all, at once when it was acknowledged, and
 * never when it was refused.
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const PARTS = 3;
const THINK_MAX_MS = 500;
/** A read looks at this many of the last batches. */
const RECENT = 40;

interface Ledger {
  readonly acknowledged: Set<number>;
  readonly refused: Set<number>;
  last: number;
}

export function batches(): Workload {
  const ledger: Ledger = { acknowledged: new Set(), refused: new Set(), last: 0 };
  return {
    name: 'batches',
    clients: 16,

    async setUp(client) {
      await client.query('CREATE TABLE batches (part integer, id integer, PRIMARY KEY (part, id))');
      for (let part = 1; part < PARTS; part++) {
        await client.query(`ALTER TABLE batches SPLIT AT VALUES (${part}, 0)`);
      }
    },

    splits: (random) => [
      `ALTER TABLE batches SPLIT AT VALUES (${random.int(0, PARTS - 1)}, ${random.int(0, 500)})`,
    ],

    async step(client, context) {
      if (context.random.next() < 0.75) await add(client, context, ledger);
      else await look(client, context, ledger, ledger.last - RECENT);
    },

    check: (client, context) => look(client, context, ledger, 0),
  };
}

async function add(
  client: SimClient,
  { random, pause }: WorkloadContext,
  ledger: Ledger,
): Promise<void> {
  const id = ++ledger.last;
  const rows = Array.from({ length: PARTS }, (_, part) => `(${part}, ${id})`);
  const outcome = await client.transaction(async () => {
    await client.query(`INSERT INTO batches VALUES ${rows.join(', ')}`);
    await pause(random.int(0, THINK_MAX_MS));
  });
  if (outcome.kind === 'ok') ledger.acknowledged.add(id);
  if (outcome.kind === 'fail') ledger.refused.add(id);
}

async function look(
  client: SimClient,
  { fail }: WorkloadContext,
  ledger: Ledger,
  from: number,
): Promise<void> {
  const due = [...ledger.acknowledged].filter((id) => id >= from);
  const rows = await client.query(`SELECT id FROM batches WHERE id >= ${from}`);
  const counts = new Map<number, number>();
  for (const [text] of rows) counts.set(Number(text), (counts.get(Number(text)) ?? 0) + 1);
  for (const [id, count] of counts) {
    if (count !== PARTS) fail(`batches: of batch ${id} ${count} rows are there`);
    if (ledger.refused.has(id)) fail(`batches: batch ${id} was refused, and is there`);
  }
  for (const id of due) {
    if (!counts.has(id)) fail(`batches: batch ${id} was acknowledged, and is missing`);
  }
}
