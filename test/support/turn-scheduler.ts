/**
 * A scheduler whose turns are given out by the test. `defer`red work waits for `turn`; `automatic` gives a turn as
 * soon as the microtasks of the last one are done. No delays: `after` and `sleep` are refused.
 */
import type { Scheduler, Timer } from '../../src/env/env.ts';

export class TurnScheduler implements Scheduler {
  readonly #isAutomatic: boolean;
  #deferred: (() => void)[] = [];

  constructor(mode: 'manual' | 'automatic') {
    this.#isAutomatic = mode === 'automatic';
  }

  defer(fn: () => void): void {
    if (this.#isAutomatic) setImmediate(fn);
    else this.#deferred.push(fn);
  }

  deferLast(fn: () => void): void {
    this.defer(fn);
  }

  /** Runs what was deferred so far, then lets all microtasks finish. */
  async turn(): Promise<void> {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const fn of deferred) fn();
    await settle();
  }

  after(): Timer {
    throw new Error('no delays in this test');
  }

  sleep(): Promise<void> {
    return Promise.reject(new Error('no delays in this test'));
  }
}

/** Lets every microtask that can run, run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
