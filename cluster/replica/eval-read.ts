/**
 * Reads at a leader.
 *
 * Latest (TXN-3, `ts` 0): under the lease, when no write prepared, in flight or gathering its fence overlaps what is
 * read, the newest applied state is the answer. The step in which all that was checked is the read; rows that have to
 * come from disk are then read at the HLC of that step, above which every later write lies.
 *
 * Snapshot (TXN-2, TXN-4): forwards the HLC, stays below the ceiling (which stands in for the lease), and waits for
 * writes prepared or in flight at or below its timestamp.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter, spanContains, spanCovers } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import { TABLES_SPAN } from '../../src/kv/keyspace.ts';
import type {
  GetRequest,
  RangeReply,
  RevalidateRequest,
  RowsReply,
  ScanRequest,
} from '../range/requests.ts';
import type { Signal } from './replies.ts';
import { moved } from './replies.ts';
import type { Office } from './office.ts';
import type { Holder } from './pending-writes.ts';
import type { Replica } from './replica.ts';

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
  const ts = request.ts === 0 ? replica.host.hlc.read() : request.ts;
  const mismatch = replica.fences.mismatch(fences, ts);
  const reply = thenMaybe(mismatch, (other): MaybePromise<RangeReply> => {
    if (other !== undefined) return { kind: 'schemaMismatch', ...other };
    return valuesOf(replica, keys, ts);
  });
  return ifStillReadable(replica, ts, reply);
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
  const ts = request.ts === 0 ? replica.host.hlc.read() : request.ts;
  const mismatch = replica.fences.mismatch(fences, ts);
  const reply = thenMaybe(mismatch, (other): MaybePromise<RangeReply> => {
    if (other !== undefined) return { kind: 'schemaMismatch', ...other };
    const { limitRows, limitBytes, reverse } = request;
    const rowSpan = withoutFence(span, replica.state.descriptor.start);
    const batch = replica.host.mvcc.scan(rowSpan, ts, { limitRows, limitBytes, reverse });
    return thenMaybe(batch, ({ rows, resume }): RowsReply => ({ kind: 'rows', rows, resume }));
  });
  return ifStillReadable(replica, ts, reply);
}

/** While the disk was read the threshold may have risen above the read, and versions that it had to see may be gone. */
function ifStillReadable(
  replica: Replica,
  ts: Timestamp,
  reply: MaybePromise<RangeReply>,
): MaybePromise<RangeReply> {
  if (!isPromise(reply)) return reply;
  return reply.then((found) => (ts < replica.state.threshold ? { kind: 'tooOld' } : found));
}

/** Where a range begins within a table lies the table's fence (see `fenceKey`), which is no row. */
function withoutFence(span: Span, rangeStart: Key): Span {
  const isWithin = span.start <= rangeStart && rangeStart < span.end;
  if (!isWithin || !spanContains(TABLES_SPAN, rangeStart)) return span;
  return { start: keyAfter(rangeStart), end: span.end };
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

function valuesOf(replica: Replica, keys: readonly Key[], ts: Timestamp): MaybePromise<RangeReply> {
  const { mvcc } = replica.host;
  const values: (Uint8Array | undefined)[] = [];
  for (const key of keys) {
    const value = mvcc.get(key, ts);
    if (isPromise(value)) return valuesSlow(replica, keys, ts);
    values.push(value);
  }
  return { kind: 'values', values };
}

async function valuesSlow(
  replica: Replica,
  keys: readonly Key[],
  ts: Timestamp,
): Promise<RangeReply> {
  const { mvcc } = replica.host;
  const values: (Uint8Array | undefined)[] = [];
  for (const key of keys) values.push(await mvcc.get(key, ts));
  return { kind: 'values', values };
}
