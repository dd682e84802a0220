/**
 * Operators: which implementation an operator symbol means for two operand types, by Postgres' rules.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { BinaryOperator, UnaryOperator } from './function-types.ts';

/**
 * The operator `symbol` (`+`, `=`, `<>`, `||`, `~~` for LIKE, `!~~`, `~~*`, `!~~*`, `~`, `~*`, `!~`, `!~*` ...) for the
 * operand types; an untyped literal or parameter has type UNKNOWN. Throws 42883 or 42725 (without position).
 */
export function resolveBinary(symbol: string, left: SqlType, right: SqlType): BinaryOperator {
  throw new SqlError('XX000', `not built: ${symbol} ${left.name} ${right.name}`);
}

/** Prefix operators: `-`, `+`, `~`, `@`, `|/`, `!!`. */
export function resolveUnary(symbol: string, arg: SqlType): UnaryOperator {
  throw new SqlError('XX000', `not built: ${symbol} ${arg.name}`);
}
