/** What nodes say they have done is what was done. */
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { watchProcess } from '../../src/env/node/process-usage.ts';
import { must } from '../../src/base/assert.ts';
import type { Key } from '../../src/base/span.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { tablePrefix } from '../../src/kv/keyspace.ts';
import type { NodeSettings } from '../../src/node/config.ts';
import { CollectingSink } from '../../src/sim/collecting-sink.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';

const [ROW, OTHER] = ['a', 'b'].map((name) => `${tablePrefix(5)}${name}` as Key) as [Key, Key];
const LOCK = { strength: 'update', wait: 'block', timeoutMs: 0 } as const;
/** Entries are counted when they are written: one on each node may not be synced yet. */
const BEING_SYNCED = 3;
const VALUE = Buffer.from('v');

/** What forty concurrent writes cost their leader, and in all nodes' logs; to both sides of `split`, if given. */
async function crowd(
  settings: Partial<NodeSettings>,
  split?: Key,
): Promise<{
  readonly grown: Readonly<Record<string, number>>;
  readonly total: { readonly logSyncs: number; readonly logEntries: number };
}> {
  const { world, cluster } = await start(8, settings);
  const leader = leaderOf(cluster);
  for (const machine of cluster.machines) machine.syncDelayMs = () => 0.5;
  if (split !== undefined) {
    const { signal } = new AbortController();
    await world.settle(must(cluster.kv(leader)).splitAt(split, signal));
    await world.run(1000);
  }
  const log = { logSyncs: 0, logEntries: 0 };
  const add = (sign: number): void => {
    for (const { id } of cluster.machines) {
      const now = counters(cluster, id);
      log.logSyncs += sign * (now['logSyncs'] ?? 0);
      log.logEntries += sign * (now['logEntries'] ?? 0);
    }
  };
  add(-1);
  const grown = await growth(cluster, leader, async () => {
    const writes = Array.from({ length: 40 }, (_, i) =>
      write(begin(cluster, leader), `${i % 2 === 0 ? ROW : OTHER}${i}` as Key),
    );
    await world.settle(Promise.all(writes));
  });
  add(1);
  return { grown, total: log };
}

async function start(
  seed: number,
  settings: Partial<NodeSettings> = {},
): Promise<{ world: SimWorld; cluster: EmbeddedCluster }> {
  const world = new SimWorld(seed);
  const cluster = new EmbeddedCluster(world, { size: 3, settings });
  await cluster.start();
  return { world, cluster };
}

function counters(cluster: EmbeddedCluster, id: number): Readonly<Record<string, number>> {
  return must(cluster.at(id).node).status().counters;
}

function leaderOf(cluster: EmbeddedCluster): number {
  return must(
    cluster.machines.find(({ node }) => node?.status().ranges.some(({ isLeader }) => isLeader)),
  ).id;
}

function begin(cluster: EmbeddedCluster, id: number): KvTxn {
  const { signal } = new AbortController();
  return must(cluster.kv(id)).begin({ txnMaxBytes: 1 << 20, signal });
}

async function write(txn: KvTxn, ...keys: Key[]): Promise<void> {
  for (const key of keys) await txn.put(key, VALUE, undefined);
  await txn.commit();
}

/** What has grown on a node while something was done. */
async function growth(
  cluster: EmbeddedCluster,
  id: number,
  work: () => Promise<unknown>,
): Promise<Readonly<Record<string, number>>> {
  const before = counters(cluster, id);
  await work();
  const after = counters(cluster, id);
  return Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)]),
  );
}

