/**
 * One range of one node: its Raft node, its replica, and the order between them. Feeds Raft with messages and ticks,
 * takes its Ready apart, applies what is committed one entry after the other (an entry may take several turns: a
 * large commit, a split), and has a snapshot sent where the log no longer reaches a peer.
 *
 * Entries wait in the group until they are applied; Raft is told only then. While a snapshot is being installed
 * nothing is stepped or applied; afterwards the Raft node is made anew behind it.
 */
import { assert } from '../../src/base/assert.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO, maxTimestamp } from '../../src/base/timestamp.ts';
import type { Env } from '../../src/env/env.ts';
import type { LogAppend, LogEntry, RaftLogStore } from '../../storage/raftlog/raft-log-store.ts';
import type { LogPosition, RangeReply } from '../range/requests.ts';
import { decodeMessage, encodeMessage } from '../raft/codec.ts';
import type { Entry, Message } from '../raft/messages.ts';
import { configurationOf } from '../raft/quorum.ts';
import type { RaftOptions } from '../raft/raft-node.ts';
import { RaftNode } from '../raft/raft-node.ts';
import type { HardState, LogRead, Ready } from '../raft/ready.ts';
import {
  clockTimestamp,
  commandTimestamp,
  decodeCommand,
  encodeCommand,
} from '../replica/command.ts';
import type { RangeState } from '../replica/range-state.ts';
import type { RaftHandle, ReplicaHost } from '../replica/replica.ts';
import { Replica } from '../replica/replica.ts';
import type { Settled, SnapshotRead } from '../replica/settled-read.ts';
import { readSettled } from '../replica/settled-read.ts';

export interface GroupPorts {
  readonly env: Env;
  readonly self: NodeId;
  readonly log: RaftLogStore;
  readonly sendRaft: (to: NodeId, range: RangeId, bytes: Uint8Array) => void;
  /** Sends the range's data to a peer; the index that is installed there, or undefined. */
  readonly sendSnapshot: (group: RaftGroup, to: NodeId) => Promise<number | undefined>;
  readonly requestSnapshot: (range: RangeId, leader: NodeId) => void;
  readonly onFatal: (error: unknown) => void;
  readonly schedule: (group: RaftGroup) => void;
  readonly onSplit: (right: RangeState) => void;
}

/** What was recovered of a range's log. */
export interface GroupLog {
  readonly hardState: HardState;
  readonly entries: readonly LogEntry[];
}

export interface Persisting {
  readonly log: LogAppend;
  readonly ready: Ready;
  /** The highest timestamp among its entries. */
  readonly newestTs: Timestamp;
  /** Whose Ready it was: the node may be made anew meanwhile. */
  readonly raft: RaftNode;
}

/** Committed entries that wait to be applied beyond which Raft is not asked for more. */
const APPLY_QUEUE_MAX = 10_000;
/** A replica without data asks for a snapshot this often. */
const BROKEN_ASK_TICKS = 10;
/** Entries behind a checkpoint that are kept for peers that lag. */
const RETAINED_ENTRIES_MAX = 50_000;
const READ_ENTRIES_MAX = 4096;
/** An installation that has heard nothing for this long is given up. */
const INSTALL_QUIET_TICKS = 50;

export class RaftGroup {
  readonly state: RangeState;
  readonly replica: Replica;
  readonly #ports: GroupPorts;
  readonly #options: RaftOptions;
  readonly #host: ReplicaHost;
  #raft: RaftNode;
  #wasLeader = false;
  #leaderTerm = 0;
  /** Appends handed to the log and not yet durable. */
  #persistingCount = 0;
  /** Committed entries; those before `#applyAt` are applied: to shift a long array moves all of it. */
  readonly #toApply: Entry[] = [];
  #applyAt = 0;
  #isApplying = false;
  #isInstalling = false;
  /** A restart found the mark of an unfinished installation: the log is good, the data is not. */
  isBroken = false;
  /** The store is about to ask it what there is to do. */
  isDirty = false;
  /** A checkpoint holds this range, or what is on disk of it came by a snapshot. */
  isRecorded = false;
  #brokenTicks = 0;
  /** While installing: ticks since a piece of the snapshot came. */
  #quietTicks = 0;

