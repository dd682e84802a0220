/**
 * Scans and searches that merge the memory tables with the heads of the engine. The tables are captured, the cached
 * heads read, and the engine cursor opened, in the turn of the call; that is what makes a batch consistent:
 *
 *   A version at or below `ts` applied before the call lies in a captured table, in the cache or under the cursor,
 *   whatever checkpoint is half written: versions leave the engine's heads only for its history, and leave the tables
 *   only after they are in the engine, and out of the cache. Versions applied later are above `ts` and are skipped
 *   (RANGE-1).
 *
 * A scan goes from one cached run to the next (head-cache.ts) and is answered at once if they reach far enough; where
 * they end, the engine is asked for all the rest, and what a short scan has read there is cached.
 *
 * Only a key whose head is above `ts`, and for which memory knows nothing as new, costs a look-up in the history.
 * Table positions do not outlive an await; every merge seeks again.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, keyAfter } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Engine } from '../engine/engine.ts';
import type { TableCursor } from './entry-blocks.ts';
import type { Head, HeadCache, HeadRun } from './head-cache.ts';
import { firstHeadFrom, headOf } from './head-cache.ts';
import type { MemoryTable } from './memory-table.ts';
import {
  decodeHead,
  decodeHistoryKey,
  decodeHistoryValue,
  headKey,
  headSpan,
  headTimestamp,
  historyAtOrBelow,
  isNewer,
  keyOfHead,
} from './mvcc-key.ts';
import type { MvccScanOptions, MvccScanResult, ScanRow, VersionInfo } from './mvcc-types.ts';
import type { MemVersion } from './version-rows.ts';

const LIMIT_ROWS_DEFAULT = 10_000;
const LIMIT_BYTES_DEFAULT = 1 << 20;
/** Heads read from the engine at a time: a few more than are wanted cost less than coming back for them. */
const HEADS_MIN = 16;
const HEADS_MAX = 512;
/** History look-ups under way at a time. */
const LOOKUPS_MAX = 32;

/** Where the heads are. */
export interface HeadSource {
  readonly engine: Engine;
  readonly heads: HeadCache;
}

/** The engine is left out by a caller who knows that it holds no versions. */
export function scanLayers(
  tables: readonly MemoryTable[],
  disk: HeadSource | undefined,
  span: Span,
  ts: Timestamp,
  options: MvccScanOptions,
): MaybePromise<MvccScanResult> {
  const batch = new ScanBatch(tables, span, ts, options);
  if (disk === undefined || span.start >= span.end) {
    batch.merge(NO_HEADS, batch.bound);
    return batch.result();
  }
  while (!batch.isEnded) {
    const run = batch.isReverse ? disk.heads.below(batch.position) : disk.heads.at(batch.position);
    if (run === undefined) return scanEngine(batch, disk);
    batch.mergeRun(run);
  }
  return batch.hasPending ? resolved(batch, disk.engine) : batch.result();
}

/** Goes on where the cache has ended. */
async function scanEngine(
  batch: ScanBatch,
  { engine, heads: cache }: HeadSource,
): Promise<MvccScanResult> {
  const { isReverse, position, span } = batch;
  const { start, end } = headSpan(
    isReverse ? { start: span.start, end: position } : { start: position, end: span.end },
  );
  const { generation } = cache;
  let count = Math.min(Math.max(batch.limitRows + 1, HEADS_MIN), HEADS_MAX);
  const cursor = engine.iterate(start, end, { reverse: isReverse, expected: count });
  /** What was read, while it is little enough to be kept: a scan of a whole table is not. */
  let seen: readonly Head[] | undefined = [];
  /** Up to where the engine was read. */
  let until = position;
  try {
    while (!batch.isEnded) {
      const heads = (await cursor.nextBatch(count)).map(headOf);
      const last = heads[heads.length - 1]?.key;
      until = last === undefined ? batch.bound : isReverse ? last : keyAfter(last);
      const kept: number = (seen?.length ?? 0) + heads.length;
      seen = seen === undefined || kept > HEADS_MAX ? undefined : [...seen, ...heads];
      batch.merge({ heads, from: 0, to: heads.length }, until);
      count = HEADS_MAX;
    }
  } finally {
    await cursor.close();
  }
  if (seen !== undefined && cache.isEnabled) {
    if (isReverse) cache.add({ start: until, end: position }, seen.toReversed(), generation);
    else {
      // Where rows are added one behind the other there is nothing yet, up to some other table: known at once.
      if (seen.length === 0) until = await nextHeadFrom(engine, until);
      cache.add({ start: position, end: until }, seen, generation);
    }
  }
  return resolved(batch, engine);
}

