/**
 * The built-in operators as data: symbol, operand types, result, implementation. Cross-type entries exist where
 * Postgres has them, so that `int4 < int8` compares without converting.
 */
import {
  addDays,
  addToTimestamp,
  addToTimestamptz,
  subtractDates,
  subtractTimestamps,
} from '../types/temporal.ts';
import { timestampOfDate, timestamptzOfDate, timestamptzOfTimestamp } from '../types/temporal.ts';
import { MICROS_PER_DAY, floorDiv } from '../types/calendar.ts';
import { comparatorFor, compareFloats, compareText } from '../types/compare.ts';
import type { Datum, Interval } from '../types/datum.ts';
import {
  absDecimal,
  addDecimals,
  divideDecimals,
  moduloDecimals,
  multiplyDecimals,
  negateDecimal,
  subtractDecimals,
} from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';
import { powerDecimals } from '../types/decimal-math.ts';
import {
  addIntervals,
  makeInterval,
  multiplyInterval,
  negateInterval,
  subtractIntervals,
} from '../types/interval.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  DATE,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  NAME,
  NUMERIC,
  OID,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  UUID,
} from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { divisionByZero } from '../errors/sql-error.ts';
import {
  addFloats,
  checkInt2,
  checkInt4,
  checkInt8,
  divideBigint,
  divideFloats,
  divideInt,
  moduloBigint,
  moduloInt,
  multiplyFloats,
  powerFloats,
  squareRoot,
  subtractFloats,
} from './arithmetic.ts';
import type { EvalContext } from './eval-context.ts';
import type { BinaryImpl, UnaryImpl, Volatility } from './function-types.ts';
import { matchesLike, matchesRegex } from './patterns.ts';

export interface BinaryEntry {
  readonly symbol: string;
  readonly argTypes: readonly [SqlType, SqlType];
  readonly resultType: SqlType;
  readonly volatility: Volatility;
  readonly impl: BinaryImpl;
}

export interface UnaryEntry {
  readonly symbol: string;
  readonly argTypes: readonly [SqlType];
  readonly resultType: SqlType;
  readonly impl: UnaryImpl;
}

export const BINARY = new Map<string, BinaryEntry[]>();
export const UNARY = new Map<string, UnaryEntry[]>();

function binary(
  symbol: string,
  types: readonly [SqlType, SqlType, SqlType],
  impl: BinaryImpl,
  volatility: Volatility = 'immutable',
): void {
  const [left, right, resultType] = types;
  const entries = BINARY.get(symbol) ?? [];
  entries.push({ symbol, argTypes: [left, right], resultType, volatility, impl });
  BINARY.set(symbol, entries);
}

function unary(symbol: string, arg: SqlType, resultType: SqlType, impl: UnaryImpl): void {
  const entries = UNARY.get(symbol) ?? [];
  entries.push({ symbol, argTypes: [arg], resultType, impl });
  UNARY.set(symbol, entries);
}

type Compare = (a: Datum, b: Datum, ctx: EvalContext) => number;

/** The six comparisons by a three-way one. */
function comparisons(
  left: SqlType,
  right: SqlType,
  compare: Compare,
  volatility?: Volatility,
): void {
  binary('=', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) === 0, volatility);
  binary('<>', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) !== 0, volatility);
  binary('<', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) < 0, volatility);
  binary('<=', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) <= 0, volatility);
  binary('>', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) > 0, volatility);
  binary('>=', [left, right, BOOL], (a, b, ctx) => compare(a, b, ctx) >= 0, volatility);
}

/** The same for types whose datums JavaScript compares as SQL does: no call in between. */
function directComparisons(left: SqlType, right: SqlType): void {
  type P = number;
  const isMixed = (left.name === 'int8') !== (right.name === 'int8');
  binary('=', [left, right, BOOL], isMixed ? mixedEqual : (a, b) => a === b);
  binary('<>', [left, right, BOOL], isMixed ? (a, b) => !mixedEqual(a, b) : (a, b) => a !== b);
  binary('<', [left, right, BOOL], (a, b) => (a as P) < (b as P));
  binary('<=', [left, right, BOOL], (a, b) => (a as P) <= (b as P));
  binary('>', [left, right, BOOL], (a, b) => (a as P) > (b as P));
  binary('>=', [left, right, BOOL], (a, b) => (a as P) >= (b as P));
}

