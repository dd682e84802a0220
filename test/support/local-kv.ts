/**
 * `KvClient` in one process: the executable meaning of src/kv/kv-client.ts. Versions in sorted memory, snapshots by
 * timestamp, locks with FIFO queues and deadlock detection, validation of everything read at commit, schema fences,
 * and a directory of ranges that only remembers. Each answer is synchronous unless it waits for a lock, or
 * `isAsync` asks for a promise each time, so that both ways through the callers are run.
 *
 * Not done: shared locks of retries (they only help progress), prepared transactions, collection of old versions.
 */
import { BTree } from './btree.ts';
import { nodeId, rangeId } from '../../src/base/ids.ts';
import type { NodeId, RangeId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, spansOverlap } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type {
  BeginOptions,
  KvClient,
  KvRow,
  KvTxn,
  LatestGet,
  LatestScan,
  RangeInfo,
  RowChange,
  ScanOptions,
  TableFence,
} from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { LocalLocks } from './local-kv-locks.ts';
import type { LockOwner } from './local-kv-locks.ts';
import { LocalTxn } from './local-kv-txn.ts';
import type { LocalStore } from './local-kv-txn.ts';

export interface Version {
  readonly ts: Timestamp;
  /** null: deleted. */
  readonly value: Uint8Array | null;
}

export interface LocalKvOptions {
  /** Every answer is a promise. */
  readonly isAsync?: boolean;
  readonly nodeId?: number;
  readonly after?: (delayMs: number, fn: () => void) => { cancel(): void };
  /** A lock request begins to wait. */
  readonly onWait?: (key: string, waiter: LockOwner, holders: readonly LockOwner[]) => void;
  /** Rows of one batch of a scan, and all that a latest scan answers. */
  readonly batchRows?: number;
  readonly startTs?: number;
}

interface LocalRange {
  readonly id: RangeId;
  generation: number;
  readonly start: Key;
  leader: NodeId;
}

const BATCH_ROWS = 1000;

export class LocalKv implements KvClient, LocalStore {
  readonly nodeId: NodeId;
  readonly locks = new LocalLocks();
  readonly #options: LocalKvOptions;
  /** Versions of a key, oldest first, never empty. */
  readonly #versions = new BTree<string, Version[]>();
  /** Schema versions of a table, oldest first. */
  readonly #fences = new Map<number, { readonly ts: Timestamp; readonly version: number }[]>();
  readonly #ranges: LocalRange[];
  #clock: number;
  #order = 0;
  #unique = 0n;

  constructor(options: LocalKvOptions = {}) {
    this.#options = options;
    this.nodeId = nodeId(options.nodeId ?? 1);
    this.#clock = options.startTs ?? 1;
    this.#ranges = [{ id: rangeId(1), generation: 1, start: KEY_MIN, leader: this.nodeId }];
  }

  get batchRows(): number {
    return this.#options.batchRows ?? BATCH_ROWS;
  }

