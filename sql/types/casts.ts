/**
 * Casts between types.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { Datum } from './datum.ts';
import type { FormatContext } from './format-context.ts';
import type { SqlType } from './sql-type.ts';

export type CastContext = 'implicit' | 'assignment' | 'explicit';

export interface Cast {
  readonly from: SqlType;
  readonly to: SqlType;
  /** True when the value does not change and `apply` is the identity. */
  readonly isRelabel: boolean;
  /** False when the result depends on settings (time zone, 'now'): then it must not be folded at plan time. */
  readonly isImmutable: boolean;
  /** Never called with null. */
  readonly apply: (value: Datum, ctx: FormatContext) => Datum;
}

/** The cast, or undefined when the context does not allow one. Applies the target's modifier as the context says. */
export function findCast(from: SqlType, to: SqlType, context: CastContext): Cast | undefined {
  throw new SqlError('XX000', `not built: ${from.name} ${to.name} ${context}`);
}

/** As `findCast`, but throws 42846 `cannot cast type boolean to date` where there is none (explicit casts). */
export function mustFindCast(from: SqlType, to: SqlType, context: CastContext): Cast {
  throw new SqlError('XX000', `not built: ${from.name} ${to.name} ${context}`);
}

export function canCoerce(from: SqlType, to: SqlType, context: CastContext): boolean {
  throw new SqlError('XX000', `not built: ${from.name} ${to.name} ${context}`);
}

/**
 * The one type for the branches of CASE, COALESCE, UNION, VALUES, IN, GREATEST (`what` for the message). All UNKNOWN
 * gives text. Throws 42804 `CASE types text and integer cannot be matched`.
 */
export function commonType(types: readonly SqlType[], what: string): SqlType {
  throw new SqlError('XX000', `not built: ${types.length} ${what}`);
}
