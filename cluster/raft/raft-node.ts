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
 * Lease: a follower neither votes nor campaigns within an election timeout of hearing from a leader, of its own start
 * (unless forced by TimeoutNow). The leader can tell how old the newest round is that a quorum has acknowledged.
 *
 * Not here: snapshots' contents (the caller streams them, and makes the node anew behind them), membership changes
 * (the configuration is carried, and joint quorums count, but nothing changes it yet), reads.
 */
import { assert } from '../../src/base/assert.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { Random } from '../../src/env/env.ts';
import type { Append, AppendReply, Entry, Message, VoteReply, VoteRequest } from './messages.ts';
import { Progress } from './progress.ts';
import type { Configuration } from './quorum.ts';
import { isVoter, membersOf, quorumValue, voteResult } from './quorum.ts';
import { RaftLog } from './raft-log.ts';
import type { HardState, Ready } from './ready.ts';

export interface RaftOptions {
  /** Ticks without a leader before campaigning; up to half as many again are added by chance. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly appendBytesMax: number;
  /** Appends out to one peer; 1 switches pipelining off. */
  readonly inflightMax: number;
  /** Entries in one append; 1 switches batching off. */
  readonly appendEntriesMax: number;
  /** Proposals not yet committed, in bytes: beyond it no more are taken. */
  readonly uncommittedBytesMax: number;
  /** Committed entries handed out in one Ready, in bytes. */
  readonly applyBytesMax: number;
  /** Entries kept in memory for peers that lag, in bytes. */
  readonly tailBytesMax: number;
}

export interface RaftStart {
  readonly self: NodeId;
  readonly configuration: Configuration;
  readonly hardState: HardState;
  /** What the state machine has applied: the boundary of the log in memory. */
  readonly applied: { readonly index: number; readonly term: number };
  /** The entries after it. */
  readonly entries: readonly Entry[];
  /** The data of a new leader's first entry. */
  readonly noopData: () => Uint8Array;
  readonly random: Random;
}

export type Role = 'follower' | 'precandidate' | 'candidate' | 'leader';

export class RaftNode {
  readonly #self: NodeId;
  readonly #options: RaftOptions;
  readonly #random: Random;
  readonly #noopData: () => Uint8Array;
  readonly #configuration: Configuration;
  readonly #log: RaftLog;
  #term: number;
  #vote: number;
  #role: Role = 'follower';
  #leader: NodeId | undefined;
  #commit: number;
  /** Handed out for application up to here. */
  #delivered: number;
  #applied: number;
  /** Monotonic milliseconds of the caller's clock, copied into messages only. */
  #now = 0;

  /** Ticks since this node heard from a leader, or started; as leader, since it last checked its quorum. */
  #quietTicks = 0;
  /** Ticks since it last heard from a leader, campaigned, or gave its vote. */
  #waitedTicks = 0;
  #timeoutTicks: number;
  #heartbeatTicks = 0;
  #votes = new Map<NodeId, boolean>();
  #isForced = false;
  readonly #peers = new Map<NodeId, Progress>();
  #transferee: NodeId | undefined;
  #transferTicks = 0;
  #hasSentTimeoutNow = false;
  #uncommittedBytes = 0;

  /* Collected for the next Ready. */
  #messages: Message[] = [];
  #afterPersist: Message[] = [];
  #unsavedFrom: number;
  #truncateFrom: number | undefined;
  #isHardStateDirty = false;
  #wantsAppends = false;

