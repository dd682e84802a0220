/**
 * Text input and output of values: what literals, text parameters, COPY and text result columns hold. Errors carry
 * Postgres' codes and words (22P02, 22003, 22001, 22007, 22008). The integer and text paths allocate nothing
 * beyond the value.
 */
import { SqlError, invalidTextRepresentation } from '../errors/sql-error.ts';
import { characterCount, normalizeUuid, offsetOfCharacter, padCharacters } from './characters.ts';
import type { Datum, Interval } from './datum.ts';
import { applyNumericModifier, formatDecimal, parseDecimal } from './decimal.ts';
import type { Decimal } from './decimal.ts';
import { formatFloat4, formatFloat8 } from './float-format.ts';
import type { FormatContext } from './format-context.ts';
import { formatInterval, makeInterval, parseInterval } from './interval.ts';
import { characterLimit, displayName } from './sql-type.ts';
import type { SqlType } from './sql-type.ts';
import { parseDate, parseTime, parseTimestamp, parseTimestamptz } from './temporal-parse.ts';
import {
  formatDate,
  formatTime,
  formatTimestamp,
  formatTimestamptz,
  roundMicros,
} from './temporal.ts';

const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -9223372036854775808n;
const OID_MAX = 4294967295;
/** NAMEDATALEN - 1. */
const NAME_BYTES = 63;

/**
 * Reads the text form of a value: a literal, a text parameter, a COPY field. The type's modifier applies as in an
 * assignment: a text too long for varchar(n) is 22001 unless only blanks go.
 */
export function decodeText(type: SqlType, text: string, ctx: FormatContext): Datum {
  switch (type.name) {
    case 'int4':
      return decodeInteger(text, type, -2147483648, 2147483647);
    case 'int8':
      return decodeBigint(text);
    case 'text':
    case 'unknown':
      return text;
    case 'varchar':
      return fitCharacters(text, type, 'error');
    case 'bpchar':
      return fitCharacters(text, type, 'error');
    case 'int2':
      return decodeInteger(text, type, -32768, 32767);
    case 'oid':
      return decodeOid(text);
    case 'bool':
      return decodeBool(text);
    case 'numeric':
      return applyNumericModifier(parseDecimal(text), type.modifier);
    case 'float8':
      return decodeFloat(text, type);
    case 'float4':
      return decodeFloat(text, type);
    case 'name':
      return truncateName(text);
    case 'bytea':
      return decodeBytea(text);
    case 'uuid': {
      const uuid = normalizeUuid(text.trim());
      if (uuid === undefined) throw invalidTextRepresentation('uuid', text);
      return uuid;
    }
    case 'date':
      return parseDate(text, ctx);
    case 'time':
      return roundMicros(parseTime(text, ctx), type.modifier);
    case 'timestamp':
      return roundMicros(parseTimestamp(text, ctx), type.modifier);
    case 'timestamptz':
      return roundMicros(parseTimestamptz(text, ctx), type.modifier);
    case 'interval':
      return applyIntervalModifier(parseInterval(text), type.modifier);
    case 'void':
      return '';
  }
}

/** The text form of a non-null datum. */
export function encodeText(type: SqlType, datum: Datum, ctx: FormatContext): string {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return (datum as number | bigint).toString();
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
    case 'uuid':
    case 'unknown':
    case 'void':
      return datum as string;
    case 'bool':
      return datum === true ? 't' : 'f';
    case 'numeric':
      return formatDecimal(datum as Decimal);
    case 'float8':
      return formatFloat8(datum as number, ctx.extraFloatDigits);
    case 'float4':
      return formatFloat4(datum as number, ctx.extraFloatDigits);
    case 'bytea':
      return encodeBytea(datum as Uint8Array, ctx.byteaOutput);
    case 'date':
      return formatDate(datum as number);
    case 'time':
      return formatTime(datum as bigint);
    case 'timestamp':
      return formatTimestamp(datum as bigint);
    case 'timestamptz':
      return formatTimestamptz(datum as bigint, ctx.timeZone);
    case 'interval':
      return formatInterval(datum as Interval);
  }
}

