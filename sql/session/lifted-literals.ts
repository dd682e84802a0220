/** The values and types of lifted literals (sql/parser/literals.ts). */
import type { LiftedStatement } from '../parser/literals.ts';
import type { Datum } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import type { SqlType } from '../types/sql-type.ts';
import { INT4, INT8, NUMERIC } from '../types/sql-type.ts';
import { decodeText } from '../types/text-format.ts';

export function kindType(kind: string): SqlType | undefined {
  switch (kind) {
    case 'i':
      return INT4;
    case 'l':
      return INT8;
    case 'n':
      return NUMERIC;
    default:
      return undefined;
  }
}

/** Strings and numerics come as text; the plan says what they are. Throws what a bad literal is. */
export function liftedValues(
  lifted: LiftedStatement,
  types: readonly SqlType[],
  format: FormatContext,
): Datum[] {
  return lifted.values.map((value, i) => {
    const type = types[i];
    return typeof value === 'string' && type !== undefined
      ? decodeText(type, value, format)
      : value;
  });
}
