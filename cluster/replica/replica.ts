/**
 * One node's copy of a range: the replicated state, the Raft node that orders its entries, and, while this node leads,
 * the `Office` with everything that lives in the leader's memory.
 *
 *   request ──> evaluate (against applied state + everything in flight, one synchronous step) ──> propose
 *                                                                                              │
 *   reply  <── proposal done <── apply (blind, deterministic, in log order) <── committed <── Raft
 *
 * Every evaluator runs from the top again after it has waited for anything: state is never trusted over an `await`.
 * The evaluators are in eval-*.ts; this file owns roles, proposals, the ceiling, the lease and apply's order.
 *
 * What it does not do: disk, network, the Ready loop (cluster/store), or anything about other ranges.
 */
import { assert } from '../../src/base/assert.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { LockId, NodeId, RangeId, TxnId } from '../../src/base/ids.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { addMs, maxTimestamp } from '../../src/base/timestamp.ts';
import type { Env } from '../../src/env/env.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import type { Hlc } from '../clock/hlc.ts';
import type { ChangeRunner } from '../../src/kv/kv-client.ts';
import type { QuorumClock } from '../clock/quorum-clock.ts';
import type { SuspendWatch } from '../clock/suspend-watch.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { RangeReply, RangeRequest } from '../range/requests.ts';
import type { Applied } from './apply.ts';
import { applyCommand } from './apply.ts';
import type { Command } from './command.ts';
import { encodeCommand } from './command.ts';
import { holderKeys } from './eval-prepare.ts';
import { evaluate } from './evaluate.ts';
import type { Signal } from './replies.ts';
import { isPublishedByAppends } from './publication.ts';
import { FenceCache } from './fence-cache.ts';
import { Office, whenReleased } from './office.ts';
import type { Holder } from './pending-writes.ts';
import type { RangeState } from './range-state.ts';

/** What a replica needs of its Raft node. */
export interface RaftHandle {
  isLeader(): boolean;
  term(): number;
  leader(): NodeId | undefined;
  /** Undefined: not leader, transferring, or the in-flight window is full. */
  propose(data: Uint8Array): { readonly index: number } | undefined;
  /** Of the newest round that a quorum has acknowledged: when it was sent, monotonic ms. -Infinity: none yet. */
  leaseQuorumSentAt(): number;
  hasSentTimeoutNow(): boolean;
  transferLeader(to: NodeId): void;
  stepDown(): void;
}

export interface ReplicaHost {
  readonly self: NodeId;
  readonly env: Env;
  readonly hlc: Hlc;
  readonly clock: QuorumClock;
  readonly mvcc: Mvcc;
  readonly settings: ReplicaSettings;
  readonly suspendWatch: SuspendWatch;
  /** Finds out the outcome of an undecided transaction and applies it to the span, in the background (TXN-10). */
  recover(txnId: TxnId, anchor: Key, span: Span): void;
  /** Are these sessions of a gateway still there? It ends the locks of those that are not. */
  askSessions(gateway: NodeId, rangeId: RangeId, lockIds: readonly LockId[]): void;
  /** Other ranges of this node next to a span, for `moved` replies. */
  neighbours(of: RangeDescriptor): readonly RangeDescriptor[];
  /** Something was proposed: Ready wants to run. */
  wake(rangeId: RangeId): void;
  /** Below which no open transaction reads; undefined: not known (snapshot-floor.ts). */
  snapshotFloor(): Timestamp | undefined;
  /** Runs a statement that another node has sent here; false: it cannot be run here. */
  readonly runProgram: ChangeRunner;
}

export interface ReplicaSettings {
  /** A lease lasts this long from the sending of the round that a quorum acknowledged; 0: no leases (`reads = quorum`). */
  readonly leaseMs: number;
  /** How old a version that has been replaced may become before it can be collected, whoever may still read it. */
  readonly retentionMs: number;
}

