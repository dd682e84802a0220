/**
 * Types of `$n`: given by the client, or by the first use that asks for one. A parameter that nothing types stays
 * unknown and is text in the end, as Postgres has it for `SELECT $1`.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { SqlType } from '../types/sql-type.ts';
import { TEXT, UNKNOWN, formatType, withModifier } from '../types/sql-type.ts';

export class ParameterTypes {
  readonly #types: (SqlType | undefined)[];
  /** Those that an expression mentions. */
  readonly #seen = new Set<number>();

  constructor(declared: readonly (SqlType | undefined)[]) {
    this.#types = [...declared];
  }

  /** The type as far as it is known; `index` from 0. */
  typeOf(index: number): SqlType {
    this.#seen.add(index);
    while (this.#types.length <= index) this.#types.push(undefined);
    return this.#types[index] ?? UNKNOWN;
  }

  /** 42P08 when another use has said something else. */
  resolve(index: number, type: SqlType): SqlType {
    const known = this.typeOf(index);
    const bare = withModifier(type, -1);
    if (known.name === 'unknown') {
      this.#types[index] = bare;
      return bare;
    }
    if (known.oid === bare.oid) return known;
    throw new SqlError(
      SQLSTATE.AMBIGUOUS_PARAMETER,
      `inconsistent types deduced for parameter $${index + 1}`,
      { detail: `${formatType(known)} versus ${formatType(bare)}` },
    );
  }

  /** 42P18 for a number in between that no expression mentions. */
  finish(): SqlType[] {
    return Array.from(this.#types, (type, index) => {
      if (type !== undefined || this.#seen.has(index)) return type ?? TEXT;
      throw new SqlError(
        SQLSTATE.INDETERMINATE_DATATYPE,
        `could not determine data type of parameter $${index + 1}`,
      );
    });
  }
}
