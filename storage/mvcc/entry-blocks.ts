/**
 * The entries of a memory table in the order of their keys: a list of sorted blocks. Each block knows the highest
 * timestamp in it, so that a validation skips most of a span.
 *
 * An entry that is added waits until order is asked for, or until a share of the table waits; then all of them are merged
 * into the blocks in one walk: to search the place of each alone goes through memory all over the table, the walk copies
 * every block that gets one, and reads and writes by key never ask for order. What waits is sorted a run at a time, so
 * that little is left to do when it is merged.
 *
 * Synchronous; cursors hold until the next change, so they are never kept across an await while entries may be added.
 */
import { must } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MIN } from '../../src/base/span.ts';
import type { MemVersion } from './memory-table.ts';

const BLOCK_MAX = 128;
/** So many are sorted at once. */
const RUN = 2048;
/** Of the entries in blocks, as many may wait: each is then copied about so often, whatever the size of the table. */
const WAITING_SHARE = 1 / 16;

export interface MemEntry {
  readonly key: Key;
  newest: MemVersion;
  /** Undefined while the entry waits. */
  block: Block | undefined;
}

interface Block {
  entries: MemEntry[];
  tsMax: number;
}

export class EntryBlocks {
  /** In key order, none empty. */
  #blocks: Block[] = [];
  /** How many entries are in blocks. */
  #placed = 0;
  /** Sorted, `RUN` in each. */
  #runs: MemEntry[][] = [];
  /** Fewer than `RUN`, in the order they came. */
  #waiting: MemEntry[] = [];

