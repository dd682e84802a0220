/**
 * What a node is while it leads one term: what it knows of its peers, what it sends them, what a quorum has reached,
 * and whom it hands over to. Made anew for every term won, dropped with it.
 *
 * RAFT-4: only an entry of the own term is committed by counting; what is before it follows. The leader's own log
 * counts as far as it is durable, so that others may commit without it.
 * Entries leave at once for as many voters as a majority needs; for the spare ones they gather for `spareDelayMs`, which
 * saves them most of their messages and syncs. That lasts while those that are needed answer promptly, and says nothing
 * about what counts: whoever has acknowledged an entry counts.
 * RANGE-1, LEASE-2: once a hand-over has begun no proposal is taken, and it cannot be taken back: the leader ends with
 * it or steps down. There is one hand-over a term.
 */
import { assert } from '../../src/base/assert.ts';
import type { Counters } from '../../src/base/counters.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { AppendReply, Entry, Message } from './messages.ts';
import { Progress } from './progress.ts';
import type { Configuration } from './quorum.ts';
import { isVoter, membersOf, quorumValue } from './quorum.ts';
import type { RaftLog } from './raft-log.ts';
import type { LogRead } from './ready.ts';

export interface LeadershipOptions {
  /** Ticks without a leader before campaigning; up to half as many again are added by chance. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly appendBytesMax: number;
  /** Appends out to one peer; 1 switches pipelining off. */
  readonly inflightMax: number;
  /** Entries in one append to a peer, and in one Ready for the own log; 1 switches batching off. */
  readonly appendEntriesMax: number;
  /** How long entries gather for voters that a majority can do without; 0 switches that off. */
  readonly spareDelayMs: number;
}

/** A voter whose acknowledgements are older than this many `spareDelayMs` while some are due is not counted on. */
const PROMPT_DELAYS = 5;

/** When it is, and where messages go. */
export interface Outlet {
  readonly now: number;
  readonly messages: Message[];
}

/** A turn of sending appends, and what else the caller has to do for it. */
export interface Sending extends Outlet {
  readonly snapshotsFor: NodeId[];
  readonly logReads: LogRead[];
  /** The first index that can be read from the durable log. */
  readonly logFirst: number;
}

export interface PeerStatus {
  readonly peer: NodeId;
  readonly state: Progress['state'];
  readonly match: number;
  readonly next: number;
  readonly inflightCount: number;
  readonly quietTicks: number;
}

export class Leadership {
  readonly term: number;
  readonly #self: NodeId;
  readonly #configuration: Configuration;
  readonly #log: RaftLog;
  readonly #options: LeadershipOptions;
  readonly #counters: Counters;
  /** All members but this node. */
  readonly #peers: readonly Progress[];
  /** How many voters beside this node a majority needs; infinite where spare ones are not known. */
  readonly #neededCount: number;
  /** Something may have to be sent to someone. */
  wantsAppends = false;
  /** Bytes of entries of this term that are not committed. */
  uncommittedBytes = 0;
  /** When the commit index last grew: whoever answers to something sent later has heard of it. */
  decidedAt = Number.NEGATIVE_INFINITY;
  /** Ticks since the quorum was last checked. */
  #checkTicks = 0;
  #heartbeatTicks = 0;
  #transferee: NodeId | undefined;
  #transferTicks = 0;
  #hasSentTimeoutNow = false;
  /** How far a voter's durable log is known to agree with ours. */
  readonly #matchOf = (node: NodeId): number =>
    node === this.#self ? this.#log.persistedIndex : (this.progressOf(node)?.match ?? 0);

