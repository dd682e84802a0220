/**
 * The failure that a client sees: SQLSTATE, message, and what Postgres' ErrorResponse can carry beside them. All SQL
 * layers raise this class; the wire protocol only formats it. Messages are worded as Postgres words them where it
 * has the same error, because users and tools search for those words.
 */
import { QuorateError } from '../../src/base/errors.ts';
import type { RetryScope } from '../../src/base/errors.ts';
import { SQLSTATE } from './sqlstate.ts';
import type { SqlState } from './sqlstate.ts';

export type SqlSeverity = 'ERROR' | 'FATAL' | 'PANIC';

export interface SqlErrorFields {
  readonly severity?: SqlSeverity | undefined;
  /** 1-based, in characters (code points) of the text that the client sent: see `errorPosition`. */
  readonly position?: number | undefined;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
  /** What was being done, for example which line was read. */
  readonly context?: string | undefined;
  readonly cause?: unknown;
}

export class SqlError extends QuorateError<SqlState> {
  override readonly name = 'SqlError';
  readonly severity: SqlSeverity;
  readonly position: number | undefined;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly schema: string | undefined;
  readonly table: string | undefined;
  readonly column: string | undefined;
  readonly dataType: string | undefined;
  readonly constraint: string | undefined;
  readonly context: string | undefined;

  constructor(sqlState: SqlState, message: string, fields: SqlErrorFields = {}) {
    const ambiguous = sqlState === SQLSTATE.STATEMENT_COMPLETION_UNKNOWN;
    super(sqlState, message, { retry: retryScopeOf(sqlState), ambiguous }, fields.cause);
    this.severity = fields.severity ?? 'ERROR';
    this.position = fields.position;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.schema = fields.schema;
    this.table = fields.table;
    this.column = fields.column;
    this.dataType = fields.dataType;
    this.constraint = fields.constraint;
    this.context = fields.context;
  }

  get sqlState(): SqlState {
    return this.code;
  }

  /** The same error pointing at `offset` of `text`, unless it already points somewhere. */
  at(text: string, offset: number): SqlError {
    if (this.position !== undefined) return this;
    return new SqlError(this.code, this.message, {
      severity: this.severity,
      position: errorPosition(text, offset),
      detail: this.detail,
      hint: this.hint,
      schema: this.schema,
      table: this.table,
      column: this.column,
      dataType: this.dataType,
      constraint: this.constraint,
      context: this.context,
      cause: this.cause,
    });
  }
}

/** What the client may run again: a serialization failure or deadlock takes the whole transaction. */
function retryScopeOf(sqlState: SqlState): RetryScope {
  return sqlState === SQLSTATE.SERIALIZATION_FAILURE || sqlState === SQLSTATE.DEADLOCK_DETECTED
    ? 'transaction'
    : 'never';
}

/**
 * The wire's position of a 0-based offset (UTF-16 units) in `text`: 1-based, counted in code points. `ast` nodes
 * carry offsets; the session adds the start of their statement in a Query message of several.
 */
export function errorPosition(text: string, offset: number): number {
  const end = Math.min(offset, text.length);
  let position = 1;
  for (let i = 0; i < end; i++) {
    // A low surrogate belongs to the character that its high surrogate has already counted.
    if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) position++;
  }
  return position;
}

export function syntaxError(message: string, position?: number, hint?: string): SqlError {
  return new SqlError(SQLSTATE.SYNTAX_ERROR, message, { position, hint });
}

/** 0A000. Say what is missing in `message`, what to do instead in `hint`. */
export function notSupported(message: string, hint?: string, position?: number): SqlError {
  return new SqlError(SQLSTATE.FEATURE_NOT_SUPPORTED, message, { hint, position });
}

export function undefinedTable(name: string, position?: number): SqlError {
  return new SqlError(SQLSTATE.UNDEFINED_TABLE, `relation "${name}" does not exist`, { position });
}

export function undefinedColumn(name: string, position?: number): SqlError {
  return new SqlError(SQLSTATE.UNDEFINED_COLUMN, `column "${name}" does not exist`, { position });
}

