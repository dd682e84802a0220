/**
 * What each cast does to a non-null datum. Conversions that lose digits round half to even for floats (as C's rint)
 * and half away from zero for numeric; out of range is 22003.
 */
import { SqlError, outOfRange } from '../errors/sql-error.ts';
import { trimBlanks } from './compare.ts';
import { MICROS_PER_DAY, floorDiv } from './calendar.ts';
import type { Datum, Interval } from './datum.ts';
import {
  applyNumericModifier,
  decimalOfBigint,
  decimalOfFloat,
  decimalOfInteger,
  decimalToBigint,
  decimalToNumber,
  formatDecimal,
} from './decimal.ts';
import type { Decimal } from './decimal.ts';
import type { FormatContext } from './format-context.ts';
import { roundHalfEven } from './rounding.ts';
import { categoryOf, displayName, isIntegerType } from './sql-type.ts';
import type { SqlType } from './sql-type.ts';
import {
  dateOfTimestamp,
  isInfiniteTimestamp,
  roundMicros,
  timeOfTimestamp,
  timestampOfDate,
  timestampOfTimestamptz,
  timestamptzOfDate,
  timestamptzOfTimestamp,
} from './temporal.ts';
import {
  applyIntervalModifier,
  decodeText,
  encodeText,
  fitCharacters,
  truncateName,
} from './text-format.ts';

export type CastFunction = (value: Datum, ctx: FormatContext) => Datum;

export const IDENTITY: CastFunction = (value) => value;

/** The function for a cast that exists (see casts.ts). `isExplicit` cuts texts that are too long. */
export function castFunction(from: SqlType, to: SqlType, isExplicit: boolean): CastFunction {
  if (from.oid === to.oid) return modifierFunction(from, to, isExplicit);
  if (to.name === 'unknown') return IDENTITY;
  if (from.name === 'unknown') return readText(to, isExplicit);
  if (categoryOf(to) === 'S') return toStringType(from, to, isExplicit);
  if (categoryOf(from) === 'S') return readText(to, isExplicit);
  if (categoryOf(to) === 'N') return toNumber(from, to);
  if (to.name === 'bool') return (value) => value !== 0;
  return toTemporal(from, to);
}

function readText(to: SqlType, isExplicit: boolean): CastFunction {
  if (isExplicit && (to.name === 'varchar' || to.name === 'bpchar')) {
    return (value) => fitCharacters(value as string, to, 'cut');
  }
  return (value, ctx) => decodeText(to, value as string, ctx);
}

/** Same type: only the modifier may change the value. */
function modifierFunction(from: SqlType, to: SqlType, isExplicit: boolean): CastFunction {
  if (to.modifier < 0 || to.modifier === from.modifier) return IDENTITY;
  switch (to.name) {
    case 'varchar':
    case 'bpchar':
      return (value) => fitCharacters(value as string, to, isExplicit ? 'cut' : 'error');
    case 'numeric':
      return (value) => applyNumericModifier(value as Decimal, to.modifier);
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return (value) => roundMicros(value as bigint, to.modifier);
    case 'interval':
      return (value) => applyIntervalModifier(value as Interval, to.modifier);
    default:
      return IDENTITY;
  }
}

function toStringType(from: SqlType, to: SqlType, isExplicit: boolean): CastFunction {
  const text = textOf(from, to);
  if (to.name === 'name') return (value, ctx) => truncateName(text(value, ctx) as string);
  if (to.modifier < 0) return text;
  const tooLong = isExplicit ? 'cut' : 'error';
  return (value, ctx) => fitCharacters(text(value, ctx) as string, to, tooLong);
}

function textOf(from: SqlType, to: SqlType): CastFunction {
  if (from.name === 'bpchar') return (value) => trimBlanks(value as string);
  if (categoryOf(from) === 'S') return IDENTITY;
  if (from.name === 'bool' && to.name !== 'name')
    return (value) => (value === true ? 'true' : 'false');
  return (value, ctx) => encodeText(from, value, ctx);
}

function toNumber(from: SqlType, to: SqlType): CastFunction {
  switch (to.name) {
    case 'int2':
    case 'int4':
    case 'oid':
      return toSmallInteger(from, to);
    case 'int8':
      return toBigint(from);
    case 'numeric':
      return toDecimal(from, to);
    case 'float4':
      return (value) => checkFloat4(numberOf(from, value), from, value);
    default:
      return (value) => checkFloat8(numberOf(from, value), from, value);
  }
}

const LIMITS: Readonly<Record<string, readonly [number, number]>> = {
  int2: [-32768, 32767],
  int4: [-2147483648, 2147483647],
  oid: [0, 4294967295],
};

