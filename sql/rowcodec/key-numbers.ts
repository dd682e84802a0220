/**
 * Order-preserving pieces of numbers. Every piece begins with a header byte and says its own length, holds few zero
 * bytes, and no header lies outside 0x10 to 0xef: NULL markers and the end of a row's key sort around them, and their
 * complements (descending columns) do too.
 *
 *   integer   header 0x80 + n (negative: 0x80 - n), then the n minimal big-endian bytes (negative: of value + 256^n)
 *   float     header 0x80, then the eight bytes of the IEEE form, sign flipped, negatives complemented
 *   numeric   header by sign; exponent as an integer; digit pairs + 2; 0x01 (negative: the complement of all behind
 *             the header). Trailing zeros are not part of it.
 *
 * All integer types share one form, so that int4 may become int8 without rewriting keys.
 */
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { Decimal } from '../types/decimal.ts';
import {
  DECIMAL_INFINITY,
  DECIMAL_MINUS_INFINITY,
  DECIMAL_NAN,
  DECIMAL_ZERO,
  makeDecimal,
  pow10,
} from '../types/decimal.ts';

const ZERO = 0x80;
const MAX_INTEGER_BYTES = 11;

const DECIMAL_HEADER = {
  minusInfinity: 0x70,
  negative: 0x78,
  zero: 0x80,
  positive: 0x88,
  infinity: 0x90,
  nan: 0x91,
} as const;

/** A safe integer. */
export function encodeKeyInteger(value: number): string {
  if (value === 0) return '\x80';
  if (value > 0) {
    if (value < 0x100) return String.fromCharCode(0x81, value);
    if (value < 0x10000) return String.fromCharCode(0x82, value >>> 8, value & 255);
    if (value < 0x1000000) {
      return String.fromCharCode(0x83, value >>> 16, (value >>> 8) & 255, value & 255);
    }
    if (value < 0x100000000) {
      return String.fromCharCode(
        0x84,
        value >>> 24,
        (value >>> 16) & 255,
        (value >>> 8) & 255,
        value & 255,
      );
    }
  }
  let limit = 256;
  let count = 1;
  for (const size = Math.abs(value); size >= limit; count++) limit *= 256;
  let rest = value < 0 ? value + limit : value;
  let bytes = '';
  for (let i = 0; i < count; i++) {
    bytes = String.fromCharCode(rest % 256) + bytes;
    rest = Math.floor(rest / 256);
  }
  return String.fromCharCode(value < 0 ? ZERO - count : ZERO + count) + bytes;
}

export function encodeKeyBigint(value: bigint): string {
  if (value >= -0xffffffffffffn && value <= 0xffffffffffffn) {
    return encodeKeyInteger(Number(value));
  }
  let limit = 1n << 56n;
  let count = 7;
  for (const size = value < 0n ? -value : value; size >= limit; count++) limit <<= 8n;
  const hex = (value < 0n ? value + limit : value).toString(16).padStart(count * 2, '0');
  const header = String.fromCharCode(value < 0n ? ZERO - count : ZERO + count);
  return header + Buffer.from(hex, 'hex').latin1Slice();
}

/** Where a piece that was read ended. The caller reads it before the next call. */
export interface KeyCursor {
  offset: number;
}

/** `mask` is 0xff for a descending column, else 0. The cursor stands behind the header. */
export function decodeKeyInteger(
  key: string,
  cursor: KeyCursor,
  header: number,
  mask: number,
): number | bigint {
  const isNegative = header < ZERO;
  const count = isNegative ? ZERO - header : header - ZERO;
  if (count > MAX_INTEGER_BYTES) throw new ByteDecodeError('bad integer in key');
  const start = cursor.offset;
  const end = start + count;
  if (end > key.length) throw new ByteDecodeError('key ends early');
  cursor.offset = end;
  if (count <= 6) {
    let value = 0;
    for (let i = start; i < end; i++) value = value * 256 + (key.charCodeAt(i) ^ mask);
    return isNegative ? value - 256 ** count : value;
  }
  let value = 0n;
  for (let i = start; i < end; i++) value = (value << 8n) | BigInt(key.charCodeAt(i) ^ mask);
  return isNegative ? value - (1n << BigInt(count * 8)) : value;
}

const floatBytes = Buffer.alloc(8);

