/**
 * The log of one range as its Raft node sees it: a tail of entries in memory behind a boundary of which only index and
 * term are known. Pure memory: durable storage is the caller's, who reports with `persisted`.
 *
 *   boundary | entries ....... | persisted ... | last
 *
 * Invariants: indexes are contiguous; a committed entry is never replaced (RAFT-4); the boundary never passes what is
 * applied or what is not yet persisted. The tail is bounded by `trim`, which the owner calls with its budget.
 */
import { assert } from '../../src/base/assert.ts';
import type { Entry } from './messages.ts';

/** What an entry costs in memory beyond its data: bounds in bytes bound the number of small entries too. */
const ENTRY_OVERHEAD_BYTES = 64;

function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export class RaftLog {
  #boundaryIndex: number;
  #boundaryTerm: number;
  #entries: Entry[];
  #bytes = 0;
  /** Everything up to here is durable at this node. */
  #persisted: number;
  /** Everything up to here is decided. */
  #committed: number;

  constructor(boundary: { index: number; term: number }, entries: readonly Entry[]) {
    this.#boundaryIndex = boundary.index;
    this.#boundaryTerm = boundary.term;
    this.#entries = [...entries];
    entries.forEach((entry, i) => {
      assert(entry.index === boundary.index + 1 + i, 'recovered entries are contiguous');
      this.#bytes += entryBytes(entry);
    });
    this.#persisted = this.lastIndex;
    this.#committed = boundary.index;
  }

  /** The first entry in memory. */
  get firstIndex(): number {
    return this.#boundaryIndex + 1;
  }

  get lastIndex(): number {
    return this.#boundaryIndex + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#boundaryTerm;
  }

  get persistedIndex(): number {
    return this.#persisted;
  }

  get commitIndex(): number {
    return this.#committed;
  }

  /** Undefined for what is not known: before the boundary, after the end. */
  termAt(index: number): number | undefined {
    if (index === this.#boundaryIndex) return this.#boundaryTerm;
    return this.#entries[index - this.#boundaryIndex - 1]?.term;
  }

  matches(index: number, term: number): boolean {
    return this.termAt(index) === term;
  }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** What the entry costs in bytes. */
  append(entry: Entry): number {
    assert(entry.index === this.lastIndex + 1, 'RAFT-2: a log is appended to at its end');
    this.#entries.push(entry);
    const bytes = entryBytes(entry);
    this.#bytes += bytes;
    return bytes;
  }

  /** Removes `from` and everything after it. */
  truncateFrom(from: number): void {
    assert(from > this.#committed, 'RAFT-4: a committed entry is never replaced');
    const removed = this.#entries.splice(from - this.#boundaryIndex - 1);
    for (const entry of removed) this.#bytes -= entryBytes(entry);
    this.#persisted = Math.min(this.#persisted, from - 1);
  }

  /** Entries `from` to `to`, about `bytesMax` of them but always one; none when `from` is past the end. */
  slice(from: number, to: number, bytesMax: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    const end = Math.min(to, this.lastIndex);
    for (let index = from; index <= end; index++) {
      const entry = this.#entries[index - this.#boundaryIndex - 1];
      assert(entry !== undefined, 'entry is in memory');
      bytes += entryBytes(entry);
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  /** Entries up to `index` are decided: what they hold in bytes, 0 when that is no news. */
  commitTo(index: number): number {
    assert(index <= this.lastIndex, 'RAFT-4: what is committed is in the log');
    let bytes = 0;
    for (; this.#committed < index; this.#committed++) {
      const entry = this.#entries[this.#committed - this.#boundaryIndex];
      if (entry !== undefined) bytes += entryBytes(entry);
    }
    return bytes;
  }

  /** The last index at or below `at` whose term is at most `term`: two logs cannot agree beyond it. */
  lastAtOrBelowTerm(at: number, term: number): number {
    let index = Math.min(at, this.lastIndex);
    while (index > this.#boundaryIndex && (this.termAt(index) ?? 0) > term) index--;
    return index;
  }

  /** The log is durable up to this entry, unless it has been replaced since. */
  persisted(index: number, term: number): void {
    if (index > this.#persisted && this.matches(index, term)) this.#persisted = index;
  }

  /** Lets go of entries up to `index`, of which all are applied and persisted. */
  compact(index: number): void {
    if (index <= this.#boundaryIndex) return;
    assert(index <= this.#persisted, 'compacting what is not durable');
    const term = this.termAt(index);
    assert(term !== undefined, 'compacting past the end');
    const removed = this.#entries.splice(0, index - this.#boundaryIndex);
    for (const entry of removed) this.#bytes -= entryBytes(entry);
    this.#boundaryIndex = index;
    this.#boundaryTerm = term;
  }

  /**
   * Where to compact to when more than `bytesMax` are in memory, not above `limit`: a quarter goes at once, so that
   * the array is not moved for every entry. A log that has just been read is far above the bound while its first entries
   * are applied: then a quarter of the entries waits to be let go together.
   */
  trimIndex(bytesMax: number, limit: number): number {
    let index = this.#boundaryIndex;
    if (this.#bytes <= bytesMax) return index;
    const end = Math.min(limit, this.#persisted);
    if ((end - index) * 4 < this.#entries.length) return index;
    let excess = this.#bytes - bytesMax * 0.75;
    while (excess > 0 && index < end) {
      const entry = this.#entries[index - this.#boundaryIndex];
      if (entry !== undefined) excess -= entryBytes(entry);
      index++;
    }
    return index;
  }
}