/** A bigint against a number. */
function mixedEqual(a: Datum, b: Datum): boolean {
  return (a as number) <= (b as number) && (a as number) >= (b as number);
}

const INTEGERS = [INT2, INT4, INT8] as const;

function defineComparisons(): void {
  for (const left of INTEGERS) for (const right of INTEGERS) directComparisons(left, right);
  for (const type of [BOOL, OID, UUID, DATE, TIME, TIMESTAMP, TIMESTAMPTZ]) {
    directComparisons(type, type);
  }
  for (const left of [FLOAT4, FLOAT8]) {
    for (const right of [FLOAT4, FLOAT8]) {
      comparisons(left, right, (a, b) => compareFloats(a as number, b as number));
    }
  }
  for (const type of [NUMERIC, BPCHAR, BYTEA, INTERVAL])
    comparisons(type, type, comparatorFor(type));
  for (const [left, right] of [
    [TEXT, TEXT],
    [NAME, NAME],
    [NAME, TEXT],
    [TEXT, NAME],
  ] as const) {
    binary('=', [left, right, BOOL], (a, b) => a === b);
    binary('<>', [left, right, BOOL], (a, b) => a !== b);
    binary('<', [left, right, BOOL], (a, b) => compareText(a as string, b as string) < 0);
    binary('<=', [left, right, BOOL], (a, b) => compareText(a as string, b as string) <= 0);
    binary('>', [left, right, BOOL], (a, b) => compareText(a as string, b as string) > 0);
    binary('>=', [left, right, BOOL], (a, b) => compareText(a as string, b as string) >= 0);
  }
  defineDateComparisons();
}

function defineDateComparisons(): void {
  const order = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
  comparisons(DATE, TIMESTAMP, (a, b) => order(timestampOfDate(a as number), b as bigint));
  comparisons(TIMESTAMP, DATE, (a, b) => order(a as bigint, timestampOfDate(b as number)));
  const dateTz: Compare = (a, b, ctx) =>
    order(timestamptzOfDate(a as number, ctx.timeZone), b as bigint);
  const timestampTz: Compare = (a, b, ctx) =>
    order(timestamptzOfTimestamp(a as bigint, ctx.timeZone), b as bigint);
  comparisons(DATE, TIMESTAMPTZ, dateTz, 'stable');
  comparisons(TIMESTAMPTZ, DATE, (a, b, ctx) => -dateTz(b, a, ctx), 'stable');
  comparisons(TIMESTAMP, TIMESTAMPTZ, timestampTz, 'stable');
  comparisons(TIMESTAMPTZ, TIMESTAMP, (a, b, ctx) => -timestampTz(b, a, ctx), 'stable');
}

function wide(value: Datum): bigint {
  return typeof value === 'bigint' ? value : BigInt(value as number);
}

function defineIntegers(): void {
  for (const left of INTEGERS) {
    for (const right of INTEGERS) {
      if (left === INT8 || right === INT8) defineBigintArithmetic(left, right);
      else defineIntArithmetic(left, right);
    }
    unary('+', left, left, (a) => a);
  }
  for (const [type, check] of [
    [INT2, checkInt2],
    [INT4, checkInt4],
  ] as const) {
    unary('-', type, type, (a) => check(-(a as number) + 0));
    unary('@', type, type, (a) => check(Math.abs(a as number)));
    unary('~', type, type, (a) => ~(a as number));
    binary('&', [type, type, type], (a, b) => (a as number) & (b as number));
    binary('|', [type, type, type], (a, b) => (a as number) | (b as number));
    binary('#', [type, type, type], (a, b) => (a as number) ^ (b as number));
    const narrow =
      type === INT2 ? (n: number): number => (n << 16) >> 16 : (n: number): number => n;
    binary('<<', [type, INT4, type], (a, b) => narrow((a as number) << (b as number)));
    binary('>>', [type, INT4, type], (a, b) => (a as number) >> (b as number));
  }
  unary('-', INT8, INT8, (a) => checkInt8(-(a as bigint)));
  unary('@', INT8, INT8, (a) => checkInt8((a as bigint) < 0n ? -(a as bigint) : (a as bigint)));
  unary('~', INT8, INT8, (a) => ~(a as bigint));
  binary('&', [INT8, INT8, INT8], (a, b) => (a as bigint) & (b as bigint));
  binary('|', [INT8, INT8, INT8], (a, b) => (a as bigint) | (b as bigint));
  binary('#', [INT8, INT8, INT8], (a, b) => (a as bigint) ^ (b as bigint));
  binary('<<', [INT8, INT4, INT8], (a, b) =>
    BigInt.asIntN(64, (a as bigint) << BigInt((b as number) & 63)),
  );
  binary('>>', [INT8, INT4, INT8], (a, b) => (a as bigint) >> BigInt((b as number) & 63));
}

