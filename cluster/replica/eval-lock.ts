/**
 * Locking reads (TXN-6, TXN-13). In three steps, of which the last starts over whenever it has waited:
 *
 * 1. Take the locks in the order asked, waiting in each key's queue.
 * 2. Wait until no write of those keys is prepared, in flight or unpublished: so the newest version is the one that
 *    every later writer has to follow, and revealing it reveals nothing unpublished (TXN-9).
 * 3. In one synchronous step read the newest values. If one is newer than the reader's snapshot, or the reader has none
 *    yet, the answer carries the HLC of this step (below the ceiling) to move the snapshot to, and whether what the
 *    transaction read before in this range is unchanged there. TXN-1: to a transaction that has no snapshot this HLC is
 *    a gather when the gateway's clock, to which it was forwarded, and this node's are a majority.
 *
 * A grant names the term. Locks already taken stay with the session when the request fails: its end releases them.
 */
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { LockId } from '../../src/base/ids.ts';
import { lockIdNode } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import { spanCovers } from '../../src/base/span.ts';
import type { LockStrength } from '../../src/kv/kv-client.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX, TS_ZERO } from '../../src/base/timestamp.ts';
import type {
  BlockersRequest,
  CheckGrantRequest,
  LockGrant,
  LockRequest,
  RangeReply,
  ReleaseRequest,
} from '../range/requests.ts';
import { isUnchanged, raiseCeiling } from './eval-read.ts';
import type { Signal } from './replies.ts';
import { moved, notLeader } from './replies.ts';
import { LOCKS_PER_SESSION_MAX } from './lock-table.ts';
import type { Office } from './office.ts';
import type { Holder } from './pending-writes.ts';
import type { Replica } from './replica.ts';

/**
 * To a request that was cancelled, or whose gateway has not been heard for a while. Such a gateway may be back when this
 * arrives, and still be waiting: it asks again.
 */
const GIVEN_UP: RangeReply = { kind: 'unavailable', reason: 'the request was given up' };

export function lockRows(
  replica: Replica,
  office: Office,
  request: LockRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const reply = lockOrWait(replica, office, request, signal);
  if (!isPromise(reply)) return reply;
  const { lockJobs } = office;
  lockJobs.set(request.lockId, reply);
  return reply.finally(() => {
    if (lockJobs.get(request.lockId) === reply) lockJobs.delete(request.lockId);
  });
}

function lockOrWait(
  replica: Replica,
  office: Office,
  request: LockRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  // It has waited for the leader to come into office.
  if (signal?.isCancelled === true) return GIVEN_UP;
  for (const key of request.keys) if (!replica.owns(key)) return moved(replica);
  for (const span of request.revalidate) {
    if (!spanCovers(replica.state.descriptor, span)) return moved(replica);
  }
  const keys = lockKeys(replica, request);
  if (office.locks.heldCount(request.lockId) + keys.length > LOCKS_PER_SESSION_MAX) {
    return { kind: 'lockRefused', reason: 'tooMany' };
  }
  const job: LockJob = {
    replica,
    office,
    request,
    signal,
    keys,
    skipped: new Set(),
    taken: [],
    hasWaited: false,
  };
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key === undefined || takeNow(job, key)) continue;
    if (request.wait === 'skip') job.skipped.add(key);
    else if (request.wait === 'nowait') return refuseNowait(job);
    else return lockSlow(job, i);
  }
  return readLocked(job);
}

/** Keys to lock: the rows, then the fences. */
function lockKeys(replica: Replica, request: LockRequest): readonly Key[] {
  if (request.fenceLocks.length === 0) return request.keys;
  return [...request.keys, ...request.fenceLocks.map((id) => replica.fences.keyOf(id))];
}

interface LockJob {
  readonly replica: Replica;
  readonly office: Office;
  readonly request: LockRequest;
  readonly signal: Signal;
  readonly keys: readonly Key[];
  readonly skipped: Set<Key>;
  /** Newly taken by this request. */
  readonly taken: Key[];
  readonly hasWaited: boolean;
}

function takeNow(job: LockJob, key: Key): boolean {
  const { lockId, strength } = job.request;
  const isHeld = job.office.locks.holdsKey(key, lockId);
  if (!job.office.locks.tryAcquire(key, lockId, strength)) return false;
  if (!isHeld) job.taken.push(key);
  return true;
}

