/**
 * How a session's transactions have fared against those of others. One that loses is followed by ones that are held back
 * where too many lose (`Contention`), until `CALM_AFTER` in a row have got through.
 */
import type { Contention } from '../../src/kv/kv-client.ts';

const CALM_AFTER = 16;

export class ContentionRecord {
  #lossesInARow = 0;
  /** Transactions that have to get through until the session is like any other. */
  #isWatchedFor = 0;

  noteLost(): void {
    this.#lossesInARow++;
    this.#isWatchedFor = CALM_AFTER;
  }

  noteCommitted(): void {
    this.#lossesInARow = 0;
    if (this.#isWatchedFor > 0) this.#isWatchedFor--;
  }

  /** For the next transaction. Undefined: the session has not lost lately. */
  next(lockTimeoutMs: number): Contention | undefined {
    if (this.#isWatchedFor === 0) return undefined;
    return { lossesInARow: this.#lossesInARow, lockTimeoutMs };
  }
}
