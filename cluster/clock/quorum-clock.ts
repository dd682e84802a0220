/**
 * The quorum clock: a max-register held by the acceptors, whose value is an HLC (design, section 2).
 *
 *   gather()      the highest of a majority's clocks: at or above everything published before the call
 *   publish(ts)   resolves once a majority of the acceptors is at or above `ts`
 *
 * Both are one *round*: the message carries the timestamp to publish (0 for none), the answer the acceptor's clock
 * after it was forwarded. One round is out at a time; all who arrive meanwhile share the next, which begins after
 * they arrived. Rounds are numbered, and an answer to another round never counts. A round is first sent to no more
 * acceptors than a majority needs, those that answered last; to the rest only if these take long. A lost round is sent
 * again, to all.
 *
 * CLOCK-5: a node that leads every range under leases needs no round to gather: whatever was committed anywhere, the
 * leader of its range has given its timestamp or been forwarded to it, and that leader is this node (ADR 0015).
 *
 * CLOCK-1 is kept by `onRound`, the acceptor's side: it answers only what its durable ceiling covers. The wall
 * readings that arrive with the answers feed the guard of CLOCK-4: the median of the acceptors' wall clocks last heard
 * plus `maxClockAheadMs` caps how far the own wall clock lifts the HLC.
 */
import { assert } from '../../src/base/assert.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import { reached } from '../../src/base/probe.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO, maxTimestamp } from '../../src/base/timestamp.ts';
import type { Env, Timer } from '../../src/env/env.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { ClockCeiling } from './clock-ceiling.ts';
import type { Hlc } from './hlc.ts';

export interface RoundRequest {
  readonly round: number;
  /** To publish; 0 for a plain gather. */
  readonly ts: Timestamp;
}

export interface RoundAnswer {
  readonly round: number;
  readonly ts: Timestamp;
}

export interface ClockPeers {
  sendRound(to: NodeId, request: RoundRequest): void;
  sendAnswer(to: NodeId, answer: RoundAnswer): void;
  /** A majority has been out of reach for a while. */
  isCutOff(): boolean;
  /** This node leads all ranges in this step. */
  leadsEverything(): boolean;
}

interface Waiter {
  readonly resolve: (ts: Timestamp) => void;
  /** Of those who would rather know than wait. */
  readonly reject: ((error: KvError) => void) | undefined;
  readonly sinceMs: number;
}

/** A round that the first ones asked have not answered goes to all after this long, and so again and again. */
const WIDEN_MS = 20;
const RESEND_MS = 150;
/** How long `tryGather` and `tryPublish` wait for a majority, unless this node is cut off anyway. */
export const MAJORITY_MAX_MS = 4000;

export class QuorumClock {
  readonly #self: NodeId;
  readonly #env: Env;
  readonly #hlc: Hlc;
  readonly #ceiling: ClockCeiling;
  readonly #peers: ClockPeers;
  readonly #acceptors: readonly NodeId[];
  readonly #majority: number;

  #round = 0;
  /** Who shares the round that is out, and who waits for the next. */
  #current: Waiter[] = [];
  #next: Waiter[] = [];
  #currentPublish = TS_ZERO;
  #nextPublish = TS_ZERO;
  #answered = new Set<NodeId>();
  /** The other acceptors, those first that answered the last round. */
  #byAnswer: NodeId[];
  #highest = TS_ZERO;
  #isOut = false;
  #isDeferred = false;
  #resend: Timer | undefined;
  /** Counts of rounds, for metrics. */
  #roundsTotal = 0;

  constructor(
    ports: { env: Env; hlc: Hlc; ceiling: ClockCeiling; peers: ClockPeers },
    self: NodeId,
    acceptors: readonly NodeId[],
  ) {
    assert(acceptors.length > 0, 'no acceptors');
    this.#env = ports.env;
    this.#hlc = ports.hlc;
    this.#ceiling = ports.ceiling;
    this.#peers = ports.peers;
    this.#self = self;
    this.#acceptors = acceptors;
    this.#majority = Math.floor(acceptors.length / 2) + 1;
    this.#byAnswer = acceptors.filter((acceptor) => acceptor !== self);
  }

  get acceptors(): readonly NodeId[] {
    return this.#acceptors;
  }

  get roundsTotal(): number {
    return this.#roundsTotal;
  }

  /** A timestamp at or above everything published before this call; the HLC has been forwarded to it. */
  gather(): Promise<Timestamp> {
    return this.#join(TS_ZERO);
  }

  /** Resolves once a majority of the acceptors is at or above `ts`. */
  publish(ts: Timestamp): Promise<Timestamp> {
    return this.#join(ts);
  }

