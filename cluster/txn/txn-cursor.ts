/**
 * A scan of a transaction: batches from range after range at the snapshot, with the transaction's own writes laid over
 * them before any limit counts. What was covered joins the read set batch by batch.
 */
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { intersectSpans, keyAfter } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { KvCursor, KvRow, ScanOptions, TableFence } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { RangeRouter } from '../range/range-router.ts';
import type { RangeReply, Write } from '../range/requests.ts';
import type { SettledReads } from './settled-reads.ts';
import { REQUEST_TIMEOUT_MS } from './txn-services.ts';
import type { WriteBuffer } from './write-buffer.ts';

const BATCH_ROWS = 1000;
const BATCH_BYTES = 512 * 1024;
const MOVES_MAX = 200;

export interface CursorPorts {
  readonly router: RangeRouter;
  readonly reads: SettledReads;
  readonly writes: WriteBuffer;
  readonly cancellation: Cancellation;
  readTs(): MaybePromise<Timestamp>;
  fences(): readonly TableFence[];
  onRead(part: Span): void;
  /** Before rows are handed out. */
  onRows: ((rows: readonly KvRow[]) => MaybePromise<void>) | undefined;
  /** Throws for an answer that ends the scan. */
  check(reply: RangeReply): void;
}

export class TxnCursor implements KvCursor {
  readonly #ports: CursorPorts;
  readonly #isReverse: boolean;
  /** What is still to be read. */
  #left: Span;
  #limit: number;
  #moves = 0;

  constructor(ports: CursorPorts, span: Span, options: ScanOptions) {
    this.#ports = ports;
    this.#left = span;
    this.#isReverse = options.reverse ?? false;
    this.#limit = options.limit ?? Number.POSITIVE_INFINITY;
  }

  next(): MaybePromise<readonly KvRow[] | undefined> {
    if (this.#left.start >= this.#left.end || this.#limit <= 0) return undefined;
    return thenMaybe(this.#ports.readTs(), (ts) => this.#fetch(ts));
  }

  close(): void {
    this.#limit = 0;
  }

  #fetch(ts: Timestamp): MaybePromise<readonly KvRow[] | undefined> {
    const { router, reads, cancellation } = this.#ports;
    const descriptor = this.#isReverse
      ? router.findBefore(this.#left.end)
      : router.find(this.#left.start);
    const span = intersectSpans(this.#left, descriptor);
    if (span === undefined) throw new KvError('unavailable', 'no range holds the span');
    // Own deletions may use up rows: ask for a few more than are wanted.
    const limitRows = Math.min(BATCH_ROWS, this.#limit + (this.#ports.writes.isEmpty ? 0 : 16));
    const reply = reads.send(
      descriptor,
      {
        kind: 'scan',
        span,
        ts,
        reverse: this.#isReverse,
        limitRows,
        limitBytes: BATCH_BYTES,
        fences: this.#ports.fences(),
      },
      { timeoutMs: REQUEST_TIMEOUT_MS, cancellation },
    );
    return thenMaybe(reply, (answer) => this.#take(span, answer, ts));
  }

  #take(span: Span, reply: RangeReply, ts: Timestamp): MaybePromise<readonly KvRow[] | undefined> {
    this.#ports.check(reply);
    if (reply.kind === 'moved') {
      if (++this.#moves > MOVES_MAX) throw new KvError('unavailable', 'ranges keep moving');
      return Promise.resolve().then(() => this.#fetch(ts));
    }
    if (reply.kind !== 'rows') throw new KvError('unavailable', 'the scan was not answered');
    const covered = coveredPart(span, reply.resume, this.#isReverse);
    let rows: readonly KvRow[] = reply.rows;
    if (!this.#ports.writes.isEmpty) {
      rows = overlay(rows, this.#ports.writes.iterate(covered), this.#isReverse);
    }
    if (rows.length > this.#limit) rows = rows.slice(0, this.#limit);
    this.#limit -= rows.length;
    this.#ports.onRead(this.#limit > 0 ? covered : upTo(covered, rows, this.#isReverse));
    this.#left = this.#isReverse
      ? { start: this.#left.start, end: covered.start }
      : { start: covered.end, end: this.#left.end };
    if (rows.length === 0) return this.next();
    const { onRows } = this.#ports;
    return onRows === undefined ? rows : thenMaybe(onRows(rows), () => rows);
  }
}

/** What a batch stands for: up to where the next begins. */
function coveredPart(span: Span, resume: Key | undefined, isReverse: boolean): Span {
  if (resume === undefined) return span;
  return isReverse ? { start: resume, end: span.end } : { start: span.start, end: resume };
}

/** When the limit is reached, only what lies up to the last row has been read. */
function upTo(covered: Span, rows: readonly KvRow[], isReverse: boolean): Span {
  const last = rows.at(-1)?.key;
  if (last === undefined) return covered;
  return isReverse
    ? { start: last, end: covered.end }
    : { start: covered.start, end: keyAfter(last) };
}

/** Lays own writes over a batch; both ascending, the batch descending when `isReverse`. */
function overlay(
  rows: readonly KvRow[],
  writes: Iterable<Write>,
  isReverse: boolean,
): readonly KvRow[] {
  const own = [...writes];
  if (own.length === 0) return rows;
  const base = isReverse ? [...rows].reverse() : rows;
  const merged: KvRow[] = [];
  let i = 0;
  for (const { key, value } of own) {
    for (let row = base[i]; row !== undefined && row.key < key; row = base[++i]) merged.push(row);
    if (base[i]?.key === key) i++;
    if (value !== null) merged.push({ key, value });
  }
  merged.push(...base.slice(i));
  return isReverse ? merged.reverse() : merged;
}
