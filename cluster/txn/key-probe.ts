/**
 * Finds out which keys a statement asks for first: a stand-in for its transaction that notes the keys of a lock or a
 * read and leaves the run standing there, and those of writes. Reads and changes nothing.
 */
import type { Key } from '../../src/base/span.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { OneRequestTxn, stand } from '../range/one-request-txn.ts';

export class KeyProbe extends OneRequestTxn implements KvTxn {
  readonly keys: Key[] = [];
  readonly hasWrites = false;

  get(k: Key): Promise<never> {
    this.keys.push(k);
    return stand();
  }

  getMany(keys: readonly Key[]): Promise<never> {
    this.keys.push(...keys);
    return stand();
  }

  lock(keys: readonly Key[]): Promise<never> {
    this.keys.push(...keys);
    return stand();
  }

  put(k: Key): void {
    this.keys.push(k);
  }

  delete(k: Key): void {
    this.keys.push(k);
  }
}
