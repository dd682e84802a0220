/**
 * Operators that read tables: by keys, by spans of the clustered index, and through a secondary index. Rows come as
 * wide as the table, columns that nobody wants left NULL, with the row's key behind them where it is asked for.
 */
import type { Key, Span } from '../../../src/base/span.ts';
import type { Steps } from '../../../src/base/steps.ts';
import { wait } from '../../../src/base/steps.ts';
import type { MaybePromise } from '../../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../../src/base/maybe-promise.ts';
import type {
  KvClient,
  KvCursor,
  KvRow,
  KvTxn,
  LockedRow,
  LockOptions,
  ScanOptions,
  TableFence,
} from '../../../src/kv/kv-client.ts';
import { KvError } from '../../../src/kv/kv-errors.ts';
import type { TableDescriptor } from '../../catalog/descriptors.ts';
import { SqlError, internalError } from '../../errors/sql-error.ts';
import { SQLSTATE } from '../../errors/sqlstate.ts';
import type { Datum } from '../../types/datum.ts';
import { evaluating } from '../evaluation-wait.ts';
import type { Batch, ExecPorts, Operator, Predicate } from '../operator.ts';
import { Breather } from '../operator.ts';
import type { RowReader, TableCodec } from '../table-codec.ts';
import { IndexCodec } from '../table-codec.ts';

/** What of a transaction reading needs; also what stands for it in a latest read. */
export type RowSource = Pick<KvTxn, 'get' | 'getMany' | 'scan'>;

/** The entries to read, in the order of the index. */
export type ScanAccess =
  | { readonly kind: 'points'; readonly keys: readonly Key[] }
  | { readonly kind: 'spans'; readonly spans: readonly Span[] };

export interface ScanSpec {
  readonly codec: TableCodec;
  /** False: the entries are those of a secondary index. */
  readonly isPrimary: boolean;
  readonly isReverse: boolean;
  readonly read: RowReader;
  /** Whether the row's key is wanted, behind the table's columns. */
  readonly withKey: boolean;
}

export interface ScanInput {
  /** Evaluated when the first rows are asked for; may ask to wait. */
  readonly access: () => ScanAccess;
  readonly source: RowSource;
  /** What the rows must fulfil besides. Never waits. */
  readonly predicate: Predicate | undefined;
  /** No more rows than this are needed; Infinity: all. */
  readonly limit: number;
}

export class ScanOperator implements Operator {
  readonly #spec: ScanSpec;
  readonly #input: ScanInput;
  readonly #breather: Breather;
  #access: ScanAccess | undefined;
  #nextSpan = 0;
  #cursor: KvCursor | undefined;
  #isDone = false;

  constructor(spec: ScanSpec, input: ScanInput, ports: ExecPorts) {
    this.#spec = spec;
    this.#input = input;
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    while (!this.#isDone) {
      const entries = yield* this.#entries();
      if (entries === undefined) break;
      const rows = this.#spec.isPrimary ? entries : yield* this.#rowsOf(entries);
      const batch = this.#decode(rows);
      if (rows.length > 1) yield* this.#breather.after(rows.length);
      if (batch.length > 0) return batch;
    }
    return undefined;
  }

  close(): void {
    this.#isDone = true;
    this.#cursor?.close();
    this.#cursor = undefined;
  }

