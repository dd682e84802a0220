/**
 * Descriptors to bytes and back: JSON with a version, so that later formats can be told apart. Types are kept by oid
 * and modifier, big integers as text, and the `missing` value of a column as a row of one column.
 */
import { must } from '../../src/base/assert.ts';
import { compileRowDecoder, compileRowEncoder } from '../rowcodec/row-value.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { typeOfOid } from '../types/sql-type.ts';
import type { ColumnDescriptor, Descriptor } from './descriptors.ts';

const FORMAT = 1;

/** What a name stands for. An index is found through its table. */
export interface NameEntry {
  readonly kind: 'table' | 'sequence' | 'index';
  /** The descriptor's id: of the table for an index. */
  readonly id: number;
}

export function encodeDescriptor(descriptor: Descriptor): Uint8Array {
  const text = JSON.stringify({ format: FORMAT, descriptor }, function (this: unknown, key, value) {
    if (typeof value === 'bigint' && key !== 'missing') return { bigint: value.toString() };
    if (key === 'missing') return encodeMissing((this as ColumnDescriptor).type, this);
    return value as unknown;
  });
  return Buffer.from(text, 'utf8');
}

export function decodeDescriptor(bytes: Uint8Array): Descriptor {
  const parsed: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'), function (_key, value) {
    return revive(value);
  });
  const { format, descriptor } = parsed as { format: number; descriptor: Descriptor };
  if (format !== FORMAT) throw new Error(`descriptor of unknown format ${format}`);
  return descriptor;
}

export function encodeName(entry: NameEntry): Uint8Array {
  return Buffer.from(`${entry.kind} ${entry.id}`, 'latin1');
}

export function decodeName(bytes: Uint8Array): NameEntry {
  const [kind = '', id = ''] = Buffer.from(bytes).toString('latin1').split(' ');
  return { kind: kind as NameEntry['kind'], id: Number(id) };
}

function encodeMissing(type: SqlType, holder: unknown): string | null {
  // JSON.stringify hands over a bigint only before toJSON; the holder still has the value itself.
  const { missing } = holder as { missing: Datum };
  if (missing === null) return null;
  const encode = compileRowEncoder([{ id: 1, type }], [0]);
  return encode([missing]).toString('base64');
}

function revive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('bigint' in value) return BigInt((value as { bigint: string }).bigint);
  if ('oid' in value && 'modifier' in value) {
    const { oid, modifier } = value as { oid: number; modifier: number };
    return must(typeOfOid(oid, modifier), `no type ${oid}`);
  }
  if ('missing' in value && 'type' in value) {
    const { missing, type } = value as { missing: string | null; type: SqlType };
    return { ...value, missing: missing === null ? null : decodeMissing(type, missing) };
  }
  return value;
}

function decodeMissing(type: SqlType, text: string): Datum {
  const out: Datum[] = [null];
  compileRowDecoder([{ id: 1, type }], [0])(Buffer.from(text, 'base64'), out);
  return out[0] ?? null;
}

/** An index that nothing refers to any more. */
export interface Garbage {
  readonly tableId: number;
  readonly indexId: number;
}

export function encodeGarbage({ tableId, indexId }: Garbage): Uint8Array {
  return Buffer.from(`${tableId} ${indexId}`, 'latin1');
}

export function decodeGarbage(bytes: Uint8Array): Garbage {
  const [tableId = NaN, indexId = NaN] = Buffer.from(bytes)
    .toString('latin1')
    .split(' ')
    .map(Number);
  return { tableId, indexId };
}
