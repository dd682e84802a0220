/**
 * Rows of a table to keys and values, and back. Made once per descriptor.
 *
 *   primary     key: table, primary index, key columns, end      value: the other columns (and key columns whose
 *                                                                 key does not say them exactly)
 *   unique      key: table, index, index columns, end            value: the primary key's pieces
 *   with a NULL, and
 *   not unique  key: table, index, index columns, primary pieces, end    value: the primary key's pieces
 *
 * Pieces of the primary key are copied between keys as they are, so that nothing has to be decoded to go from an
 * index entry to its row.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { prefixEnd, prefixSpan } from '../../src/base/span.ts';
import type { KvRow, TableFence } from '../../src/kv/kv-client.ts';
import { ROW_END, indexPrefix } from '../../src/kv/keyspace.ts';
import type { ColumnDescriptor, IndexDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import type { KeyColumn, KeyEncoder } from '../rowcodec/row-key.ts';
import {
  compileKeyDecoder,
  compileKeyEncoder,
  encodeKeyPiece,
  keyKeepsValue,
} from '../rowcodec/row-key.ts';
import type { RowEncoder, ValueColumn } from '../rowcodec/row-value.ts';
import { compileRowDecoder, compileRowEncoder } from '../rowcodec/row-value.ts';
import type { Datum, Row } from '../types/datum.ts';

export interface IndexEntry {
  readonly key: Key;
  readonly value: Uint8Array;
}

/** Turns a row of the primary index into its columns; those not wanted stay null. */
export type RowReader = (row: KvRow) => Datum[];

const codecs = new WeakMap<TableDescriptor, TableCodec>();

/** The codec of a descriptor; the same object for the same descriptor. */
export function codecOf(table: TableDescriptor): TableCodec {
  let codec = codecs.get(table);
  if (codec === undefined) {
    codec = new TableCodec(table);
    codecs.set(table, codec);
  }
  return codec;
}

export class TableCodec {
  readonly table: TableDescriptor;
  readonly fence: TableFence;
  /** The clustered index. */
  readonly prefix: Key;
  readonly span: Span;
  readonly primaryOrdinals: readonly number[];
  readonly indexes: readonly IndexCodec[];
  readonly #primaryColumns: readonly KeyColumn[];
  readonly #encodePieces: KeyEncoder;
  readonly #encodeValue: RowEncoder;
  readonly #valueOrdinals: readonly number[];
  readonly #readers = new Map<string, RowReader>();
  readonly #readAll: RowReader;

  constructor(table: TableDescriptor) {
    this.table = table;
    this.fence = { tableId: table.id, version: table.version };
    this.prefix = indexPrefix(table.id, table.primary.id);
    this.span = prefixSpan(this.prefix);
    this.#primaryColumns = keyColumnsOf(table, table.primary);
    this.primaryOrdinals = ordinalsOf(table, table.primary);
    this.#encodePieces = compileKeyEncoder(this.#primaryColumns, this.primaryOrdinals);
    this.#valueOrdinals = table.columns.flatMap((column, ordinal) => {
      const isInKey = this.primaryOrdinals.includes(ordinal) && keyKeepsValue(column.type);
      return isInKey ? [] : [ordinal];
    });
    this.#encodeValue = compileRowEncoder(this.#valueColumns(), this.#valueOrdinals);
    this.indexes = table.indexes.map((index) => new IndexCodec(table, index));
    this.#readAll = this.#makeReader(table.columns.map(() => true));
  }

  /** The primary key's pieces of a row, without prefix and end. */
  primaryPieces(row: Row): string {
    return this.#encodePieces(row);
  }

  primaryKey(row: Row): Key {
    return (this.prefix + this.#encodePieces(row) + ROW_END) as Key;
  }

  keyOfPieces(pieces: string): Key {
    return (this.prefix + pieces + ROW_END) as Key;
  }

  /** The pieces within a key of the primary index. */
  piecesOfKey(key: Key): string {
    return key.slice(this.prefix.length, -ROW_END.length);
  }

  encodeValue(row: Row): Uint8Array {
    return this.#encodeValue(row);
  }

  get readRow(): RowReader {
    return this.#readAll;
  }

  /** A reader of some columns, by ordinal; null elsewhere. */
  readerOf(ordinals: readonly number[]): RowReader {
    const id = ordinals.join(',');
    let reader = this.#readers.get(id);
    if (reader === undefined) {
      reader = this.#makeReader(this.table.columns.map((_, ordinal) => ordinals.includes(ordinal)));
      this.#readers.set(id, reader);
    }
    return reader;
  }

  #makeReader(wanted: readonly boolean[]): RowReader {
    const width = this.table.columns.length;
    const slotOf = (ordinal: number): number => (wanted[ordinal] === true ? ordinal : -1);
    const keySlots = this.primaryOrdinals.map(slotOf);
    const decodeKey = compileKeyDecoder(this.#primaryColumns, keySlots);
    const isKeyWanted = keySlots.some((slot) => slot >= 0);
    const valueSlots = this.#valueOrdinals.map(slotOf);
    const decodeValue = compileRowDecoder(this.#valueColumns(), valueSlots);
    const isValueWanted = valueSlots.some((slot) => slot >= 0);
    const start = this.prefix.length;
    const blank = new Array<Datum>(width).fill(null);
    return (row) => {
      const out = blank.slice();
      if (isKeyWanted) decodeKey(row.key, start, out);
      // NB: after the key, whose pieces may be less exact than the stored columns.
      if (isValueWanted) decodeValue(row.value, out);
      return out;
    };
  }

  #valueColumns(): ValueColumn[] {
    return this.#valueOrdinals.map((ordinal) => {
      const column = columnAt(this.table, ordinal);
      return { id: column.id, type: column.type, missing: column.missing };
    });
  }
}

