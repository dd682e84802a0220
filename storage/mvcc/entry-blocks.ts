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
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { MemEntries } from './mem-entries.ts';
import { MemVersion } from './version-rows.ts';

const BLOCK_MAX = 128;
/** So many are sorted at once. */
const RUN = 2048;
/** Of the entries in blocks, as many may wait: each is then copied about so often, whatever the size of the table. */
const WAITING_SHARE = 1 / 16;

/** Entries by their numbers. */
interface Block {
  entries: number[];
  tsMax: number;
}

export class EntryBlocks {
  readonly #entries: MemEntries;
  /** In key order, none empty. */
  #blocks: Block[] = [];
  /** By the number of the entry; undefined while it waits. */
  readonly #blockOf: (Block | undefined)[] = [];
  /** How many entries are in blocks. */
  #placed = 0;
  /** Sorted, `RUN` in each. */
  #runs: number[][] = [];
  /** Fewer than `RUN`, in the order they came. */
  #waiting: number[] = [];
  readonly #byKey = (a: number, b: number): number =>
    this.#entries.keyOf(a) < this.#entries.keyOf(b) ? -1 : 1;

  constructor(entries: MemEntries) {
    this.#entries = entries;
  }

  /** The entry that was added last; its key must not be there. */
  add(entry: number): void {
    this.#blockOf.push(undefined);
    this.#waiting.push(entry);
    if (this.#waiting.length < RUN) return;
    this.#runs.push(this.#waiting.sort(this.#byKey));
    this.#waiting = [];
    if (this.#runs.length * RUN > this.#placed * WAITING_SHARE) this.#place();
  }

  /** The entry has a version at `ts` now. */
  noteNewer(entry: number, ts: Timestamp): void {
    const block = this.#blockOf[entry];
    if (block !== undefined && ts > block.tsMax) block.tsMax = ts;
  }

  /** Whether a version in the span is above `afterTs`. */
  hasNewer(span: Span, afterTs: number): boolean {
    const blocks = this.#ordered();
    for (let b = this.#blockFor(span.start); b < blocks.length; b++) {
      const block = blocks[b];
      if (block === undefined || this.#firstKey(block) >= span.end) return false;
      if (block.tsMax <= afterTs) continue;
      for (const entry of block.entries) {
        if (this.#entries.newestTs(entry) <= afterTs) continue;
        const key = this.#entries.keyOf(entry);
        if (key >= span.start && key < span.end) return true;
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
      if (block === undefined || this.#firstKey(block) >= span.end) break;
      count += block.entries.length;
    }
    return count;
  }

  /** Takes out every entry in a span and gives it to `onRemoved`. */
  removeSpan(span: Span, onRemoved: (entry: number) => void): void {
    const kept: Block[] = [];
    for (const block of this.#ordered()) {
      const entries = block.entries.filter((entry) => {
        const key = this.#entries.keyOf(entry);
        if (key < span.start || key >= span.end) return true;
        onRemoved(entry);
        this.#blockOf[entry] = undefined;
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
    const index = this.#lowerBound(blocks[block]?.entries ?? [], start);
    return new TableCursor(this.#entries, blocks, { block, index, step: 1 });
  }

  /** At the last entry below `end`, moving down. */
  cursorBelow(end: Key): TableCursor {
    const blocks = this.#ordered();
    const block = this.#blockFor(end);
    const index = this.#lowerBound(blocks[block]?.entries ?? [], end) - 1;
    return new TableCursor(this.#entries, blocks, { block, index, step: -1 });
  }

  #ordered(): readonly Block[] {
    if (this.#waiting.length + this.#runs.length > 0) this.#place();
    return this.#blocks;
  }

  /** Merges what waits into the blocks. */
  #place(): void {
    // The sort finds the runs and merges them.
    const waiting = [...this.#runs.flat(), ...this.#waiting].sort(this.#byKey);
    this.#placed += waiting.length;
    this.#runs = [];
    this.#waiting = [];
    if (this.#blocks.length === 0) {
      this.#blocks = this.#cut(waiting, BLOCK_MAX);
      return;
    }
    /** What has become of blocks that grew too large, by their place. */
    const cuts = new Map<number, Block[]>();
    let at = 0;
    let from = 0;
    while (from < waiting.length) {
      at = this.#blockFor(this.#entries.keyOf(must(waiting[from])), at);
      const block = must(this.#blocks[at]);
      const next = this.#blocks[at + 1];
      const to = next === undefined ? waiting.length : this.#endBelow(waiting, from, next);
      const pieces = this.#merge(block, waiting.slice(from, to));
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
      const block = this.#blocks[middle];
      if (block !== undefined && this.#firstKey(block) <= key) first = middle;
      else last = middle - 1;
    }
    return first;
  }

  #firstKey({ entries }: Block): Key {
    return this.#entries.keyOf(must(entries[0]));
  }

  /** Puts sorted entries into a block; returns what takes its place if it holds too many then. */
  #merge(block: Block, added: readonly number[]): Block[] | undefined {
    const { entries } = block;
    const first = must(added[0]);
    const last = entries[entries.length - 1];
    const isAppend = last === undefined || this.#entries.keyOf(last) < this.#entries.keyOf(first);
    const all = isAppend ? [...entries, ...added] : this.#mergeSorted(entries, added);
    if (all.length > BLOCK_MAX) {
      // A load in the order of keys leaves full blocks behind instead of half ones.
      const pieces = Math.ceil(all.length / BLOCK_MAX);
      return this.#cut(all, isAppend ? BLOCK_MAX : Math.ceil(all.length / pieces));
    }
    block.entries = all;
    this.#settle(block, added);
    return undefined;
  }

  #mergeSorted(a: readonly number[], b: readonly number[]): number[] {
    const all: number[] = [];
    let from = 0;
    for (const entry of b) {
      const to = this.#lowerBound(a, this.#entries.keyOf(entry), from);
      for (; from < to; from++) all.push(a[from] as number);
      all.push(entry);
    }
    for (; from < a.length; from++) all.push(a[from] as number);
    return all;
  }

  /** Blocks of sorted entries, at most `size` in each. */
  #cut(entries: readonly number[], size: number): Block[] {
    const blocks: Block[] = [];
    for (let from = 0; from < entries.length; from += size) {
      const block: Block = { entries: entries.slice(from, from + size), tsMax: 0 };
      this.#settle(block, block.entries);
      blocks.push(block);
    }
    return blocks;
  }

  /** These entries are in the block from now on. */
  #settle(block: Block, entries: readonly number[]): void {
    for (const entry of entries) {
      this.#blockOf[entry] = block;
      const ts = this.#entries.newestTs(entry);
      if (ts > block.tsMax) block.tsMax = ts;
    }
  }

  /** The end of those from `from` on that are below the block. */
  #endBelow(sorted: readonly number[], from: number, block: Block): number {
    const end = this.#firstKey(block);
    let to = from + 1;
    for (let entry = sorted[to]; entry !== undefined; entry = sorted[to]) {
      if (this.#entries.keyOf(entry) >= end) break;
      to++;
    }
    return to;
  }

  #lowerBound(entries: readonly number[], key: Key, from = 0): number {
    let low = from;
    let high = entries.length;
    const last = entries[high - 1];
    if (last !== undefined && this.#entries.keyOf(last) < key) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = entries[middle];
      if (at !== undefined && this.#entries.keyOf(at) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A place among the blocks. Valid until entries come or go. */
export class TableCursor {
  readonly #entries: MemEntries;
  readonly #blocks: readonly Block[];
  readonly #step: 1 | -1;
  #block: number;
  #index: number;
  #entry: number | undefined;
  /** The key at this place; undefined past the end. */
  key: Key | undefined;

  constructor(
    entries: MemEntries,
    blocks: readonly Block[],
    place: { readonly block: number; readonly index: number; readonly step: 1 | -1 },
  ) {
    this.#entries = entries;
    this.#blocks = blocks;
    this.#block = place.block;
    this.#index = place.index;
    this.#step = place.step;
    this.#settle();
  }

  move(): void {
    this.#index += this.#step;
    this.#settle();
  }

  /** The newest version of the key at this place. */
  newest(): MemVersion | undefined {
    return this.at(TS_MAX);
  }

  /** Its newest version at or below `ts`. */
  at(ts: Timestamp): MemVersion | undefined {
    if (this.#entry === undefined) return undefined;
    const { versions } = this.#entries;
    const row = versions.visible(this.#entries.newestOf(this.#entry), ts);
    return MemVersion.at(versions, row);
  }

  #settle(): void {
    this.#entry = this.#blocks[this.#block]?.entries[this.#index];
    if (this.#entry === undefined) {
      this.#block += this.#step;
      const entries = this.#blocks[this.#block]?.entries ?? [];
      this.#index = this.#step === 1 ? 0 : entries.length - 1;
      this.#entry = entries[this.#index];
    }
    this.key = this.#entry === undefined ? undefined : this.#entries.keyOf(this.#entry);
  }
}
