/**
 * The applied state of a replica as it is at a timestamp, for whoever has made sure that it is final there: the leader's
 * evaluators (eval-read.ts), or a reader of what is settled (settled-read.ts).
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter, spanContains } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TABLES_SPAN } from '../../src/kv/keyspace.ts';
import type { Unrouted } from '../range/range-router.ts';
import type {
  GetRequest,
  LogPosition,
  RangeReply,
  RowsReply,
  ScanRequest,
} from '../range/requests.ts';
import type { Replica } from './replica.ts';

export interface ReadAt {
  readonly ts: Timestamp;
  /** What the answer says of the range (TXN-16). */
  readonly settled: LogPosition | undefined;
}

export function keysAt(
  replica: Replica,
  { keys, fences }: Unrouted<GetRequest>,
  at: ReadAt,
): MaybePromise<RangeReply> {
  const mismatch = replica.fences.mismatch(fences, at.ts);
  const reply = thenMaybe(mismatch, (other): MaybePromise<RangeReply> => {
    if (other !== undefined) return { kind: 'schemaMismatch', ...other };
    return valuesOf(replica, keys, at);
  });
  return ifStillReadable(replica, at.ts, reply);
}

export function rowsAt(
  replica: Replica,
  { span, fences, limitRows, limitBytes, reverse }: Unrouted<ScanRequest>,
  { ts, settled }: ReadAt,
): MaybePromise<RangeReply> {
  const mismatch = replica.fences.mismatch(fences, ts);
  const reply = thenMaybe(mismatch, (other): MaybePromise<RangeReply> => {
    if (other !== undefined) return { kind: 'schemaMismatch', ...other };
    const rowSpan = withoutFence(span, replica.state.descriptor.start);
    const batch = replica.host.mvcc.scan(rowSpan, ts, { limitRows, limitBytes, reverse });
    return thenMaybe(batch, ({ rows, resume }): RowsReply => {
      return { kind: 'rows', rows, resume, settled };
    });
  });
  return ifStillReadable(replica, ts, reply);
}

/**
 * While the disk was read the threshold may have risen above the read, and versions that it had to see may be gone; or
 * a snapshot may have begun to take the place of everything.
 */
function ifStillReadable(
  replica: Replica,
  ts: Timestamp,
  reply: MaybePromise<RangeReply>,
): MaybePromise<RangeReply> {
  if (!isPromise(reply)) return reply;
  const { installs } = replica;
  return reply.then((found) => {
    if (replica.installs !== installs)
      return { kind: 'unavailable', reason: 'its data was replaced' };
    return ts < replica.state.threshold ? { kind: 'tooOld' } : found;
  });
}

/** Where a range begins within a table lies the table's fence (see `fenceKey`), which is no row. */
function withoutFence(span: Span, rangeStart: Key): Span {
  const isWithin = span.start <= rangeStart && rangeStart < span.end;
  if (!isWithin || !spanContains(TABLES_SPAN, rangeStart)) return span;
  return { start: keyAfter(rangeStart), end: span.end };
}

function valuesOf(
  replica: Replica,
  keys: readonly Key[],
  { ts, settled }: ReadAt,
): MaybePromise<RangeReply> {
  const { mvcc } = replica.host;
  const values: (Uint8Array | undefined)[] = [];
  for (const key of keys) {
    const value = mvcc.get(key, ts);
    if (isPromise(value)) return valuesSlow(replica, keys, { ts, settled });
    values.push(value);
  }
  return { kind: 'values', values, settled };
}

async function valuesSlow(
  replica: Replica,
  keys: readonly Key[],
  { ts, settled }: ReadAt,
): Promise<RangeReply> {
  const { mvcc } = replica.host;
  const values: (Uint8Array | undefined)[] = [];
  for (const key of keys) values.push(await mvcc.get(key, ts));
  return { kind: 'values', values, settled };
}