export class IndexCodec {
  readonly index: IndexDescriptor;
  readonly prefix: Key;
  readonly ordinals: readonly number[];
  readonly columns: readonly KeyColumn[];
  readonly #encode: KeyEncoder;

  constructor(table: TableDescriptor, index: IndexDescriptor) {
    this.index = index;
    this.prefix = indexPrefix(table.id, index.id);
    this.ordinals = ordinalsOf(table, index);
    this.columns = keyColumnsOf(table, index);
    this.#encode = compileKeyEncoder(this.columns, this.ordinals);
  }

  /** Whether no other row may have the entry's key: unique, and no NULL among the columns. */
  isExclusive(row: Row): boolean {
    if (!this.index.isUnique) return false;
    for (const ordinal of this.ordinals) if ((row[ordinal] ?? null) === null) return false;
    return true;
  }

  entry(row: Row, primaryPieces: string): IndexEntry {
    const pieces = this.#encode(row);
    const suffix = this.isExclusive(row) ? '' : primaryPieces;
    return {
      key: (this.prefix + pieces + suffix + ROW_END) as Key,
      value: Buffer.from(primaryPieces, 'latin1'),
    };
  }

  /** Of an index entry. */
  static primaryPieces(entry: KvRow): string {
    const { value } = entry;
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).latin1Slice();
  }
}

/** The key columns of an index, as the row codec wants them. */
export function keyColumnsOf(table: TableDescriptor, index: IndexDescriptor): KeyColumn[] {
  return index.columns.map((column) => ({
    type: columnById(table, column.columnId).type,
    isDescending: column.isDescending,
    isNullsFirst: column.isNullsFirst,
  }));
}

export function ordinalsOf(table: TableDescriptor, index: IndexDescriptor): number[] {
  return index.columns.map((column) => ordinalOf(table, column.columnId));
}

export function ordinalOf(table: TableDescriptor, columnId: number): number {
  const ordinal = table.columns.findIndex((column) => column.id === columnId);
  if (ordinal < 0) throw new Error(`table ${table.id} has no column ${columnId}`);
  return ordinal;
}

export function columnById(table: TableDescriptor, columnId: number): ColumnDescriptor {
  return columnAt(table, ordinalOf(table, columnId));
}

function columnAt(table: TableDescriptor, ordinal: number): ColumnDescriptor {
  const column = table.columns[ordinal];
  if (column === undefined) throw new Error(`table ${table.id} has no column at ${ordinal}`);
  return column;
}

/** One end of a range over an index: values of its first columns. */
export interface IndexBound {
  readonly values: readonly Datum[];
  readonly isInclusive: boolean;
}

/**
 * The span of the entries of an index between two bounds, in key order: `low` is where it starts in the index's own
 * order (for a descending column that is the greater value).
 */
export function indexSpan(
  prefix: Key,
  columns: readonly KeyColumn[],
  low: IndexBound | undefined,
  high: IndexBound | undefined,
): Span {
  const encode = (bound: IndexBound): Key => {
    let text: string = prefix;
    bound.values.forEach((value, i) => {
      const column = columns[i];
      if (column !== undefined) text += encodeKeyPiece(column, value);
    });
    return text as Key;
  };
  let { start, end } = prefixSpan(prefix);
  if (low !== undefined) {
    const at = encode(low);
    start = low.isInclusive ? at : prefixEnd(at);
  }
  if (high !== undefined) {
    const at = encode(high);
    end = high.isInclusive ? prefixEnd(at) : at;
  }
  return { start, end: end < start ? start : end };
}
