/**
 * The only translation of key-value failures to what a client sees. `snapshot_moved` and `schema_mismatch` are
 * answered inside the session by running something again; when that is no longer possible, they are 40001.
 */
import { KvError } from '../../src/kv/kv-errors.ts';
import { SqlError, serializationFailure } from './sql-error.ts';
import { SQLSTATE } from './sqlstate.ts';

/** The error to report: an `SqlError` as it is, a `KvError` translated, anything else unchanged (a bug). */
export function fromKv(error: unknown): unknown {
  return error instanceof KvError ? sqlErrorOf(error) : error;
}

function sqlErrorOf(error: KvError): SqlError {
  const cause = { cause: error };
  switch (error.code) {
    case 'conflict':
    case 'snapshot_moved':
    case 'schema_mismatch':
      return serializationFailure(error.message, error);
    case 'deadlock':
      return new SqlError(SQLSTATE.DEADLOCK_DETECTED, 'deadlock detected', {
        ...cause,
        hint: 'The transaction might succeed if retried.',
      });
    case 'ambiguous':
      return new SqlError(
        SQLSTATE.STATEMENT_COMPLETION_UNKNOWN,
        'the outcome of the transaction is not known',
        { ...cause, detail: error.message, hint: 'Look at the data before trying again.' },
      );
    case 'lock_timeout':
      return new SqlError(
        SQLSTATE.LOCK_NOT_AVAILABLE,
        'canceling statement due to lock timeout',
        cause,
      );
    case 'lock_not_available':
      return new SqlError(SQLSTATE.LOCK_NOT_AVAILABLE, 'could not obtain lock on row', cause);
    case 'unavailable':
      return new SqlError(SQLSTATE.SYSTEM_ERROR, 'part of the data is not available', {
        ...cause,
        detail: error.message,
        hint: 'The statement has certainly not been applied.',
      });
    case 'too_large':
      return new SqlError(SQLSTATE.PROGRAM_LIMIT_EXCEEDED, 'the transaction is too large', {
        ...cause,
        hint: 'Write in several transactions, or raise txn_max_bytes.',
      });
    case 'too_old':
      return new SqlError(SQLSTATE.SNAPSHOT_TOO_OLD, 'snapshot too old', {
        ...cause,
        detail: error.message,
      });
    case 'cancelled':
      return new SqlError(
        SQLSTATE.QUERY_CANCELED,
        'canceling statement due to user request',
        cause,
      );
    case 'draining':
      return new SqlError(
        SQLSTATE.ADMIN_SHUTDOWN,
        'terminating connection due to administrator command',
        { ...cause, severity: 'FATAL' },
      );
  }
}
