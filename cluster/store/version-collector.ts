/**
 * Deletes old versions in the background, one bounded step at a time with a rest after each. Which versions may go is
 * replicated state (the `collect` command raises a range's threshold, and everything that depends on a timestamp below
 * it is refused); when they go is each replica's own affair.
 *
 * Invariant: nothing is deleted by a threshold that is not in a durable checkpoint: after a restart the range would
 * answer readers for whom versions are missing. So the store hands over thresholds when a checkpoint that holds them
 * has ended; a range made by a split since then has none until the next. Nor is anything deleted of a range that is
 * being replaced by a snapshot: the store of versions asks while no such replacement can begin.
 */
import { must } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp, TS_ZERO } from '../../src/base/timestamp.ts';
import type { Scheduler } from '../../src/env/env.ts';
import type { CollectCursor, Thresholds } from '../../storage/mvcc/mvcc-types.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import { RangeFinder } from './range-finder.ts';

export interface CollectedRange {
  readonly state: { readonly descriptor: Span };
  /** Unless a snapshot replaces it, or has to. */
  readonly hasData: boolean;
}

export interface CollectorPorts {
  readonly mvcc: Pick<Mvcc, 'collect'>;
  readonly scheduler: Scheduler;
  readonly onFatal: (error: unknown) => void;
}

const REST_MS = 20;

export class VersionCollector {
  readonly #ports: CollectorPorts;
  /** Of a checkpoint that ended after the pass began. */
  #next: ReadonlyMap<CollectedRange, Timestamp> | undefined;
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

  /** A checkpoint that holds these thresholds is durable. */
  want(thresholds: ReadonlyMap<CollectedRange, Timestamp>): void {
    if (this.#isStopped) return;
    this.#next = thresholds;
    if (this.#isRunning) return;
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
    while (this.#next !== undefined && !this.#isStopped) {
      const thresholds = new RangeThresholds(this.#next);
      this.#next = undefined;
      await this.#pass(thresholds);
    }
  }

  async #pass(thresholds: Thresholds): Promise<void> {
    const { mvcc, scheduler } = this.#ports;
    for (let from: CollectCursor | undefined; !this.#isStopped;) {
      const step = await mvcc.collect(thresholds, from);
      this.deletedTotal += step.deletedCount;
      if (step.resume === undefined) return;
      from = step.resume;
      await scheduler.sleep(REST_MS);
    }
  }
}

class RangeThresholds implements Thresholds {
  readonly #thresholds: ReadonlyMap<CollectedRange, Timestamp>;
  readonly #finder: RangeFinder<CollectedRange>;
  readonly highest: Timestamp;

  constructor(thresholds: ReadonlyMap<CollectedRange, Timestamp>) {
    this.#thresholds = thresholds;
    this.#finder = new RangeFinder(() => thresholds.keys());
    this.highest = [...thresholds.values()].reduce(maxTimestamp, TS_ZERO);
  }

  of(key: Key): Timestamp {
    const range = this.#finder.at(key);
    if (range?.hasData !== true) return TS_ZERO;
    return must(this.#thresholds.get(range));
  }
}
