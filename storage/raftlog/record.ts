/**
 * Records of the Raft log. Layout: 4 bytes length of what follows the checksum, 4 bytes checksum, then kind, sync-batch
 * number, place in the batch, the number of records in the batch before, range and fields. So recovery notices any
 * record that is missing, and to which batch it belonged. The checksum is seeded with the segment's number, so that what a recycled file still holds
 * of its earlier life never counts. Length zero ends a segment.
 */
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { RangeId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { crc32 } from '../codec/checksum.ts';
import type { ChecksumIndex } from '../codec/checksum-index.ts';
import type { LogPosition } from './segment-header.ts';

export interface HardStateRecord {
  readonly term: number;
  readonly vote: number;
}

export interface EntryRecord {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export type LogRecord = LogPosition &
  (
    | {
        /** A copy says again what an earlier record of the same entry said, and replaces nothing. */
        readonly kind: 'entry' | 'copy';
        readonly range: RangeId;
        readonly index: number;
        readonly term: number;
        readonly data: Buffer;
      }
    | { readonly kind: 'truncate'; readonly range: RangeId; readonly from: number }
    | { readonly kind: 'hardState'; readonly range: RangeId; readonly hardState: HardStateRecord }
    | { readonly kind: 'ceiling'; readonly ts: Timestamp }
  );

const ENTRY = 1;
const TRUNCATE = 2;
const HARD_STATE = 3;
const CEILING = 4;
const COPY = 5;

export const RECORD_HEAD_BYTES = 8;
/** At least what a record without data takes: head, kind, and four integers. */
const SMALL_BYTES = RECORD_HEAD_BYTES + 1 + 6 * 8 + 8;
export const RECORD_BYTES_MAX = 1 << 30;

/** Collects the records of one flush for one segment. */
export class RecordWriter {
  readonly #out = new ByteWriter(1 << 16);
  #segment = 0;
  #syncBatch = 0;
  #previousCount = 0;
  /** Records written of this batch, in whatever segment. */
  count = 0;

  readonly smallBytes = SMALL_BYTES;

  get length(): number {
    return this.#out.length;
  }

  /** Of the next record. */
  get position(): LogPosition {
    return {
      syncBatch: this.#syncBatch,
      place: this.count,
      previousCount: this.#previousCount,
    };
  }

  beginBatch(syncBatch: number): void {
    this.#previousCount = this.count;
    this.count = 0;
    this.#syncBatch = syncBatch;
  }

  beginSegment(segment: number): void {
    this.#out.reset();
    this.#segment = segment;
  }

  entryBytes(entry: { readonly data: Uint8Array }): number {
    return SMALL_BYTES + entry.data.length;
  }

  entry(range: RangeId, entry: EntryRecord): void {
    this.#entry(ENTRY, range, entry);
  }

  copy(range: RangeId, entry: EntryRecord): void {
    this.#entry(COPY, range, entry);
  }

  #entry(kind: number, range: RangeId, entry: EntryRecord): void {
    const start = this.#head(kind);
    this.#out.varint(range);
    this.#out.varint(entry.index);
    this.#out.varint(entry.term);
    this.#out.raw(entry.data);
    this.#seal(start);
  }

  truncate(range: RangeId, from: number): void {
    const start = this.#head(TRUNCATE);
    this.#out.varint(range);
    this.#out.varint(from);
    this.#seal(start);
  }

  hardState(range: RangeId, { term, vote }: HardStateRecord): void {
    const start = this.#head(HARD_STATE);
    this.#out.varint(range);
    this.#out.varint(term);
    this.#out.varint(vote);
    this.#seal(start);
  }

  ceiling(ts: Timestamp): void {
    const start = this.#head(CEILING);
    this.#out.f64(ts);
    this.#seal(start);
  }

  /** A view of what was collected, good until the next `beginSegment`. */
  take(): Buffer {
    return this.#out.view();
  }

  #head(kind: number): number {
    const start = this.#out.length;
    this.#out.u32(0);
    this.#out.u32(0);
    this.#out.u8(kind);
    this.#out.varint(this.#syncBatch);
    this.#out.varint(this.count++);
    this.#out.varint(this.#previousCount);
    return start;
  }

  #seal(start: number): void {
    const bytes = this.#out.view();
    const body = start + RECORD_HEAD_BYTES;
    bytes.writeUInt32BE(bytes.length - body, start);
    bytes.writeUInt32BE(crc32(bytes, body, bytes.length, this.#segment), start + 4);
  }
}

/** The record at an offset; 'end' where none begins, 'bad' where one does not verify. An entry's data is a view. */
export function readRecord(
  bytes: Buffer,
  offset: number,
  segment: number,
): { readonly record: LogRecord; readonly end: number } | 'end' | 'bad' {
  if (offset + RECORD_HEAD_BYTES > bytes.length) return 'end';
  const length = bytes.readUInt32BE(offset);
  if (length === 0) return 'end';
  const body = offset + RECORD_HEAD_BYTES;
  const end = body + length;
  if (length > RECORD_BYTES_MAX || end > bytes.length) return 'bad';
  if (bytes.readUInt32BE(offset + 4) !== crc32(bytes, body, end, segment)) return 'bad';
  try {
    const record = decodeBody(new ByteReader(bytes, body, end));
    return record === undefined ? 'bad' : { record, end };
  } catch (error) {
    // Looking for records in damaged bytes meets checksums that are right by chance.
    if (error instanceof ByteDecodeError) return 'bad';
    throw error;
  }
}

function decodeBody(reader: ByteReader): LogRecord | undefined {
  const kind = reader.u8();
  const syncBatch = reader.varint();
  const place = reader.varint();
  const base = { syncBatch, place, previousCount: reader.varint() };
  switch (kind) {
    case ENTRY:
    case COPY: {
      const range = rangeId(reader.varint());
      const index = reader.varint();
      const term = reader.varint();
      const data = reader.raw(reader.remaining);
      return { kind: kind === COPY ? 'copy' : 'entry', ...base, range, index, term, data };
    }
    case TRUNCATE: {
      const range = rangeId(reader.varint());
      return { kind: 'truncate', ...base, range, from: reader.varint() };
    }
    case HARD_STATE: {
      const range = rangeId(reader.varint());
      const term = reader.varint();
      return { kind: 'hardState', ...base, range, hardState: { term, vote: reader.varint() } };
    }
    case CEILING:
      return { kind: 'ceiling', ...base, ts: reader.f64() as Timestamp };
    default:
      return undefined;
  }
}

/** Could a record of a batch in [`lowest`, `highest`] begin here? Cheap, and rules out most places. */
export function mayBeRecord(
  bytes: Buffer,
  offset: number,
  lowest: number,
  highest: number,
): boolean {
  const length = bytes.readUInt32BE(offset);
  if (length < 4 || offset + RECORD_HEAD_BYTES + length > bytes.length) return false;
  const kind = bytes[offset + RECORD_HEAD_BYTES] ?? 0;
  if (kind < ENTRY || kind > COPY) return false;
  let batch = 0;
  let factor = 1;
  for (let i = offset + RECORD_HEAD_BYTES + 1; i < bytes.length && factor < 2 ** 50; i++) {
    const byte = bytes[i] ?? 0;
    batch += (byte & 127) * factor;
    if (byte < 128) return batch >= lowest && batch <= highest;
    factor *= 128;
  }
  return false;
}

/** Does the checksum of what may be a record hold? */
export function isIntact(
  bytes: Buffer,
  offset: number,
  sums: ChecksumIndex,
  segment: number,
): boolean {
  const body = offset + RECORD_HEAD_BYTES;
  const end = body + bytes.readUInt32BE(offset);
  return bytes.readUInt32BE(offset + 4) === sums.of(body, end, segment);
}