  *#entries(): Steps<readonly KvRow[] | undefined> {
    const { access } = this.#input;
    this.#access ??= yield* evaluating(access);
    if (this.#access.kind === 'points') {
      this.#isDone = true;
      const { keys } = this.#access;
      return yield* this.#points(this.#spec.isReverse ? keys.toReversed() : keys);
    }
    return yield* this.#nextOfSpans(this.#access.spans);
  }

  *#points(keys: readonly Key[]): Steps<readonly KvRow[]> {
    const { source } = this.#input;
    const { fence } = this.#spec.codec;
    const [only] = keys;
    if (only !== undefined && keys.length === 1) {
      const value = yield* wait(source.get(only, fence));
      return value === undefined ? [] : [{ key: only, value }];
    }
    if (keys.length === 0) return [];
    return presentRows(keys, yield* wait(source.getMany(keys, fence)));
  }

  *#nextOfSpans(spans: readonly Span[]): Steps<readonly KvRow[] | undefined> {
    const { isReverse, codec } = this.#spec;
    const { source, limit, predicate } = this.#input;
    for (;;) {
      if (this.#cursor === undefined) {
        const at = isReverse ? spans.length - 1 - this.#nextSpan : this.#nextSpan;
        const span = spans[at];
        if (span === undefined) {
          this.#isDone = true;
          return undefined;
        }
        this.#nextSpan++;
        const isBounded = predicate === undefined && limit < Infinity;
        const options = isBounded ? { reverse: isReverse, limit } : { reverse: isReverse };
        this.#cursor = source.scan(span, codec.fence, options);
      }
      const rows = yield* wait(this.#cursor.next());
      if (rows !== undefined) return rows;
      this.#cursor.close();
      this.#cursor = undefined;
    }
  }

  /** From index entries to their rows. */
  *#rowsOf(entries: readonly KvRow[]): Steps<readonly KvRow[]> {
    const { codec } = this.#spec;
    if (entries.length === 0) return entries;
    const keys = entries.map((entry) => codec.keyOfPieces(IndexCodec.primaryPieces(entry)));
    const values = yield* wait(this.#input.source.getMany(keys, codec.fence));
    const rows = presentRows(keys, values);
    if (rows.length < keys.length) throw internalError('an index entry has no row');
    return rows;
  }

  #decode(rows: readonly KvRow[]): Batch {
    const { predicate } = this.#input;
    const batch: Batch = [];
    for (const kvRow of rows) {
      const row = decodeRow(this.#spec, kvRow);
      if (predicate === undefined || predicate(row)) batch.push(row);
    }
    return batch;
  }
}

export function decodeRow({ read, withKey }: ScanSpec, kvRow: KvRow): Datum[] {
  const row: Datum[] = read(kvRow);
  if (withKey) row.push(kvRow.key);
  return row;
}

function presentRows(
  keys: readonly Key[],
  values: readonly (Uint8Array | undefined)[],
): readonly KvRow[] {
  const rows: KvRow[] = [];
  for (const [i, key] of keys.entries()) {
    const value = values[i];
    if (value !== undefined) rows.push({ key, value });
  }
  return rows;
}

/**
 * Rows by their keys, locked before they are read: the newest is what is seen, and a busy row is waited for instead of
 * being found changed. Clustered index only.
 */
export class LockedPointsOperator implements Operator {
  readonly #spec: ScanSpec;
  readonly #input: Omit<ScanInput, 'limit' | 'source'>;
  readonly #txn: KvTxn;
  readonly #lock: LockOptions;
  #isDone = false;

  constructor(
    spec: ScanSpec,
    input: Omit<ScanInput, 'limit' | 'source'>,
    locking: { readonly txn: KvTxn; readonly lock: LockOptions },
  ) {
    this.#spec = spec;
    this.#input = input;
    this.#txn = locking.txn;
    this.#lock = locking.lock;
  }

