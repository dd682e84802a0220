/**
 * Schema changes under load: columns are added, indexes made and dropped, while rows come by INSERT and COPY, change and
 * go. A COPY is there as a whole or not at all; every index says what its table says.
 */
import type { SimClient } from '../client.ts';
import { isExpected } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const BATCH_ROWS = 30;
/** Enough to lie in several ranges. */
const BATCHES_MAX = 15;
/** What a statement meets when the table changes beside it: gone, there already, other columns, or busy. */
const CHANGED = ['42P01', '42P07', '42703', '42704', '42701', '23505', '55006', '55000'];

export function schema(): Workload {
  let lastId = 0;
  let lastColumn = 0;
  return {
    name: 'schema',
    clients: 4,

    async setUp(client) {
      await client.query(
        'CREATE TABLE things (id integer PRIMARY KEY, batch integer NOT NULL, size integer NOT NULL)',
      );
      await client.query('ALTER TABLE things SPLIT AT VALUES (200)');
    },

    splits: (random) => [`ALTER TABLE things SPLIT AT VALUES (${random.int(0, 500)})`],

    async step(client, context) {
      const { random } = context;
      const kind = random.next();
      if (kind < 0.1) await client.single('CREATE INDEX things_size ON things (size)', CHANGED);
      else if (kind < 0.15) await client.single('DROP INDEX things_size', CHANGED);
      else if (kind < 0.18) {
        const text = `ALTER TABLE things ADD COLUMN c${++lastColumn} integer DEFAULT ${lastColumn}`;
        await client.single(text, CHANGED);
      } else if (kind < 0.3 && lastId < BATCHES_MAX * BATCH_ROWS) {
        const from = lastId + 1;
        lastId += BATCH_ROWS;
        await copy(client, from);
      } else if (kind < 0.5) await countBatch(client, context, lastId);
      else if (kind < 0.8) {
        const text = `UPDATE things SET size = ${random.int(0, 9)} WHERE size = ${random.int(0, 9)} AND id % 7 = 0`;
        await client.single(text, CHANGED);
      } else await deleteBatch(client, random.int(1, Math.max(1, lastId)));
    },

    check: (client, context) => agree(client, context),
  };
}

async function copy(client: SimClient, from: number): Promise<void> {
  const lines = Array.from(
    { length: BATCH_ROWS },
    (_, i) => `${from + i}\t${from}\t${(from + i) % 10}\n`,
  );
  // In pieces that end anywhere.
  const pieces = lines.join('').match(/[^]{1,37}/g) ?? [];
  try {
    await client.execute('COPY things (id, batch, size) FROM STDIN', pieces);
  } catch (error) {
    if (!client.isLost && !isExpected(error, CHANGED)) throw error;
  }
}

async function countBatch(
  client: SimClient,
  { random, fail }: WorkloadContext,
  lastId: number,
): Promise<void> {
  const batch = 1 + BATCH_ROWS * random.int(0, Math.max(0, lastId / BATCH_ROWS - 1));
  const found = await client.single(`SELECT count(*) FROM things WHERE batch = ${batch}`, CHANGED);
  if (found.kind !== 'ok') return;
  const count = Number(found.value.rows[0]?.[0]);
  if (count !== 0 && count !== BATCH_ROWS) fail(`schema: ${count} rows of a batch are there`);
}

/** All rows of a batch go at once. */
async function deleteBatch(client: SimClient, id: number): Promise<void> {
  await client.transaction(async () => {
    const rows = await client.query(`SELECT batch FROM things WHERE id = ${id}`);
    const batch = rows[0]?.[0];
    if (batch !== undefined) await client.query(`DELETE FROM things WHERE batch = ${batch}`);
  }, CHANGED);
}

async function agree(client: SimClient, { fail }: WorkloadContext): Promise<void> {
  const sorted = (rows: (string | null)[][]): string =>
    rows
      .map(([id]) => Number(id))
      .sort((a, b) => a - b)
      .join();
  for (let size = 0; size < 10; size++) {
    const byIndex = sorted(await client.query(`SELECT id FROM things WHERE size = ${size}`));
    const byTable = sorted(await client.query(`SELECT id FROM things WHERE size + 0 = ${size}`));
    if (byIndex !== byTable)
      fail(`schema: of size ${size} the index has ${byIndex}, the table ${byTable}`);
  }
}
