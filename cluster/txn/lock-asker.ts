/**
 * How a transaction asks ranges for row locks, and waits: its wait is watched for deadlocks, ends with the transaction's
 * cancellation, and is asked again when the leader has lost track of it. The ranges asked are noted with the grants,
 * since whoever was asked may have given locks, whatever has become of the answer.
 */
import { Cancellation } from '../../src/base/cancellation.ts';
import type { LockId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { LockRequest, RangeReply } from '../range/requests.ts';
import type { Unrouted } from '../range/range-router.ts';
import type { WaitEnd } from './deadlock.ts';
import type { Grants } from './grants.ts';
import type { TxnServices } from './txn-services.ts';

/** Without a time-out of its own a lock is waited for until it comes, or the leader is lost: the longest timer. */
const LOCK_WAIT_MAX_MS = 0x7fffffff;

export interface AskingTxn {
  readonly lockId: LockId;
  readonly grants: Grants;
  readonly cancellation: Cancellation;
  /** Throws when the transaction has ended. */
  readonly live: () => void;
  /** It was chosen as the victim of a deadlock. */
  readonly onLost: () => void;
}

export class LockAsker {
  readonly #services: TxnServices;
  readonly #txn: AskingTxn;

  constructor(services: TxnServices, txn: AskingTxn) {
    this.#services = services;
    this.#txn = txn;
  }

  /** Throws `deadlock`, and what the router throws. */
  ask(descriptor: RangeDescriptor, request: Unrouted<LockRequest>): MaybePromise<RangeReply> {
    const { lockId, grants, cancellation, live, onLost } = this.#txn;
    // NB: it may have ended while it waited: what it locked from now on nobody would release.
    live();
    const { router, deadlocks, census } = this.#services;
    const given = new Cancellation();
    let why: WaitEnd | undefined;
    const onCancel = (): void => given.cancel();
    const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs + 2000 : LOCK_WAIT_MAX_MS;
    if (grants.noteAsked(descriptor.rangeId)) census.enter(lockId);
    const sent = router.send(descriptor, request, { timeoutMs, cancellation: given });
    if (!isPromise(sent)) return sent;
    cancellation.onCancel(onCancel);
    const unwatch = deadlocks.watch(lockId, descriptor, (reason) => {
      why = reason;
      given.cancel();
    });
    const end = (): void => {
      unwatch();
      cancellation.offCancel(onCancel);
    };
    return sent.then(
      (reply) => {
        end();
        return reply;
      },
      (error: unknown) => {
        end();
        grants.noteUnanswered();
        if (why === 'deadlock') {
          this.#services.env.counters.deadlocks++;
          onLost();
          throw new KvError('deadlock', 'deadlock detected');
        }
        if (why === undefined || cancellation.isCancelled) throw error;
        return this.ask(descriptor, request);
      },
    );
  }
}

/** What the session is told of a refusal. */
export function lockRefusal(reason: 'timeout' | 'notAvailable' | 'tooMany'): KvError {
  if (reason === 'timeout') {
    return new KvError('lock_timeout', 'canceling statement due to lock timeout');
  }
  if (reason === 'tooMany') return new KvError('too_large', 'too many row locks');
  return new KvError('lock_not_available', 'could not obtain lock on row');
}
