import { describe, expect, it } from 'vitest';
import { OpenSnapshots } from '../../../../cluster/txn/open-snapshots.ts';
import { SnapshotFloor } from '../../../../cluster/txn/snapshot-floor.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { nodeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { addMs, TS_ZERO } from '../../../../src/base/timestamp.ts';
import { SimClock, SimProcess, SimWorld } from '../../../../src/sim/world.ts';

const at = (seconds: number): Timestamp => addMs(TS_ZERO, seconds * 1000);

describe('open snapshots', () => {
  it('have an oldest one, to the second below, or are what was published', () => {
    const snapshots = new OpenSnapshots();
    expect(snapshots.oldest()).toBe(TS_ZERO);
    snapshots.notePublished(at(5.5));
    expect(snapshots.oldest()).toBe(at(5.5));
    const first = snapshots.enter();
    expect(snapshots.oldest()).toBe(at(5));
    first.move(at(7.9));
    expect(snapshots.oldest()).toBe(at(5.5));
    snapshots.notePublished(at(20));
    snapshots.notePublished(at(6));
    expect(snapshots.oldest()).toBe(at(7));
    const second = snapshots.enter();
    const third = snapshots.enter();
    third.move(at(7.1));
    first.close();
    first.close();
    expect(snapshots.oldest()).toBe(at(7));
    third.close();
    third.move(at(3));
    expect(snapshots.oldest()).toBe(at(20));
    second.move(at(30));
    expect(snapshots.oldest()).toBe(at(20));
  });
});

/** Nodes that cast to each other at once, unless one is cut off, and then publishes nothing. */
class Cluster {
  readonly world = new SimWorld(1);
  readonly applied = new Map<NodeId, Timestamp>();
  readonly snapshots = new Map<NodeId, OpenSnapshots>();
  readonly floors = new Map<NodeId, SnapshotFloor>();
  readonly cut = new Set<NodeId>();
  readonly published: Timestamp[] = [];

  constructor(size: number) {
    const ids = Array.from({ length: size }, (_, i) => nodeId(i + 1));
    const handlers = new Map<NodeId, (body: unknown, context: { from: NodeId }) => unknown>();
    for (const id of ids) {
      const { env } = new SimProcess(this.world, new SimClock(this.world, { skewMs: 0, rate: 1 }));
      const snapshots = new OpenSnapshots();
      this.snapshots.set(id, snapshots);
      const floor = new SnapshotFloor({
        ...{ env, snapshots, peers: ids.filter((peer) => peer !== id) },
        appliedTs: () => this.applied.get(id) ?? TS_ZERO,
        clock: {
          tryPublish: (ts) => {
            if (this.cut.has(id)) return Promise.reject(new Error('no majority'));
            this.published.push(ts);
            return env.scheduler.sleep(10).then(() => ts);
          },
        },
        transport: {
          register: (_, handler) => void handlers.set(id, handler as never),
          cast: (to, _, body) => {
            if (!this.cut.has(id) && !this.cut.has(to)) handlers.get(to)?.(body, { from: id });
          },
        },
      });
      this.floors.set(id, floor);
    }
  }

  of(id: number): OpenSnapshots {
    return this.snapshots.get(nodeId(id)) ?? new OpenSnapshots();
  }

  apply(ts: Timestamp): void {
    for (const id of this.floors.keys()) this.applied.set(id, ts);
  }

  lowest(): (Timestamp | undefined)[] {
    return [...this.floors.values()].map((floor) => floor.lowest());
  }

  start(...ids: number[]): void {
    for (const id of ids) this.floors.get(nodeId(id))?.start();
  }
}

describe('the floor of snapshots', () => {
  it('is unknown until every node was heard, then the lowest of all', async () => {
    const cluster = new Cluster(3);
    cluster.apply(at(100));
    cluster.start(1, 2);
    await cluster.world.run(1200);
    expect(cluster.lowest().slice(0, 2)).toEqual([undefined, undefined]);
    cluster.start(3);
    await cluster.world.run(1200);
    expect(cluster.lowest()).toEqual([at(100), at(100), at(100)]);
    const place = cluster.of(2).enter();
    cluster.apply(at(200));
    await cluster.world.run(1200);
    expect(cluster.lowest()).toEqual([at(100), at(100), at(100)]);
    place.move(at(150));
    await cluster.world.run(1200);
    expect(cluster.lowest()).toEqual([at(150), at(150), at(150)]);
    place.close();
    await cluster.world.run(1200);
    expect(cluster.lowest()).toEqual([at(200), at(200), at(200)]);
  });

  it('does not rise above what was published, and publishes nothing twice', async () => {
    const cluster = new Cluster(1);
    cluster.apply(at(7));
    cluster.start(1);
    expect(cluster.lowest()).toEqual([TS_ZERO]);
    await cluster.world.run(5000);
    expect(cluster.lowest()).toEqual([at(7)]);
    expect(cluster.published).toEqual([at(7)]);
    cluster.cut.add(nodeId(1));
    cluster.apply(at(8));
    await cluster.world.run(5000);
    expect(cluster.lowest()).toEqual([at(7)]);
    cluster.cut.clear();
    await cluster.world.run(1000);
    expect(cluster.lowest()).toEqual([at(8)]);
  });

  it('stays where a node that is gone had it, for a minute', async () => {
    const cluster = new Cluster(3);
    cluster.apply(at(100));
    cluster.start(1, 2, 3);
    await cluster.world.run(1200);
    cluster.cut.add(nodeId(1));
    cluster.apply(at(300));
    await cluster.world.run(50_000);
    expect(cluster.lowest().slice(1)).toEqual([at(100), at(100)]);
    await cluster.world.run(15_000);
    expect(cluster.lowest().slice(1)).toEqual([at(300), at(300)]);
  });

  it('does without a node that was never heard, after a minute', async () => {
    const cluster = new Cluster(3);
    cluster.apply(at(100));
    cluster.start(1, 2);
    await cluster.world.run(59_000);
    expect(cluster.lowest()[0]).toBeUndefined();
    await cluster.world.run(2000);
    expect(cluster.lowest()[0]).toBe(at(100));
  });
});