  /** Its key must not be there. */
  add(entry: MemEntry): void {
    this.#waiting.push(entry);
    if (this.#waiting.length < RUN) return;
    this.#runs.push(this.#waiting.sort(byKey));
    this.#waiting = [];
    if (this.#runs.length * RUN > this.#placed * WAITING_SHARE) this.#place();
  }

  /** Whether a version in the span is above `afterTs`. */
  hasNewer(span: Span, afterTs: number): boolean {
    const blocks = this.#ordered();
    for (let b = this.#blockFor(span.start); b < blocks.length; b++) {
      const block = blocks[b];
      const start = block?.entries[0];
      if (block === undefined || start === undefined || start.key >= span.end) return false;
      if (block.tsMax <= afterTs) continue;
      for (const { key, newest } of block.entries) {
        if (newest.ts > afterTs && key >= span.start && key < span.end) return true;
      }
    }
    return false;
  }

  /** How many entries a span has, by whole blocks at its ends. */
  countIn(span: Span): number {
    const blocks = this.#ordered();
    let count = 0;
    for (let b = this.#blockFor(span.start); b < blocks.length; b++) {
      const block = blocks[b];
      const start = block?.entries[0];
      if (block === undefined || start === undefined || start.key >= span.end) break;
      count += block.entries.length;
    }
    return count;
  }

  /** Takes out every entry in a span and gives it to `onRemoved`. */
  removeSpan(span: Span, onRemoved: (entry: MemEntry) => void): void {
    const kept: Block[] = [];
    for (const block of this.#ordered()) {
      const entries = block.entries.filter((entry) => {
        if (entry.key < span.start || entry.key >= span.end) return true;
        onRemoved(entry);
        this.#placed--;
        return false;
      });
      block.entries = entries;
      if (entries.length > 0) kept.push(block);
    }
    this.#blocks = kept;
  }

  /** At the first entry at or above `start`, moving up. */
  cursorFrom(start: Key): TableCursor {
    const blocks = this.#ordered();
    const block = this.#blockFor(start);
    const index = lowerBound(blocks[block]?.entries ?? [], start);
    return new TableCursor(blocks, block, index, 1);
  }

  /** At the last entry below `end`, moving down. */
  cursorBelow(end: Key): TableCursor {
    const blocks = this.#ordered();
    const block = this.#blockFor(end);
    const index = lowerBound(blocks[block]?.entries ?? [], end) - 1;
    return new TableCursor(blocks, block, index, -1);
  }

  #ordered(): readonly Block[] {
    if (this.#waiting.length + this.#runs.length > 0) this.#place();
    return this.#blocks;
  }

  /** Merges what waits into the blocks. */
  #place(): void {
    // The sort finds the runs and merges them.
    const waiting = [...this.#runs.flat(), ...this.#waiting].sort(byKey);
    this.#placed += waiting.length;
    this.#runs = [];
    this.#waiting = [];
    if (this.#blocks.length === 0) {
      this.#blocks = cut(waiting, BLOCK_MAX);
      return;
    }
    /** What has become of blocks that grew too large, by their place. */
    const cuts = new Map<number, Block[]>();
    let at = 0;
    let from = 0;
    while (from < waiting.length) {
      at = this.#blockFor(waiting[from]?.key ?? KEY_MIN, at);
      const block = must(this.#blocks[at]);
      const to = endBelow(waiting, from, this.#blocks[at + 1]?.entries[0]?.key);
      const pieces = merge(block, waiting.slice(from, to));
      if (pieces !== undefined) cuts.set(at, pieces);
      from = to;
    }
    if (cuts.size === 0) return;
    this.#blocks = this.#blocks.flatMap((block, place) => cuts.get(place) ?? block);
  }

  /** The last block of those from `low` on whose first key is at or below `key`, or the one at `low`. */
  #blockFor(key: Key, low = 0): number {
    let first = low;
    let last = this.#blocks.length - 1;
    while (first < last) {
      const middle = (first + last + 1) >>> 1;
      const start = this.#blocks[middle]?.entries[0];
      if (start !== undefined && start.key <= key) first = middle;
      else last = middle - 1;
    }
    return first;
  }
}

/** A place among the blocks. Valid until entries come or go. */
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

/** Puts sorted entries into a block; returns what takes its place if it holds too many then. */
function merge(block: Block, added: readonly MemEntry[]): Block[] | undefined {
  const { entries } = block;
  const [first] = added;
  if (first === undefined) return undefined;
  const last = entries[entries.length - 1];
  const isAppend = last === undefined || last.key < first.key;
  const all = isAppend ? [...entries, ...added] : mergeSorted(entries, added);
  if (all.length > BLOCK_MAX) {
    // A load in the order of keys leaves full blocks behind instead of half ones.
    const pieces = Math.ceil(all.length / BLOCK_MAX);
    return cut(all, isAppend ? BLOCK_MAX : Math.ceil(all.length / pieces));
  }
  block.entries = all;
  for (const entry of added) {
    entry.block = block;
    if (entry.newest.ts > block.tsMax) block.tsMax = entry.newest.ts;
  }
  return undefined;
}

function mergeSorted(a: readonly MemEntry[], b: readonly MemEntry[]): MemEntry[] {
  const all: MemEntry[] = [];
  let from = 0;
  for (const entry of b) {
    const to = lowerBound(a, entry.key, from);
    for (; from < to; from++) all.push(a[from] as MemEntry);
    all.push(entry);
  }
  for (; from < a.length; from++) all.push(a[from] as MemEntry);
  return all;
}

/** Blocks of sorted entries, at most `size` in each. */
function cut(entries: readonly MemEntry[], size: number): Block[] {
  const blocks: Block[] = [];
  for (let from = 0; from < entries.length; from += size) {
    const block: Block = { entries: entries.slice(from, from + size), tsMax: 0 };
    for (const entry of block.entries) {
      entry.block = block;
      if (entry.newest.ts > block.tsMax) block.tsMax = entry.newest.ts;
    }
    blocks.push(block);
  }
  return blocks;
}

function byKey(a: MemEntry, b: MemEntry): number {
  return a.key < b.key ? -1 : 1;
}

/** The end of those from `from` on that are below `end`. */
function endBelow(sorted: readonly MemEntry[], from: number, end: Key | undefined): number {
  if (end === undefined) return sorted.length;
  let to = from + 1;
  for (let entry = sorted[to]; entry !== undefined && entry.key < end; entry = sorted[to]) to++;
  return to;
}

function lowerBound(entries: readonly MemEntry[], key: Key, from = 0): number {
  let low = from;
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
