/**
 * A transaction of `LocalKv`. Its writes are buffered with an undo log (so that a mark is a length), its reads are
 * remembered as spans. See src/kv/kv-client.ts for what each method promises.
 */
import { BTree } from './btree.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter, pointSpan } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import { fenceKey } from '../../src/kv/keyspace.ts';
import type {
  BeginOptions,
  KvCursor,
  KvMark,
  KvRow,
  KvTxn,
  LockedRow,
  LockOptions,
  ScanOptions,
  TableFence,
} from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import type { LocalLocks, LockOwner } from './local-kv-locks.ts';

type Undo = () => void;

/** What a transaction asks of the store it lives in. */
export interface LocalStore {
  readonly locks: LocalLocks;
  readonly batchRows: number;
  answer<T>(fn: () => T): MaybePromise<T>;
  now(): Timestamp;
  /** The value of the newest version at or below `ts`, and when it was written; null: deleted. */
  read(
    k: Key,
    ts: Timestamp,
  ): { readonly ts: Timestamp; readonly value: Uint8Array | null } | undefined;
  visit(
    span: Span,
    ts: Timestamp,
    reverse: boolean,
    visitor: (key: Key, value: Uint8Array) => boolean,
  ): boolean;
  hasChanged(span: Span, from: Timestamp, to: Timestamp): boolean;
  fenceAt(tableId: number, ts: Timestamp): number;
  hasFenceChanged(tableId: number, from: Timestamp, to: Timestamp): boolean;
  checkFence(table: TableFence, ts: Timestamp): void;
  install(
    writes: Iterable<readonly [string, Uint8Array | null]>,
    fences: Iterable<readonly [number, number]>,
  ): Timestamp;
  after(delayMs: number, fn: () => void): { cancel(): void };
  onWait(key: string, waiter: LockOwner, holders: readonly LockOwner[]): void;
}

export class LocalTxn implements KvTxn, LockOwner {
  readonly order: number;
  readonly #kv: LocalStore;
  readonly #options: BeginOptions;
  readonly #buffer = new BTree<string, Uint8Array | null>();
  readonly #fences = new Map<number, number>();
  readonly #undo: Undo[] = [];
  readonly #reads: Span[] = [];
  readonly #tables = new Set<number>();
  #readTs: Timestamp | undefined;
  #lastMark = 0;
  #bytes = 0;
  #isEnded = false;

  constructor(kv: LocalStore, options: BeginOptions, order: number) {
    this.#kv = kv;
    this.#options = options;
    this.order = order;
  }

  get hasWrites(): boolean {
    return this.#buffer.size > 0 || this.#fences.size > 0;
  }

  /** Every statement is run when it comes. */
  changeLater(): boolean {
    return false;
  }

  readTs(): MaybePromise<Timestamp> {
    return this.#kv.answer(() => this.#snapshot());
  }

  get(k: Key, table: TableFence | undefined): MaybePromise<Uint8Array | undefined> {
    return this.#kv.answer(() => this.#get(k, table));
  }

  getMany(
    keys: readonly Key[],
    table: TableFence | undefined,
  ): MaybePromise<(Uint8Array | undefined)[]> {
    return this.#kv.answer(() => keys.map((k) => this.#get(k, table)));
  }

  scan(span: Span, table: TableFence | undefined, options: ScanOptions = {}): KvCursor {
    const reverse = options.reverse === true;
    let from = reverse ? span.end : span.start;
    let left = options.limit ?? Infinity;
    let isDone = false;
    const next = (): readonly KvRow[] | undefined => {
      this.#checkLive();
      if (isDone || left <= 0) return undefined;
      this.#touch(table, this.#snapshot());
      const rest = reverse ? { start: span.start, end: from } : { start: from, end: span.end };
      const rows = this.#merged(rest, reverse, Math.min(left, this.#kv.batchRows));
      left -= rows.length;
      const last = rows.at(-1);
      isDone = rows.length < this.#kv.batchRows && left > 0;
      if (last === undefined || isDone) this.#reads.push(rest);
      else if (reverse) this.#reads.push({ start: last.key, end: rest.end });
      else this.#reads.push({ start: rest.start, end: keyAfter(last.key) });
      if (last !== undefined) from = reverse ? last.key : keyAfter(last.key);
      return rows.length === 0 ? undefined : rows;
    };
    return {
      next: () => this.#kv.answer(next),
      close: () => {
        isDone = true;
      },
    };
  }

