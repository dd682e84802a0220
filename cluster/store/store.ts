/**
 * All replicas of one node: the Ready loop that joins Raft, the shared log and the state machines, the tick, and the
 * checkpoints. Per turn of the event loop it does, for every range that has something to do:
 *
 *   1. collect Ready; messages that need no sync leave now (the leader's appends in parallel with its own sync);
 *   2. one append for all ranges to the log: one durable write;
 *   3. apply what is committed;
 *   4. once synced: tell Raft, and send the messages that had to wait (acknowledgements, votes).
 *
 * Invariants: an entry forwards the HLC before it is acknowledged, and its timestamp lies below a ceiling that is in
 * the same or an earlier sync (CLOCK-1); entries of a range are applied one at a time, in order; a failed sync ends
 * the node. What it does not do: evaluate requests (cluster/replica), move replicas between nodes.
 */
import type { Cancellation } from '../../src/base/cancellation.ts';
import { assert } from '../../src/base/assert.ts';
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO, maxTimestamp } from '../../src/base/timestamp.ts';
import type { Env } from '../../src/env/env.ts';
import { localKey } from '../../storage/mvcc/mvcc-key.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import type { RaftLogStore } from '../../storage/raftlog/raft-log-store.ts';
import type { ClockCeiling } from '../clock/clock-ceiling.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { LogPosition, RangeReply, RangeRequest } from '../range/requests.ts';
import { RangeState } from '../replica/range-state.ts';
import type { ReplicaHost } from '../replica/replica.ts';
import type { Settled, SnapshotRead } from '../replica/settled-read.ts';
import type { RaftOptions } from '../raft/raft-node.ts';
import { RaftGroup } from './raft-group.ts';
import type { GroupLog, GroupPorts, Persisting } from './raft-group.ts';
import { INSTALLING_BLOB, STATE_BLOB } from './snapshot-transfer.ts';
import { RangeFinder } from './range-finder.ts';
import { leadsEverything } from './sole-leader.ts';
import { VersionCollector } from './version-collector.ts';

export interface StorePorts {
  readonly env: Env;
  readonly mvcc: Mvcc;
  readonly log: RaftLogStore;
  readonly ceiling: ClockCeiling;
  readonly sendRaft: (to: NodeId, range: RangeId, bytes: Uint8Array) => void;
  /** Lets messages leave that wait for the end of the turn. */
  readonly flushSends: () => void;
  /** Sends a range's data to a peer that its log no longer reaches; the index installed there, or undefined. */
  readonly sendSnapshot: (group: RaftGroup, to: NodeId) => Promise<number | undefined>;
  readonly requestSnapshot: (range: RangeId, leader: NodeId) => void;
  /** What the log held at start, by range: taken by the groups as they are made. */
  readonly recovered: Map<RangeId, GroupLog>;
  /** Something failed that leaves the node unable to keep its promises: it ends. */
  readonly onFatal: (error: unknown) => void;
}

export const TICK_MS = 100;
/** How often leaders look after their ranges (ceilings, old records). */
const LEADER_TICK_MS = 1000;
/** A range that a split has not made within this is asked for. */
const UNKNOWN_RANGE_MS = 2000;
const UNKNOWN_RANGES_MAX = 10_000;

export interface StoreOptions extends RaftOptions {
  /** `tailBytesMax` of all ranges together, an equal share each. */
  readonly tailsBytesMax: number;
}

export class Store {
  readonly #ports: StorePorts;
  readonly #host: ReplicaHost;
  readonly #options: RaftOptions;
  readonly #groups = new Map<RangeId, RaftGroup>();
  readonly #finder = new RangeFinder(() => this.#groups.values());
  /** Each once. */
  #dirty: RaftGroup[] = [];
  /** Ranges that peers speak of and this node does not have: since when, or when it last asked. */
  readonly #unknown = new Map<RangeId, number>();
  readonly #collector: VersionCollector;
  #isScheduled = false;
  #isStopped = false;
  #isCheckpointing = false;
  #lastLeaderTickMs = 0;

