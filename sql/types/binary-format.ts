/**
 * Binary input and output of values, as in Postgres' send and receive functions: big-endian integers, IEEE floats,
 * dates and timestamps since 2000-01-01, numeric as digits in base 10,000. A parameter of the wrong length or with
 * impossible contents throws 22P03.
 */
import type { ByteWriter } from '../../src/base/bytes.ts';
import { SqlError } from '../errors/sql-error.ts';
import { END_DATE_DAYS, MICROS_PER_DAY, MIN_DATE_DAYS } from './calendar.ts';
import { formatUuid } from './characters.ts';
import type { Datum, Interval } from './datum.ts';
import {
  DECIMAL_INFINITY,
  DECIMAL_MINUS_INFINITY,
  DECIMAL_NAN,
  MAX_SCALE,
  applyNumericModifier,
  makeDecimal,
  pow10,
  rescale,
} from './decimal.ts';
import type { Decimal } from './decimal.ts';
import type { SqlType } from './sql-type.ts';
import { dateOutOfRange } from './temporal-errors.ts';
import { checkTimestamp } from './temporal-parse.ts';
import { isInfiniteTimestamp, roundMicros } from './temporal.ts';
import { applyIntervalModifier, fitCharacters, truncateName } from './text-format.ts';

const DATE_INFINITY = 2147483647;
const DATE_MINUS_INFINITY = -2147483648;

const NUMERIC_NEGATIVE = 0x4000;
const NUMERIC_NAN = 0xc000;
const NUMERIC_INFINITY = 0xd000;
const NUMERIC_MINUS_INFINITY = 0xf000;
const GROUP = 10000n;

/** Reads a binary parameter (without its length word). Bad lengths and values: 22P03. */
export function decodeBinary(type: SqlType, value: Uint8Array): Datum {
  const bytes = Buffer.isBuffer(value)
    ? value
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  switch (type.name) {
    case 'int4':
      expectLength(bytes, 4);
      return bytes.readInt32BE();
    case 'int8':
      expectLength(bytes, 8);
      return bytes.readBigInt64BE();
    case 'int2':
      expectLength(bytes, 2);
      return bytes.readInt16BE();
    case 'oid':
      expectLength(bytes, 4);
      return bytes.readUInt32BE();
    case 'bool':
      expectLength(bytes, 1);
      return bytes[0] !== 0;
    case 'float8':
      expectLength(bytes, 8);
      return bytes.readDoubleBE();
    case 'float4':
      expectLength(bytes, 4);
      return bytes.readFloatBE();
    case 'text':
    case 'unknown':
      return decodeUtf8(bytes);
    case 'name':
      return truncateName(decodeUtf8(bytes));
    case 'varchar':
    case 'bpchar':
      return fitCharacters(decodeUtf8(bytes), type, 'error');
    case 'bytea':
      // A copy: the wire's buffer is used again.
      return Buffer.from(bytes);
    case 'uuid':
      expectLength(bytes, 16);
      return formatUuid(bytes);
    case 'numeric':
      return applyNumericModifier(decodeNumeric(bytes), type.modifier);
    case 'date':
      expectLength(bytes, 4);
      return decodeDate(bytes.readInt32BE());
    case 'time':
      expectLength(bytes, 8);
      return decodeTime(bytes.readBigInt64BE(), type);
    case 'timestamp':
    case 'timestamptz':
      expectLength(bytes, 8);
      return decodeTimestamp(bytes.readBigInt64BE(), type);
    case 'interval':
      expectLength(bytes, 16);
      return applyIntervalModifier(
        {
          micros: bytes.readBigInt64BE(0),
          days: bytes.readInt32BE(8),
          months: bytes.readInt32BE(12),
        },
        type.modifier,
      );
    case 'void':
      return '';
  }
}

const scratch = Buffer.alloc(16);

/** Appends the binary form of a non-null datum, without its length word. */
export function encodeBinary(type: SqlType, datum: Datum, writer: ByteWriter): void {
  switch (type.name) {
    case 'int4':
    case 'oid':
      writer.u32((datum as number) >>> 0);
      return;
    case 'int8':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      scratch.writeBigInt64BE(datum as bigint);
      writer.raw(scratch.subarray(0, 8));
      return;
    case 'int2':
      writer.u8(((datum as number) >> 8) & 255);
      writer.u8((datum as number) & 255);
      return;
    case 'bool':
      writer.u8(datum === true ? 1 : 0);
      return;
    case 'float8':
      writer.f64(datum as number);
      return;
    case 'float4':
      scratch.writeFloatBE(datum as number);
      writer.raw(scratch.subarray(0, 4));
      return;
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
    case 'unknown':
      writer.raw(Buffer.from(datum as string, 'utf8'));
      return;
    case 'bytea':
      writer.raw(datum as Uint8Array);
      return;
    case 'uuid':
      writer.raw(Buffer.from((datum as string).replaceAll('-', ''), 'hex'));
      return;
    case 'numeric':
      encodeNumeric(datum as Decimal, writer);
      return;
    case 'date':
      writer.u32(encodeDate(datum as number) >>> 0);
      return;
    case 'interval': {
      const value = datum as Interval;
      scratch.writeBigInt64BE(value.micros, 0);
      scratch.writeInt32BE(value.days, 8);
      scratch.writeInt32BE(value.months, 12);
      writer.raw(scratch);
      return;
    }
    case 'void':
      return;
  }
}

