/**
 * One transaction of a session: its `KvTxn`, its savepoints, and what it has seen of the catalog. Implicit ones are
 * begun for a message of several statements and end with it; explicit ones by BEGIN and COMMIT. Owned by one session,
 * used one statement at a time.
 *
 * A block that failed keeps its `KvTxn` only if a savepoint could bring it back, and if its failure leaves the `KvTxn`
 * usable: after a conflict, deadlock or cancellation it is *doomed*, and ROLLBACK TO cannot revive it.
 */
import type { KvMark, KvTxn } from '../../src/kv/kv-client.ts';
import { SqlError, serializationFailure } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { CatalogMark, TxnCatalog } from '../catalog/txn-catalog.ts';
import type { Settings, SettingsMark } from './settings.ts';

export interface BlockModes {
  readonly isReadOnly: boolean;
}

interface SavepointRecord {
  readonly name: string;
  readonly mark: KvMark;
  readonly settings: SettingsMark;
  readonly catalog: CatalogMark;
}

const SAVEPOINTS_MAX = 10000;

export class TransactionBlock {
  /** Begun by BEGIN; false: by a message of several statements, or for one autocommit statement. */
  isExplicit: boolean;
  isReadOnly: boolean;
  isFailed = false;
  /** The failure was one after which the `KvTxn` cannot go on. */
  isDoomed = false;
  /** Nothing but BEGIN, SET and SAVEPOINT has run: it can be begun again without anyone noticing. */
  isFresh = true;
  /** Start of the transaction, microseconds since 2000-01-01 UTC: what now() says. */
  startMicros: bigint;
  readonly txn: KvTxn;
  readonly catalog: TxnCatalog;
  /** What ROLLBACK restores. */
  readonly settingsAtBegin: SettingsMark;
  #savepoints: SavepointRecord[] = [];

  constructor(
    parts: { readonly txn: KvTxn; readonly catalog: TxnCatalog; readonly startMicros: bigint },
    settingsAtBegin: SettingsMark,
    modes: { readonly isExplicit: boolean; readonly isReadOnly: boolean },
  ) {
    this.txn = parts.txn;
    this.catalog = parts.catalog;
    this.startMicros = parts.startMicros;
    this.settingsAtBegin = settingsAtBegin;
    this.isExplicit = modes.isExplicit;
    this.isReadOnly = modes.isReadOnly;
  }

  get hasSavepoints(): boolean {
    return this.#savepoints.length > 0;
  }

  savepoint(name: string, settings: Settings): void {
    if (this.#savepoints.length >= SAVEPOINTS_MAX) {
      throw new SqlError(SQLSTATE.PROGRAM_LIMIT_EXCEEDED, 'too many savepoints', {
        hint: 'Release savepoints that are no longer needed.',
      });
    }
    this.#savepoints.push({
      name,
      mark: this.txn.mark(),
      settings: settings.mark(),
      catalog: this.catalog.mark(),
    });
  }

  release(name: string): void {
    this.#savepoints.length = this.#mustFind(name);
  }

  rollbackTo(name: string, settings: Settings): void {
    const index = this.#mustFind(name);
    if (this.isDoomed) throw serializationFailure('The transaction can no longer be continued.');
    const savepoint = this.#savepoints[index];
    if (savepoint === undefined) return;
    this.txn.rollbackTo(savepoint.mark);
    this.catalog.rollbackTo(savepoint.catalog);
    settings.rollbackTo(savepoint.settings);
    this.#savepoints.length = index + 1;
    this.isFailed = false;
  }

  /** A statement has failed. `isDoomed`: the `KvTxn` cannot go on, whatever the client does. */
  fail(isDoomed: boolean): void {
    this.isFailed = true;
    if (isDoomed) this.isDoomed = true;
    if (this.isDoomed || !this.hasSavepoints) {
      this.isDoomed = true;
      this.txn.rollback();
    }
  }

  /** Savepoints of a block that is begun again before anything has run in it: all at its start. */
  adoptSavepoints(from: TransactionBlock): void {
    const mark = this.txn.mark();
    const catalog = this.catalog.mark();
    this.#savepoints = from.#savepoints.map((savepoint) => ({ ...savepoint, mark, catalog }));
  }

  #mustFind(name: string): number {
    const index = this.#savepoints.findLastIndex((savepoint) => savepoint.name === name);
    if (index >= 0) return index;
    throw new SqlError(
      SQLSTATE.INVALID_SAVEPOINT_SPECIFICATION,
      `savepoint "${name}" does not exist`,
    );
  }
}