/** A record that someone waits for is looked into after this long; one that nobody waits for, later. */
const SUSPECT_WAIT_MS = 1000;
const UNDECIDED_MS = 3000;
/** The ceiling is extended to here ahead of the wall clock, and at this distance again (RANGE-1). */
const CEILING_AHEAD_MS = 2000;
const CEILING_SLACK_MS = 50;
const CEILING_STEP_MS = 25;
const CEILING_REFILL_MS = 1000;
/** The threshold rises by so much at least: so many entries it costs. */
const THRESHOLD_STEP_MS = 2000;
/** Versions that no transaction reads are kept for so long: reads of the latest versions may still be on their way. */
const UNREAD_MARGIN_MS = 1000;
const SNAPSHOT_READS_RECENT_MS = 2000;
/** How often gateways are asked about sessions that hold locks. */
const CENSUS_TICKS = 5;

export class Replica {
  readonly host: ReplicaHost;
  readonly state: RangeState;
  readonly raft: RaftHandle;
  readonly fences: FenceCache;
  #office: Office | undefined;
  /** How often a snapshot has begun to take the place of the data. */
  installs = 0;

  constructor(host: ReplicaHost, state: RangeState, raft: RaftHandle) {
    this.host = host;
    this.state = state;
    this.raft = raft;
    this.fences = new FenceCache(host.mvcc, state);
  }

  get rangeId(): RangeId {
    return this.state.rangeId;
  }

  get office(): Office | undefined {
    return this.#office;
  }

  owns(key: Key): boolean {
    const { start, end } = this.state.descriptor;
    return start <= key && key < end;
  }

  /** Answers a request; synchronously when nothing has to wait. Never throws for what a client may cause. */
  handle(request: RangeRequest, signal: Signal): MaybePromise<RangeReply> {
    return evaluate(this, request, signal);
  }

  /* ---------- roles ---------- */

  /** The Raft node became leader of a term. Its no-op has been appended with `floor()`. */
  onLeader(term: number): void {
    this.onFollower();
    const office = new Office(term, this.host.settings.retentionMs);
    this.#office = office;
    for (const record of this.state.prepared.values()) {
      office.pending.add(this.holderOf(record));
    }
    void this.host.clock.gather().then(() => {
      office.hasGathered = true;
      this.#maybeServe(office);
    });
  }

  onFollower(): void {
    const office = this.#office;
    this.#office = undefined;
    office?.close();
  }

  /** The floor of a new leader, which its no-op carries: above all that was applied, logged or ceiled (RANGE-1). */
  floor(loggedTs: Timestamp): Timestamp {
    const { hlc } = this.host;
    hlc.forward(maxTimestamp(loggedTs, maxTimestamp(this.state.ceiling, this.state.maxTs)));
    return hlc.next();
  }

