/**
 * What compiled expressions and plan nodes see when they run. One frame per execution, and one more for each time a
 * subquery or the right side of a lateral join is opened, with the columns it takes from outside in `outer`.
 */
import type { EvalContext } from '../functions/eval-context.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { Execution } from './statement-planner.ts';

export interface Frame {
  readonly execution: Execution;
  readonly parameters: readonly Datum[];
  readonly ctx: EvalContext;
  readonly outer: readonly Datum[];
  /** What subqueries have given, by subquery; shared by all frames of an execution. */
  readonly memo: Map<object, unknown>;
}

/** An expression as a closure. Slots of the row are those of the node it was compiled for. */
export type Compiled = (row: Row, frame: Frame) => Datum;

export const NO_ROW: Row = [];

export function rootFrame(execution: Execution): Frame {
  const { parameters, evalContext } = execution;
  return { execution, parameters, ctx: evalContext, outer: NO_ROW, memo: new Map() };
}
