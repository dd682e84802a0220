/**
 * Time-outs of things that hardly ever time out, one timer for all of them: a timer of its own costs more than the
 * request that it bounds. What is due is found by sweeps, so that a time-out comes up to `SWEEP_MS` late, and never early.
 */
import { assert } from '../../src/base/assert.ts';
import type { Clock, Scheduler } from '../../src/env/env.ts';

/** How late a time-out may come. */
const SWEEP_MS = 100;

/** Embedded in what waits, so that a wait takes no object of its own. */
export interface Deadline {
  deadlineMs: number;
  /** Where it stands among those that wait; -1: it does not wait. */
  slot: number;
  onExpired(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #waiting: Deadline[] = [];
  #isSweeping = false;

  constructor(env: { readonly clock: Clock; readonly scheduler: Scheduler }) {
    this.#clock = env.clock;
    this.#scheduler = env.scheduler;
  }

  /** `onExpired` is called once after at least `timeoutMs`, unless it is removed before. */
  add(deadline: Deadline, timeoutMs: number): void {
    assert(deadline.slot < 0, 'it waits already');
    deadline.deadlineMs = this.#clock.monotonicMs() + timeoutMs;
    deadline.slot = this.#waiting.push(deadline) - 1;
    this.#sweepLater();
  }

  remove(deadline: Deadline): void {
    const { slot } = deadline;
    if (slot < 0) return;
    deadline.slot = -1;
    const last = this.#waiting.pop();
    if (last === undefined || last === deadline) return;
    last.slot = slot;
    this.#waiting[slot] = last;
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#scheduler.after(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#isSweeping = false;
    const now = this.#clock.monotonicMs();
    const due = this.#waiting.filter(({ deadlineMs }) => deadlineMs <= now);
    for (const deadline of due) {
      // Another that was due may have removed it.
      if (deadline.slot < 0) continue;
      this.remove(deadline);
      deadline.onExpired();
    }
    if (this.#waiting.length > 0) this.#sweepLater();
  }
}
