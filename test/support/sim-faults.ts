/** What goes wrong in a simulated machine room: nodes die, links are cut, frames get lost, leaders move. */
import type { EmbeddedCluster } from './embedded-cluster.ts';
import type { SimWorld } from './sim-env.ts';

/** One more thing goes wrong, drawn from the world's randomness; what went wrong before is over. */
export async function disturb(
  cluster: EmbeddedCluster,
  world: SimWorld,
  round: number,
): Promise<void> {
  const { random } = world;
  const down = cluster.machines.find(({ node }) => node === undefined);
  if (down !== undefined) await cluster.boot(down.id);
  cluster.net.heal();
  cluster.net.faults = {
    lossRate: random.next() < 0.3 ? 0.02 : 0,
    duplicateRate: random.next() < 0.3 ? 0.05 : 0,
    delayMinMs: 0.1,
    delayMaxMs: random.next() < 0.3 ? 30 : 1,
  };
  const victim = random.int(1, 3);
  const what = random.next();
  if (what < 0.45) cluster.crash(victim, random.next() < 0.5 ? 0 : 0.5);
  else if (what < 0.6) cluster.net.isolate(cluster.at(victim).id);
  else if (what < 0.75) cluster.net.cut(cluster.at(victim).id, cluster.at((victim % 3) + 1).id);
  else if (what < 0.9) {
    const kv = cluster.alive()[0]!.node!.kv;
    const range = [1, 2, 3][random.int(0, 2)]! as never;
    kv.transferLeader(range, cluster.at(victim).id, new AbortController().signal).catch(
      () => undefined,
    );
  } else if (round % 3 === 0) {
    for (const { id, node } of cluster.machines) if (node !== undefined) cluster.crash(id);
    for (const { id } of cluster.machines) await cluster.boot(id);
  }
}

/** All links and nodes are up. */
export async function heal(cluster: EmbeddedCluster): Promise<void> {
  cluster.net.heal();
  cluster.net.faults = { lossRate: 0, duplicateRate: 0, delayMinMs: 0.1, delayMaxMs: 1 };
  for (const { id, node } of cluster.machines) if (node === undefined) await cluster.boot(id);
}