  constructor(start: RaftStart, options: RaftOptions) {
    this.#self = start.self;
    this.#options = options;
    this.#random = start.random;
    this.#noopData = start.noopData;
    this.#configuration = start.configuration;
    this.#log = new RaftLog(start.applied, start.entries);
    this.#term = start.hardState.term;
    this.#vote = start.hardState.vote;
    this.#commit = start.applied.index;
    this.#delivered = start.applied.index;
    this.#applied = start.applied.index;
    this.#unsavedFrom = this.#log.lastIndex + 1;
    this.#timeoutTicks = this.#drawTimeout();
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
    return this.#commit;
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
  get hasSentTimeoutNow(): boolean {
    return this.#hasSentTimeoutNow;
  }

  /** The lowest index that a peer heard from lately still needs; the own last one when there is none. */
  lowestMatch(): number {
    let lowest = this.#log.lastIndex;
    if (this.#role !== 'leader') return lowest;
    for (const progress of this.#peers.values()) {
      if (progress.isActive) lowest = Math.min(lowest, progress.match);
    }
    return lowest;
  }

  progressOf(peer: NodeId): Progress | undefined {
    return this.#peers.get(peer);
  }

  termAt(index: number): number | undefined {
    return this.#log.termAt(index);
  }

  /** The entries of the log in memory after `index`. */
  entriesAfter(index: number): readonly Entry[] {
    return this.#log.slice(
      Math.max(index + 1, this.#log.firstIndex),
      this.#log.lastIndex,
      Infinity,
    );
  }

  /** When the newest round was sent that a quorum (itself included) has acknowledged in this term. */
  leaseQuorumSentAt(): number {
    if (this.#role !== 'leader') return Number.NEGATIVE_INFINITY;
    return quorumValue(this.#configuration, (node) =>
      node === this.#self ? this.#now : (this.#peers.get(node)?.ackedSentAt ?? -Infinity),
    );
  }

  /* ---------- inputs ---------- */

  setNow(monotonicMs: number): void {
    this.#now = monotonicMs;
  }

  tick(): void {
    this.#quietTicks++;
    this.#waitedTicks++;
    if (this.#role !== 'leader') {
      if (this.#waitedTicks >= this.#timeoutTicks && isVoter(this.#configuration, this.#self)) {
        this.#campaign(false);
      }
      return;
    }
    if (this.#transferee !== undefined && ++this.#transferTicks >= this.#options.electionTicks) {
      // RANGE-1: after a hand-over that failed the leader does not go on.
      this.stepDown();
      return;
    }
    if (this.#quietTicks >= this.#options.electionTicks) {
      this.#quietTicks = 0;
      if (!this.#hasActiveQuorum()) {
        this.stepDown();
        return;
      }
    }
    if (++this.#heartbeatTicks >= this.#options.heartbeatTicks) this.#heartbeat();
  }

  /** Takes an entry; undefined when this node cannot take it now. */
  propose(data: Uint8Array): { readonly index: number; readonly term: number } | undefined {
    if (this.#role !== 'leader' || this.#transferee !== undefined) return undefined;
    if (this.#uncommittedBytes > this.#options.uncommittedBytesMax) return undefined;
    return this.#appendOwn(data);
  }

  step(message: Message): void {
    assert(message.to === this.#self, 'a message for another node');
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
      case 'heartbeat':
        this.#hearFromLeader(message.from);
        this.#advanceCommit(Math.min(message.commit, this.#log.lastIndex));
        this.#send({
          kind: 'heartbeatReply',
          ...this.#address(message.from),
          sentAt: message.sentAt,
        });
        return;
      case 'appendReply':
        this.#onAppendReply(message);
        return;
      case 'heartbeatReply':
        this.#onHeartbeatReply(message.from, message.sentAt);
        return;
      case 'timeoutNow':
        if (isVoter(this.#configuration, this.#self)) this.#campaign(true);
    }
  }

  /** Campaigns now, subject to the others' leases. */
  campaign(): void {
    if (this.#role !== 'leader') this.#campaign(false);
  }

  /** Hands leadership over once the peer has caught up; no proposals are taken from now on in this term. */
  transferLeader(to: NodeId): void {
    if (this.#role !== 'leader' || to === this.#self || !isVoter(this.#configuration, to)) return;
    this.#transferee = to;
    this.#transferTicks = 0;
    this.#maybeSendTimeoutNow(to);
    this.#wantsAppends = true;
  }

  stepDown(): void {
    if (this.#role === 'leader') this.#becomeFollower(this.#term, undefined);
  }

  /** The durable log reaches this entry; called once per Ready with entries, in order. */
  persisted(last: { readonly index: number; readonly term: number }): void {
    this.#log.persisted(last.index, last.term);
    if (this.#role === 'leader') this.#maybeCommit();
  }

  applied(index: number): void {
    assert(index >= this.#applied && index <= this.#delivered, 'RAFT-5: applied out of order');
    this.#applied = index;
    const trim = this.#log.trimIndex(this.#options.tailBytesMax, index);
    if (trim >= this.#log.firstIndex) this.#log.compact(trim);
  }

  /** The caller needs nothing up to `index` any more: it is in a checkpoint. */
  compact(index: number): void {
    if (index >= this.#log.firstIndex) {
      this.#log.compact(Math.min(index, this.#applied, this.#log.persistedIndex));
    }
  }

  reportUnreachable(peer: NodeId): void {
    const progress = this.#peers.get(peer);
    if (progress?.state === 'replicate') progress.become('probe');
  }

  /** A snapshot up to `index` is installed at the peer; undefined: it failed, to be tried again. */
  reportSnapshot(peer: NodeId, index: number | undefined): void {
    const progress = this.#peers.get(peer);
    if (progress === undefined || progress.state !== 'snapshot') return;
    progress.become('probe');
    if (index !== undefined) progress.next = Math.max(progress.next, index + 1);
    this.#wantsAppends = true;
  }

  /* ---------- output ---------- */

  hasReady(): boolean {
    return (
      this.#messages.length > 0 ||
      this.#afterPersist.length > 0 ||
      this.#isHardStateDirty ||
      this.#unsavedFrom <= this.#log.lastIndex ||
      this.#truncateFrom !== undefined ||
      this.#delivered < this.#commit ||
      this.#wantsAppends
    );
  }

  ready(): Ready {
    const snapshotsFor: NodeId[] = [];
    if (this.#role === 'leader' && this.#wantsAppends) {
      for (const [peer, progress] of this.#peers) this.#sendAppends(peer, progress, snapshotsFor);
    }
    this.#wantsAppends = false;
    const entries = this.#log.slice(this.#unsavedFrom, this.#log.lastIndex, Infinity);
    const committed =
      this.#delivered < this.#commit
        ? this.#log.slice(this.#delivered + 1, this.#commit, this.#options.applyBytesMax)
        : [];
    const ready: Ready = {
      messages: this.#messages,
      hardState: this.#isHardStateDirty ? this.hardState : undefined,
      truncateFrom: this.#truncateFrom,
      entries,
      afterPersist: this.#afterPersist,
      committed,
      snapshotsFor,
    };
    this.#messages = [];
    this.#afterPersist = [];
    this.#isHardStateDirty = false;
    this.#truncateFrom = undefined;
    this.#unsavedFrom = this.#log.lastIndex + 1;
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
      this.#sendRefusal(message.from, 0, 0);
    } else if (message.kind === 'prevote') {
      const isGranted = false;
      this.#send({ kind: 'prevoteReply', ...this.#address(message.from), isGranted });
    }
  }

  /** Has this node lately heard from a leader, or started? */
  #isWithinLease(): boolean {
    if (this.#role === 'leader') return true;
    return this.#quietTicks < this.#options.electionTicks;
  }

  #becomeFollower(term: number, leader: NodeId | undefined): void {
    const wasLeader = this.#role === 'leader';
    if (term > this.#term) {
      this.#term = term;
      this.#vote = 0;
      this.#isHardStateDirty = true;
    }
    this.#role = 'follower';
    this.#leader = leader;
    this.#votes = new Map();
    this.#peers.clear();
    this.#transferee = undefined;
    this.#hasSentTimeoutNow = false;
    this.#uncommittedBytes = 0;
    // Who was leader until now waits as if it had just heard from one.
    if (leader !== undefined || wasLeader) this.#quietTicks = 0;
    this.#restartTimeout();
  }

  #campaign(isForced: boolean): void {
    this.#restartTimeout();
    this.#leader = undefined;
    this.#isForced = isForced;
    this.#votes = new Map();
    if (isForced) {
      this.#becomeCandidate();
      return;
    }
    this.#role = 'precandidate';
    this.#requestVotes('prevote', this.#term + 1);
  }

  #becomeCandidate(): void {
    this.#role = 'candidate';
    this.#term++;
    this.#vote = this.#self;
    this.#isHardStateDirty = true;
    this.#votes = new Map();
    this.#requestVotes('vote', this.#term);
  }

  #requestVotes(kind: 'vote' | 'prevote', term: number): void {
    const { lastIndex, lastTerm } = this.#log;
    const isForced = this.#isForced;
    for (const to of membersOf(this.#configuration)) {
      if (to === this.#self || !isVoter(this.#configuration, to)) continue;
      const request: VoteRequest = {
        ...{ kind, from: this.#self, to, term },
        ...{ lastIndex, lastTerm, isForced },
      };
      if (kind === 'vote') this.#afterPersist.push(request);
      else this.#messages.push(request);
    }
    this.#countVote(this.#self, true);
  }

  #onVoteRequest(message: VoteRequest): void {
    const isPre = message.kind === 'prevote';
    const mayVote =
      (isPre && message.term > this.#term) ||
      this.#vote === message.from ||
      (this.#vote === 0 && this.#leader === undefined);
    // Within the lease of the same term a leader exists, and `#leader` is set; a restart has neither.
    const isQuiet = message.isForced || !this.#isWithinLease() || this.#vote === message.from;
    const isGranted =
      mayVote && isQuiet && this.#log.isUpToDate(message.lastIndex, message.lastTerm);
    if (isPre) {
      const term = isGranted ? message.term : this.#term;
      const { from: to } = message;
      this.#send({ kind: 'prevoteReply', from: this.#self, to, term, isGranted });
      return;
    }
    if (isGranted) {
      this.#restartTimeout();
      if (this.#vote !== message.from) {
        this.#vote = message.from;
        this.#isHardStateDirty = true;
      }
    }
    this.#afterPersist.push({ kind: 'voteReply', ...this.#address(message.from), isGranted });
  }

  #onVoteReply(message: VoteReply): void {
    const expected = message.kind === 'prevoteReply' ? 'precandidate' : 'candidate';
    if (this.#role !== expected) return;
    if (message.isGranted && message.kind === 'prevoteReply' && message.term !== this.#term + 1) {
      return;
    }
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
    this.#role = 'leader';
    this.#leader = this.#self;
    this.#quietTicks = 0;
    this.#heartbeatTicks = 0;
    this.#uncommittedBytes = 0;
    this.#peers.clear();
    for (const peer of membersOf(this.#configuration)) {
      if (peer !== this.#self) this.#peers.set(peer, new Progress(this.#log.lastIndex + 1));
    }
    this.#appendOwn(this.#noopData());
  }

  /* ---------- replication ---------- */

  #appendOwn(data: Uint8Array): Entry {
    const entry: Entry = { index: this.#log.lastIndex + 1, term: this.#term, data };
    this.#log.append(entry);
    this.#uncommittedBytes += data.length;
    this.#wantsAppends = true;
    return entry;
  }

  #sendAppends(peer: NodeId, progress: Progress, snapshotsFor: NodeId[]): void {
    const { inflightMax, appendBytesMax, appendEntriesMax } = this.#options;
    while (progress.canSend(inflightMax)) {
      const isBehind = progress.next <= this.#log.lastIndex;
      if (!isBehind && progress.state === 'replicate') return;
      if (!this.#sendAppend(peer, progress, { appendBytesMax, appendEntriesMax })) break;
    }
    if (progress.state === 'snapshot' && !progress.isSnapshotAsked) {
      progress.isSnapshotAsked = true;
      snapshotsFor.push(peer);
    }
  }

  /** One append, possibly empty; false when the log no longer reaches the peer. */
  #sendAppend(
    peer: NodeId,
    progress: Progress,
    max: { appendBytesMax: number; appendEntriesMax: number },
  ): boolean {
    const prevIndex = progress.next - 1;
    const prevTerm = this.#log.termAt(prevIndex);
    if (prevTerm === undefined) {
      // A peer that cannot be reached needs no snapshot now.
      if (progress.isActive) progress.become('snapshot');
      else progress.isPaused = true;
      return false;
    }
    const to = Math.min(this.#log.lastIndex, prevIndex + max.appendEntriesMax);
    const entries = this.#log.slice(progress.next, to, max.appendBytesMax);
    this.#messages.push({
      kind: 'append',
      ...this.#address(peer),
      ...{ prevIndex, prevTerm, commit: this.#commit, entries, sentAt: this.#now },
    });
    progress.onSent(prevIndex + entries.length);
    return true;
  }

  #onAppend(message: Append): void {
    this.#hearFromLeader(message.from);
    const { prevIndex, prevTerm, entries } = message;
    if (prevIndex < this.#commit) {
      // What is committed matches; the sender goes on after it.
      this.#acknowledge(message, this.#commit);
      return;
    }
    if (!this.#log.matches(prevIndex, prevTerm)) {
      const at = Math.min(prevIndex, this.#log.lastIndex);
      const hint = this.#lastAtOrBelowTerm(at, prevTerm);
      this.#sendRefusal(message.from, prevIndex, hint, message.sentAt);
      return;
    }
    for (const entry of entries) {
      const known = this.#log.termAt(entry.index);
      if (known === entry.term) continue;
      if (known !== undefined) {
        assert(entry.index > this.#commit, 'RAFT-4: a committed entry is never replaced');
        this.#log.truncateFrom(entry.index);
        this.#truncateFrom = Math.min(this.#truncateFrom ?? entry.index, entry.index);
        this.#unsavedFrom = Math.min(this.#unsavedFrom, entry.index);
      }
      this.#log.append(entry);
    }
    const last = prevIndex + entries.length;
    this.#advanceCommit(Math.min(message.commit, last));
    this.#acknowledge(message, last);
  }

  #acknowledge(message: Append, index: number): void {
    this.#afterPersist.push({
      kind: 'appendReply',
      ...this.#address(message.from),
      ...{ isOk: true, index, hintIndex: 0, hintTerm: 0, sentAt: message.sentAt },
    });
  }

  #sendRefusal(to: NodeId, index: number, hintIndex: number, sentAt = -Infinity): void {
    const hintTerm = this.#log.termAt(hintIndex) ?? 0;
    this.#send({
      kind: 'appendReply',
      ...this.#address(to),
      ...{ isOk: false, index, hintIndex, hintTerm, sentAt },
    });
  }

  #onAppendReply(message: AppendReply): void {
    if (this.#role !== 'leader') return;
    const progress = this.#peers.get(message.from);
    if (progress === undefined) return;
    this.#noteHeard(progress, message.sentAt);
    if (!message.isOk) {
      const agree = this.#lastAtOrBelowTerm(message.hintIndex, message.hintTerm);
      if (progress.onRefused(message.index, agree)) this.#wantsAppends = true;
      return;
    }
    const isNews = progress.onAccepted(message.index);
    if (isNews) this.#maybeCommit();
    if (progress.next <= this.#log.lastIndex) this.#wantsAppends = true;
    if (this.#transferee === message.from) this.#maybeSendTimeoutNow(message.from);
  }

  /** The last index at or below `at` whose term is at most `term`: beyond it the logs cannot agree. */
  #lastAtOrBelowTerm(at: number, term: number): number {
    let index = Math.min(at, this.#log.lastIndex);
    while (index >= this.#log.firstIndex && (this.#log.termAt(index) ?? 0) > term) index--;
    return index;
  }

  #onHeartbeatReply(from: NodeId, sentAt: number): void {
    if (this.#role !== 'leader') return;
    const progress = this.#peers.get(from);
    if (progress === undefined) return;
    this.#noteHeard(progress, sentAt);
    if (progress.state === 'probe') progress.isPaused = false;
    if (progress.match >= this.#log.lastIndex) return;
    this.#wantsAppends = true;
    // An append that was lost shows itself when one after it is refused: an empty one will do.
    if (progress.state === 'replicate') {
      if (progress.inflight.length >= this.#options.inflightMax) progress.inflight.shift();
      if (progress.next > this.#log.lastIndex) {
        this.#sendAppend(from, progress, { appendBytesMax: 0, appendEntriesMax: 0 });
      }
    }
  }

  #noteHeard(progress: Progress, sentAt: number): void {
    progress.isActive = true;
    if (sentAt > progress.ackedSentAt) progress.ackedSentAt = sentAt;
  }

  /** RAFT-4: by counting only what is of the own term; with it, all before. */
  #maybeCommit(): void {
    const index = quorumValue(this.#configuration, (node) =>
      node === this.#self ? this.#log.persistedIndex : (this.#peers.get(node)?.match ?? 0),
    );
    if (index > this.#commit && this.#log.termAt(index) === this.#term) {
      this.#advanceCommit(index);
      // Followers learn of it with the next append or heartbeat, at once when there is one to send.
      this.#wantsAppends = true;
    }
  }

  #advanceCommit(index: number): void {
    if (index <= this.#commit) return;
    if (this.#role === 'leader') {
      for (const entry of this.#log.slice(this.#commit + 1, index, Infinity)) {
        this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - entry.data.length);
      }
    }
    this.#commit = index;
  }

  #heartbeat(): void {
    this.#heartbeatTicks = 0;
    for (const [peer, progress] of this.#peers) {
      const commit = Math.min(progress.match, this.#commit);
      this.#send({ kind: 'heartbeat', ...this.#address(peer), commit, sentAt: this.#now });
    }
  }

  #hearFromLeader(from: NodeId): void {
    assert(this.#role !== 'leader', 'RAFT-1: two leaders in one term');
    if (this.#role !== 'follower') this.#becomeFollower(this.#term, from);
    this.#leader = from;
    this.#quietTicks = 0;
    this.#waitedTicks = 0;
  }

  #hasActiveQuorum(): boolean {
    const active = quorumValue(this.#configuration, (node) =>
      node === this.#self || this.#peers.get(node)?.isActive === true ? 1 : 0,
    );
    for (const progress of this.#peers.values()) progress.isActive = false;
    return active >= 1;
  }

  #maybeSendTimeoutNow(to: NodeId): void {
    if (this.#hasSentTimeoutNow || this.#peers.get(to)?.match !== this.#log.lastIndex) return;
    this.#hasSentTimeoutNow = true;
    this.#send({ kind: 'timeoutNow', ...this.#address(to) });
  }

  #address(to: NodeId): { from: NodeId; to: NodeId; term: number } {
    return { from: this.#self, to, term: this.#term };
  }

  #send(message: Message): void {
    this.#messages.push(message);
  }

  #restartTimeout(): void {
    this.#waitedTicks = 0;
    this.#timeoutTicks = this.#drawTimeout();
  }

  #drawTimeout(): number {
    const { electionTicks } = this.#options;
    return electionTicks + this.#random.int(0, Math.ceil(electionTicks / 2));
  }
}
