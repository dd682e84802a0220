/** What requests to ranges and their answers are made of, as bytes. Readers throw `ByteDecodeError`. */
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import type { LockGrant, LogPosition, RangeRequest, Write } from './requests.ts';

export function writeRoute(out: ByteWriter, request: RangeRequest): void {
  out.varint(request.rangeId);
  out.varint(request.generation);
}

/** Entries are numbered from 1; 0: there is none. */
export function writePosition(out: ByteWriter, position: LogPosition | undefined): void {
  out.varint(position?.index ?? 0);
  if (position !== undefined) out.varint(position.term);
}

export function readPosition(reader: ByteReader): LogPosition | undefined {
  const index = reader.varint();
  return index === 0 ? undefined : { index, term: reader.varint() };
}

export function readTs(reader: ByteReader): Timestamp {
  const ts = reader.f64();
  if (!Number.isSafeInteger(ts) || ts < 0) throw new ByteDecodeError('not a timestamp');
  return ts as Timestamp;
}

/** Every item takes a byte at least, so that a count beyond that is an error before anything is made. */
export function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.varint();
  if (count > reader.remaining) throw new ByteDecodeError('a list longer than its bytes');
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

export function writeKeys(out: ByteWriter, keys: readonly Key[]): void {
  out.varint(keys.length);
  for (const key of keys) out.key(key);
}

export const readKeys = (reader: ByteReader): Key[] => readList(reader, readKey);
export const readKey = (reader: ByteReader): Key => reader.key();

export function writeSpans(out: ByteWriter, spans: readonly Span[]): void {
  out.varint(spans.length);
  for (const span of spans) writeSpan(out, span);
}

export const readSpans = (reader: ByteReader): Span[] => readList(reader, readSpan);

export function writeSpan(out: ByteWriter, { start, end }: Span): void {
  out.key(start);
  out.key(end);
}

export function readSpan(reader: ByteReader): Span {
  const start = reader.key();
  return { start, end: reader.key() };
}

export function writeNumbers(out: ByteWriter, numbers: readonly number[]): void {
  out.varint(numbers.length);
  for (const number of numbers) out.varint(number);
}

export const readNumbers = (reader: ByteReader): number[] => readList(reader, readNumber);
export const readNumber = (reader: ByteReader): number => reader.varint();

export function writeFences(out: ByteWriter, fences: readonly TableFence[]): void {
  out.varint(fences.length);
  for (const { tableId, version } of fences) {
    out.varint(tableId);
    out.varint(version);
  }
}

export const readFences = (reader: ByteReader): TableFence[] => readList(reader, readFence);

export function readFence(reader: ByteReader): TableFence {
  const tableId = reader.varint();
  return { tableId, version: reader.varint() };
}

export function writeGrant(out: ByteWriter, grant: LockGrant): void {
  out.varint(grant.rangeId);
  out.varint(grant.generation);
  out.varint(grant.term);
  out.varint(grant.stay);
}

export function readGrant(reader: ByteReader): LockGrant {
  return {
    rangeId: reader.varint(),
    generation: reader.varint(),
    term: reader.varint(),
    stay: reader.varint(),
  };
}

export function writeWrites(out: ByteWriter, writes: readonly Write[]): void {
  out.varint(writes.length);
  for (const { key, value } of writes) {
    out.key(key);
    writeValue(out, value ?? undefined);
  }
}

export const readWrites = (reader: ByteReader): Write[] => readList(reader, readWrite);

export function readWrite(reader: ByteReader): Write {
  const key = reader.key();
  return { key, value: readValue(reader) ?? null };
}

/** One more than the length, then the bytes; 0: there is none. */
export function writeValue(out: ByteWriter, value: Uint8Array | undefined): void {
  if (value === undefined) {
    out.varint(0);
    return;
  }
  out.varint(value.length + 1);
  out.raw(value);
}

export function readValue(reader: ByteReader): Uint8Array | undefined {
  const length = reader.varint();
  return length === 0 ? undefined : reader.raw(length - 1);
}

export function oneOf<T>(all: readonly T[], index: number): T {
  const value = all[index];
  if (value === undefined) throw new ByteDecodeError('no such choice');
  return value;
}
