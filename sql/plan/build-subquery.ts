/**
 * Subqueries in expressions. An expression cannot wait, so one whose result is not known yet throws `EvaluationWait`,
 * runs, and is evaluated again. Results are kept by the values taken from outside, a bounded number of them.
 */
import { must } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { SubqueryScalar } from '../algebra/scalar.ts';
import { EvaluationWait } from '../exec/evaluation-wait.ts';
import { MemoryBudget } from '../exec/memory-budget.ts';
import type { Operator } from '../exec/operator.ts';
import { Breather } from '../exec/operator.ts';
import { onlyRow } from '../exec/operators/row-operators.ts';
import type { RowKey } from '../exec/row-keys.ts';
import { rowKeyFor } from '../exec/row-keys.ts';
import { groupKeyFor } from '../types/compare.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { CompileEnv } from './compile-scalar.ts';
import { compileColumn, compileScalar } from './compile-scalar.ts';
import type { Compiled, Frame } from './frame.ts';
import { NO_ROW } from './frame.ts';
import type { OuterColumns, PlanNode, RowEnv } from './plan-node.ts';

/** A query planned on its own, with the columns that it takes from outside. */
export interface Subplan {
  readonly node: PlanNode;
  readonly env: RowEnv;
  readonly outer: OuterColumns;
}

const RESULTS_MAX = 1000;

/** The frame that a subplan runs in, for a row outside. */
export function subplanFrames(
  { outer }: Subplan,
  env: CompileEnv,
): (row: Row, frame: Frame) => Frame {
  const columns = outer.columns.map((column) => compileColumn(column, env));
  if (columns.length === 0) return (_row, frame) => ({ ...frame, outer: NO_ROW });
  return (row, frame) => ({ ...frame, outer: columns.map((column) => column(row, frame)) });
}

export function compileSubquery(
  scalar: SubqueryScalar,
  subplan: Subplan,
  env: CompileEnv,
): Compiled {
  switch (scalar.mode) {
    case 'exists':
      return memoized(subplan, env, runExists, (found) => found);
    case 'scalar': {
      const slot = must(subplan.env.slotOf(must(scalar.column).id));
      const run = function* (operator: Operator): Steps<Datum> {
        const row = yield* onlyRow(operator);
        return row?.[slot] ?? null;
      };
      return memoized(subplan, env, run, (value) => value);
    }
    case 'any':
      return compileAny(scalar, subplan, env);
  }
}

function* runExists(operator: Operator): Steps<Datum> {
  try {
    return (yield* operator.next()) !== undefined;
  } finally {
    operator.close();
  }
}

/** `run` makes a result of the rows, `use` the value of it for the row outside. */
function memoized<T>(
  subplan: Subplan,
  env: CompileEnv,
  run: (operator: Operator, frame: Frame) => Steps<T>,
  use: (result: T, row: Row, frame: Frame) => Datum,
): Compiled {
  const frameFor = subplanFrames(subplan, env);
  const keyOf = rowKeyFor(subplan.outer.columns.map((column) => column.type));
  return (row, frame) => {
    const inner = frameFor(row, frame);
    let results = frame.memo.get(subplan) as Map<RowKey, T> | undefined;
    if (results === undefined) frame.memo.set(subplan, (results = new Map()));
    const key = keyOf(inner.outer);
    const known = results.get(key);
    if (known !== undefined || results.has(key)) return use(known as T, row, frame);
    const kept = results;
    throw new EvaluationWait(function* (): Steps<void> {
      const result = yield* run(subplan.node.open(inner), inner);
      if (kept.size >= RESULTS_MAX) kept.clear();
      kept.set(key, result);
    });
  };
}

/** The rows of a query that something is compared with. */
interface Compared {
  readonly rows: readonly (readonly Datum[])[];
  /** One column compared by `=`: its values, hashed. */
  readonly keys: ReadonlySet<string | number | bigint> | undefined;
  readonly hasNull: boolean;
}

function compileAny(scalar: SubqueryScalar, subplan: Subplan, env: CompileEnv): Compiled {
  const { comparisons } = scalar;
  const lefts = comparisons.map((comparison) => compileScalar(comparison.left, env));
  const rights = comparisons.map((comparison) => compileScalar(comparison.right, subplan.env));
  const impls = comparisons.map((comparison) => comparison.operator.impl);
  const [only] = comparisons;
  const isHashed =
    only !== undefined &&
    comparisons.length === 1 &&
    only.operator.symbol === '=' &&
    only.left.type.oid === only.right.type.oid;
  const keyOf = groupKeyFor(must(only).right.type);

  const run = function* (operator: Operator, frame: Frame): Steps<Compared> {
    const rows: Datum[][] = [];
    const { execution } = frame;
    const budget = new MemoryBudget('subquery', execution.workMemBytes);
    const breather = new Breather(execution);
    try {
      for (let b = yield* operator.next(); b !== undefined; b = yield* operator.next()) {
        for (const row of b) {
          const values = rights.map((right) => right(row, frame));
          rows.push(values);
          budget.addRow(values);
        }
        yield* breather.after(b.length);
      }
    } finally {
      operator.close();
    }
    const values = rows.map((row) => row[0] ?? null);
    return {
      rows,
      keys: isHashed ? new Set(values.filter((v) => v !== null).map(keyOf)) : undefined,
      hasNull: values.includes(null),
    };
  };

  const use = ({ rows, keys, hasNull }: Compared, row: Row, frame: Frame): Datum => {
    if (rows.length === 0) return false;
    const left = lefts.map((operand) => operand(row, frame));
    const [first = null] = left;
    if (keys !== undefined) {
      if (first === null) return null;
      return keys.has(keyOf(first)) ? true : hasNull ? null : false;
    }
    let result: Datum = false;
    for (const right of rows) {
      let holds: Datum = true;
      for (let i = 0; i < impls.length && holds !== false; i++) {
        const a = left[i] ?? null;
        const b = right[i] ?? null;
        const value = a === null || b === null ? null : must(impls[i])(a, b, frame.ctx);
        if (value !== true) holds = value;
      }
      if (holds === true) return true;
      if (holds === null) result = null;
    }
    return result;
  };
  return memoized(subplan, env, run, use);
}
