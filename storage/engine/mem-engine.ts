/**
 * The engine in memory: for tests, simulation and embedded clusters without a disk. Batches take effect at once;
 * cursors and snapshots hold a state of the map, so they are as isolated as ENGINE-2 asks. Nothing is durable beyond
 * the object, and nothing bounds its size.
 */
import type {
  Engine,
  EngineCursor,
  EngineEntry,
  EngineSnapshot,
  EngineWrite,
  IterateOptions,
} from './engine.ts';
import { EngineError } from './engine.ts';
import { entryAt, moveNext, movePrevious, positionOf, SortedMap } from './sorted-map.ts';
import type { SortedMapPosition, SortedMapState } from './sorted-map.ts';

export class MemEngine implements Engine {
  readonly #map = new SortedMap<Buffer>();
  #isOpen = false;

  open(): Promise<void> {
    this.#isOpen = true;
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#isOpen = false;
    return Promise.resolve();
  }

  getSync(key: string): Buffer | undefined {
    this.#mustBeOpen();
    return this.#map.get(key);
  }

  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    return attempt(() => keys.map((key) => this.getSync(key)));
  }

  batch(writes: readonly EngineWrite[]): Promise<void> {
    return attempt(() => {
      this.#mustBeOpen();
      for (const { key, value } of writes) {
        if (value === undefined) this.#map.delete(key);
        else this.#map.set(key, Buffer.from(value));
      }
    });
  }

  snapshot(): EngineSnapshot {
    this.#mustBeOpen();
    return new MemSnapshot(this.#map.state());
  }

  iterate(start: string, end: string, options: IterateOptions = {}): EngineCursor {
    this.#mustBeOpen();
    const { snapshot } = options;
    const state = snapshot instanceof MemSnapshot ? snapshot.state : this.#map.state();
    return new MemCursor(state, start, end, options);
  }

  approximateSize(start: string, end: string): Promise<number> {
    return attempt(() => {
      this.#mustBeOpen();
      const state = this.#map.state();
      let bytes = 0;
      const at = positionOf(state, start);
      for (;;) {
        const entry = entryAt(state, at);
        if (entry === undefined || entry[0] >= end) return bytes;
        bytes += entry[0].length + entry[1].length;
        moveNext(state, at);
      }
    });
  }

  #mustBeOpen(): void {
    if (!this.#isOpen) throw new EngineError('engine_closed', 'the engine is not open');
  }
}

class MemSnapshot implements EngineSnapshot {
  readonly state: SortedMapState<Buffer>;

  constructor(state: SortedMapState<Buffer>) {
    this.state = state;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class MemCursor implements EngineCursor {
  readonly #state: SortedMapState<Buffer>;
  readonly #start: string;
  readonly #end: string;
  readonly #isReverse: boolean;
  readonly #at: SortedMapPosition;
  /** Entries that may still be given out under `limit`. */
  #left: number;

  constructor(state: SortedMapState<Buffer>, start: string, end: string, options: IterateOptions) {
    this.#state = state;
    this.#start = start;
    this.#end = end;
    this.#isReverse = options.reverse === true;
    this.#left = options.limit ?? Infinity;
    this.#at = positionOf(state, this.#isReverse ? end : start);
    if (this.#isReverse) movePrevious(state, this.#at);
  }

  nextBatch(count: number): Promise<readonly EngineEntry[]> {
    const entries: EngineEntry[] = [];
    while (entries.length < count && this.#left > 0) {
      const entry = entryAt(this.#state, this.#at);
      if (entry === undefined || entry[0] < this.#start || entry[0] >= this.#end) break;
      entries.push(entry);
      this.#left--;
      if (this.#isReverse) movePrevious(this.#state, this.#at);
      else moveNext(this.#state, this.#at);
    }
    return Promise.resolve(entries);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Runs now; what it throws becomes a rejection. */
function attempt<T>(run: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(run());
  });
}
