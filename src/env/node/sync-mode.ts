/**
 * How to wait for a disk: in place, or in another thread. An fdatasync that a fast disk answers in a tenth of a
 * millisecond costs less than the hand-over to a thread and back, and what arrives meanwhile is handled together
 * afterwards; one that takes milliseconds must not hold up everything else. So the time of those done in place decides,
 * and where they take too long, one in many is still done in place to see whether that has changed.
 */

/** Weight of the newest measurement in the moving average. */
const WEIGHT = 1 / 8;
const IN_PLACE_MAX_MS = 1;
const PROBE_EVERY = 128;

export class SyncMode {
  #averageMs = 0;
  #sinceProbe = 0;

  /** Is the next one done in place? If so, `note` is told how long it took. */
  next(): boolean {
    if (this.#averageMs <= IN_PLACE_MAX_MS) return true;
    this.#sinceProbe = (this.#sinceProbe + 1) % PROBE_EVERY;
    return this.#sinceProbe === 0;
  }

  note(tookMs: number): void {
    this.#averageMs += (tookMs - this.#averageMs) * WEIGHT;
  }
}
