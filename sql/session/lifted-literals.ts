/** The types of lifted literals, by the letters of sql/parser/literals.ts. */
import type { SqlType } from '../types/sql-type.ts';
import { INT4, INT8, NUMERIC } from '../types/sql-type.ts';

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
