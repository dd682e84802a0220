/**
 * Spreads a checkpoint over time. The engine sorts in the background what it is given, with several times the work of
 * writing it; all at once that leaves no processor to anything else for seconds. So the checkpoint rests after each
 * batch, `spreadMs` in all for a full table; but not for longer than the table that fills meanwhile allows: what room is
 * left in it is shared out among the batches that are left. With no room it does not rest at all.
 */
import type { Scheduler } from '../../src/env/env.ts';

/** Rests are cut into naps, so that what becomes urgent is not kept waiting. */
const NAP_MS = 20;

export class CheckpointPace {
  readonly #scheduler: Scheduler;
  readonly #spreadMs: number;
  readonly #roomLeft: () => number;
  #restedMs = 0;
  /** At the end of the last rest. */
  #progress = 0;
  #room: number;

  constructor(
    scheduler: Scheduler,
    spreadMs: number,
    /** In bytes; 0 or less while something is urgent. */
    roomLeft: () => number,
  ) {
    this.#scheduler = scheduler;
    this.#spreadMs = spreadMs;
    this.#roomLeft = roomLeft;
    this.#room = roomLeft();
  }

  /** Rests until as much of the time is over as of the work, or this batch's share of the room is used up. */
  async rest(progress: number): Promise<void> {
    const untilMs = progress * this.#spreadMs;
    const leftAfter = this.#progress < 1 ? (1 - progress) / (1 - this.#progress) : 0;
    const roomAfter = Math.max(0, this.#room * leftAfter);
    while (this.#restedMs < untilMs && this.#roomLeft() > roomAfter) {
      await this.#scheduler.sleep(NAP_MS);
      this.#restedMs += NAP_MS;
    }
    // Time that was not taken is not made up for later.
    this.#restedMs = Math.max(this.#restedMs, untilMs);
    this.#progress = progress;
    this.#room = this.#roomLeft();
  }
}