/** The key of the first head at or above `key`. */
async function nextHeadFrom(engine: Engine, key: Key): Promise<Key> {
  const { start, end } = headSpan({ start: key, end: KEY_MAX });
  const cursor = engine.iterate(start, end, { limit: 1 });
  try {
    const [entry] = await cursor.nextBatch(1);
    return entry === undefined ? KEY_MAX : keyOfHead(entry[0]);
  } finally {
    await cursor.close();
  }
}

async function resolved(batch: ScanBatch, engine: Engine): Promise<MvccScanResult> {
  await batch.resolvePending(engine);
  return batch.result();
}

/** Heads in the order of the scan: from `from` up to `to`, or down to it if that is less. */
interface HeadSlice {
  readonly heads: readonly Head[];
  readonly from: number;
  readonly to: number;
}

const NO_HEADS: HeadSlice = { heads: [], from: 0, to: 0 };

/** A row that has to be looked up by its key: its version at the snapshot may lie in the history. */
interface PendingRow {
  readonly index: number;
  readonly key: Key;
  readonly best: MemVersion | undefined;
}

class ScanBatch {
  readonly isReverse: boolean;
  readonly limitRows: number;
  readonly span: Span;
  readonly #tables: readonly MemoryTable[];
  readonly #ts: Timestamp;
  readonly #limitBytes: number;
  /** With holes for pending rows. */
  readonly #rows: (ScanRow | undefined)[] = [];
  #pending: PendingRow[] = [];
  #hasHoles = false;
  #bytes = 0;
  /** What remains: from here on, or in reverse below here. */
  position: Key;
  #isFull = false;
  /** A limit was reached, or the span was read. */
  isEnded = false;

  constructor(tables: readonly MemoryTable[], span: Span, ts: Timestamp, options: MvccScanOptions) {
    this.#tables = tables;
    this.span = span;
    this.#ts = ts;
    this.isReverse = options.reverse === true;
    this.limitRows = Math.max(1, options.limitRows ?? LIMIT_ROWS_DEFAULT);
    this.#limitBytes = options.limitBytes ?? LIMIT_BYTES_DEFAULT;
    this.position = this.isReverse ? span.end : span.start;
  }

  /** Where the scan ends. */
  get bound(): Key {
    return this.isReverse ? this.span.start : this.span.end;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Takes what lies between the position, which is in the run or where it ends, and the other end of the run. */
  mergeRun({ start, end, heads }: HeadRun): void {
    const { bound } = this;
    if (this.isReverse) {
      const until = start > bound ? start : bound;
      const from = firstHeadFrom(heads, this.position) - 1;
      const to = until === start ? -1 : firstHeadFrom(heads, until) - 1;
      this.merge({ heads, from, to }, until);
    } else {
      const until = end < bound ? end : bound;
      const from = firstHeadFrom(heads, this.position);
      const to = until === end ? heads.length : firstHeadFrom(heads, until);
      this.merge({ heads, from, to }, until);
    }
  }

  /** Takes what tables and heads hold between the position and `until`; these are all heads there. */
  merge({ heads, from, to }: HeadSlice, until: Key): void {
    const { isReverse } = this;
    const cursors = this.#tables.map((table) =>
      isReverse ? table.cursorBelow(this.position) : table.cursorFrom(this.position),
    );
    let inTables = this.#nextKey(cursors, until);
    for (let i = from; i !== to; i += from < to ? 1 : -1) {
      const head = heads[i];
      if (head === undefined) break;
      const { key } = head;
      while (inTables !== undefined && (isReverse ? inTables > key : inTables < key)) {
        this.#addVersion(inTables, this.#takeFromTables(cursors, inTables));
        if (this.#isFull) {
          this.#endAfter(inTables);
          return;
        }
        inTables = this.#nextKey(cursors, until);
      }
      if (inTables === key) {
        this.#addBoth(head, this.#takeFromTables(cursors, key));
        inTables = this.#nextKey(cursors, until);
      } else {
        this.#addHead(head);
      }
      if (this.#isFull) {
        this.#endAfter(key);
        return;
      }
    }
    while (inTables !== undefined) {
      this.#addVersion(inTables, this.#takeFromTables(cursors, inTables));
      if (this.#isFull) {
        this.#endAfter(inTables);
        return;
      }
      inTables = this.#nextKey(cursors, until);
    }
    this.position = until;
    this.isEnded = until === this.bound;
  }

