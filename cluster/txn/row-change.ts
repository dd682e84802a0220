/**
 * The gateway's side of a statement that is run where its range is led (design, 4.5; cluster/replica/eval-change.ts):
 * finds the range, sends the statement once, and learns what has become of it. TXN-11: what may have been handled is
 * not sent again; its outcome is learnt by recovery, under the attempt's id, before anyone is told.
 */
import { cancellationOf } from '../../src/base/cancellation.ts';
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import { spanContains, spanCovers } from '../../src/base/span.ts';
import type { RowChange } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { tableSpan } from '../../src/kv/keyspace.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { Attempted, Unrouted } from '../range/range-router.ts';
import type { ChangeRequest } from '../range/requests.ts';
import { KeyProbe } from './key-probe.ts';
import type { TxnServices } from './txn-services.ts';
import { REQUEST_TIMEOUT_MS } from './txn-services.ts';

/** Whoever would wait longer for a row lock does so as a transaction. */
const LOCK_TIMEOUT_MAX_MS = 2000;

/** As `KvClient.changeAtOnce`. */
export function changeAtOnce(
  services: TxnServices,
  change: RowChange,
  signal: AbortSignal,
): MaybePromise<boolean> {
  const attempt = attemptOf(services, change, signal, undefined);
  return attempt === undefined ? false : send(attempt);
}

/**
 * As `KvClient.changesAtOnce`. They leave in one frame, in order, each naming the one before it (TXN-15); once one is not
 * for the same range, none behind it is sent.
 */
export function changesAtOnce(
  services: TxnServices,
  changes: readonly RowChange[],
  signal: AbortSignal,
): Promise<boolean>[] {
  let before: Attempt | undefined;
  let isCut = false;
  return changes.map((change) => {
    const attempt = isCut ? undefined : attemptOf(services, change, signal, before?.request.txnId);
    const first = before ?? attempt;
    if (attempt === undefined || attempt.descriptor.rangeId !== first?.descriptor.rangeId) {
      isCut = true;
      return Promise.resolve(false);
    }
    before = attempt;
    return promised(() => send(attempt));
  });
}

async function promised(call: () => MaybePromise<boolean>): Promise<boolean> {
  return call();
}

function attemptOf(
  services: TxnServices,
  change: RowChange,
  signal: AbortSignal,
  after: TxnId | undefined,
): Attempt | undefined {
  const { router, clock, self } = services;
  if (change.lockTimeoutMs > LOCK_TIMEOUT_MAX_MS) return undefined;
  const target = targetOf(services, change);
  const readTs = target === undefined ? undefined : clock.reading();
  if (target === undefined || readTs === undefined) return undefined;
  const { descriptor, anchor } = target;
  const leader = router.leaderOf(descriptor.rangeId);
  const bytes = leader === undefined || leader === self ? undefined : change.encode();
  if (leader === undefined || (leader !== self && bytes === undefined)) return undefined;
  const txnId = services.ids.next();
  const request: Unrouted<ChangeRequest> = {
    kind: 'change',
    txnId,
    after,
    lockId: txnId as string as LockId,
    anchor,
    readTs,
    timeoutMs: change.lockTimeoutMs,
    program: bytes === undefined ? change : { bytes },
  };
  return { services, descriptor, request, cancellation: cancellationOf(signal) };
}

interface Attempt {
  readonly services: TxnServices;
  readonly descriptor: RangeDescriptor;
  readonly request: Unrouted<ChangeRequest>;
  readonly cancellation: Cancellation;
}

function send(attempt: Attempt): MaybePromise<boolean> {
  const { services, descriptor, request, cancellation } = attempt;
  const { router, census, env } = services;
  const options = { timeoutMs: REQUEST_TIMEOUT_MS, cancellation };
  const sent = router.sendOnce(descriptor, request, options);
  if (!isPromise(sent)) return outcomeOf(attempt, sent);
  env.counters.txnsBegun++;
  census.enter(request.lockId);
  const outcome = sent.then((attempted) => outcomeOf(attempt, attempted));
  return outcome.finally(() => {
    env.counters.txnsEnded++;
    census.leave(request.lockId);
  });
}

function outcomeOf(attempt: Attempt, attempted: Attempted): MaybePromise<boolean> {
  const { services, descriptor } = attempt;
  const { router } = services;
  if (attempted.kind === 'unsent') {
    router.noteFailure(descriptor, attempted);
    return false;
  }
  if (attempted.kind === 'unknown') return learn(attempt);
  const { reply } = attempted;
  switch (reply.kind) {
    case 'committed':
      return done(attempt);
    case 'lockRefused':
      throw new KvError('lock_timeout', 'canceling statement due to lock timeout');
    case 'refused':
    case 'moved':
      if ('descriptors' in reply) router.learn(reply.descriptors);
      return notDone(attempt);
    case 'notLeader':
    case 'unavailable':
      router.noteFailure(descriptor, attempted);
      return notDone(attempt);
    default:
      return learn(attempt);
  }
}

function done({ services }: Attempt): boolean {
  services.env.counters.txnsOnePhase++;
  return true;
}

function notDone({ cancellation }: Attempt): boolean {
  if (cancellation.isCancelled) throw new KvError('cancelled', 'cancelled');
  return false;
}

async function learn(attempt: Attempt): Promise<boolean> {
  const { txnId, anchor } = attempt.request;
  const outcome = await attempt.services.recovery.recover(txnId, anchor, false);
  if (outcome.kind === 'committed') return done(attempt);
  if (outcome.kind === 'aborted') return notDone(attempt);
  throw new KvError('ambiguous', 'the outcome of the commit is not known');
}

/* ---------- where ---------- */

interface Target {
  readonly descriptor: RangeDescriptor;
  readonly anchor: Key;
}

/** The range that has the table; or, of several, the one that has all keys that the statement begins with. */
function targetOf({ router }: TxnServices, change: RowChange): Target | undefined {
  const span = tableSpan(change.table.tableId);
  const first = router.find(span.start);
  if (spanCovers(first, span)) return { descriptor: first, anchor: span.start };
  const probe = new KeyProbe();
  const hasRun = change.run(probe);
  if (!isPromise(hasRun) && !hasRun) return undefined;
  const [anchor] = probe.keys;
  if (anchor === undefined) return undefined;
  const descriptor = router.find(anchor);
  const isHere = probe.keys.every((key) => spanContains(descriptor, key));
  return isHere ? { descriptor, anchor } : undefined;
}
