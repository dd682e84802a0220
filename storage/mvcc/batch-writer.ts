/**
 * Collects engine writes into batches of bounded size, each synced (ENGINE-3), and gives the event loop a turn after
 * each. Whoever fills it calls `flush` when `isFull`; writes of one flush are atomic, those of several are not. Every
 * head in the engine was written here: when a batch has ended, the cache of heads hears of it before anyone else.
 */
import type { Scheduler } from '../../src/env/env.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';
import type { HeadCache } from './head-cache.ts';

export interface BatchLimits {
  readonly batchBytesMax: number;
  readonly batchWritesMax: number;
}

export class BatchWriter {
  readonly #engine: Engine;
  readonly #heads: HeadCache;
  readonly #scheduler: Scheduler;
  readonly #limits: BatchLimits;
  #writes: EngineWrite[] = [];
  #bytes = 0;

  constructor(
    target: { readonly engine: Engine; readonly heads: HeadCache },
    scheduler: Scheduler,
    limits: BatchLimits,
  ) {
    this.#engine = target.engine;
    this.#heads = target.heads;
    this.#scheduler = scheduler;
    this.#limits = limits;
  }

  get isFull(): boolean {
    return (
      this.#writes.length >= this.#limits.batchWritesMax ||
      this.#bytes >= this.#limits.batchBytesMax
    );
  }

  put(key: string, value: Uint8Array): void {
    this.#writes.push({ key, value });
    this.#bytes += key.length + value.length;
  }

  delete(key: string): void {
    this.#writes.push({ key, value: undefined });
    this.#bytes += key.length;
  }

  /** Durable when it resolves. */
  async flush(): Promise<void> {
    if (this.#writes.length === 0) return;
    const writes = this.#writes;
    this.#writes = [];
    this.#bytes = 0;
    try {
      await this.#engine.batch(writes, { sync: true });
    } finally {
      this.#heads.forget(writes);
    }
    await turn(this.#scheduler);
  }
}

/** Resolves in a later turn of the event loop. */
export function turn(scheduler: Scheduler): Promise<void> {
  return new Promise((resolve) => scheduler.defer(resolve));
}
