/** A node that was away is brought up by the log as long as that reaches back, checkpoints or not, and else by a snapshot. */
import { expect, it } from 'vitest';
import { SimClient } from '../../src/sim/client.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

it.each([
  ['the log', 1 << 18, 50],
  ['a snapshot', 1 << 14, 600],
])('by %s', async (how, logSegmentBytes, rows) => {
  const world = new SimWorld(3);
  const cluster = new EmbeddedCluster(world, {
    size: 3,
    settings: { logSegmentBytes, checkpointSpreadMs: 0 },
  });
  await cluster.start();
  const client = await world.settle(SimClient.connect(world, cluster, 1));
  await world.settle(client.query('CREATE TABLE t (id int PRIMARY KEY, data text)'));
  await world.run(1000);
  cluster.crash(3);
  await world.run(5000);
  for (let id = 0; id < rows; id++) {
    await world.settle(client.query(`INSERT INTO t VALUES (${id}, '${'x'.repeat(200)}')`));
    // Both that stay, whoever leads, checkpoint while the third is away.
    if (id % 20 !== 0) continue;
    for (const { node } of cluster.alive()) {
      if (node !== undefined) await world.settle(node.store.checkpoint());
    }
  }
  await cluster.boot(3);
  const replica = [...(cluster.at(3).node?.store.groups() ?? [])][0];
  const { appliedIndex, descriptor } = replica?.state ?? {};
  const groupOf = (id: number): typeof replica =>
    [...(cluster.at(id).node?.store.groups() ?? [])].find(
      ({ rangeId }) => rangeId === descriptor?.rangeId,
    );
  const isEven = await world.run(
    10_000,
    () => groupOf(3)?.state.appliedIndex === groupOf(1)?.state.appliedIndex,
  );
  expect(isEven).toBe(true);
  // A snapshot moves the beginning of the log in memory; the log does not.
  const byLog = groupOf(3)?.raft.firstIndex === (appliedIndex ?? 0) + 1;
  expect(byLog ? 'the log' : 'a snapshot').toBe(how);
});
