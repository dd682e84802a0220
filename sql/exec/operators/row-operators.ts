/** Operators that look at one row at a time and hold none: filter, project, limit, append, and fixed rows. */
import { SqlError } from '../../errors/sql-error.ts';
import { SQLSTATE } from '../../errors/sqlstate.ts';
import type { Datum, Row } from '../../types/datum.ts';
import { evaluating } from '../evaluation-wait.ts';
import type { Batch, Evaluate, ExecPorts, Operator, Predicate } from '../operator.ts';
import { BATCH_ROWS, Breather } from '../operator.ts';
import type { Steps } from '../../../src/base/steps.ts';

export class FilterOperator implements Operator {
  readonly #input: Operator;
  readonly #predicate: Predicate;
  readonly #mayWait: boolean;
  readonly #breather: Breather;

  constructor(input: Operator, predicate: Predicate, ports: ExecPorts, mayWait = true) {
    this.#input = input;
    this.#predicate = predicate;
    this.#mayWait = mayWait;
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    for (;;) {
      const batch = yield* this.#input.next();
      if (batch === undefined) return undefined;
      const kept = this.#mayWait ? yield* this.#filterEach(batch) : batch.filter(this.#predicate);
      yield* this.#breather.after(batch.length);
      if (kept.length > 0) return kept;
    }
  }

  close(): void {
    this.#input.close();
  }

  /** Row by row, so that what has been waited for is not evaluated again for the rows before. */
  *#filterEach(batch: Batch): Steps<Batch> {
    const kept: Batch = [];
    for (const row of batch) {
      if (yield* evaluating(() => this.#predicate(row))) kept.push(row);
    }
    return kept;
  }
}

export class ProjectOperator implements Operator {
  readonly #input: Operator;
  readonly #expressions: readonly Evaluate[];
  /** Some expression may ask to wait: then rows are evaluated one at a time. */
  readonly #mayWait: boolean;

  constructor(input: Operator, expressions: readonly Evaluate[], mayWait = true) {
    this.#input = input;
    this.#expressions = expressions;
    this.#mayWait = mayWait;
  }

  *next(): Steps<Batch | undefined> {
    const batch = yield* this.#input.next();
    if (batch === undefined) return undefined;
    for (let i = 0; i < batch.length; i++) {
      const row = batch[i] ?? [];
      batch[i] = this.#mayWait ? yield* evaluating(() => this.#project(row)) : this.#project(row);
    }
    return batch;
  }

  close(): void {
    this.#input.close();
  }

  #project(row: Row): Row {
    const expressions = this.#expressions;
    const out: Datum[] = new Array<Datum>(expressions.length);
    for (let i = 0; i < expressions.length; i++) {
      const evaluate = expressions[i];
      out[i] = evaluate === undefined ? null : evaluate(row);
    }
    return out;
  }
}

export class LimitOperator implements Operator {
  readonly #input: Operator;
  #skip: number;
  #left: number;

  constructor(input: Operator, offset: number, limit: number) {
    this.#input = input;
    this.#skip = offset;
    this.#left = limit;
  }

  *next(): Steps<Batch | undefined> {
    while (this.#left > 0) {
      let batch = yield* this.#input.next();
      if (batch === undefined) return undefined;
      if (this.#skip >= batch.length) {
        this.#skip -= batch.length;
        continue;
      }
      if (this.#skip > 0) batch = batch.slice(this.#skip);
      this.#skip = 0;
      if (batch.length > this.#left) batch.length = this.#left;
      this.#left -= batch.length;
      if (this.#left === 0) this.#input.close();
      return batch;
    }
    this.#input.close();
    return undefined;
  }

  close(): void {
    this.#input.close();
  }
}

/** One input after the other: UNION ALL. */
export class AppendOperator implements Operator {
  readonly #inputs: readonly Operator[];
  #at = 0;

  constructor(inputs: readonly Operator[]) {
    this.#inputs = inputs;
  }

  *next(): Steps<Batch | undefined> {
    for (; this.#at < this.#inputs.length; this.#at++) {
      const batch = yield* this.#inputs[this.#at]?.next() ?? nothing();
      if (batch !== undefined) return batch;
    }
    return undefined;
  }

  close(): void {
    for (const input of this.#inputs) input.close();
  }
}

/** Rows made by an iterable, lazily: VALUES, set-returning functions. */
export class IterableOperator implements Operator {
  readonly #iterator: Iterator<Row>;
  readonly #breather: Breather;
  #isDone = false;

  constructor(rows: Iterable<Row>, ports: ExecPorts) {
    this.#iterator = rows[Symbol.iterator]();
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    if (this.#isDone) return undefined;
    const batch: Batch = [];
    while (batch.length < BATCH_ROWS) {
      const result = yield* evaluating(() => this.#iterator.next());
      if (result.done === true) {
        this.#isDone = true;
        break;
      }
      batch.push(result.value);
    }
    yield* this.#breather.after(batch.length);
    return batch.length === 0 ? undefined : batch;
  }

  close(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#iterator.return?.();
  }
}

/** Rows that are known already. */
export class RowsOperator implements Operator {
  readonly #rows: readonly Row[];
  #at = 0;

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
  }

  *next(): Steps<Batch | undefined> {
    if (this.#at >= this.#rows.length) return undefined;
    const batch = this.#rows.slice(this.#at, this.#at + BATCH_ROWS);
    this.#at += batch.length;
    return batch;
  }

  close(): void {
    this.#at = this.#rows.length;
  }
}

/** At most one row, as a scalar subquery needs it; more is 21000. */
export function* onlyRow(operator: Operator): Steps<Row | undefined> {
  try {
    const first = yield* operator.next();
    if (first === undefined) return undefined;
    const isOne = first.length === 1 && (yield* operator.next()) === undefined;
    if (isOne) return first[0];
  } finally {
    operator.close();
  }
  throw new SqlError(
    SQLSTATE.CARDINALITY_VIOLATION,
    'more than one row returned by a subquery used as an expression',
  );
}

function* nothing(): Steps<undefined> {
  return undefined;
}
