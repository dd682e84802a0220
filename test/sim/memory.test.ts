/** What bounds a node's memory beyond single caches: Raft tails of all ranges together, and writes that wait. */
import { expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/span.ts';
import { tablePrefix } from '../../src/kv/keyspace.ts';
import type { NodeSettings } from '../../src/node/config.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

const VALUE = Buffer.alloc(1000);
const WRITES = 60;
const RANGES = 4;
const CLIENTS = 50;
/** Of a table: its key, its version, its value. */
const WRITE_BYTES = 1200;
/** A disk so slow that all is written before one checkpoint has ended, unless it waits. */
const CHECKPOINT_MS = 500;
const keyIn = (range: number, i = 0): Key => `${tablePrefix(5)}${range}/${i}` as Key;

/** The largest number of entries that a range of the only node has in memory after many writes to each. */
async function entriesKept(settings: Partial<NodeSettings>): Promise<number> {
  const world = new SimWorld(11);
  const cluster = new EmbeddedCluster(world, { size: 1, settings });
  await cluster.start();
  const kv = must(cluster.kv(1));
  const { signal } = new AbortController();
  for (let range = 1; range < RANGES; range++) {
    await world.settle(kv.splitAt(keyIn(range), signal));
    await world.run(1000);
  }
  for (let i = 0; i < WRITES; i++) {
    for (let range = 0; range < RANGES; range++) {
      const txn = kv.begin({ txnMaxBytes: 1 << 20, signal });
      await world.settle(Promise.resolve(txn.put(keyIn(range, i), VALUE, undefined)));
      await world.settle(Promise.resolve(txn.commit()));
    }
  }
  const groups = [...must(cluster.at(1).node).store.groups()];
  expect(groups.length).toBeGreaterThanOrEqual(RANGES);
  return Math.max(...groups.map(({ raft }) => raft.lastIndex - raft.firstIndex + 1));
}

it('Raft tails have a bound for each range, and one for all', async () => {
  expect(await entriesKept({})).toBeGreaterThanOrEqual(WRITES);
  const each = await entriesKept({ raftTailBytes: 30_000 });
  expect(each).toBeGreaterThan(10);
  expect(each).toBeLessThan(30);
  const shared = await entriesKept({ raftTailBytes: 30_000, raftTailsBytes: RANGES * 12_000 });
  expect(shared).toBeGreaterThan(2);
  expect(shared).toBeLessThan(12);
});

it('writes wait for checkpoints where both memory tables are full', async () => {
  const tableBytes = 100_000;
  const most = async (): Promise<number> => {
    const world = new SimWorld(12);
    const settings = { memoryTableBytes: tableBytes, checkpointSpreadMs: 0 };
    const cluster = new EmbeddedCluster(world, { size: 1, settings });
    const { engine } = cluster.at(1);
    const batch = engine.batch.bind(engine);
    engine.batch = async (writes, options) => {
      await new Promise<void>((resolve) => world.after(CHECKPOINT_MS, resolve));
      await batch(writes, options);
    };
    await cluster.start();
    const kv = must(cluster.kv(1));
    const { signal } = new AbortController();
    let mostBytes = 0;
    const write = async (client: number): Promise<void> => {
      for (let i = 0; i < 40; i++) {
        const txn = kv.begin({ txnMaxBytes: 1 << 20, signal });
        await txn.put(keyIn(client, i), VALUE, undefined);
        await txn.commit();
        const { memoryTableBytes = 0 } = must(cluster.at(1).node).status().counters;
        mostBytes = Math.max(mostBytes, memoryTableBytes);
      }
    };
    await world.settle(Promise.all(Array.from({ length: CLIENTS }, (_, client) => write(client))));
    return mostBytes;
  };
  // Each of the two is full at a quarter more, and takes what was under way then: a write of each client.
  expect(await most()).toBeLessThan(2 * (1.25 * tableBytes + CLIENTS * WRITE_BYTES));
});
