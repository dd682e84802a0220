/**
 * What `MvccStore` offers: the versions of all ranges of one node, and their range-local state. The interface is
 * apart from the class so that replicas and tests can be built against it.
 *
 * Caller obligations, not re-checked: versions of a key are applied in timestamp order unless `isHistorical`; once
 * something was read at `ts`, nothing at or below `ts` is applied to what was read (RANGE-1); nothing is read before
 * the replay of the Raft log has ended; nothing is read below a collected threshold.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type {
  ApplyOptions,
  CollectCursor,
  CollectStep,
  Installation,
  LocalWrite,
  MvccScanOptions,
  MvccScanResult,
  MvccWrite,
  Thresholds,
  VersionInfo,
  VersionStream,
} from './mvcc-types.ts';

export interface Mvcc {
  // Reads.
  /** The value of the newest version at or below `ts`; undefined when there is none or it is a tombstone. */
  get(key: Key, ts: Timestamp): MaybePromise<Uint8Array | undefined>;
  /** The same with its identity; a tombstone is an answer with `value` undefined. */
  versionAt(key: Key, ts: Timestamp): MaybePromise<VersionInfo | undefined>;
  /** The newest version there is, tombstones included. */
  newest(key: Key): VersionInfo | undefined;
  /** One bounded batch of rows of a snapshot, in key order. Synchronous while everything is in memory. */
  scan(span: Span, ts: Timestamp, options?: MvccScanOptions): MaybePromise<MvccScanResult>;

  // Validation (TXN-7).
  /** Whether the span has a version above `afterTs`: synchronous when `afterTs >= windowFloor()`. */
  hasNewer(span: Span, afterTs: Timestamp): MaybePromise<boolean>;
  /** The same among the memory tables only: the re-check after an asynchronous answer. */
  newerInMemory(span: Span, afterTs: Timestamp): boolean;
  /** F of section 4.4, for all ranges of the node: every version above it is in memory. */
  windowFloor(): Timestamp;
  /** The highest timestamp of any version ever applied or installed here. */
  highestTs(): Timestamp;

  // Writes.
  /** Takes copies. Applying the same version again changes nothing. */
  apply(writes: readonly MvccWrite[], ts: Timestamp, txnId: TxnId, options?: ApplyOptions): void;
  /**
   * Applies a large commit piece by piece, waiting for room and yielding in between; `next` returns undefined at the
   * end. A checkpoint may fall between two pieces: the caller's local state must then still lead to all of it again.
   */
  applyBulk(
    next: () => MaybePromise<readonly MvccWrite[] | undefined>,
    ts: Timestamp,
    txnId: TxnId,
  ): Promise<void>;
  /** Both memory tables are full: whoever can wait, waits for `whenRoom`. */
  isFull(): boolean;
  whenRoom(): Promise<void>;
  /** Estimated heap bytes of the memory tables. */
  memoryBytes(): number;

  // Staged parts of large transactions: named byte strings that live outside the heap after the next checkpoint.
  /** Durable with the next checkpoint, like versions. Names begin with the range's, see `stagedKey`. */
  stage(name: Key, bytes: Uint8Array): void;
  staged(name: Key): Uint8Array | undefined;
  /** Gone with the last batch of the next checkpoint. */
  unstage(name: Key): void;

  // Checkpoints and range-local state.
  /** The active table has reached its size, and no checkpoint is running. */
  needsCheckpoint(): boolean;
  /**
   * Freezes the active table and calls `collectLocal` in one synchronous step (at once, unless a step of `install`,
   * `clear` or `collect` is being written), writes the versions, and last, in one synced batch, the local state.
   * Resolves when durable; a rejection is final for this store. One at a time. `thresholdOf` says below which timestamp
   * nobody reads a key any more, now and later, whatever becomes of this node: what only they would see is left out.
   */
  checkpoint(
    collectLocal: () => readonly LocalWrite[],
    thresholdOf?: (key: Key) => Timestamp,
  ): Promise<void>;
  /** From now on checkpoints do not spread their work over time: the store is to be closed. */
  hurry(): void;
  /** All range-local state of the last checkpoint, in key order: read once, at start. */
  readLocal(): Promise<readonly { readonly key: Key; readonly value: Buffer }[]>;
  /** Writes range-local state in one synced batch, apart from checkpoints: bootstrap, marks. */
  writeLocal(writes: readonly LocalWrite[]): Promise<void>;

  // Whole spans.
  /**
   * Every version of the span that is applied now (later ones may be among them), tombstones included. It holds on to
   * the memory tables and an engine snapshot until closed: bound how many are open.
   */
  versions(span: Span, afterTs?: Timestamp): VersionStream;
  /**
   * Begins to replace the contents of a span by a snapshot: first `mark` (synced), then everything in the span goes.
   * While the mark is there after a restart the replica counts as empty. From before this call until `onDone` of
   * `finish` has run, nothing is applied or read there, and `collectLocal` says nothing of that range.
   */
  install(span: Span, mark: readonly LocalWrite[]): Promise<Installation>;
  /** Deletes everything in a span: first `before` (synced), then the versions, last `after` (synced). As `install`. */
  clear(span: Span, before: readonly LocalWrite[], after: readonly LocalWrite[]): Promise<void>;
  /**
   * Deletes, in one bounded step, versions that no reader at or above the threshold of their key sees: `thresholds` is
   * asked while no other writer is at work, and may name only what a durable checkpoint holds.
   */
  collect(thresholds: Thresholds, from?: CollectCursor): Promise<CollectStep>;
  /** Bytes of all versions, roughly. */
  sizeOf(span: Span): Promise<number>;
}
