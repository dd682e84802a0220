/**
 * What one operator may hold. Sizes are estimates from above, cheap to make; at the bound the statement fails with
 * 53200 and a hint that names the operator.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Datum, Row } from '../types/datum.ts';

const ROW_BYTES = 48;

export class MemoryBudget {
  readonly #operator: string;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(operator: string, bytesMax: number) {
    this.#operator = operator;
    this.#bytesMax = bytesMax;
  }

  addRow(row: Row): void {
    let size = ROW_BYTES;
    for (const datum of row) size += datumBytes(datum);
    this.add(size);
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= this.#bytesMax) return;
    throw new SqlError(SQLSTATE.OUT_OF_MEMORY, 'out of memory', {
      detail: `${this.#operator} needs more than ${this.#bytesMax} bytes.`,
      hint: `Raise work_mem, or make the input of the ${this.#operator} smaller.`,
    });
  }

  reset(): void {
    this.#bytes = 0;
  }
}

export function datumBytes(datum: Datum): number {
  switch (typeof datum) {
    case 'string':
      return 24 + datum.length;
    case 'bigint':
      return 24;
    case 'object':
      if (datum === null) return 8;
      return datum instanceof Uint8Array ? 96 + datum.length : 64;
    default:
      return 8;
  }
}
