/**
 * The only seam between SQL and the cluster. SQL sees keys, values, snapshots, locks and one atomic commit; it sees
 * no ranges (but for the administrative calls at the end) and no clocks. Implementations: the cluster's transaction
 * coordinator, and `test/support/local-kv.ts`, which is the executable meaning of this file.
 *
 * Strict serializability is promised for every `KvTxn` and every latest read; callers need not ask for it.
 * All calls of one `KvTxn` are made one at a time (await each before the next), except `release`.
 */
import type { MaybePromise } from '../base/maybe-promise.ts';
import type { Key, Span } from '../base/span.ts';
import type { NodeId, RangeId } from '../base/ids.ts';
import type { Timestamp } from '../base/timestamp.ts';

export interface KvRow {
  readonly key: Key;
  /** Never changed by anyone after it was handed over. */
  readonly value: Uint8Array;
}

/** The table a request belongs to and the schema version it was planned with: TXN-3, 4 and 7 check its fence. */
export interface TableFence {
  readonly tableId: number;
  readonly version: number;
}

export interface ScanOptions {
  readonly reverse?: boolean;
  /** The caller needs no more rows than this; batches are not larger. */
  readonly limit?: number;
}

/** Batches of a scan, in key order; own writes overlaid. Must be closed when it is not read to the end. */
export interface KvCursor {
  /** The next rows, never empty, or undefined at the end. Throws `schema_mismatch`, `unavailable`, `cancelled`. */
  next(): MaybePromise<readonly KvRow[] | undefined>;
  close(): void;
}

export type LockStrength = 'update' | 'share';
export type LockWait = 'block' | 'nowait' | 'skip';

export interface LockOptions {
  readonly strength: LockStrength;
  readonly wait: LockWait;
  /** For `block`: milliseconds until `lock_timeout`; 0 waits without limit (a deadlock is still found). */
  readonly timeoutMs: number;
  /** The rows are to be new: nobody else is expected to want these locks. */
  readonly isClaim?: boolean;
}

export interface LockedRow {
  readonly key: Key;
  /** The newest committed value, own writes overlaid; undefined when there is no row (the absence is then in the read set). */
  readonly value: Uint8Array | undefined;
  /** False only under `skip`: someone else holds it. */
  readonly isGranted: boolean;
}

/** A point to come back to: the writes and reads of a transaction so far. */
export interface KvMark {
  readonly writeSeq: number;
  readonly readCount: number;
}

export interface BeginOptions {
  /** Session settings, in milliseconds and bytes. */
  readonly txnMaxBytes: number;
  /** The session has lost to others lately: see `Contention`. */
  readonly contention?: Contention;
  readonly signal: AbortSignal;
}

/**
 * What a transaction is told of its session's last ones. It waits until it is let in (`contention-gate.ts`), and one
 * that loses again and again takes shared locks on what it reads, so that it cannot starve (4.3).
 */
export interface Contention {
  /** Transactions of the session that ended with a conflict or a deadlock, since one got through. */
  readonly lossesInARow: number;
  /** For shared locks: 0 waits for ever. */
  readonly lockTimeoutMs: number;
}

export interface KvTxn {
  /** The snapshot: at or above everything published before the transaction began. Waits for the gather at first. */
  readTs(): MaybePromise<Timestamp>;
  readonly hasWrites: boolean;

  /** Reads at the snapshot with own writes overlaid; the key, present or absent, joins the read set. */
  get(k: Key, table: TableFence | undefined): MaybePromise<Uint8Array | undefined>;
  /** As many `get`s, in few requests; answers in the order asked. */
  getMany(
    keys: readonly Key[],
    table: TableFence | undefined,
  ): MaybePromise<readonly (Uint8Array | undefined)[]>;
  /** The span joins the read set as far as it was read. */
  scan(span: Span, table: TableFence | undefined, options?: ScanOptions): KvCursor;

  /**
   * Locks keys and reads their newest values. If one is newer than the snapshot, the snapshot moves up to it after
   * everything read before has been validated there (TXN-13). If that fails because of reads since the last `mark`,
   * throws `snapshot_moved`; because of older reads, `conflict`. Also `deadlock`, `lock_timeout`, `lock_not_available`.
   */
  lock(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]>;

  /** Buffers a write. It becomes visible to this transaction's reads at once, to others at commit. */
  put(k: Key, value: Uint8Array, table: TableFence | undefined): MaybePromise<void>;
  delete(k: Key, table: TableFence | undefined): MaybePromise<void>;
  /**
   * Sets the schema version of a table in every range that overlaps it: waits for the locks on its fences, then
   * buffers the writes. `newVersion` 0 says: dropped. Own requests pass with either version from now on.
   */
  bumpFence(tableId: number, newVersion: number, options: LockOptions): Promise<void>;