export function ambiguousColumn(name: string, position?: number): SqlError {
  return new SqlError(SQLSTATE.AMBIGUOUS_COLUMN, `column reference "${name}" is ambiguous`, {
    position,
  });
}

/** `signature` as Postgres prints it: `lower(integer)`. */
export function undefinedFunction(signature: string, position?: number): SqlError {
  return new SqlError(SQLSTATE.UNDEFINED_FUNCTION, `function ${signature} does not exist`, {
    position,
    hint:
      'No function matches the given name and argument types. ' +
      'You might need to add explicit type casts.',
  });
}

/** `signature` as Postgres prints it: `integer + text`. */
export function undefinedOperator(signature: string, isUnary = false): SqlError {
  const types = isUnary ? 'argument type' : 'argument types';
  const casts = isUnary ? 'an explicit type cast' : 'explicit type casts';
  return new SqlError(SQLSTATE.UNDEFINED_FUNCTION, `operator does not exist: ${signature}`, {
    hint: `No operator matches the given name and ${types}. You might need to add ${casts}.`,
  });
}

export function datatypeMismatch(message: string, position?: number, hint?: string): SqlError {
  return new SqlError(SQLSTATE.DATATYPE_MISMATCH, message, { position, hint });
}

/** `typeName` as Postgres prints it: `integer`, `timestamp without time zone`. */
export function invalidTextRepresentation(
  typeName: string,
  text: string,
  position?: number,
): SqlError {
  return new SqlError(
    SQLSTATE.INVALID_TEXT_REPRESENTATION,
    `invalid input syntax for type ${typeName}: "${text}"`,
    { position },
  );
}

/** `what` is for example `integer` or `bigint`: `integer out of range`. */
export function outOfRange(what: string): SqlError {
  return new SqlError(SQLSTATE.NUMERIC_VALUE_OUT_OF_RANGE, `${what} out of range`);
}

export function divisionByZero(): SqlError {
  return new SqlError(SQLSTATE.DIVISION_BY_ZERO, 'division by zero');
}

/** The table whose rule was violated. */
interface Relation {
  readonly schema: string;
  readonly name: string;
}

export function notNullViolation(table: Relation, column: string, detail?: string): SqlError {
  return new SqlError(
    SQLSTATE.NOT_NULL_VIOLATION,
    `null value in column "${column}" of relation "${table.name}" violates not-null constraint`,
    { schema: table.schema, table: table.name, column, detail },
  );
}

export function uniqueViolation(table: Relation, constraint: string, detail?: string): SqlError {
  return new SqlError(
    SQLSTATE.UNIQUE_VIOLATION,
    `duplicate key value violates unique constraint "${constraint}"`,
    { schema: table.schema, table: table.name, constraint, detail },
  );
}

export function checkViolation(table: Relation, constraint: string, detail?: string): SqlError {
  return new SqlError(
    SQLSTATE.CHECK_VIOLATION,
    `new row for relation "${table.name}" violates check constraint "${constraint}"`,
    { schema: table.schema, table: table.name, constraint, detail },
  );
}

export function serializationFailure(detail?: string, cause?: unknown): SqlError {
  return new SqlError(
    SQLSTATE.SERIALIZATION_FAILURE,
    'could not serialize access due to concurrent update',
    { detail, hint: 'The transaction might succeed if retried.', cause },
  );
}

export function inFailedTransaction(): SqlError {
  return new SqlError(
    SQLSTATE.IN_FAILED_SQL_TRANSACTION,
    'current transaction is aborted, commands ignored until end of transaction block',
  );
}

export function queryCanceled(reason = 'canceling statement due to user request'): SqlError {
  return new SqlError(SQLSTATE.QUERY_CANCELED, reason);
}

export function statementTooComplex(): SqlError {
  return new SqlError(SQLSTATE.STATEMENT_TOO_COMPLEX, 'stack depth limit exceeded', {
    hint: 'Write the statement with less nesting.',
  });
}

/** A bug that reached a client. The message names what was expected. */
export function internalError(message: string, cause?: unknown): SqlError {
  return new SqlError(SQLSTATE.INTERNAL_ERROR, message, { cause });
}
