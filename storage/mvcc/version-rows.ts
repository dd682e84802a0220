/**
 * Versions as numbers: each is a row of a page outside of V8's heap, with the number of the next older version of its
 * key; values lie one behind the other in chunks. A memory table holds hundreds of thousands of them for a minute: as
 * objects they would be moved to the old space, and walked by every full collection of garbage (ADR 0017). Rows are only
 * added; all of them go with their table.
 *
 *   row = timestamp (float64), then int32: chunk, offset and length of the value (length -1: a tombstone), the next older
 *         row, three words of the attempt's id, and the last byte of it with a flag above it
 */
import { assert } from '../../src/base/assert.ts';
import type { TxnId } from '../../src/base/ids.ts';
import { TXN_ID_LENGTH } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { isNewer } from './mvcc-key.ts';
import type { VersionInfo } from './mvcc-types.ts';

/** No row. */
export const NO_ROW = -1;

export interface VersionId {
  readonly ts: Timestamp;
  readonly txnId: TxnId;
}

const CHUNK_BYTES = 256 << 10;
/** Larger values get memory of their own. */
const CHUNKED_VALUE_MAX = 16 << 10;

const PAGE_BITS = 12;
const PAGE_ROWS = 1 << PAGE_BITS;
const FLOATS = 5;
const INTS = FLOATS * 2;
const ROW_BYTES = FLOATS * 8;
/** Places among the int32 of a row, behind the two that are its timestamp. */
const CHUNK = 2;
const OFFSET = 3;
const LENGTH = 4;
const OLDER = 5;
const ID = 6;
const TOMBSTONE = -1;
const HISTORICAL = 256;

/** Two views of the same bytes. */
interface Page {
  readonly floats: Float64Array;
  readonly ints: Int32Array;
}

export class VersionRows {
  readonly #pages: Page[] = [];
  readonly #chunks: Buffer[] = [];
  /** The chunk that is being filled, and how far it is. */
  #filling = -1;
  #used = 0;
  #count = 0;
  #bytes = 0;

  /** Of all rows and their values. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies the value; `null` is a tombstone. Returns the row's number. */
  add(value: Uint8Array | null, id: VersionId, isHistorical: boolean, older: number): number {
    const row = this.#count++;
    const at = row & (PAGE_ROWS - 1);
    if (at === 0) this.#pages.push(newPage());
    const { floats, ints } = this.#page(row);
    floats[at * FLOATS] = id.ts;
    const start = at * INTS;
    ints[start + OLDER] = older;
    writeTxnId(ints, start + ID, id.txnId, isHistorical);
    if (value === null) ints[start + LENGTH] = TOMBSTONE;
    else this.#store(value, ints, start);
    this.#bytes += ROW_BYTES + (value?.length ?? 0);
    return row;
  }

