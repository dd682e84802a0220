/**
 * Collects engine writes into batches of bounded size, each synced (ENGINE-3), and gives the event loop a turn after
 * each. Whoever fills it calls `flush` when `isFull`; writes of one flush are atomic, those of several are not.
 */
import type { Scheduler } from '../../src/env/env.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';

export interface BatchLimits {
  readonly batchBytesMax: number;
  readonly batchWritesMax: number;
}

export class BatchWriter {
  readonly #engine: Engine;
  readonly #scheduler: Scheduler;
  readonly #limits: BatchLimits;
  #writes: EngineWrite[] = [];
  #bytes = 0;

  constructor(engine: Engine, scheduler: Scheduler, limits: BatchLimits) {
    this.#engine = engine;
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
    await this.#engine.batch(writes, { sync: true });
    await turn(this.#scheduler);
  }
}

/** Resolves in a later turn of the event loop. */
export function turn(scheduler: Scheduler): Promise<void> {
  return new Promise((resolve) => scheduler.defer(resolve));
}
