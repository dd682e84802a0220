/**
 * Reads at a leader.
 *
 * Latest (TXN-3, `ts` 0): under the lease, when no write prepared, in flight or gathering its fence overlaps what is
 * read, the newest applied state is the answer. The step in which all that was checked is the read; rows that have to
 * come from disk are then read at the HLC of that step, above which every later write lies.
 *
 * Snapshot (TXN-2, TXN-4): forwards the HLC, stays below the ceiling (which stands in for the lease), and waits for
 * writes prepared or in flight at or below its timestamp. Its answer says whether the whole range is settled there.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { spanCovers } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import type {
  GetRequest,
  LogPosition,
  RangeReply,
  RevalidateRequest,
  ScanRequest,
} from '../range/requests.ts';
import type { Signal } from './replies.ts';
import { moved } from './replies.ts';
import type { Office } from './office.ts';
import type { Holder } from './pending-writes.ts';
import type { Replica } from './replica.ts';
import type { ReadAt } from './state-read.ts';
import { keysAt, rowsAt } from './state-read.ts';

export function readKeys(
  replica: Replica,
  office: Office,
  request: GetRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const { keys, fences } = request;
  for (const key of keys) if (!replica.owns(key)) return moved(replica);
  const again = (): MaybePromise<RangeReply> => replica.handle(request, signal);
  const blocked = admitRead(replica, office, request.ts, fences, {
    pending: (upTo) => firstWriter(office, keys, upTo),
    isGated: () => keys.some((key) => office.gate.blocksKey(key)),
  });
  if (blocked !== undefined) return isPromise(blocked) ? blocked.then(again) : blocked;
  return keysAt(replica, request, readAt(replica, office, request.ts));
}

export function readSpan(
  replica: Replica,
  office: Office,
  request: ScanRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const { span, fences } = request;
  if (!spanCovers(replica.state.descriptor, span)) return moved(replica);
  const again = (): MaybePromise<RangeReply> => replica.handle(request, signal);
  const blocked = admitRead(replica, office, request.ts, fences, {
    pending: (upTo) => office.pending.writerOfSpan(span, upTo),
    isGated: () => office.gate.blocksSpan(span),
  });
  if (blocked !== undefined) return isPromise(blocked) ? blocked.then(again) : blocked;
  return rowsAt(replica, request, readAt(replica, office, request.ts));
}

/** Where the request is read, in the step that admits it. */
function readAt(replica: Replica, office: Office, ts: Timestamp): ReadAt {
  if (ts === 0) return { ts: replica.host.hlc.read(), settled: undefined };
  return { ts, settled: settledAt(replica, office, ts) };
}

/**
 * TXN-16: admitted at `ts`, so that the clock is beyond it and the ceiling covers it, and nobody holds anything at or
 * below it: all that it could ever see in the whole range has been applied here.
 */
function settledAt(replica: Replica, office: Office, ts: Timestamp): LogPosition | undefined {
  if (office.pending.hasAtOrBelow(ts)) return undefined;
  const { appliedIndex: index, appliedTerm: term } = replica.state;
  return { index, term };
}

/** Has anything in the spans changed in (`fromTs`, `toTs`]? A snapshot read at `toTs` in all other respects. */
export function revalidate(
  replica: Replica,
  office: Office,
  request: RevalidateRequest,
  signal: Signal,
): MaybePromise<RangeReply> {
  const { spans, fromTs, toTs } = request;
  for (const span of spans) {
    if (!spanCovers(replica.state.descriptor, span)) return moved(replica);
  }
  const again = (): MaybePromise<RangeReply> => replica.handle(request, signal);
  const blocked = admitRead(replica, office, toTs, [], {
    pending: (upTo) => firstSpanWriter(office, spans, upTo),
    isGated: () => false,
  });
  if (blocked !== undefined) return isPromise(blocked) ? blocked.then(again) : blocked;
  if (fromTs < replica.state.threshold) return { kind: 'tooOld' };
  return thenMaybe(isUnchanged(replica, spans, fromTs), (same): RangeReply => {
    return { kind: 'revalidated', isUnchanged: same };
  });
}

