/**
 * The vote of a participant (TXN-7, TXN-8, TXN-14). In one synchronous step, against the applied state and everything
 * in flight:
 *
 * - an attempt that is known here is answered with what is known;
 * - the range is the one the request names, and the attempt's time lies above the horizon;
 * - the locks it names were given by this office;
 * - nothing it read here has a newer version, no other transaction holds a write to what it read or writes, and no
 *   prepared record has read what it writes;
 * - a gather has covered the latest reads of its keys (TXN-5: fence-gate.ts);
 * - what it has put off until now does what was forecast (TXN-17: eval-deferred.ts);
 *
 * then it takes its timestamp and is proposed: as a one-phase commit, or as a record that holds until the decision.
 * Whatever had to wait starts over. A conflict that waiting cannot cure is refused at once.
 */
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { TxnId } from '../../src/base/ids.ts';
import { txnIdTime } from '../../src/base/ids.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { pointSpan, spanCovers } from '../../src/base/span.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { PrepareRequest, RangeReply, RefusedReply, Write } from '../range/requests.ts';
import { isUnchanged } from './eval-read.ts';
import { isObstacle, leaveQueue, runDeferred, waitForTurn } from './eval-deferred.ts';
import { isGrantGood } from './eval-lock.ts';
import { moved } from './replies.ts';
import { encodeFence } from './fence-cache.ts';
import { mustGather } from './fence-gate.ts';
import type { Office } from './office.ts';
import type { Holder } from './pending-writes.ts';
import { isPublishedByAppends } from './publication.ts';
import type { Replica } from './replica.ts';
import { WAIT_MAX_MS } from './replies.ts';

interface Attempt extends Progress {
  readonly replica: Replica;
  readonly office: Office;
  readonly request: PrepareRequest;
  /** With the fences it writes and reads. */
  readonly writes: readonly Write[];
  readonly reads: readonly Span[];
  /** What its deferred changes write, after everything in flight (TXN-17); ascending. */
  readonly deferred: readonly Write[];
  readonly stagedSpans: readonly Span[];
}

/** What waits have brought, and when there are to be no more of them (monotonic milliseconds). */
interface Progress {
  /** Its keys have stood in the gate since before a gather that has completed (TXN-5). */
  readonly isFenced: boolean;
  readonly deadlineMs: number;
}

const NO_WRITES: readonly Write[] = [];

export function prepareTxn(
  replica: Replica,
  office: Office,
  request: PrepareRequest,
): MaybePromise<RangeReply> {
  const deadlineMs = replica.host.env.clock.monotonicMs() + WAIT_MAX_MS;
  const reply = prepareOnce(replica, office, request, { isFenced: false, deadlineMs });
  if (request.changes.length === 0) return reply;
  const leave = (): void => leaveQueue(office, request);
  if (isPromise(reply)) return reply.finally(leave);
  leave();
  return reply;
}

function prepareOnce(
  replica: Replica,
  office: Office,
  request: PrepareRequest,
  progress: Progress,
): MaybePromise<RangeReply> {
  const known = knownAttempt(replica, office, request);
  if (known !== undefined) return known;
  const refusal = preconditions(replica, office, request);
  if (refusal !== undefined) return refusal;
  const attempt = makeAttempt(replica, request, progress);
  if (attempt === undefined) return refused('stagedLost');
  return withDeferred(attempt, validateAndPropose);
}

/** TXN-17: runs what was put off, in the step of `next`; what it waits for first begins it again. */
function withDeferred(
  attempt: Attempt,
  next: (attempt: Attempt) => MaybePromise<RangeReply>,
): MaybePromise<RangeReply> {
  const { replica, office, request } = attempt;
  if (request.changes.length === 0) return next(attempt);
  const deferred = runDeferred(replica, office, request);
  if (deferred === undefined) return refused('elsewhere');
  if (!isObstacle(deferred)) return next({ ...attempt, deferred });
  return waitForTurn(replica, office, request, deferred).then((isItsTurn) =>
    isItsTurn ? again(attempt) : refused('elsewhere'),
  );
}

