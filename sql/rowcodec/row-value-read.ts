/**
 * Reads the payloads of a row value (format: row-value.ts) by the column's type. The caller has checked that the
 * payload ends within the row; a kind that the type cannot have throws `ByteDecodeError`.
 */
import { ByteDecodeError } from '../../src/base/bytes.ts';
import { formatUuid, padCharacters } from '../types/characters.ts';
import type { Datum, Interval } from '../types/datum.ts';
import {
  DECIMAL_INFINITY,
  DECIMAL_MINUS_INFINITY,
  DECIMAL_NAN,
  MAX_SCALE,
  makeDecimal,
} from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';
import { characterLimit } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { integerToDate } from './row-key.ts';
import { DECIMAL_FLAG } from './row-value-write.ts';

/** The payload of `kind` lies in [start, end). */
export type PayloadReader = (bytes: Buffer, start: number, kind: number, end: number) => Datum;

/** Payload sizes of the fixed kinds. */
export const SKIP: readonly number[] = [0, 1, 2, 4, 8, 0, 0, 16];

/** Below this many bytes a loop beats the native decoder. */
const SHORT_TEXT = 16;

export function payloadReaderFor(type: SqlType): PayloadReader {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'oid':
      return readInteger;
    case 'date':
      return (bytes, start, kind) => integerToDate(readInteger(bytes, start, kind));
    case 'int8':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return readBigint;
    case 'bool':
      return (bytes, start, kind) => readInteger(bytes, start, kind) !== 0;
    case 'float8':
      return (bytes, start, kind) => {
        // A column that was real before: four bytes.
        if (kind === 3) return bytes.readFloatBE(start);
        expectKind(kind, 4);
        return bytes.readDoubleBE(start);
      };
    case 'float4':
      return (bytes, start, kind) => {
        expectKind(kind, 3);
        return bytes.readFloatBE(start);
      };
    case 'bpchar': {
      const length = characterLimit(type);
      if (length < 0) return readText;
      const blanks = ' '.repeat(length);
      return (bytes, start, kind, end) => {
        const text = readText(bytes, start, kind, end);
        if (text === '') return blanks;
        // A unit for each byte: nothing but ASCII, whose characters need no counting.
        const isAscii = text.length === end - contentStart(start, kind);
        return isAscii ? text.padEnd(length) : padCharacters(text, length);
      };
    }
    case 'text':
    case 'varchar':
    case 'name':
    case 'unknown':
    case 'void':
      return readText;
    case 'bytea':
      return (bytes, start, kind, end) => bytes.subarray(contentStart(start, kind), end);
    case 'uuid':
      return (bytes, start, kind, end) => {
        expectKind(kind, 7);
        return formatUuid(bytes.subarray(start, end));
      };
    case 'numeric':
      return readDecimal;
    case 'interval':
      return readInterval;
  }
}

function readInteger(bytes: Buffer, start: number, kind: number): number {
  switch (kind) {
    case 1:
      return ((bytes[start] ?? 0) << 24) >> 24;
    case 2:
      return bytes.readInt16BE(start);
    case 3:
      return bytes.readInt32BE(start);
    case 4:
      return Number(bytes.readBigInt64BE(start));
    default:
      throw new ByteDecodeError('not an integer in row');
  }
}

function readBigint(bytes: Buffer, start: number, kind: number): bigint {
  return kind === 4 ? bytes.readBigInt64BE(start) : BigInt(readInteger(bytes, start, kind));
}

function contentStart(start: number, kind: number): number {
  if (kind === 5) return start + 1;
  expectKind(kind, 6);
  return start + 4;
}

function readText(bytes: Buffer, start: number, kind: number, end: number): string {
  const from = contentStart(start, kind);
  if (end - from > SHORT_TEXT) return bytes.utf8Slice(from, end);
  let text = '';
  for (let i = from; i < end; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 128) return bytes.utf8Slice(from, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

function readDecimal(bytes: Buffer, start: number, kind: number, end: number): Decimal {
  const from = contentStart(start, kind);
  switch (bytes[from]) {
    case DECIMAL_FLAG.nan:
      return DECIMAL_NAN;
    case DECIMAL_FLAG.infinity:
      return DECIMAL_INFINITY;
    case DECIMAL_FLAG.minusInfinity:
      return DECIMAL_MINUS_INFINITY;
    case DECIMAL_FLAG.positive:
    case DECIMAL_FLAG.negative:
      break;
    default:
      throw new ByteDecodeError('bad numeric in row');
  }
  if (end - from < 4) throw new ByteDecodeError('bad numeric in row');
  const scale = bytes.readUInt16BE(from + 1);
  if (scale > MAX_SCALE) throw new ByteDecodeError('bad numeric in row');
  const unscaled = BigInt(`0x${bytes.toString('hex', from + 3, end)}`);
  return makeDecimal(bytes[from] === DECIMAL_FLAG.negative ? -unscaled : unscaled, scale);
}

function readInterval(bytes: Buffer, start: number, kind: number, end: number): Interval {
  const from = contentStart(start, kind);
  if (end - from !== 16) throw new ByteDecodeError('bad interval in row');
  return {
    micros: bytes.readBigInt64BE(from),
    days: bytes.readInt32BE(from + 8),
    months: bytes.readInt32BE(from + 12),
  };
}

function expectKind(kind: number, expected: number): void {
  if (kind !== expected) throw new ByteDecodeError('unexpected kind of column in row');
}
