/**
 * The part of a transaction that a statement has which is to be one request to one range: what it may not do throws,
 * and it has to become a transaction. Point reads, locks and writes are its implementations'.
 */
import type { KvCursor, KvMark } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';

export abstract class OneRequestTxn {
  readTs(): Timestamp {
    return notInOneRequest();
  }

  scan(): KvCursor {
    return notInOneRequest();
  }

  bumpFence(): Promise<void> {
    return notInOneRequest();
  }

  changeLater(): boolean {
    return notInOneRequest();
  }

  mark(): KvMark {
    return notInOneRequest();
  }

  rollbackTo(): void {
    notInOneRequest();
  }

  restart(): Promise<void> {
    return notInOneRequest();
  }

  commit(): Timestamp {
    return notInOneRequest();
  }

  rollback(): void {
    notInOneRequest();
  }
}

export function notInOneRequest(): never {
  throw new KvError('unavailable', 'not in one request to one range');
}

/** Leaves a run standing for ever: nobody waits for it. */
export function stand(): Promise<never> {
  return new Promise<never>(() => undefined);
}
