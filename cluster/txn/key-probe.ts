/**
 * Finds out which keys a statement asks for first: a stand-in for its transaction that notes the keys of a lock or a
 * read and leaves the run standing there, and those of writes. Reads and changes nothing.
 */
import type { Key } from '../../src/base/span.ts';
import type { KvCursor, KvMark, KvTxn } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';

export class KeyProbe implements KvTxn {
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

  readTs(): Timestamp {
    return notThis();
  }

  scan(): KvCursor {
    return notThis();
  }

  bumpFence(): Promise<void> {
    return notThis();
  }

  mark(): KvMark {
    return notThis();
  }

  rollbackTo(): void {
    notThis();
  }

  restart(): Promise<void> {
    return notThis();
  }

  commit(): Timestamp {
    return notThis();
  }

  rollback(): void {
    notThis();
  }
}

function stand(): Promise<never> {
  return new Promise<never>(() => undefined);
}

function notThis(): never {
  throw new KvError('unavailable', 'not in one request to one range');
}