  /**
   * Puts a statement off until the commit, where it is run at its leader (TXN-17): true, and it has changed one row, or the
   * transaction will not commit. False: it is to be run now. `make` is called where it might be put off.
   */
  changeLater(table: TableFence, make: () => RowChange): boolean;

  /** Marks the start of a statement or savepoint. */
  mark(): KvMark;
  /** ROLLBACK TO: drops the writes since; reads, locks and snapshot stay. */
  rollbackTo(mark: KvMark): void;
  /**
   * Restarts a statement whose results nobody has seen: drops writes *and reads* since `mark`, and moves the snapshot
   * to now, validating the reads before the mark there; throws `conflict` if they have changed.
   */
  restart(mark: KvMark): Promise<void>;

  /**
   * Commits. Resolves once the transaction is durable on majorities and published. Throws `conflict`, `ambiguous`
   * (outcome unknown), `too_large`, `unavailable` (certainly not committed). A transaction without writes and locks
   * just ends; what it saw is already published.
   */
  commit(): MaybePromise<Timestamp>;
  /** Ends without effect; locks go. May be called at any time, also after a failure; idempotent; never throws. */
  rollback(): void;
}

/** A statement on its own, of which it is hoped that it touches one range only: to be run where that is led (4.5). */
export interface RowChange {
  /** The one table it reads and writes. */
  readonly table: TableFence;
  /** Milliseconds; 0 waits for row locks without limit. */
  readonly lockTimeoutMs: number;
  /**
   * Reads, locks and writes, with nothing but what `txn` gives; may be called several times, each from the start.
   * False: it cannot be run like this, or fails, or changes nothing. Whatever has to wait leaves it standing for ever.
   */
  run(txn: KvTxn): MaybePromise<boolean>;
  /** The same for the `ChangeRunner` of another node; undefined when it needs what only this session has. */
  encode(): Uint8Array | undefined;
}

/** Runs what another node has encoded; as `RowChange.run`. */
export type ChangeRunner = (program: Uint8Array, txn: KvTxn) => MaybePromise<boolean>;

export interface LatestGet {
  readonly key: Key;
  readonly table: TableFence;
}

export interface LatestScan {
  readonly rows: readonly KvRow[];
  /** False: there is more, and the caller starts again as a snapshot. */
  readonly isComplete: boolean;
}

export interface RangeInfo {
  readonly rangeId: RangeId;
  readonly generation: number;
  readonly start: Key;
  readonly end: Key;
  readonly replicas: readonly NodeId[];
  readonly leader: NodeId | undefined;
  /** Approximate bytes of live and old versions at the leader. */
  readonly sizeBytes: number;
}

export interface KvClient {
  readonly nodeId: NodeId;
  /** Begins; the gather runs in the background (TXN-1). Costs nothing until something is read, locked or written. */
  begin(options: BeginOptions): KvTxn;
  /** TXN-3: the newest committed value at the key's leader, under its lease. For autocommit statements only. */
  latestGet(k: Key, table: TableFence, signal: AbortSignal): MaybePromise<Uint8Array | undefined>;
  /**
   * As many, answered at one moment by one request. Undefined: that cannot be done, and they are to be asked for one by one.
   */
  latestGets(
    gets: readonly LatestGet[],
    signal: AbortSignal,
  ): MaybePromise<readonly (Uint8Array | undefined)[] | undefined>;
  /** TXN-3 for a span: one request to one leader, or `isComplete` false. */
  latestScan(
    span: Span,
    table: TableFence,
    options: ScanOptions,
    signal: AbortSignal,
  ): MaybePromise<LatestScan>;

  /**
   * Locks, evaluates and commits in one request to one leader. False: nothing has happened, and the caller makes a
   * transaction of it. Throws `lock_timeout`, `cancelled`, `ambiguous`.
   */
  changeAtOnce(change: RowChange, signal: AbortSignal): MaybePromise<boolean>;
  /**
   * As many, sent together in the order of one client (TXN-15): one is done only if those before it are, and is serialized
   * behind them. False of one: nothing of it, nor of those behind it, has happened. Rejections as above.
   */
  changesAtOnce(changes: readonly RowChange[], signal: AbortSignal): Promise<boolean>[];
  /** Who runs what other nodes send. */
  onChange(runner: ChangeRunner): void;

  /** Calls back when another node has changed the schema of a table (`version` is the new one; 0: dropped). */
  onSchemaChange(listener: (table: TableFence) => void): void;

  /** Unique over the cluster and rising in a node: hidden row ids, object ids. */
  uniqueInt(): bigint;
  /** Splits the range that holds `k` so that a range begins at `k`; no effect when one does. */
  splitAt(k: Key, signal: AbortSignal): Promise<void>;
  listRanges(span: Span, signal: AbortSignal): Promise<RangeInfo[]>;
  transferLeader(range: RangeId, to: NodeId, signal: AbortSignal): Promise<void>;
}
