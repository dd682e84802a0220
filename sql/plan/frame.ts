/**
 * What compiled expressions and plan nodes see when they run. One frame per execution, and one more for each time a
 * subquery or the right side of a lateral join is opened, with the columns it takes from outside in `outer`.
 */
import type { KvTxn, LockOptions } from '../../src/kv/kv-client.ts';
import type { LockTarget } from '../algebra/rel.ts';
import { internalError } from '../errors/sql-error.ts';
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

export function txnOf({ execution }: Frame): KvTxn {
  if (execution.txn === undefined) throw internalError('a change without a transaction');
  return execution.txn;
}

export function lockOptionsOf(target: LockTarget, { execution }: Frame): LockOptions {
  const { strength, wait } = target;
  return { strength, wait, timeoutMs: execution.lock.timeoutMs };
}

/** Of a plan without subqueries, which remembers nothing. */
export function pointFrame(execution: Execution): Frame {
  const { parameters, evalContext } = execution;
  return { execution, parameters, ctx: evalContext, outer: NO_ROW, memo: NO_MEMO };
}

const NO_MEMO = new Map<object, unknown>();

export function rootFrame(execution: Execution): Frame {
  const { parameters, evalContext } = execution;
  return { execution, parameters, ctx: evalContext, outer: NO_ROW, memo: new Map() };
}
