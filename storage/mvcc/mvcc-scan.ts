/**
 * Scans and searches that merge the memory tables with the heads of the engine. The tables are captured, and the
 * engine cursor opened, in the turn of the call; that is what makes a batch consistent:
 *
 *   A version at or below `ts` applied before the call lies in a captured table or under the cursor, whatever
 *   checkpoint is half written: versions leave the engine's heads only for its history, and leave the tables only
 *   after they are in the engine. Versions applied later are above `ts` and are skipped (RANGE-1).
 *
 * Only a key whose head is above `ts`, and for which memory knows nothing as new, costs a look-up in the history.
 * Table positions do not outlive an await; every merge seeks again.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Engine, EngineEntry } from '../engine/engine.ts';
import type { MemoryTable, MemVersion, TableCursor } from './memory-table.ts';
import { infoOf, valueOf, visible } from './memory-table.ts';
import {
  decodeHead,
  decodeHistoryKey,
  decodeHistoryValue,
  headSpan,
  headTimestamp,
  headValue,
  historyAtOrBelow,
  isNewer,
  keyOfHead,
} from './mvcc-key.ts';
import type { MvccScanOptions, MvccScanResult, ScanRow, VersionInfo } from './mvcc-types.ts';

const LIMIT_ROWS_DEFAULT = 10_000;
const LIMIT_BYTES_DEFAULT = 1 << 20;
/** Heads read from the engine at a time. */
const HEADS_MAX = 512;
/** History look-ups under way at a time. */
const LOOKUPS_MAX = 32;

/** The engine is left out by a caller who knows that it holds no versions. */
export function scanLayers(
  tables: readonly MemoryTable[],
  engine: Engine | undefined,
  span: Span,
  ts: Timestamp,
  options: MvccScanOptions,
): MaybePromise<MvccScanResult> {
  const batch = new ScanBatch(tables, span, ts, options);
  if (engine !== undefined && span.start < span.end) return scanEngine(batch, engine);
  batch.merge([], true);
  return batch.result();
}

async function scanEngine(batch: ScanBatch, engine: Engine): Promise<MvccScanResult> {
  const { start, end } = headSpan(batch.span);
  let count = Math.min(batch.limitRows + 1, HEADS_MAX);
  const cursor = engine.iterate(start, end, { reverse: batch.isReverse, expected: count });
  try {
    while (!batch.isEnded) {
      const heads = await cursor.nextBatch(count);
      batch.merge(heads, heads.length === 0);
      count = HEADS_MAX;
    }
  } finally {
    await cursor.close();
  }
  await batch.resolvePending(engine);
  return batch.result();
}

/** A row whose version at the snapshot lies in the history. */
interface PendingRow {
  readonly index: number;
  readonly key: Key;
  readonly best: MemVersion | undefined;
}

class ScanBatch {
  readonly span: Span;
  readonly isReverse: boolean;
  readonly limitRows: number;
  readonly #tables: readonly MemoryTable[];
  readonly #ts: Timestamp;
  readonly #limitBytes: number;
  /** With holes for pending rows. */
  readonly #rows: (ScanRow | undefined)[] = [];
  #pending: PendingRow[] = [];
  #bytes = 0;
  /** What remains: from here on, or in reverse below here. */
  #position: Key;
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
    this.#position = this.isReverse ? span.end : span.start;
  }

  /** Takes what tables and heads hold up to the last of `heads`, or to the end of the span. */
  merge(heads: readonly EngineEntry[], isEngineDone: boolean): void {
    const cursors = this.#tables.map((table) =>
      this.isReverse ? table.cursorBelow(this.#position) : table.cursorFrom(this.#position),
    );
    let next = 0;
    let last: Key | undefined;
    while (isEngineDone || next < heads.length) {
      const head = heads[next];
      const headKey = head === undefined ? undefined : keyOfHead(head[0]);
      const key = this.#nextKey(cursors, headKey);
      if (key === undefined) {
        this.isEnded = true;
        return;
      }
      const best = this.#takeFromTables(cursors, key);
      if (headKey === key && head !== undefined) {
        next++;
        this.#add(key, best, head[1]);
      } else {
        this.#add(key, best, undefined);
      }
      last = key;
      if (this.#isFull) {
        this.isEnded = true;
        break;
      }
    }
    if (last !== undefined) this.#position = this.isReverse ? last : keyAfter(last);
  }

  async resolvePending(engine: Engine): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (let from = 0; from < pending.length; from += LOOKUPS_MAX) {
      await Promise.all(
        pending.slice(from, from + LOOKUPS_MAX).map(async ({ index, key, best }) => {
          const found = newerOf(best, await readHistory(engine, key, this.#ts));
          if (found?.value === undefined) return;
          this.#rows[index] = { key, value: found.value, ts: found.ts };
        }),
      );
    }
  }

  result(): MvccScanResult {
    const rows = this.#rows.filter((row) => row !== undefined);
    return this.#isFull ? { rows, resume: this.#position } : { rows };
  }

  #nextKey(cursors: readonly TableCursor[], headKey: Key | undefined): Key | undefined {
    const { span, isReverse } = this;
    let best = headKey;
    for (const { entry } of cursors) {
      if (entry === undefined) continue;
      const { key } = entry;
      if (isReverse ? key < span.start : key >= span.end) continue;
      if (best === undefined || (isReverse ? key > best : key < best)) best = key;
    }
    return best;
  }

  /** The newest version at or below the snapshot in memory; moves the cursors past the key. */
  #takeFromTables(cursors: readonly TableCursor[], key: Key): MemVersion | undefined {
    let best: MemVersion | undefined;
    for (const cursor of cursors) {
      if (cursor.entry?.key !== key) continue;
      best = newerMem(best, visible(cursor.entry.newest, this.#ts));
      cursor.move();
    }
    return best;
  }

  #add(key: Key, best: MemVersion | undefined, head: Buffer | undefined): void {
    if (head !== undefined && (best === undefined || best.isHistorical)) {
      const headTs = headTimestamp(head);
      if (headTs > this.#ts) {
        this.#pending.push({ index: this.#rows.length, key, best });
        this.#push(key, undefined, headTs);
        return;
      }
      if (best === undefined || isNewer(headTs, decodeHead(head).txnId, best.ts, best.txnId)) {
        const value = headValue(head);
        if (value !== undefined) this.#push(key, value, headTs);
        return;
      }
    }
    const value = best === undefined ? undefined : valueOf(best);
    if (value !== undefined && best !== undefined) this.#push(key, value, best.ts);
  }

  #push(key: Key, value: Uint8Array | undefined, ts: Timestamp): void {
    this.#rows.push(value === undefined ? undefined : { key, value, ts });
    this.#bytes += key.length + (value?.length ?? 0);
    this.#isFull = this.#rows.length >= this.limitRows || this.#bytes >= this.#limitBytes;
  }
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

/** The newest version of `key` at or below `ts` in the engine's history. */
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
  if (inEngine === undefined) return infoOf(inMemory);
  return isNewer(inEngine.ts, inEngine.txnId, inMemory.ts, inMemory.txnId)
    ? inEngine
    : infoOf(inMemory);
}
