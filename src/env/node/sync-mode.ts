/**
 * How to wait for a disk: in place, or in another thread. An fdatasync that a fast disk answers in a tenth of a
 * millisecond costs less than the hand-over to a thread and back, and what arrives meanwhile is handled together
 * afterwards. Two things speak against it: a disk that takes milliseconds, which must not hold up everything else, and
 * an event loop that has more to do than it has time for. So the time of those done in place decides, and where they
 * take too long, one in many is still done in place to see whether that has changed; and so does the share of time in
 * which the loop was at work on anything else.
 */

/** What the event loop did since some moment, in ms. */
export interface LoopTimes {
  readonly active: number;
  readonly idle: number;
}

/** Weight of the newest measurement in the moving average. */
const WEIGHT = 1 / 8;
const IN_PLACE_MAX_MS = 1;
/** A single one counts as no longer than this: a rare stall says nothing about the next one. */
const COUNTED_MAX_MS = 4;
const PROBE_EVERY = 128;
/** The loop's work is measured over at least so much. */
const WINDOW_MS = 50;
/** Above this share of its time the loop is too busy to wait. */
const BUSY_SHARE = 0.6;

export class SyncMode {
  readonly #loopTimes: () => LoopTimes;
  #averageMs = 0;
  #sinceProbe = 0;
  /** Where the present window began, and what of it went into waiting in place. */
  #from: LoopTimes;
  #inPlaceMs = 0;
  #isBusy = false;

  /** `loopTimes` grow, as `performance.eventLoopUtilization()` has them. */
  constructor(loopTimes: () => LoopTimes) {
    this.#loopTimes = loopTimes;
    this.#from = loopTimes();
  }

  /** Is the next one done in place? If so, `note` is told how long it took. */
  next(): boolean {
    this.#measureLoop();
    if (this.#isBusy) return false;
    if (this.#averageMs <= IN_PLACE_MAX_MS) return true;
    this.#sinceProbe = (this.#sinceProbe + 1) % PROBE_EVERY;
    return this.#sinceProbe === 0;
  }

  note(tookMs: number): void {
    this.#averageMs += (Math.min(tookMs, COUNTED_MAX_MS) - this.#averageMs) * WEIGHT;
    this.#inPlaceMs += tookMs;
  }

  #measureLoop(): void {
    const now = this.#loopTimes();
    const active = now.active - this.#from.active;
    const all = active + now.idle - this.#from.idle;
    if (all < WINDOW_MS) return;
    this.#isBusy = active - this.#inPlaceMs > all * BUSY_SHARE;
    this.#from = now;
    this.#inPlaceMs = 0;
  }
}