  constructor(
    start: {
      self: NodeId;
      term: number;
      configuration: Configuration;
      log: RaftLog;
      counters: Counters;
    },
    options: LeadershipOptions,
  ) {
    this.#self = start.self;
    this.term = start.term;
    this.#configuration = start.configuration;
    this.#log = start.log;
    this.#options = options;
    this.#counters = start.counters;
    this.#peers = peersFrom(start.self, start.configuration).map(
      (peer) => new Progress(peer, start.log.lastIndex + 1),
    );
    const { voters, outgoing } = start.configuration;
    const hasSpares = options.spareDelayMs > 0 && outgoing.length === 0;
    this.#neededCount = hasSpares ? Math.floor(voters.length / 2) : Number.POSITIVE_INFINITY;
  }

  /* ---------- questions ---------- */

  get isTransferring(): boolean {
    return this.#transferee !== undefined;
  }

  get hasSentTimeoutNow(): boolean {
    return this.#hasSentTimeoutNow;
  }

  progressOf(peer: NodeId): Progress | undefined {
    for (const progress of this.#peers) if (progress.peer === peer) return progress;
    return undefined;
  }

  /** The lowest index that a peer heard from lately still needs; the own last one when there is none. */
  lowestMatch(): number {
    let lowest = this.#log.lastIndex;
    for (const { isActive, match } of this.#peers) if (isActive) lowest = Math.min(lowest, match);
    return lowest;
  }

  /** The newest send time of what a quorum, this node included as of `now`, has acknowledged. */
  quorumSentAt(now: number): number {
    return quorumValue(this.#configuration, (node) =>
      node === this.#self ? now : (this.progressOf(node)?.ackedSentAt ?? -Infinity),
    );
  }

  /** How far entries are decided now (RAFT-4); the old commit index when nothing is new. */
  decidedIndex(): number {
    const index = quorumValue(this.#configuration, this.#matchOf);
    const known = this.#log.commitIndex;
    return index > known && this.#log.termAt(index) === this.term ? index : known;
  }

  /** Everyone has everything, and has heard that it is committed. */
  isEven(): boolean {
    const { lastIndex, commitIndex } = this.#log;
    if (commitIndex !== lastIndex || this.#transferee !== undefined) return false;
    return this.#peers.every(
      ({ match, ackedSentAt }) => match === lastIndex && ackedSentAt > this.decidedAt,
    );
  }

  status(): PeerStatus[] {
    return this.#peers.map(({ peer, state, match, next, inflight, quietTicks }) => {
      return { peer, state, match, next, inflightCount: inflight.length, quietTicks };
    });
  }

  /* ---------- time ---------- */

  /** False: the node must not go on as leader. */
  tick(outlet: Outlet): boolean {
    for (const progress of this.#peers) {
      progress.quietTicks++;
      // What has gathered for a spare voter leaves even if no more comes.
      if (progress.next <= this.#log.lastIndex) this.wantsAppends = true;
    }
    if (this.#transferee !== undefined && ++this.#transferTicks >= this.#options.electionTicks) {
      return false;
    }
    if (++this.#checkTicks >= this.#options.electionTicks) {
      this.#checkTicks = 0;
      if (!this.#takeActiveQuorum()) return false;
    }
    if (++this.#heartbeatTicks >= this.#options.heartbeatTicks) this.#heartbeat(outlet);
    return true;
  }

  #heartbeat({ now, messages }: Outlet): void {
    this.#heartbeatTicks = 0;
    const { commitIndex } = this.#log;
    for (const { peer: to, match } of this.#peers) {
      const commit = Math.min(match, commitIndex);
      const { term } = this;
      messages.push({ kind: 'heartbeat', from: this.#self, to, term, commit, sentAt: now });
    }
    this.#counters.raftHeartbeats += this.#peers.length;
  }

  /** Has a quorum been heard from since this was last asked? */
  #takeActiveQuorum(): boolean {
    const active = quorumValue(this.#configuration, (node) =>
      node === this.#self || this.progressOf(node)?.isActive === true ? 1 : 0,
    );
    for (const progress of this.#peers) progress.isActive = false;
    return active >= 1;
  }

  /* ---------- sending ---------- */

  sendAppends(sending: Sending): void {
    this.wantsAppends = false;
    let promptCount = 0;
    for (const progress of this.#peers) {
      if (this.#isPromptVoter(progress, sending.now)) {
        promptCount++;
        if (promptCount > this.#neededCount && this.#canGather(progress, sending.now)) continue;
      }
      while (progress.canSend(this.#options.inflightMax)) {
        if (progress.next > this.#log.lastIndex && progress.state === 'replicate') break;
        if (!this.#sendAppend(progress, sending, this.#options.appendEntriesMax)) break;
      }
      if (progress.state === 'snapshot' && !progress.isSnapshotAsked) {
        progress.isSnapshotAsked = true;
        sending.snapshotsFor.push(progress.peer);
      }
    }
  }

  #isPromptVoter(progress: Progress, now: number): boolean {
    if (!isVoter(this.#configuration, progress.peer)) return false;
    return progress.isPrompt(now, PROMPT_DELAYS * this.#options.spareDelayMs);
  }

  #canGather(progress: Progress, now: number): boolean {
    if (progress.peer === this.#transferee) return false;
    return now - progress.appendedAt < this.#options.spareDelayMs;
  }

  /** One append, possibly empty; false when the log in memory no longer reaches the peer. */
  #sendAppend(progress: Progress, sending: Sending, entriesMax: number): boolean {
    const prevIndex = progress.next - 1;
    const prevTerm = this.#log.termAt(prevIndex);
    if (prevTerm === undefined) {
      this.#sendOlder(progress, sending);
      return false;
    }
    const to = Math.min(this.#log.lastIndex, prevIndex + entriesMax);
    const entries = this.#log.slice(progress.next, to, this.#options.appendBytesMax);
    this.#pushAppend(progress, sending, { prevIndex, prevTerm, entries });
    return true;
  }

  #pushAppend(
    progress: Progress,
    { now: sentAt, messages }: Outlet,
    part: { prevIndex: number; prevTerm: number; entries: readonly Entry[] },
  ): void {
    const { prevIndex, prevTerm, entries } = part;
    messages.push({
      kind: 'append',
      from: this.#self,
      to: progress.peer,
      term: this.term,
      prevIndex,
      prevTerm,
      commit: this.#log.commitIndex,
      entries,
      sentAt,
    });
    progress.onSent(prevIndex + entries.length, sentAt);
    if (entries.length > 0) this.#countAppend(entries.length, progress);
  }

  #countAppend(entryCount: number, { inflight }: Progress): void {
    const counters = this.#counters;
    // One that looks for where the logs agree is out alone.
    const out = Math.max(1, inflight.length);
    counters.raftAppends++;
    counters.raftAppendEntries += entryCount;
    counters.raftInflightSum += out;
    if (out > counters.raftInflightMax) counters.raftInflightMax = out;
  }

  /** The peer needs what memory no longer holds: from the durable log, or by a snapshot. */
  #sendOlder(progress: Progress, { logFirst, logReads }: Sending): void {
    if (!progress.isActive) {
      // One who cannot be reached needs nothing now; an answer will start it again.
      if (progress.state === 'replicate') progress.become('probe');
      progress.isPaused = true;
      return;
    }
    // The entry before the first tells its term; before entry 1 there is none.
    const from = Math.max(1, progress.next - 1);
    if (from < logFirst) {
      progress.become('snapshot');
      return;
    }
    progress.isReading = true;
    const { appendBytesMax: bytesMax } = this.#options;
    const to = this.#log.persistedIndex + 1;
    logReads.push({ peer: progress.peer, term: this.term, from, to, bytesMax });
  }

  /** What `logReads` asked for; none when the log no longer has it. */
  entriesRead(read: LogRead, entries: readonly Entry[], outlet: Outlet): void {
    const progress = this.progressOf(read.peer);
    if (read.term !== this.term || progress?.isReading !== true) return;
    progress.isReading = false;
    this.wantsAppends = true;
    if (Math.max(1, progress.next - 1) !== read.from) return;
    const [first] = entries;
    if (first === undefined) {
      progress.become('snapshot');
      return;
    }
    assert(first.index === read.from, 'the log was read where it was asked for');
    const isWhole = progress.next === 1;
    this.#pushAppend(progress, outlet, {
      prevIndex: progress.next - 1,
      prevTerm: isWhole ? 0 : first.term,
      entries: (isWhole ? entries : entries.slice(1)).slice(0, this.#options.appendEntriesMax),
    });
  }

  /* ---------- answers ---------- */

  /** True when a peer's log has grown: more may be decided. */
  onAppendReply(message: AppendReply, messages: Message[]): boolean {
    const progress = this.progressOf(message.from);
    if (progress === undefined) return false;
    noteHeard(progress, message.sentAt);
    if (!message.isOk) {
      const agree = this.#log.lastAtOrBelowTerm(message.hintIndex, message.hintTerm);
      if (progress.onRefused(message.index, agree)) this.wantsAppends = true;
      return false;
    }
    assert(
      message.index <= this.#log.lastIndex,
      'RAFT-3: a peer acknowledges what it was not sent',
    );
    const isNews = progress.onAccepted(message.index);
    if (progress.next <= this.#log.lastIndex) this.wantsAppends = true;
    if (this.#transferee === message.from) this.#maybeSendTimeoutNow(messages);
    return isNews;
  }

  onHeartbeatReply(from: NodeId, sentAt: number, outlet: Outlet): void {
    const progress = this.progressOf(from);
    if (progress === undefined) return;
    noteHeard(progress, sentAt);
    if (progress.state === 'probe') progress.isPaused = false;
    if (progress.match >= this.#log.lastIndex) return;
    this.wantsAppends = true;
    if (progress.state !== 'replicate') return;
    // An append that was lost shows itself when one after it is refused: an empty one will do.
    if (progress.inflight.length >= this.#options.inflightMax) progress.inflight.shift();
    if (progress.next > this.#log.lastIndex) {
      const { lastIndex, lastTerm } = this.#log;
      const part = { prevIndex: lastIndex, prevTerm: lastTerm, entries: [] };
      this.#pushAppend(progress, outlet, part);
    }
  }

  reportUnreachable(peer: NodeId): void {
    const progress = this.progressOf(peer);
    if (progress === undefined || progress.state === 'snapshot') return;
    progress.become('probe');
    progress.isPaused = true;
    // A spare voter may be needed now.
    this.wantsAppends = true;
  }

  /** A failed snapshot is tried again when the peer is next heard from. */
  reportSnapshot(peer: NodeId, index: number | undefined): void {
    const progress = this.progressOf(peer);
    if (progress?.state !== 'snapshot') return;
    progress.become('probe');
    if (index === undefined) progress.isPaused = true;
    else progress.next = Math.min(this.#log.lastIndex, Math.max(progress.match, index)) + 1;
    this.wantsAppends = true;
  }

  /* ---------- hand-over ---------- */

  transferTo(peer: NodeId, messages: Message[]): boolean {
    if (this.#transferee !== undefined) return false;
    this.#transferee = peer;
    this.wantsAppends = true;
    this.#maybeSendTimeoutNow(messages);
    return true;
  }

  #maybeSendTimeoutNow(messages: Message[]): void {
    const to = this.#transferee;
    if (to === undefined || this.#hasSentTimeoutNow) return;
    if (this.progressOf(to)?.match !== this.#log.lastIndex) return;
    this.#hasSentTimeoutNow = true;
    messages.push({ kind: 'timeoutNow', from: this.#self, to, term: this.term });
  }
}

/** All members but `self`: in order, beginning after it, so that the leaders of many ranges do not all need the same. */
function peersFrom(self: NodeId, configuration: Configuration): readonly NodeId[] {
  const others = membersOf(configuration).filter((peer) => peer !== self);
  return [...others.filter((peer) => peer > self), ...others.filter((peer) => peer < self)];
}

function noteHeard(progress: Progress, sentAt: number): void {
  progress.isActive = true;
  progress.quietTicks = 0;
  if (sentAt > progress.ackedSentAt) progress.ackedSentAt = sentAt;
}
