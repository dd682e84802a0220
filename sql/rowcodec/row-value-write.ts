/**
 * Writes the entries of a row value (format: row-value.ts) into a scratch buffer that grows and is reused. Not
 * reentrant: one row at a time, synchronously.
 */
import { trimBlanks } from '../types/compare.ts';
import type { Datum, Interval } from '../types/datum.ts';
import type { Decimal } from '../types/decimal.ts';
import { characterLimit } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { dateToInteger } from './row-key.ts';

/** Writes tag and payload of a non-null datum. */
export type PayloadWriter = (out: RowScratch, idDelta: number, datum: Datum) => void;

/** Above this many UTF-16 units the native encoder is faster than a loop. */
const SHORT_TEXT = 24;
const INITIAL_BYTES = 4096;
const MAX_KEPT_BYTES = 1 << 20;

export const DECIMAL_FLAG = {
  positive: 0,
  negative: 1,
  nan: 2,
  infinity: 3,
  minusInfinity: 4,
} as const;

export class RowScratch {
  #buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #length = 0;

  begin(format: number): void {
    this.#buffer[0] = format;
    this.#length = 1;
  }

  /** A copy; a scratch grown by one large row is given up again. */
  finish(): Buffer {
    const out = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(out, 0, 0, this.#length);
    if (this.#buffer.length > MAX_KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    return out;
  }

  tag(idDelta: number, kind: number): void {
    this.#reserve(8);
    if (idDelta < 16) {
      this.#buffer[this.#length++] = (idDelta << 3) | kind;
      return;
    }
    let rest = idDelta * 8 + kind;
    while (rest >= 128) {
      this.#buffer[this.#length++] = (rest & 127) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
  }

  integer(idDelta: number, value: number): void {
    if (value >= -128 && value < 128) {
      this.tag(idDelta, 1);
      this.#buffer[this.#length++] = value & 255;
    } else if (value >= -32768 && value < 32768) {
      this.tag(idDelta, 2);
      this.#reserve(2);
      this.#length = this.#buffer.writeInt16BE(value, this.#length);
    } else if (value >= -2147483648 && value < 2147483648) {
      this.tag(idDelta, 3);
      this.#reserve(4);
      this.#length = this.#buffer.writeInt32BE(value, this.#length);
    } else {
      this.eightBytes(idDelta, BigInt(value));
    }
  }

  eightBytes(idDelta: number, value: bigint): void {
    this.tag(idDelta, 4);
    this.#reserve(8);
    this.#length = this.#buffer.writeBigInt64BE(value, this.#length);
  }

  float8(idDelta: number, value: number): void {
    this.tag(idDelta, 4);
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  float4(idDelta: number, value: number): void {
    this.tag(idDelta, 3);
    this.#reserve(4);
    this.#length = this.#buffer.writeFloatBE(value, this.#length);
  }

  text(idDelta: number, value: string): void {
    const units = value.length;
    if (units <= SHORT_TEXT && this.#shortAscii(idDelta, value)) return;
    const size = Buffer.byteLength(value, 'utf8');
    this.#lengthOf(idDelta, size);
    this.#buffer.utf8Write(value, this.#length);
    this.#length += size;
  }

  bytes(idDelta: number, value: Uint8Array): void {
    this.#lengthOf(idDelta, value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  uuid(idDelta: number, value: string): void {
    this.tag(idDelta, 7);
    this.#reserve(16);
    this.#buffer.write(value.replaceAll('-', ''), this.#length, 16, 'hex');
    this.#length += 16;
  }

  /** Copies an ASCII text unit by unit; takes everything back at the first other unit. */
  #shortAscii(idDelta: number, value: string): boolean {
    const start = this.#length;
    const units = value.length;
    this.#lengthOf(idDelta, units);
    const buffer = this.#buffer;
    let offset = this.#length;
    for (let i = 0; i < units; i++) {
      const code = value.charCodeAt(i);
      if (code >= 128) {
        this.#length = start;
        return false;
      }
      buffer[offset++] = code;
    }
    this.#length = offset;
    return true;
  }

  /** Tag and length of a payload of `size` bytes, with room for it. */
  #lengthOf(idDelta: number, size: number): void {
    this.tag(idDelta, size < 256 ? 5 : 6);
    this.#reserve(size + 4);
    if (size < 256) this.#buffer[this.#length++] = size;
    else this.#length = this.#buffer.writeUInt32BE(size, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    let size = this.#buffer.length * 2;
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

export function payloadWriterFor(type: SqlType): PayloadWriter {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'oid':
      return (out, delta, datum) => out.integer(delta, datum as number);
    case 'date':
      return (out, delta, datum) => out.integer(delta, dateToInteger(datum as number));
    case 'int8':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return (out, delta, datum) => {
        const value = datum as bigint;
        if (value >= -2147483648n && value < 2147483648n) out.integer(delta, Number(value));
        else out.eightBytes(delta, value);
      };
    case 'bool':
      return (out, delta, datum) => out.integer(delta, datum === true ? 1 : 0);
    case 'float8':
      return (out, delta, datum) => out.float8(delta, datum as number);
    case 'float4':
      return (out, delta, datum) => out.float4(delta, datum as number);
    case 'bpchar':
      return characterLimit(type) < 0
        ? (out, delta, datum) => out.text(delta, datum as string)
        : (out, delta, datum) => out.text(delta, trimBlanks(datum as string));
    case 'text':
    case 'varchar':
    case 'name':
    case 'unknown':
    case 'void':
      return (out, delta, datum) => out.text(delta, datum as string);
    case 'bytea':
      return (out, delta, datum) => out.bytes(delta, datum as Uint8Array);
    case 'uuid':
      return (out, delta, datum) => out.uuid(delta, datum as string);
    case 'numeric':
      return (out, delta, datum) => out.bytes(delta, decimalBytes(datum as Decimal));
    case 'interval':
      return (out, delta, datum) => out.bytes(delta, intervalBytes(datum as Interval));
  }
}

/** Flag, scale in two bytes, magnitude big-endian. */
function decimalBytes(value: Decimal): Buffer {
  switch (value.kind) {
    case 'nan':
      return Buffer.of(DECIMAL_FLAG.nan);
    case 'infinity':
      return Buffer.of(DECIMAL_FLAG.infinity);
    case '-infinity':
      return Buffer.of(DECIMAL_FLAG.minusInfinity);
    case 'finite':
      break;
  }
  const isNegative = value.unscaled < 0n;
  const flag = isNegative ? DECIMAL_FLAG.negative : DECIMAL_FLAG.positive;
  const hex = (isNegative ? -value.unscaled : value.unscaled).toString(16);
  const size = (hex.length + 1) >>> 1;
  const out = Buffer.allocUnsafe(3 + size);
  out[0] = flag;
  out.writeUInt16BE(value.scale, 1);
  out.write(hex.length % 2 === 0 ? hex : `0${hex}`, 3, size, 'hex');
  return out;
}

function intervalBytes(value: Interval): Buffer {
  const out = Buffer.allocUnsafe(16);
  out.writeBigInt64BE(value.micros, 0);
  out.writeInt32BE(value.days, 8);
  out.writeInt32BE(value.months, 12);
  return out;
}
