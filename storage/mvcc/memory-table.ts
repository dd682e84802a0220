/**
 * The versions applied since a moment: one of the two tables in front of the engine. A map answers point reads, a
 * list of sorted blocks (`entry-blocks.ts`) answers spans; a key has a chain of versions, newest first, nearly always of
 * one. Values are copied into the table's own chunks, so that no network frame is kept alive by a row of it.
 *
 * Synchronous; positions (`TableCursor`) hold until the next change of the table, so they are never kept across an await.
 */
import type { TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { MemEntry, TableCursor } from './entry-blocks.ts';
import { EntryBlocks } from './entry-blocks.ts';
import { isNewer } from './mvcc-key.ts';
import type { VersionInfo } from './mvcc-types.ts';

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

export class MemoryTable {
  /** The highest timestamp applied to the store before this table began. */
  readonly floorTs: Timestamp;
  /** Staged parts put since the table began, and the names to remove with the next checkpoint's last batch. */
  readonly staged = new Map<Key, Buffer>();
  readonly unstaged = new Set<Key>();
  readonly #entries = new Map<Key, MemEntry>();
  readonly #blocks = new EntryBlocks();
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
      const added: MemEntry = { key, newest: version, block: undefined };
      this.#entries.set(key, added);
      this.#blocks.add(added);
      this.#bytes += ENTRY_BYTES + key.length;
    } else if (newer !== undefined) {
      newer.older = version;
    } else {
      entry.newest = version;
      const { block } = entry;
      if (block !== undefined && ts > block.tsMax) block.tsMax = ts;
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
    return this.#blocks.hasNewer(span, afterTs);
  }

  /** Estimated bytes of keys and values in a span, by whole blocks at its ends. */
  bytesIn(span: Span): number {
    if (this.size === 0) return 0;
    return Math.round((this.#blocks.countIn(span) / this.size) * this.#bytes);
  }

  /** Forgets every version in a span. */
  removeSpan(span: Span): void {
    this.#blocks.removeSpan(span, (entry) => this.#forget(entry));
  }

  /** At the first entry at or above `start`, moving up. */
  cursorFrom(start: Key): TableCursor {
    return this.#blocks.cursorFrom(start);
  }

  /** At the last entry below `end`, moving down. */
  cursorBelow(end: Key): TableCursor {
    return this.#blocks.cursorBelow(end);
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
