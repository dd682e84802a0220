/**
 * Heads of the engine kept in memory as runs, so that a short scan over what is hot is answered in the turn in which
 * it came: a cursor of the engine costs two trips through the thread pool, whatever it reads.
 *
 *   keys      a    c  d       k     p  q            x
 *   runs      [=========)     [==========)
 *             a         f     k          r          a run has all heads of its span, perhaps none
 *
 * What a run says is what the engine held when the last batch that wrote into its span had ended. Why that is good
 * enough for a reader, who merges it with the memory tables:
 *   1. A batch that is under way only adds what the tables hold too, and takes away what nobody may read (collection)
 *      or nobody reads now (a span that is replaced). So heads from before it and from after it are both right, as
 *      long as versions are not missing elsewhere: with heads from *after* it the history could be.
 *   2. When it has ended, and before its writer goes on, the runs it wrote into are forgotten (`forget`, called by
 *      `BatchWriter`, through which every head is written). So the tables still hold what such a run lacks.
 *   3. What a cursor read is kept only if no batch has ended since the cursor was opened (`generation`): one that
 *      ends later forgets it, one that ended before the cursor was opened is in it.
 *
 * Nothing is copied, neither into the cache (each value is memory of its own, ENGINE-4) nor out of it: rows are handed
 * out as they are, and nobody changes them. Bounded by estimated heap bytes, some at least for each run; the hand of a
 * clock evicts runs that nobody asked for since it last came by. Synchronous.
 */
import { assert } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MIN } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { EngineEntry, EngineWrite } from '../engine/engine.ts';
import { headTimestamp, headValue, isHeadKey, keyOfHead } from './mvcc-key.ts';
import { SpanList } from './span-list.ts';

/** The newest version of a key in the engine; `value` undefined: a tombstone. */
export interface Head {
  readonly key: Key;
  readonly value: Uint8Array | undefined;
  readonly ts: Timestamp;
}

export interface HeadRun extends Span {
  /** All heads of the span, in key order. */
  readonly heads: readonly Head[];
}

interface Run extends HeadRun {
  readonly bytes: number;
  /** Asked for since the hand of the clock came by. */
  isUsed: boolean;
}

/** Heads of one run, at most: a write makes the cache forget as many. */
const RUN_HEADS = 128;
/** More than this part of the cache is not kept from one scan. */
const SHARE_MAX = 1 / 64;
/** Estimated heap bytes of a run and of a head (the buffer of its value most of all), without their data. */
const RUN_BYTES = 300;
const HEAD_BYTES = 450;

export class HeadCache {
  readonly #bytesMax: number;
  readonly #runs = new SpanList<Run>();
  #bytes = 0;
  /** Where the eviction goes on. */
  #hand: Key = KEY_MIN;
  #generation = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEnabled(): boolean {
    return this.#bytesMax > 0;
  }

  /** Batches that have ended. */
  get generation(): number {
    return this.#generation;
  }

  /** Estimated heap bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get runCount(): number {
    return this.#runs.size;
  }

  /** The run that `key` lies in. */
  at(key: Key): HeadRun | undefined {
    const run = this.#runs.endingAbove(key);
    if (run === undefined || run.start > key) return undefined;
    run.isUsed = true;
    return run;
  }

  /** The run that what comes right below `key` lies in. */
  below(key: Key): HeadRun | undefined {
    const run = this.#runs.endingFrom(key);
    if (run === undefined || run.start >= key) return undefined;
    run.isUsed = true;
    return run;
  }

  /** Keeps what a cursor has read: all heads of the span, in key order, as of `generation`. */
  add(span: Span, heads: readonly Head[], generation: number): void {
    if (generation !== this.#generation || sizeOf(heads) > this.#bytesMax * SHARE_MAX) return;
    let { start, end } = span;
    // What is known already stays, unless it lies within.
    const first = this.#runs.endingAbove(start);
    if (first !== undefined && first.start <= start) start = first.end;
    if (start >= end) return;
    for (;;) {
      const run = this.#runs.endingAbove(start);
      if (run === undefined || run.start >= end) break;
      if (run.end > end) {
        end = run.start;
        break;
      }
      this.#remove(run);
    }
    const fresh = runsOf(
      { start, end },
      heads.filter(({ key }) => key >= start && key < end),
    );
    // Crumbs beside it become part of it, so that runs do not get ever smaller.
    const before = this.#runs.endingFrom(start);
    const left = joined(before, fresh[0]);
    if (before !== undefined && left !== undefined) {
      this.#remove(before);
      fresh[0] = left;
    }
    const after = this.#runs.endingAbove(end);
    const right = joined(fresh[fresh.length - 1], after);
    if (after !== undefined && right !== undefined) {
      this.#remove(after);
      fresh[fresh.length - 1] = right;
    }
    for (const run of fresh) {
      this.#runs.insert(run);
      this.#bytes += run.bytes;
    }
    this.#evict();
  }

  /** A batch has ended: forgets the runs that it wrote into. */
  forget(writes: readonly EngineWrite[]): void {
    this.#generation++;
    let gone: Run | undefined;
    for (const { key: engineKey } of writes) {
      if (!isHeadKey(engineKey)) continue;
      const key = keyOfHead(engineKey);
      // Batches are nearly in key order: most writes lie where the last one did.
      if (gone !== undefined && key >= gone.start && key < gone.end) continue;
      const run = this.#runs.endingAbove(key);
      if (run === undefined || run.start > key) continue;
      gone = run;
      this.#remove(run);
    }
  }

  #remove(run: Run): void {
    this.#runs.remove(run);
    this.#bytes -= run.bytes;
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) {
      const run = this.#runs.endingAbove(this.#hand) ?? this.#runs.first;
      assert(run !== undefined, 'an empty cache is over its budget');
      this.#hand = run.end;
      if (run.isUsed) run.isUsed = false;
      else this.#remove(run);
    }
  }
}

export function headOf([engineKey, value]: EngineEntry): Head {
  return { key: keyOfHead(engineKey), value: headValue(value), ts: headTimestamp(value) };
}

/** The first of `heads` at or above `key`. */
export function firstHeadFrom(heads: readonly Head[], key: Key): number {
  let low = 0;
  let high = heads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const head = heads[middle];
    if (head !== undefined && head.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Both as one, if they are neighbours and not too large for it. */
function joined(a: Run | undefined, b: Run | undefined): Run | undefined {
  if (a === undefined || b === undefined || a.end !== b.start) return undefined;
  if (a.heads.length + b.heads.length > RUN_HEADS) return undefined;
  return {
    ...{ start: a.start, end: b.end, heads: [...a.heads, ...b.heads] },
    ...{ bytes: a.bytes + b.bytes, isUsed: a.isUsed || b.isUsed },
  };
}

function runsOf({ start, end }: Span, heads: readonly Head[]): Run[] {
  const runs: Run[] = [];
  for (let from = 0, at = start; at < end; from += RUN_HEADS) {
    const next = heads[from + RUN_HEADS]?.key ?? end;
    runs.push(runOf({ start: at, end: next }, heads.slice(from, from + RUN_HEADS)));
    at = next;
  }
  return runs;
}

function runOf({ start, end }: Span, heads: readonly Head[]): Run {
  const data = start.length + end.length + sizeOf(heads);
  return { start, end, heads, bytes: RUN_BYTES + heads.length * HEAD_BYTES + data, isUsed: false };
}

/** Bytes of keys and values. */
function sizeOf(heads: readonly Head[]): number {
  let size = 0;
  for (const { key, value } of heads) size += key.length + (value?.length ?? 0);
  return size;
}
