/**
 * Joins. A right side that is found by a key of the left rows is looked up for each of them, if they are few; else
 * equalities make a hash join; else all pairs are compared.
 */
import { must } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { ColumnId, Scalar } from '../algebra/scalar.ts';
import type { JoinRel, Rel, ScanRel } from '../algebra/rel.ts';
import { outputIds } from '../algebra/rel.ts';
import { columnsIn, freeColumns, mayWait } from '../algebra/walk.ts';
import { and } from '../binder/predicates.ts';
import { MemoryBudget } from '../exec/memory-budget.ts';
import type { Operator } from '../exec/operator.ts';
import type { JoinKeyOf, JoinShape, LookUp } from '../exec/operators/join-operators.ts';
import {
  HashJoinOperator,
  LookupJoinOperator,
  LoopJoinOperator,
} from '../exec/operators/join-operators.ts';
import { rowKeyFor } from '../exec/row-keys.ts';
import { conjunctsOf, filtered, isEquality, split } from '../optimize/push-filters.ts';
import type { Datum, Row } from '../types/datum.ts';
import { INT8, isIntegerType } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { chooseAccess } from './access-path.ts';
import type { Subplan } from './build-subquery.ts';
import { subplanFrames } from './build-subquery.ts';
import type { Compiled, Frame } from './frame.ts';
import type { LookUps, PlanNode, RowEnv } from './plan-node.ts';
import { predicateIn } from './plan-node.ts';
import { showScalar } from './show-scalar.ts';

/** What joins need of the plan builder. */
export interface JoinBuilder {
  build(rel: Rel, columns: ReadonlySet<ColumnId>): PlanNode;
  subplan(rel: Rel, columns: ReadonlySet<ColumnId>): Subplan;
  env(columns: readonly ColumnId[]): RowEnv;
}

/** More left rows than this are joined by hash rather than by looking each one up. */
const LOOKUP_ROWS_MAX = 2000;
const EQUAL_FRACTION = 0.001;

export function buildJoin(
  builder: JoinBuilder,
  join: JoinRel,
  needs: ReadonlySet<ColumnId>,
): PlanNode {
  const wanted = new Set(needs);
  if (join.condition !== undefined) columnsIn(join.condition, wanted);
  const free = freeColumns(join.right);
  const leftIds = outputIds(join.left);
  const isLateral = [...free].some((id) => leftIds.has(id));
  for (const id of free) wanted.add(id);
  const left = builder.build(join.left, wanted);
  if (isLateral) return lookupJoin(builder, join, left, { wanted, isLateral });
  const isInner = join.joinKind === 'inner';
  if (!isInner && canLookUp(join, left)) {
    return lookupJoin(builder, join, left, { wanted, isLateral });
  }
  // NB: each side is planned once, however the join turns out: sides are joins themselves.
  const right = builder.build(join.right, wanted);
  if (!isInner) return storedJoin(builder, join, { left, right });
  // Columns are known by id, so that an inner join can be turned: to look up, or to keep the smaller side in memory.
  const turned: JoinRel = { ...join, left: join.right, right: join.left };
  const canLook = canLookUp(join, left);
  if (canLookUp(turned, right) && !(canLook && left.rows <= right.rows)) {
    return lookupJoin(builder, turned, right, { wanted, isLateral });
  }
  if (canLook) return lookupJoin(builder, join, left, { wanted, isLateral });
  return right.rows > left.rows
    ? storedJoin(builder, turned, { left: right, right: left })
    : storedJoin(builder, join, { left, right });
}

/** Few enough left rows, and a key by which each finds its right ones. */
function canLookUp(join: JoinRel, left: PlanNode): boolean {
  return (
    join.joinKind !== 'full' &&
    left.rows <= LOOKUP_ROWS_MAX &&
    isFoundByKey(join, outputIds(join.left))
  );
}

// -- lookups --------------------------------------------------------------------------------------------------------

/** The right side's scan, if equalities with the left side are a key of one of its indexes, or the start of one. */
function isFoundByKey(join: JoinRel, leftIds: ReadonlySet<ColumnId>): boolean {
  const found = scanOf(join.right);
  if (found === undefined) return false;
  const own = conjunctsOf(join.condition).filter((c) => isEquality(c));
  const { equal } = chooseAccess(found.scan, [...found.conjuncts, ...own]);
  const tied = own.filter((c) => [...columnsIn(c)].some((id) => leftIds.has(id)));
  const values = equal.flatMap((part) => part.values);
  return values.some(
    (value) =>
      value !== undefined && [...columnsIn(value)].some((id) => leftIds.has(id)) && tied.length > 0,
  );
}