  *next(): Steps<Batch | undefined> {
    if (this.#isDone) return undefined;
    this.#isDone = true;
    const access = yield* evaluating(this.#input.access);
    if (access.kind !== 'points' || access.keys.length === 0) return undefined;
    const locked = yield* lockRows(this.#txn, access.keys, this.#spec.codec, this.#lock);
    const { predicate } = this.#input;
    const batch: Batch = [];
    for (const { key, value, isGranted } of locked) {
      if (!isGranted || value === undefined) continue;
      const row = decodeRow(this.#spec, { key, value });
      if (predicate === undefined || predicate(row)) batch.push(row);
    }
    return batch.length === 0 ? undefined : batch;
  }

  close(): void {
    this.#isDone = true;
  }
}

/** The rows to lock of one table: where their keys stand in the rows. */
export interface LockSlot {
  readonly slot: number;
  readonly codec: TableCodec;
  readonly lock: LockOptions;
}

/**
 * Locks the rows that come by. A lock is granted only on what was read: if the row has changed since, the transaction
 * throws `snapshot_moved` and the statement begins again.
 */
export class LockOperator implements Operator {
  readonly #input: Operator;
  readonly #targets: readonly LockSlot[];
  readonly #txn: KvTxn;
  /** Rows locked at once: no more than the statement will take. */
  readonly #chunk: number;
  #batch: Batch = [];

  constructor(
    input: Operator,
    targets: readonly LockSlot[],
    options: { readonly txn: KvTxn; readonly limit: number },
  ) {
    this.#input = input;
    this.#targets = targets;
    this.#txn = options.txn;
    this.#chunk = Math.max(1, Math.min(options.limit, CHUNK_MAX));
  }

  *next(): Steps<Batch | undefined> {
    for (;;) {
      if (this.#batch.length === 0) {
        const batch = yield* this.#input.next();
        if (batch === undefined) return undefined;
        this.#batch = batch;
      }
      let rows = this.#batch.splice(0, this.#chunk);
      for (const target of this.#targets) rows = yield* this.#lockRows(rows, target);
      if (rows.length > 0) return rows;
    }
  }

  close(): void {
    this.#input.close();
    this.#batch = [];
  }

  *#lockRows(rows: Batch, { slot, codec, lock }: LockSlot): Steps<Batch> {
    const keys = [...new Set(rows.map((row) => row[slot] as Key))].sort();
    if (keys.length === 0) return rows;
    const locked = yield* lockRows(this.#txn, keys, codec, lock);
    if (lock.wait !== 'skip') return rows;
    const granted = new Set(locked.filter((l) => l.isGranted).map((l) => l.key));
    return rows.filter((row) => granted.has(row[slot] as Key));
  }
}

const CHUNK_MAX = 500;

function* lockRows(
  txn: KvTxn,
  keys: readonly Key[],
  { fence, table }: TableCodec,
  lock: LockOptions,
): Steps<LockedRow[]> {
  try {
    return yield* wait(txn.lock(keys, fence, lock));
  } catch (error) {
    throw lockFailure(error, table);
  }
}

/** What a failed lock is to the client, which knows tables and no keys. */
export function lockFailure(error: unknown, table: TableDescriptor): unknown {
  if (!(error instanceof KvError) || error.code !== 'lock_not_available') return error;
  const message = `could not obtain lock on row in relation "${table.name}"`;
  return new SqlError(SQLSTATE.LOCK_NOT_AVAILABLE, message, { cause: error });
}

/** The latest read has to become a snapshot: it takes more than one request. */
export class NeedsSnapshot extends Error {
  override readonly name = 'NeedsSnapshot';
}

/** TXN-3: one request to one leader. */
export class LatestSource implements RowSource {
  readonly #kv: Pick<KvClient, 'latestGet' | 'latestScan'>;
  readonly #signal: AbortSignal;

  constructor(kv: Pick<KvClient, 'latestGet' | 'latestScan'>, signal: AbortSignal) {
    this.#kv = kv;
    this.#signal = signal;
  }

  get(key: Key, fence: TableFence | undefined): MaybePromise<Uint8Array | undefined> {
    if (fence === undefined) throw internalError('a latest read without a table');
    return this.#kv.latestGet(key, fence, this.#signal);
  }

  getMany(keys: readonly Key[], fence: TableFence | undefined): never {
    throw internalError(`a latest read of ${keys.length} keys of table ${fence?.tableId ?? 0}`);
  }

  scan(span: Span, fence: TableFence | undefined, options: ScanOptions = {}): KvCursor {
    if (fence === undefined) throw internalError('a latest read without a table');
    let isRead = false;
    return {
      next: () => {
        if (isRead) return undefined;
        isRead = true;
        const answer = this.#kv.latestScan(span, fence, options, this.#signal);
        return thenMaybe(answer, ({ rows, isComplete }) => {
          const isEnough = isComplete || rows.length >= (options.limit ?? Infinity);
          if (!isEnough) throw new NeedsSnapshot('more rows than one request gives');
          return rows.length === 0 ? undefined : rows;
        });
      },
      close: () => {
        isRead = true;
      },
    };
  }
}