/** No version of the spans lies above `fromTs`. One above the caller's new snapshot counts as a change too: it is rare. */
export function isUnchanged(
  replica: Replica,
  spans: readonly Span[],
  fromTs: Timestamp,
): MaybePromise<boolean> {
  const { mvcc } = replica.host;
  for (let i = 0; i < spans.length; i++) {
    const span = spans[i];
    if (span === undefined) break;
    const newer = mvcc.hasNewer(span, fromTs);
    if (isPromise(newer)) return isUnchangedSlow(replica, spans.slice(i), fromTs);
    if (newer) return false;
  }
  return true;
}

async function isUnchangedSlow(
  replica: Replica,
  spans: readonly Span[],
  fromTs: Timestamp,
): Promise<boolean> {
  const { mvcc } = replica.host;
  for (const span of spans) if (await mvcc.hasNewer(span, fromTs)) return false;
  // What was applied while the disk was read is in memory.
  return spans.every((span) => !mvcc.newerInMemory(span, fromTs));
}

interface ReadTarget {
  readonly pending: (upTo: Timestamp) => Holder | undefined;
  readonly isGated: () => boolean;
}

/**
 * The checks that a read shares with no disk access between them and the read: undefined admits it in this step; a
 * promise asks to start again when it resolves; a reply refuses.
 */
function admitRead(
  replica: Replica,
  office: Office,
  ts: Timestamp,
  fences: readonly TableFence[],
  target: ReadTarget,
): Promise<void> | RangeReply | undefined {
  if (ts === 0) return admitLatest(replica, office, fences, target);
  replica.host.hlc.forward(ts);
  if (ts < replica.state.threshold) return { kind: 'tooOld' };
  if (!replica.isBelowCeiling(office, ts)) {
    return raiseCeiling(replica, office, ts);
  }
  const holder = target.pending(ts) ?? fenceWriter(replica, office, fences, ts);
  if (isBroken('TXN-4')) return undefined;
  return holder === undefined ? undefined : replica.waitForHolder(holder);
}

/** Extends the ceiling over `ts`: a promise to start again, or a reply when it cannot be done now. */
export function raiseCeiling(
  replica: Replica,
  office: Office,
  ts: Timestamp,
): Promise<void> | RangeReply {
  reached('read: the ceiling was in the way');
  if (replica.extendCeilingTo(office, ts)) return office.whenChanged();
  return { kind: 'unavailable', reason: 'the log takes no entries now' };
}

function admitLatest(
  replica: Replica,
  office: Office,
  fences: readonly TableFence[],
  target: ReadTarget,
): Promise<void> | RangeReply | undefined {
  if (!replica.hasLease(office)) {
    reached('lease: a latest read was refused');
    return { kind: 'unavailable', reason: 'no lease' };
  }
  if (target.isGated()) return office.gate.whenOpened();
  const holder = target.pending(TS_MAX) ?? fenceWriter(replica, office, fences, TS_MAX);
  if (holder !== undefined && !isBroken('TXN-3')) return replica.waitForHolder(holder);
  office.gate.latestReads++;
  return undefined;
}

function fenceWriter(
  replica: Replica,
  office: Office,
  fences: readonly TableFence[],
  upTo: Timestamp,
): Holder | undefined {
  if (office.pending.size === 0) return undefined;
  for (const { tableId } of fences) {
    const holder = office.pending.writerOfKey(replica.fences.keyOf(tableId), upTo);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

function firstWriter(office: Office, keys: readonly Key[], upTo: Timestamp): Holder | undefined {
  for (const key of keys) {
    const holder = office.pending.writerOfKey(key, upTo);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

function firstSpanWriter(
  office: Office,
  spans: readonly Span[],
  upTo: Timestamp,
): Holder | undefined {
  for (const span of spans) {
    const holder = office.pending.writerOfSpan(span, upTo);
    if (holder !== undefined) return holder;
  }
  return undefined;
}
