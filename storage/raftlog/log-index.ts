/**
 * Where the entries of one range lie: index → segment and offset, four bytes an entry. Runs of contiguous indexes, one
 * segment each, ascending and without gaps between them; a run may lie in a later segment than the next one (entries
 * copied forward). Pure memory, kept by who writes the log and by recovery, in the order of the records.
 */
import { assert, must } from '../../src/base/assert.ts';
import type { Segment } from './segment.ts';

interface Run {
  segment: Segment;
  first: number;
  count: number;
  offsets: Uint32Array;
}

export interface EntryPlace {
  readonly segment: Segment;
  readonly offset: number;
}

const RUN_CAPACITY_MIN = 16;

export class LogIndex {
  readonly #runs: Run[] = [];

  /** The lowest index there is; undefined when there is none. */
  get firstIndex(): number | undefined {
    return this.#runs[0]?.first;
  }

  get lastIndex(): number | undefined {
    const last = this.#runs.at(-1);
    return last === undefined ? undefined : last.first + last.count - 1;
  }

  /** Replaces what is at `index` or after it. A gap means that what was before had been let go. */
  append(index: number, segment: Segment, offset: number): void {
    const last = this.lastIndex;
    if (last !== undefined && index > last + 1) this.#runs.length = 0;
    else if (last !== undefined && index <= last) this.truncate(index);
    let run = this.#runs.at(-1);
    if (run?.segment !== segment) {
      run = { segment, first: index, count: 0, offsets: new Uint32Array(RUN_CAPACITY_MIN) };
      this.#runs.push(run);
    }
    push(run, offset);
  }

  /** Forgets `from` and everything after it. */
  truncate(from: number): void {
    for (let run = this.#runs.at(-1); run !== undefined; run = this.#runs.at(-1)) {
      if (run.first < from) {
        run.count = Math.min(run.count, from - run.first);
        return;
      }
      this.#runs.pop();
    }
  }

  /** Forgets what lies below `first`, or most of it: a run goes when nothing of it is left. */
  compact(first: number): void {
    let gone = 0;
    for (const run of this.#runs) {
      if (run.first + run.count > first) break;
      gone++;
    }
    this.#runs.splice(0, gone);
  }

  find(index: number): EntryPlace | undefined {
    const run = this.#runs[this.#runOf(index)];
    const offset = run?.offsets[index - run.first];
    return run === undefined || offset === undefined ? undefined : { segment: run.segment, offset };
  }

  /** The entry has been copied: it lies elsewhere now. Called with ascending indexes. */
  move(index: number, segment: Segment, offset: number): void {
    const at = this.#runOf(index);
    const run = this.#runs[at];
    assert(run !== undefined, 'an entry that is moved exists');
    const before = index - run.first;
    const left = before === 0 ? this.#runs[at - 1] : { ...run, count: before };
    const right = {
      ...{ segment: run.segment, first: index + 1, count: run.count - before - 1 },
      offsets: run.offsets.subarray(before + 1),
    };
    const moved = { segment, first: index, count: 1, offsets: Uint32Array.of(offset) };
    const parts = [moved, right].filter((part) => part.count > 0);
    if (before > 0 && left !== undefined) parts.unshift(left);
    this.#runs.splice(at, 1, ...parts);
    if (before === 0 && left?.segment === segment) this.#join(at - 1);
  }

  /** Is there an entry from `first` on that lies in the segment? */
  holds(segment: Segment, first: number): boolean {
    return this.#runs.some((run) => run.segment === segment && run.first + run.count > first);
  }

  /** The indexes from `first` on that lie in the segment, as half-open spans. */
  spansIn(segment: Segment, first: number): { readonly from: number; readonly to: number }[] {
    const spans = [];
    for (const run of this.#runs) {
      if (run.segment !== segment || run.first + run.count <= first) continue;
      spans.push({ from: Math.max(run.first, first), to: run.first + run.count });
    }
    return spans;
  }

  /** The position of the run that has the index; -1 when none has. */
  #runOf(index: number): number {
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const run = this.#runs[i];
      if (run === undefined || index >= run.first + run.count) return -1;
      if (index >= run.first) return i;
    }
    return -1;
  }

  /** Puts the run of one entry behind `at` at its end. */
  #join(at: number): void {
    const left = this.#runs[at];
    const [moved] = this.#runs.splice(at + 1, 1);
    assert(left !== undefined && moved !== undefined, 'two runs are joined');
    push(left, must(moved.offsets[0]));
  }
}

function push(run: Run, offset: number): void {
  if (run.count === run.offsets.length) {
    const grown = new Uint32Array(Math.max(RUN_CAPACITY_MIN, run.count * 2));
    grown.set(run.offsets);
    run.offsets = grown;
  }
  run.offsets[run.count++] = offset;
}
