/**
 * Changes of one row each that a transaction puts off until its commit (TXN-17, ADR 0016), because the rows of that table
 * are fought over: neither their locks nor their values are asked for when the statement runs. It is *forecast* instead,
 * on this node's own copy of the row: it is there, meets the conditions, and the change fails at nothing. The commit
 * carries the change to the leader, where it must do what was forecast, or it runs as other statements do.
 *
 * What follows in the transaction and looks at such a table has what was put off there run first (`settle`).
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import type {
  KvTxn,
  LockOptions,
  LockedRow,
  RowChange,
  TableFence,
} from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { OneRequestTxn, notInOneRequest } from '../range/one-request-txn.ts';
import type { DeferredChange } from '../range/requests.ts';
import type { TxnServices } from './txn-services.ts';

/** Of one transaction: what its commit carries, and what the leader runs in one step, is small. */
const CHANGES_MAX = 32;
const CHANGE_BYTES_MAX = 4096;

interface Deferred extends DeferredChange {
  /** Its place among the transaction's writes. */
  readonly seq: number;
  readonly change: RowChange;
}

/** One that was run before the commit, up to so many writes. */
interface Settled {
  readonly deferred: Deferred;
  readonly seq: number;
}

/** What nothing has been put in yet; never changed. */
const NONE: readonly Deferred[] = [];

type Services = Pick<TxnServices, 'env' | 'router' | 'replicas' | 'hotTables'>;

export class DeferredChanges {
  readonly #services: Services;
  #list = NONE;
  #settled: Settled[] | undefined;
  /** Their own requests are not held up by them. */
  #isSettling = false;

  constructor(services: Services) {
    this.#services = services;
  }

  get isEmpty(): boolean {
    return this.#list.length === 0;
  }

  /** In the order of their statements. */
  get list(): readonly DeferredChange[] {
    return this.#list;
  }

  /** Is one of the table, or of any, to be run before what follows? */
  isInTheWay(table: TableFence | 'any' | undefined): boolean {
    if (this.#list.length === 0 || this.#isSettling || table === undefined) return false;
    return this.#list.some((each) => isOf(each, table));
  }

  mayAdd({ tableId }: TableFence): boolean {
    return this.#list.length < CHANGES_MAX && this.#services.hotTables.isHot(tableId);
  }

  /** Puts a change off, as the write of number `seq`, if it can be forecast. `isKnown`: rows read or written before. */
  tryAdd(change: RowChange, seq: number, isKnown: (row: Key) => boolean): boolean {
    const { router, replicas, env } = this.#services;
    const bytes = change.encode();
    if (bytes === undefined || bytes.length > CHANGE_BYTES_MAX) return false;
    const key = forecast(change, (row) =>
      isKnown(row) ? undefined : replicas.newestHere(router.find(row).rangeId, row),
    );
    if (key === undefined) return false;
    this.#list = [...this.#list, { key, seq, change, run: (txn) => change.run(txn), bytes }];
    env.counters.changesDeferred++;
    return true;
  }

  /** Drops what is above the mark. What was put off before it and run behind it has not been run again. */
  rollbackTo(seq: number): void {
    if (this.#list.length === 0 && this.#settled === undefined) return;
    const undone = this.#settled?.filter((each) => each.seq > seq) ?? [];
    this.#settled = this.#settled?.filter((each) => each.seq <= seq);
    const all = [...undone.map(({ deferred }) => deferred), ...this.#list];
    this.#list = all.filter((each) => each.seq <= seq).sort((a, b) => a.seq - b.seq);
  }

  /**
   * Runs those of a table, or all, as statements of the transaction. One that fails stays, as do those behind it. Throws
   * what the transaction's locks throw, and `conflict` when a change does not do what was forecast. `seq`: of its newest write.
   */
  settle(txn: KvTxn, seq: () => number, table: TableFence | 'any' | undefined): MaybePromise<void> {
    if (!this.isInTheWay(table)) return undefined;
    this.#isSettling = true;
    const end = (): void => {
      this.#isSettling = false;
    };
    try {
      const settled = this.#settle(txn, seq, table);
      if (isPromise(settled)) return settled.finally(end);
    } catch (error) {
      end();
      throw error;
    }
    end();
    return undefined;
  }

  #settle(
    txn: KvTxn,
    seq: () => number,
    table: TableFence | 'any' | undefined,
  ): MaybePromise<void> {
    const next = this.#list.find((each) => isOf(each, table));
    if (next === undefined) return undefined;
    const statement = new SettlingTxn(txn);
    return thenMaybe(next.change.run(statement), (isDone) => {
      if (!isDone) throw statement.error ?? new KvError('conflict', 'a row was changed meanwhile');
      this.#list = this.#list.filter((each) => each !== next);
      (this.#settled ??= []).push({ deferred: next, seq: seq() });
      return this.#settle(txn, seq, table);
    });
  }
}

function isOf({ change }: Deferred, table: TableFence | 'any' | undefined): boolean {
  return table === 'any' || change.table.tableId === table?.tableId;
}

/** The key of the row that the change is about, if it does what it is to do with the value that `read` has of it. */
function forecast(change: RowChange, read: (key: Key) => Uint8Array | undefined): Key | undefined {
  const txn = new ForecastTxn(read);
  return change.run(txn) === true && txn.isWritten ? txn.key : undefined;
}

/** What a change that can be put off may do: lock its row, and write it. */
abstract class OneRowTxn extends OneRequestTxn {
  readonly hasWrites = false;

  get(): undefined {
    return notInOneRequest();
  }

  getMany(): [] {
    return notInOneRequest();
  }

  delete(): void {
    notInOneRequest();
  }
}

/** One row that is there is locked, and written. */
class ForecastTxn extends OneRowTxn implements KvTxn {
  key: Key | undefined;
  isWritten = false;
  readonly #read: (key: Key) => Uint8Array | undefined;

  constructor(read: (key: Key) => Uint8Array | undefined) {
    super();
    this.#read = read;
  }

  lock(keys: readonly Key[]): LockedRow[] {
    const [key] = keys;
    if (key === undefined || keys.length > 1 || this.key !== undefined) return notInOneRequest();
    const value = this.#read(key);
    if (value === undefined) return notInOneRequest();
    this.key = key;
    return [{ key, value, isGranted: true }];
  }

  put(k: Key): void {
    if (k !== this.key) notInOneRequest();
    this.isWritten = true;
  }
}

/** Keeps the error that a change ends with: whoever runs changes only says that one has failed. */
class SettlingTxn extends OneRowTxn implements KvTxn {
  error: KvError | undefined;
  readonly #txn: KvTxn;

  constructor(txn: KvTxn) {
    super();
    this.#txn = txn;
  }

  lock(
    keys: readonly Key[],
    table: TableFence | undefined,
    options: LockOptions,
  ): MaybePromise<LockedRow[]> {
    const failed = (error: unknown): never => {
      if (error instanceof KvError && error.code !== 'schema_mismatch') this.error = error;
      throw error;
    };
    try {
      const locked = this.#txn.lock(keys, table, options);
      return locked instanceof Promise ? locked.catch(failed) : locked;
    } catch (error) {
      return failed(error);
    }
  }

  put(k: Key, value: Uint8Array, table: TableFence | undefined): MaybePromise<void> {
    return this.#txn.put(k, value, table);
  }
}