  async resolvePending(engine: Engine): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (let from = 0; from < pending.length; from += LOOKUPS_MAX) {
      await Promise.all(
        pending.slice(from, from + LOOKUPS_MAX).map(async ({ index, key, best }) => {
          const found = newerOf(best, await readEngine(engine, key, this.#ts));
          if (found?.value === undefined) return;
          this.#rows[index] = { key, value: found.value, ts: found.ts };
        }),
      );
    }
  }

  result(): MvccScanResult {
    // NB: without holes all are rows.
    const rows = this.#hasHoles
      ? this.#rows.filter((row) => row !== undefined)
      : (this.#rows as ScanRow[]);
    return this.#isFull ? { rows, resume: this.position } : { rows };
  }

  /** The next key of the tables before `until`. */
  #nextKey(cursors: readonly TableCursor[], until: Key): Key | undefined {
    const { isReverse } = this;
    let best: Key | undefined;
    for (const { key } of cursors) {
      if (key === undefined) continue;
      if (isReverse ? key < until : key >= until) continue;
      if (best === undefined || (isReverse ? key > best : key < best)) best = key;
    }
    return best;
  }

  /** The newest version at or below the snapshot in memory; moves the cursors past the key. */
  #takeFromTables(cursors: readonly TableCursor[], key: Key): MemVersion | undefined {
    let best: MemVersion | undefined;
    for (const cursor of cursors) {
      if (cursor.key !== key) continue;
      best = newerMem(best, cursor.at(this.#ts));
      cursor.move();
    }
    return best;
  }

  #addBoth(head: Head, best: MemVersion | undefined): void {
    if (best === undefined) this.#addHead(head);
    else if (best.isHistorical) this.#addPending(head, best);
    else this.#addVersion(head.key, best);
  }

  #addVersion(key: Key, best: MemVersion | undefined): void {
    const value = best?.value;
    if (value !== undefined && best !== undefined) this.#push({ key, value, ts: best.ts });
  }

  #addHead(head: Head): void {
    if (head.ts > this.#ts) this.#addPending(head, undefined);
    else if (hasValue(head)) this.#push(head);
  }

  /** Counts as a row, though it may turn out to be none. */
  #addPending({ key }: Head, best: MemVersion | undefined): void {
    this.#pending.push({ index: this.#rows.length, key, best });
    this.#hasHoles = true;
    this.#rows.push(undefined);
    this.#count(key.length);
  }

  #push(row: ScanRow): void {
    this.#rows.push(row);
    this.#count(row.key.length + row.value.length);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#isFull = this.#rows.length >= this.limitRows || this.#bytes >= this.#limitBytes;
  }

  #endAfter(key: Key): void {
    this.position = this.isReverse ? key : keyAfter(key);
    this.isEnded = true;
  }
}

function hasValue(head: Head): head is ScanRow {
  return head.value !== undefined;
}

/** Whether a head in the span is above `afterTs`. Heads are enough: what is newer than a head is in memory. */
export async function hasNewerHead(
  engine: Engine,
  span: Span,
  afterTs: Timestamp,
): Promise<boolean> {
  const { start, end } = headSpan(span);
  const cursor = engine.iterate(start, end);
  try {
    for (;;) {
      const heads = await cursor.nextBatch(HEADS_MAX);
      if (heads.length === 0) return false;
      if (heads.some(([, value]) => headTimestamp(value) > afterTs)) return true;
    }
  } finally {
    await cursor.close();
  }
}

/** The newest version of `key` at or below `ts` in the engine. */
async function readEngine(
  engine: Engine,
  key: Key,
  ts: Timestamp,
): Promise<VersionInfo | undefined> {
  const head = engine.getSync(headKey(key));
  if (head !== undefined && headTimestamp(head) <= ts) return decodeHead(head);
  return readHistory(engine, key, ts);
}

/** The same in the history. */
export async function readHistory(
  engine: Engine,
  key: Key,
  ts: Timestamp,
): Promise<VersionInfo | undefined> {
  const { start, end } = historyAtOrBelow(key, ts);
  const cursor = engine.iterate(start, end, { limit: 1 });
  try {
    const [entry] = await cursor.nextBatch(1);
    if (entry === undefined) return undefined;
    const { ts: foundTs, txnId } = decodeHistoryKey(entry[0]);
    return { ts: foundTs, txnId, value: decodeHistoryValue(entry[1]) };
  } finally {
    await cursor.close();
  }
}

export function newerMem(
  a: MemVersion | undefined,
  b: MemVersion | undefined,
): MemVersion | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isNewer(b.ts, b.txnId, a.ts, a.txnId) ? b : a;
}

export function newerOf(
  inMemory: MemVersion | undefined,
  inEngine: VersionInfo | undefined,
): VersionInfo | undefined {
  if (inMemory === undefined) return inEngine;
  if (inEngine === undefined) return inMemory.info();
  return isNewer(inEngine.ts, inEngine.txnId, inMemory.ts, inMemory.txnId)
    ? inEngine
    : inMemory.info();
}