function toSmallInteger(from: SqlType, to: SqlType): CastFunction {
  const [min, max] = LIMITS[to.name] ?? [0, 0];
  const what = displayName(to);
  const check = (value: number): number => {
    if (!(value >= min && value <= max)) {
      throw to.name === 'oid' ? new SqlError('22003', 'OID out of range') : outOfRange(what);
    }
    return value + 0;
  };
  switch (from.name) {
    case 'bool':
      return (value) => (value === true ? 1 : 0);
    case 'numeric':
      return (value) => check(Number(decimalToBigint(value as Decimal, what)));
    case 'float4':
    case 'float8':
      return (value) => check(roundHalfEven(value as number));
    case 'int4':
    case 'int2':
      // A negative integer as an oid is the same 32 bits.
      if (to.name === 'oid') return (value) => (value as number) >>> 0;
      return (value) => check(value as number);
    case 'oid':
      return to.name === 'int4'
        ? (value) => (value as number) | 0
        : (value) => check(Number(value));
    default:
      return (value) => check(Number(value));
  }
}

function toBigint(from: SqlType): CastFunction {
  switch (from.name) {
    case 'numeric':
      return (value) => checkBigint(decimalToBigint(value as Decimal, 'bigint'));
    case 'float4':
    case 'float8':
      return (value) => {
        const rounded = roundHalfEven(value as number);
        if (!(rounded >= -9223372036854775808 && rounded < 9223372036854775808)) {
          throw outOfRange('bigint');
        }
        return BigInt(rounded);
      };
    default:
      return (value) => BigInt(value as number);
  }
}

/** `bigint out of range` outside 64 bits. */
export function checkBigint(value: bigint): bigint {
  if (value > 9223372036854775807n || value < -9223372036854775808n) throw outOfRange('bigint');
  return value;
}

function toDecimal(from: SqlType, to: SqlType): CastFunction {
  const convert = (value: Datum): Decimal => {
    if (typeof value === 'bigint') return decimalOfBigint(value);
    if (isIntegerType(from) || from.name === 'oid') return decimalOfInteger(value as number);
    return decimalOfFloat(value as number, from.name === 'float4' ? 6 : 15);
  };
  if (to.modifier < 0) return convert;
  return (value) => applyNumericModifier(convert(value), to.modifier);
}

function numberOf(from: SqlType, value: Datum): number {
  return from.name === 'numeric' ? decimalToNumber(value as Decimal) : Number(value);
}

function checkFloat4(value: number, from: SqlType, original: Datum): number {
  const rounded = Math.fround(checkFloat8(value, from, original));
  const isOverflow = !Number.isFinite(rounded) && Number.isFinite(value);
  if (!isOverflow && (rounded !== 0 || value === 0)) return rounded;
  if (from.name === 'numeric') throw outOfFloat(original as Decimal, 'real');
  throw new SqlError('22003', `value out of range: ${isOverflow ? 'overflow' : 'underflow'}`);
}

function checkFloat8(value: number, from: SqlType, original: Datum): number {
  if (from.name === 'numeric' && !Number.isFinite(value)) {
    const decimal = original as Decimal;
    if (decimal.kind === 'finite') throw outOfFloat(decimal, 'double precision');
  }
  return value;
}

function outOfFloat(value: Decimal, type: string): SqlError {
  return new SqlError('22003', `"${formatDecimal(value)}" is out of range for type ${type}`);
}

function toTemporal(from: SqlType, to: SqlType): CastFunction {
  const precision = to.modifier;
  switch (`${from.name}>${to.name}`) {
    case 'date>timestamp':
      return (value) => timestampOfDate(value as number);
    case 'date>timestamptz':
      return (value, ctx) => timestamptzOfDate(value as number, ctx.timeZone);
    case 'timestamp>timestamptz':
      return (value, ctx) =>
        roundMicros(timestamptzOfTimestamp(value as bigint, ctx.timeZone), precision);
    case 'timestamp>date':
      return (value) => dateOfTimestamp(value as bigint);
    case 'timestamp>time':
      return (value) => timeOrNull(value as bigint, precision);
    case 'timestamptz>timestamp':
      return (value, ctx) =>
        roundMicros(timestampOfTimestamptz(value as bigint, ctx.timeZone), precision);
    case 'timestamptz>date':
      return (value, ctx) => dateOfTimestamp(timestampOfTimestamptz(value as bigint, ctx.timeZone));
    case 'timestamptz>time':
      return (value, ctx) =>
        timeOrNull(timestampOfTimestamptz(value as bigint, ctx.timeZone), precision);
    case 'time>interval':
      return (value) => ({ months: 0, days: 0, micros: value as bigint });
    case 'interval>time':
      return (value) => {
        const { micros } = value as Interval;
        return micros - floorDiv(micros, MICROS_PER_DAY) * MICROS_PER_DAY;
      };
    default:
      throw new SqlError('XX000', `no conversion from ${from.name} to ${to.name}`);
  }
}

/** An infinite timestamp has no time of day. */
function timeOrNull(micros: bigint, precision: number): Datum {
  return isInfiniteTimestamp(micros) ? null : roundMicros(timeOfTimestamp(micros), precision);
}
