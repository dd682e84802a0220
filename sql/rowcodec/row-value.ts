/**
 * The value of a row: its columns by column id.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';

export interface ValueColumn {
  /** Column id: never reused within a table; 1 and up. */
  readonly id: number;
  readonly type: SqlType;
  /** What rows written before the column existed hold in it (ADD COLUMN ... DEFAULT). Default null. */
  readonly missing?: Datum;
}

/** Encodes `row[ordinals[i]]` for each column. The result is owned by the caller. */
export type RowEncoder = (row: readonly Datum[]) => Buffer;
export function compileRowEncoder(
  columns: readonly ValueColumn[],
  ordinals: readonly number[],
): RowEncoder {
  throw new SqlError('XX000', `not built: ${columns.length} ${ordinals.length}`);
}

/** Sets `out[slots[i]]` for each wanted column; other columns of the row are skipped unread. */
export type RowDecoder = (value: Uint8Array, out: Datum[]) => void;
export function compileRowDecoder(
  columns: readonly ValueColumn[],
  slots: readonly number[],
): RowDecoder {
  throw new SqlError('XX000', `not built: ${columns.length} ${slots.length}`);
}
