/**
 * Decisions at a participant: resolve (TXN-9), the vote that recovery asks for (TXN-10), forgetting (TXN-12), and the
 * staging of parts. All are idempotent, and none looks at the range's generation: after a split both halves have the
 * record and the outcome, and each answers for its own span.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { TxnId } from '../../src/base/ids.ts';
import { txnIdTime } from '../../src/base/ids.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import { spanCovers } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type {
  ForgetRequest,
  RangeReply,
  ResolveRequest,
  StageRequest,
  VoteRequest,
} from '../range/requests.ts';
import { chunkSpan } from '../range/write-chunk.ts';
import { moved } from './replies.ts';
import { refused } from './eval-prepare.ts';
import type { Office } from './office.ts';
import type { Replica } from './replica.ts';

/** Staged bytes that a range takes at once, over all transactions. */
const STAGED_BYTES_MAX = 512 * 1024 * 1024;

/** Applies the decision; answers with what was applied, which an earlier decision may have fixed. */
export function resolveTxn(
  replica: Replica,
  office: Office,
  request: ResolveRequest,
): MaybePromise<RangeReply> {
  if (!spanCovers(replica.state.descriptor, request.span)) return moved(replica);
  const known = outcomeOf(replica, request.txnId);
  if (known !== undefined) return known;
  const again = (): MaybePromise<RangeReply> => replica.handle(request, undefined);
  if (office.deciding.has(request.txnId)) return whenApplied(replica, office, again);
  const hasRecord = replica.state.prepared.has(request.txnId);
  if (!hasRecord) {
    const inFlight = office.pending.get(request.txnId);
    if (inFlight !== undefined) return whenApplied(replica, office, again);
    // Below the horizon nothing is made any more: what there was has been decided and forgotten.
    if (txnIdTime(request.txnId) < replica.state.horizon) return { kind: 'done' };
  }
  return decide(replica, office, request.txnId, request.commitTs);
}

/**
 * This range's vote. Without a record a durable abort marker comes first, so that a prepare still under way is
 * refused; below the horizon no marker is made, and the range votes abort, or, as the anchor, says *forgotten*.
 */
export function voteOnTxn(
  replica: Replica,
  office: Office,
  request: VoteRequest,
): MaybePromise<RangeReply> {
  const { state } = replica;
  if (!spanCovers(state.descriptor, request.span)) return moved(replica);
  const { txnId } = request;
  const again = (): MaybePromise<RangeReply> => replica.handle(request, undefined);
  const outcome = state.outcomes.get(txnId);
  if (outcome !== undefined) {
    const vote = outcome.commitTs === 0 ? 'aborted' : 'committed';
    return { kind: 'vote', vote, ts: outcome.commitTs, spans: outcome.participants };
  }
  if (office.deciding.has(txnId)) return whenApplied(replica, office, again);
  const record = state.prepared.get(txnId);
  if (record !== undefined) {
    return { kind: 'vote', vote: 'prepared', ts: record.ts, spans: record.participants };
  }
  if (office.pending.get(txnId) !== undefined) return whenApplied(replica, office, again);
  if (txnIdTime(txnId) < state.horizon) {
    const isAnchor = replica.owns(request.anchor);
    return {
      kind: 'vote',
      vote: isAnchor ? 'forgotten' : 'aborted',
      ts: TS_ZERO,
      spans: undefined,
    };
  }
  if (isBroken('TXN-10')) return { kind: 'vote', vote: 'aborted', ts: TS_ZERO, spans: undefined };
  reached('vote: a marker was made');
  const marker = decide(replica, office, txnId, TS_ZERO);
  return Promise.resolve(marker).then((reply): MaybePromise<RangeReply> => {
    return reply.kind === 'aborted' || reply.kind === 'committed' ? again() : reply;
  });
}

function decide(
  replica: Replica,
  office: Office,
  txnId: TxnId,
  commitTs: Timestamp,
): Promise<RangeReply> {
  const { hlc } = replica.host;
  hlc.forward(commitTs);
  office.deciding.add(txnId);
  return new Promise((resolve) => {
    const done = (isApplied: boolean): void => {
      office.deciding.delete(txnId);
      const applied = isApplied ? outcomeOf(replica, txnId) : undefined;
      resolve(applied ?? { kind: 'lost' });
    };
    const command = { kind: 'resolve', ts: hlc.read(), txnId, commitTs } as const;
    if (replica.propose(office, command, done)) return;
    office.deciding.delete(txnId);
    resolve({ kind: 'unavailable', reason: 'the log takes no entries now' });
  });
}

function outcomeOf(replica: Replica, txnId: TxnId): RangeReply | undefined {
  const outcome = replica.state.outcomes.get(txnId);
  if (outcome === undefined) return undefined;
  if (outcome.commitTs === 0) return { kind: 'aborted' };
  return { kind: 'committed', ts: outcome.commitTs };
}

/**
 * Goes on when the newest proposal has been applied: then its state is in the range's. NB: a leader that has just been
 * deposed takes no proposal before its office is closed; to try again at once would never let that happen.
 */
async function whenApplied(
  replica: Replica,
  office: Office,
  again: () => MaybePromise<RangeReply>,
): Promise<RangeReply> {
  const marker = { kind: 'noop', ts: replica.host.hlc.read() } as const;
  if (await replica.proposeAndWait(office, marker)) return again();
  return { kind: 'unavailable', reason: 'the log takes no entries now' };
}

export function forgetOutcome(
  replica: Replica,
  office: Office,
  request: ForgetRequest,
): MaybePromise<RangeReply> {
  if (!spanCovers(replica.state.descriptor, request.span)) return moved(replica);
  const outcome = replica.state.outcomes.get(request.txnId);
  if (outcome === undefined || outcome.isFree) return { kind: 'done' };
  const { txnId } = request;
  const command = { kind: 'forget', ts: replica.host.hlc.read(), txnId } as const;
  // Nobody waits for it: lost with a leader, it is asked for again when the outcome is next looked at.
  replica.propose(office, command, () => undefined);
  return { kind: 'done' };
}

/** One part of a large transaction; parts come in order, and the next only after the one before was answered. */
export function stagePart(
  replica: Replica,
  office: Office,
  request: StageRequest,
): MaybePromise<RangeReply> {
  const { state, host } = replica;
  const { txnId, part, chunk } = request;
  if (!spanCovers(state.descriptor, chunkSpan(chunk))) return moved(replica);
  if (state.outcomes.has(txnId)) return { kind: 'aborted' };
  if (txnIdTime(txnId) < state.horizon) return refused('unknown');
  if (state.stagedBytes > STAGED_BYTES_MAX) {
    return { kind: 'unavailable', reason: 'too much is staged' };
  }
  if (host.mvcc.isFull()) {
    return host.mvcc.whenRoom().then(() => replica.handle(request, undefined));
  }
  const command = { kind: 'stage', ts: host.hlc.read(), txnId, part, chunk } as const;
  return replica.proposeAndWait(office, command).then((isApplied): RangeReply => {
    if (!isApplied) return { kind: 'unavailable', reason: 'the part was not taken' };
    const count = state.staged.get(txnId)?.spans.length ?? 0;
    return part < count ? { kind: 'done' } : refused('stagedLost');
  });
}
