/**
 * The changes that a transaction has put off until its commit (TXN-17), at the leader of their range: each is run in the
 * step in which the commit is validated and proposed, in the order of the statements, over the newest state there is,
 * what is in flight and what the transaction has changed before included (leader-txn.ts).
 *
 * What has to be waited for first (the queue of a row lock, an undecided record) is waited for, within a bound, holding
 * nothing that was not held before; then the commit begins again at its start. A change that cannot be run so, or does not
 * change just the row that it was announced for, makes the answer `elsewhere`: nothing has happened.
 */
import { isPromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { PrepareRequest, Write } from '../range/requests.ts';
import { waitInQueue } from './eval-lock.ts';
import type { Obstacle } from './leader-txn.ts';
import { LeaderTxn } from './leader-txn.ts';
import type { Office } from './office.ts';
import type { Replica } from './replica.ts';

/** The locks that the transaction holds already may be what the other waits for: deadlocks end with this. */
const QUEUE_MAX_MS = 500;

/** Writes in ascending order; or what has to be waited for; or, undefined: they cannot be run here. */
export type DeferredRun = readonly Write[] | Obstacle | undefined;

export function runDeferred(
  replica: Replica,
  office: Office,
  { changes, lockId }: PrepareRequest,
): DeferredRun {
  const txn = new LeaderTxn(replica, office, lockId);
  for (const { key, run, bytes } of changes) {
    const hasRun = run === undefined ? replica.host.runProgram(bytes, txn) : run(txn);
    if (isBroken('TXN-17')) continue;
    if (txn.obstacle !== undefined) return txn.obstacle;
    if (isPromise(hasRun) || !hasRun || !txn.hasWritten(key)) return undefined;
  }
  const writes = txn.takeWrites();
  return writes.every(({ key }) => changes.some((change) => change.key === key))
    ? writes
    : undefined;
}

export function isObstacle(run: DeferredRun): run is Obstacle {
  return run !== undefined && 'key' in run;
}

/** False: it has taken too long. A row lock that it was its turn for is held until `leaveQueue`. */
export async function waitForTurn(
  replica: Replica,
  office: Office,
  { changes, lockId }: PrepareRequest,
  { key, holder }: Obstacle,
): Promise<boolean> {
  if (holder !== undefined) {
    reached('deferred: waited for a record');
    await replica.waitForHolder(holder);
    return true;
  }
  // NB: whoever queues holds nothing more than what the transaction has locked before.
  leaveQueue(office, { changes, lockId });
  const wanted = { key, lockId, strength: 'update' } as const;
  const deadlineMs = replica.host.env.clock.monotonicMs() + QUEUE_MAX_MS;
  const outcome = await waitInQueue(replica, office, wanted, deadlineMs, undefined);
  if (outcome === 'granted') reached('deferred: waited for a lock');
  return outcome === 'granted';
}

/** The rows of the changes are free for whoever comes next: it builds on what is in flight. */
export function leaveQueue(
  office: Office,
  { changes, lockId }: Pick<PrepareRequest, 'changes' | 'lockId'>,
): void {
  office.locks.releaseKeys(
    lockId,
    changes.map(({ key }) => key),
  );
}
