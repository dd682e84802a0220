/**
 * Order-preserving encoding of columns into keys.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';

export interface KeyColumn {
  readonly type: SqlType;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}

/** The piece of one column; pieces of a key are concatenated. Null is a piece too. */
export function encodeKeyPiece(column: KeyColumn, datum: Datum): string {
  throw new SqlError('XX000', `not built: ${column.type.name} ${typeof datum}`);
}

/** Encodes the columns of `row` found at `ordinals` (as many as `columns`). */
export type KeyEncoder = (row: readonly Datum[]) => string;
export function compileKeyEncoder(
  columns: readonly KeyColumn[],
  ordinals: readonly number[],
): KeyEncoder {
  throw new SqlError('XX000', `not built: ${columns.length} ${ordinals.length}`);
}

/** Decodes pieces from `offset` on into `out[slots[i]]` (slot -1: skipped). Returns the offset behind the last piece. */
export type KeyDecoder = (key: string, offset: number, out: Datum[]) => number;
export function compileKeyDecoder(
  columns: readonly KeyColumn[],
  slots: readonly number[],
): KeyDecoder {
  throw new SqlError('XX000', `not built: ${columns.length} ${slots.length}`);
}

/**
 * Whether a key piece says the datum exactly. If not (numeric: display scale; float: -0; interval; unlimited
 * character), the column must also be stored in the row value when it is to be read back.
 */
export function keyKeepsValue(type: SqlType): boolean {
  throw new SqlError('XX000', `not built: ${type.name}`);
}
