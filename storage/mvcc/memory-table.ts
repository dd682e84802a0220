/**
 * The versions applied since a moment: one of the two tables in front of the engine. A map answers point reads, a
 * list of sorted blocks answers spans; a key has a chain of versions, newest first, nearly always of one. Values are
 * copied into the table's own chunks, so that no network frame is kept alive by a row of it.
 *
 * Each block knows the highest timestamp in it, so that a validation skips most of a span. Synchronous; positions
 * (`TableCursor`) hold until the next change of the table, so they are never kept across an await.
 */
import type { TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { isNewer } from './mvcc-key.ts';
import type { VersionInfo } from './mvcc-types.ts';

const BLOCK_MAX = 128;
const CHUNK_BYTES = 256 << 10;
/** Larger values get memory of their own. */
const CHUNKED_VALUE_MAX = 16 << 10;
/** Estimated heap bytes of a key with its place in map and block, and of a version, without their data. */
const ENTRY_BYTES = 150;
const VERSION_BYTES = 110;

export interface MemVersion {
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  /** Where the value lies; undefined for a tombstone. */
  readonly chunk: Buffer | undefined;
  readonly offset: number;
  readonly length: number;
  /** The engine may hold a newer version of the key. */
  readonly isHistorical: boolean;
  /** The next older version. */
  older: MemVersion | undefined;
}

export interface MemEntry {
  readonly key: Key;
  newest: MemVersion;
  block: Block;
}

interface Block {
  entries: MemEntry[];
  tsMax: number;
}

export class MemoryTable {
  /** The highest timestamp applied to the store before this table began. */
  readonly floorTs: Timestamp;
  /** Staged parts put since the table began, and the names to remove with the next checkpoint's last batch. */
  readonly staged = new Map<Key, Buffer>();
  readonly unstaged = new Set<Key>();
  readonly #entries = new Map<Key, MemEntry>();
  /** In key order, none empty. */
  #blocks: Block[] = [];
  #chunk: Buffer = Buffer.alloc(0);
  #chunkUsed = 0;
  #bytes = 0;

  constructor(floorTs: Timestamp) {
    this.floorTs = floorTs;
  }

  /** Estimated heap bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  newest(key: Key): MemVersion | undefined {
    return this.#entries.get(key)?.newest;
  }

  /** The newest version of `key` at or below `ts`. */
  at(key: Key, ts: Timestamp): MemVersion | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : visible(entry.newest, ts);
  }

  /** Adds a version in its place; one that is there already is left alone. */
  put(
    key: Key,
    value: Uint8Array | null,
    id: { readonly ts: Timestamp; readonly txnId: TxnId },
    isHistorical: boolean,
  ): void {
    const { ts, txnId } = id;
    const entry = this.#entries.get(key);
    let newer: MemVersion | undefined;
    let older = entry?.newest;
    while (older !== undefined && !isNewer(ts, txnId, older.ts, older.txnId)) {
      if (older.ts === ts && older.txnId === txnId) return;
      newer = older;
      older = older.older;
    }
    const version = this.#store(value, { ts, txnId, isHistorical, older });
    this.#bytes += VERSION_BYTES + version.length;
    if (entry === undefined) {
      this.#insert(key, version);
    } else {
      if (newer === undefined) entry.newest = version;
      else newer.older = version;
      if (ts > entry.block.tsMax) entry.block.tsMax = ts;
    }
  }

  stage(name: Key, bytes: Uint8Array): void {
    this.unstaged.delete(name);
    this.staged.set(name, Buffer.from(bytes));
    this.#bytes += ENTRY_BYTES + name.length + bytes.length;
  }

  unstage(name: Key): void {
    const bytes = this.staged.get(name);
    if (bytes !== undefined) {
      this.staged.delete(name);
      this.#bytes -= ENTRY_BYTES + name.length + bytes.length;
    }
    this.unstaged.add(name);
  }

  /** Whether a version in the span is above `afterTs`. */
  hasNewer(span: Span, afterTs: Timestamp): boolean {
    if (isPoint(span)) return (this.newest(span.start)?.ts ?? -1) > afterTs;
    const first = this.#blockFor(span.start);
    for (let b = first; b < this.#blocks.length; b++) {
      const block = this.#blocks[b];
      const start = block?.entries[0];
      if (block === undefined || start === undefined || start.key >= span.end) return false;
      if (block.tsMax <= afterTs) continue;
      for (const { key, newest } of block.entries) {
        if (newest.ts > afterTs && key >= span.start && key < span.end) return true;
      }
    }
    return false;
  }

  /** Estimated bytes of keys and values in a span, by whole blocks at its ends. */
  bytesIn(span: Span): number {
    let count = 0;
    for (let b = this.#blockFor(span.start); b < this.#blocks.length; b++) {
      const block = this.#blocks[b];
      const start = block?.entries[0];
      if (block === undefined || start === undefined || start.key >= span.end) break;
      count += block.entries.length;
    }
    return this.size === 0 ? 0 : Math.round((count / this.size) * this.#bytes);
  }

  /** Forgets every version in a span. */
  removeSpan(span: Span): void {
    const kept: Block[] = [];
    for (const block of this.#blocks) {
      const entries = block.entries.filter((entry) => {
        if (entry.key < span.start || entry.key >= span.end) return true;
        this.#forget(entry);
        return false;
      });
      block.entries = entries;
      if (entries.length > 0) kept.push(block);
    }
    this.#blocks = kept;
  }

  /** At the first entry at or above `start`, moving up. */
  cursorFrom(start: Key): TableCursor {
    const block = this.#blockFor(start);
    const index = lowerBound(this.#blocks[block]?.entries ?? [], start);
    return new TableCursor(this.#blocks, block, index, 1);
  }

  /** At the last entry below `end`, moving down. */
  cursorBelow(end: Key): TableCursor {
    const block = this.#blockFor(end);
    const index = lowerBound(this.#blocks[block]?.entries ?? [], end) - 1;
    return new TableCursor(this.#blocks, block, index, -1);
  }

  #insert(key: Key, version: MemVersion): void {
    this.#bytes += ENTRY_BYTES + key.length;
    const at = this.#blockFor(key);
    let block = this.#blocks[at];
    if (block === undefined) {
      block = { entries: [], tsMax: 0 };
      this.#blocks.push(block);
    }
    let index = lowerBound(block.entries, key);
    if (block.entries.length >= BLOCK_MAX) {
      const isAppend = at === this.#blocks.length - 1 && index === block.entries.length;
      // A load in key order leaves full blocks behind instead of half ones.
      const upper = block.entries.splice(isAppend ? block.entries.length : BLOCK_MAX >>> 1);
      const next: Block = { entries: upper, tsMax: isAppend ? 0 : block.tsMax };
      for (const moved of upper) moved.block = next;
      this.#blocks.splice(at + 1, 0, next);
      if (isAppend || index > block.entries.length) {
        index -= block.entries.length;
        block = next;
      }
    }
    const entry: MemEntry = { key, newest: version, block };
    block.entries.splice(index, 0, entry);
    if (version.ts > block.tsMax) block.tsMax = version.ts;
    this.#entries.set(key, entry);
  }

  #store(
    value: Uint8Array | null,
    rest: Pick<MemVersion, 'ts' | 'txnId' | 'isHistorical' | 'older'>,
  ): MemVersion {
    const { ts, txnId, isHistorical, older } = rest;
    if (value === null) {
      return { ts, txnId, chunk: undefined, offset: 0, length: 0, isHistorical, older };
    }
    const { length } = value;
    if (length > CHUNKED_VALUE_MAX) {
      return { ts, txnId, chunk: Buffer.from(value), offset: 0, length, isHistorical, older };
    }
    if (this.#chunkUsed + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#chunkUsed = 0;
    }
    const offset = this.#chunkUsed;
    this.#chunk.set(value, offset);
    this.#chunkUsed += length;
    return { ts, txnId, chunk: this.#chunk, offset, length, isHistorical, older };
  }

  #forget(entry: MemEntry): void {
    this.#entries.delete(entry.key);
    this.#bytes -= ENTRY_BYTES + entry.key.length;
    for (let at: MemVersion | undefined = entry.newest; at !== undefined; at = at.older) {
      this.#bytes -= VERSION_BYTES + at.length;
    }
  }

  /** The last block whose first key is at or below `key`, or the first one. */
  #blockFor(key: Key): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#blocks[middle]?.entries[0];
      if (first !== undefined && first.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** A place in a table. Valid until the table changes. */
export class TableCursor {
  readonly #blocks: readonly Block[];
  readonly #step: 1 | -1;
  #block: number;
  #index: number;
  /** The entry at this place; undefined past the end. */
  entry: MemEntry | undefined;

  constructor(blocks: readonly Block[], block: number, index: number, step: 1 | -1) {
    this.#blocks = blocks;
    this.#block = block;
    this.#index = index;
    this.#step = step;
    this.#settle();
  }

  move(): void {
    this.#index += this.#step;
    this.#settle();
  }

  #settle(): void {
    this.entry = this.#blocks[this.#block]?.entries[this.#index];
    if (this.entry !== undefined) return;
    this.#block += this.#step;
    const entries = this.#blocks[this.#block]?.entries;
    if (entries === undefined) return;
    this.#index = this.#step === 1 ? 0 : entries.length - 1;
    this.entry = entries[this.#index];
  }
}

/** The first of a chain at or below `ts`. */
export function visible(newest: MemVersion, ts: Timestamp): MemVersion | undefined {
  let at: MemVersion | undefined = newest;
  while (at !== undefined && at.ts > ts) at = at.older;
  return at;
}

/** A view of the value; undefined for a tombstone. */
export function valueOf(version: MemVersion): Buffer | undefined {
  return version.chunk?.subarray(version.offset, version.offset + version.length);
}

export function infoOf(version: MemVersion): VersionInfo {
  return { ts: version.ts, txnId: version.txnId, value: valueOf(version) };
}

/** Whether a span holds exactly its start. */
export function isPoint(span: Span): boolean {
  const { start, end } = span;
  return end.length === start.length + 1 && end.endsWith('\0') && end.startsWith(start);
}

function lowerBound(entries: readonly MemEntry[], key: Key): number {
  let low = 0;
  let high = entries.length;
  const last = entries[high - 1];
  if (last !== undefined && last.key < key) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = entries[middle];
    if (at !== undefined && at.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
