/**
 * Spreads a checkpoint over time. The engine sorts in the background what it is given, with several times the work of
 * writing it; all at once that leaves no processor to anything else for seconds. So the checkpoint rests after each
 * batch, `spreadMs` in all for a full table; but not when it would fall behind the table that fills meanwhile, when
 * another writer waits, or when the store is to be closed.
 */
import type { Scheduler } from '../../src/env/env.ts';

/** Rests are cut into naps, so that what becomes urgent is not kept waiting. */
const NAP_MS = 20;

export class CheckpointPace {
  readonly #scheduler: Scheduler;
  readonly #spreadMs: number;
  readonly #isUrgent: (progress: number) => boolean;
  #restedMs = 0;

  constructor(
    scheduler: Scheduler,
    spreadMs: number,
    /** Told how much is done, from 0 to 1. */
    isUrgent: (progress: number) => boolean,
  ) {
    this.#scheduler = scheduler;
    this.#spreadMs = spreadMs;
    this.#isUrgent = isUrgent;
  }

  /** Rests until as much of the time is over as of the work. */
  async rest(progress: number): Promise<void> {
    const untilMs = progress * this.#spreadMs;
    while (this.#restedMs < untilMs && !this.#isUrgent(progress)) {
      await this.#scheduler.sleep(NAP_MS);
      this.#restedMs += NAP_MS;
    }
    // Time that was not taken is not made up for later.
    this.#restedMs = Math.max(this.#restedMs, untilMs);
  }
}
