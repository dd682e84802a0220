/**
 * The rows that many lookups find by keys, fetched together: one request for the entries of all, and for a secondary
 * index one more for the rows. What a lookup finds, and in which order, is what `ScanOperator` would have found; rows
 * are decoded when they are asked for, so that what is held meanwhile is bytes that have been read anyway.
 */
import type { Key } from '../../../src/base/span.ts';
import type { Steps } from '../../../src/base/steps.ts';
import { wait } from '../../../src/base/steps.ts';
import type { KvRow } from '../../../src/kv/kv-client.ts';
import { internalError } from '../../errors/sql-error.ts';
import type { Datum } from '../../types/datum.ts';
import type { Predicate } from '../operator.ts';
import { IndexCodec } from '../table-codec.ts';
import type { RowSource, ScanSpec } from './scan-operators.ts';
import { decodeRow } from './scan-operators.ts';

/** For each lookup what its keys hold, in their order. `keys` are of the scan's index, one list for each lookup. */
export function* fetchPoints(
  spec: ScanSpec,
  source: RowSource,
  keys: readonly (readonly Key[])[],
): Steps<readonly (readonly KvRow[])[]> {
  const { codec, isPrimary, isReverse } = spec;
  const entries = yield* fetchDistinct(keys.flat(), source, spec);
  const ordered = isReverse ? keys.map((each) => each.toReversed()) : keys;
  const found = ordered.map((each) => each.flatMap((key) => entries.get(key) ?? []));
  if (isPrimary) return found;
  const primary = found.map((each) =>
    each.map((entry) => codec.keyOfPieces(IndexCodec.primaryPieces(entry))),
  );
  const rows = yield* fetchDistinct(primary.flat(), source, spec);
  return primary.map((each) =>
    each.map((key) => {
      const row = rows.get(key);
      if (row === undefined) throw internalError('an index entry has no row');
      return row;
    }),
  );
}

function* fetchDistinct(
  keys: readonly Key[],
  source: RowSource,
  { codec }: ScanSpec,
): Steps<ReadonlyMap<Key, KvRow>> {
  const found = new Map<Key, KvRow>();
  const distinct = [...new Set(keys)];
  const [only] = distinct;
  if (only === undefined) return found;
  if (distinct.length === 1) {
    const value = yield* wait(source.get(only, codec.fence));
    if (value !== undefined) found.set(only, { key: only, value });
    return found;
  }
  const values = yield* wait(source.getMany(distinct, codec.fence));
  for (const [i, key] of distinct.entries()) {
    const value = values[i];
    if (value !== undefined) found.set(key, { key, value });
  }
  return found;
}

/** Of what one lookup has fetched. */
export function decodePoints(
  spec: ScanSpec,
  fetched: readonly KvRow[],
  predicate: Predicate | undefined,
): Datum[][] {
  const rows: Datum[][] = [];
  for (const kvRow of fetched) {
    const row = decodeRow(spec, kvRow);
    if (predicate === undefined || predicate(row)) rows.push(row);
  }
  return rows;
}
