/**
 * Finds ranges and their leaders: a cache of descriptors in key order, corrected by the answers of those asked.
 *
 * - `moved` carries newer descriptors: of two that overlap, the higher generation wins.
 * - `notLeader` may name the leader; without a name, or when a node cannot be reached, the next replica is asked.
 *
 * `send` re-sends until it has a real answer, or the deadline has passed or this node is cut off (`unavailable`);
 * requests that must not be sent twice blindly (prepares) use `sendOnce`. Nothing here rests on a clock but the deadlines.
 */
import { assert, must } from '../../src/base/assert.ts';
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { LockId, NodeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, spansOverlap } from '../../src/base/span.ts';
import type { Env } from '../../src/env/env.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { RangeDescriptor } from './range-descriptor.ts';
import type { RangeReply, RangeRequest } from './requests.ts';
import type { RangeSender } from './range-sender.ts';

/** How long a statement looks for a leader before it fails with `unavailable`. */
export const FIND_LEADER_MS = 4000;
/** Who has not answered a request for locks after so long has it in a queue. */
const LEADER_ANSWERS_MS = 1000;
const RETRY_MS = 20;
const RETRY_MAX_MS = 200;

/** A request without its address. */
export type Unrouted<R extends RangeRequest = RangeRequest> = R extends RangeRequest
  ? Omit<R, 'rangeId' | 'generation'>
  : never;

export interface SendOptions {
  readonly timeoutMs: number;
  readonly cancellation?: Cancellation | undefined;
}

/** What became of one attempt at a range. */
export type Attempted =
  | { readonly kind: 'reply'; readonly reply: RangeReply }
  /** It certainly was not handled. */
  | { readonly kind: 'unsent' }
  /** It may have been. */
  | { readonly kind: 'unknown' };

export class RangeRouter {
  readonly #env: Env;
  readonly #sender: RangeSender;
  readonly #isCutOff: () => boolean;
  /** In key order, covering the whole key space without gaps. */
  #descriptors: RangeDescriptor[];
  readonly #leaders = new Map<number, NodeId>();