  lock(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    return this.#lockFrom(keys, 0, [], table, options);
  }

  put(k: Key, value: Uint8Array, table: TableFence | undefined): MaybePromise<void> {
    return this.#kv.answer(() => this.#write(k, value, table));
  }

  delete(k: Key, table: TableFence | undefined): MaybePromise<void> {
    return this.#kv.answer(() => this.#write(k, null, table));
  }

  async bumpFence(tableId: number, newVersion: number, options: LockOptions): Promise<void> {
    await this.#lockKey(fenceKey(tableId, '' as Key), options);
    const before = this.#fences.get(tableId);
    this.#tables.add(tableId);
    if (this.#kv.hasFenceChanged(tableId, this.#snapshot(), TS_MAX)) this.#moveSnapshot();
    this.#fences.set(tableId, newVersion);
    this.#undo.push(() => {
      if (before === undefined) this.#fences.delete(tableId);
      else this.#fences.set(tableId, before);
    });
  }

  mark(): KvMark {
    this.#lastMark = this.#reads.length;
    return { writeSeq: this.#undo.length, readCount: this.#reads.length };
  }

  rollbackTo(mark: KvMark): void {
    while (this.#undo.length > mark.writeSeq) this.#undo.pop()?.();
  }

  restart(mark: KvMark): Promise<void> {
    this.rollbackTo(mark);
    this.#reads.length = mark.readCount;
    this.#lastMark = mark.readCount;
    try {
      if (this.#readTs !== undefined) this.#moveSnapshot();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  commit(): MaybePromise<Timestamp> {
    this.#checkLive();
    if (!this.hasWrites) {
      this.rollback();
      return this.#kv.now();
    }
    const waiting = this.#waitForFences();
    return waiting === undefined
      ? this.#kv.answer(() => this.#commitNow())
      : waiting.then(() => this.#commitNow());
  }

  rollback(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#kv.locks.releaseAll(this);
  }

  #commitNow(): Timestamp {
    const from = this.#snapshot();
    try {
      for (const span of this.#reads) {
        if (this.#kv.hasChanged(span, from, TS_MAX)) {
          throw new KvError('conflict', 'something that was read has changed');
        }
      }
      for (const tableId of this.#tables) {
        if (this.#kv.hasFenceChanged(tableId, from, TS_MAX)) {
          throw new KvError('conflict', `the schema of table ${tableId} has changed`);
        }
      }
      return this.#kv.install(this.#buffer.entries(), this.#fences);
    } finally {
      this.rollback();
    }
  }

  /** COMMIT honours a lock on a fence, not one on a row (TXN-14). */
  #waitForFences(): Promise<void> | undefined {
    const blocked = [...this.#tables].filter((id) => {
      return this.#kv.locks.holders(fenceKey(id, '' as Key), this).length > 0;
    });
    if (blocked.length === 0) return undefined;
    const options: LockOptions = { strength: 'share', wait: 'block', timeoutMs: 0 };
    const lockAll = async (): Promise<void> => {
      for (const id of blocked) await this.#lockKey(fenceKey(id, '' as Key), options);
    };
    return lockAll().catch((error: unknown) => {
      this.rollback();
      throw error;
    });
  }

  #snapshot(): Timestamp {
    this.#checkLive();
    this.#readTs ??= this.#kv.now();
    return this.#readTs;
  }

  #get(k: Key, table: TableFence | undefined): Uint8Array | undefined {
    const ts = this.#snapshot();
    this.#touch(table, ts);
    this.#reads.push(pointSpan(k));
    return this.#newest(k, ts);
  }

  #newest(k: Key, ts: Timestamp): Uint8Array | undefined {
    const own = this.#buffer.get(k);
    if (own !== undefined) return own ?? undefined;
    return this.#kv.read(k, ts)?.value ?? undefined;
  }

  /** Rows of the store with the own writes laid over them. */
  #merged(span: Span, reverse: boolean, limit: number): KvRow[] {
    const own: (readonly [string, Uint8Array | null])[] = [];
    for (const entry of this.#buffer.entries(span.start)) {
      if (entry[0] >= span.end) break;
      own.push(entry);
    }
    if (reverse) own.reverse();
    const rows: KvRow[] = [];
    let at = 0;
    const isBefore = (a: string, b: string): boolean => (reverse ? a > b : a < b);
    const pushOwnBefore = (key: string | undefined): void => {
      for (; at < own.length; at++) {
        const entry = own[at];
        if (entry === undefined || (key !== undefined && !isBefore(entry[0], key))) return;
        if (entry[1] !== null && rows.length < limit)
          rows.push({ key: entry[0] as Key, value: entry[1] });
      }
    };
    this.#kv.visit(span, this.#snapshot(), reverse, (key, value) => {
      pushOwnBefore(key);
      if (rows.length >= limit) return false;
      if (!this.#buffer.has(key)) rows.push({ key, value });
      return rows.length < limit;
    });
    if (rows.length < limit) pushOwnBefore(undefined);
    return rows;
  }

  #write(k: Key, value: Uint8Array | null, table: TableFence | undefined): void {
    this.#touch(table, undefined);
    const before = this.#buffer.get(k);
    this.#bytes += k.length + (value?.length ?? 0);
    if (this.#bytes > this.#options.txnMaxBytes) {
      throw new KvError('too_large', 'the transaction is too large');
    }
    this.#buffer.set(k, value);
    this.#undo.push(() => {
      this.#bytes -= k.length + (value?.length ?? 0);
      if (before === undefined) this.#buffer.delete(k);
      else this.#buffer.set(k, before);
    });
  }

  #touch(table: TableFence | undefined, ts: Timestamp | undefined): void {
    if (this.#options.signal.aborted) throw new KvError('cancelled', 'cancelled');
    if (table === undefined) return;
    this.#tables.add(table.tableId);
    if (ts === undefined || this.#fences.has(table.tableId)) return;
    this.#kv.checkFence(table, ts);
  }

  #lockFrom(
    keys: readonly Key[],
    index: number,
    granted: boolean[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    this.#checkLive();
    for (let i = index; i < keys.length; i++) {
      const k = keys[i] as Key;
      if (this.#kv.locks.tryLock(k, this, options.strength)) {
        granted.push(true);
      } else if (options.wait === 'skip') {
        granted.push(false);
      } else if (options.wait === 'nowait') {
        throw new KvError('lock_not_available', 'the row is locked');
      } else {
        return this.#lockKey(k, options).then(() => {
          granted.push(true);
          return this.#lockFrom(keys, i + 1, granted, table, options);
        });
      }
    }
    return this.#kv.answer(() => this.#readLocked(keys, granted, table));
  }

  async #lockKey(k: Key, options: LockOptions): Promise<void> {
    this.#snapshot();
    if (this.#kv.locks.tryLock(k, this, options.strength)) return;
    if (options.wait === 'nowait') throw new KvError('lock_not_available', 'the key is locked');
    await this.#kv.locks.wait(k, this, options.strength, {
      timeoutMs: options.timeoutMs,
      signal: this.#options.signal,
      after: (delayMs, fn) => this.#kv.after(delayMs, fn),
      onWait: (key, holders) => this.#kv.onWait(key, this, holders),
    });
  }

  #readLocked(
    keys: readonly Key[],
    granted: readonly boolean[],
    table: TableFence | undefined,
  ): LockedRow[] {
    const before = this.#snapshot();
    this.#touch(table, TS_MAX);
    const isNewer = keys.some((k, i) => {
      const version = granted[i] === true ? this.#kv.read(k, TS_MAX) : undefined;
      return version !== undefined && version.ts > before;
    });
    if (isNewer) this.#moveSnapshot();
    return keys.map((k, i) => {
      if (granted[i] !== true) return { key: k, value: undefined, isGranted: false };
      this.#reads.push(pointSpan(k));
      return { key: k, value: this.#newest(k, this.#snapshot()), isGranted: true };
    });
  }

  /** TXN-13: what was read before must be unchanged at the new snapshot. */
  #moveSnapshot(): void {
    const from = this.#snapshot();
    const to = this.#kv.now();
    for (let i = 0; i < this.#reads.length; i++) {
      const span = this.#reads[i];
      if (span === undefined || !this.#kv.hasChanged(span, from, to)) continue;
      if (i >= this.#lastMark) throw new KvError('snapshot_moved', 'the statement has to restart');
      throw new KvError('conflict', 'something that was read has changed');
    }
    for (const tableId of this.#tables) {
      if (this.#fences.has(tableId) || !this.#kv.hasFenceChanged(tableId, from, to)) continue;
      throw new SchemaMismatch(tableId, this.#kv.fenceAt(tableId, to));
    }
    this.#readTs = to;
  }

  #checkLive(): void {
    if (this.#isEnded) throw new KvError('cancelled', 'the transaction has ended');
  }
}
