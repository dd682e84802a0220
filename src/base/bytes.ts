/**
 * Reading and writing of compact binary records: raft commands, log records, row values. Integers are unsigned
 * LEB128 up to 53 bits. A reader that runs past its end throws `ByteDecodeError`, never reads beyond, and never
 * allocates by a length it has not checked.
 */
import { assert } from './assert.ts';
import type { Key } from './span.ts';

declare global {
  /** Node's own direct forms of `write` and `toString`, which skip the look-up of the encoding. */
  interface Buffer {
    latin1Write(text: string, offset?: number): number;
    utf8Write(text: string, offset?: number): number;
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
  }
}

export class ByteDecodeError extends Error {
  override readonly name = 'ByteDecodeError';
}

/** Grows by doubling; `finish` returns a view, valid until `reset`. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 256) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  /** Unsigned LEB128 of a safe integer: 1 to 8 bytes. */
  varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'varint out of range');
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#buffer[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
  }

  /** A length and the bytes. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** Leaves room for the length of what follows until `endSized`, which is given what this returns. */
  beginSized(): number {
    this.u32(0);
    return this.#length;
  }

  endSized(start: number): void {
    this.#buffer.writeUInt32BE(this.#length - start, start - 4);
  }

  /** A length and a binary string: one byte a character. */
  key(value: Key | string): void {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#buffer.latin1Write(value, this.#length);
    this.#length += value.length;
  }

  /** A byte length and UTF-8. */
  text(value: string): void {
    const size = Buffer.byteLength(value, 'utf8');
    this.varint(size);
    this.#reserve(size);
    this.#buffer.utf8Write(value, this.#length);
    this.#length += size;
  }

  /** A copy of what was written, owned by the caller; small ones share a few kilobytes of memory. */
  copy(): Buffer {
    const out = Buffer.allocUnsafe(this.#length);
    this.#buffer.copy(out, 0, 0, this.#length);
    return out;
  }

  /** A view of what was written; the next write after `reset` overwrites it. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
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

export class ByteReader {
  readonly #buffer: Buffer;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.#buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = offset;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  u8(): number {
    this.#need(1);
    return this.#buffer[this.#offset++] ?? 0;
  }

  u32(): number {
    this.#need(4);
    const value = this.#buffer.readUInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  f64(): number {
    this.#need(8);
    const value = this.#buffer.readDoubleBE(this.#offset);
    this.#offset += 8;
    return value;
  }

  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 127) * factor;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      factor *= 128;
    }
    throw new ByteDecodeError('varint too long');
  }

  /** What stands between `beginSized` and `endSized`, to be read on its own. */
  sized(): ByteReader {
    const length = this.u32();
    this.#need(length);
    const start = this.#offset;
    this.#offset += length;
    return new ByteReader(this.#buffer, start, this.#offset);
  }

  /** A view into the record, not a copy. */
  bytes(): Buffer {
    return this.raw(this.varint());
  }

  raw(length: number): Buffer {
    this.#need(length);
    const value = this.#buffer.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  key(): Key {
    const length = this.varint();
    this.#need(length);
    const value = this.#buffer.latin1Slice(this.#offset, this.#offset + length);
    this.#offset += length;
    return value as Key;
  }

  text(): string {
    const length = this.varint();
    this.#need(length);
    const value = this.#buffer.utf8Slice(this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  #need(count: number): void {
    if (this.#offset + count > this.#end) throw new ByteDecodeError('record ends early');
  }
}