  /** What `tryGather` would give, if that can be said at once (CLOCK-5). */
  gathered(): Timestamp | undefined {
    if (!this.#peers.leadsEverything()) return undefined;
    reached('clock: a round was spared');
    return this.reading();
  }

  /**
   * A timestamp at or above every one that was committed and revealed before this call, which is enough for a snapshot or
   * a fence: without a round where `gathered` says it (CLOCK-5). Throws `unavailable` when no majority answers for a while.
   */
  tryGather(): MaybePromise<Timestamp> {
    return this.gathered() ?? this.#join(TS_ZERO, true);
  }

  /** As `publish`, but throws `unavailable`: then nobody knows whether `ts` is published. */
  tryPublish(ts: Timestamp): Promise<Timestamp> {
    return this.#join(ts, true);
  }

  /**
   * Whether what this node and that one have read of their clocks, the one after the other, is a gather of its own:
   * both are acceptors, and two are a majority. Then a request that carries the reading of its sender, and is
   * answered with that of its receiver, needs no round.
   */
  isMajorityWith(peer: NodeId): boolean {
    if (peer === this.#self || this.#majority > 2) return false;
    return this.#acceptors.includes(this.#self) && this.#acceptors.includes(peer);
  }

  /** This acceptor's clock, as an answer to a round would show it; undefined when its ceiling has to be raised first. */
  reading(): Timestamp | undefined {
    const shown = this.#hlc.read();
    const covered = this.#ceiling.ensure(shown);
    if (!isPromise(covered)) return shown;
    covered.catch(noAnswer);
    return undefined;
  }

  /** The acceptor's side. */
  onRound(from: NodeId, request: RoundRequest): void {
    this.#hlc.forward(request.ts);
    const answer = (): void => {
      this.#peers.sendAnswer(from, { round: request.round, ts: shown });
    };
    const shown = this.#hlc.read();
    const covered = this.#ceiling.ensure(shown);
    if (isPromise(covered)) covered.then(answer, noAnswer);
    else answer();
  }

  onAnswer(from: NodeId, answer: RoundAnswer): void {
    if (!this.#isOut || answer.round !== this.#round || !this.#acceptors.includes(from)) return;
    this.#highest = maxTimestamp(this.#highest, answer.ts);
    this.#answered.add(from);
    if (from !== this.#self) this.#noteAnswer(from);
    if (this.#answered.size >= this.#majority) this.#finish();
  }

  #join(publish: Timestamp, mayFail = false): Promise<Timestamp> {
    this.#nextPublish = maxTimestamp(this.#nextPublish, publish);
    const sinceMs = mayFail ? this.#env.clock.monotonicMs() : 0;
    const promise = new Promise<Timestamp>((resolve, reject) =>
      this.#next.push({ resolve, reject: mayFail ? reject : undefined, sinceMs }),
    );
    this.#scheduleRound();
    return promise;
  }

  /** The round leaves when this turn's input has been handled, so that all of the turn share it. */
  #scheduleRound(): void {
    if (this.#isOut || this.#isDeferred) return;
    this.#isDeferred = true;
    this.#env.scheduler.defer(() => {
      this.#isDeferred = false;
      if (!this.#isOut && this.#next.length > 0) this.#begin();
    });
  }

  #begin(): void {
    this.#round++;
    this.#roundsTotal++;
    this.#isOut = true;
    this.#current = this.#next;
    this.#next = [];
    this.#currentPublish = this.#nextPublish;
    this.#nextPublish = TS_ZERO;
    this.#answered = new Set();
    this.#highest = TS_ZERO;
    const needed = this.#majority - (this.#acceptors.includes(this.#self) ? 1 : 0);
    this.#send(needed, WIDEN_MS);
  }

  /** Asks the first `count` of those that have not answered. */
  #send(count: number, againMs: number): void {
    const round = this.#round;
    this.#resend = this.#env.scheduler.after(againMs, () => {
      if (!this.#isOut || this.#round !== round) return;
      reached('clock: a round was widened');
      this.#giveUp();
      this.#send(Infinity, RESEND_MS);
    });
    const request: RoundRequest = { round, ts: this.#currentPublish };
    const silent = this.#byAnswer.filter((acceptor) => !this.#answered.has(acceptor));
    for (const acceptor of silent.slice(0, count)) this.#peers.sendRound(acceptor, request);
    if (!this.#acceptors.includes(this.#self) || this.#answered.has(this.#self)) return;
    this.#hlc.forward(request.ts);
    const shown = this.#hlc.read();
    const covered: MaybePromise<void> = this.#ceiling.ensure(shown);
    const answer = (): void => this.onAnswer(this.#self, { round, ts: shown });
    if (isPromise(covered)) covered.then(answer, noAnswer);
    else answer();
  }

  /** Who answers is asked first next time. */
  #noteAnswer(from: NodeId): void {
    if (this.#byAnswer[0] === from) return;
    this.#byAnswer = [from, ...this.#byAnswer.filter((acceptor) => acceptor !== from)];
  }

  /** The round goes on; those who have waited too long for it, or for the next, are told. */
  #giveUp(): void {
    const before = this.#env.clock.monotonicMs() - MAJORITY_MAX_MS;
    const isCutOff = this.#peers.isCutOff();
    const isLate = ({ reject, sinceMs }: Waiter): boolean =>
      reject !== undefined && (isCutOff || sinceMs < before);
    const late = [...this.#current, ...this.#next].filter(isLate);
    if (late.length === 0) return;
    this.#current = this.#current.filter((waiter) => !isLate(waiter));
    this.#next = this.#next.filter((waiter) => !isLate(waiter));
    const error = new KvError('unavailable', 'no majority of the clock can be reached');
    for (const { reject } of late) reject?.(error);
  }

  #finish(): void {
    this.#isOut = false;
    this.#resend?.cancel();
    const waiters = this.#current;
    const highest = this.#highest;
    this.#current = [];
    this.#hlc.forward(highest);
    for (const waiter of waiters) waiter.resolve(highest);
    if (this.#next.length > 0) this.#scheduleRound();
  }
}

/** The log has failed: the node ends, and answers nothing any more. */
function noAnswer(): void {}
