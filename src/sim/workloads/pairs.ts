/**
 * Pairs of rows that are always written together, and blocks that read one row of a pair, pause, and read the other:
 * whatever happens in between, also to the leader, they must find the same value (TXN-2, RANGE-1).
 *
 * The first row of a pair is read with a lock, after a pause in which others have written it. That moves the snapshot to
 * the clock of the row's leader (TXN-13), a time that no other node need have heard of. Values are no history: a block
 * whose lock was lost is refused in the end, and must not have seen halves of two writes even so.
 */
import type { SimClient } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const PAIRS = 24;
const BURST = 40;
/** Before the lock: an election, and what a leader that has been cut off takes to notice. */
const [LOCK_AFTER_MIN_MS, LOCK_AFTER_MAX_MS] = [1000, 2500];
/** Until another leader has been elected, and has written. */
const HOLD_MAX_MS = 4000;

export const pairs: Workload = {
  name: 'pairs',
  clients: 16,

  async setUp(client) {
    await client.query('CREATE TABLE pairs (id integer PRIMARY KEY, value integer NOT NULL)');
    const rows = Array.from({ length: 2 * PAIRS + 1 }, (_, id) => `(${id}, 0)`);
    await client.query(`INSERT INTO pairs VALUES ${rows.join(', ')}`);
  },

  splits: (random) => [`ALTER TABLE pairs SPLIT AT VALUES (${random.int(1, 2 * PAIRS)})`],

  async step(client, context) {
    if (context.random.next() < 0.5) await readPair(client, context);
    else
      for (let left = BURST; left > 0 && !client.isLost; left--) await writePair(client, context);
  },
};

async function writePair(client: SimClient, context: WorkloadContext): Promise<void> {
  const { random, history, pause } = context;
  await pause(random.int(1, 30));
  const first = 1 + 2 * random.int(0, PAIRS - 1);
  await client.single(
    `UPDATE pairs SET value = ${history.value()} WHERE id IN (${first}, ${first + 1})`,
  );
}

async function readPair(client: SimClient, context: WorkloadContext): Promise<void> {
  const { random, pause, fail } = context;
  const first = 1 + 2 * random.int(0, PAIRS - 1);
  const select = (id: number): string => `SELECT value FROM pairs WHERE id = ${id}`;
  await client.transaction(async () => {
    // The snapshot is taken here; nobody writes this row.
    await client.query(select(0));
    await pause(random.int(LOCK_AFTER_MIN_MS, LOCK_AFTER_MAX_MS));
    const [[one] = []] = await client.query(`${select(first)} FOR SHARE`);
    await pause(random.int(0, HOLD_MAX_MS));
    const [[other] = []] = await client.query(select(first + 1));
    if (one !== other) {
      fail(`a snapshot has ${one} in row ${first} of pairs, and ${other} in row ${first + 1}`);
    }
  });
}