function scanOf(
  rel: Rel,
): { readonly scan: ScanRel; readonly conjuncts: readonly Scalar[] } | undefined {
  if (rel.kind === 'scan') return { scan: rel, conjuncts: [] };
  if (rel.kind === 'project' && rel.items.every(({ expr, column }) => isSame(expr, column.id))) {
    return scanOf(rel.input);
  }
  if (rel.kind !== 'filter') return undefined;
  const inner = scanOf(rel.input);
  if (inner === undefined) return undefined;
  return { scan: inner.scan, conjuncts: [...inner.conjuncts, ...conjunctsOf(rel.condition)] };
}

function isSame(expr: Scalar, id: ColumnId): boolean {
  return expr.kind === 'column' && expr.id === id;
}

function lookupJoin(
  builder: JoinBuilder,
  rel: JoinRel,
  left: PlanNode,
  facts: { readonly wanted: ReadonlySet<ColumnId>; readonly isLateral: boolean },
): PlanNode {
  const { joinKind } = rel;
  const found = facts.isLateral ? undefined : scanOf(rel.right);
  // The condition goes into the right side, where an index can serve it.
  const { yes: inside, no: outside } = split(conjunctsOf(rel.condition), (c) => !mayWait(c));
  const right: Rel =
    found === undefined
      ? filtered(rel.right, inside)
      : filtered(found.scan, [...found.conjuncts, ...inside]);
  const subplan = builder.subplan(right, facts.wanted);
  const env = builder.env(left.columns);
  const frames = subplanFrames(subplan, env);
  const columns = [...left.columns, ...subplan.node.columns];
  const condition = outside.length === 0 ? undefined : builder.env(columns).compile(and(outside));
  const isKept = joinKind === 'semi' || joinKind === 'anti';
  const shape = { kind: joinKind, left, right: subplan.node, condition, mayWait: true };
  const name = facts.isLateral ? 'Lateral' : 'Lookup';
  return {
    columns: isKept ? left.columns : columns,
    rows: isKept ? left.rows : left.rows * subplan.node.rows,
    isOrdered: left.isOrdered,
    title: `${name} Join (${joinKind})`,
    details: [],
    children: [left, subplan.node],
    open: (frame) =>
      new LookupJoinOperator(
        left.open(frame),
        lookUpIn(subplan.node, frame, (row) => frames(row, frame)),
        shapeIn(shape, frame),
        frame.execution,
      ),
  };
}

function lookUpIn(node: PlanNode, { execution }: Frame, frameOf: (row: Row) => Frame): LookUp {
  const { lookUps } = node;
  if (lookUps === undefined || execution.txn === undefined) {
    return { kind: 'each', find: (row) => lookUp(node, frameOf(row)) };
  }
  const { workMemBytes } = execution;
  return { kind: 'batch', find: (rows) => lookUpSome(lookUps, rows.map(frameOf), workMemBytes) };
}

function* lookUpSome(
  lookUps: LookUps,
  frames: readonly Frame[],
  workMemBytes: number,
): Steps<readonly (() => readonly Row[])[]> {
  const found = yield* lookUps(frames);
  return found.map((make) => () => budgeted(make(), workMemBytes));
}

function budgeted(rows: readonly Row[], workMemBytes: number): readonly Row[] {
  const budget = new MemoryBudget('lookup join', workMemBytes);
  for (const row of rows) budget.addRow(row);
  return rows;
}

function* lookUp(node: PlanNode, frame: Frame): Steps<readonly Row[]> {
  const operator = node.open(frame);
  const budget = new MemoryBudget('lookup join', frame.execution.workMemBytes);
  const rows: Row[] = [];
  try {
    for (let b = yield* operator.next(); b !== undefined; b = yield* operator.next()) {
      for (const row of b) {
        rows.push(row);
        budget.addRow(row);
      }
    }
  } finally {
    operator.close();
  }
  return rows;
}

// -- joins that keep the right side -----------------------------------------------------------------------------------

interface EquiKey {
  readonly left: Scalar;
  readonly right: Scalar;
  readonly type: SqlType;
}

