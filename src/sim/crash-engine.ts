/**
 * A `MemEngine` that can lose what was not synced. Every batch is remembered; `crash` builds the engine that a
 * restart would find: all synced batches, and of the others those that the caller's coin keeps, in order. That is
 * harsher than LevelDB, whose later sync usually covers earlier batches (ENGINE-3 says: usually).
 */
import type {
  BatchOptions,
  Engine,
  EngineCursor,
  EngineSnapshot,
  EngineWrite,
  IterateOptions,
} from '../../storage/engine/engine.ts';
import { EngineError } from '../../storage/engine/engine.ts';
import { MemEngine } from '../../storage/engine/mem-engine.ts';

interface LoggedBatch {
  readonly writes: readonly EngineWrite[];
  isSynced: boolean;
}

export class CrashEngine implements Engine {
  readonly #live = new MemEngine();
  readonly #log: LoggedBatch[];
  #batchesLeft = Infinity;
  #isDead = false;

  constructor(log: readonly LoggedBatch[] = []) {
    this.#log = [...log];
  }

  async open(): Promise<void> {
    await this.#live.open();
    for (const { writes } of this.#log) await this.#live.batch(writes);
  }

  close(): Promise<void> {
    return this.#live.close();
  }

  get batchCount(): number {
    return this.#log.length;
  }

  /** The batch after the next `count` fails as if the power went: whether it is on disk is open. */
  dieAfter(count: number): void {
    this.#batchesLeft = count;
  }

  /** What a restart finds. */
  crash(keepsUnsynced: () => boolean): CrashEngine {
    this.#isDead = true;
    const survivors = this.#log.filter(({ isSynced }) => isSynced || keepsUnsynced());
    return new CrashEngine(survivors.map(({ writes }) => ({ writes, isSynced: true })));
  }

  getSync(key: string): Buffer | undefined {
    return this.#live.getSync(key);
  }

  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    return this.#live.getMany(keys);
  }

  async batch(writes: readonly EngineWrite[], options: BatchOptions): Promise<void> {
    if (this.#isDead) throw new EngineError('engine_io', 'the disk is gone');
    const logged = { writes: [...writes], isSynced: false };
    this.#log.push(logged);
    if (this.#batchesLeft-- <= 0) {
      this.#isDead = true;
      throw new EngineError('engine_io', 'the power went');
    }
    await this.#live.batch(writes);
    logged.isSynced = options.sync;
  }

  snapshot(): EngineSnapshot {
    return this.#live.snapshot();
  }

  iterate(start: string, end: string, options?: IterateOptions): EngineCursor {
    return this.#live.iterate(start, end, options);
  }

  approximateSize(start: string, end: string): Promise<number> {
    return this.#live.approximateSize(start, end);
  }
}