  /** `isCutOff`: this node has been without a majority of the cluster for a while, and finds nobody. */
  constructor(env: Env, sender: RangeSender, replicas: readonly NodeId[], isCutOff: () => boolean) {
    this.#env = env;
    this.#sender = sender;
    this.#isCutOff = isCutOff;
    this.#descriptors = [
      { rangeId: rangeId(1), generation: 0, start: KEY_MIN, end: KEY_MAX, replicas },
    ];
  }

  /** The range that holds the key, as far as is known. */
  find(key: Key): RangeDescriptor {
    let low = 0;
    let high = this.#descriptors.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (must(this.#descriptors[middle]).start <= key) low = middle;
      else high = middle - 1;
    }
    return must(this.#descriptors[low]);
  }

  /** The range that holds the keys just below `end`. */
  findBefore(end: Key): RangeDescriptor {
    return must(this.#descriptors.findLast((descriptor) => descriptor.start < end));
  }

  byId(range: number): RangeDescriptor | undefined {
    const known = this.#descriptors.filter((descriptor) => descriptor.rangeId === range);
    return known.sort((a, b) => b.generation - a.generation)[0];
  }

  /** Ends a session's locks in a range; nobody waits for it. */
  castRelease(range: number, lockId: LockId): void {
    const descriptor = this.byId(range);
    if (descriptor === undefined) return;
    const { generation, replicas } = descriptor;
    const leader = this.#leaders.get(range);
    // NB: a leader that is not known just now may still hold them; the others pass it over.
    for (const node of leader === undefined ? replicas : [leader]) {
      this.#sender.cast(node, { kind: 'release', rangeId: range, generation, lockId });
    }
  }

  /** The ranges that overlap the span, in order. */
  covering(span: Span): RangeDescriptor[] {
    return this.#descriptors.filter((descriptor) => spansOverlap(descriptor, span));
  }

  /** Takes in newer descriptors; what is older, or cut off by them, is dropped. */
  learn(news: readonly RangeDescriptor[]): void {
    for (const descriptor of news) {
      const overlapping = this.#descriptors.filter((known) => spansOverlap(known, descriptor));
      const isNewer = overlapping.every((known) => known.generation < descriptor.generation);
      if (isNewer && overlapping.length > 0) this.#replace(overlapping, descriptor);
    }
  }

  #replace(old: readonly RangeDescriptor[], by: RangeDescriptor): void {
    const kept = this.#descriptors.filter((known) => !old.includes(known));
    // What stuck out on either side is not known any more.
    const guess = { rangeId: by.rangeId, generation: 0, replicas: by.replicas };
    for (const { start, end } of old) {
      if (start < by.start) kept.push({ ...guess, start, end: by.start });
      if (end > by.end) kept.push({ ...guess, start: by.end, end });
    }
    kept.push(by);
    this.#descriptors = guessed(kept.sort((a, b) => (a.start < b.start ? -1 : 1)));
  }

  /** Who is believed to lead. */
  leaderOf(range: number): NodeId | undefined {
    return this.#leaders.get(range);
  }

  noteLeader(range: number, leader: NodeId | undefined): void {
    if (leader === undefined) this.#leaders.delete(range);
    else this.#leaders.set(range, leader);
  }

  /** A node was lost: its leaderships are guessed no more. */
  forgetLeader(node: NodeId): void {
    for (const [range, leader] of this.#leaders) if (leader === node) this.#leaders.delete(range);
  }

  /**
   * Sends until answered. `moved` is an answer here: the descriptors have been learnt, and the caller groups anew.
   * Throws `unavailable`, `cancelled`.
   */
  send(
    descriptor: RangeDescriptor,
    request: Unrouted,
    options: SendOptions,
  ): MaybePromise<RangeReply> {
    const askedMs = this.#env.clock.monotonicMs();
    const node = this.#guess(descriptor, 0);
    return thenMaybe(this.#tryAt(node, descriptor, request, options), (attempted) => {
      const noted = this.#noteSuccess(node, descriptor, attempted);
      if (noted.kind === 'reply' && isAnswer(noted.reply)) return noted.reply;
      return this.#sendSlow(descriptor, request, options, { askedMs, attempted: noted });
    });
  }

  async #sendSlow(
    descriptor: RangeDescriptor,
    request: Unrouted,
    options: SendOptions,
    first: { readonly askedMs: number; readonly attempted: Attempted },
  ): Promise<RangeReply> {
    const { clock } = this.#env;
    let { askedMs, attempted } = first;
    let deadline = askedMs + FIND_LEADER_MS;
    for (let tries = 1; ; tries++) {
      const tookMs = clock.monotonicMs() - askedMs;
      // To stand in the queue of a row lock is not to look for a leader.
      if (request.kind === 'lock') deadline += Math.max(0, tookMs - LEADER_ANSWERS_MS);
      if (attempted.kind === 'reply' && isAnswer(attempted.reply)) {
        return attempted.reply;
      }
      if (options.cancellation?.isCancelled === true) throw new KvError('cancelled', 'cancelled');
      const isHinted = this.#noteFailure(descriptor, attempted);
      if (this.hasGivenUp(deadline)) throw this.#unavailable(descriptor, attempted);
      if (!isHinted) {
        await this.#env.scheduler.sleep(Math.min(RETRY_MAX_MS, RETRY_MS * tries));
      }
      askedMs = clock.monotonicMs();
      attempted = await this.sendOnce(descriptor, request, options, tries);
    }
  }

  /** One attempt at the leader that is believed in. */
  sendOnce(
    descriptor: RangeDescriptor,
    request: Unrouted,
    options: SendOptions,
    tries = 0,
  ): MaybePromise<Attempted> {
    const node = this.#guess(descriptor, tries);
    return thenMaybe(this.#tryAt(node, descriptor, request, options), (attempted) =>
      this.#noteSuccess(node, descriptor, attempted),
    );
  }

  /** Whether to look for a leader no longer. */
  hasGivenUp(deadlineMs: number): boolean {
    return this.#env.clock.monotonicMs() > deadlineMs || this.#isCutOff();
  }

  /** Learns from an attempt that brought no answer; true when the leader's name is now known. */
  noteFailure(descriptor: RangeDescriptor, attempted: Attempted): boolean {
    return this.#noteFailure(descriptor, attempted);
  }

  #noteFailure(descriptor: RangeDescriptor, attempted: Attempted): boolean {
    if (attempted.kind === 'reply' && attempted.reply.kind === 'notLeader') {
      const before = this.#leaders.get(descriptor.rangeId);
      this.noteLeader(descriptor.rangeId, attempted.reply.leader);
      return attempted.reply.leader !== undefined && attempted.reply.leader !== before;
    }
    if (attempted.kind !== 'reply') this.noteLeader(descriptor.rangeId, undefined);
    return false;
  }

  #unavailable(descriptor: RangeDescriptor, attempted: Attempted): KvError {
    const why =
      attempted.kind === 'reply' && attempted.reply.kind === 'unavailable'
        ? attempted.reply.reason
        : 'no leader can be reached';
    return new KvError('unavailable', `range ${descriptor.rangeId} is unavailable: ${why}`);
  }

  /** Whom to ask: the leader if known, else the replicas in turn, this node first. */
  #guess(descriptor: RangeDescriptor, tries: number): NodeId {
    const leader = this.#leaders.get(descriptor.rangeId);
    if (leader !== undefined) return leader;
    const { replicas } = descriptor;
    assert(replicas.length > 0, 'a range without replicas');
    const own = Math.max(0, replicas.indexOf(this.#sender.self));
    return must(replicas[(own + tries) % replicas.length]);
  }

  #tryAt(
    node: NodeId,
    descriptor: RangeDescriptor,
    request: Unrouted,
    options: SendOptions,
  ): MaybePromise<Attempted> {
    return this.#sender.send(node, routed(request, descriptor), options);
  }

  #noteSuccess(node: NodeId, descriptor: RangeDescriptor, attempted: Attempted): Attempted {
    if (attempted.kind !== 'reply' || !isAnswer(attempted.reply)) return attempted;
    if (attempted.reply.kind === 'moved') {
      this.learn(attempted.reply.descriptors);
      // A replica that has fallen behind, or none at all, knows less than we do: others are to be asked.
      if (this.#descriptors.includes(descriptor)) return BEHIND;
    }
    if (this.#leaders.get(descriptor.rangeId) !== node) {
      this.#leaders.set(descriptor.rangeId, node);
    }
    return attempted;
  }
}

