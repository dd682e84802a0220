/**
 * Raft for one range on one node (Ongaro's thesis, chapters 3, 4 and 6.4; pre-vote 9.6): pure and synchronous. Messages
 * and ticks go in, a `Ready` comes out; no clock, no disk, no network, no promise.
 *
 * Invariants, asserted here or proven by test/property/raft:
 * - RAFT-1 Election safety: one leader a term, because a vote is durable before it is sent.
 * - RAFT-2 A leader only appends to its log.
 * - RAFT-3 Log matching: an append is taken only after the entry before it matches.
 * - RAFT-4 Leader completeness: only entries of the own term are committed by counting, and a committed entry is never
 *   replaced; a vote goes only to a log at least as up to date.
 * - RAFT-5 State machine safety: entries are handed out for application once, in order.
 *
 * Durability: a leader counts its own log only as far as it is persisted; others may commit without it.
 *
 * Lease: a node neither votes nor campaigns within `electionTicks` whole ticks of hearing from a leader, or of its own
 * start, unless forced by TimeoutNow. The leader can tell how old the newest round is that a quorum has acknowledged.
 * A caller whose ticks were late makes them up one an interval at the earliest: a burst of ticks is not time.
 *
 * Quiet: a quiescent node does not tick. It wakes at any message, proposal or campaign, or when its caller says so.
 *
 * Not here: snapshots' contents (the caller streams them, and makes the node anew behind them), membership changes
 * (the configuration is carried, and joint quorums count, but nothing changes it yet), reads.
 */
import { assert } from '../../src/base/assert.ts';
import type { Counters } from '../../src/base/counters.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { ElectionClock } from './election-clock.ts';
import type { Outlet } from './leadership.ts';
import { Leadership } from './leadership.ts';
import type { Append, Entry, Message, VoteReply, VoteRequest } from './messages.ts';
import type { Configuration } from './quorum.ts';
import { isVoter, membersOf, voteResult } from './quorum.ts';
import { RaftLog } from './raft-log.ts';
import type { RaftOptions, RaftStart, RaftStatus } from './raft-options.ts';
import type { HardState, LogRead, Ready, Role, SoftState } from './ready.ts';
import { takeEarly } from './ready.ts';

export type { RaftOptions, RaftStart, RaftStatus };

export class RaftNode {
  readonly #self: NodeId;
  readonly #options: RaftOptions;
  readonly #noopData: () => Uint8Array;
  readonly #configuration: Configuration;
  readonly #log: RaftLog;
  #term: number;
  #vote: number;
  #role: Role = 'follower';
  #leader: NodeId | undefined;
  /** Set exactly while the role is `leader`. */
  #leadership: Leadership | undefined;
  /** Handed out for application up to here. */
  #delivered: number;
  #applied: number;
  /** What the durable log still has begins here; infinite when it cannot be read. */
  #logFirst: number;
  /** Monotonic milliseconds of the caller's clock, copied into messages only. */
  #now = 0;

  readonly #clock: ElectionClock;
  readonly #counters: Counters;
  #isQuiescent = false;
  #votes = new Map<NodeId, boolean>();
  #isForced = false;

  /* Collected for the next Ready. */
  #messages: Message[] = [];
  #afterPersist: Message[] = [];
  #unsavedFrom: number;
  #truncateFrom: number | undefined;
  #isHardStateDirty = false;
  #isSoftStateDirty = false;

  constructor(start: RaftStart, options: RaftOptions) {
    this.#self = start.self;
    this.#options = options;
    this.#counters = start.counters;
    this.#clock = new ElectionClock(options.electionTicks, start.random);
    this.#noopData = start.noopData;
    this.#configuration = start.configuration;
    this.#log = new RaftLog(start.applied, start.entries);
    this.#term = start.hardState.term;
    this.#vote = start.hardState.vote;
    if (this.#log.lastTerm > this.#term) {
      // The log, or a checkpoint, got ahead of the hard state: no vote of that term can have left this node.
      this.#term = this.#log.lastTerm;
      this.#vote = 0;
      this.#isHardStateDirty = true;
    }
    this.#delivered = start.applied.index;
    this.#applied = start.applied.index;
    this.#logFirst = start.logFirst ?? Number.POSITIVE_INFINITY;
    this.#unsavedFrom = this.#log.lastIndex + 1;
  }

  /* ---------- what the caller may ask ---------- */

