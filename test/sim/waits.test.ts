/** TXN-14: commits of transactions that have read what the other writes do not wait for each other. */
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../src/base/mutant.ts';
import { SimClient } from '../../src/sim/client.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { withBroken } from '../../src/sim/mutants.ts';
import { SimWorld } from '../../src/sim/world.ts';

/** Fewer than a session loses before it takes shared locks, and waits for them. */
const ROUNDS = 7;
/** Somebody looks into a transaction that is waited for after a second. */
const NO_WAIT_MS = 500;

/** Of two that cross, in two ranges with leaders of their own: how long both COMMITs took at most, virtual ms. */
async function slowestMs(): Promise<number> {
  const world = new SimWorld(8);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  await cluster.start();
  const open = (id: number): Promise<SimClient> =>
    world.settle(SimClient.connect(world, cluster, id));
  const [one, two] = [await open(1), await open(2)];
  const run = (client: SimClient, text: string): Promise<unknown> =>
    world.settle(client.query(text));
  await run(one, 'CREATE TABLE t (id int PRIMARY KEY, n int)');
  await run(one, 'INSERT INTO t VALUES (1, 0), (5, 0)');
  await run(one, 'ALTER TABLE t SPLIT AT VALUES (5)');
  await run(one, 'ALTER RANGE 1 TRANSFER LEADER TO 1');
  await run(one, 'ALTER RANGE 2 TRANSFER LEADER TO 2');
  await world.run(1000);
  let slowest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const client of [one, two]) await run(client, 'BEGIN');
    await run(one, 'SELECT n FROM t WHERE id = 1');
    await run(two, 'SELECT n FROM t WHERE id = 5');
    await run(one, 'UPDATE t SET n = n + 1 WHERE id = 5');
    await run(two, 'UPDATE t SET n = n + 1 WHERE id = 1');
    const from = world.nowMs;
    await world.settle(Promise.allSettled([one.query('COMMIT'), two.query('COMMIT')]));
    slowest = Math.max(slowest, world.nowMs - from);
    for (const client of [one, two]) await run(client, 'ROLLBACK');
  }
  return slowest;
}

describe('of two that have read what the other writes', () => {
  it('one is refused at once', async () => {
    expect(await slowestMs()).toBeLessThan(NO_WAIT_MS);
  });

  it('both wait for each other when TXN-14 is broken', async () => {
    const rule: Rule = 'TXN-14';
    expect(await withBroken(rule, slowestMs)).toBeGreaterThan(NO_WAIT_MS);
  });
});
