/** Clients of a node that has lost the others without a word are told within a bounded (virtual) time, whatever they asked. */
import { expect, it } from 'vitest';
import { SimClient } from '../../src/sim/client.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

/** Until it is noticed that the others are silent (2.4 s), and that they stay so (1 s), and what was asked has ended. */
const ANSWER_MAX_MS = 5000;

const ASKED = [
  ['SELECT n FROM t WHERE id = 1'],
  ['SELECT sum(n) FROM t'],
  ['UPDATE t SET n = n + 1 WHERE id = 1'],
  ['UPDATE t SET n = n + 1'],
  ['INSERT INTO t VALUES (7, 7)'],
  ['BEGIN', 'SELECT sum(n) FROM t'],
  ['BEGIN', 'SELECT n FROM t WHERE id = 15 FOR UPDATE'],
  ['BEGIN', 'UPDATE t SET n = 0 WHERE id = 1', 'UPDATE t SET n = 0 WHERE id = 15', 'COMMIT'],
  ['CREATE TABLE u (id int PRIMARY KEY)'],
];

async function answerMs(world: SimWorld, client: SimClient, text: string): Promise<number> {
  const from = world.nowMs;
  await world.settle(client.query(text).catch(() => undefined));
  return world.nowMs - from;
}

it.each([1, 2, 3])('clients of node %i that is cut off are answered', async (cutOff) => {
  const world = new SimWorld(cutOff);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  await cluster.start();
  const open = (): Promise<SimClient> => world.settle(SimClient.connect(world, cluster, cutOff));
  const setUp = await open();
  for (const text of [
    'CREATE TABLE t (id int PRIMARY KEY, n int)',
    'ALTER TABLE t SPLIT AT VALUES (5), (10)',
    'INSERT INTO t VALUES (1, 1), (5, 5), (15, 15)',
  ]) {
    await world.settle(setUp.query(text));
  }
  // Each is asked by a client of its own: some begin right before the cut, some right after it, and some much later.
  const clients = await Promise.all(Array.from({ length: 3 * ASKED.length }, () => open()));
  const slowest = new Map<string, number>();
  const run = async (client: SimClient | undefined, texts: readonly string[]): Promise<void> => {
    for (const text of texts) {
      const from = world.nowMs;
      await client?.query(text).catch(() => undefined);
      slowest.set(text, Math.max(slowest.get(text) ?? 0, world.nowMs - from));
    }
  };
  const runs = ASKED.map((texts, i) => run(clients[i], texts));
  world.after(0.3, () => cluster.net.isolate(cluster.at(cutOff).id));
  await world.run(10);
  ASKED.forEach((texts, i) => runs.push(run(clients[ASKED.length + i], texts)));
  await world.run(8000);
  ASKED.forEach((texts, i) => runs.push(run(clients[2 * ASKED.length + i], texts)));
  await world.settle(Promise.all(runs));
  for (const [text, ms] of slowest) expect.soft(ms, text).toBeLessThan(ANSWER_MAX_MS);
  // Nothing was said to be done that nobody else knows of.
  await expect(world.settle(setUp.query('SELECT n FROM t WHERE id = 1'))).rejects.toThrow();
  cluster.net.heal();
  await world.run(5000);
  expect(await answerMs(world, await open(), 'SELECT sum(n) FROM t')).toBeLessThan(ANSWER_MAX_MS);
});
