/**
 * Collects engine writes into batches of bounded size, each synced (ENGINE-3), and gives the event loop a turn after
 * each. Whoever fills it calls `flush` when `isFull`; writes of one flush are atomic, those of several are not. Every
 * head in the engine was written here: when a batch has ended, the cache of heads hears of it before anyone else.
 * Every older version, too, which the same batch
 * lists as garbage to be.
 */
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Scheduler } from '../../src/env/env.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';
import type { GarbageLists } from './garbage-list.ts';
import { PendingGarbage } from './garbage-list.ts';
import type { HeadCache } from './head-cache.ts';
import { encodeHead, encodeHistoryValue, headKey, historyKey } from './mvcc-key.ts';
import type { VersionInfo } from './mvcc-types.ts';

export interface BatchLimits {
  readonly batchBytesMax: number;
  readonly batchWritesMax: number;
}

export interface BatchTarget {
  readonly engine: Engine;
  readonly heads: HeadCache;
  readonly lists: GarbageLists;
}

export class BatchWriter {
  readonly #target: BatchTarget;
  readonly #scheduler: Scheduler;
  readonly #limits: BatchLimits;
  #writes: EngineWrite[] = [];
  #garbage = new PendingGarbage();
  #bytes = 0;

  constructor(target: BatchTarget, scheduler: Scheduler, limits: BatchLimits) {
    this.#target = target;
    this.#scheduler = scheduler;
    this.#limits = limits;
  }

  get isFull(): boolean {
    return (
      this.#writes.length >= this.#limits.batchWritesMax ||
      this.#bytes + this.#garbage.bytes >= this.#limits.batchBytesMax
    );
  }

  put(key: string, value: Uint8Array): void {
    this.#writes.push({ key, value });
    this.#bytes += key.length + value.length;
  }

  /** The newest version of a key. */
  putHead(key: Key, version: VersionInfo): void {
    const engineKey = headKey(key);
    this.put(engineKey, encodeHead(version));
    if (version.value === undefined) this.list(engineKey, version.ts);
  }

  /** A version of a key that has a newer one, which nobody needs once none reads below `due`. */
  putHistory(key: Key, { ts, txnId, value }: VersionInfo, due: Timestamp): void {
    const engineKey = historyKey(key, ts, txnId);
    this.put(engineKey, encodeHistoryValue(value));
    this.list(engineKey, due);
  }

  /** Names an entry of the engine that may go once nobody reads below `due`. */
  list(engineKey: string, due: Timestamp): void {
    this.#garbage.add(engineKey, due);
  }

  delete(key: string): void {
    this.#writes.push({ key, value: undefined });
    this.#bytes += key.length;
  }

  /** Durable when it resolves. */
  async flush(): Promise<void> {
    if (this.#writes.length === 0) return;
    const { engine, heads, lists } = this.#target;
    const writes = this.#writes;
    if (!this.#garbage.isEmpty) {
      writes.push(lists.add(this.#garbage));
      this.#garbage = new PendingGarbage();
    }
    this.#writes = [];
    this.#bytes = 0;
    try {
      await engine.batch(writes, { sync: true });
    } finally {
      heads.forget(writes);
    }
    await turn(this.#scheduler);
  }
}

/** Resolves in a later turn of the event loop. */
export function turn(scheduler: Scheduler): Promise<void> {
  return new Promise((resolve) => scheduler.defer(resolve));
}
