/**
 * One request to one node: in the process when it is this one, else over the transport. Says whether the request may
 * have been handled, and never throws.
 */
import { Cancellation } from '../../src/base/cancellation.ts';
import type { Counters } from '../../src/base/counters.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { Env } from '../../src/env/env.ts';
import type { Deadline } from '../transport/deadlines.ts';
import { Deadlines } from '../transport/deadlines.ts';
import type { Transport } from '../transport/transport.ts';
import { TransportError } from '../transport/transport.ts';
import type { Attempted, SendOptions } from './range-router.ts';
import type { RangeReply, RangeRequest } from './requests.ts';

export interface LocalRanges {
  handle(request: RangeRequest, cancellation: Cancellation | undefined): MaybePromise<RangeReply>;
}

export class RangeSender {
  readonly self: NodeId;
  readonly #counters: Counters;
  readonly #deadlines: Deadlines;
  readonly #local: LocalRanges;
  readonly #transport: Transport;

  constructor(env: Env, self: NodeId, local: LocalRanges, transport: Transport) {
    this.#counters = env.counters;
    this.#deadlines = new Deadlines(env);
    this.self = self;
    this.#local = local;
    this.#transport = transport;
  }

  send(to: NodeId, request: RangeRequest, options: SendOptions): MaybePromise<Attempted> {
    count(this.#counters, request.kind, to === this.self);
    if (to !== this.self) return this.#sendRemote(to, request, options);
    const ending = waitsForLocks(request) ? new Cancellation() : undefined;
    const reply = this.#local.handle(request, ending);
    if (isPromise(reply)) return this.#bounded(reply, options, ending);
    return { kind: 'reply', reply };
  }

  /** As a call over the network ends: by its time-out, or the caller's abort. */
  #bounded(
    reply: Promise<RangeReply>,
    { timeoutMs, cancellation }: SendOptions,
    ending: Cancellation | undefined,
  ): Promise<Attempted> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        ending?.cancel();
        finish();
        resolve(UNKNOWN);
      };
      const deadline: Deadline = { deadlineMs: 0, slot: -1, onExpired: giveUp };
      const finish = (): void => {
        this.#deadlines.remove(deadline);
        cancellation?.offCancel(giveUp);
      };
      this.#deadlines.add(deadline, timeoutMs);
      cancellation?.onCancel(giveUp);
      if (cancellation?.isCancelled === true) giveUp();
      reply.then(
        (value) => {
          finish();
          resolve({ kind: 'reply', reply: value });
        },
        (error: unknown) => {
          finish();
          reject(error instanceof Error ? error : new Error(String(error)));
        },
      );
    });
  }

  /** A request that nobody waits for. */
  cast(to: NodeId, request: RangeRequest): void {
    count(this.#counters, request.kind, to === this.self);
    if (to === this.self) void this.#local.handle(request, undefined);
    else this.#transport.cast(to, 'range', request);
  }

  #sendRemote(to: NodeId, request: RangeRequest, options: SendOptions): Promise<Attempted> {
    return this.#transport.call(to, 'range', request, options).then(onAnswer, onFailure);
  }
}

/** Only such a request is told that nobody waits for it any more. */
export function waitsForLocks({ kind }: RangeRequest): boolean {
  return kind === 'lock' || kind === 'change';
}

function count(counters: Counters, kind: RangeRequest['kind'], isLocal: boolean): void {
  switch (kind) {
    case 'get':
    case 'scan':
    case 'revalidate':
      if (isLocal) counters.rangeReadsLocal++;
      else counters.rangeReadsRemote++;
      return;
    case 'lock':
      if (isLocal) counters.rangeLocksLocal++;
      else counters.rangeLocksRemote++;
      return;
    case 'prepare':
    case 'change':
      if (isLocal) counters.rangePreparesLocal++;
      else counters.rangePreparesRemote++;
      return;
    default:
      if (isLocal) counters.rangeOthersLocal++;
      else counters.rangeOthersRemote++;
  }
}

const UNKNOWN: Attempted = { kind: 'unknown' };
const UNSENT: Attempted = { kind: 'unsent' };

function onAnswer(reply: unknown): Attempted {
  return { kind: 'reply', reply: reply as RangeReply };
}

function onFailure(error: unknown): Attempted {
  if (!(error instanceof TransportError)) throw error;
  return error.maybeDelivered ? UNKNOWN : UNSENT;
}