describe('counters', () => {
  it('of a write: one transaction, one entry, one append and sync on each of a majority', async () => {
    const { world, cluster } = await start(1);
    const leader = leaderOf(cluster);
    const grown = await growth(cluster, leader, async () => {
      await world.settle(write(begin(cluster, leader), ROW));
    });
    expect(grown).toMatchObject({ txnsBegun: 1, txnsEnded: 1, txnsOnePhase: 1, txnsTwoPhase: 0 });
    expect(grown).toMatchObject({ rangePreparesLocal: 1, rangePreparesRemote: 0 });
    expect(grown['raftCommitted']).toBe(grown['raftProposed']);
    expect(grown['raftProposed']).toBeGreaterThanOrEqual(1);
    // One peer is needed; the other gets entries in its own time.
    expect(grown['raftAppends']).toBeGreaterThanOrEqual(1);
    expect(grown['raftAppendEntries']).toBeGreaterThanOrEqual(grown['raftAppends'] ?? 0);
    expect(grown['raftAppendBytes']).toBeGreaterThan(0);
    expect(grown['raftInflightSum']).toBeGreaterThanOrEqual(grown['raftAppends'] ?? 0);
    expect(grown['logSyncs']).toBeGreaterThanOrEqual(1);
  });

  it('of a write elsewhere than at the leader: a remote prepare, in a frame', async () => {
    const { world, cluster } = await start(2);
    const gateway = (leaderOf(cluster) % 3) + 1;
    const grown = await growth(cluster, gateway, async () => {
      await world.settle(write(begin(cluster, gateway), ROW));
    });
    expect(grown).toMatchObject({ rangePreparesLocal: 0, rangePreparesRemote: 1, raftProposed: 0 });
    expect(grown['netFramesSent']).toBeGreaterThan(0);
    expect(grown['netMessagesSent']).toBeGreaterThanOrEqual(grown['netFramesSent'] ?? 0);
    // Each frame has a stamp of 16 bytes.
    expect(grown['netBytesSent']).toBeGreaterThan(16 * (grown['netFramesSent'] ?? 0));
    expect(grown['netFramesReceived']).toBeGreaterThan(0);
    expect(grown['netMessagesReceived']).toBeGreaterThan(0);
    expect(grown['netBytesReceived']).toBeGreaterThan(0);
  });

  it('of a write to two ranges: a two-phase commit', async () => {
    const { world, cluster } = await start(3);
    const leader = leaderOf(cluster);
    const { signal } = new AbortController();
    await world.settle(must(cluster.kv(leader)).splitAt(OTHER, signal));
    await world.run(1000);
    const grown = await growth(cluster, leader, async () => {
      await world.settle(write(begin(cluster, leader), ROW, OTHER));
    });
    expect(grown).toMatchObject({ txnsOnePhase: 0, txnsTwoPhase: 1 });
    expect((grown['rangePreparesLocal'] ?? 0) + (grown['rangePreparesRemote'] ?? 0)).toBe(2);
  });

  it('of reads, with and without a transaction, and of one that was rolled back', async () => {
    const { world, cluster } = await start(4);
    const leader = leaderOf(cluster);
    const grown = await growth(cluster, leader, async () => {
      const reading = begin(cluster, leader);
      await world.settle(Promise.resolve(reading.get(ROW, undefined)));
      await world.settle(Promise.resolve(reading.commit()));
      begin(cluster, leader).rollback();
    });
    expect(grown).toMatchObject({ txnsBegun: 2, txnsEnded: 2, txnsReadOnly: 1, txnsAborted: 1 });
    expect(grown['rangeReadsLocal']).toBe(1);
  });

  it('of a deadlock: waits at the leader, one victim at its gateway', async () => {
    const { world, cluster } = await start(5);
    const leader = leaderOf(cluster);
    const grown = await growth(cluster, leader, async () => {
      const [one, two] = [begin(cluster, leader), begin(cluster, leader)];
      await world.settle(Promise.resolve(one.lock([ROW], undefined, LOCK)));
      await world.settle(Promise.resolve(two.lock([OTHER], undefined, LOCK)));
      const waits = [one.lock([OTHER], undefined, LOCK), two.lock([ROW], undefined, LOCK)];
      const ended = waits.map(async (wait, i) => {
        await Promise.resolve(wait).catch(() => [one, two][i]?.rollback());
      });
      await world.settle(Promise.all(ended));
      for (const txn of [one, two]) txn.rollback();
    });
    expect(grown).toMatchObject({ lockWaits: 2, deadlocks: 1, txnsBegun: 2, txnsEnded: 2 });
    expect(grown['rangeLocksLocal']).toBe(4);
  });

  it('of SQL: statements', async () => {
    const { world, cluster } = await start(6);
    const open = async (): Promise<void> => {
      const session = await must(cluster.at(1).sessions).open({
        ...{ user: 'test', database: 'test', parameters: new Map(), processId: 1 },
        onFatal: () => undefined,
      });
      const run = (text: string): MaybePromise<void> =>
        session.simpleQuery(text, new CollectingSink(() => session.format()));
      await run('select 1; select 2');
      await run('create table t (id int primary key)');
      // The second time it is a known statement on one row.
      for (const id of [1, 2, 3]) await run(`insert into t values (${id})`);
      session.close();
    };
    const grown = await growth(cluster, 1, () => world.settle(open()));
    expect(grown['sqlStatements']).toBe(6);
  });

  it('of writes without batching: one entry an append and a sync, one append at a time', async () => {
    const off = { raftBatch: 1, raftPipeline: 1, groupCommit: false };
    const { grown, total } = await crowd(off);
    expect(grown['raftAppendEntries']).toBe(grown['raftAppends']);
    expect(grown['raftInflightSum']).toBe(grown['raftAppends']);
    expect(total.logSyncs).toBeGreaterThanOrEqual(total.logEntries - BEING_SYNCED);
  });

  it('of writes with pipelining alone: several appends at a time', async () => {
    const { grown, total } = await crowd({ raftBatch: 1 });
    expect(grown['raftAppendEntries']).toBe(grown['raftAppends']);
    expect(grown['raftInflightSum']).toBeGreaterThan(2 * (grown['raftAppends'] ?? 0));
    expect(total.logSyncs).toBeGreaterThanOrEqual(total.logEntries - BEING_SYNCED);
  });

  it('of writes as they are by default: fewer appends and syncs than entries', async () => {
    const { grown, total } = await crowd({});
    expect(grown['raftAppendEntries']).toBeGreaterThan(4 * (grown['raftAppends'] ?? 0));
    expect(total.logSyncs).toBeLessThan(total.logEntries / 4);
  });

  it('of writes to two ranges: syncs are shared with group commit, and not without', async () => {
    const shared = await crowd({ raftBatch: 1 }, OTHER);
    const apart = await crowd({ raftBatch: 1, groupCommit: false }, OTHER);
    expect(shared.total.logSyncs).toBeLessThan(0.9 * shared.total.logEntries);
    expect(apart.total.logSyncs).toBeGreaterThanOrEqual(apart.total.logEntries - BEING_SYNCED);
  });

  it('are explained, all of them', async () => {
    const { cluster } = await start(7);
    const explained = fs.readFileSync('docs/operations.md', 'utf8');
    const names = [...Object.keys(counters(cluster, 1)), ...Object.keys(watchProcess()().counters)];
    expect(names.filter((name) => !explained.includes(`| \`${name}\``))).toEqual([]);
  });
});

