/**
 * Where the snapshot reads of one transaction go: to the leader, or to this node's own replica where a leader has said
 * that the range is settled at the transaction's snapshot (TXN-16). The first read of a range asks its leader, and most
 * of the others need no message.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import type { RangeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { SendOptions } from '../range/range-router.ts';
import type { LogPosition, RangeReply } from '../range/requests.ts';
import type { Settled, SnapshotRead } from '../replica/settled-read.ts';
import type { TxnServices } from './txn-services.ts';

/** This node's replicas, whoever leads them. */
export interface OwnReplicas {
  readSettled(
    range: RangeId,
    request: SnapshotRead,
    settled: Settled,
  ): MaybePromise<RangeReply> | undefined;
  learnCommitted(range: RangeId, position: LogPosition): void;
  /** What a replica here has applied of a row, which may be behind; undefined: nothing, or there is no replica here. */
  newestHere(range: RangeId, key: Key): Uint8Array | undefined;
}

interface Mark extends Settled, LogPosition {
  readonly ts: Timestamp;
}

export class SettledReads {
  readonly #services: Pick<TxnServices, 'self' | 'env' | 'router' | 'replicas'>;
  /** By range; made when the first leader elsewhere has answered. */
  #marks: Map<RangeId, Mark> | undefined;

  constructor(services: Pick<TxnServices, 'self' | 'env' | 'router' | 'replicas'>) {
    this.#services = services;
  }

  /** As `RangeRouter.send`. */
  send(
    descriptor: RangeDescriptor,
    request: SnapshotRead,
    options: SendOptions,
  ): MaybePromise<RangeReply> {
    const { self, router } = this.#services;
    if (router.leaderOf(descriptor.rangeId) === self) {
      return router.send(descriptor, request, options);
    }
    const here = this.#readHere(descriptor, request);
    if (here === undefined) return this.#ask(descriptor, request, options);
    return thenMaybe(here, (reply) => {
      if (!isDone(reply)) return this.#ask(descriptor, request, options);
      this.#services.env.counters.rangeReadsSettled++;
      return reply;
    });
  }

  #readHere(
    { rangeId, generation }: RangeDescriptor,
    request: SnapshotRead,
  ): MaybePromise<RangeReply> | undefined {
    const mark = this.#marks?.get(rangeId);
    if (mark?.ts !== request.ts || mark.generation !== generation) return undefined;
    const { replicas } = this.#services;
    const reply = replicas.readSettled(rangeId, request, mark);
    // Its entries may have come since it was last told how far they are committed.
    if (reply === undefined) replicas.learnCommitted(rangeId, mark);
    return reply;
  }

  #ask(
    descriptor: RangeDescriptor,
    request: SnapshotRead,
    options: SendOptions,
  ): MaybePromise<RangeReply> {
    return thenMaybe(this.#services.router.send(descriptor, request, options), (reply) => {
      if (isDone(reply) && reply.settled !== undefined) {
        const { rangeId, generation } = descriptor;
        const { index, term } = reply.settled;
        this.#marks ??= new Map();
        this.#marks.set(rangeId, { generation, ts: request.ts, index, term });
        this.#services.replicas.learnCommitted(rangeId, reply.settled);
      }
      return reply;
    });
  }
}

type Read = Extract<RangeReply, { readonly kind: 'values' | 'rows' }>;

function isDone(reply: RangeReply): reply is Read {
  return reply.kind === 'values' || reply.kind === 'rows';
}
