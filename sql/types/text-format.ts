/**
 * Text input and output of values.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { Datum } from './datum.ts';
import type { FormatContext } from './format-context.ts';
import type { SqlType } from './sql-type.ts';

/** Reads a literal or a text parameter; applies the type's modifier as an explicit cast from text would not: 22001. */
export function decodeText(type: SqlType, text: string, ctx: FormatContext): Datum {
  throw new SqlError('XX000', `not built: ${type.name} ${text} ${ctx.byteaOutput}`);
}

/** The text form of a non-null datum. */
export function encodeText(type: SqlType, datum: Datum, ctx: FormatContext): string {
  throw new SqlError('XX000', `not built: ${type.name} ${typeof datum} ${ctx.byteaOutput}`);
}
