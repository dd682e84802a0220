/**
 * Single-statement reads and writes of one row, as fast as they go, at every node: a leader that still answers from what
 * it had while others have gone on is found out. Some clients only read, because one that writes would wait for the
 * majority that such a leader has lost.
 */
import type { Operation } from '../../check/history.ts';
import type { SimClient } from '../client.ts';
import { mapOutcome } from '../client.ts';
import type { Workload, WorkloadContext } from '../workload.ts';

const BURST = 50;

export const fresh: Workload = {
  name: 'fresh',
  clients: 8,

  async setUp(client) {
    await client.query('CREATE TABLE fresh (key integer PRIMARY KEY, value integer NOT NULL)');
    await client.query('INSERT INTO fresh VALUES (0, 0)');
  },

  async step(client, context) {
    const isReader = context.random.next() < 0.6;
    for (let left = BURST; left > 0 && !client.isLost; left--) {
      await context.pause(context.random.int(1, 20));
      if (isReader || context.random.next() < 0.3) await read(client, context);
      else await write(client, context);
    }
  },
};

async function read(client: SimClient, { history }: WorkloadContext): Promise<void> {
  await history.run([['r', 'fresh', null]], async () => {
    const found = await client.single('SELECT value FROM fresh WHERE key = 0');
    return mapOutcome(found, ({ rows }) => {
      const value = Number(rows[0]?.[0] ?? 0);
      return [['r', 'fresh', value === 0 ? null : value]];
    });
  });
}

async function write(client: SimClient, { history }: WorkloadContext): Promise<void> {
  const op: Operation = ['w', 'fresh', history.value()];
  await history.run([op], async () => {
    const done = await client.single(`UPDATE fresh SET value = ${op[2]} WHERE key = 0`);
    return mapOutcome(done, () => [op]);
  });
}
