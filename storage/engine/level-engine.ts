/**
 * The engine on disk: LevelDB through classic-level, of which this file is the only importer. Keys cross as buffers,
 * encoded here rather than by the library's transcoders. `getSync` blocks for a few microseconds when the block is
 * cached, and for one disk read when it is not: that beats a hop through the thread pool on the hot path.
 *
 * Memory: two write buffers, the block cache, and about 1 MiB per open cursor. No retries: the first failed write
 * makes LevelDB refuse all later ones, and the store above ends with it.
 */
import { ClassicLevel } from 'classic-level';
import type {
  BatchOptions,
  Engine,
  EngineCursor,
  EngineEntry,
  EngineErrorCode,
  EngineSnapshot,
  EngineWrite,
  IterateOptions,
} from './engine.ts';
import { EngineError } from './engine.ts';

export interface LevelEngineOptions {
  /** Uncompressed blocks kept in memory. */
  readonly cacheBytes: number;
  /** LevelDB's own memory table; up to two exist. */
  readonly writeBufferBytes: number;
  /** What compaction moves at a time: small enough that what is read is not rewritten with the history, which is not. */
  readonly fileBytesMax: number;
  readonly openFilesMax: number;
}

export const LEVEL_ENGINE_DEFAULTS: LevelEngineOptions = {
  cacheBytes: 64 << 20,
  writeBufferBytes: 16 << 20,
  fileBytesMax: 4 << 20,
  openFilesMax: 1_000,
};

/** Read ahead by cursors that want little, and by those that go on. */
const READ_AHEAD_SHORT_BYTES = 32 << 10;
const READ_AHEAD_LONG_BYTES = 512 << 10;
const SHORT_ENTRIES = 128;

type Level = ClassicLevel<Buffer, Buffer>;
type LevelSnapshot = ReturnType<Level['snapshot']>;

interface LevelCursorSource {
  nextv(size: number): Promise<[Buffer, Buffer][]>;
  close(): Promise<void>;
}

export class LevelEngine implements Engine {
  readonly #level: Level;

  constructor(directory: string, options: LevelEngineOptions = LEVEL_ENGINE_DEFAULTS) {
    this.#level = new ClassicLevel<Buffer, Buffer>(directory, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: true,
      cacheSize: options.cacheBytes,
      writeBufferSize: options.writeBufferBytes,
      maxFileSize: options.fileBytesMax,
      maxOpenFiles: options.openFilesMax,
    });
  }

  async open(): Promise<void> {
    await this.#level.open().catch(fail);
  }

  async close(): Promise<void> {
    await this.#level.close().catch(fail);
  }

  getSync(key: string): Buffer | undefined {
    try {
      return this.#level.getSync(Buffer.from(key, 'latin1'));
    } catch (error) {
      return fail(error);
    }
  }

  async getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]> {
    return this.#level.getMany(keys.map((key) => Buffer.from(key, 'latin1'))).catch(fail);
  }

  async batch(writes: readonly EngineWrite[], options: BatchOptions): Promise<void> {
    // A chained batch costs a fifth of the event loop's time of one given as an array of objects.
    try {
      const batch = this.#level.batch();
      for (const { key, value } of writes) {
        const bytes = Buffer.from(key, 'latin1');
        if (value === undefined) batch.del(bytes);
        else batch.put(bytes, asBuffer(value));
      }
      await batch.write({ sync: options.sync });
    } catch (error) {
      fail(error);
    }
  }

  snapshot(): EngineSnapshot {
    try {
      return new LevelEngineSnapshot(this.#level.snapshot());
    } catch (error) {
      return fail(error);
    }
  }

  iterate(start: string, end: string, options: IterateOptions = {}): EngineCursor {
    const isShort = (options.expected ?? options.limit ?? Infinity) <= SHORT_ENTRIES;
    const { snapshot } = options;
    try {
      return new LevelCursor(
        this.#level.iterator({
          gte: Buffer.from(start, 'latin1'),
          lt: Buffer.from(end, 'latin1'),
          reverse: options.reverse === true,
          limit: options.limit ?? -1,
          fillCache: isShort,
          highWaterMarkBytes: isShort ? READ_AHEAD_SHORT_BYTES : READ_AHEAD_LONG_BYTES,
          ...(snapshot instanceof LevelEngineSnapshot ? { snapshot: snapshot.level } : {}),
        }),
      );
    } catch (error) {
      return fail(error);
    }
  }

  async approximateSize(start: string, end: string): Promise<number> {
    const from = Buffer.from(start, 'latin1');
    return this.#level.approximateSize(from, Buffer.from(end, 'latin1')).catch(fail);
  }
}

class LevelEngineSnapshot implements EngineSnapshot {
  readonly level: LevelSnapshot;

  constructor(level: LevelSnapshot) {
    this.level = level;
  }

  async close(): Promise<void> {
    await this.level.close().catch(fail);
  }
}

class LevelCursor implements EngineCursor {
  readonly #source: LevelCursorSource;

  constructor(source: LevelCursorSource) {
    this.#source = source;
  }

  async nextBatch(count: number): Promise<readonly EngineEntry[]> {
    const entries = await this.#source.nextv(count).catch(fail);
    return entries.map(([key, value]) => [key.toString('latin1'), value]);
  }

  async close(): Promise<void> {
    await this.#source.close().catch(fail);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const CODES: Readonly<Record<string, EngineErrorCode>> = {
  LEVEL_CORRUPTION: 'engine_corrupt',
  LEVEL_LOCKED: 'engine_locked',
  LEVEL_DATABASE_NOT_OPEN: 'engine_closed',
  LEVEL_ITERATOR_NOT_OPEN: 'engine_closed',
  LEVEL_SNAPSHOT_NOT_OPEN: 'engine_closed',
};

function fail(error: unknown): never {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  throw new EngineError(code ?? 'engine_io', message, {}, error);
}

/** The library wraps what it finds at opening: the cause tells more. */
function codeOf(error: unknown): EngineErrorCode | undefined {
  if (!(error instanceof Error)) return undefined;
  const inner = codeOf(error.cause);
  if (inner !== undefined) return inner;
  return 'code' in error && typeof error.code === 'string' ? CODES[error.code] : undefined;
}
