/**
 * Keys of rows for hashing: two rows have the same key exactly if their values are equal (NULL equal to NULL), as
 * grouping, DISTINCT and set operations compare. One column's key is used as it is; several are joined to a string.
 */
import type { Datum } from '../types/datum.ts';
import { groupKeyFor } from '../types/compare.ts';
import type { SqlType } from '../types/sql-type.ts';

export type RowKey = string | number | bigint | null;
export type RowKeyOf = (values: readonly Datum[]) => RowKey;

export function rowKeyFor(types: readonly SqlType[]): RowKeyOf {
  const [only] = types;
  if (types.length === 1 && only !== undefined) {
    const keyOf = groupKeyFor(only);
    return (values) => {
      const value = values[0] ?? null;
      return value === null ? null : keyOf(value);
    };
  }
  const keyOf = types.map((type) => groupKeyFor(type));
  return (values) => {
    let joined = '';
    for (let i = 0; i < keyOf.length; i++) {
      const value = values[i] ?? null;
      const part = value === null ? '' : String(keyOf[i]?.(value));
      // The length goes before, so that no value can look like the end of another.
      joined += value === null ? 'n' : `${part.length}:${part}`;
    }
    return joined;
  };
}