  begin(options: BeginOptions): KvTxn {
    return new LocalTxn(this, options, ++this.#order);
  }

  latestGet(k: Key, table: TableFence): MaybePromise<Uint8Array | undefined> {
    return this.answer(() => {
      this.checkFence(table, TS_MAX);
      return this.read(k, TS_MAX)?.value ?? undefined;
    });
  }

  latestGets(gets: readonly LatestGet[]): MaybePromise<readonly (Uint8Array | undefined)[]> {
    return this.answer(() => {
      for (const { table } of gets) this.checkFence(table, TS_MAX);
      return gets.map(({ key }) => this.read(key, TS_MAX)?.value ?? undefined);
    });
  }

  latestScan(span: Span, table: TableFence, options: ScanOptions): MaybePromise<LatestScan> {
    return this.answer(() => {
      this.checkFence(table, TS_MAX);
      const isOneRange = this.#ranges.filter((range) =>
        spansOverlap(this.#spanOf(range), span),
      ).length;
      const limit = Math.min(options.limit ?? Infinity, this.batchRows);
      const rows: KvRow[] = [];
      const isAll = this.visit(span, TS_MAX, options.reverse === true, (key, value) => {
        if (rows.length === limit) return false;
        rows.push({ key, value });
        return true;
      });
      const isEnough = isAll || rows.length === options.limit;
      return { rows, isComplete: isEnough && isOneRange === 1 };
    });
  }

  uniqueInt(): bigint {
    return ++this.#unique;
  }

  splitAt(k: Key): Promise<void> {
    const index = this.#ranges.findLastIndex((range) => range.start <= k);
    const range = this.#ranges[index];
    if (range === undefined || range.start === k) return Promise.resolve();
    range.generation++;
    const id = rangeId(this.#ranges.length + 1);
    const right = { id, generation: range.generation, start: k, leader: range.leader };
    this.#ranges.splice(index + 1, 0, right);
    return Promise.resolve();
  }

  listRanges(span: Span): Promise<RangeInfo[]> {
    const found = this.#ranges.filter((range) => spansOverlap(this.#spanOf(range), span));
    return Promise.resolve(
      found.map((range) => ({
        rangeId: range.id,
        generation: range.generation,
        ...this.#spanOf(range),
        replicas: [this.nodeId],
        leader: range.leader,
        sizeBytes: 0,
      })),
    );
  }

  /** There are no other nodes. */
  onSchemaChange(): void {
    // Nobody to hear from.
  }

  onChange(): void {
    // Nobody to run anything for.
  }

  /** As a transaction of one statement, unless it would have to wait. */
  changeAtOnce(change: RowChange, signal: AbortSignal): MaybePromise<boolean> {
    if (this.#options.isAsync === true) return false;
    const txn = this.begin({ txnMaxBytes: Infinity, signal });
    const hasRun = change.run(txn);
    if (hasRun instanceof Promise) hasRun.catch(() => undefined);
    if (hasRun !== true) {
      txn.rollback();
      return false;
    }
    // What has lost to another is run again as a transaction.
    const isDone = (): boolean => true;
    const hasLost = (error: unknown): boolean => {
      if (error instanceof KvError && error.code === 'conflict') return false;
      throw error;
    };
    try {
      const committing = txn.commit();
      return committing instanceof Promise ? committing.then(isDone, hasLost) : true;
    } catch (error) {
      return hasLost(error);
    }
  }

  changesAtOnce(changes: readonly RowChange[], signal: AbortSignal): Promise<boolean>[] {
    let before: Promise<boolean> = Promise.resolve(true);
    return changes.map((change) => {
      const next = async (isBeforeDone: boolean): Promise<boolean> =>
        isBeforeDone && this.changeAtOnce(change, signal);
      return (before = before.then(next, () => false));
    });
  }

  transferLeader(id: RangeId, to: NodeId): Promise<void> {
    const range = this.#ranges.find((r) => r.id === id);
    if (range === undefined || to !== this.nodeId) {
      return Promise.reject(new KvError('unavailable', `no replica of range ${id} on node ${to}`));
    }
    return Promise.resolve();
  }

  // -- for LocalTxn ------------------------------------------------------------------------------------------

  answer<T>(fn: () => T): MaybePromise<T> {
    if (this.#options.isAsync !== true) return fn();
    return Promise.resolve().then(fn);
  }

  now(): Timestamp {
    return this.#clock as Timestamp;
  }

  /** The newest version at or below `ts`. */
  read(k: Key, ts: Timestamp): Version | undefined {
    return visibleAt(this.#versions.get(k), ts);
  }

  /** Visits live rows of a span in order until `visitor` says false; true when it came to the end. */
  visit(
    span: Span,
    ts: Timestamp,
    reverse: boolean,
    visitor: (key: Key, value: Uint8Array) => boolean,
  ): boolean {
    const entries = reverse
      ? this.#versions.entriesReversed(span.end, undefined, true)
      : this.#versions.entries(span.start);
    for (const [key, versions] of entries) {
      if (reverse ? key < span.start : key >= span.end) break;
      const value = visibleAt(versions, ts)?.value ?? null;
      if (value !== null && !visitor(key as Key, value)) return false;
    }
    return true;
  }

  /** Whether anything in the span has a version in (from, to]. */
  hasChanged(span: Span, from: Timestamp, to: Timestamp): boolean {
    for (const [key, versions] of this.#versions.entries(span.start)) {
      if (key >= span.end) break;
      if (versions.some((version) => version.ts > from && version.ts <= to)) return true;
    }
    return false;
  }

  fenceAt(tableId: number, ts: Timestamp): number {
    return this.#fences.get(tableId)?.findLast((fence) => fence.ts <= ts)?.version ?? 0;
  }

  hasFenceChanged(tableId: number, from: Timestamp, to: Timestamp): boolean {
    return this.#fences.get(tableId)?.some((f) => f.ts > from && f.ts <= to) === true;
  }

  checkFence(table: TableFence, ts: Timestamp): void {
    const found = this.fenceAt(table.tableId, ts);
    if (found !== table.version) throw new SchemaMismatch(table.tableId, found);
  }

  install(
    writes: Iterable<readonly [string, Uint8Array | null]>,
    fences: Iterable<readonly [number, number]>,
  ): Timestamp {
    const ts = ++this.#clock as Timestamp;
    for (const [key, value] of writes) {
      const versions = this.#versions.get(key);
      if (versions === undefined) this.#versions.set(key, [{ ts, value }]);
      else versions.push({ ts, value });
    }
    for (const [tableId, version] of fences) {
      const history = this.#fences.get(tableId);
      if (history === undefined) this.#fences.set(tableId, [{ ts, version }]);
      else history.push({ ts, version });
    }
    return ts;
  }

  after(delayMs: number, fn: () => void): { cancel(): void } {
    return this.#options.after?.(delayMs, fn) ?? { cancel: () => undefined };
  }

  onWait(key: string, waiter: LockOwner, holders: readonly LockOwner[]): void {
    this.#options.onWait?.(key, waiter, holders);
  }

  #spanOf(range: LocalRange): Span {
    const next = this.#ranges[this.#ranges.indexOf(range) + 1];
    return { start: range.start, end: next?.start ?? KEY_MAX };
  }
}

export function visibleAt(
  versions: readonly Version[] | undefined,
  ts: Timestamp,
): Version | undefined {
  if (versions === undefined) return undefined;
  for (let i = versions.length - 1; i >= 0; i--) {
    const version = versions[i];
    if (version !== undefined && version.ts <= ts) return version;
  }
  return undefined;
}
