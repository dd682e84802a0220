/**
 * Operators: which implementation an operator symbol means for two operand types, by Postgres' rules. Resolutions are
 * cached; they are pure.
 */
import { SqlError, undefinedOperator } from '../errors/sql-error.ts';
import { findCast, mustFindCast } from '../types/casts.ts';
import type { Cast } from '../types/casts.ts';
import { BOOL, TEXT, categoryOf, displayName } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { BinaryImpl, BinaryOperator, UnaryOperator } from './function-types.ts';
import { BINARY, UNARY } from './operator-table.ts';
import type { BinaryEntry } from './operator-table.ts';
import { chooseOverload } from './resolve-overload.ts';

const MAX_CACHED = 4096;
const binaryCache = new Map<string, BinaryOperator>();

/** Other spellings. */
const ALIASES: Readonly<Record<string, string>> = {
  '!=': '<>',
  LIKE: '~~',
  'NOT LIKE': '!~~',
  ILIKE: '~~*',
  'NOT ILIKE': '!~~*',
};

/**
 * The operator `symbol` (`+`, `=`, `<>`, `||`, `~~` for LIKE, `!~~`, `~~*`, `!~~*`, `~`, `~*`, `!~`, `!~*` ...) for the
 * operand types; an untyped literal or parameter has type UNKNOWN. Throws 42883 or 42725 (without position).
 */
export function resolveBinary(symbol: string, left: SqlType, right: SqlType): BinaryOperator {
  const key = `${symbol} ${left.oid},${left.modifier} ${right.oid},${right.modifier}`;
  const cached = binaryCache.get(key);
  if (cached !== undefined) return cached;
  const operator = findBinary(ALIASES[symbol] ?? symbol, left, right);
  if (binaryCache.size >= MAX_CACHED) binaryCache.clear();
  binaryCache.set(key, operator);
  return operator;
}

/** Prefix operators: `-`, `+`, `~`, `@`, `|/`, `||/`. */
export function resolveUnary(symbol: string, arg: SqlType): UnaryOperator {
  const entries = UNARY.get(symbol) ?? [];
  const choice = chooseOverload(entries, [arg]);
  if (choice.kind !== 'found') throw noOperator(`${symbol} ${displayName(arg)}`, choice.kind, true);
  const { overload } = choice;
  return {
    symbol,
    argType: overload.argTypes[0],
    resultType: overload.resultType,
    argCast: castOrNone(arg, overload.argTypes[0]),
    isStrict: true,
    volatility: 'immutable',
    impl: overload.impl,
  };
}

/** Whether `=` and `<` on two operands of these types compare as the comparator of `left`'s type does. */
export function isPlainComparison(operator: BinaryOperator): boolean {
  return (
    operator.resultType.oid === BOOL.oid &&
    operator.leftType.oid === operator.rightType.oid &&
    ['=', '<>', '<', '<=', '>', '>='].includes(operator.symbol)
  );
}

/** The symbol with its operands exchanged, or undefined: `<` gives `>`. */
export function commutatorOf(symbol: string): string | undefined {
  switch (symbol) {
    case '=':
    case '<>':
    case '+':
    case '*':
    case '&':
    case '|':
    case '#':
      return symbol;
    case '<':
      return '>';
    case '<=':
      return '>=';
    case '>':
      return '<';
    case '>=':
      return '<=';
    default:
      return undefined;
  }
}

/** The symbol whose result is the opposite, or undefined: `<` gives `>=`. */
export function negatorOf(symbol: string): string | undefined {
  const pairs = [
    ['=', '<>'],
    ['<', '>='],
    ['>', '<='],
    ['~~', '!~~'],
    ['~~*', '!~~*'],
    ['~', '!~'],
    ['~*', '!~*'],
  ];
  for (const [a, b] of pairs) {
    if (symbol === a) return b;
    if (symbol === b) return a;
  }
  return undefined;
}

function findBinary(symbol: string, left: SqlType, right: SqlType): BinaryOperator {
  const entries = BINARY.get(symbol);
  const signature = `${displayName(left)} ${symbol} ${displayName(right)}`;
  if (entries === undefined) throw undefinedOperator(signature);
  const entry = exactEntry(entries, left, right);
  if (entry !== undefined) return operatorOf(entry, left, right);
  const choice = chooseOverload(entries, [left, right]);
  if (choice.kind === 'found') return operatorOf(choice.overload, left, right);
  const concatenation = symbol === '||' ? concatenateAny(left, right) : undefined;
  if (concatenation !== undefined) return concatenation;
  throw noOperator(signature, choice.kind);
}

/** Both types as they are; an untyped operand is first taken to have the other's type. */
function exactEntry(
  entries: readonly BinaryEntry[],
  left: SqlType,
  right: SqlType,
): BinaryEntry | undefined {
  const l = left.name === 'unknown' ? right : left;
  const r = right.name === 'unknown' ? left : right;
  return entries.find((e) => e.argTypes[0].oid === l.oid && e.argTypes[1].oid === r.oid);
}

function operatorOf(entry: BinaryEntry, left: SqlType, right: SqlType): BinaryOperator {
  const [leftType, rightType] = entry.argTypes;
  return {
    symbol: entry.symbol,
    leftType,
    rightType,
    resultType: entry.resultType,
    leftCast: castOrNone(left, leftType),
    rightCast: castOrNone(right, rightType),
    isStrict: true,
    volatility: entry.volatility,
    impl: entry.impl,
  };
}

/** `text || anything` and `anything || text` take the other operand's text form. */
function concatenateAny(left: SqlType, right: SqlType): BinaryOperator | undefined {
  const isLeftText = categoryOf(left) === 'S' || left.name === 'unknown';
  const isRightText = categoryOf(right) === 'S' || right.name === 'unknown';
  if (isLeftText === isRightText) return undefined;
  const textOf = mustFindCast(isLeftText ? right : left, TEXT, 'assignment');
  const impl: BinaryImpl = isLeftText
    ? (a, b, ctx) => (a as string) + (textOf.apply(b, ctx) as string)
    : (a, b, ctx) => (textOf.apply(a, ctx) as string) + (b as string);
  return {
    symbol: '||',
    leftType: isLeftText ? TEXT : left,
    rightType: isRightText ? TEXT : right,
    resultType: TEXT,
    leftCast: isLeftText ? castOrNone(left, TEXT) : undefined,
    rightCast: isRightText ? castOrNone(right, TEXT) : undefined,
    isStrict: true,
    volatility: 'stable',
    impl,
  };
}

export function castOrNone(from: SqlType, to: SqlType): Cast | undefined {
  return from.oid === to.oid ? undefined : findCast(from, to, 'implicit');
}

function noOperator(signature: string, kind: 'none' | 'ambiguous', isUnary = false): SqlError {
  if (kind === 'none') return undefinedOperator(signature, isUnary);
  return new SqlError('42725', `operator is not unique: ${signature}`, {
    hint:
      'Could not choose a best candidate operator. ' + 'You might need to add explicit type casts.',
  });
}