/**
 * With its address. Requests of every transaction's way are spelled out: to spread an object costs several times as
 * much, and what it makes has as many hidden classes as there are kinds, which all who read it would pay for.
 */
function routed(request: Unrouted, { rangeId, generation }: RangeDescriptor): RangeRequest {
  switch (request.kind) {
    case 'get': {
      const { kind, keys, ts, fences } = request;
      return { kind, rangeId, generation, ts, keys, fences };
    }
    case 'scan':
      return {
        kind: request.kind,
        rangeId,
        generation,
        span: request.span,
        ts: request.ts,
        reverse: request.reverse,
        limitRows: request.limitRows,
        limitBytes: request.limitBytes,
        fences: request.fences,
      };
    case 'lock':
      return {
        kind: request.kind,
        rangeId,
        generation,
        lockId: request.lockId,
        keys: request.keys,
        strength: request.strength,
        wait: request.wait,
        timeoutMs: request.timeoutMs,
        readTs: request.readTs,
        isOpening: request.isOpening,
        revalidate: request.revalidate,
        fences: request.fences,
        fenceLocks: request.fenceLocks,
      };
    case 'prepare':
      return {
        kind: request.kind,
        rangeId,
        generation,
        onePhase: request.onePhase,
        isFirstSend: request.isFirstSend,
        txnId: request.txnId,
        lockId: request.lockId,
        readTs: request.readTs,
        reads: request.reads,
        fences: request.fences,
        planned: request.planned,
        writes: request.writes,
        changes: request.changes,
        fenceWrites: request.fenceWrites,
        lockedKeys: request.lockedKeys,
        grant: request.grant,
        stagedParts: request.stagedParts,
        anchor: request.anchor,
        participants: request.participants,
        span: request.span,
      };
    case 'change':
      return {
        kind: request.kind,
        rangeId,
        generation,
        txnId: request.txnId,
        after: request.after,
        lockId: request.lockId,
        anchor: request.anchor,
        readTs: request.readTs,
        timeoutMs: request.timeoutMs,
        program: request.program,
      };
    default:
      return { ...request, rangeId, generation };
  }
}

/**
 * Keys of which nothing is known are asked for at the range next to them. It does not have them, and answers with its
 * own neighbours, so that every question leads further; one that is not next to them would lead nowhere.
 */
function guessed(descriptors: readonly RangeDescriptor[]): RangeDescriptor[] {
  const found: RangeDescriptor[] = [];
  descriptors.forEach((descriptor, i) => {
    const near = found.at(-1) ?? descriptors.slice(i).find(({ generation }) => generation > 0);
    const isRight = descriptor.generation > 0 || near?.rangeId === descriptor.rangeId;
    if (isRight || near === undefined) found.push(descriptor);
    else found.push({ ...descriptor, rangeId: near.rangeId, replicas: near.replicas });
  });
  return found;
}

const BEHIND: Attempted = { kind: 'reply', reply: { kind: 'notLeader', leader: undefined } };

/** Not an answer: ask elsewhere or again. */
function isAnswer(reply: RangeReply): boolean {
  return reply.kind !== 'notLeader' && reply.kind !== 'unavailable' && reply.kind !== 'lost';
}