/** After a wait: from the start. */
function again({
  replica,
  office,
  request,
  deadlineMs,
  isFenced,
}: Attempt): MaybePromise<RangeReply> {
  if (replica.host.env.clock.monotonicMs() > deadlineMs) {
    return refused(request.changes.length > 0 ? 'elsewhere' : 'conflict');
  }
  const isSame = office === replica.office && office.isServing && !office.isSplitting;
  if (!isSame || office.isHandingOver) return replica.handle(request, undefined);
  return prepareOnce(replica, office, request, { isFenced, deadlineMs });
}

/** What this range knows of the attempt: an outcome, a record, a proposal in flight. */
function knownAttempt(
  replica: Replica,
  office: Office,
  request: PrepareRequest,
): MaybePromise<RangeReply> | undefined {
  const { state } = replica;
  const outcome = state.outcomes.get(request.txnId);
  if (outcome !== undefined) {
    reached('prepare: met an outcome');
    if (outcome.commitTs === 0) return { kind: 'aborted' };
    return { kind: 'committed', ts: outcome.commitTs };
  }
  const record = state.prepared.get(request.txnId);
  if (record !== undefined) {
    return { kind: 'prepared', ts: record.ts, isPublished: isPublishedByAppends(replica) };
  }
  const inFlight = office.pending.get(request.txnId);
  if (inFlight !== undefined || office.deciding.has(request.txnId)) {
    // It is on its way: look again when something has been applied.
    if (inFlight === undefined) return { kind: 'unavailable', reason: 'being decided' };
    if (inFlight.isPrepare) return { kind: 'unavailable', reason: 'being prepared' };
    return replica.waitForHolder(inFlight).then(() => replica.handle(request, undefined));
  }
  return undefined;
}

function preconditions(
  replica: Replica,
  office: Office,
  request: PrepareRequest,
): RangeReply | undefined {
  const { state } = replica;
  const { descriptor } = state;
  const isHere =
    request.generation === descriptor.generation && spanCovers(descriptor, request.span);
  if (!isHere) {
    const answer = moved(replica);
    return refused('moved', answer.kind === 'moved' ? answer.descriptors : []);
  }
  if (txnIdTime(request.txnId) < state.horizon) {
    reached('prepare: below the horizon');
    return refused('unknown');
  }
  if (request.readTs < state.threshold) return refused('conflict');
  if (request.grant !== undefined && !isGrantGood(office, request.grant, request.lockId)) {
    reached('lock: a grant was lost');
    return refused('lockLost');
  }
  for (const { tableId, version } of request.planned) {
    const foundVersion = replica.fences.newest(tableId);
    if (foundVersion !== version) return { kind: 'schemaMismatch', tableId, foundVersion };
  }
  return undefined;
}

function makeAttempt(
  replica: Replica,
  request: PrepareRequest,
  { isFenced, deadlineMs }: Progress,
): Attempt | undefined {
  const office = replica.office;
  if (office === undefined) return undefined;
  const staged = replica.state.staged.get(request.txnId)?.spans ?? [];
  if (staged.length !== request.stagedParts) return undefined;
  let { writes, reads } = request;
  if (request.fenceWrites.length > 0) {
    const fences = request.fenceWrites.map(({ tableId, version }) => ({
      key: replica.fences.keyOf(tableId),
      value: encodeFence(version),
    }));
    writes = [...writes, ...fences].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }
  if (request.fences.length > 0) {
    reads = [...reads, ...request.fences.map((id) => pointSpan(replica.fences.keyOf(id)))];
  }
  const found = { writes, reads, deferred: NO_WRITES, stagedSpans: staged };
  return { replica, office, request, ...found, isFenced, deadlineMs };
}

