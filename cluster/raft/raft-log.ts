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

export class RaftLog {
  #boundaryIndex: number;
  #boundaryTerm: number;
  #entries: Entry[];
  #bytes = 0;
  /** Everything up to here is durable at this node. */
  #persisted: number;

  constructor(boundary: { index: number; term: number }, entries: readonly Entry[]) {
    this.#boundaryIndex = boundary.index;
    this.#boundaryTerm = boundary.term;
    this.#entries = [...entries];
    entries.forEach((entry, i) => {
      assert(entry.index === boundary.index + 1 + i, 'recovered entries are contiguous');
      this.#bytes += entry.data.length;
    });
    this.#persisted = this.lastIndex;
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

  get bytes(): number {
    return this.#bytes;
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

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'RAFT-2: a log is appended to at its end');
    this.#entries.push(entry);
    this.#bytes += entry.data.length;
  }

  /** Removes `from` and everything after it. */
  truncateFrom(from: number): void {
    assert(from > this.#boundaryIndex, 'truncating before the boundary');
    const removed = this.#entries.splice(from - this.#boundaryIndex - 1);
    for (const entry of removed) this.#bytes -= entry.data.length;
    this.#persisted = Math.min(this.#persisted, from - 1);
  }

  /** Entries from `from` on, at most `bytesMax` of them but always one; none when `from` is past the end. */
  slice(from: number, to: number, bytesMax: number): Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    const end = Math.min(to, this.lastIndex);
    for (let index = from; index <= end; index++) {
      const entry = this.#entries[index - this.#boundaryIndex - 1];
      assert(entry !== undefined, 'entry is in memory');
      bytes += entry.data.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(entry);
    }
    return found;
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
    for (const entry of removed) this.#bytes -= entry.data.length;
    this.#boundaryIndex = index;
    this.#boundaryTerm = term;
  }

  /** The highest index to compact to so that at most `bytesMax` stay, not above `limit`. */
  trimIndex(bytesMax: number, limit: number): number {
    let bytes = this.#bytes;
    let index = this.#boundaryIndex;
    const end = Math.min(limit, this.#persisted);
    while (bytes > bytesMax && index < end) {
      bytes -= this.#entries[index - this.#boundaryIndex]?.data.length ?? 0;
      index++;
    }
    return index;
  }
}
