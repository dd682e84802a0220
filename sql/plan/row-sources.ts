/** Rows that come from expressions: VALUES and set-returning functions; and row counts that expressions give: LIMIT. */
import { evaluating } from '../exec/evaluation-wait.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { FunctionRel } from '../algebra/rel.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { Batch, Operator } from '../exec/operator.ts';
import { LimitOperator } from '../exec/operators/row-operators.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { Compiled, Frame } from './frame.ts';
import { NO_ROW } from './frame.ts';

export function valueRows(rows: readonly (readonly Compiled[])[], frame: Frame): Iterable<Row> {
  // NB: not a generator: a row that had to wait is asked for again.
  let at = 0;
  return {
    [Symbol.iterator]: () => ({
      next: () => {
        const row = rows[at];
        if (row === undefined) return { done: true, value: undefined };
        const value = row.map((compiled) => compiled(NO_ROW, frame));
        at++;
        return { done: false, value };
      },
    }),
  };
}

export function functionRows(
  rel: FunctionRel,
  args: readonly Compiled[],
  frame: Frame,
): Iterable<Row> {
  let rows: Iterator<Datum> | undefined;
  let count = 0n;
  return {
    [Symbol.iterator]: () => ({
      next: () => {
        rows ??= rel.fn
          .rows(
            args.map((arg) => arg(NO_ROW, frame)),
            frame.ctx,
          )
          [Symbol.iterator]();
        const result = rows.next();
        if (result.done === true) return { done: true, value: undefined };
        count++;
        const { value } = result;
        return { done: false, value: rel.ordinality === undefined ? [value] : [value, count] };
      },
    }),
  };
}

/** A count that is known when planning; undefined when it is not. */
export function constantCount(scalar: Scalar | undefined, missing: number): number | undefined {
  if (scalar === undefined) return missing;
  if (scalar.kind !== 'constant') return undefined;
  return scalar.value === null ? missing : Number(scalar.value);
}

interface Counts {
  readonly limit: number;
  readonly offset: number;
}

export function rowCounts(
  compiled: { readonly limit: Compiled | undefined; readonly offset: Compiled | undefined },
  frame: Frame,
): Counts {
  const count = (value: Compiled | undefined, missing: number): number => {
    const datum = value?.(NO_ROW, frame) ?? null;
    return datum === null ? missing : Number(datum);
  };
  const limit = count(compiled.limit, Infinity);
  const offset = count(compiled.offset, 0);
  if (limit < 0) {
    const state = SQLSTATE.INVALID_ROW_COUNT_IN_LIMIT_CLAUSE;
    throw new SqlError(state, 'LIMIT must not be negative');
  }
  if (offset < 0) {
    const state = SQLSTATE.INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE;
    throw new SqlError(state, 'OFFSET must not be negative');
  }
  return { limit, offset };
}

/** A limit whose numbers are computed when the first row is asked for. */
export class LateLimitOperator implements Operator {
  readonly #input: Operator;
  readonly #counts: () => Counts;
  #limit: LimitOperator | undefined;

  constructor(input: Operator, counts: () => Counts) {
    this.#input = input;
    this.#counts = counts;
  }

  *next(): Steps<Batch | undefined> {
    if (this.#limit === undefined) {
      const { limit, offset } = yield* evaluating(this.#counts);
      this.#limit = new LimitOperator(this.#input, offset, limit);
    }
    return yield* this.#limit.next();
  }

  close(): void {
    this.#input.close();
  }
}
