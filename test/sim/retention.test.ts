/** Old versions go once nobody may read them any more, and nothing else does. */
import { describe, expect, it } from 'vitest';
import type { Key } from '../../src/base/span.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { tablePrefix } from '../../src/kv/keyspace.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

const KEYS = 6;
const keyOf = (i: number): Key => `${tablePrefix(5)}k${i}` as Key;
const LOCK = { strength: 'update', wait: 'block', timeoutMs: 3000 } as const;
/** Clocks jump ahead by some seconds when a node starts again: snapshots age by as much. */
const RETENTION_MS = 12_000;

function begin(cluster: EmbeddedCluster, id: number): KvTxn {
  return cluster.kv(id)!.begin({ txnMaxBytes: 1 << 20, signal: new AbortController().signal });
}

const numberIn = (value: Uint8Array | undefined): number => Number(Buffer.from(value ?? []));

/** Adds one to a counter; false when it may or may not have been. */
async function increment(cluster: EmbeddedCluster, id: number, key: Key): Promise<boolean> {
  const txn = begin(cluster, id);
  try {
    const [row] = await txn.lock([key], undefined, LOCK);
    const text = String(numberIn(row?.value) + 1);
    // Padded, so that memory tables fill up.
    await txn.put(key, Buffer.from(text.padStart(200)), undefined);
    await txn.commit();
    return true;
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return false;
  } finally {
    txn.rollback();
  }
}

async function valuesIn(txn: KvTxn): Promise<number[]> {
  const keys = Array.from({ length: KEYS }, (_, i) => keyOf(i));
  const values = await txn.getMany(keys, undefined);
  await txn.commit();
  return values.map(numberIn);
}

const read = (cluster: EmbeddedCluster, id: number): Promise<number[]> =>
  valuesIn(begin(cluster, id));

describe('old versions', () => {
  it('are collected at every replica, through crashes, and the newest stay', async () => {
    const world = new SimWorld(5);
    const cluster = new EmbeddedCluster(world, {
      size: 3,
      settings: { retentionMs: RETENTION_MS, memoryTableBytes: 20_000, checkpointSpreadMs: 200 },
    });
    await cluster.start();
    const added = Array.from({ length: KEYS }, () => 0);
    const round = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const i = n % KEYS;
        const at = cluster.alive()[n % cluster.alive().length]!.id;
        while (!(await world.settle(increment(cluster, at, keyOf(i))))) await world.run(100);
        added[i]!++;
        await world.run(60);
      }
    };
    for (const victim of [3, 1]) {
      await round(200);
      cluster.crash(victim, 0.5);
      await round(100);
      await cluster.boot(victim);
    }
    const old = begin(cluster, 2);
    await world.settle(Promise.resolve(old.readTs()));
    for (let n = 0; n < 4; n++) {
      const before = await world.settle(read(cluster, 2));
      const snapshot = begin(cluster, 2);
      await world.settle(Promise.resolve(snapshot.readTs()));
      await round(120);
      expect(await world.settle(valuesIn(snapshot))).toEqual(before);
    }
    await world.run(5000);
    for (const id of [1, 2, 3]) {
      const values = await world.settle(read(cluster, id));
      // A crash may leave an attempt that was counted as failed, and has taken effect.
      values.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(added[i]!);
        expect(value).toBeLessThan(added[i]! + 10);
      });
      expect(cluster.at(id).node!.status().counters.versionsCollected).toBeGreaterThan(50);
    }
    const late = world.settle(valuesIn(old));
    await expect(late).rejects.toMatchObject({ code: 'too_old' });
    old.rollback();
    expect(cluster.fatal).toEqual([]);
  });

  it('are not even written where no open transaction reads them, and are where one does', async () => {
    const world = new SimWorld(6);
    const cluster = new EmbeddedCluster(world, {
      size: 3,
      settings: { memoryTableBytes: 20_000, checkpointSpreadMs: 200 },
    });
    await cluster.start();
    const round = async (): Promise<void> => {
      for (let n = 0; n < 300; n++) {
        await world.settle(increment(cluster, 1 + (n % 3), keyOf(n % KEYS)));
        await world.run(60);
      }
    };
    const versions = async (id: number): Promise<number> => {
      const [group] = cluster.at(id).node!.store.groups();
      const span = { start: keyOf(0), end: keyOf(9) };
      const stream = group!.replica.host.mvcc.versions(span);
      let count = 0;
      for (;;) {
        const batch = await world.settle(stream.next());
        if (batch === undefined) break;
        count += batch.length;
      }
      await world.settle(stream.close());
      return count;
    };
    await round();
    const before = await world.settle(read(cluster, 2));
    // Those of the memory tables, and of the last seconds: not three hundred.
    for (const id of [1, 2, 3]) expect(await versions(id)).toBeLessThan(200);
    const snapshot = begin(cluster, 3);
    await world.settle(Promise.resolve(snapshot.readTs()));
    await round();
    for (const id of [1, 2, 3]) expect(await versions(id)).toBeGreaterThan(300);
    expect(await world.settle(valuesIn(snapshot))).toEqual(before);
    expect(cluster.fatal).toEqual([]);
  });
});
