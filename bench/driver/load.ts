/**
 * Clients at work: in a closed loop, each begins an operation when its last one has ended; in an open loop, operations
 * fall due at random moments of a given mean rate (a Poisson process, as independent users make), whether or not the
 * database keeps up, and whoever is free takes the one that has been due longest.
 *
 * Coordinated omission: in the open loop latency counts from the moment an operation was due. A stall of the database
 * therefore shows in every operation that fell due meanwhile, not only in those that were under way.
 *
 * The clock is the only thing both loops share; everything runs in one event loop. An idle client of the open loop is
 * woken by a timer of millisecond resolution, whose lateness is part of the latency and reported on its own (`delay`):
 * polling instead would take a core from the database.
 */
import { SqlFailure } from '../workload.ts';
import type { Recorder } from './recorder.ts';

/** One simulated user as the loops see it. */
export interface Worker {
  /** One operation; its kind. Rejects with a `SqlFailure` when it failed; with anything else to end the run. */
  run(): Promise<string>;
  /** Called before the same operation is tried again. */
  rewind(): void;
}

export interface LoadClock {
  /** Microseconds since some moment; never goes back. */
  now(): number;
  /** Calls back after so many milliseconds or somewhat later. */
  wake(afterMs: number, call: () => void): void;
}

export interface LoadOptions {
  /** Operations per second of all workers together; undefined: closed loop. */
  readonly rate: number | undefined;
  readonly retriesMax: number;
  /** Uniform in [0, 1): the gaps between due moments. */
  readonly random: () => number;
}

/** A second try of these may succeed. 40003 says that the first may have, too. */
const RETRIABLE = new Set(['40001', '40P01', '40003']);
/** After a lost connection a worker waits this long before it tries again. */
const RECONNECT_PAUSE_MS = 100;

export const systemLoadClock: LoadClock = {
  now: () => performance.now() * 1000,
  wake: (afterMs, call) => void setTimeout(call, afterMs),
};

/** The workers' loops, in this order: `start`, `beginWindow`, `endWindow`, `stop`. */
export class Load {
  readonly #workers: readonly Worker[];
  readonly #options: LoadOptions;
  readonly #recorder: Recorder;
  readonly #clock: LoadClock;
  readonly #idle: (() => void)[] = [];
  #isStopped = false;
  #hasTimer = false;
  /** Open loop: when the next operation falls due; and how many have since the window began. */
  #nextDue = 0;
  #windowStart = 0;
  #dueCount = 0;
  #doneCount = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(
    workers: readonly Worker[],
    options: LoadOptions,
    recorder: Recorder,
    clock: LoadClock = systemLoadClock,
  ) {
    this.#workers = workers;
    this.#options = options;
    this.#recorder = recorder;
    this.#clock = clock;
  }

  start(): void {
    this.#restartSchedule();
    const loops = this.#workers.map((worker) => this.#loop(worker));
    this.#ended = Promise.all(loops).then(() => undefined);
    // Told to whoever waits for the end; until then it is no unhandled rejection.
    this.#ended.catch(() => undefined);
  }

  /** The measured window begins: notes are taken, and what the warm-up left undone is forgotten. */
  beginWindow(): void {
    this.#restartSchedule();
    this.#recorder.isOn = true;
  }

  /** Open loop: operations that fell due in the window and have not ended. */
  endWindow(): number {
    this.#recorder.isOn = false;
    const { rate } = this.#options;
    if (rate === undefined) return 0;
    const now = this.#clock.now();
    while (this.#nextDue <= now) this.#takeDue(rate);
    return this.#dueCount - this.#doneCount;
  }

  /** No further operation begins. Resolves when all have ended; rejects with what no worker may reject with. */
  stop(): Promise<void> {
    this.#isStopped = true;
    for (const wake of this.#idle.splice(0)) wake();
    return this.#ended;
  }

  /** Rejects as soon as a worker has rejected with what is no `SqlFailure`; resolves only after `stop`. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  async #loop(worker: Worker): Promise<void> {
    const { rate } = this.#options;
    try {
      while (!this.#isStopped) {
        const due = rate === undefined ? this.#clock.now() : await this.#nextOperation(rate);
        if (due === undefined) return;
        await this.#operate(worker, due);
      }
    } catch (error) {
      this.#isStopped = true;
      for (const wake of this.#idle.splice(0)) wake();
      throw error;
    }
  }

  async #operate(worker: Worker, dueAt: number): Promise<void> {
    const startedAt = this.#clock.now();
    for (let retries = 0; ; retries++) {
      try {
        const kind = await worker.run();
        const now = this.#clock.now();
        this.#ranDue(dueAt);
        // What was due before the window belongs to the warm-up; a closed loop has nothing due.
        if (this.#options.rate === undefined || dueAt >= this.#windowStart) {
          this.#recorder.succeeded(kind, now - dueAt, now - startedAt);
        }
        return;
      } catch (error) {
        if (!(error instanceof SqlFailure)) throw error;
        const isLast = retries >= this.#options.retriesMax || this.#isStopped;
        if (isLast || !RETRIABLE.has(error.sqlState)) {
          this.#ranDue(dueAt);
          this.#recorder.failed(error.sqlState);
          if (error.sqlState.startsWith('08')) await this.#pause(RECONNECT_PAUSE_MS);
          return;
        }
        this.#recorder.retried(error.sqlState);
        worker.rewind();
      }
    }
  }

  #ranDue(dueAt: number): void {
    if (dueAt >= this.#windowStart) this.#doneCount++;
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.#clock.wake(milliseconds, resolve));
  }

  /* ---------- the schedule of the open loop ---------- */

  #restartSchedule(): void {
    const { rate } = this.#options;
    this.#windowStart = this.#clock.now();
    this.#dueCount = 0;
    this.#doneCount = 0;
    if (rate !== undefined) this.#nextDue = this.#windowStart + this.#gap(rate);
  }

  /** Exponentially distributed, in microseconds. */
  #gap(rate: number): number {
    return (-Math.log(1 - this.#options.random()) / rate) * 1e6;
  }

  #takeDue(rate: number): number {
    const due = this.#nextDue;
    this.#nextDue += this.#gap(rate);
    this.#dueCount++;
    return due;
  }

  /** When the operation that this worker takes was due; undefined when the load has stopped. */
  async #nextOperation(rate: number): Promise<number | undefined> {
    let hasWaited = false;
    while (!this.#isStopped) {
      const now = this.#clock.now();
      if (this.#nextDue <= now) {
        const due = this.#takeDue(rate);
        if (hasWaited) this.#recorder.delayed(now - due);
        // Others may be due as well, now or later: one sees to the next, first come, first served.
        if (this.#nextDue <= now) this.#idle.shift()?.();
        else if (this.#idle.length > 0) this.#setTimer(now);
        return due;
      }
      this.#setTimer(now);
      hasWaited = true;
      await new Promise<void>((resolve) => this.#idle.push(resolve));
    }
    return undefined;
  }

  #setTimer(now: number): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#clock.wake(Math.max(1, Math.ceil((this.#nextDue - now) / 1000)), () => {
      this.#hasTimer = false;
      const wake = this.#idle.shift();
      if (wake !== undefined) wake();
    });
  }
}
