/**
 * The ordered key-value engine under the versions of a node: the port that classic-level, the in-memory engine and
 * the simulated disk implement. Keys are binary strings in byte order, values are byte arrays that nobody changes
 * after they were handed over. Invariants every implementation keeps (test/compliance/engine-suite.ts):
 *
 * ENGINE-1: a batch is atomic, and durable once its promise resolves if it was given `sync`.
 * ENGINE-2: a cursor sees the engine as it was when it was opened; `getSync` and `getMany` see the newest batch.
 * ENGINE-3: an unsynced batch may be lost in a crash even if a later, synced one is not: callers leave none behind.
 * ENGINE-4: a value that is read keeps no more memory alive than its own, or what the engine holds anyway.
 *
 * What it does not do: versions, transactions, retries. After a failed batch the engine is not used again.
 */
import { QuorateError } from '../../src/base/errors.ts';

export type EngineErrorCode =
  /** A checksum or the structure on disk is wrong. */
  | 'engine_corrupt'
  /** Another process holds the directory. */
  | 'engine_locked'
  /** Reading or writing failed: disk full, I/O error. */
  | 'engine_io'
  /** Used after `close`. */
  | 'engine_closed';

export class EngineError extends QuorateError<EngineErrorCode> {
  override readonly name = 'EngineError';
}

/** A put, or with `undefined` a delete. */
export interface EngineWrite {
  readonly key: string;
  readonly value: Uint8Array | undefined;
}

export type EngineEntry = readonly [key: string, value: Buffer];

export interface BatchOptions {
  readonly sync: boolean;
}

export interface IterateOptions {
  readonly reverse?: boolean;
  /** The cursor ends after this many entries. */
  readonly limit?: number;
  /** About how many entries will be read: a hint that bounds read-ahead. */
  readonly expected?: number;
  /** See the engine as this snapshot does, instead of as it is now. */
  readonly snapshot?: EngineSnapshot;
}

/** Entries in order. Must be closed, also after the end. */
export interface EngineCursor {
  /** Up to `count` entries, possibly fewer; an empty array is the end. One call at a time. */
  nextBatch(count: number): Promise<readonly EngineEntry[]>;
  close(): Promise<void>;
}

/** Keeps a state of the engine readable. Must be closed. */
export interface EngineSnapshot {
  close(): Promise<void>;
}

export interface Engine {
  open(): Promise<void>;
  /** Waits for what is under way; cursors and snapshots are closed. */
  close(): Promise<void>;
  getSync(key: string): Buffer | undefined;
  /** Answers in the order asked. */
  getMany(keys: readonly string[]): Promise<readonly (Buffer | undefined)[]>;
  /** Atomic. The caller bounds its size, and awaits one batch before the next that touches the same keys. */
  batch(writes: readonly EngineWrite[], options: BatchOptions): Promise<void>;
  snapshot(): EngineSnapshot;
  /** Entries with `start <= key < end`. */
  iterate(start: string, end: string, options?: IterateOptions): EngineCursor;
  /** Bytes on disk, roughly; what was written last may be missing. */
  approximateSize(start: string, end: string): Promise<number>;
}
