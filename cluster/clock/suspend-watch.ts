/**
 * LEASE-4: the monotonic clock stands still while a machine is suspended, and a lease counted by it would outlive its
 * followers' patience. Boot time goes on; so a sample of the distance between the two is taken with every tick, and a
 * lease that began at some moment is void when the distance has grown since then.
 */
import type { Clock } from '../../src/env/env.ts';

const SAMPLES_MAX = 64;

interface Sample {
  readonly monotonicMs: number;
  readonly distanceMs: number;
}

export class SuspendWatch {
  readonly #clock: Clock;
  readonly #toleranceMs: number;
  /** Oldest first. */
  #samples: Sample[] = [];

  constructor(clock: Clock, toleranceMs: number) {
    this.#clock = clock;
    this.#toleranceMs = toleranceMs;
  }

  /** Called with every tick: more often than leases are long. */
  sample(): void {
    const monotonicMs = this.#clock.monotonicMs();
    this.#samples.push({ monotonicMs, distanceMs: this.#clock.bootMs() - monotonicMs });
    if (this.#samples.length > SAMPLES_MAX) this.#samples = this.#samples.slice(SAMPLES_MAX / 2);
  }

  /** Has the machine been suspended, or its wall clock been set, since that monotonic moment? */
  hasJumpedSince(monotonicMs: number): boolean {
    const before = this.#samples.findLast((sample) => sample.monotonicMs <= monotonicMs);
    if (before === undefined) return true;
    const distanceMs = this.#clock.bootMs() - this.#clock.monotonicMs();
    return Math.abs(distanceMs - before.distanceMs) > this.#toleranceMs;
  }
}