  constructor(
    ports: GroupPorts,
    host: ReplicaHost,
    start: { readonly state: RangeState; readonly log: GroupLog | undefined },
    options: RaftOptions,
  ) {
    this.#ports = ports;
    this.#host = host;
    this.#options = options;
    this.state = start.state;
    this.replica = new Replica(host, start.state, this.#handle());
    const isOwnLog = isHistoryOf(start.state, start.log);
    this.#raft = this.#makeRaft(start.log, isOwnLog);
    if (!isOwnLog) this.#forgetLog();
  }

  get rangeId(): RangeId {
    return this.state.rangeId;
  }

  get raft(): RaftNode {
    return this.#raft;
  }

  get isInstalling(): boolean {
    return this.#isInstalling;
  }

  /** Its versions and its state belong together: no snapshot is on its way into it, and none broke off. */
  get hasData(): boolean {
    return !this.#isInstalling && !this.isBroken;
  }

  /** An entry is being applied that takes several turns. */
  get isApplying(): boolean {
    return this.#isApplying;
  }

  /* ---------- inputs ---------- */

  step(from: NodeId, bytes: Uint8Array): void {
    if (this.#isInstalling) return;
    let message: Message;
    try {
      message = decodeMessage(bytes);
    } catch (error) {
      this.#ports.env.log.warn({ from, error: String(error) }, 'raft: bad message');
      return;
    }
    if (message.from !== from || message.to !== this.#ports.self) return;
    if (this.isBroken && message.kind === 'timeoutNow') return;
    this.#setNow();
    this.#raft.step(message);
  }

  tick(): void {
    if (this.#isInstalling && ++this.#quietTicks >= INSTALL_QUIET_TICKS) this.#abandonInstall();
    if (this.#isInstalling) return;
    this.#setNow();
    // Without data it votes and takes entries, but must not lead.
    this.#raft.tick(!this.isBroken);
    const { leader } = this.#raft;
    if (!this.isBroken || leader === undefined) return;
    if (this.#brokenTicks++ % BROKEN_ASK_TICKS === 0) {
      this.#ports.requestSnapshot(this.rangeId, leader);
    }
  }

  /** As leader: followers not heard for an election timeout. */
  silentPeers(): NodeId[] {
    if (!this.#raft.isLeader) return [];
    const { peers } = this.#raft.status();
    return peers.flatMap(({ peer, quietTicks }) =>
      quietTicks > this.#options.electionTicks ? [peer] : [],
    );
  }

  /** As leader: one of the fit peers that follow the log now. */
  successor(isFit: (peer: NodeId) => boolean): NodeId | undefined {
    if (!this.#raft.isLeader) return undefined;
    const silent = this.silentPeers();
    const { peers } = this.#raft.status();
    const found = peers.find(
      ({ peer, state }) => state === 'replicate' && !silent.includes(peer) && isFit(peer),
    );
    return found?.peer;
  }

  reportUnreachable(peer: NodeId): void {
    this.#raft.reportUnreachable(peer);
  }

  /** TXN-16; undefined: this replica cannot answer (now). */
  readSettled(request: SnapshotRead, settled: Settled): MaybePromise<RangeReply> | undefined {
    return this.hasData ? readSettled(this.replica, request, settled) : undefined;
  }

  /** Somebody who knows has said that the entry is committed. */
  learnCommitted({ index, term }: LogPosition): void {
    if (this.#isInstalling || index <= this.#raft.commitIndex) return;
    this.#raft.learnCommitted(index, term);
    this.#ports.schedule(this);
  }

  hasWork(): boolean {
    return !this.#isInstalling && !this.#isApplyQueueFull() && this.#raft.hasReady();
  }

  /* ---------- Ready ---------- */

  /** Takes the next Ready: sends what may leave now, and returns what has to be made durable first. */
  takeReady(): Persisting | undefined {
    if (this.#isInstalling || !this.#raft.hasReady()) return undefined;
    if (this.#isApplyQueueFull()) return undefined;
    this.#setNow();
    const ready = this.#raft.ready();
    this.#followRole();
    this.#send(ready.messages);
    for (const peer of ready.snapshotsFor) this.#startSnapshot(peer);
    for (const read of ready.logReads) this.#readLog(read);
    // Without data nothing is applied: the node that is made behind the snapshot hands these out again.
    if (!this.isBroken) this.#toApply.push(...ready.committed);
    const { entries, hardState, truncateFrom, afterPersist } = ready;
    const hasWrites = entries.length > 0 || hardState !== undefined || truncateFrom !== undefined;
    if (!hasWrites && this.#persistingCount === 0) {
      this.#send(afterPersist);
      return undefined;
    }
    if (!hasWrites && afterPersist.length === 0) return undefined;
    let newestTs = TS_ZERO;
    for (const entry of entries) {
      const ts = clockTimestamp(entry.data);
      if (ts > newestTs) newestTs = ts;
    }
    this.#persistingCount++;
    const log: LogAppend = { rangeId: this.rangeId, truncateFrom, entries, hardState };
    return { log, ready, newestTs, raft: this.#raft };
  }

  /** What `takeReady` returned is durable, and everything before it. */
  onPersisted({ ready, raft }: Persisting): void {
    this.#persistingCount--;
    if (this.#isInstalling || raft !== this.#raft) return;
    this.#setNow();
    const last = ready.entries.at(-1);
    if (last !== undefined) this.#raft.persisted(last);
    this.#send(ready.afterPersist);
  }

  /** Applies what is committed, as far as it can be done now. */
  applyCommitted(): void {
    while (!this.#isApplying && !this.#isInstalling && !this.isBroken) {
      const entry = this.#toApply[this.#applyAt];
      if (entry === undefined) {
        this.#clearApplyQueue();
        return;
      }
      this.#applyAt++;
      // A queue that never runs empty lets go of what it has applied now and then.
      if (this.#applyAt > APPLY_QUEUE_MAX)
        this.#applyAt -= this.#toApply.splice(0, this.#applyAt).length;
      this.#applyOne(entry);
    }
  }

  #isApplyQueueFull(): boolean {
    return this.#toApply.length - this.#applyAt > APPLY_QUEUE_MAX;
  }

  #clearApplyQueue(): void {
    this.#toApply.length = 0;
    this.#applyAt = 0;
  }

  #applyOne(entry: Entry): void {
    const result = this.replica.apply(entry, () => decodeCommand(entry.data));
    if (!isPromise(result)) {
      this.#onApplied(entry, result.right);
      return;
    }
    this.#isApplying = true;
    result.then(
      ({ right }) => {
        this.#isApplying = false;
        this.#onApplied(entry, right);
        this.#ports.schedule(this);
        this.applyCommitted();
      },
      (error: unknown) => this.#ports.onFatal(error),
    );
  }

  #onApplied(entry: Entry, right: RangeState | undefined): void {
    this.#raft.applied(entry.index);
    if (right !== undefined) this.#ports.onSplit(right);
  }

  /** A checkpoint holds everything up to `index`: the log may go, but for peers that are close behind. */
  compactTo(index: number): void {
    if (this.#isInstalling) return;
    // Live peers that are not too far behind are served from the log for certain, others as long as it reaches back.
    const keep = Math.max(Math.min(index, this.#raft.lowestMatch()), index - RETAINED_ENTRIES_MAX);
    this.#ports.log.compact(this.rangeId, keep + 1);
    this.#raft.compact(keep, this.#ports.log.firstIndex(this.rangeId) ?? keep + 1);
  }

  /* ---------- roles ---------- */

  #followRole(): void {
    const { isLeader, term } = this.#raft;
    if (isLeader && (!this.#wasLeader || this.#leaderTerm !== term)) {
      this.#wasLeader = true;
      this.#leaderTerm = term;
      this.#ports.env.log.info({ range: this.rangeId, term }, 'raft: became leader');
      this.replica.onLeader(term);
    } else if (!isLeader && this.#wasLeader) {
      this.#wasLeader = false;
      this.#ports.env.log.info({ range: this.rangeId, term }, 'raft: leads no more');
      this.replica.onFollower();
    }
  }

  /** What the replica sees of Raft. */
  #handle(): RaftHandle {
    return {
      isLeader: () => this.#raft.isLeader,
      term: () => this.#raft.term,
      leader: () => this.#raft.leader,
      propose: (data) => this.#raft.propose(data),
      leaseQuorumSentAt: () => {
        this.#setNow();
        return this.#raft.leaseQuorumSentAt();
      },
      hasSentTimeoutNow: () => this.#raft.hasSentTimeoutNow,
      transferLeader: (to) => this.#raft.transferLeader(to),
      stepDown: () => {
        this.#raft.stepDown();
        this.#ports.schedule(this);
      },
    };
  }

  /** A peer needs entries that are in the log only. */
  #readLog(read: LogRead): void {
    const raft = this.#raft;
    const { from, bytesMax } = read;
    const to = Math.min(read.to, from + READ_ENTRIES_MAX);
    this.#ports.log.read(this.rangeId, { from, to, bytesMax }).then(
      (entries) => {
        if (raft !== this.#raft) return;
        this.#setNow();
        raft.entriesRead(read, entries);
        this.#ports.schedule(this);
      },
      (error: unknown) => this.#ports.onFatal(error),
    );
  }

  /* ---------- snapshots ---------- */

  #startSnapshot(peer: NodeId): void {
    void this.#ports.sendSnapshot(this, peer).then((index) => {
      this.#raft.reportSnapshot(peer, index);
      this.#ports.schedule(this);
    });
  }

  /**
   * A peer that has no data asks. While there is no leader anyone may give what it has applied, which is committed: the
   * peer's vote may be what a leader needs, and a peer that has never heard of the range does not vote.
   */
  sendSnapshotTo(peer: NodeId): void {
    const { isLeader, leader } = this.#raft;
    if (!this.hasData || !(isLeader || leader === undefined)) return;
    if (this.state.descriptor.replicas.includes(peer)) this.#startSnapshot(peer);
  }

  /**
   * Whether a snapshot up to `index` may take the place of what this replica has. Its log begins at what it had applied,
   * and cannot be joined to anything older: entries that it has acknowledged would be forgotten with it.
   */
  mayInstall(index: number): boolean {
    return index >= this.#raft.firstIndex - 1;
  }

  /** The receiver's side begins to replace everything: nothing is stepped or applied until it ends. */
  beginInstall(): void {
    assert(!this.#isApplying, 'installing while an entry is applied');
    this.#isInstalling = true;
    this.#quietTicks = 0;
    this.#clearApplyQueue();
    this.#wasLeader = false;
    this.replica.installs++;
    this.replica.onFollower();
  }

  /** A piece of the snapshot has come. */
  noteInstallProgress(): void {
    this.#quietTicks = 0;
  }

  /** The sender is gone. The data is neither the old nor the new: as after a restart that finds the mark. */
  #abandonInstall(): void {
    this.#isInstalling = false;
    this.isBroken = true;
  }

  /**
   * The data is in place: the state becomes the snapshot's, and Raft goes on behind it with its term, its vote, and the
   * entries that follow the snapshot in its log.
   */
  endInstall(snapshot: RangeState): void {
    const { hardState } = this.#raft;
    const { appliedIndex, appliedTerm } = snapshot;
    const continues = this.#raft.termAt(appliedIndex) === appliedTerm;
    const entries = continues ? this.#raft.entriesAfter(appliedIndex) : [];
    this.state.replaceBy(snapshot);
    this.#raft = this.#makeRaft({ hardState, entries }, continues);
    this.#isInstalling = false;
    this.isBroken = false;
    this.replica.fences.clear();
    if (!continues) this.#forgetLog();
    this.#ports.log.compact(this.rangeId, appliedIndex + 1);
    this.#ports.schedule(this);
  }

  /** Nothing of it may ever be read again, also where what follows joins on to its numbers. */
  #forgetLog(): void {
    const { hardState } = this.#raft;
    this.#ports.log
      .append({ ranges: [{ rangeId: this.rangeId, truncateFrom: 1, entries: [], hardState }] })
      .catch((error: unknown) => this.#ports.onFatal(error));
  }

  /* ---------- helpers ---------- */

  /** `isOwnLog` false: what the durable log holds of the range is another history than that of its state. */
  #makeRaft(log: GroupLog | undefined, isOwnLog: boolean): RaftNode {
    const { state } = this;
    const boundary = state.appliedIndex;
    const entries = isOwnLog ? (log?.entries ?? []).filter(({ index }) => index > boundary) : [];
    if (!isBroken('CLOCK-1')) {
      for (const entry of entries) this.#host.hlc.forward(clockTimestamp(entry.data));
    }
    const ownFirst = isOwnLog ? this.#ports.log.firstIndex(this.rangeId) : undefined;
    const logFirst = ownFirst ?? boundary + 1;
    return new RaftNode(
      {
        logFirst,
        self: this.#ports.self,
        configuration: configurationOf(state.descriptor.replicas),
        hardState: log?.hardState ?? { term: state.appliedTerm, vote: 0 },
        applied: { index: boundary, term: state.appliedTerm },
        entries,
        noopData: () => encodeCommand({ kind: 'noop', ts: this.replica.floor(this.#loggedTs()) }),
        random: this.#ports.env.random,
        counters: this.#ports.env.counters,
      },
      this.#options,
    );
  }

  /** The highest timestamp in the log beyond what is applied, ceilings included. */
  #loggedTs(): Timestamp {
    let ts = TS_ZERO;
    for (const entry of this.#raft.entriesAfter(this.state.appliedIndex)) {
      ts = maxTimestamp(ts, commandTimestamp(entry.data));
    }
    return ts;
  }

  #setNow(): void {
    this.#raft.setNow(this.#ports.env.clock.monotonicMs());
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      const bytes = encodeMessage(message);
      if (message.kind === 'append') this.#ports.env.counters.raftAppendBytes += bytes.length;
      this.#ports.sendRaft(message.to, this.rangeId, bytes);
    }
  }
}

/**
 * An installed snapshot may stand for entries that this replica has otherwise, uncommitted, in its log; the process may
 * have ended before the log was told to forget them: then it ends too early, or has another term there.
 */
function isHistoryOf(
  { appliedIndex, appliedTerm }: RangeState,
  log: GroupLog | undefined,
): boolean {
  const first = log?.entries[0];
  if (log === undefined || first === undefined || first.index > appliedIndex) return true;
  return log.entries[appliedIndex - first.index]?.term === appliedTerm;
}