function storedJoin(
  builder: JoinBuilder,
  rel: JoinRel,
  { left, right }: { readonly left: PlanNode; readonly right: PlanNode },
): PlanNode {
  const { joinKind } = rel;
  const columns = [...left.columns, ...right.columns];
  const ids = { left: outputIds(rel.left), right: outputIds(rel.right) };
  const keys: EquiKey[] = [];
  const rest: Scalar[] = [];
  for (const conjunct of conjunctsOf(rel.condition)) {
    const key = equiKey(conjunct, ids);
    if (key === undefined) rest.push(conjunct);
    else keys.push(key);
  }
  const condition = rest.length === 0 ? undefined : builder.env(columns).compile(and(rest));
  const shape = { kind: joinKind, left, right, condition, mayWait: rest.some(mayWait) };
  const isKept = joinKind === 'semi' || joinKind === 'anti';
  const pairs = left.rows * right.rows * EQUAL_FRACTION ** Math.min(1, keys.length);
  const details = rest.length === 0 ? [] : [`Join Filter: ${rest.map(showScalar).join(' AND ')}`];
  const facts = {
    columns: isKept ? left.columns : columns,
    rows: Math.max(1, isKept ? left.rows / 2 : pairs),
    isOrdered: false,
    children: [left, right],
  };
  if (keys.length === 0) {
    return {
      ...facts,
      title: `Nested Loop (${joinKind})`,
      details,
      open: (frame) =>
        new LoopJoinOperator(opened(shape, frame), shapeIn(shape, frame), frame.execution),
    };
  }
  const leftEnv = builder.env(left.columns);
  const rightEnv = builder.env(right.columns);
  const leftKeys = keys.map((key) => leftEnv.compile(key.left));
  const rightKeys = keys.map((key) => rightEnv.compile(key.right));
  const types = keys.map((key) => key.type);
  const shown = keys.map((key) => `${showScalar(key.left)} = ${showScalar(key.right)}`);
  return {
    ...facts,
    title: `Hash Join (${joinKind})`,
    details: [`Hash Cond: ${shown.join(' AND ')}`, ...details],
    open: (frame) =>
      new HashJoinOperator(
        opened(shape, frame),
        { left: keyOfRow(leftKeys, types, frame), right: keyOfRow(rightKeys, types, frame) },
        shapeIn(shape, frame),
        frame.execution,
      ),
  };
}

function equiKey(
  conjunct: Scalar,
  ids: { readonly left: ReadonlySet<ColumnId>; readonly right: ReadonlySet<ColumnId> },
): EquiKey | undefined {
  if (!isEquality(conjunct) || mayWait(conjunct)) return undefined;
  const { left, right } = conjunct;
  const isMixed = left.type.oid !== right.type.oid;
  if (isMixed && !(isIntegerType(left.type) && isIntegerType(right.type))) return undefined;
  const type = isMixed ? INT8 : left.type;
  const uses = (scalar: Scalar, side: ReadonlySet<ColumnId>): boolean =>
    [...columnsIn(scalar)].some((id) => side.has(id));
  if (uses(left, ids.left) && !uses(left, ids.right) && uses(right, ids.right)) {
    if (!uses(right, ids.left)) return { left, right, type };
  }
  if (uses(left, ids.right) && !uses(left, ids.left) && uses(right, ids.left)) {
    if (!uses(right, ids.right)) return { left: right, right: left, type };
  }
  return undefined;
}

/** The key that rows are matched by: undefined when a value is NULL. */
function keyOfRow(
  compiled: readonly Compiled[],
  types: readonly SqlType[],
  frame: Frame,
): JoinKeyOf {
  const keyOf = rowKeyFor(types);
  return (row) => {
    const values: Datum[] = [];
    for (const [i, compute] of compiled.entries()) {
      const value = compute(row, frame);
      if (value === null) return undefined;
      // Integers of different widths meet as bigints.
      const isWide = must(types[i]).name === 'int8' && typeof value === 'number';
      values.push(isWide ? BigInt(value) : value);
    }
    const key = keyOf(values);
    return key === null ? undefined : key;
  };
}

interface Shape {
  readonly kind: JoinShape['kind'];
  readonly left: PlanNode;
  readonly right: PlanNode;
  readonly condition: Compiled | undefined;
  readonly mayWait: boolean;
}

function opened(
  { left, right }: Shape,
  frame: Frame,
): { readonly left: Operator; readonly right: Operator } {
  return { left: left.open(frame), right: right.open(frame) };
}

function shapeIn(shape: Shape, frame: Frame): JoinShape {
  const { kind, left, right, condition, mayWait: waits } = shape;
  return {
    kind,
    leftWidth: left.columns.length,
    rightWidth: right.columns.length,
    condition: condition === undefined ? undefined : predicateIn(condition, frame),
    mayWait: waits,
  };
}
