/**
 * Time-outs of things that hardly ever time out, one timer for all of them: a timer of its own costs more than the
 * request that it bounds. What is due is found by sweeps, so that a time-out comes up to `SWEEP_MS` late, and never early.
 */
import type { Clock, Scheduler } from '../../src/env/env.ts';

/** How late a time-out may come. */
const SWEEP_MS = 100;

/** Embedded in what waits, so that a wait takes no object of its own. */
export interface Deadline {
  deadlineMs: number;
  onExpired(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #waiting = new Set<Deadline>();
  #isSweeping = false;

  constructor(env: { readonly clock: Clock; readonly scheduler: Scheduler }) {
    this.#clock = env.clock;
    this.#scheduler = env.scheduler;
  }

  /** `onExpired` is called once after at least `timeoutMs`, unless it is removed before. */
  add(deadline: Deadline, timeoutMs: number): void {
    deadline.deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    this.#waiting.add(deadline);
    this.#sweepLater();
  }

  remove(deadline: Deadline): void {
    this.#waiting.delete(deadline);
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#scheduler.after(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#isSweeping = false;
    const now = this.#clock.monotonicMs();
    for (const deadline of this.#waiting) {
      if (deadline.deadlineMs > now) continue;
      this.#waiting.delete(deadline);
      deadline.onExpired();
    }
    if (this.#waiting.size > 0) this.#sweepLater();
  }
}