  get term(): number {
    return this.#term;
  }
  get role(): Role {
    return this.#role;
  }
  get isLeader(): boolean {
    return this.#role === 'leader';
  }
  get leader(): NodeId | undefined {
    return this.#leader;
  }
  get commitIndex(): number {
    return this.#log.commitIndex;
  }
  get lastIndex(): number {
    return this.#log.lastIndex;
  }
  get firstIndex(): number {
    return this.#log.firstIndex;
  }
  get hardState(): HardState {
    return { term: this.#term, vote: this.#vote };
  }
  /** LEASE-2: no lease reads in this term any more. */
  get hasSentTimeoutNow(): boolean {
    return this.#leadership?.hasSentTimeoutNow ?? false;
  }
  get isQuiescent(): boolean {
    return this.#isQuiescent;
  }

  /** The lowest index that a peer heard from lately still needs; the own last one when there is none. */
  lowestMatch(): number {
    return this.#leadership?.lowestMatch() ?? this.#log.lastIndex;
  }

  termAt(index: number): number | undefined {
    return this.#log.termAt(index);
  }

  /** The entries of the log in memory after `index`. */
  entriesAfter(index: number): readonly Entry[] {
    const { firstIndex, lastIndex } = this.#log;
    return this.#log.slice(Math.max(index + 1, firstIndex), lastIndex, Infinity);
  }

  /** When the newest round was sent that a quorum (itself included) has acknowledged in this term. */
  leaseQuorumSentAt(): number {
    return this.#leadership?.quorumSentAt(this.#now) ?? Number.NEGATIVE_INFINITY;
  }

  status(): RaftStatus {
    return {
      ...this.#softState(),
      commitIndex: this.#log.commitIndex,
      appliedIndex: this.#applied,
      persistedIndex: this.#log.persistedIndex,
      firstIndex: this.#log.firstIndex,
      lastIndex: this.#log.lastIndex,
      isQuiescent: this.#isQuiescent,
      peers: this.#leadership?.status() ?? [],
    };
  }

  /* ---------- inputs ---------- */

  setNow(monotonicMs: number): void {
    this.#now = monotonicMs;
  }

  /** `mayCampaign` false: it votes when its promise to a leader has run out, and leaves leading to others. */
  tick(mayCampaign = true): void {
    if (this.#isQuiescent) return;
    if (this.#leadership !== undefined) {
      // RANGE-1: after a hand-over that failed the leader does not go on; nor without a quorum.
      if (!this.#leadership.tick(this.#outlet())) this.stepDown();
      return;
    }
    if (this.#clock.tick() && mayCampaign && this.#isVoter()) this.#campaign(false);
  }

  /** Takes an entry; undefined when this node cannot take it now. */
  propose(data: Uint8Array): { readonly index: number; readonly term: number } | undefined {
    const leadership = this.#leadership;
    if (leadership === undefined || leadership.isTransferring) return undefined;
    if (leadership.uncommittedBytes > this.#options.uncommittedBytesMax) return undefined;
    this.#isQuiescent = false;
    return this.#appendOwn(leadership, data);
  }

  step(message: Message): void {
    assert(message.to === this.#self, 'a message for another node');
    this.#isQuiescent = false;
    if (message.term > this.#term && !this.#meetsNewerTerm(message)) return;
    if (message.term < this.#term) {
      this.#answerOlderTerm(message);
      return;
    }
    switch (message.kind) {
      case 'vote':
      case 'prevote':
        this.#onVoteRequest(message);
        return;
      case 'voteReply':
      case 'prevoteReply':
        this.#onVoteReply(message);
        return;
      case 'append':
        this.#onAppend(message);
        return;
      case 'heartbeat': {
        const { from: to, sentAt, term } = message;
        this.#hearFromLeader(to);
        this.#advanceCommit(Math.min(message.commit, this.#log.lastIndex));
        this.#send({ kind: 'heartbeatReply', from: this.#self, to, term, sentAt });
        return;
      }
      case 'appendReply':
        if (this.#leadership?.onAppendReply(message, this.#messages) === true) this.#maybeCommit();
        return;
      case 'heartbeatReply':
        this.#leadership?.onHeartbeatReply(message.from, message.sentAt, this.#outlet());
        return;
      case 'timeoutNow':
        if (this.#leadership === undefined && this.#isVoter()) this.#campaign(true);
    }
  }

  /** Campaigns now; false when a leader's lease, perhaps this node's own promise, forbids it. */
  campaign(): boolean {
    if (this.#isWithinLease() || !this.#isVoter()) return false;
    this.#isQuiescent = false;
    this.#campaign(false);
    return true;
  }

  /**
   * Hands leadership over once the peer has caught up; no proposals are taken from now on in this term. If the peer
   * has not taken over within an election timeout this node steps down.
   */
  transferLeader(to: NodeId): boolean {
    if (to === this.#self || !isVoter(this.#configuration, to)) return false;
    this.#isQuiescent = false;
    return this.#leadership?.transferTo(to, this.#messages) ?? false;
  }

  stepDown(): void {
    if (this.#role === 'leader') this.#becomeFollower(this.#term, undefined);
  }

  /** Stops ticking, if all is said and done; false otherwise. A follower does so when its leader tells the caller. */
  quiesce(): boolean {
    const { lastIndex, commitIndex } = this.#log;
    const isDone = commitIndex === lastIndex && this.#applied === lastIndex && !this.hasReady();
    const isEven =
      this.#role === 'follower' ? this.#leader !== undefined : this.#leadership?.isEven();
    this.#isQuiescent = isDone && isEven === true;
    return this.#isQuiescent;
  }

  /** Ticks again; what was promised to a leader holds for another election timeout. */
  wake(): void {
    if (!this.#isQuiescent) return;
    this.#isQuiescent = false;
    this.#clock.onLeaderHeard();
    this.#clock.restart();
  }

  /** The durable log reaches this entry; called once per Ready with entries, in order. */
  persisted(last: { readonly index: number; readonly term: number }): void {
    this.#log.persisted(last.index, last.term);
    this.#maybeCommit();
  }

  /** A leader has said that the entry is committed: so is all before it, if this log has it (RAFT-3). */
  learnCommitted(index: number, term: number): void {
    if (this.#log.matches(index, term)) this.#advanceCommit(index);
  }

  applied(index: number): void {
    assert(index >= this.#applied && index <= this.#delivered, 'RAFT-5: applied out of order');
    this.#applied = index;
    const trim = this.#log.trimIndex(this.#options.tailBytesMax, index);
    if (trim >= this.#log.firstIndex) this.#log.compact(trim);
  }

  /** The caller needs nothing up to `index` any more: it is in a checkpoint. `logFirst`: where the durable log begins now. */
  compact(index: number, logFirst = index + 1): void {
    if (this.#logFirst !== Number.POSITIVE_INFINITY) {
      this.#logFirst = Math.max(this.#logFirst, logFirst);
    }
    const limit = Math.min(index, this.#applied, this.#log.persistedIndex);
    if (limit >= this.#log.firstIndex) this.#log.compact(limit);
  }

  /** What a Ready's `logReads` asked for; nothing when the durable log no longer has it. */
  entriesRead(read: LogRead, entries: readonly Entry[]): void {
    this.#leadership?.entriesRead(read, entries, this.#outlet());
  }

  reportUnreachable(peer: NodeId): void {
    this.#leadership?.reportUnreachable(peer);
  }

  /** A snapshot up to `index` is installed at the peer; undefined: it failed, to be tried again. */
  reportSnapshot(peer: NodeId, index: number | undefined): void {
    this.#leadership?.reportSnapshot(peer, index);
  }

  /* ---------- output ---------- */

  hasReady(): boolean {
    return (
      this.#messages.length > 0 ||
      this.#afterPersist.length > 0 ||
      this.#isHardStateDirty ||
      this.#isSoftStateDirty ||
      this.#unsavedFrom <= this.#log.lastIndex ||
      this.#truncateFrom !== undefined ||
      this.#delivered < this.#log.commitIndex ||
      this.#leadership?.wantsAppends === true
    );
  }

  ready(): Ready {
    const snapshotsFor: NodeId[] = [];
    const logReads: LogRead[] = [];
    if (this.#leadership?.wantsAppends === true) {
      const logFirst = this.#logFirst;
      const { now, messages } = this.#outlet();
      this.#leadership.sendAppends({ now, messages, snapshotsFor, logReads, logFirst });
    }
    const { lastIndex, commitIndex } = this.#log;
    const saved = Math.min(lastIndex, this.#unsavedFrom - 1 + this.#options.appendEntriesMax);
    const committed =
      this.#delivered < commitIndex
        ? this.#log.slice(this.#delivered + 1, commitIndex, this.#options.applyBytesMax)
        : [];
    const early = saved === lastIndex ? [] : takeEarly(this.#afterPersist, saved);
    const ready: Ready = {
      softState: this.#isSoftStateDirty ? this.#softState() : undefined,
      messages: this.#messages,
      hardState: this.#isHardStateDirty ? this.hardState : undefined,
      truncateFrom: this.#truncateFrom,
      entries: this.#log.slice(this.#unsavedFrom, saved, Infinity),
      afterPersist: this.#afterPersist,
      committed,
      snapshotsFor,
      logReads,
    };
    this.#messages = [];
    this.#afterPersist = early;
    this.#isSoftStateDirty = false;
    this.#isHardStateDirty = false;
    this.#truncateFrom = undefined;
    this.#unsavedFrom = saved + 1;
    this.#delivered += committed.length;
    return ready;
  }

  /* ---------- terms and roles ---------- */

  /** A message of a newer term; false: it is to be ignored. */
  #meetsNewerTerm(message: Message): boolean {
    if (message.kind === 'vote' || message.kind === 'prevote') {
      if (!message.isForced && this.#isWithinLease()) return false;
      if (message.kind === 'prevote') return true;
    }
    // A granted pre-vote carries the term it was granted for, which nobody has reached yet.
    if (message.kind === 'prevoteReply' && message.isGranted) return true;
    const isFromLeader = message.kind === 'append' || message.kind === 'heartbeat';
    this.#becomeFollower(message.term, isFromLeader ? message.from : undefined);
    return true;
  }

  /** A deposed leader or an old candidate learns our term. */
  #answerOlderTerm(message: Message): void {
    if (message.kind === 'append' || message.kind === 'heartbeat') {
      this.#refuseAppend(message.from, { prevIndex: 0, hintIndex: 0, sentAt: -Infinity });
    } else if (message.kind === 'prevote') {
      const [to, term] = [message.from, this.#term];
      this.#send({ kind: 'prevoteReply', from: this.#self, to, term, isGranted: false });
    }
  }

  /** Is this node bound by a leader's lease: its own, that of one it heard from lately, or might have before it started? */
  #isWithinLease(): boolean {
    return this.#role === 'leader' || this.#clock.isWithinLease;
  }

  #isVoter(): boolean {
    return isVoter(this.#configuration, this.#self);
  }

  #softState(): SoftState {
    return { role: this.#role, term: this.#term, leader: this.#leader };
  }

  #become(role: Role, leader: NodeId | undefined): void {
    this.#role = role;
    this.#leader = leader;
    this.#isSoftStateDirty = true;
    this.#votes = new Map();
    if (role !== 'leader') this.#leadership = undefined;
  }

  #becomeFollower(term: number, leader: NodeId | undefined): void {
    const wasLeader = this.#role === 'leader';
    if (term > this.#term) {
      this.#term = term;
      this.#vote = 0;
      this.#isHardStateDirty = true;
    }
    this.#become('follower', leader);
    // Who was leader until now waits as if it had just heard from one.
    if (leader !== undefined || wasLeader) this.#clock.onLeaderHeard();
    this.#clock.restart();
  }

  #campaign(isForced: boolean): void {
    this.#clock.restart();
    this.#isForced = isForced;
    if (isForced) {
      this.#becomeCandidate();
      return;
    }
    this.#become('precandidate', undefined);
    this.#requestVotes('prevote', this.#term + 1);
  }

  #becomeCandidate(): void {
    this.#become('candidate', undefined);
    this.#term++;
    this.#vote = this.#self;
    this.#isHardStateDirty = true;
    this.#requestVotes('vote', this.#term);
  }

  #requestVotes(kind: 'vote' | 'prevote', term: number): void {
    const { lastIndex, lastTerm } = this.#log;
    const isForced = this.#isForced;
    for (const to of membersOf(this.#configuration)) {
      if (to === this.#self || !isVoter(this.#configuration, to)) continue;
      const from = this.#self;
      const request: VoteRequest = { kind, from, to, term, lastIndex, lastTerm, isForced };
      // The own vote must be durable before anyone can count it.
      (kind === 'vote' ? this.#afterPersist : this.#messages).push(request);
    }
    this.#countVote(this.#self, true);
  }

  #onVoteRequest(message: VoteRequest): void {
    const { from: to } = message;
    const isPre = message.kind === 'prevote';
    const mayVote =
      (isPre && message.term > this.#term) ||
      this.#vote === to ||
      (this.#vote === 0 && this.#leader === undefined);
    const isFree = message.isForced || !this.#isWithinLease() || this.#vote === to;
    const isGranted =
      mayVote && isFree && this.#log.isUpToDate(message.lastIndex, message.lastTerm);
    if (isPre) {
      const term = isGranted ? message.term : this.#term;
      this.#send({ kind: 'prevoteReply', from: this.#self, to, term, isGranted });
      return;
    }
    if (isGranted) {
      this.#clock.restart();
      if (this.#vote !== to) {
        this.#vote = to;
        this.#isHardStateDirty = true;
      }
    }
    const term = this.#term;
    this.#afterPersist.push({ kind: 'voteReply', from: this.#self, to, term, isGranted });
  }

  #onVoteReply(message: VoteReply): void {
    const isPre = message.kind === 'prevoteReply';
    if (this.#role !== (isPre ? 'precandidate' : 'candidate')) return;
    if (isPre && message.isGranted && message.term !== this.#term + 1) return;
    this.#countVote(message.from, message.isGranted);
  }

  #countVote(from: NodeId, isGranted: boolean): void {
    this.#votes.set(from, isGranted);
    const result = voteResult(this.#configuration, this.#votes);
    if (result === 'lost') this.#becomeFollower(this.#term, undefined);
    else if (result === 'won') {
      if (this.#role === 'precandidate') this.#becomeCandidate();
      else this.#becomeLeader();
    }
  }

  #becomeLeader(): void {
    assert(this.#role === 'candidate', 'RAFT-1: a leader was a candidate');
    this.#become('leader', this.#self);
    const leadership = new Leadership(
      {
        self: this.#self,
        term: this.#term,
        configuration: this.#configuration,
        log: this.#log,
        counters: this.#counters,
      },
      this.#options,
    );
    this.#leadership = leadership;
    this.#appendOwn(leadership, this.#noopData());
  }

  /* ---------- the log ---------- */

  #appendOwn(leadership: Leadership, data: Uint8Array): Entry {
    const entry: Entry = { index: this.#log.lastIndex + 1, term: this.#term, data };
    leadership.uncommittedBytes += this.#log.append(entry);
    leadership.wantsAppends = true;
    this.#counters.raftProposed++;
    return entry;
  }

  #onAppend(message: Append): void {
    this.#hearFromLeader(message.from);
    const { prevIndex, prevTerm, entries, sentAt } = message;
    // RAFT-4: what is committed here is in the leader's log; it is not compared, and may be gone from memory.
    const { commitIndex } = this.#log;
    if (prevIndex >= commitIndex && !this.#log.matches(prevIndex, prevTerm)) {
      const at = Math.min(prevIndex, this.#log.lastIndex);
      const hintIndex = this.#log.lastAtOrBelowTerm(at, prevTerm);
      this.#refuseAppend(message.from, { prevIndex, hintIndex, sentAt });
      return;
    }
    for (const entry of entries) this.#take(entry);
    const last = Math.max(commitIndex, prevIndex + entries.length);
    this.#advanceCommit(Math.min(message.commit, last));
    this.#afterPersist.push({
      kind: 'appendReply',
      from: this.#self,
      to: message.from,
      term: this.#term,
      isOk: true,
      index: last,
      hintIndex: 0,
      hintTerm: 0,
      sentAt,
    });
  }

  /** An entry from the leader, of which all before agree. */
  #take(entry: Entry): void {
    const known = this.#log.termAt(entry.index);
    if (known === entry.term || entry.index < this.#log.firstIndex) return;
    if (known !== undefined) {
      this.#log.truncateFrom(entry.index);
      this.#truncateFrom = Math.min(this.#truncateFrom ?? entry.index, entry.index);
      this.#unsavedFrom = Math.min(this.#unsavedFrom, entry.index);
    }
    this.#log.append(entry);
  }

  #refuseAppend(
    to: NodeId,
    refused: { readonly prevIndex: number; readonly hintIndex: number; readonly sentAt: number },
  ): void {
    const { prevIndex: index, hintIndex, sentAt } = refused;
    const hintTerm = this.#log.termAt(hintIndex) ?? 0;
    const [from, term] = [this.#self, this.#term];
    const isOk = false;
    this.#send({ kind: 'appendReply', from, to, term, isOk, index, hintIndex, hintTerm, sentAt });
  }

  #maybeCommit(): void {
    if (this.#leadership !== undefined) this.#advanceCommit(this.#leadership.decidedIndex());
  }

  #advanceCommit(index: number): void {
    if (index <= this.#log.commitIndex) return;
    const count = index - this.#log.commitIndex;
    const bytes = this.#log.commitTo(index);
    const leadership = this.#leadership;
    if (leadership === undefined) return;
    leadership.decidedAt = this.#now;
    this.#counters.raftCommitted += count;
    // Entries of earlier terms were never counted.
    leadership.uncommittedBytes = Math.max(0, leadership.uncommittedBytes - bytes);
  }

  #hearFromLeader(from: NodeId): void {
    assert(this.#role !== 'leader', 'RAFT-1: two leaders in one term');
    if (this.#role !== 'follower' || this.#leader !== from) this.#become('follower', from);
    this.#clock.onLeaderHeard();
  }

  #outlet(): Outlet {
    return { now: this.#now, messages: this.#messages };
  }

  #send(message: Message): void {
    this.#messages.push(message);
  }
}