function defineIntArithmetic(left: SqlType, right: SqlType): void {
  const result = left === INT2 && right === INT2 ? INT2 : INT4;
  const check = result === INT2 ? checkInt2 : checkInt4;
  const types = [left, right, result] as const;
  binary('+', types, (a, b) => check((a as number) + (b as number)));
  binary('-', types, (a, b) => check((a as number) - (b as number)));
  binary('*', types, (a, b) => check((a as number) * (b as number) + 0));
  binary('/', types, (a, b) => check(divideInt(a as number, b as number)));
  binary('%', types, (a, b) => moduloInt(a as number, b as number));
}

function defineBigintArithmetic(left: SqlType, right: SqlType): void {
  const types = [left, right, INT8] as const;
  binary('+', types, (a, b) => checkInt8(wide(a) + wide(b)));
  binary('-', types, (a, b) => checkInt8(wide(a) - wide(b)));
  binary('*', types, (a, b) => checkInt8(wide(a) * wide(b)));
  binary('/', types, (a, b) => checkInt8(divideBigint(wide(a), wide(b))));
  binary('%', types, (a, b) => moduloBigint(wide(a), wide(b)));
}

function defineFloats(): void {
  for (const left of [FLOAT4, FLOAT8]) {
    for (const right of [FLOAT4, FLOAT8]) {
      const result = left === FLOAT4 && right === FLOAT4 ? FLOAT4 : FLOAT8;
      const fit = result === FLOAT4 ? Math.fround : (value: number): number => value;
      const types = [left, right, result] as const;
      binary('+', types, (a, b) => fit(addFloats(a as number, b as number)));
      binary('-', types, (a, b) => fit(subtractFloats(a as number, b as number)));
      binary('*', types, (a, b) => fit(multiplyFloats(a as number, b as number)));
      binary('/', types, (a, b) => fit(divideFloats(a as number, b as number)));
    }
    unary('-', left, left, (a) => -(a as number));
    unary('+', left, left, (a) => a);
    unary('@', left, left, (a) => Math.abs(a as number));
  }
  binary('^', [FLOAT8, FLOAT8, FLOAT8], (a, b) => powerFloats(a as number, b as number));
  unary('|/', FLOAT8, FLOAT8, (a) => squareRoot(a as number));
  unary('||/', FLOAT8, FLOAT8, (a) => Math.cbrt(a as number));
}

function defineNumeric(): void {
  const types = [NUMERIC, NUMERIC, NUMERIC] as const;
  binary('+', types, (a, b) => addDecimals(a as Decimal, b as Decimal));
  binary('-', types, (a, b) => subtractDecimals(a as Decimal, b as Decimal));
  binary('*', types, (a, b) => multiplyDecimals(a as Decimal, b as Decimal));
  binary('/', types, (a, b) => divideDecimals(a as Decimal, b as Decimal));
  binary('%', types, (a, b) => moduloDecimals(a as Decimal, b as Decimal));
  binary('^', types, (a, b) => powerDecimals(a as Decimal, b as Decimal));
  unary('-', NUMERIC, NUMERIC, (a) => negateDecimal(a as Decimal));
  unary('+', NUMERIC, NUMERIC, (a) => a);
  unary('@', NUMERIC, NUMERIC, (a) => absDecimal(a as Decimal));
}

