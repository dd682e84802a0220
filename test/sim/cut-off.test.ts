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

it.each([
  ['do not hear each other', [1, 2], [2, 1]],
  ['hear each other one way only', [1, 2]],
])('two nodes that %s leave leading to the third, and all go on', async (_how, ...cuts) => {
  const world = new SimWorld(5);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  await cluster.start();
  const open = (id: number): Promise<SimClient> =>
    world.settle(SimClient.connect(world, cluster, id));
  const setUp = await open(3);
  for (const text of [
    'CREATE TABLE t (id int PRIMARY KEY, n int)',
    'INSERT INTO t VALUES (1, 0), (5, 0), (9, 0)',
    'ALTER TABLE t SPLIT AT VALUES (5), (9)',
  ]) {
    await world.settle(setUp.query(text));
  }
  for (const [i, to] of [1, 2, 3].entries()) {
    await world.settle(setUp.query(`ALTER RANGE ${i + 1} TRANSFER LEADER TO ${to}`));
  }
  await world.run(1000);
  const clients = [await open(1), await open(2), setUp];
  for (const [from = 0, to = 0] of cuts as number[][]) {
    cluster.net.cut(cluster.at(from).id, cluster.at(to).id);
  }
  await world.run(4000);
  for (const client of clients) {
    expect(await answerMs(world, client, 'UPDATE t SET n = n + 1')).toBeLessThan(100);
  }
  expect(await world.settle(setUp.query('SELECT n FROM t WHERE id = 1'))).toEqual([['3']]);
});

it('a deadlock between clients of two nodes that do not hear each other is found', async () => {
  const world = new SimWorld(6);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  await cluster.start();
  const open = (id: number): Promise<SimClient> =>
    world.settle(SimClient.connect(world, cluster, id));
  const setUp = await open(3);
  await world.settle(setUp.query('CREATE TABLE t (id int PRIMARY KEY, n int)'));
  await world.settle(setUp.query('INSERT INTO t VALUES (1, 0), (2, 0)'));
  await world.settle(setUp.query('ALTER RANGE 1 TRANSFER LEADER TO 3'));
  const [one, two] = [await open(1), await open(2)];
  cluster.net.cut(cluster.at(1).id, cluster.at(2).id);
  cluster.net.cut(cluster.at(2).id, cluster.at(1).id);
  await world.run(4000);
  const update = (client: SimClient, id: number): Promise<unknown> =>
    client.query(`UPDATE t SET n = n + 1 WHERE id = ${id}`);
  for (const client of [one, two]) await world.settle(client.query('BEGIN; SELECT 1'));
  await world.settle(update(one, 1));
  await world.settle(update(two, 2));
  const crossed = Promise.allSettled([update(one, 2), update(two, 1)]);
  const outcomes = (await world.settle(crossed, 3000)).map(({ status }) => status);
  expect(outcomes.sort()).toEqual(['fulfilled', 'rejected']);
});
