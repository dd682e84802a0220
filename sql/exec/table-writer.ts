/**
 * Changes of a table's rows within a transaction: constraints are checked, index entries kept in step. Rows are whole
 * (all columns of the descriptor, in its order).
 *
 * Uniqueness rests on reads: the key a row is to have is read first, and its absence joins the read set. A check sees
 * the transaction's own earlier writes, so rows of one statement are checked in the order in which they come, as in
 * Postgres. Single rows lock their keys, so that a rival is waited for rather than lost to; batches do not.
 */
import type { Key } from '../../src/base/span.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { KvRow, KvTxn, LockOptions } from '../../src/kv/kv-client.ts';
import type { IndexDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import { checkViolation, notNullViolation, uniqueViolation } from '../errors/sql-error.ts';
import type { SqlError } from '../errors/sql-error.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import { keyDetail, rowDetail } from './constraint-details.ts';
import type { IndexCodec, TableCodec } from './table-codec.ts';
import { codecOf } from './table-codec.ts';

export interface CompiledCheck {
  readonly name: string;
  /** NULL is yes. */
  readonly holds: (row: Row) => boolean;
}

export interface WriterPorts {
  readonly txn: KvTxn;
  readonly lock: LockOptions;
  readonly format: FormatContext;
  readonly checks: readonly CompiledCheck[];
}

/** A row that stands in the way of a new one. */
export interface RowConflict {
  readonly index: IndexDescriptor;
  /** Primary key of the row that is there. */
  readonly key: Key;
  /** The row, where the key itself was read; undefined: it is only known that there is one. */
  readonly value: Uint8Array | undefined;
}

/** What a new row claims: its own key, and the entries of unique indexes. */
interface Claim {
  readonly index: IndexDescriptor;
  readonly key: Key;
}

export class TableWriter {
  readonly table: TableDescriptor;
  readonly codec: TableCodec;
  readonly #ports: WriterPorts;
  /** Index of the row that made the last `insert` fail. */
  failedRow = 0;

  constructor(table: TableDescriptor, ports: WriterPorts) {
    this.table = table;
    this.codec = codecOf(table);
    this.#ports = ports;
  }

  /** NOT NULL and CHECK. */
  checkRow(row: Row): void {
    const { columns } = this.table;
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i];
      if (column?.isNotNull !== true || (row[i] ?? null) !== null) continue;
      throw notNullViolation(
        this.table,
        column.name,
        rowDetail(this.table, row, this.#ports.format),
      );
    }
    for (const check of this.#ports.checks) {
      if (check.holds(row)) continue;
      throw checkViolation(this.table, check.name, rowDetail(this.table, row, this.#ports.format));
    }
  }

  /** Inserts rows that have to be new: 23505 for the first that is not. `locks`: one row, whose keys are locked. */
  *insert(rows: readonly Row[], locks: boolean): Steps<void> {
    const claims: Claim[] = [];
    const owners: number[] = [];
    let failure: { readonly row: number; readonly error: unknown } | undefined;
    for (const [i, row] of rows.entries()) {
      // What a row before it collides with comes first.
      try {
        this.checkRow(row);
      } catch (error) {
        failure = { row: i, error };
        break;
      }
      for (const claim of this.#claims(row)) {
        claims.push(claim);
        owners.push(i);
      }
    }
    if (claims.length > 0) {
      const taken = yield* this.#read(claims, locks);
      const claimed = new Set<Key>();
      for (const [i, { index, key }] of claims.entries()) {
        if (taken[i] === undefined && !claimed.has(key)) claimed.add(key);
        else {
          this.failedRow = owners[i] ?? 0;
          throw this.#duplicate(index, rows[this.failedRow] ?? []);
        }
      }
    }
    if (failure !== undefined) {
      this.failedRow = failure.row;
      throw failure.error;
    }
    for (const row of rows) yield* wait(this.#putNew(row));
  }

  /**
   * The row that `row` would collide with, among the given indexes; undefined when there is none. A collision with
   * another index is 23505.
   */
  *conflictOf(
    row: Row,
    arbiters: ReadonlySet<number> | undefined,
    locks: boolean,
  ): Steps<RowConflict | undefined> {
    const claims = this.#claims(row);
    const taken = yield* this.#read(claims, locks);
    let found: RowConflict | undefined;
    for (const [i, { index, key }] of claims.entries()) {
      const value = taken[i];
      if (value === undefined) continue;
      if (arbiters !== undefined && !arbiters.has(index.id)) {
        // Postgres looks at the arbiters first: only if none of them has a conflict is this an error.
        if (found === undefined && this.#isLast(claims, taken, i, arbiters)) {
          throw this.#duplicate(index, row);
        }
        continue;
      }
      const isPrimary = index.id === this.table.primary.id;
      const rowKey = isPrimary ? key : this.codec.keyOfPieces(Buffer.from(value).latin1Slice());
      found ??= { index, key: rowKey, value: isPrimary ? value : undefined };
    }
    return found;
  }

  /** Inserts a row that `conflictOf` has found to be new. */
  insertChecked(row: Row): MaybePromise<void> {
    return this.#putNew(row);
  }

  /** Replaces a row; `key` is its key now. The caller has locked it. */
  *update(key: Key, before: Row, after: Row): Steps<void> {
    this.checkRow(after);
    const { txn } = this.#ports;
    const { codec } = this;
    const oldPieces = codec.piecesOfKey(key);
    const newPieces = codec.primaryPieces(after);
    const isMoved = oldPieces !== newPieces;
    const newKey = isMoved ? codec.keyOfPieces(newPieces) : key;
    if (isMoved) {
      const there = yield* wait(txn.get(newKey, codec.fence));
      if (there !== undefined) throw this.#duplicate(this.table.primary, after);
      yield* wait(txn.delete(key, codec.fence));
    }
    yield* wait(txn.put(newKey, codec.encodeValue(after), codec.fence));
    for (const index of codec.indexes) {
      yield* this.#moveEntry(index, before, after, { oldPieces, newPieces });
    }
  }

  /* ---------- one row, as plain calls ---------- */

  /** As `update`, where neither the key nor an index entry changes. */
  replace(key: Key, after: Row): MaybePromise<void> {
    this.checkRow(after);
    return this.#ports.txn.put(key, this.codec.encodeValue(after), this.codec.fence);
  }

  /** Removes a row; `key` is its key. The caller has locked it. */
  remove(key: Key, before: Row): MaybePromise<void> {
    const { txn } = this.#ports;
    const { fence, indexes } = this.codec;
    let done = txn.delete(key, fence);
    const pieces = indexes.length === 0 ? '' : this.codec.piecesOfKey(key);
    for (const index of indexes) {
      done = thenMaybe(done, () => txn.delete(index.entry(before, pieces).key, fence));
    }
    return done;
  }

  /** As `insert` of one row. */
  insertOne(row: Row): MaybePromise<void> {
    this.checkRow(row);
    const { txn, lock } = this.#ports;
    const claims = this.#claims(row);
    if (claims.length === 0) return this.#putNew(row);
    const keys = claims.map((claim) => claim.key);
    const { strength, wait, timeoutMs } = lock;
    const claiming = { strength, wait, timeoutMs, isClaim: true };
    return thenMaybe(txn.lock(keys, this.codec.fence, claiming), (locked) => {
      for (let i = 0; i < claims.length; i++) {
        const claim = claims[i];
        if (claim === undefined || locked[i]?.value === undefined) continue;
        this.failedRow = 0;
        throw this.#duplicate(claim.index, row);
      }
      return this.#putNew(row);
    });
  }

  /**
   * As `conflictOf` and what follows from it, where the primary key is all that a row can collide with: the row there
   * is, locked, or undefined after the new one was written.
   */
  insertUnless(row: Row): MaybePromise<KvRow | undefined> {
    this.checkRow(row);
    const { txn, lock } = this.#ports;
    const key = this.codec.primaryKey(row);
    return thenMaybe(txn.lock([key], this.codec.fence, lock), ([locked]) => {
      const value = locked?.value;
      if (value !== undefined) return { key, value };
      return thenMaybe(this.#putNew(row), () => undefined);
    });
  }

  #putNew(row: Row): MaybePromise<void> {
    const { txn } = this.#ports;
    const { codec } = this;
    const pieces = codec.primaryPieces(row);
    let done = txn.put(codec.keyOfPieces(pieces), codec.encodeValue(row), codec.fence);
    for (const index of codec.indexes) {
      const { key, value } = index.entry(row, pieces);
      done = thenMaybe(done, () => txn.put(key, value, codec.fence));
    }
    return done;
  }

  *#moveEntry(
    index: IndexCodec,
    before: Row,
    after: Row,
    { oldPieces, newPieces }: { readonly oldPieces: string; readonly newPieces: string },
  ): Steps<void> {
    const { txn } = this.#ports;
    const { fence } = this.codec;
    const old = index.entry(before, oldPieces);
    const next = index.entry(after, newPieces);
    if (old.key === next.key) {
      if (oldPieces !== newPieces) yield* wait(txn.put(next.key, next.value, fence));
      return;
    }
    if (index.isExclusive(after)) {
      const there = yield* wait(txn.get(next.key, fence));
      if (there !== undefined) throw this.#duplicate(index.index, after);
    }
    yield* wait(txn.delete(old.key, fence));
    yield* wait(txn.put(next.key, next.value, fence));
  }

  /** A hidden row id is unique by its making: nobody else can have claimed it. */
  #claims(row: Row): Claim[] {
    const { codec } = this;
    const claims: Claim[] = [];
    if (this.table.hasPrimaryKey) {
      claims.push({ index: this.table.primary, key: codec.primaryKey(row) });
    }
    for (const index of codec.indexes) {
      if (index.isExclusive(row))
        claims.push({ index: index.index, key: index.entry(row, '').key });
    }
    return claims;
  }

  *#read(claims: readonly Claim[], locks: boolean): Steps<readonly (Uint8Array | undefined)[]> {
    if (claims.length === 0) return [];
    const { txn, lock } = this.#ports;
    const keys = claims.map((claim) => claim.key);
    if (!locks) return yield* wait(txn.getMany(keys, this.codec.fence));
    const rows = yield* wait(txn.lock(keys, this.codec.fence, lock));
    return rows.map((row) => row.value);
  }

  #isLast(
    claims: readonly Claim[],
    taken: readonly (Uint8Array | undefined)[],
    at: number,
    arbiters: ReadonlySet<number>,
  ): boolean {
    return !claims.some((c, i) => i > at && taken[i] !== undefined && arbiters.has(c.index.id));
  }

  #duplicate(index: IndexDescriptor, row: Row): SqlError {
    const detail = keyDetail(this.table, index, row, this.#ports.format);
    return uniqueViolation(this.table, index.name, detail);
  }
}

/** A row of the table's width with NULL everywhere. */
export function emptyRow(table: TableDescriptor): Datum[] {
  return new Array<Datum>(table.columns.length).fill(null);
}
