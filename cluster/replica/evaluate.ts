/**
 * Where every request to a range begins: is this the range it names, does this node lead it, is it in service; then
 * the evaluator of its kind. Whenever an evaluator has waited, it comes back here and starts from the top, because
 * leadership, span and everything in flight may have changed.
 *
 * Requests about one attempt (prepare, vote, resolve, forget) look for the attempt before they look at the range's
 * generation (TXN-11): an answer that is already known does not become unknown because the range has split.
 */
import { unreachable } from '../../src/base/assert.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { RangeReply, RangeRequest } from '../range/requests.ts';
import { describeRange, splitRange, transferLeadership } from './eval-admin.ts';
import { changeRows } from './eval-change.ts';
import { blockersOf, checkGrant, lockRows, releaseLocks } from './eval-lock.ts';
import { forgetOutcome, resolveTxn, stagePart, voteOnTxn } from './eval-outcome.ts';
import { prepareTxn } from './eval-prepare.ts';
import { readKeys, readSpan, revalidate } from './eval-read.ts';
import type { Office } from './office.ts';
import type { Replica } from './replica.ts';
import type { Signal } from './replies.ts';
import { WAIT_MAX_MS, moved, notLeader } from './replies.ts';

export function evaluate(
  replica: Replica,
  request: RangeRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const office = replica.office;
  if (office === undefined) return notLeader(replica);
  if (office.isHandingOver && !(isBroken('LEASE-2') && isLatestRead(request))) {
    return notLeader(replica);
  }
  if (!office.isServing || (office.isSplitting && !isBroken('LEASE-3'))) {
    return waitForOffice(replica, office, request, signal);
  }
  if (
    !IS_ANY_GENERATION.has(request.kind) &&
    request.generation !== replica.state.descriptor.generation
  ) {
    return moved(replica);
  }
  return dispatch(replica, office, request, signal);
}

/** What the lease is for (LEASE-2). */
function isLatestRead(request: RangeRequest): boolean {
  return (request.kind === 'get' || request.kind === 'scan') && request.ts === 0;
}

/** Requests about one attempt, or one session's locks: good for whatever the range has become. */
const IS_ANY_GENERATION: ReadonlySet<RangeRequest['kind']> = new Set([
  'prepare',
  'vote',
  'resolve',
  'forget',
  'release',
  'blockers',
  'describe',
]);

function dispatch(
  replica: Replica,
  office: Office,
  request: RangeRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  switch (request.kind) {
    case 'get':
      return readKeys(replica, office, request, signal);
    case 'scan':
      return readSpan(replica, office, request, signal);
    case 'revalidate':
      return revalidate(replica, office, request, signal);
    case 'lock':
      return lockRows(replica, office, request, signal);
    case 'prepare':
      return prepareTxn(replica, office, request);
    case 'change':
      return changeRows(replica, office, request, signal);
    case 'stage':
      return stagePart(replica, office, request);
    case 'resolve':
      return resolveTxn(replica, office, request);
    case 'vote':
      return voteOnTxn(replica, office, request);
    case 'forget':
      return forgetOutcome(replica, office, request);
    case 'release':
      return releaseLocks(office, request);
    case 'checkGrant':
      return checkGrant(replica, office, request);
    case 'blockers':
      return blockersOf(office, request);
    case 'split':
      return splitRange(replica, office, request);
    case 'transfer':
      return transferLeadership(replica, office, request);
    case 'describe':
      return describeRange(replica);
    default:
      return unreachable(request);
  }
}

/** A leader that is coming into office, or splitting: waits for that, bounded. */
async function waitForOffice(
  replica: Replica,
  office: Office,
  request: RangeRequest,
  signal: Signal,
): Promise<RangeReply> {
  const { clock, scheduler } = replica.host.env;
  const deadline = clock.monotonicMs() + WAIT_MAX_MS;
  const timer = scheduler.after(WAIT_MAX_MS, () => office.noteChange());
  const isWaiting = (): boolean => !office.isClosed && (!office.isServing || office.isSplitting);
  while (isWaiting() && clock.monotonicMs() < deadline) await office.whenChanged();
  timer.cancel();
  if (isWaiting()) return { kind: 'unavailable', reason: 'the leader is not in service' };
  return replica.handle(request, signal);
}
