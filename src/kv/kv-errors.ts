/**
 * Failures of the key-value layer, as SQL sees them; `sql/errors/from-kv.ts` is their only translation to SQLSTATE.
 */
import { QuorateError } from '../base/errors.ts';
import type { ErrorFlags } from '../base/errors.ts';

export type KvErrorCode =
  /** Failed validation, a conflict, a vanished lock: run the transaction again (40001). */
  | 'conflict'
  /** The snapshot has to move and what this statement read has changed: restart the statement (see `KvTxn.restart`). */
  | 'snapshot_moved'
  /** Chosen as the victim of a deadlock (40P01). */
  | 'deadlock'
  /** COMMIT may or may not have taken effect (40003). */
  | 'ambiguous'
  /** A lock was not granted in time, or at once with NOWAIT (55P03). */
  | 'lock_timeout'
  | 'lock_not_available'
  /** The schema of a table is another than the statement was planned with: `SchemaMismatch`. */
  | 'schema_mismatch'
  /** No quorum, no leader: certainly not applied (58000). */
  | 'unavailable'
  /** The transaction's writes exceed `txn_max_bytes` (54000). */
  | 'too_large'
  /** Below the collected versions (snapshot too old, 72000). */
  | 'too_old'
  | 'cancelled'
  /** The node is shutting down (57P01). */
  | 'draining';

export class KvError extends QuorateError<KvErrorCode> {
  override readonly name: string = 'KvError';

  constructor(code: KvErrorCode, message: string, flags?: Partial<ErrorFlags>, cause?: unknown) {
    super(code, message, { ...DEFAULT_FLAGS[code], ...flags }, cause);
  }
}

/** The fence found says another schema version of `tableId` than the request named. */
export class SchemaMismatch extends KvError {
  override readonly name = 'SchemaMismatch';
  readonly tableId: number;
  /** The version in force at the request's timestamp; 0 when the table did not exist or was dropped. */
  readonly foundVersion: number;

  constructor(tableId: number, foundVersion: number) {
    super('schema_mismatch', `table ${tableId} has schema version ${foundVersion}`);
    this.tableId = tableId;
    this.foundVersion = foundVersion;
  }
}

const DEFAULT_FLAGS: Readonly<Record<KvErrorCode, Partial<ErrorFlags>>> = {
  conflict: { retry: 'transaction' },
  snapshot_moved: { retry: 'statement' },
  deadlock: { retry: 'transaction' },
  ambiguous: { ambiguous: true },
  lock_timeout: {},
  lock_not_available: {},
  schema_mismatch: { retry: 'statement' },
  unavailable: {},
  too_large: {},
  too_old: {},
  cancelled: {},
  draining: {},
};
