/**
 * The value of a row: its columns by column id, so that columns can be added and dropped without rewriting rows.
 *
 *   row     = 0x01 (format), entries in rising order of column id
 *   entry   = tag, payload; tag = (id - previous id) << 3 | kind, an unsigned LEB128 integer, one byte as a rule
 *   kind    = 0 null, 1 one byte, 2 two bytes, 3 four bytes, 4 eight bytes, 5 length byte and bytes,
 *             6 length (four bytes) and bytes, 7 sixteen bytes
 *
 * The kind says how long a payload is, so a decoder skips what it does not want without knowing its type; the column's
 * type says what it means. Integers of all widths take the smallest kind, so int4 may become int8 without rewriting.
 * A null is left out, unless rows that lack the column mean something else (`missing`). Trailing blanks of
 * character(n) are not stored. A malformed row throws `ByteDecodeError`; unknown column ids are skipped.
 *
 * Encoders share one scratch buffer: they are synchronous, and what they return is a copy.
 */
import { ByteDecodeError } from '../../src/base/bytes.ts';
import { assert } from '../../src/base/assert.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { SKIP, payloadReaderFor } from './row-value-read.ts';
import type { PayloadReader } from './row-value-read.ts';
import { RowScratch, payloadWriterFor } from './row-value-write.ts';

export interface ValueColumn {
  /** Column id: never reused within a table; 1 and up. */
  readonly id: number;
  readonly type: SqlType;
  /** What rows written before the column existed hold in it (ADD COLUMN ... DEFAULT). Default null. */
  readonly missing?: Datum;
}

/** Encodes `row[ordinals[i]]` for each column. The result is owned by the caller. */
export type RowEncoder = (row: readonly Datum[]) => Buffer;
/** Sets `out[slots[i]]` for each column whose slot is not negative; other columns of the row are skipped unread. */
export type RowDecoder = (value: Uint8Array, out: Datum[]) => void;

const FORMAT = 1;
const scratch = new RowScratch();

export function compileRowEncoder(
  columns: readonly ValueColumn[],
  ordinals: readonly number[],
): RowEncoder {
  const steps = columns
    .map((column, i) => ({
      id: column.id,
      ordinal: ordinals[i] ?? 0,
      isNullWritten: column.missing !== undefined && column.missing !== null,
      write: payloadWriterFor(column.type),
    }))
    .sort((a, b) => a.id - b.id);
  assertRising(steps);
  return (row) => {
    scratch.begin(FORMAT);
    let previous = 0;
    for (const { id, ordinal, isNullWritten, write } of steps) {
      const datum = row[ordinal] ?? null;
      if (datum === null) {
        if (!isNullWritten) continue;
        scratch.tag(id - previous, 0);
      } else {
        write(scratch, id - previous, datum);
      }
      previous = id;
    }
    return scratch.finish();
  };
}

export function compileRowDecoder(
  columns: readonly ValueColumn[],
  slots: readonly number[],
): RowDecoder {
  const steps = columns
    .map((column, i) => ({
      id: column.id,
      slot: slots[i] ?? 0,
      missing: column.missing ?? null,
      read: payloadReaderFor(column.type),
    }))
    .filter(({ slot }) => slot >= 0)
    .sort((a, b) => a.id - b.id);
  assertRising(steps);
  return (value, out) => {
    const bytes = Buffer.isBuffer(value)
      ? value
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    if (bytes[0] !== FORMAT) throw new ByteDecodeError('unknown format of a row');
    decodeEntries(bytes, steps, out);
  };
}

interface DecodeStep {
  readonly id: number;
  readonly slot: number;
  readonly missing: Datum;
  readonly read: PayloadReader;
}

/** A merge of the row's entries with the wanted columns, both in order of column id. */
function decodeEntries(bytes: Buffer, steps: readonly DecodeStep[], out: Datum[]): void {
  const end = bytes.length;
  let offset = 1;
  let id = 0;
  for (const step of steps) {
    let datum = step.missing;
    while (offset < end) {
      let tag = bytes[offset] ?? 0;
      let payload = offset + 1;
      if (tag >= 128) {
        tag = longTag(bytes, offset);
        payload = offset + longTagSize(bytes, offset);
      }
      const entry = id + (tag >>> 3);
      if (entry > step.id) break;
      if (tag < 8) throw new ByteDecodeError('columns of a row out of order');
      const kind = tag & 7;
      const next = payloadEnd(bytes, payload, kind);
      if (next > end) throw new ByteDecodeError('row ends early');
      offset = next;
      id = entry;
      if (entry < step.id) continue;
      datum = kind === 0 ? null : step.read(bytes, payload, kind, next);
      break;
    }
    out[step.slot] = datum;
  }
}

function payloadEnd(bytes: Buffer, payload: number, kind: number): number {
  if (kind === 5) return payload + 1 + (bytes[payload] ?? bytes.length);
  if (kind !== 6) return payload + (SKIP[kind] ?? 0);
  return payload + 4 <= bytes.length ? payload + 4 + bytes.readUInt32BE(payload) : bytes.length + 1;
}

/** Tags of more than one byte: four bytes at most, so 25 bits of column id. */
function longTag(bytes: Buffer, offset: number): number {
  const size = longTagSize(bytes, offset);
  let tag = 0;
  for (let i = size - 1; i >= 0; i--) tag = tag * 128 + ((bytes[offset + i] ?? 0) & 127);
  return tag;
}

function longTagSize(bytes: Buffer, offset: number): number {
  for (let size = 1; size <= 4; size++) {
    const byte = bytes[offset + size - 1];
    if (byte === undefined) break;
    if (byte < 128) return size;
  }
  throw new ByteDecodeError('bad column tag in row');
}

function assertRising(steps: readonly { readonly id: number }[]): void {
  let previous = 0;
  for (const { id } of steps) {
    assert(id > previous, 'column ids of a row must be positive and distinct');
    previous = id;
  }
}