/** The loop: check, and wait for what is in the way, until it can be proposed or has to be refused. */
function validateAndPropose(attempt: Attempt): MaybePromise<RangeReply> {
  const { replica, office, request } = attempt;
  const obstacle = findObstacle(attempt);
  if (obstacle !== undefined) {
    if (isRefusal(obstacle)) return obstacle;
    return obstacle.then(() => again(attempt));
  }
  const unchanged = isBroken('TXN-7') || isUnchanged(replica, attempt.reads, request.readTs);
  if (isPromise(unchanged)) return validateSlow(attempt, unchanged);
  if (!unchanged) return refused('conflict');
  if (!attempt.isFenced && mustGather(office.gate, replica.host.clock)) return gatherFirst(attempt);
  return proposeAttempt(attempt);
}

/** Old reads were looked for on disk: if they hold, everything else is checked again in one step. */
async function validateSlow(attempt: Attempt, unchanged: Promise<boolean>): Promise<RangeReply> {
  if (!(await unchanged)) return refused('conflict');
  const { replica, office, request } = attempt;
  if (office.isClosed || office !== replica.office || office.isSplitting) {
    return again({ ...attempt, isFenced: false });
  }
  const known = knownAttempt(replica, office, request);
  if (known !== undefined) return known;
  const refusal = preconditions(replica, office, request);
  if (refusal !== undefined) return refusal;
  return withDeferred(attempt, validateInMemory);
}

/** The reads held when the disk was asked, and hold if nothing has come since. */
function validateInMemory(attempt: Attempt): MaybePromise<RangeReply> {
  const { replica, office, request, reads } = attempt;
  const obstacle = findObstacle(attempt);
  if (obstacle !== undefined) {
    if (isRefusal(obstacle)) return obstacle;
    return obstacle.then(() => again(attempt));
  }
  const { mvcc } = replica.host;
  if (reads.some((span) => mvcc.newerInMemory(span, request.readTs))) return refused('conflict');
  if (!attempt.isFenced && mustGather(office.gate, replica.host.clock)) return gatherFirst(attempt);
  return proposeAttempt(attempt);
}

/** TXN-5: the keys stand in the gate while the node gathers. */
async function gatherFirst(attempt: Attempt): Promise<RangeReply> {
  const { replica, office, stagedSpans } = attempt;
  const writes = allWrites(attempt);
  const { gate } = office;
  reached('fence: a write gathered first');
  const gated = { keys: writes.map((write) => write.key), spans: stagedSpans };
  gate.enter(gated);
  try {
    const before = gate.latestReads;
    await replica.host.clock.tryGather();
    gate.coveredReads = Math.max(gate.coveredReads, before);
    return await again({ ...attempt, isFenced: true });
  } catch (error) {
    if (!(error instanceof KvError) || error.code !== 'unavailable') throw error;
    return { kind: 'unavailable', reason: error.message };
  } finally {
    gate.leave(gated);
  }
}

function proposeAttempt(attempt: Attempt): MaybePromise<RangeReply> {
  const { replica, office, request, reads } = attempt;
  const writes = allWrites(attempt);
  const { hlc } = replica.host;
  hlc.forward(request.readTs);
  const ts = hlc.next();
  const { txnId, lockId, stagedParts, lockedKeys, anchor, span, participants } = request;
  const holder: Holder = {
    txnId,
    lockId,
    ts,
    isPrepare: !request.onePhase,
    anchor: request.onePhase ? undefined : anchor,
    keys: holderKeys(writes, lockedKeys),
    writes: request.onePhase && stagedParts === 0 ? writes : undefined,
    spans: attempt.stagedSpans,
    reads: request.onePhase ? [] : reads,
    sinceMs: replica.host.env.clock.monotonicMs(),
    waiters: [],
  };
  return new Promise((resolve) => {
    if (isBroken('TXN-9') && request.onePhase) resolve({ kind: 'committed', ts });
    const done = (isApplied: boolean): void => {
      if (!isApplied) resolve({ kind: 'lost' });
      else resolve(answerApplied(replica, txnId));
    };
    const isProposed = request.onePhase
      ? replica.propose(office, { kind: 'commit', ts, txnId, writes, stagedParts }, done, holder)
      : replica.propose(
          office,
          {
            kind: 'prepare',
            ts,
            txnId,
            lockId,
            writes,
            stagedParts,
            reads,
            lockedKeys,
            anchor,
            span,
            participants,
          },
          done,
          holder,
        );
    if (!isProposed) resolve({ kind: 'unavailable', reason: 'the log takes no entries now' });
    if (request.changes.length > 0) leaveQueue(office, request);
  });
}