  #store(value: Uint8Array, ints: Int32Array, start: number): void {
    const { length } = value;
    ints[start + LENGTH] = length;
    if (length > CHUNKED_VALUE_MAX) {
      ints[start + CHUNK] = this.#chunks.push(Buffer.from(value)) - 1;
      ints[start + OFFSET] = 0;
      return;
    }
    if (this.#filling < 0 || this.#used + length > CHUNK_BYTES) {
      this.#filling = this.#chunks.push(Buffer.allocUnsafeSlow(CHUNK_BYTES)) - 1;
      this.#used = 0;
    }
    this.#chunks[this.#filling]?.set(value, this.#used);
    ints[start + CHUNK] = this.#filling;
    ints[start + OFFSET] = this.#used;
    this.#used += length;
  }

  tsOf(row: number): Timestamp {
    return this.#page(row).floats[(row & (PAGE_ROWS - 1)) * FLOATS] as Timestamp;
  }

  olderThan(row: number): number {
    return this.#int(row, OLDER);
  }

  linkOlder(row: number, older: number): void {
    this.#page(row).ints[(row & (PAGE_ROWS - 1)) * INTS + OLDER] = older;
  }

  txnIdOf(row: number): TxnId {
    return readTxnId(this.#page(row).ints, (row & (PAGE_ROWS - 1)) * INTS + ID);
  }

  isHistorical(row: number): boolean {
    return (this.#int(row, ID + 3) & HISTORICAL) !== 0;
  }

  /** A view; undefined for a tombstone. */
  valueOf(row: number): Buffer | undefined {
    const { ints } = this.#page(row);
    const start = (row & (PAGE_ROWS - 1)) * INTS;
    const length = ints[start + LENGTH] ?? TOMBSTONE;
    if (length === TOMBSTONE) return undefined;
    const offset = ints[start + OFFSET] ?? 0;
    return this.#chunks[ints[start + CHUNK] ?? -1]?.subarray(offset, offset + length);
  }

  /** Its share of `bytes`. */
  bytesOf(row: number): number {
    return ROW_BYTES + Math.max(0, this.#int(row, LENGTH));
  }

  /** Whether the row's version is older than this one. */
  isOlder(row: number, { ts, txnId }: VersionId): boolean {
    const rowTs = this.tsOf(row);
    return rowTs === ts ? isNewer(ts, txnId, rowTs, this.txnIdOf(row)) : rowTs < ts;
  }

  is(row: number, { ts, txnId }: VersionId): boolean {
    return this.tsOf(row) === ts && this.txnIdOf(row) === txnId;
  }

  /** From this row on the first at or below `ts`. */
  visible(row: number, ts: Timestamp): number {
    let at = row;
    while (at !== NO_ROW && this.tsOf(at) > ts) at = this.olderThan(at);
    return at;
  }

  #int(row: number, place: number): number {
    return this.#page(row).ints[(row & (PAGE_ROWS - 1)) * INTS + place] ?? 0;
  }

  #page(row: number): Page {
    const page = this.#pages[row >>> PAGE_BITS];
    assert(page !== undefined, 'no such version');
    return page;
  }
}

/** One version, as it is seen outside of its table. */
export class MemVersion {
  readonly row: number;
  readonly #rows: VersionRows;

  private constructor(rows: VersionRows, row: number) {
    this.#rows = rows;
    this.row = row;
  }

  static at(rows: VersionRows, row: number): MemVersion | undefined {
    return row === NO_ROW ? undefined : new MemVersion(rows, row);
  }

  get ts(): Timestamp {
    return this.#rows.tsOf(this.row);
  }

  get txnId(): TxnId {
    return this.#rows.txnIdOf(this.row);
  }

  /** The engine may hold a newer version of the key. */
  get isHistorical(): boolean {
    return this.#rows.isHistorical(this.row);
  }

  /** A view of the value; undefined for a tombstone. */
  get value(): Buffer | undefined {
    return this.#rows.valueOf(this.row);
  }

  /** The next older version of the key in this table. */
  get older(): MemVersion | undefined {
    return MemVersion.at(this.#rows, this.#rows.olderThan(this.row));
  }

  info(): VersionInfo {
    return { ts: this.ts, txnId: this.txnId, value: this.value };
  }
}

function newPage(): Page {
  const floats = new Float64Array(PAGE_ROWS * FLOATS);
  return { floats, ints: new Int32Array(floats.buffer) };
}

function writeTxnId(ints: Int32Array, at: number, txnId: TxnId, isHistorical: boolean): void {
  assert(txnId.length === TXN_ID_LENGTH, 'not an attempt id');
  for (let word = 0; word < 3; word++) ints[at + word] = wordOf(txnId, word * 4);
  ints[at + 3] = txnId.charCodeAt(12) | (isHistorical ? HISTORICAL : 0);
}

function wordOf(text: string, from: number): number {
  return (
    (text.charCodeAt(from) << 24) |
    (text.charCodeAt(from + 1) << 16) |
    (text.charCodeAt(from + 2) << 8) |
    text.charCodeAt(from + 3)
  );
}

function readTxnId(ints: Int32Array, at: number): TxnId {
  const a = ints[at] ?? 0;
  const b = ints[at + 1] ?? 0;
  const c = ints[at + 2] ?? 0;
  // NB: one flat string, made in one call.
  return String.fromCharCode(
    a >>> 24,
    (a >>> 16) & 255,
    (a >>> 8) & 255,
    a & 255,
    b >>> 24,
    (b >>> 16) & 255,
    (b >>> 8) & 255,
    b & 255,
    c >>> 24,
    (c >>> 16) & 255,
    (c >>> 8) & 255,
    c & 255,
    (ints[at + 3] ?? 0) & 255,
  ) as TxnId;
}
