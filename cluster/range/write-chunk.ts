/**
 * A part of a large transaction: writes in ascending key order, packed into one byte string that is logged, staged and
 * applied as it is. Reading is lazy, so that a megabyte of rows never exists as objects at once.
 */
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { assert } from '../../src/base/assert.ts';
import type { Span } from '../../src/base/span.ts';
import { keyAfter } from '../../src/base/span.ts';
import type { Write } from './requests.ts';

/** Layout: count, last key, then per write the key, and 0 for a deletion or the value's length plus one and the value. */
export function encodeChunk(writes: readonly Write[]): Buffer {
  const last = writes.at(-1);
  assert(last !== undefined, 'an empty part');
  const out = new ByteWriter(64 * 1024);
  out.varint(writes.length);
  out.key(last.key);
  for (const { key, value } of writes) {
    out.key(key);
    if (value === null) out.varint(0);
    else {
      out.varint(value.length + 1);
      out.raw(value);
    }
  }
  return out.copy();
}

/** Throws `ByteDecodeError` for what is no chunk. */
export function* decodeChunk(chunk: Uint8Array): Generator<Write, void> {
  const reader = new ByteReader(chunk);
  const count = reader.varint();
  reader.key();
  for (let i = 0; i < count; i++) {
    const key = reader.key();
    const size = reader.varint();
    yield { key, value: size === 0 ? null : reader.raw(size - 1) };
  }
}

/** From the first key to just after the last. */
export function chunkSpan(chunk: Uint8Array): Span {
  const reader = new ByteReader(chunk);
  reader.varint();
  const last = reader.key();
  return { start: reader.key(), end: keyAfter(last) };
}