/** Ascending. No key is in both: what a transaction has written, it changes with no more delay. */
function allWrites({ writes, deferred }: Attempt): readonly Write[] {
  if (deferred.length === 0) return writes;
  return [...writes, ...deferred].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** What apply made of it: an abort marker may have come before it. */
export function answerApplied(replica: Replica, txnId: TxnId): MaybePromise<RangeReply> {
  const { state, host } = replica;
  const outcome = state.outcomes.get(txnId);
  if (outcome !== undefined) {
    if (outcome.commitTs === 0) return { kind: 'aborted' };
    const reply: RangeReply = { kind: 'committed', ts: outcome.commitTs };
    if (isPublishedByAppends(replica)) return reply;
    return host.clock.publish(outcome.commitTs).then(() => reply);
  }
  const record = state.prepared.get(txnId);
  if (record === undefined) return { kind: 'lost' };
  return { kind: 'prepared', ts: record.ts, isPublished: isPublishedByAppends(replica) };
}

/** Ascending: what is written, and what is locked for update, which counts as written without value. */
export function holderKeys(writes: readonly Write[], lockedKeys: readonly Key[]): readonly Key[] {
  const keys = writes.map((write) => write.key);
  if (lockedKeys.length === 0) return keys;
  keys.push(...lockedKeys);
  return keys.sort();
}

/**
 * The first thing in the way: a refusal when waiting cannot help or is not allowed (TXN-14), a promise when it is to
 * be waited for.
 */
function findObstacle(attempt: Attempt): RefusedReply | Promise<void> | undefined {
  const { replica, office, request, writes, reads, stagedSpans } = attempt;
  const { pending, locks } = office;
  for (const tableId of request.fences) {
    const fence = replica.fences.keyOf(tableId);
    if (locks.isHeldByOther(fence, request.lockId)) return refused('conflict');
  }
  if (pending.size === 0) return undefined;
  const { txnId } = request;
  // What holds a write to something this transaction read will, when it commits, have overwritten it.
  for (const span of reads) {
    const holder = pending.writerOfSpan(span, TS_MAX, txnId);
    if (holder !== undefined) {
      return isBroken('TXN-14') ? replica.waitForHolder(holder) : refused('conflict');
    }
  }
  for (const { key } of writes) {
    const holder = pending.writerOfKey(key, TS_MAX, txnId) ?? pending.readerOfKey(key, txnId);
    if (holder !== undefined) return mayWaitFor(attempt, holder);
  }
  for (const key of request.lockedKeys) {
    const holder = pending.writerOfKey(key, TS_MAX, txnId) ?? pending.readerOfKey(key, txnId);
    if (holder !== undefined) return mayWaitFor(attempt, holder);
  }
  for (const span of stagedSpans) {
    const holder = pending.writerOfSpan(span, TS_MAX, txnId) ?? pending.readerOfSpan(span, txnId);
    if (holder !== undefined) return mayWaitFor(attempt, holder);
  }
  return undefined;
}

/** A one-phase commit holds nothing and may wait for anyone; others only for a younger transaction. */
function mayWaitFor(attempt: Attempt, holder: Holder): RefusedReply | Promise<void> {
  const { request, replica } = attempt;
  const mayWait = request.onePhase || !holder.isPrepare || holder.txnId > request.txnId;
  if (mayWait || isBroken('TXN-14')) {
    return replica.waitForHolder(holder);
  }
  return refused('conflict');
}

function isRefusal(obstacle: RefusedReply | Promise<void>): obstacle is RefusedReply {
  return !isPromise(obstacle);
}

export function refused(
  reason: RefusedReply['reason'],
  descriptors: RefusedReply['descriptors'] = [],
): RefusedReply {
  return { kind: 'refused', reason, descriptors };
}
