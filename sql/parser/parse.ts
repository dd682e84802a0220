/**
 * SQL text to syntax trees. The only door to the grammar: errors are always `SqlError`, worded and placed as Postgres
 * words and places them, and a text of any size or nesting is either parsed or refused, in time linear in its length.
 */
import type { Expr } from './ast.ts';
import type { ParsedStatement } from './ast-statement.ts';
import { Grammar } from './grammar.ts';
import { scan } from './scanner.ts';
import { Parameter } from './tokens.ts';
import { SqlError, statementTooComplex } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';

let shared: Grammar | undefined;

function grammar(): Grammar {
  // Made at the first use: tools that never parse need not wait for it.
  shared ??= new Grammar({ validates: false });
  return shared;
}

/**
 * The statements of a Query message, in order; empty ones (`;;`, comments only) are left out. A syntax error anywhere
 * throws, and then none of the statements may run.
 */
export function parseStatements(text: string): ParsedStatement[] {
  return guarded(() => grammar().parseStatements(text, scan(text)));
}

/** An expression by itself: what `print.ts` stored for a CHECK or DEFAULT. */
export function parseExpression(text: string): Expr {
  return guarded(() => grammar().parseExpression(text, scan(text)));
}

/** 42P02 where the statement mentions its first parameter: for a message that brings no values. */
export function noParameter(text: string, { start, end }: ParsedStatement): SqlError {
  const token = scan(text).find(
    ({ tokenType, startOffset }) =>
      tokenType === Parameter && startOffset >= start && startOffset < end,
  );
  return new SqlError(
    SQLSTATE.UNDEFINED_PARAMETER,
    `there is no parameter ${token?.image ?? '$1'}`,
  ).at(text, token?.startOffset ?? start);
}

/** The nesting bound leaves stack enough at usual depths; a caller deep in its own stack gets the same answer. */
function guarded<Result>(parse: () => Result): Result {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RangeError) throw statementTooComplex();
    throw error;
  }
}
