/**
 * A statement that is run where its range is led (design, 4.5; TXN-14): locks, reads, evaluation and commit in one
 * request. What it needs happens in one synchronous step, after everything that it had to wait for:
 *
 * - TXN-1: a gather, which the gateway's clock and this node's are where they are a majority;
 * - TXN-5: a gather that began after the latest reads of its keys arrived, for which its keys stand in the gate;
 * - its turn in the queue of a row lock, and the decision of a record that holds its key;
 *
 * then the statement runs against the newest state (leader-txn.ts) and its writes are proposed as a one-phase commit.
 * Whatever had to wait starts over. Nothing is validated, because nothing was read before.
 *
 * TXN-15: one that was sent before the client had the answer of another runs only when that one has been proposed here:
 * both lie in one log in the client's order, with rising timestamps, and the later takes effect only if the earlier does.
 *
 * What cannot be done so is refused as `elsewhere`, and has had no effect: the gateway makes a transaction of it. It
 * never waits in a queue while it holds a lock, and so is part of no deadlock.
 */
import type { TxnId } from '../../src/base/ids.ts';
import { lockIdNode, txnIdTime } from '../../src/base/ids.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { ChangeRequest, RangeReply, Write } from '../range/requests.ts';
import { waitInQueue } from './eval-lock.ts';
import { answerApplied, refused } from './eval-prepare.ts';
import type { Gated } from './fence-gate.ts';
import { mustGather } from './fence-gate.ts';
import type { Obstacle } from './leader-txn.ts';
import { LeaderTxn } from './leader-txn.ts';
import type { Office } from './office.ts';
import type { Holder } from './pending-writes.ts';
import type { Signal } from './replies.ts';
import { WAIT_MAX_MS, moved, notLeader } from './replies.ts';
import type { Replica } from './replica.ts';

interface ChangeJob {
  readonly replica: Replica;
  readonly office: Office;
  readonly request: ChangeRequest;
  readonly signal: Signal;
  /** TXN-1 is kept. */
  isGathered: boolean;
  /** TXN-5: these have stood in the gate since before a gather that has completed. */
  gated: Gated | undefined;
}

/** One run: an answer, or what has to be waited for first. */
type Run =
  | { readonly kind: 'answer'; readonly reply: MaybePromise<RangeReply> }
  | { readonly kind: 'wait'; readonly obstacle: Obstacle }
  | { readonly kind: 'gather'; readonly writes: readonly Write[] };

export function changeRows(
  replica: Replica,
  office: Office,
  request: ChangeRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const { clock, hlc } = replica.host;
  hlc.forward(request.readTs);
  const isGathered =
    clock.isMajorityWith(lockIdNode(request.lockId)) ||
    clock.gathered() !== undefined ||
    isBroken('TXN-1');
  const job: ChangeJob = { replica, office, request, signal, isGathered, gated: undefined };
  if (!isGathered) return changeSlow(job, undefined);
  const run = runOnce(job);
  return run.kind === 'answer' ? run.reply : changeSlow(job, run);
}

async function changeSlow(job: ChangeJob, first: Run | undefined): Promise<RangeReply> {
  const { replica, office, request } = job;
  const { clock } = replica.host.env;
  const deadlineMs = clock.monotonicMs() + WAIT_MAX_MS;
  let run = first;
  try {
    for (;;) {
      if (run === undefined && !job.isGathered && !office.gate.needsGather) await gather(job);
      else if (run?.kind === 'gather') await gatherGated(job, run.writes);
      else if (run?.kind === 'wait') {
        const reply = await waitFor(job, run.obstacle, deadlineMs);
        if (reply !== undefined) return reply;
      }
      const refusal = clock.monotonicMs() > deadlineMs ? refused('elsewhere') : whyNot(job);
      if (refusal !== undefined) return refusal;
      run = runOnce(job);
      if (run.kind === 'answer') return await run.reply;
    }
  } catch (error) {
    if (!(error instanceof KvError) || error.code !== 'unavailable') throw error;
    return { kind: 'unavailable', reason: error.message };
  } finally {
    if (job.gated !== undefined) office.gate.leave(job.gated);
    office.locks.release(request.lockId);
  }
}

/** After a wait: may this office still answer? */
function whyNot({ replica, office, request, signal }: ChangeJob): RangeReply | undefined {
  if (signal?.isCancelled === true) return refused('elsewhere');
  if (office.isClosed || office !== replica.office || office.isHandingOver) {
    return notLeader(replica);
  }
  if (request.generation !== replica.state.descriptor.generation) return moved(replica);
  return office.isSplitting ? refused('elsewhere') : undefined;
}

