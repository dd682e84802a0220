/** CLOCK-4: a wall clock that is far ahead disturbs nobody. */
import { expect, it } from 'vitest';
import { SimClient } from '../../src/sim/client.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

const HOUR_MS = 3_600_000;

async function start(skewMs: number): Promise<{
  readonly world: SimWorld;
  readonly cluster: EmbeddedCluster;
  readonly query: (text: string) => Promise<(string | null)[][]>;
}> {
  const world = new SimWorld(1);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  cluster.at(1).clock.skewMs = skewMs;
  await cluster.start();
  const client = await world.settle(SimClient.connect(world, cluster, 2));
  const query = (text: string): Promise<(string | null)[][]> => world.settle(client.query(text));
  await query('CREATE TABLE t (id int PRIMARY KEY, n int)');
  await query('INSERT INTO t VALUES (1, 0), (5, 0)');
  await query('ALTER TABLE t SPLIT AT VALUES (5)');
  return { world, cluster, query };
}

/** How far the hybrid clocks are ahead of a clock that is right. */
function aheadMs(cluster: EmbeddedCluster): number[] {
  const right = cluster.at(2).clock;
  const unixMs = (ts: number): number => Date.UTC(2025, 0, 1) + ts / 4096;
  return cluster.alive().map(({ node }) => unixMs(node?.hlc.read() ?? 0) - right.wallMs());
}

it.each([
  ['before the node starts', HOUR_MS, 0],
  ['while it runs', 0, HOUR_MS],
])('that jumps %s', async (_when, beforeMs, laterMs) => {
  const { world, cluster, query } = await start(beforeMs);
  await query('ALTER RANGE 2 TRANSFER LEADER TO 1');
  await world.run(500);
  cluster.at(1).clock.skewMs += laterMs;
  for (let round = 0; round < 5; round++) {
    await query('UPDATE t SET n = n + 1');
    await query('SELECT sum(n) FROM t');
    await world.run(1000);
  }
  expect(await query('SELECT n FROM t WHERE id = 5')).toEqual([['5']]);
  // It leads nothing any more.
  const ranges = await query('SHOW RANGES FROM TABLE t');
  expect(ranges.map((row) => row[3])).not.toContain('1');
  // A ceiling lies two seconds ahead, and a new leader begins there.
  expect(Math.max(...aheadMs(cluster))).toBeLessThan(4000);
});

it('on a node that is the last one to lead', async () => {
  const { world, cluster, query } = await start(0);
  await query('ALTER RANGE 2 TRANSFER LEADER TO 1');
  await world.run(500);
  cluster.at(1).clock.skewMs += HOUR_MS;
  cluster.crash(3);
  for (let round = 0; round < 5; round++) {
    await query('UPDATE t SET n = n + 1').catch(() => undefined);
    await world.run(2000);
  }
  await query('UPDATE t SET n = n + 1');
  expect(Math.max(...aheadMs(cluster))).toBeLessThan(4000);
});
