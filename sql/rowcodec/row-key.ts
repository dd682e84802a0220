/**
 * Order-preserving encoding of columns into keys: pieces compare bytewise as their datums compare (compare.ts), are
 * concatenated without separators, and are read back without knowing more than the column types.
 *
 *   NULL      0x02 where it sorts first, 0xf8 where it sorts last (in ascending terms)
 *   numbers   key-numbers.ts; bool 0x80 / 0x81; date, time, timestamps and interval lengths as integers
 *   text      0x80, the UTF-8 bytes with 0x01 and 0x02 written 0x02 0x01 and 0x02 0x02, then 0x01. NUL is no text.
 *   bytea     0x80, the bytes with 0x00, 0x01, 0x02 written 0x02 0x03, 0x02 0x04, 0x02 0x05, then 0x01
 *   uuid      0x80, sixteen bytes
 *
 * A descending column is the same with every byte complemented. No piece begins with a byte below 0x02 or above 0xfd,
 * so a row's end mark (0x01) sorts before any further piece. What equal datums may differ in is not kept: see
 * `keyKeepsValue`. A malformed piece throws `ByteDecodeError`.
 */
import { ByteDecodeError } from '../../src/base/bytes.ts';
import { formatUuid, padCharacters } from '../types/characters.ts';
import { trimBlanks, intervalSpan } from '../types/compare.ts';
import type { Datum, Interval } from '../types/datum.ts';
import type { Decimal } from '../types/decimal.ts';
import { numericScale, characterLimit } from '../types/sql-type.ts';
import { rescale } from '../types/decimal.ts';
import type { SqlType } from '../types/sql-type.ts';
import {
  byteAt,
  complementText,
  decodeKeyDecimal,
  decodeKeyFloat,
  decodeKeyInteger,
  encodeKeyBigint,
  encodeKeyDecimal,
  encodeKeyFloat,
  encodeKeyInteger,
} from './key-numbers.ts';
import type { KeyCursor } from './key-numbers.ts';

export interface KeyColumn {
  readonly type: SqlType;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}

const NULL_FIRST = '\x02';
const NULL_LAST = '\xf8';
const NULL_FIRST_CODE = 0x02;
const NULL_LAST_CODE = 0xf8;
/** Infinite dates, as in Postgres' binary form. */
const DATE_INFINITY = 2147483647;
const DATE_MINUS_INFINITY = -2147483648;
const MICROS_PER_DAY = 86400000000n;

/** Encodes the columns of `row` found at `ordinals` (as many as `columns`). */
export type KeyEncoder = (row: readonly Datum[]) => string;
/** Decodes pieces from `offset` on into `out[slots[i]]` (slot -1: skipped). Returns the offset behind the last piece. */
export type KeyDecoder = (key: string, offset: number, out: Datum[]) => number;

type PieceEncoder = (datum: Datum) => string;
type PieceReader = (key: string, cursor: KeyCursor, header: number, mask: number) => Datum;

/** The piece of one column; pieces of a key are concatenated. Null is a piece too. */
export function encodeKeyPiece(column: KeyColumn, datum: Datum): string {
  return pieceEncoderFor(column)(datum);
}

/** As `encodeKeyPiece`, resolved once for many datums. */
export function pieceEncoderFor(column: KeyColumn): PieceEncoder {
  const encode = valueEncoderFor(column.type);
  const { isDescending } = column;
  const nullPiece = nullPieceOf(column);
  if (!isDescending) return (datum) => (datum === null ? nullPiece : encode(datum));
  return (datum) => (datum === null ? nullPiece : complementText(encode(datum)));
}

export function compileKeyEncoder(
  columns: readonly KeyColumn[],
  ordinals: readonly number[],
): KeyEncoder {
  const encoders = columns.map(pieceEncoderFor);
  const [first, second] = encoders;
  const [a = 0, b = 0] = ordinals;
  if (encoders.length === 1 && first !== undefined) return (row) => first(row[a] ?? null);
  if (encoders.length === 2 && first !== undefined && second !== undefined) {
    return (row) => first(row[a] ?? null) + second(row[b] ?? null);
  }
  return (row) => {
    let text = '';
    for (let i = 0; i < encoders.length; i++) {
      text += encoders[i]?.(row[ordinals[i] ?? 0] ?? null) ?? '';
    }
    return text;
  };
}

