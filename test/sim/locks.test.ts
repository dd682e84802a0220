/** Sessions in the queue of a row lock, while the nodes between them come and go. */
import { SILENT_MS } from '../../cluster/transport/peer-watch.ts';
import { describe, expect, it } from 'vitest';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { tablePrefix } from '../../src/kv/keyspace.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

const ROW = `${tablePrefix(5)}row` as Key;
const LOCK = { strength: 'update', wait: 'block', timeoutMs: 0 } as const;
/** Longer than a peer may be silent, and longer than a statement looks for a leader. */
const LONG_MS = 6000;

/** The leader of the only range, and the two others. */
async function start(seed: number): Promise<{
  readonly world: SimWorld;
  readonly cluster: EmbeddedCluster;
  readonly leader: number;
  readonly others: readonly [number, number];
}> {
  const world = new SimWorld(seed);
  const cluster = new EmbeddedCluster(world, { size: 3 });
  await cluster.start();
  const leading = cluster.machines.find(({ node }) =>
    [...(node?.store.groups() ?? [])].some(({ replica }) => replica.office?.isServing === true),
  );
  const leader = leading?.id ?? 0;
  const [one = 0, two = 0] = [1, 2, 3].filter((id) => id !== leader);
  return { world, cluster, leader, others: [one, two] };
}

function begin(cluster: EmbeddedCluster, id: number): KvTxn {
  const { signal } = new AbortController();
  return cluster.kv(id)!.begin({ txnMaxBytes: 1 << 20, signal });
}

const lockRow = async (txn: KvTxn): Promise<string> => {
  const [row] = await txn.lock([ROW], undefined, LOCK);
  return Buffer.from(row?.value ?? []).toString();
};

const outcome = async (work: MaybePromise<unknown>): Promise<unknown> =>
  Promise.resolve(work).catch((error: unknown) => (error instanceof KvError ? error.code : error));

describe('a session that waits for a row', () => {
  it('waits on when the leader has not heard its node for a while', async () => {
    const { world, cluster, leader, others } = await start(1);
    const holder = begin(cluster, leader);
    await world.settle(lockRow(holder));
    const waiter = begin(cluster, others[0]);
    const waiting = outcome(lockRow(waiter));
    await world.run(100);
    // Long enough to be taken for lost, and not for the leader to leave leading to another.
    cluster.net.cut(cluster.at(others[0]).id, cluster.at(leader).id);
    await world.run(SILENT_MS + 700);
    cluster.net.heal();
    await world.run(1000);
    await holder.put(ROW, Buffer.from('held'), undefined);
    await world.settle(outcome(holder.commit()));
    expect(await world.settle(waiting)).toBe('held');
    await waiter.put(ROW, Buffer.from('waited'), undefined);
    await world.settle(outcome(waiter.commit()));
  });

  it('finds the next leader after a long wait', async () => {
    const { world, cluster, leader, others } = await start(2);
    const holder = begin(cluster, others[1]);
    await world.settle(lockRow(holder));
    const waiter = begin(cluster, others[0]);
    const waiting = outcome(lockRow(waiter));
    await world.run(LONG_MS);
    cluster.crash(leader);
    // The lock has ended with its leader; the holder is told so when it commits.
    expect(await world.settle(waiting)).toBe('');
    await waiter.put(ROW, Buffer.from('waited'), undefined);
    await world.settle(outcome(waiter.commit()));
    await holder.put(ROW, Buffer.from('held'), undefined);
    expect(await world.settle(outcome(holder.commit()))).toBe('conflict');
  });

  it('does not hold its locks for ever when its last word is lost', async () => {
    const { world, cluster, leader, others } = await start(3);
    const holder = begin(cluster, others[0]);
    await world.settle(lockRow(holder));
    cluster.net.cut(cluster.at(others[0]).id, cluster.at(leader).id);
    holder.rollback();
    await world.run(50);
    cluster.net.heal();
    const waiter = begin(cluster, others[1]);
    expect(await world.settle(outcome(lockRow(waiter)))).toBe('');
    waiter.rollback();
  });

  it('keeps its locks while it is idle', async () => {
    const { world, cluster, others } = await start(4);
    const holder = begin(cluster, others[0]);
    await world.settle(lockRow(holder));
    await world.run(30_000);
    await holder.put(ROW, Buffer.from('held'), undefined);
    expect(await world.settle(outcome(holder.commit()))).toBeGreaterThan(0);
  });

  it('asks for nothing any more when it has ended while it waited for its snapshot', async () => {
    const { world, cluster, others } = await start(5);
    const gone = begin(cluster, others[0]);
    // The gather of its beginning is still out.
    const asking = outcome(gone.lock([ROW], undefined, LOCK));
    gone.rollback();
    expect(await world.settle(asking)).toBe('cancelled');
    await world.run(LONG_MS);
    const next = begin(cluster, others[1]);
    expect(await world.settle(outcome(lockRow(next)))).toBe('');
    next.rollback();
  });
});