function expectLength(bytes: Buffer, length: number): void {
  if (bytes.length < length) {
    throw new SqlError('08P01', 'insufficient data left in message');
  }
  if (bytes.length > length) {
    throw new SqlError('22P03', 'incorrect binary data format in bind parameter');
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Buffer): string {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (error) {
    throw new SqlError('22021', 'invalid byte sequence for encoding "UTF8"', { cause: error });
  }
  if (text.includes('\0')) {
    throw new SqlError('22021', 'invalid byte sequence for encoding "UTF8": 0x00');
  }
  return text;
}

function decodeDate(days: number): number {
  if (days === DATE_INFINITY) return Infinity;
  if (days === DATE_MINUS_INFINITY) return -Infinity;
  if (days < MIN_DATE_DAYS || days >= END_DATE_DAYS) throw dateOutOfRange();
  return days;
}

function encodeDate(days: number): number {
  return days === Infinity ? DATE_INFINITY : days === -Infinity ? DATE_MINUS_INFINITY : days;
}

function decodeTime(micros: bigint, type: SqlType): bigint {
  if (micros < 0n || micros > MICROS_PER_DAY) {
    throw new SqlError('22008', 'time out of range');
  }
  return roundMicros(micros, type.modifier);
}

function decodeTimestamp(micros: bigint, type: SqlType): bigint {
  if (isInfiniteTimestamp(micros)) return micros;
  return roundMicros(checkTimestamp(micros), type.modifier);
}

/** Header: number of digits, weight of the first, sign, display scale; then the digits, two bytes each. */
function decodeNumeric(bytes: Buffer): Decimal {
  if (bytes.length < 8) throw new SqlError('08P01', 'insufficient data left in message');
  const count = bytes.readUInt16BE(0);
  const weight = bytes.readInt16BE(2);
  const sign = bytes.readUInt16BE(4);
  const scale = bytes.readUInt16BE(6);
  if (bytes.length !== 8 + count * 2) {
    throw new SqlError('22P03', 'incorrect binary data format in bind parameter');
  }
  if (sign === NUMERIC_NAN) return DECIMAL_NAN;
  if (sign === NUMERIC_INFINITY) return DECIMAL_INFINITY;
  if (sign === NUMERIC_MINUS_INFINITY) return DECIMAL_MINUS_INFINITY;
  if (sign !== 0 && sign !== NUMERIC_NEGATIVE) {
    throw new SqlError('22P03', 'invalid sign in external "numeric" value');
  }
  if (scale > MAX_SCALE) {
    throw new SqlError('22P03', 'invalid scale in external "numeric" value');
  }
  let digits = '';
  for (let i = 0; i < count; i++) {
    const group = bytes.readUInt16BE(8 + i * 2);
    if (group >= 10000) {
      throw new SqlError('22P03', 'invalid digit in external "numeric" value');
    }
    digits += String(group).padStart(4, '0');
  }
  const exponent = (weight + 1 - count) * 4;
  const unscaled = BigInt(digits) * (sign === NUMERIC_NEGATIVE ? -1n : 1n);
  const exact =
    exponent >= 0 ? makeDecimal(unscaled * pow10(exponent), 0) : makeDecimal(unscaled, -exponent);
  if (exact.scale <= scale) return rescale(exact, scale);
  // Digits below the display scale are cut, as Postgres does.
  return makeDecimal(exact.unscaled / pow10(exact.scale - scale), scale);
}

function encodeNumeric(value: Decimal, writer: ByteWriter): void {
  if (value.kind !== 'finite') {
    const sign =
      value.kind === 'nan'
        ? NUMERIC_NAN
        : value.kind === 'infinity'
          ? NUMERIC_INFINITY
          : NUMERIC_MINUS_INFINITY;
    // Infinities say a display scale of 0x20, NaN of 0.
    writer.u32(0);
    writer.u32(((sign << 16) >>> 0) + (value.kind === 'nan' ? 0 : 0x20));
    return;
  }
  const isNegative = value.unscaled < 0n;
  const padding = (4 - (value.scale % 4)) % 4;
  let rest = (isNegative ? -value.unscaled : value.unscaled) * pow10(padding);
  const groups: number[] = [];
  const lowWeight = -(value.scale + padding) / 4;
  let skipped = 0;
  while (rest !== 0n) {
    const group = Number(rest % GROUP);
    rest /= GROUP;
    if (group === 0 && groups.length === 0) skipped++;
    else groups.push(group);
  }
  const weight = groups.length === 0 ? 0 : lowWeight + skipped + groups.length - 1;
  writer.u32(((groups.length << 16) | (weight & 0xffff)) >>> 0);
  writer.u32((((isNegative ? NUMERIC_NEGATIVE : 0) << 16) | value.scale) >>> 0);
  for (let i = groups.length - 1; i >= 0; i--) {
    const group = groups[i] ?? 0;
    writer.u8(group >> 8);
    writer.u8(group & 255);
  }
}
