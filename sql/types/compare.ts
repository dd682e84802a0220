/**
 * Order and equality of datums by type. NULLs are the caller's: comparators and keys take non-null values only.
 *
 * Text orders by code point, which is the byte order of UTF-8 (collation "C"); character(n) ignores trailing blanks;
 * NaN equals itself and is above every other number; intervals compare by their length with months of 30 days.
 */
import { compareDecimals, decimalKey } from './decimal.ts';
import type { Decimal } from './decimal.ts';
import type { Datum, Interval } from './datum.ts';
import type { SqlType } from './sql-type.ts';

export type Comparator = (a: Datum, b: Datum) => number;

const MICROS_PER_DAY = 86400000000n;

/** Negative, zero or positive. Also right for two datums of different integer types (number against bigint). */
export function comparatorFor(type: SqlType): Comparator {
  switch (type.name) {
    case 'text':
    case 'varchar':
    case 'name':
    case 'unknown':
      return compareTextDatums;
    case 'bpchar':
      return (a, b) => compareText(trimBlanks(a as string), trimBlanks(b as string));
    case 'float4':
    case 'float8':
      return compareFloats as Comparator;
    case 'numeric':
      return (a, b) => compareDecimals(a as Decimal, b as Decimal);
    case 'bytea':
      return (a, b) => compareBytes(a as Uint8Array, b as Uint8Array);
    case 'interval':
      return (a, b) => comparePrimitive(intervalSpan(a as Interval), intervalSpan(b as Interval));
    case 'bool':
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'uuid':
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
    case 'void':
      return comparePrimitive as Comparator;
  }
}

/**
 * What sorts many datums of a type: `keyOf` is asked once for each, `compare` for pairs of what it gave. The order is
 * that of `comparatorFor`.
 */
export function sortOrderFor(type: SqlType): {
  readonly keyOf: (datum: Datum) => Datum;
  readonly compare: Comparator;
} {
  if (type.name !== 'bpchar') return { keyOf: (datum) => datum, compare: comparatorFor(type) };
  return {
    keyOf: (datum) => (datum === null ? null : trimBlanks(datum as string)),
    compare: compareTextDatums,
  };
}

/**
 * A value that is equal (`===`, and as a Map key) exactly for datums that compare equal: for hash joins, grouping and
 * DISTINCT. Keys of different types must not be mixed, except among the integer types when all go through int8.
 */
export function groupKey(type: SqlType, datum: Datum): string | number | bigint {
  switch (type.name) {
    case 'bool':
      return datum === true ? 1 : 0;
    case 'numeric':
      return decimalKey(datum as Decimal);
    case 'bpchar':
      return trimBlanks(datum as string);
    case 'bytea':
      return bytesAsBuffer(datum as Uint8Array).latin1Slice();
    case 'interval':
      return intervalSpan(datum as Interval);
    case 'float4':
    case 'float8':
      return (datum as number) + 0;
    default:
      return datum as string | number | bigint;
  }
}

/** As `groupKeyFor(type)(datum)` of `groupKey`, resolved once for a hot loop. */
export function groupKeyFor(type: SqlType): (datum: Datum) => string | number | bigint {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
    case 'text':
    case 'varchar':
    case 'uuid':
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return (datum) => datum as string | number | bigint;
    case 'bpchar':
      return (datum) => trimBlanks(datum as string);
    default:
      return (datum) => groupKey(type, datum);
  }
}

/** Code point order. UTF-16 order differs only where a surrogate meets a unit from U+E000 up. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  // Most pairs differ at once, which is sooner seen than asked (===) where a text is a slice or a concatenation.
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    if (x >= 0xd800 && y >= 0xd800) {
      const xIsSurrogate = x < 0xe000;
      if (xIsSurrogate !== y < 0xe000) return xIsSurrogate ? 1 : -1;
    }
    return x - y;
  }
  return a.length - b.length;
}

export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0);
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return bytesAsBuffer(a).compare(b);
}

/** The length that comparisons see: months of 30 days, days of 24 hours, in microseconds. */
export function intervalSpan(value: Interval): bigint {
  return (BigInt(value.months) * 30n + BigInt(value.days)) * MICROS_PER_DAY + value.micros;
}

/** Without trailing blanks (only U+0020), as character(n) compares. */
export function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return end === text.length ? text : text.slice(0, end);
}

function compareTextDatums(a: Datum, b: Datum): number {
  return compareText(a as string, b as string);
}

function comparePrimitive<T extends number | bigint | string | boolean>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function bytesAsBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
