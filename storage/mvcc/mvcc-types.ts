/**
 * The values that cross the border of `MvccStore`, and its options. Types only.
 */
import type { TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';

/** A row to write, or with `null` to delete. */
export interface MvccWrite {
  readonly key: Key;
  readonly value: Uint8Array | null;
}

/** One version without its key. `value` undefined: a tombstone. */
export interface VersionInfo {
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly value: Uint8Array | undefined;
}

/** One version with its key: what dumps and snapshots are made of. */
export interface VersionRecord extends VersionInfo {
  readonly key: Key;
}

export interface ScanRow {
  readonly key: Key;
  readonly value: Uint8Array;
  /** When the version was written. */
  readonly ts: Timestamp;
}

export interface MvccScanOptions {
  readonly reverse?: boolean;
  /** At most this many rows; 10,000 unless told. */
  readonly limitRows?: number;
  /** Stops after the row that reaches this; 1 MiB unless told. Counts keys and values. */
  readonly limitBytes?: number;
}

export interface MvccScanResult {
  readonly rows: readonly ScanRow[];
  /**
   * Present when a limit ended the batch: forward, the `start` of the span that remains; in reverse, its `end`.
   * That span may turn out to hold no rows.
   */
  readonly resume?: Key;
}

/** A write of range-local state; `null` deletes. Keys are made by `localKey`. */
export interface LocalWrite {
  readonly key: Key;
  readonly value: Uint8Array | null;
}

export interface ApplyOptions {
  /**
   * The versions may lie below versions of the same keys that were applied earlier (a backfill at an old
   * timestamp). Without it each key's versions are applied in timestamp order.
   */
  readonly isHistorical?: boolean;
}

export interface MvccOptions {
  /** A memory table that has grown to this wants a checkpoint, and is full; estimated heap bytes. */
  readonly tableBytesMax: number;
  /** Heads of the engine that are kept for scans; estimated heap bytes, 0 for none. */
  readonly headCacheBytes: number;
  /** One engine batch of a checkpoint, snapshot or collection. */
  readonly batchBytesMax: number;
  readonly batchWritesMax: number;
  /**
   * The part of `tableBytesMax` at which the next table wants its checkpoint, drawn anew for each: replicas that apply
   * the same entries would all write at the same moment otherwise, and none would be left to serve.
   */
  readonly nextFill: () => number;
  /** Milliseconds over which the checkpoint of a full table is spread when nothing is urgent. */
  readonly spreadMs: number;
  /** Called once per memory table, in the middle of `apply`, when it has reached `tableBytesMax`: schedule, do not act. */
  readonly onCheckpointNeeded?: () => void;
}

/** Versions of a span in key order, newest first within a key. Must be closed. */
export interface VersionStream {
  /** The next versions, never empty; undefined at the end. */
  next(): Promise<readonly VersionRecord[] | undefined>;
  close(): Promise<void>;
}

/** Below which timestamps nobody reads any more. */
export interface Thresholds {
  /** None is above this. */
  readonly highest: Timestamp;
  /** Of the range that holds a key now; zero where nothing may be deleted. */
  of(key: Key): Timestamp;
}

/** Where a pass of the collection goes on, and ends: numbers of lists. */
export interface CollectCursor {
  readonly next: number;
  readonly end: number;
}

export interface CollectStep {
  readonly deletedCount: number;
  /** Absent when the pass is done. */
  readonly resume?: CollectCursor;
}

/** The replacement of a span's contents by a snapshot that is being received. */
export interface Installation {
  readonly span: Span;
  /** In the order of a `VersionStream`; each call is durable when it resolves. One call at a time. */
  write(versions: readonly VersionRecord[]): Promise<void>;
  /**
   * Makes it the replica's: one synced batch with the range-local state (and the removal of the mark). `onDone` runs
   * once it is durable, before any other checkpoint can begin.
   */
  finish(local: readonly LocalWrite[], onDone?: () => void): Promise<void>;
}