function decodeInteger(text: string, type: SqlType, min: number, max: number): number {
  const length = text.length;
  if (length > 0 && length < 10) {
    // The common case without a regular expression: an optional sign and at most nine digits.
    const isNegative = text.charCodeAt(0) === 45;
    let value = 0;
    let i = isNegative ? 1 : 0;
    for (; i < length; i++) {
      const digit = text.charCodeAt(i) - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (i === length && !(isNegative && length === 1)) {
      if (value > max) throw integerOutOfRange(text, type);
      return isNegative && value !== 0 ? -value : value;
    }
  }
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw invalidTextRepresentation(displayName(type), text);
  const value = Number(text);
  if (value < min || value > max) throw integerOutOfRange(text, type);
  return value + 0;
}

function decodeBigint(text: string): bigint {
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw invalidTextRepresentation('bigint', text);
  const trimmed = text.trim();
  const value = BigInt(trimmed.startsWith('+') ? trimmed.slice(1) : trimmed);
  if (value > INT8_MAX || value < INT8_MIN) {
    throw new SqlError('22003', `value "${text}" is out of range for type bigint`);
  }
  return value;
}

function decodeOid(text: string): number {
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw invalidTextRepresentation('oid', text);
  const value = Number(text);
  if (value > OID_MAX || value < -2147483648) {
    throw new SqlError('22003', `value "${text}" is out of range for type oid`);
  }
  return value < 0 ? value + OID_MAX + 1 : value + 0;
}

function integerOutOfRange(text: string, type: SqlType): SqlError {
  return new SqlError('22003', `value "${text}" is out of range for type ${displayName(type)}`);
}

/** Any unambiguous beginning of true, false, yes, no; on, off; 1, 0. */
function decodeBool(text: string): boolean {
  const word = text.trim().toLowerCase();
  if (word !== '') {
    if (word === '1' || word === 'on' || 'true'.startsWith(word) || 'yes'.startsWith(word)) {
      return true;
    }
    if (word === '0' || word === 'of' || word === 'off') return false;
    if ('false'.startsWith(word) || 'no'.startsWith(word)) return false;
  }
  throw invalidTextRepresentation('boolean', text);
}

function decodeFloat(text: string, type: SqlType): number {
  const trimmed = text.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)) {
    const value = type.name === 'float4' ? Math.fround(Number(trimmed)) : Number(trimmed);
    const isUnderflow = value === 0 && /[1-9]/.test(trimmed.replace(/e.*$/i, ''));
    if (!Number.isFinite(value) || isUnderflow) {
      throw new SqlError('22003', `"${text}" is out of range for type ${displayName(type)}`);
    }
    return value;
  }
  switch (trimmed.toLowerCase()) {
    case 'nan':
      return NaN;
    case 'inf':
    case '+inf':
    case 'infinity':
    case '+infinity':
      return Infinity;
    case '-inf':
    case '-infinity':
      return -Infinity;
    default:
      throw invalidTextRepresentation(displayName(type), text);
  }
}

/**
 * Makes a text fit varchar(n) or character(n). Too long: an error unless only blanks are lost (input, assignment), or
 * cut (an explicit cast).
 */
export function fitCharacters(text: string, type: SqlType, tooLong: 'error' | 'cut'): string {
  const limit = characterLimit(type);
  if (limit < 0) return text;
  if (text.length > limit && characterCount(text) > limit) {
    const end = offsetOfCharacter(text, limit);
    if (tooLong === 'error' && !/^ *$/.test(text.slice(end))) {
      throw new SqlError('22001', `value too long for type ${displayName(type)}(${limit})`);
    }
    return text.slice(0, end);
  }
  return type.name === 'bpchar' ? padCharacters(text, limit) : text;
}

/** Cut to 63 bytes of UTF-8, at a character. */
export function truncateName(text: string): string {
  if (text.length * 3 <= NAME_BYTES || Buffer.byteLength(text, 'utf8') <= NAME_BYTES) return text;
  let end = Math.min(text.length, NAME_BYTES);
  while (Buffer.byteLength(text.slice(0, end), 'utf8') > NAME_BYTES) end--;
  if ((text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return text.slice(0, end);
}

export function applyIntervalModifier(value: Interval, modifier: number): Interval {
  const precision = modifier < 0 ? 6 : modifier & 0xffff;
  if (precision >= 6) return value;
  return makeInterval(value.months, value.days, roundMicros(value.micros, precision));
}

/** The hex form `\x...`, or the escape form with `\\` and `\ooo`. */
export function decodeBytea(text: string): Uint8Array {
  if (text.startsWith('\\x')) return decodeHex(text.slice(2));
  const out: number[] = [];
  const bytes = Buffer.from(text, 'utf8');
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte !== 92) {
      out.push(byte);
      continue;
    }
    const escape = bytes.toString('latin1', i + 1, i + 4);
    if (escape.startsWith('\\')) {
      out.push(92);
      i += 1;
    } else if (/^[0-3][0-7][0-7]$/.test(escape)) {
      out.push(parseInt(escape, 8));
      i += 3;
    } else {
      throw new SqlError('22P02', 'invalid input syntax for type bytea');
    }
  }
  return Buffer.from(out);
}

/** Pairs of hexadecimal digits with white space between pairs. */
export function decodeHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  const bad = /[^0-9a-fA-F]/u.exec(digits);
  if (bad !== null) throw new SqlError('22023', `invalid hexadecimal digit: "${bad[0]}"`);
  if (digits.length % 2 !== 0) {
    throw new SqlError('22023', 'invalid hexadecimal data: odd number of digits');
  }
  return Buffer.from(digits, 'hex');
}

export function encodeBytea(bytes: Uint8Array, output: 'hex' | 'escape'): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (output === 'hex') return `\\x${buffer.toString('hex')}`;
  let text = '';
  for (const byte of buffer) {
    if (byte === 92) text += '\\\\';
    else if (byte < 32 || byte > 126) text += `\\${byte.toString(8).padStart(3, '0')}`;
    else text += String.fromCharCode(byte);
  }
  return text;
}
