/**
 * At which timestamps the transactions of this gateway read, or will: the oldest is what may not be forgotten yet.
 *
 * Invariant: whatever `oldest` has said holds for ever: no transaction that is open then, or begins later here, reads
 * below it. One that takes its snapshot counts from before it asks for it, at what was published by then: a gather is at
 * or above that (TXN-1).
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { addMs, maxTimestamp, minTimestamp, TS_ZERO } from '../../src/base/timestamp.ts';

const SECOND = addMs(TS_ZERO, 1000);

export class OpenSnapshots {
  /** How many are open, by second. */
  readonly #counts = new ChurnMap<number, number>();
  /** A majority of the acceptors is at or above this, as far as this node knows. */
  #published = TS_ZERO;

  get published(): Timestamp {
    return this.#published;
  }

  /** A majority of the acceptors is at or above `ts`. */
  notePublished(ts: Timestamp): void {
    this.#published = maxTimestamp(this.#published, ts);
  }

  /** A snapshot is about to be taken. */
  enter(): SnapshotPlace {
    return new SnapshotPlace(this.#counts, this.#published);
  }

  /** To the second below, where one is open. */
  oldest(): Timestamp {
    let oldest = this.#published;
    for (const second of this.#counts.keys()) {
      oldest = minTimestamp(oldest, (second * SECOND) as Timestamp);
    }
    return oldest;
  }
}

/** Of one transaction. */
export class SnapshotPlace {
  readonly #counts: ChurnMap<number, number>;
  #second: number | undefined;

  constructor(counts: ChurnMap<number, number>, ts: Timestamp) {
    this.#counts = counts;
    this.#enter(ts);
  }

  /** The snapshot is taken. */
  move(readTs: Timestamp): void {
    if (this.#second === undefined) return;
    this.close();
    this.#enter(readTs);
  }

  /** The transaction has ended. */
  close(): void {
    const second = this.#second;
    if (second === undefined) return;
    this.#second = undefined;
    const count = this.#counts.get(second) ?? 0;
    if (count > 1) this.#counts.set(second, count - 1);
    else this.#counts.delete(second);
  }

  #enter(ts: Timestamp): void {
    const second = Math.floor(ts / SECOND);
    this.#second = second;
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + 1);
  }
}
