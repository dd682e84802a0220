/**
 * The keys of a memory table, each with its newest version: columns by the number of the entry, in the order in which
 * entries were added. Numbers are not used again.
 */
import type { Key } from '../../src/base/span.ts';
import { KEY_MIN } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { NO_ROW, VersionRows } from './version-rows.ts';

export class MemEntries {
  readonly versions = new VersionRows();
  readonly #keys: Key[] = [];
  /** Rows of `versions`. */
  readonly #newest: number[] = [];

  /** Returns the entry's number. */
  add(key: Key, newest: number): number {
    this.#newest.push(newest);
    return this.#keys.push(key) - 1;
  }

  keyOf(entry: number): Key {
    return this.#keys[entry] ?? KEY_MIN;
  }

  newestOf(entry: number): number {
    return this.#newest[entry] ?? NO_ROW;
  }

  setNewest(entry: number, row: number): void {
    this.#newest[entry] = row;
  }

  newestTs(entry: number): Timestamp {
    return this.versions.tsOf(this.newestOf(entry));
  }

  /** Lets go of the key; the entry must not be asked for any more. */
  forget(entry: number): void {
    this.#keys[entry] = KEY_MIN;
    this.#newest[entry] = NO_ROW;
  }
}
