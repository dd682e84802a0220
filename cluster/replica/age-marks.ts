/**
 * Which timestamp was current so long ago. Asked of the monotonic clock, because timestamps do not measure time: the
 * cluster's clock jumps as far as a wall clock was wrong, and nothing has become old by that.
 */
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';

interface Mark {
  readonly atMs: number;
  readonly ts: Timestamp;
}

/** So many marks for the age asked for; older ones are dropped. */
const MARKS = 60;

export class AgeMarks {
  readonly #ageMs: number;
  /** In order of time. */
  readonly #marks: Mark[] = [];

  constructor(ageMs: number) {
    this.#ageMs = ageMs;
  }

  /** `ts` is current now. */
  note(nowMs: number, ts: Timestamp): void {
    const last = this.#marks.at(-1);
    if (last === undefined || nowMs - last.atMs >= this.#ageMs / MARKS) {
      this.#marks.push({ atMs: nowMs, ts });
    }
  }

  /** One that was current `ageMs` ago, or somewhat before; 0: nothing is known of that time. */
  aged(nowMs: number): Timestamp {
    const isOld = (mark: Mark | undefined): mark is Mark =>
      mark !== undefined && nowMs - mark.atMs >= this.#ageMs;
    while (isOld(this.#marks[1])) this.#marks.shift();
    const [first] = this.#marks;
    return isOld(first) ? first.ts : TS_ZERO;
  }
}