function defineText(): void {
  binary('||', [TEXT, TEXT, TEXT], (a, b) => (a as string) + (b as string));
  binary('||', [BYTEA, BYTEA, BYTEA], (a, b) => Buffer.concat([a as Uint8Array, b as Uint8Array]));
  binary('^@', [TEXT, TEXT, BOOL], (a, b) => (a as string).startsWith(b as string));
  for (const left of [TEXT, BPCHAR, NAME]) {
    const types = [left, TEXT, BOOL] as const;
    binary('~~', types, (a, b) => matchesLike(a as string, b as string));
    binary('!~~', types, (a, b) => !matchesLike(a as string, b as string));
    binary('~~*', types, (a, b) => matchesLike(a as string, b as string, true));
    binary('!~~*', types, (a, b) => !matchesLike(a as string, b as string, true));
    binary('~', types, (a, b) => matchesRegex(a as string, b as string, false));
    binary('!~', types, (a, b) => !matchesRegex(a as string, b as string, false));
    binary('~*', types, (a, b) => matchesRegex(a as string, b as string, true));
    binary('!~*', types, (a, b) => !matchesRegex(a as string, b as string, true));
  }
}

function defineDates(): void {
  binary('+', [DATE, INT4, DATE], (a, b) => addDays(a as number, b as number));
  binary('+', [INT4, DATE, DATE], (a, b) => addDays(b as number, a as number));
  binary('-', [DATE, INT4, DATE], (a, b) => addDays(a as number, -(b as number)));
  binary('-', [DATE, DATE, INT4], (a, b) => subtractDates(a as number, b as number));
  binary('+', [DATE, TIME, TIMESTAMP], (a, b) => timestampOfDate(a as number) + (b as bigint));
  binary('+', [TIME, DATE, TIMESTAMP], (a, b) => timestampOfDate(b as number) + (a as bigint));
  binary('-', [TIME, TIME, INTERVAL], (a, b) => makeInterval(0, 0, (a as bigint) - (b as bigint)));
  binary('-', [TIMESTAMP, TIMESTAMP, INTERVAL], (a, b) =>
    subtractTimestamps(a as bigint, b as bigint),
  );
  binary('-', [TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL], (a, b) =>
    subtractTimestamps(a as bigint, b as bigint),
  );
  withInterval(DATE, TIMESTAMP, (value, by) =>
    addToTimestamp(timestampOfDate(value as number), by),
  );
  withInterval(TIMESTAMP, TIMESTAMP, (value, by) => addToTimestamp(value as bigint, by));
  withInterval(TIMESTAMPTZ, TIMESTAMPTZ, (value, by, ctx) =>
    addToTimestamptz(value as bigint, by, ctx.timeZone),
  );
  withInterval(TIME, TIME, (value, by) => {
    const sum = (value as bigint) + by.micros;
    return sum - floorDiv(sum, MICROS_PER_DAY) * MICROS_PER_DAY;
  });
}

type AddInterval = (value: Datum, by: Interval, ctx: EvalContext) => Datum;

function withInterval(type: SqlType, result: SqlType, add: AddInterval): void {
  const volatility = type === TIMESTAMPTZ ? 'stable' : 'immutable';
  binary('+', [type, INTERVAL, result], (a, b, ctx) => add(a, b as Interval, ctx), volatility);
  binary('+', [INTERVAL, type, result], (a, b, ctx) => add(b, a as Interval, ctx), volatility);
  const minus: BinaryImpl = (a, b, ctx) => add(a, negateInterval(b as Interval), ctx);
  binary('-', [type, INTERVAL, result], minus, volatility);
}

function defineIntervals(): void {
  const types = [INTERVAL, INTERVAL, INTERVAL] as const;
  binary('+', types, (a, b) => addIntervals(a as Interval, b as Interval));
  binary('-', types, (a, b) => subtractIntervals(a as Interval, b as Interval));
  binary('*', [INTERVAL, FLOAT8, INTERVAL], (a, b) => multiplyInterval(a as Interval, b as number));
  binary('*', [FLOAT8, INTERVAL, INTERVAL], (a, b) => multiplyInterval(b as Interval, a as number));
  binary('/', [INTERVAL, FLOAT8, INTERVAL], (a, b) => {
    if (b === 0) throw divisionByZero();
    return multiplyInterval(a as Interval, 1 / (b as number));
  });
  unary('-', INTERVAL, INTERVAL, (a) => negateInterval(a as Interval));
}

defineComparisons();
defineIntegers();
defineFloats();
defineNumeric();
defineText();
defineDates();
defineIntervals();