  #maybeServe(office: Office): void {
    if (office.isClosed || office.isServing) return;
    if (!office.hasAppliedNoop && !isBroken('LEASE-1')) return;
    if (!office.hasGathered) return;
    office.isServing = true;
    office.noteChange();
    this.host.env.log.info({ range: this.rangeId, term: office.term }, 'range: serving');
  }

  /* ---------- proposals ---------- */

  /** Proposes in this step; false when Raft does not take it now. `done` runs when it is applied, or lost. */
  propose(
    office: Office,
    command: Command,
    done: (isApplied: boolean) => void,
    holder?: Holder,
  ): boolean {
    assert(!office.isClosed && office === this.#office, 'proposing out of office');
    const accepted = this.raft.propose(encodeCommand(command));
    if (accepted === undefined) return false;
    office.addProposal({ index: accepted.index, command, holder, done });
    this.host.wake(this.rangeId);
    return true;
  }

  /** Proposes and waits; resolves to false when it was lost or not taken. */
  proposeAndWait(office: Office, command: Command, holder?: Holder): Promise<boolean> {
    return new Promise((resolve) => {
      if (!this.propose(office, command, resolve, holder)) resolve(false);
    });
  }

  /* ---------- apply ---------- */

  /**
   * Applies the committed entry. `decode` is called only where the proposal is not this office's own. Calls come in
   * order, each after the last has finished.
   */
  apply(entry: { index: number; term: number }, decode: () => Command): MaybePromise<Applied> {
    const office = this.#office;
    const proposal =
      office !== undefined && office.term === entry.term
        ? office.proposalAt(entry.index)
        : undefined;
    const command = proposal?.command ?? decode();
    const result = applyCommand(this.state, this.host.mvcc, command);
    if (isPromise(result)) {
      return result.then((applied) => {
        this.#applied(entry, command);
        return applied;
      });
    }
    this.#applied(entry, command);
    return result;
  }

  /** What follows an applied entry: leader memory, waiters, the service of a new leader. */
  #applied(entry: { index: number; term: number }, command: Command): void {
    this.state.appliedIndex = entry.index;
    this.state.appliedTerm = entry.term;
    this.fences.onApplied(command);
    const office = this.#office;
    if (office === undefined) return;
    if (command.kind === 'noop' && office.term === entry.term) {
      office.hasAppliedNoop = true;
      this.#maybeServe(office);
    }
    this.#settleHolders(office, entry, command);
    if (command.kind === 'split') {
      office.isSplitting = false;
      office.locks.dropFrom(command.at);
      office.noteChange();
    }
    if (command.kind === 'ceiling' || command.kind === 'handover') office.noteChange();
    if (office.term !== entry.term || office.proposalAt(entry.index) === undefined) return;
    office.shiftProposal().done(true);
  }

  /** Lets go of keys: a one-phase commit when applied, a record when decided; a new record begins to hold. */
  #settleHolders(office: Office, entry: { term: number }, command: Command): void {
    if (command.kind === 'commit') {
      const holder = office.pending.get(command.txnId);
      if (holder !== undefined) this.#releaseCommitted(office, holder);
    } else if (command.kind === 'resolve') {
      office.deciding.delete(command.txnId);
      const holder = office.pending.get(command.txnId);
      if (holder !== undefined) office.pending.remove(holder);
    } else if (command.kind === 'prepare' && !this.state.prepared.has(command.txnId)) {
      // An abort marker came before it: it holds nothing.
      const holder = office.pending.get(command.txnId);
      if (holder !== undefined) office.pending.remove(holder);
    } else if (command.kind === 'prepare' && office.term !== entry.term) {
      // An entry of an earlier term, applied in this office: its record holds from now on.
      const isHeld = office.pending.get(command.txnId) !== undefined;
      if (!isHeld) office.pending.add(this.holderOf(command));
    }
  }

  /** TXN-9: a one-phase commit holds its keys until its timestamp is published; its session's locks end with it. */
  #releaseCommitted(office: Office, holder: Holder): void {
    const release = (): void => {
      office.pending.remove(holder);
      if (holder.lockId !== undefined) office.locks.release(holder.lockId);
    };
    if (isPublishedByAppends(this)) release();
    else void this.host.clock.publish(holder.ts).then(release);
  }

  holderOf(record: Extract<Command, { kind: 'prepare' }>): Holder {
    return {
      txnId: record.txnId,
      lockId: record.lockId,
      ts: record.ts,
      isPrepare: true,
      anchor: record.anchor,
      keys: holderKeys(record.writes, record.lockedKeys),
      writes: undefined,
      spans: this.state.staged.get(record.txnId)?.spans ?? [],
      reads: record.reads,
      sinceMs: this.host.env.clock.monotonicMs(),
      waiters: [],
    };
  }

  /* ---------- lease and ceiling ---------- */

  /** LEASE-1, 2, 4: may this leader answer latest reads in this very step? */
  hasLease(office: Office): boolean {
    const { settings, env } = this.host;
    if (!office.isServing || settings.leaseMs === 0) return false;
    const isLeaving = office.isHandingOver || this.raft.hasSentTimeoutNow();
    if (isLeaving && !isBroken('LEASE-2')) return false;
    const sentAt = this.raft.leaseQuorumSentAt();
    // LEASE-5 broken: as if it had been looked at so much earlier.
    const earlierMs = isBroken('LEASE-5') ? 5 * settings.leaseMs : 0;
    if (env.clock.monotonicMs() - earlierMs >= sentAt + settings.leaseMs) return false;
    return !this.host.suspendWatch.hasJumpedSince(sentAt) || isBroken('LEASE-4');
  }

  /** RANGE-1: no snapshot read above the replicated ceiling. True when `ts` may be served now. */
  isBelowCeiling(office: Office, ts: Timestamp): boolean {
    const { env, hlc } = this.host;
    office.lastSnapshotReadMs = env.clock.monotonicMs();
    if (isBroken('RANGE-1')) return true;
    if (addMs(hlc.read(), CEILING_REFILL_MS) > this.#ceilingSoon(office)) {
      this.#extendCeiling(office, ts);
    }
    return ts <= this.state.ceiling;
  }

  #ceilingSoon(office: Office): Timestamp {
    return maxTimestamp(this.state.ceiling, office.ceilingInFlight);
  }

  /** Starts an extension to cover `need`, unless one is on its way; false when none could be proposed. */
  extendCeilingTo(office: Office, need: Timestamp): boolean {
    if (need > this.#ceilingSoon(office)) this.#extendCeiling(office, need);
    return need <= this.#ceilingSoon(office);
  }

  #extendCeiling(office: Office, need: Timestamp): void {
    if (office.isHandingOver || office.isClosed) return;
    // As far as the own wall clock is believed: the next leader's clock will be forwarded to it.
    const ahead = addMs(this.host.hlc.wall(), CEILING_AHEAD_MS);
    const ts = maxTimestamp(addMs(need, CEILING_SLACK_MS), ahead);
    const soon = this.#ceilingSoon(office);
    // What is not needed yet is worth an entry only if it goes a good deal further.
    if (ts <= soon || (need <= soon && ts < addMs(soon, CEILING_STEP_MS))) return;
    const before = office.ceilingInFlight;
    office.ceilingInFlight = ts;
    const done = (): void => {
      if (office.ceilingInFlight === ts) office.ceilingInFlight = 0 as Timestamp;
    };
    if (!this.propose(office, { kind: 'ceiling', ts }, done)) office.ceilingInFlight = before;
  }

  /** In steps, so that it costs few entries; a range in which nothing happens any more is left alone. */
  #raiseThreshold(office: Office): void {
    const { hlc, env } = this.host;
    const { threshold, maxTs } = this.state;
    const now = env.clock.monotonicMs();
    office.ages.note(now, hlc.read());
    const byAge = office.ages.aged(now);
    const floor = this.host.snapshotFloor();
    const target =
      floor === undefined ? byAge : maxTimestamp(byAge, addMs(floor, -UNREAD_MARGIN_MS));
    const isDue = target >= addMs(threshold, THRESHOLD_STEP_MS);
    if (!isDue || maxTs <= threshold || office.isSplitting) return;
    // It gives out no timestamp, so that its own need not lie above those given out.
    this.propose(office, { kind: 'collect', ts: threshold, threshold: target }, () => undefined);
  }

  /* ---------- waiting ---------- */

  /** Waits for a holder; if it is an undecided record and waits too long, its outcome is looked for. */
  async waitForHolder(holder: Holder): Promise<void> {
    const { env } = this.host;
    const timer = env.scheduler.after(SUSPECT_WAIT_MS, () => this.#suspect(holder));
    await whenReleased(holder);
    timer.cancel();
  }

  #suspect(holder: Holder): void {
    if (holder.isPrepare && holder.anchor !== undefined) {
      const { start, end } = this.state.descriptor;
      this.host.recover(holder.txnId, holder.anchor, { start, end });
    }
  }

  /** TXN-6: the locks of sessions end when their gateway is lost. */
  releaseLocksOf(gateway: NodeId): void {
    if (this.#office?.locks.releaseNode(gateway) !== true) return;
    this.host.env.log.info(
      { range: this.rangeId, gateway },
      'range: locks of a lost gateway ended',
    );
  }

  /** Called about once a second: keeps the ceiling ahead, recovers old records. */
  tick(): void {
    const office = this.#office;
    if (office === undefined || !office.isServing || office.isHandingOver) return;
    const now = this.host.env.clock.monotonicMs();
    if (now - office.lastSnapshotReadMs < SNAPSHOT_READS_RECENT_MS) {
      const soon = addMs(this.host.hlc.read(), CEILING_REFILL_MS);
      if (soon > this.#ceilingSoon(office)) this.#extendCeiling(office, soon);
    }
    this.#raiseThreshold(office);
    for (const holder of office.pending.values()) {
      if (holder.isPrepare && now - holder.sinceMs > UNDECIDED_MS) this.#suspect(holder);
    }
    this.#askSessions(office);
  }

  /** About those that have held locks since the last time, at least. */
  #askSessions(office: Office): void {
    if (++office.censusTicks < CENSUS_TICKS) return;
    office.censusTicks = 0;
    for (const [gateway, lockIds] of office.locks.sessionsUpTo(office.censusStay)) {
      this.host.askSessions(gateway, this.state.rangeId, lockIds);
    }
    office.censusStay = office.locks.lastStay;
  }
}
