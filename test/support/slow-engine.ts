/**
 * An engine whose answers the test gives out one by one: a batch takes effect at one step and resolves at another, what
 * a cursor has read (of the moment at which it was opened) is handed over later. What is in between is up to the test.
 */
import type {
  Engine,
  EngineCursor,
  EngineSnapshot,
  EngineWrite,
  IterateOptions,
} from '../../storage/engine/engine.ts';
import { MemEngine } from '../../storage/engine/mem-engine.ts';
import { settle } from './turn-scheduler.ts';

export class SlowEngine implements Engine {
  readonly #inner = new MemEngine();
  #waiting: (() => void)[] = [];

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Lets one of those who wait go on, and whatever follows from that. */
  async release(which: number): Promise<void> {
    const [go] = this.#waiting.splice(which % Math.max(1, this.#waiting.length), 1);
    go?.();
    await settle();
  }

  open(): Promise<void> {
    return this.#inner.open();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  getSync(key: string): Buffer | undefined {
    return this.#inner.getSync(key);
  }

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    await this.#pass();
    return this.#inner.getMany(keys);
  }

  async batch(writes: readonly EngineWrite[]): Promise<void> {
    await this.#pass();
    await this.#inner.batch(writes);
    await this.#pass();
  }

  snapshot(): EngineSnapshot {
    return this.#inner.snapshot();
  }

  iterate(start: string, end: string, options?: IterateOptions): EngineCursor {
    const cursor = this.#inner.iterate(start, end, options);
    return {
      nextBatch: async (count) => {
        const entries = await cursor.nextBatch(count);
        await this.#pass();
        return entries;
      },
      close: () => cursor.close(),
    };
  }

  approximateSize(start: string, end: string): Promise<number> {
    return this.#inner.approximateSize(start, end);
  }

  #pass(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