describe('what a process has used', () => {
  it('counts collections of garbage and time', async () => {
    const read = watchProcess();
    const held: unknown[] = [];
    // The first to be seen may be a major one: other tests have left their garbage.
    while (read().counters['gcMinorPauses'] === 0) {
      for (let i = 0; i < 100_000; i++) held[i % 1000] = { i };
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { rssBytes, counters: used } = read();
    expect(rssBytes).toBeGreaterThan(1 << 20);
    expect(used['gcMs']).toBeGreaterThan(0);
    expect(used['gcMsMax']).toBeLessThanOrEqual(used['gcMs'] ?? 0);
    expect(used['gcMinorPauses']).toBeGreaterThan(0);
    expect(used['cpuUserMs']).toBeGreaterThan(0);
  });

  it('tells collections of the nursery from all others, and which were long', async () => {
    const read = watchProcess();
    const before = read();
    const held: unknown[][] = [];
    // The old space grows beyond what V8 lets it grow to without a look at it.
    while (read().counters['gcMajorPauses'] === 0) {
      held.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
      if (held.length === 300) held.length = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { counters: used, gcLongest, uptimeMs, heapUsedBytes, heapLimitBytes } = read();
    const sum = (unit: string): number =>
      (used[`gcMinor${unit}`] ?? 0) + (used[`gcMajor${unit}`] ?? 0);
    expect(sum('Pauses')).toBe(used['gcPauses']);
    expect(sum('Ms')).toBe(used['gcMs']);
    expect(gcLongest[0]?.ms).toBe(used['gcMsMax']);
    expect(gcLongest.at(-1)?.endedMs).toBeGreaterThan(before.uptimeMs);
    expect(gcLongest.at(-1)?.endedMs).toBeLessThanOrEqual(uptimeMs);
    expect(heapUsedBytes).toBeLessThan(heapLimitBytes);
  });
});