/** The synchronous step. */
function runOnce(job: ChangeJob): Run {
  const { replica, office, request } = job;
  const { txnId, lockId, program } = request;
  const { state, host } = replica;
  // Recovery may have given it up while it waited.
  const isKnown = state.outcomes.has(txnId) || office.deciding.has(txnId);
  if (isKnown || office.pending.get(txnId) !== undefined || txnIdTime(txnId) < state.horizon) {
    return answer(refused('elsewhere'));
  }
  if (request.after !== undefined && !isAhead(job, request.after)) {
    reached('change: the one before it was not proposed');
    return answer(refused('elsewhere'));
  }
  const txn = new LeaderTxn(replica, office, lockId);
  const hasRun = 'run' in program ? program.run(txn) : host.runProgram(program.bytes, txn);
  if (txn.obstacle !== undefined) return { kind: 'wait', obstacle: txn.obstacle };
  if (isPromise(hasRun) || !hasRun || !txn.hasWrites) return answer(refused('elsewhere'));
  const writes = txn.takeWrites();
  if (job.gated === undefined) {
    if (!job.isGathered || mustGather(office.gate, host.clock)) return { kind: 'gather', writes };
  } else if (!covers(job.gated, writes)) {
    // Other keys than the last time: it would go on for ever.
    return answer(refused('elsewhere'));
  }
  return answer(propose(job, writes));
}

/** TXN-15: it lies in this log already, or takes its place in it now. */
function isAhead({ replica, office }: ChangeJob, txnId: TxnId): boolean {
  if (isBroken('TXN-15') || office.pending.get(txnId) !== undefined) return true;
  const outcome = replica.state.outcomes.get(txnId);
  return outcome !== undefined && outcome.commitTs > TS_ZERO;
}

function answer(reply: MaybePromise<RangeReply>): Run {
  return { kind: 'answer', reply };
}

function covers({ keys }: Gated, writes: readonly Write[]): boolean {
  return writes.every((write) => keys.includes(write.key));
}

/* ---------- waiting ---------- */

/** A gather that nothing stands in the gate for: enough while no latest read has come since it began. */
async function gather(job: ChangeJob): Promise<void> {
  const { gate } = job.office;
  const before = gate.latestReads;
  await job.replica.host.clock.tryGather();
  gate.coveredReads = Math.max(gate.coveredReads, before);
  job.isGathered = true;
}

async function gatherGated(job: ChangeJob, writes: readonly Write[]): Promise<void> {
  const { gate } = job.office;
  reached('fence: a change gathered first');
  job.gated = { keys: writes.map((write) => write.key), spans: [] };
  gate.enter(job.gated);
  await gather(job);
}

/** Waits for its turn, or for a decision; what it answers with ends the request. */
async function waitFor(
  job: ChangeJob,
  { key, holder }: Obstacle,
  deadlineMs: number,
): Promise<RangeReply | undefined> {
  const { replica, office, request, signal } = job;
  const { lockId, timeoutMs } = request;
  const { locks } = office;
  if (holder === undefined || !locks.tryAcquire(key, lockId, 'update')) {
    // NB: whoever queues holds nothing.
    locks.release(lockId);
    const now = replica.host.env.clock.monotonicMs();
    const giveUpMs = timeoutMs > 0 ? Math.min(deadlineMs, now + timeoutMs) : deadlineMs;
    const wanted = { key, lockId, strength: 'update' } as const;
    const outcome = await waitInQueue(replica, office, wanted, giveUpMs, signal);
    if (outcome === 'granted') return undefined;
    const isLate = outcome === 'timeout' && giveUpMs < deadlineMs;
    return isLate ? { kind: 'lockRefused', reason: 'timeout' } : refused('elsewhere');
  }
  reached('change: waited for a record');
  await replica.waitForHolder(holder);
  return undefined;
}

/* ---------- the entry ---------- */

function propose(job: ChangeJob, writes: readonly Write[]): Promise<RangeReply> {
  const { replica, office, request } = job;
  const { txnId, lockId } = request;
  const { hlc, env } = replica.host;
  const ts = hlc.next();
  const holder: Holder = {
    txnId,
    lockId,
    ts,
    isPrepare: false,
    anchor: undefined,
    keys: writes.map((write) => write.key),
    writes,
    spans: [],
    reads: [],
    sinceMs: env.clock.monotonicMs(),
    waiters: [],
  };
  return new Promise((resolve) => {
    if (isBroken('TXN-9')) resolve({ kind: 'committed', ts });
    const done = (isApplied: boolean): void => {
      resolve(isApplied ? answerApplied(replica, txnId) : { kind: 'lost' });
    };
    const command = { kind: 'commit', ts, txnId, writes, stagedParts: 0 } as const;
    if (!replica.propose(office, command, done, holder)) {
      resolve({ kind: 'unavailable', reason: 'the log takes no entries now' });
    }
    // Whoever comes next builds on what is in flight (4.3).
    office.locks.release(lockId);
  });
}
