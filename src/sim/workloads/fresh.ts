/**
 * Single-statement reads and writes of one row, as fast as they go, at every node: a leader that still answers from what
 * it had while others have gone on is found out. Some clients only read, because one that writes would wait for the
 * majority that such a leader has lost: for a while in `fresh`; in `crowd`, of which more are left at every node when many
 * wait, for as long as they are connected.
 */
import type { Operation } from '../../check/history.ts';
import type { SimClient } from '../client.ts';
import { mapOutcome } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const BURST = 50;
const READER_SHARE = 0.6;

export const fresh: Workload = oneRow('fresh', 8, (_, { random }) => random.next() < READER_SHARE);

export function crowd(): Workload {
  const readers = new Map<SimClient, boolean>();
  return oneRow('crowd', 24, (client, { random }) => {
    const isReader = readers.get(client) ?? random.next() < READER_SHARE;
    readers.set(client, isReader);
    return isReader;
  });
}

/** One row in a table of this name. */
function oneRow(
  name: string,
  clients: number,
  isReader: (client: SimClient, context: WorkloadContext) => boolean,
): Workload {
  return {
    name,
    clients,

    async setUp(client) {
      await client.query(`CREATE TABLE ${name} (key integer PRIMARY KEY, value integer NOT NULL)`);
      await client.query(`INSERT INTO ${name} VALUES (0, 0)`);
    },

    async step(client, context) {
      const readsOnly = isReader(client, context);
      for (let left = BURST; left > 0 && !client.isLost; left--) {
        await context.pause(context.random.int(1, 20));
        if (readsOnly || context.random.next() < 0.3) await read(name, client, context);
        else await write(name, client, context);
      }
    },
  };
}

async function read(name: string, client: SimClient, { history }: WorkloadContext): Promise<void> {
  await history.run([['r', name, null]], async () => {
    const found = await client.single(`SELECT value FROM ${name} WHERE key = 0`);
    return mapOutcome(found, ({ rows }) => {
      const value = Number(rows[0]?.[0] ?? 0);
      return [['r', name, value === 0 ? null : value]];
    });
  });
}

async function write(name: string, client: SimClient, { history }: WorkloadContext): Promise<void> {
  const op: Operation = ['w', name, history.value()];
  await history.run([op], async () => {
    const done = await client.single(`UPDATE ${name} SET value = ${op[2]} WHERE key = 0`);
    return mapOutcome(done, () => [op]);
  });
}
