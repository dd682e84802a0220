/**
 * CLOCK-1: before this node acknowledges a timestamp (an answer to a clock round, an append, a vote for nothing less),
 * a ceiling at or above it is in the durable log; after a restart the clock starts from that ceiling. Ceilings are
 * written ahead of need, so that an acknowledgement normally waits for nothing.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { addMs, maxTimestamp } from '../../src/base/timestamp.ts';

/** How far ahead of need a ceiling is written, and at what distance the next one is. */
const AHEAD_MS = 4000;
const REFILL_MS = 2000;

export interface CeilingLog {
  /** Resolves when the ceiling is synced. */
  appendCeiling(ceiling: Timestamp): Promise<void>;
}

export class ClockCeiling {
  readonly #log: CeilingLog;
  #durable: Timestamp;
  /** The highest ceiling handed to the log; at or above `#durable`. */
  #requested: Timestamp;
  #writing: Promise<void> | undefined;

  constructor(log: CeilingLog, recovered: Timestamp) {
    this.#log = log;
    this.#durable = recovered;
    this.#requested = recovered;
  }

  get durable(): Timestamp {
    return this.#durable;
  }

  /** Resolves once a ceiling at or above `ts` is durable; at once when one is. */
  ensure(ts: Timestamp): MaybePromise<void> {
    if (isBroken('CLOCK-1')) return undefined;
    if (ts <= this.#durable) {
      // Whoever needs it meets the failure; and a log that has failed ends the node.
      if (addMs(ts, REFILL_MS) > this.#requested) this.#write(ts).catch(() => undefined);
      return undefined;
    }
    return this.#ensureSlow(ts);
  }

  /**
   * For a log batch that holds timestamps up to `ts`: the ceiling record to put into the same batch, if one is
   * needed. The caller reports the sync with `onSynced`.
   */
  ceilingForBatch(ts: Timestamp): Timestamp | undefined {
    if (ts <= this.#durable || isBroken('CLOCK-1')) return undefined;
    return addMs(ts, AHEAD_MS);
  }

  onSynced(ceiling: Timestamp): void {
    this.#durable = maxTimestamp(this.#durable, ceiling);
    this.#requested = maxTimestamp(this.#requested, ceiling);
  }

  async #ensureSlow(ts: Timestamp): Promise<void> {
    while (ts > this.#durable) await this.#write(ts);
  }

  #write(need: Timestamp): Promise<void> {
    if (this.#writing !== undefined) return this.#writing;
    const ceiling = addMs(need, AHEAD_MS);
    this.#requested = maxTimestamp(this.#requested, ceiling);
    const written = this.#log.appendCeiling(ceiling).then(() => {
      this.#writing = undefined;
      this.onSynced(ceiling);
    });
    this.#writing = written;
    return written;
  }
}
