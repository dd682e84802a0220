/**
 * Question: what do keys and rows of pgbench's accounts cost to encode and decode? It can mislead: one table alone is
 * measured, so that every call site is monomorphic, which a server with many tables is not.
 */
import { bench, describe } from 'vitest';
import type { Key } from '../../src/base/span.ts';
import { codecOf } from '../../sql/exec/table-codec.ts';
import type { KeyColumn } from '../../sql/rowcodec/row-key.ts';
import { compileKeyDecoder, compileKeyEncoder } from '../../sql/rowcodec/row-key.ts';
import type { Datum } from '../../sql/types/datum.ts';
import { INT4, INT8, TEXT, TIMESTAMPTZ } from '../../sql/types/sql-type.ts';
import { ACCOUNTS_TABLE, accountNumbers, accountRow, cycle } from './accounts.ts';

const codec = codecOf(ACCOUNTS_TABLE);
const rows = accountNumbers(1024).map(accountRow);
const stored = rows.map((row) => ({ key: codec.primaryKey(row), value: codec.encodeValue(row) }));

const ascending = { isDescending: false, isNullsFirst: false };
const wide: readonly KeyColumn[] = [
  { type: INT4, ...ascending },
  { type: TEXT, ...ascending },
  { type: TIMESTAMPTZ, isDescending: true, isNullsFirst: true },
  { type: INT8, ...ascending },
];
const wideRow: Datum[] = [17, 'BARBARESE', 812_345_678_901_234n, 4_000_000_000n];
const encodeWide = compileKeyEncoder(wide, [0, 1, 2, 3]);
const decodeWide = compileKeyDecoder(wide, [0, 1, 2, 3]);
const wideKey = encodeWide(wideRow);

describe('keycode', () => {
  const nextRow = cycle(rows);
  const nextKey = cycle(stored.map(({ key }) => key));
  const decodeInt = compileKeyDecoder([{ type: INT4, ...ascending }], [0]);
  const out: Datum[] = [null, null, null, null];
  const start = codec.prefix.length;

  bench('encode: one int4, with prefix and end', () => {
    codec.primaryKey(nextRow());
  });
  bench('decode: one int4', () => {
    decodeInt(nextKey(), start, out);
  });
  bench('encode: int4, text, descending timestamptz, int8', () => {
    encodeWide(wideRow);
  });
  bench('decode: int4, text, descending timestamptz, int8', () => {
    decodeWide(wideKey, 0, out);
  });
  // Keys are ropes until someone looks: this is what a map or comparison pays.
  const held = new Map<Key, number>(stored.map(({ key }, i) => [key, i]));
  bench('encode one int4 and find it in a Map of 1,024', () => {
    held.get(codec.primaryKey(nextRow()));
  });
});

describe('row codec', () => {
  const nextRow = cycle(rows);
  const nextStored = cycle(stored);
  const readBalance = codec.readerOf([2]);

  bench('encode an account', () => {
    codec.encodeValue(nextRow());
  });
  bench('decode all of an account', () => {
    codec.readRow(nextStored());
  });
  bench('decode its balance', () => {
    readBalance(nextStored());
  });
});