function refuseNowait(job: LockJob): RangeReply {
  job.office.locks.releaseKeys(job.request.lockId, job.taken);
  return { kind: 'lockRefused', reason: 'notAvailable' };
}

/** Waits in the queues of the keys from `first` on. */
async function lockSlow(job: LockJob, first: number): Promise<RangeReply> {
  const { office, request, keys, replica } = job;
  const deadline =
    request.timeoutMs > 0
      ? replica.host.env.clock.monotonicMs() + request.timeoutMs
      : Number.POSITIVE_INFINITY;
  for (let i = first; i < keys.length; i++) {
    const key = keys[i];
    if (job.signal?.isCancelled === true) return GIVEN_UP;
    if (key === undefined || takeNow(job, key)) continue;
    const { lockId, strength } = request;
    const wanted = { key, lockId, strength };
    const outcome = await waitInQueue(replica, office, wanted, deadline, job.signal);
    if (outcome === 'timeout') return { kind: 'lockRefused', reason: 'timeout' };
    if (outcome === 'cancelled') return GIVEN_UP;
    if (office.isClosed) return notLeader(replica);
    // A split woke us, or took the key away.
    if (!office.locks.holdsKey(key, request.lockId)) return moved(replica);
    job.taken.push(key);
  }
  if (request.generation !== replica.state.descriptor.generation) return moved(replica);
  return readLocked({ ...job, hasWaited: true });
}

export interface Wanted {
  readonly key: Key;
  readonly lockId: LockId;
  readonly strength: LockStrength;
}

/** Waits for a lock in its queue, which it leaves at the deadline (monotonic ms) and when it is cancelled. */
export function waitInQueue(
  replica: Replica,
  office: Office,
  { key, lockId, strength }: Wanted,
  deadlineMs: number,
  signal: Signal,
): Promise<'granted' | 'timeout' | 'cancelled'> {
  if (signal?.isCancelled === true) return Promise.resolve('cancelled');
  replica.host.env.counters.lockWaits++;
  return new Promise((resolve) => {
    const finish = (outcome: 'granted' | 'timeout' | 'cancelled'): void => {
      timer?.cancel();
      signal?.offCancel(onCancel);
      resolve(outcome);
    };
    const wait = office.locks.wait(key, lockId, strength, () => finish('granted'));
    const leave = (outcome: 'timeout' | 'cancelled'): void => {
      wait.cancel();
      finish(outcome);
    };
    const onCancel = (): void => leave('cancelled');
    const remaining = deadlineMs - replica.host.env.clock.monotonicMs();
    const timer =
      remaining === Number.POSITIVE_INFINITY
        ? undefined
        : replica.host.env.scheduler.after(Math.max(0, remaining), () => leave('timeout'));
    signal?.onCancel(onCancel);
  });
}

/** Steps 2 and 3; starts over after every wait. */
function readLocked(job: LockJob): MaybePromise<RangeReply> {
  const { replica, office, request } = job;
  const holder = writerInTheWay(job);
  if (holder !== undefined) return replica.waitForHolder(holder).then(() => readAgain(job));
  for (const { tableId, version } of request.fences) {
    const foundVersion = replica.fences.newest(tableId);
    if (foundVersion !== version) return { kind: 'schemaMismatch', tableId, foundVersion };
  }
  const { mvcc, hlc } = replica.host;
  const rows: { value: Uint8Array | undefined; isGranted: boolean }[] = [];
  let newestTs = TS_ZERO;
  for (const key of job.keys) {
    if (job.skipped.has(key)) {
      rows.push({ value: undefined, isGranted: false });
      continue;
    }
    const newest = mvcc.newest(key);
    if (newest !== undefined && newest.ts > newestTs) newestTs = newest.ts;
    rows.push({ value: newest?.value, isGranted: true });
  }
  hlc.forward(request.readTs);
  const now = hlc.read();
  if (newestTs > request.readTs || request.isOpening) {
    if (!replica.isBelowCeiling(office, now)) {
      const raised = raiseCeiling(replica, office, now);
      return isPromise(raised) ? raised.then(() => readAgain(job)) : raised;
    }
    if (request.revalidate.length > 0) {
      const same = isUnchanged(replica, request.revalidate, request.readTs);
      if (isPromise(same)) return same.then(() => readAgainWith(job, same));
      return locked(job, { rows, newestTs, hlc: now, isRevalidated: same });
    }
  }
  return locked(job, { rows, newestTs, hlc: now, isRevalidated: true });
}