export function compileKeyDecoder(
  columns: readonly KeyColumn[],
  slots: readonly number[],
): KeyDecoder {
  const steps = columns.map((column, i) => ({
    mask: column.isDescending ? 255 : 0,
    read: pieceReaderFor(column.type),
    slot: slots[i] ?? -1,
  }));
  return (key, offset, out) => {
    const cursor: KeyCursor = { offset };
    for (const { mask, read, slot } of steps) {
      const header = byteAt(key, cursor.offset++) ^ mask;
      const isNull = header === NULL_FIRST_CODE || header === NULL_LAST_CODE;
      const datum = isNull ? null : read(key, cursor, header, mask);
      if (slot >= 0) out[slot] = datum;
    }
    return cursor.offset;
  };
}

/**
 * Whether a key piece says the datum exactly. If not (numeric: display scale; float: -0; interval; unlimited
 * character), the column must also be stored in the row value when it is to be read back.
 */
export function keyKeepsValue(type: SqlType): boolean {
  switch (type.name) {
    case 'numeric':
      return type.modifier >= 4 && numericScale(type.modifier) >= 0;
    case 'bpchar':
      return type.modifier >= 4;
    case 'float4':
    case 'float8':
    case 'interval':
      return false;
    default:
      return true;
  }
}

function nullPieceOf(column: KeyColumn): string {
  const isLow = column.isNullsFirst !== column.isDescending;
  const piece = isLow ? NULL_FIRST : NULL_LAST;
  return column.isDescending ? complementText(piece) : piece;
}

function valueEncoderFor(type: SqlType): PieceEncoder {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'oid':
      return encodeKeyInteger as PieceEncoder;
    case 'int8':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return encodeKeyBigint as PieceEncoder;
    case 'bool':
      return (datum) => (datum === true ? '\x81' : '\x80');
    case 'text':
    case 'varchar':
    case 'name':
    case 'unknown':
      return encodeText as PieceEncoder;
    case 'bpchar':
      return (datum) => encodeText(trimBlanks(datum as string));
    case 'float4':
    case 'float8':
      return encodeKeyFloat as PieceEncoder;
    case 'numeric':
      return encodeKeyDecimal as PieceEncoder;
    case 'bytea':
      return (datum) => encodeBytes(datum as Uint8Array);
    case 'uuid':
      return (datum) =>
        '\x80' + Buffer.from((datum as string).replaceAll('-', ''), 'hex').latin1Slice();
    case 'date':
      return (datum) => encodeKeyInteger(dateToInteger(datum as number));
    case 'interval':
      return (datum) => encodeKeyBigint(intervalSpan(datum as Interval));
    case 'void':
      return () => '\x80';
  }
}

function pieceReaderFor(type: SqlType): PieceReader {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'oid':
      return (key, cursor, header, mask) => Number(decodeKeyInteger(key, cursor, header, mask));
    case 'int8':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return (key, cursor, header, mask) => BigInt(decodeKeyInteger(key, cursor, header, mask));
    case 'bool':
      return (_key, _cursor, header) => header === 0x81;
    case 'text':
    case 'varchar':
    case 'name':
    case 'unknown':
      return decodeTextPiece;
    case 'bpchar': {
      const length = Math.max(0, characterLimit(type));
      return (key, cursor, header, mask) =>
        padCharacters(decodeTextPiece(key, cursor, header, mask), length);
    }
    case 'float4':
    case 'float8':
      return (key, cursor, _header, mask) => decodeKeyFloat(key, cursor, mask);
    case 'numeric':
      return numericReader(type);
    case 'bytea':
      return decodeBytesPiece;
    case 'uuid':
      return decodeUuidPiece;
    case 'date':
      return (key, cursor, header, mask) =>
        integerToDate(Number(decodeKeyInteger(key, cursor, header, mask)));
    case 'interval':
      return (key, cursor, header, mask) => {
        const span = BigInt(decodeKeyInteger(key, cursor, header, mask));
        const days = span / MICROS_PER_DAY;
        return { months: 0, days: Number(days), micros: span - days * MICROS_PER_DAY };
      };
    case 'void':
      return () => '';
  }
}

