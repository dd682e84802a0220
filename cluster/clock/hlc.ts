/**
 * The node's hybrid logical clock (design, section 2). `read` is what it shows, `next` a timestamp never given
 * before, `forward` raises it. CLOCK-4: the wall clock lifts it no further than a cap that the clock
 * guard sets from the acceptors' median. CLOCK-1 is kept beside, in clock-ceiling.ts. Synchronous; one per node.
 */
import { assert } from '../../src/base/assert.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX, timestampOfUnixMs } from '../../src/base/timestamp.ts';
import type { Clock } from '../../src/env/env.ts';

export class Hlc {
  readonly #clock: Clock;
  /** The highest timestamp shown, given out or heard of. */
  #latest: Timestamp;
  /** CLOCK-4: the wall clock lifts the HLC no further than the monotonic clock plus this. */
  #wallCapOffsetMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, floor: Timestamp) {
    this.#clock = clock;
    this.#latest = floor;
  }

  /** Shows the clock: at or above everything it has shown, given out or heard of. */
  read(): Timestamp {
    const wall = this.wall();
    if (wall > this.#latest) this.#latest = wall;
    return this.#latest;
  }

  /** A timestamp above everything shown, given out or heard of. */
  next(): Timestamp {
    const shown = this.#latest;
    const now = this.read();
    if (now === shown) this.#latest = (shown + 1) as Timestamp;
    return this.#latest;
  }

  /** The wall clock, as far as it is believed (CLOCK-4). */
  wall(): Timestamp {
    if (isBroken('CLOCK-4')) return timestampOfUnixMs(this.#clock.wallMs());
    const cap = this.#clock.monotonicMs() + this.#wallCapOffsetMs;
    return timestampOfUnixMs(Math.min(this.#clock.wallMs(), cap));
  }

  forward(ts: Timestamp): void {
    assert(ts <= TS_MAX, 'timestamp out of range');
    if (ts > this.#latest) this.#latest = ts;
  }

  setWallCap(offsetMs: number): void {
    this.#wallCapOffsetMs = offsetMs;
  }
}