/** The disk was asked about old spans: the answer counts if nothing has changed in memory in this step either. */
async function readAgainWith(job: LockJob, unchanged: Promise<boolean>): Promise<RangeReply> {
  const isSame = await unchanged;
  const { replica, request } = job;
  const { mvcc } = replica.host;
  const again = await readAgain({ ...job, request: { ...request, revalidate: [] } });
  if (again.kind !== 'locked') return again;
  const isStill = request.revalidate.every((span) => !mvcc.newerInMemory(span, request.readTs));
  return { ...again, isRevalidated: isSame && isStill };
}

function readAgain(job: LockJob): MaybePromise<RangeReply> {
  const { replica, office, request } = job;
  if (office.isClosed || office.isHandingOver) return notLeader(replica);
  if (request.generation !== replica.state.descriptor.generation) return moved(replica);
  if (office.isSplitting) return office.whenChanged().then(() => readAgain(job));
  return readLocked(job);
}

/** A write of what was locked, or of what is to be validated, that is not yet decided and published. */
function writerInTheWay(job: LockJob): Holder | undefined {
  const { pending } = job.office;
  if (pending.size === 0) return undefined;
  for (const key of job.keys) {
    if (job.skipped.has(key)) continue;
    const holder = pending.writerOfKey(key, TS_MAX);
    if (holder !== undefined) return holder;
  }
  for (const { tableId } of job.request.fences) {
    const holder = pending.writerOfKey(job.replica.fences.keyOf(tableId), TS_MAX);
    if (holder !== undefined) return holder;
  }
  for (const span of job.request.revalidate) {
    const holder = pending.writerOfSpan(span, TS_MAX);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

interface Found {
  readonly rows: readonly { value: Uint8Array | undefined; isGranted: boolean }[];
  readonly newestTs: Timestamp;
  readonly hlc: Timestamp;
  readonly isRevalidated: boolean;
}

function locked(job: LockJob, found: Found): RangeReply {
  const { rows, newestTs, hlc, isRevalidated } = found;
  const isGather = job.request.isOpening && isGatherWith(job);
  return {
    kind: 'locked',
    grant: grantOf(job),
    rows,
    newestTs,
    hlc,
    isRevalidated,
    isGather,
    hasWaited: job.hasWaited,
  };
}

/** NB: in the step in which the answer's HLC was read, so that the ceiling covers it (CLOCK-1). */
function isGatherWith({ replica, request }: LockJob): boolean {
  const { clock } = replica.host;
  return clock.isMajorityWith(lockIdNode(request.lockId)) && clock.reading() !== undefined;
}

function grantOf({ replica, office, request }: LockJob): LockGrant {
  const { rangeId, generation } = replica.state.descriptor;
  return { rangeId, generation, term: office.term, stay: office.locks.stayOf(request.lockId) };
}

export function releaseLocks(office: Office, request: ReleaseRequest): RangeReply {
  office.locks.release(request.lockId);
  return { kind: 'done' };
}

/** Does this office still vouch for the locks it gave to the session? */
export function isGrantGood(office: Office, grant: LockGrant, lockId: CheckedLock): boolean {
  if (grant.stay === 0 || isBroken('TXN-6')) return true;
  return grant.term === office.term && grant.stay === office.locks.stayOf(lockId);
}
type CheckedLock = LockRequest['lockId'];

export function checkGrant(
  replica: Replica,
  office: Office,
  request: CheckGrantRequest,
): RangeReply {
  if (!replica.hasLease(office)) return { kind: 'unavailable', reason: 'no lease' };
  if (isGrantGood(office, request.grant, request.lockId)) return { kind: 'done' };
  return { kind: 'refused', reason: 'lockLost', descriptors: [] };
}

export function blockersOf(office: Office, request: BlockersRequest): RangeReply {
  const { lockId } = request;
  const isWaiting = office.lockJobs.has(lockId);
  return { kind: 'blockers', isWaiting, blockers: office.locks.blockersOf(lockId) };
}