  constructor(
    ports: StorePorts,
    host: Omit<ReplicaHost, 'neighbours' | 'wake'>,
    options: StoreOptions,
  ) {
    this.#ports = ports;
    this.#collector = new VersionCollector({
      mvcc: ports.mvcc,
      scheduler: ports.env.scheduler,
      onFatal: ports.onFatal,
    });
    this.#options = withSharedTails(options, this.#groups);
    this.#host = {
      ...host,
      neighbours: (of) => this.#neighbours(of),
      wake: (range) => this.#wake(range),
    };
  }

  /* ---------- start and stop ---------- */

  /** Brings back the replicas of the last checkpoint; `bootstrap` is the first range of a new cluster. */
  async open(bootstrap: RangeDescriptor): Promise<void> {
    const { mvcc } = this.#ports;
    const local = await mvcc.readLocal();
    const states = statesIn(local);
    if (states.length === 0) {
      const first = new RangeState(bootstrap);
      await mvcc.writeLocal([{ key: stateKey(first.rangeId), value: first.encode() }]);
      states.push(first);
    }
    const marks = new Set(local.map(({ key }) => key));
    for (const state of states) {
      const group = this.#addGroup(state, true);
      group.isBroken = marks.has(localKey(state.rangeId, INSTALLING_BLOB));
    }
  }

  start(): void {
    this.#tick();
  }

  /** Takes no more work; resolves when nothing is being applied or written. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#ports.mvcc.hurry();
    for (const group of this.#groups.values()) group.replica.onFollower();
    await this.#ports.log.whenIdle();
    this.#collector.stop();
    while (this.#isCheckpointing || this.#collector.isRunning) {
      await this.#ports.env.scheduler.sleep(5);
    }
  }

  /* ---------- what others ask ---------- */

  /** Old versions deleted since the start. */
  get versionsCollected(): number {
    return this.#collector.deletedTotal;
  }

  /** CLOCK-5. */
  leadsEverything(): boolean {
    return leadsEverything(this.#groups);
  }

  group(range: RangeId): RaftGroup | undefined {
    return this.#groups.get(range);
  }

  groups(): IterableIterator<RaftGroup> {
    return this.#groups.values();
  }

  handle(request: RangeRequest, cancellation?: Cancellation): MaybePromise<RangeReply> {
    const group = this.#groups.get(rangeId(request.rangeId));
    if (group === undefined) return { kind: 'moved', descriptors: this.descriptors() };
    const isWrite = request.kind === 'prepare' || request.kind === 'change';
    const { mvcc } = this.#ports;
    // Both memory tables are full: writers wait for the checkpoint.
    if (isWrite && mvcc.isFull()) {
      return mvcc.whenRoom().then(() => this.handle(request, cancellation));
    }
    return group.replica.handle(request, cancellation);
  }

  /** A read of a range that is settled at its timestamp (TXN-16); undefined: the leader has to be asked. */
  readSettled(
    range: RangeId,
    request: SnapshotRead,
    settled: Settled,
  ): MaybePromise<RangeReply> | undefined {
    return this.#groups.get(range)?.readSettled(request, settled);
  }

  /** A leader has said that the entry is committed. */
  learnCommitted(range: RangeId, position: LogPosition): void {
    this.#groups.get(range)?.learnCommitted(position);
  }

  /** What is applied here of a row of the range. */
  newestHere(range: RangeId, key: Key): Uint8Array | undefined {
    const group = this.#groups.get(range);
    if (group?.hasData !== true || !group.replica.owns(key)) return undefined;
    return group.replica.host.mvcc.newest(key)?.value;
  }

  /** Descriptors of all replicas here, in key order; bounded by what a reply may carry. */
  descriptors(): RangeDescriptor[] {
    const all = [...this.#groups.values()].map((group) => group.state.descriptor);
    return all.sort((a, b) => (a.start < b.start ? -1 : 1)).slice(0, 1000);
  }

  onRaftMessage(from: NodeId, range: RangeId, bytes: Uint8Array): void {
    if (this.#isStopped) return;
    const group = this.#groups.get(range);
    if (group === undefined) {
      this.#onUnknownRange(from, range);
      return;
    }
    group.step(from, bytes);
    this.#schedule(group);
  }

  /**
   * A range that this node's split has not made yet: the sender tries again. Or that it never will make, because a
   * snapshot of the left half has come in the split's stead: then the right half has to come by one, too.
   */
  #onUnknownRange(from: NodeId, range: RangeId): void {
    const now = this.#ports.env.clock.monotonicMs();
    const sinceMs = this.#unknown.get(range);
    if (sinceMs === undefined) {
      if (this.#unknown.size < UNKNOWN_RANGES_MAX) this.#unknown.set(range, now);
    } else if (now - sinceMs >= UNKNOWN_RANGE_MS) {
      this.#unknown.set(range, now);
      this.#ports.requestSnapshot(range, from);
    }
  }

  onPeerDown(peer: NodeId): void {
    for (const group of this.#groups.values()) {
      group.reportUnreachable(peer);
      group.replica.releaseLocksOf(peer);
      this.#schedule(group);
    }
  }

  /** Hands every range that this node leads to a fit peer, where there is one. */
  giveUpLeaderships(isFit: (peer: NodeId) => boolean): void {
    for (const group of this.#groups.values()) {
      const to = group.successor(isFit);
      if (to === undefined) continue;
      const { rangeId, generation } = group.state.descriptor;
      void this.handle({ kind: 'transfer', rangeId, generation, to }, undefined);
    }
  }

  /* ---------- groups ---------- */

  /** A range that this node hears of by a snapshot first: without data until one has been installed. */
  addEmpty(descriptor: RangeDescriptor): RaftGroup {
    const group = this.#addGroup(new RangeState(descriptor), true);
    group.isBroken = true;
    return group;
  }

  /**
   * Some range was made by a split that no checkpoint holds. To persist anything of it or of its other half now, as an
   * installed snapshot does, would part what the replay of that split makes as one: a checkpoint has to come first.
   */
  hasUnrecorded(): boolean {
    for (const group of this.#groups.values()) if (!group.isRecorded) return true;
    return false;
  }

  forwardClock(ts: number): void {
    this.#host.hlc.forward(ts as Timestamp);
  }

  #addGroup(state: RangeState, isRecorded: boolean): RaftGroup {
    const { rangeId: id } = state;
    assert(!this.#groups.has(id), `range ${id} exists already`);
    const log = this.#ports.recovered.get(id);
    this.#ports.recovered.delete(id);
    const group = new RaftGroup(this.#groupPorts(), this.#host, { state, log }, this.#options);
    group.isRecorded = isRecorded;
    this.#groups.set(id, group);
    this.#unknown.delete(id);
    this.#schedule(group);
    return group;
  }

  #groupPorts(): GroupPorts {
    const { env, log, sendRaft, sendSnapshot, requestSnapshot, onFatal } = this.#ports;
    return {
      env,
      self: this.#host.self,
      log,
      sendRaft,
      sendSnapshot,
      requestSnapshot,
      onFatal,
      schedule: (group) => this.#schedule(group),
      onSplit: (right) => this.#addGroup(right, false),
    };
  }

  #neighbours(of: RangeDescriptor): RangeDescriptor[] {
    const near: RangeDescriptor[] = [];
    for (const { state } of this.#groups.values()) {
      const { descriptor } = state;
      if (descriptor.start === of.end || descriptor.end === of.start) near.push(descriptor);
    }
    return near;
  }

  /* ---------- the Ready loop ---------- */

  #wake(range: RangeId): void {
    const group = this.#groups.get(range);
    if (group !== undefined) this.#schedule(group);
  }

  #markDirty(group: RaftGroup): void {
    if (group.isDirty) return;
    group.isDirty = true;
    this.#dirty.push(group);
  }

  #schedule(group: RaftGroup): void {
    this.#markDirty(group);
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    this.#ports.env.scheduler.defer(() => {
      this.#isScheduled = false;
      this.#runReady();
    });
  }

  #runReady(): void {
    if (this.#isStopped) return;
    const groups = this.#dirty;
    this.#dirty = [];
    for (const group of groups) group.isDirty = false;
    const persisting: [RaftGroup, Persisting][] = [];
    for (const group of groups) {
      const taken = group.takeReady();
      if (taken !== undefined) persisting.push([group, taken]);
    }
    // NB: before the own write, which may hold the event loop for as long as the disk takes.
    this.#ports.flushSends();
    if (persisting.length > 0 && this.#ports.log.isGroupCommit) this.#persist(persisting);
    else for (const each of persisting) this.#persist([each]);
    for (const group of groups) {
      group.applyCommitted();
      if (group.hasWork()) this.#schedule(group);
    }
  }

  #persist(persisting: readonly [RaftGroup, Persisting][]): void {
    const { log, ceiling, onFatal } = this.#ports;
    let newest: Timestamp = TS_ZERO;
    for (const [, taken] of persisting) newest = maxTimestamp(newest, taken.newestTs);
    if (!isBroken('CLOCK-2')) this.#host.hlc.forward(newest);
    const clockCeiling = ceiling.ceilingForBatch(newest);
    const ranges = persisting.map(([, taken]) => taken.log);
    log.append({ ranges, ...(clockCeiling === undefined ? {} : { clockCeiling }) }).then(
      () => {
        if (this.#isStopped) return;
        if (clockCeiling !== undefined) ceiling.onSynced(clockCeiling);
        for (const [group, taken] of persisting) {
          group.onPersisted(taken);
          this.#markDirty(group);
        }
        // What waited for the disk, acknowledgements above all, does not wait for another turn.
        this.#runReady();
      },
      (error: unknown) => onFatal(error),
    );
  }

  /* ---------- time ---------- */

  #tick(): void {
    if (this.#isStopped) return;
    this.#ports.env.scheduler.after(TICK_MS, () => this.#tick());
    const now = this.#ports.env.clock.monotonicMs();
    this.#host.suspendWatch.sample();
    for (const group of this.#groups.values()) {
      group.tick();
      if (group.hasWork()) this.#schedule(group);
    }
    const covered = this.#ports.ceiling.ensure(this.#host.hlc.read());
    if (isPromise(covered)) covered.catch((error: unknown) => this.#ports.onFatal(error));
    if (now - this.#lastLeaderTickMs >= LEADER_TICK_MS) {
      this.#lastLeaderTickMs = now;
      for (const group of this.#groups.values()) {
        group.replica.tick();
        for (const peer of group.silentPeers()) group.replica.releaseLocksOf(peer);
      }
    }
  }

  /* ---------- checkpoints ---------- */

  /** Called in the middle of `apply`, or of a message: only schedules. A checkpoint begins in a turn of its own, between entries. */
  onCheckpointNeeded(): void {
    this.#ports.env.scheduler.defer(() => void this.checkpoint());
  }

  /** Writes the memory table and the state of all ranges, then lets go of log entries that are no longer needed. */
  async checkpoint(): Promise<void> {
    if (this.#isCheckpointing || this.#isStopped) return;
    this.#isCheckpointing = true;
    const applied = new Map<RaftGroup, number>();
    const thresholds = new Map<RaftGroup, Timestamp>();
    try {
      await this.#ports.mvcc.checkpoint(
        () => {
          const writes = [];
          for (const group of this.#groups.values()) {
            // While a snapshot is being installed, its mark stands for the range; without data there is nothing to hold.
            if (!group.hasData) continue;
            applied.set(group, group.state.appliedIndex);
            thresholds.set(group, group.state.threshold);
            writes.push({ key: stateKey(group.state.rangeId), value: group.state.encode() });
          }
          return writes;
        },
        (key) => this.#thresholdOf(key),
      );
      for (const [group, index] of applied) {
        group.isRecorded = true;
        group.compactTo(index);
      }
      this.#collector.want(thresholds);
    } catch (error) {
      this.#ports.onFatal(error);
    } finally {
      this.#isCheckpointing = false;
    }
  }

  /** Not of a range that is being replaced by a snapshot, or has to be. */
  #thresholdOf(key: Key): Timestamp {
    const group = this.#finder.at(key);
    return group?.hasData === true ? group.state.threshold : TS_ZERO;
  }
}

function stateKey(range: RangeId): ReturnType<typeof localKey> {
  return localKey(range, STATE_BLOB);
}

function statesIn(
  local: readonly { readonly key: string; readonly value: Uint8Array }[],
): RangeState[] {
  return local
    .filter(({ key }) => key.endsWith(`/${STATE_BLOB}`))
    .map(({ value }) => RangeState.decode(value));
}

/** The more ranges a node has, the less of each one's log it keeps in memory. */
function withSharedTails(options: StoreOptions, ranges: { readonly size: number }): RaftOptions {
  const { tailBytesMax, tailsBytesMax } = options;
  return {
    ...options,
    get tailBytesMax() {
      return Math.min(tailBytesMax, tailsBytesMax / ranges.size);
    },
  };
}

/** By range: up to which entry the last checkpoint holds everything. */
export async function checkpointedIndexes(mvcc: StorePorts['mvcc']): Promise<Map<RangeId, number>> {
  const states = statesIn(await mvcc.readLocal());
  return new Map(states.map(({ rangeId, appliedIndex }) => [rangeId, appliedIndex]));
}
