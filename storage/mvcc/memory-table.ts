/**
 * The versions applied since a moment: one of the two tables in front of the engine. A map answers point reads, a
 * list of sorted blocks (`entry-blocks.ts`) answers spans; a key has a chain of versions, newest first, nearly always of
 * one. Versions and values are copied into memory of the table's own (`version-rows.ts`), so that no network frame is kept
 * alive by a row of it.
 *
 * Synchronous; positions (`TableCursor`) hold until the next change of the table, so they are never kept across an await.
 */
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { TableCursor } from './entry-blocks.ts';
import { EntryBlocks } from './entry-blocks.ts';
import { MemEntries } from './mem-entries.ts';
import type { VersionId } from './version-rows.ts';
import { MemVersion, NO_ROW } from './version-rows.ts';

/** Estimated bytes of a key with its places in map, columns and block, without its characters. */
const ENTRY_BYTES = 110;

export class MemoryTable {
  /** The highest timestamp applied to the store before this table began. */
  readonly floorTs: Timestamp;
  /** Staged parts put since the table began, and the names to remove with the next checkpoint's last batch. */
  readonly staged = new Map<Key, Buffer>();
  readonly unstaged = new Set<Key>();
  /** The numbers of the entries. */
  readonly #numbers = new Map<Key, number>();
  #entries = new MemEntries();
  #blocks = new EntryBlocks(this.#entries);
  /** Of all but versions and values. */
  #keyBytes = 0;
  /** Of versions that were removed. */
  #deadBytes = 0;

  constructor(floorTs: Timestamp) {
    this.floorTs = floorTs;
  }

  /** Estimated bytes of memory. Versions that were removed count until the table is empty, or gone. */
  get bytes(): number {
    return this.#keyBytes + this.#entries.versions.bytes;
  }

  get size(): number {
    return this.#numbers.size;
  }

  newest(key: Key): MemVersion | undefined {
    return MemVersion.at(this.#entries.versions, this.#newestRow(key));
  }

  /** The newest version of `key` at or below `ts`. */
  at(key: Key, ts: Timestamp): MemVersion | undefined {
    const row = this.#newestRow(key);
    if (row === NO_ROW) return undefined;
    const { versions } = this.#entries;
    return MemVersion.at(versions, versions.visible(row, ts));
  }

  #newestRow(key: Key): number {
    const entry = this.#numbers.get(key);
    return entry === undefined ? NO_ROW : this.#entries.newestOf(entry);
  }

  /** Adds a version in its place; one that is there already is left alone. */
  put(key: Key, value: Uint8Array | null, id: VersionId, isHistorical: boolean): void {
    const entries = this.#entries;
    const { versions } = entries;
    const entry = this.#numbers.get(key);
    let newer = NO_ROW;
    let older = entry === undefined ? NO_ROW : entries.newestOf(entry);
    while (older !== NO_ROW && !versions.isOlder(older, id)) {
      if (versions.is(older, id)) return;
      newer = older;
      older = versions.olderThan(older);
    }
    const row = versions.add(value, id, isHistorical, older);
    if (entry === undefined) this.#addEntry(key, row);
    else if (newer !== NO_ROW) versions.linkOlder(newer, row);
    else {
      entries.setNewest(entry, row);
      this.#blocks.noteNewer(entry, id.ts);
    }
  }

  #addEntry(key: Key, row: number): void {
    const entry = this.#entries.add(key, row);
    this.#numbers.set(key, entry);
    this.#blocks.add(entry);
    this.#keyBytes += ENTRY_BYTES + key.length;
  }

  stage(name: Key, bytes: Uint8Array): void {
    this.unstaged.delete(name);
    this.staged.set(name, Buffer.from(bytes));
    this.#keyBytes += ENTRY_BYTES + name.length + bytes.length;
  }

  unstage(name: Key): void {
    const bytes = this.staged.get(name);
    if (bytes !== undefined) {
      this.staged.delete(name);
      this.#keyBytes -= ENTRY_BYTES + name.length + bytes.length;
    }
    this.unstaged.add(name);
  }

  /** Whether a version in the span is above `afterTs`. */
  hasNewer(span: Span, afterTs: Timestamp): boolean {
    if (!isPoint(span)) return this.#blocks.hasNewer(span, afterTs);
    const row = this.#newestRow(span.start);
    return row !== NO_ROW && this.#entries.versions.tsOf(row) > afterTs;
  }

  /** Estimated bytes of keys and values in a span, by whole blocks at its ends. */
  bytesIn(span: Span): number {
    if (this.size === 0) return 0;
    const liveBytes = this.bytes - this.#deadBytes;
    return Math.round((this.#blocks.countIn(span) / this.size) * liveBytes);
  }

  /** Forgets every version in a span. */
  removeSpan(span: Span): void {
    const { versions } = this.#entries;
    this.#blocks.removeSpan(span, (entry) => {
      const key = this.#entries.keyOf(entry);
      for (let row = this.#entries.newestOf(entry); row !== NO_ROW; row = versions.olderThan(row)) {
        this.#deadBytes += versions.bytesOf(row);
      }
      this.#numbers.delete(key);
      this.#entries.forget(entry);
      this.#keyBytes -= ENTRY_BYTES + key.length;
    });
    if (this.size > 0) return;
    this.#deadBytes = 0;
    this.#entries = new MemEntries();
    this.#blocks = new EntryBlocks(this.#entries);
  }

  /** At the first entry at or above `start`, moving up. */
  cursorFrom(start: Key): TableCursor {
    return this.#blocks.cursorFrom(start);
  }

  /** At the last entry below `end`, moving down. */
  cursorBelow(end: Key): TableCursor {
    return this.#blocks.cursorBelow(end);
  }
}

/** Whether a span holds exactly its start. */
export function isPoint(span: Span): boolean {
  const { start, end } = span;
  return end.length === start.length + 1 && end.endsWith('\0') && end.startsWith(start);
}
