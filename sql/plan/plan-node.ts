/**
 * Plan nodes: what a relation has become. Immutable, shared by all executions; `open` makes the operators of one. A
 * row has a slot for each of `columns`; slots that nobody needs may hold NULL.
 */
import type { Steps } from '../../src/base/steps.ts';
import { internalError } from '../errors/sql-error.ts';
import type { ColumnId, ColumnScalar, Scalar, SubqueryScalar } from '../algebra/scalar.ts';
import type { Evaluate, Operator, Predicate } from '../exec/operator.ts';
import type { Row } from '../types/datum.ts';
import type { CompileEnv } from './compile-scalar.ts';
import { compileScalar } from './compile-scalar.ts';
import type { Compiled, Frame } from './frame.ts';
import type { PointSource } from './point-plan.ts';

export interface PlanNode {
  readonly columns: readonly ColumnId[];
  /** Rows it gives, roughly. */
  readonly rows: number;
  /** The rows come in the order that was wished for. */
  readonly isOrdered: boolean;
  /** For EXPLAIN: what it is, and particulars below it. */
  readonly title: string;
  readonly details: readonly string[];
  readonly children: readonly PlanNode[];
  open(frame: Frame): Operator;
  /** The same for what gives at most one row, as a plain call. Never with subqueries or functions that wait. */
  readonly point?: PointSource | undefined;
  /** The same for several frames at once, where each finds its rows by keys. */
  readonly lookUps?: LookUps | undefined;
}

/**
 * What `open` would give for each of the frames, in their order: for the first of them at least, and perhaps not for
 * all. Rows are made when they are asked for.
 */
export type LookUps = (frames: readonly Frame[]) => Steps<readonly (() => readonly Row[])[]>;

/** The columns that a subplan takes from outside, in the order of `Frame.outer`. */
export class OuterColumns {
  readonly columns: ColumnScalar[] = [];

  slotOf(column: ColumnScalar): number {
    const known = this.columns.findIndex((other) => other.id === column.id);
    if (known >= 0) return known;
    this.columns.push(column);
    return this.columns.length - 1;
  }
}

/** Compiles expressions over the rows of a node. */
export class RowEnv implements CompileEnv {
  readonly #slots = new Map<ColumnId, number>();
  readonly #outer: OuterColumns | undefined;
  readonly #compileSubquery: (scalar: SubqueryScalar, env: CompileEnv) => Compiled;

  constructor(
    columns: readonly ColumnId[],
    outer: OuterColumns | undefined,
    compileSubquery: (scalar: SubqueryScalar, env: CompileEnv) => Compiled,
  ) {
    columns.forEach((id, slot) => this.#slots.set(id, slot));
    this.#outer = outer;
    this.#compileSubquery = compileSubquery;
  }

  slotOf(id: ColumnId): number | undefined {
    return this.#slots.get(id);
  }

  outerSlotOf(column: ColumnScalar): number {
    if (this.#outer !== undefined) return this.#outer.slotOf(column);
    throw internalError(`column "${column.name}" comes from nowhere`);
  }

  subquery(scalar: SubqueryScalar): Compiled {
    return this.#compileSubquery(scalar, this);
  }

  compile(scalar: Scalar): Compiled {
    return compileScalar(scalar, this);
  }
}

export function evaluateIn(compiled: Compiled, frame: Frame): Evaluate {
  return (row) => compiled(row, frame);
}

export function predicateIn(compiled: Compiled, frame: Frame): Predicate {
  return (row) => compiled(row, frame) === true;
}
