/**
 * From any error to the fields of ErrorResponse. `SqlError` carries its own; protocol violations are 08P01; anything
 * else is a bug or a failure that should have been translated below, and is answered as XX000 and logged.
 */
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { Logger } from '../env/env.ts';
import type { ErrorFields } from './backend-encoder.ts';
import { InvalidTextError, ProtocolError } from './frontend-decoder.ts';

export function errorFieldsOf(error: unknown, log: Logger): ErrorFields {
  if (error instanceof SqlError) {
    return {
      severity: error.severity,
      sqlState: error.sqlState,
      message: error.message,
      detail: error.detail,
      hint: error.hint,
      position: error.position,
      schema: error.schema,
      table: error.table,
      column: error.column,
      dataType: error.dataType,
      constraint: error.constraint,
      context: error.context,
    };
  }
  if (error instanceof ProtocolError || error instanceof InvalidTextError) {
    const severity = error instanceof ProtocolError ? 'FATAL' : 'ERROR';
    return { severity, sqlState: error.code, message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  log.error({ error: error instanceof Error ? (error.stack ?? message) : message }, 'sql: bug');
  return { severity: 'ERROR', sqlState: 'XX000', message: `internal error: ${message}` };
}
