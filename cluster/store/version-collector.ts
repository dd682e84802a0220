/**
 * Deletes old versions in the background, range by range, one bounded step at a time with a rest after each. Which
 * versions may go is replicated state (the `collect` command raises a range's threshold, and everything that depends
 * on a timestamp below it is refused); when they go is each replica's own affair.
 *
 * Invariant: nothing is deleted by a threshold that is not in a durable checkpoint: after a restart the range would
 * answer readers for whom versions are missing. So ranges are named by the store when a checkpoint has ended. A step is
 * begun in the same turn in which the range was seen not to be replaced by a snapshot; such a replacement waits for
 * the step, and whoever comes after it finds the range's new state.
 */
import type { Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type { Scheduler } from '../../src/env/env.ts';
import type { CollectCursor } from '../../storage/mvcc/mvcc-types.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';

export interface CollectedRange {
  readonly state: { readonly descriptor: Span };
  readonly isInstalling: boolean;
}

export interface CollectorPorts {
  readonly mvcc: Pick<Mvcc, 'collect'>;
  readonly scheduler: Scheduler;
  readonly onFatal: (error: unknown) => void;
}

const REST_MS = 20;

export class VersionCollector {
  readonly #ports: CollectorPorts;
  /** Thresholds that durable checkpoints hold, and those that have been collected to. */
  readonly #wanted = new Map<CollectedRange, Timestamp>();
  readonly #done = new WeakMap<CollectedRange, Timestamp>();
  #isRunning = false;
  #isStopped = false;
  /** Versions deleted so far. */
  deletedTotal = 0;

  constructor(ports: CollectorPorts) {
    this.#ports = ports;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** A checkpoint that holds this threshold of the range is durable. */
  want(range: CollectedRange, threshold: Timestamp): void {
    if (threshold <= (this.#done.get(range) ?? TS_ZERO)) return;
    this.#wanted.set(range, threshold);
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    this.#run().then(
      () => (this.#isRunning = false),
      (error: unknown) => {
        this.#isRunning = false;
        this.#ports.onFatal(error);
      },
    );
  }

  /** The step that runs is the last one. */
  stop(): void {
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    for (;;) {
      const next = this.#wanted.entries().next();
      if (next.done === true || this.#isStopped) return;
      const [range, threshold] = next.value;
      this.#wanted.delete(range);
      if (await this.#collect(range, threshold)) this.#done.set(range, threshold);
    }
  }

  /** False: given up; the next checkpoint names the range again. */
  async #collect(range: CollectedRange, threshold: Timestamp): Promise<boolean> {
    const { mvcc, scheduler } = this.#ports;
    for (let from: CollectCursor | undefined; ;) {
      if (this.#isStopped || range.isInstalling) return false;
      const { start, end } = range.state.descriptor;
      const step = await mvcc.collect({ start, end }, threshold, from);
      this.deletedTotal += step.deletedCount;
      if (step.resume === undefined) return true;
      from = step.resume;
      await scheduler.sleep(REST_MS);
    }
  }
}