function numericReader(type: SqlType): PieceReader {
  const scale = type.modifier >= 4 ? numericScale(type.modifier) : -1;
  return (key, cursor, header, mask) => {
    const value: Decimal = decodeKeyDecimal(key, cursor, header, mask);
    return value.kind === 'finite' && scale > value.scale ? rescale(value, scale) : value;
  };
}

export function dateToInteger(days: number): number {
  return days === Infinity ? DATE_INFINITY : days === -Infinity ? DATE_MINUS_INFINITY : days;
}

export function integerToDate(days: number): number {
  return days === DATE_INFINITY ? Infinity : days === DATE_MINUS_INFINITY ? -Infinity : days;
}

function encodeText(text: string): string {
  const isPlain = /^[\x03-\x7f]*$/.test(text);
  if (isPlain) return `\x80${text}\x01`;
  const bytes = Buffer.from(text, 'utf8').latin1Slice();
  return `\x80${bytes.replace(/[\x01\x02]/g, '\x02$&')}\x01`;
}

function decodeTextPiece(key: string, cursor: KeyCursor, header: number, mask: number): string {
  if (header !== 0x80) throw new ByteDecodeError('bad text in key');
  const raw = readEscaped(key, cursor, mask);
  const bytes = raw.isEscaped ? raw.text.replace(/\x02([\x01\x02])/g, '$1') : raw.text;
  return raw.isAscii ? bytes : Buffer.from(bytes, 'latin1').utf8Slice();
}

function encodeBytes(value: Uint8Array): string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).latin1Slice();
  const escaped = text.replace(
    /[\x00-\x02]/g,
    (unit) => '\x02' + String.fromCharCode(unit.charCodeAt(0) + 3),
  );
  return `\x80${escaped}\x01`;
}

function decodeBytesPiece(
  key: string,
  cursor: KeyCursor,
  header: number,
  mask: number,
): Uint8Array {
  if (header !== 0x80) throw new ByteDecodeError('bad bytes in key');
  const raw = readEscaped(key, cursor, mask);
  const text = raw.text.replace(/\x02([\x03-\x05])/g, (_all, unit: string) =>
    String.fromCharCode(unit.charCodeAt(0) - 3),
  );
  return Buffer.from(text, 'latin1');
}

interface Escaped {
  text: string;
  isEscaped: boolean;
  isAscii: boolean;
}

/** The bytes up to the terminator, escapes and all; the cursor ends behind it. */
function readEscaped(key: string, cursor: KeyCursor, mask: number): Escaped {
  const start = cursor.offset;
  let isEscaped = false;
  let union = 0;
  let end = start;
  for (; ; end++) {
    if (end >= key.length) throw new ByteDecodeError('key ends early');
    const byte = key.charCodeAt(end) ^ mask;
    if (byte === 1) break;
    union |= byte;
    if (byte !== 2) continue;
    isEscaped = true;
    end++;
    if (end >= key.length) throw new ByteDecodeError('key ends early');
  }
  cursor.offset = end + 1;
  const slice = key.slice(start, end);
  return { text: mask === 0 ? slice : complementText(slice), isEscaped, isAscii: union < 128 };
}

function decodeUuidPiece(key: string, cursor: KeyCursor, header: number, mask: number): string {
  const start = cursor.offset;
  if (header !== 0x80 || start + 16 > key.length) throw new ByteDecodeError('bad uuid in key');
  cursor.offset = start + 16;
  const slice = key.slice(start, start + 16);
  return formatUuid(Buffer.from(mask === 0 ? slice : complementText(slice), 'latin1'));
}