export function encodeKeyFloat(value: number): string {
  floatBytes.writeDoubleBE(value === 0 ? 0 : value);
  if (Number.isNaN(value)) floatBytes.write('7ff8000000000000', 'hex');
  if ((floatBytes[0] ?? 0) >= 0x80) complement(floatBytes);
  else floatBytes[0] = (floatBytes[0] ?? 0) | 0x80;
  return '\x80' + floatBytes.latin1Slice();
}

export function decodeKeyFloat(key: string, cursor: KeyCursor, mask: number): number {
  const start = cursor.offset;
  if (start + 8 > key.length) throw new ByteDecodeError('key ends early');
  cursor.offset = start + 8;
  for (let i = 0; i < 8; i++) floatBytes[i] = key.charCodeAt(start + i) ^ mask;
  const first = floatBytes[0] ?? 0;
  if (first >= 0x80) floatBytes[0] = first & 0x7f;
  else complement(floatBytes);
  return floatBytes.readDoubleBE();
}

export function encodeKeyDecimal(value: Decimal): string {
  switch (value.kind) {
    case 'nan':
      return String.fromCharCode(DECIMAL_HEADER.nan);
    case 'infinity':
      return String.fromCharCode(DECIMAL_HEADER.infinity);
    case '-infinity':
      return String.fromCharCode(DECIMAL_HEADER.minusInfinity);
    case 'finite':
      break;
  }
  if (value.unscaled === 0n) return String.fromCharCode(DECIMAL_HEADER.zero);
  const isNegative = value.unscaled < 0n;
  const text = (isNegative ? -value.unscaled : value.unscaled).toString();
  const digits = text.replace(/0+$/, '');
  // The value is 0.digits times ten to this power.
  let piece = encodeKeyInteger(text.length - value.scale);
  for (let i = 0; i < digits.length; i += 2) {
    const high = digits.charCodeAt(i) - 48;
    const low = i + 1 < digits.length ? digits.charCodeAt(i + 1) - 48 : 0;
    piece += String.fromCharCode(high * 10 + low + 2);
  }
  piece += '\x01';
  return isNegative
    ? String.fromCharCode(DECIMAL_HEADER.negative) + complementText(piece)
    : String.fromCharCode(DECIMAL_HEADER.positive) + piece;
}

export function decodeKeyDecimal(
  key: string,
  cursor: KeyCursor,
  header: number,
  mask: number,
): Decimal {
  switch (header) {
    case DECIMAL_HEADER.nan:
      return DECIMAL_NAN;
    case DECIMAL_HEADER.infinity:
      return DECIMAL_INFINITY;
    case DECIMAL_HEADER.minusInfinity:
      return DECIMAL_MINUS_INFINITY;
    case DECIMAL_HEADER.zero:
      return DECIMAL_ZERO;
    case DECIMAL_HEADER.positive:
      return decodeDigits(key, cursor, mask, 1n);
    case DECIMAL_HEADER.negative:
      return decodeDigits(key, cursor, mask ^ 255, -1n);
    default:
      throw new ByteDecodeError('bad numeric in key');
  }
}

function decodeDigits(key: string, cursor: KeyCursor, mask: number, sign: bigint): Decimal {
  const header = byteAt(key, cursor.offset++) ^ mask;
  const exponent = Number(decodeKeyInteger(key, cursor, header, mask));
  let digits = '';
  for (;;) {
    const byte = byteAt(key, cursor.offset++) ^ mask;
    if (byte === 1) break;
    if (byte < 2 || byte > 101) throw new ByteDecodeError('bad digit in key');
    digits += byte < 12 ? `0${byte - 2}` : String(byte - 2);
  }
  if (digits.endsWith('0')) digits = digits.slice(0, -1);
  const scale = digits.length - exponent;
  // A decimal has at most 131,072 digits before the point and 16,383 behind it.
  if (digits === '' || exponent > 131072 || scale > 16384) {
    throw new ByteDecodeError('bad numeric in key');
  }
  const unscaled = BigInt(digits) * sign;
  return scale >= 0 ? makeDecimal(unscaled, scale) : makeDecimal(unscaled * pow10(-scale), 0);
}

export function byteAt(key: string, offset: number): number {
  if (offset >= key.length) throw new ByteDecodeError('key ends early');
  return key.charCodeAt(offset);
}

/** Every byte complemented: turns ascending order into descending. */
export function complementText(piece: string): string {
  let text = '';
  for (let i = 0; i < piece.length; i++) text += String.fromCharCode(piece.charCodeAt(i) ^ 255);
  return text;
}

function complement(bytes: Buffer): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ 255;
}
