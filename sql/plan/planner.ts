/**
 * The planner: a statement's tree bound, optimized, and made into a plan that sessions share. Synchronous; what it does
 * not know of the catalog it asks for by throwing `CatalogMiss`.
 */
import { must } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { Change, ConflictRule } from '../algebra/change.ts';
import type { Rel, RelColumn } from '../algebra/rel.ts';
import type { ColumnId, Scalar } from '../algebra/scalar.ts';
import { mayWait, rewriteScalar, someInRel, writesState } from '../algebra/walk.ts';
import { BindContext } from '../binder/bind-context.ts';
import type { Bound, BoundReturning } from '../binder/changes.ts';
import { bindDelete, bindUpdate } from '../binder/changes.ts';
import { bindInsert } from '../binder/insert.ts';
import { ParameterTypes } from '../binder/parameters.ts';
import { bindQuery, bindTopQuery } from '../binder/query.ts';
import type { ScopeColumn } from '../binder/scope.ts';
import { codecOf } from '../exec/table-codec.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { Batch, Operator } from '../exec/operator.ts';
import { ProjectOperator } from '../exec/operators/row-operators.ts';
import { NeedsSnapshot } from '../exec/operators/scan-operators.ts';
import { foldScalar } from '../optimize/fold.ts';
import { optimize } from '../optimize/optimizer.ts';
import type { ResultColumn } from '../session/session-api.ts';
import type { ChangeNode } from './change-plan.ts';
import { RowsOperator, buildChange, tablesIn } from './change-plan.ts';
import { ConstantPlanner } from './constant-planner.ts';
import type { Compiled } from './frame.ts';
import { pointFrame, rootFrame } from './frame.ts';
import type { PlanNode } from './plan-node.ts';
import { evaluateIn } from './plan-node.ts';
import { PlanBuilder } from './plan-builder.ts';
import type { PointChange, PointSource } from './point-plan.ts';
import { pointProject } from './point-plan.ts';
import type {
  Execution,
  Plan,
  PlannedChange,
  PlanRequest,
  Running,
  StatementPlanner,
} from './statement-planner.ts';

export class Planner extends ConstantPlanner implements StatementPlanner {
  plan(request: PlanRequest): Plan {
    const { statement } = request;
    const parameters = new ParameterTypes(request.parameterTypes);
    const ctx = new BindContext({
      ...{ text: request.text, catalog: request.catalog, parameters },
      ...{ evalContext: request.evalContext, bindQuery },
    });
    switch (statement.kind) {
      case 'query':
        return planQuery(ctx, bindTopQuery(ctx, statement));
      case 'insert':
        return this.#planChange(ctx, bindInsert(ctx, statement));
      case 'update':
        return this.#planChange(ctx, bindUpdate(ctx, statement));
      case 'delete':
        return this.#planChange(ctx, bindDelete(ctx, statement));
    }
  }

  #planChange(ctx: BindContext, { change: bound, returning }: Bound<Change>): Plan {
    const change = optimizeChange(bound, ctx);
    const builder = new PlanBuilder();
    const table = tableOf(change);
    const node = buildChange(builder, change, this.checksOf(table));
    return {
      columns: returning === undefined ? undefined : returningColumns(returning),
      parameterTypes: ctx.parameters.finish(),
      tables: distinctTables([table, ...tablesIn(change.source), ...subqueryTables(change)]),
      ...{ isReadOnly: false, isLatestRead: false, command: change.kind.toUpperCase() },
      pointRead: undefined,
      pointChange: pointChangeOf(node.point, table, change.kind),
      open: (execution) => openChange(node, change.kind, execution),
      explain: () => explainChange(node),
    };
  }
}

// -- queries ----------------------------------------------------------------------------------------------------------

function planQuery(
  ctx: BindContext,
  query: {
    readonly rel: Rel;
    readonly columns: readonly RelColumn[];
    readonly sources: readonly (ScopeColumn | undefined)[];
  },
): Plan {
  const rel = optimize(query.rel, ctx.evalContext);
  const builder = new PlanBuilder();
  const ids = query.columns.map((column) => column.id);
  const node = builder.build(rel, new Set(ids));
  const project = projection(builder, node, ids);
  const { scans, subplans } = builder.found;
  const locks = hasLock(rel);
  const isWaiting = someInRel(rel, mayWait);
  const isSingle = scans.every((scan) => scan.isSingleRequest) && scans.length <= 1;
  return {
    columns: query.columns.map((column, i) => resultColumn(column, query.sources[i])),
    parameterTypes: ctx.parameters.finish(),
    tables: distinctTables(tablesIn(query.rel)),
    isReadOnly: !locks && !someInRel(rel, writesState),
    command: locks ? 'SELECT FOR UPDATE' : 'nextval()',
    isLatestRead: isSingle && subplans === 0 && !locks && !isWaiting,
    pointRead: pointReadOf(node.point, project, subplans),
    pointChange: undefined,
    open: (execution) => openQuery(node, project, execution),
    explain: () => explainNode(node, 0),
  };
}

/** The result of a query that gives at most one row, in the order of its columns. */
function pointReadOf(
  point: PointSource | undefined,
  project: readonly number[] | undefined,
  subplans: number,
): Plan['pointRead'] {
  if (point === undefined || subplans > 0) return undefined;
  const slots = project?.map(
    (slot): Compiled =>
      (row) =>
        row[slot] ?? null,
  );
  const source = slots === undefined ? point : pointProject(point, slots);
  return (execution) => source(pointFrame(execution));
}

function pointChangeOf(
  point: PointChange | undefined,
  table: TableDescriptor,
  kind: Change['kind'],
): PlannedChange | undefined {
  if (point === undefined) return undefined;
  const word = wordOf(kind);
  const [none, single] = [`${word} 0`, `${word} 1`];
  return {
    table: codecOf(table).fence,
    run: (execution) => point(pointFrame(execution)),
    tag: (count) => (count === 0 ? none : single),
  };
}

function wordOf(kind: Change['kind']): string {
  return kind === 'insert' ? 'INSERT 0' : kind.toUpperCase();
}

/** The result's columns in their order, where the node's are not that already. */
function projection(
  builder: PlanBuilder,
  node: PlanNode,
  ids: readonly ColumnId[],
): readonly number[] | undefined {
  const isSame = ids.length === node.columns.length && ids.every((id, i) => node.columns[i] === id);
  if (isSame) return undefined;
  const env = builder.env(node.columns);
  return ids.map((id) => must(env.slotOf(id), 'a column of the result'));
}

function* openQuery(
  node: PlanNode,
  project: readonly number[] | undefined,
  execution: Execution,
): Steps<Running | undefined> {
  const frame = rootFrame(execution);
  let rows = node.open(frame);
  if (project !== undefined) {
    const slots = project.map((slot) => evaluateIn((row) => row[slot] ?? null, frame));
    rows = new ProjectOperator(rows, slots, false);
  }
  const tag = (count: number): string => `SELECT ${count}`;
  if (execution.txn !== undefined) return { rows, tag };
  try {
    const first = yield* rows.next();
    return { rows: new ResumedOperator(first, rows), tag };
  } catch (error) {
    rows.close();
    if (error instanceof NeedsSnapshot) return undefined;
    throw error;
  }
}

/** An operator whose first batch has been taken already. */
class ResumedOperator implements Operator {
  readonly #rest: Operator;
  #first: Batch | undefined;
  #isEmpty: boolean;

  constructor(first: Batch | undefined, rest: Operator) {
    this.#first = first;
    this.#rest = rest;
    this.#isEmpty = first === undefined;
  }

  *next(): Steps<Batch | undefined> {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined) return first;
    if (this.#isEmpty) return undefined;
    const batch = yield* this.#rest.next();
    this.#isEmpty = batch === undefined;
    return batch;
  }

  close(): void {
    this.#rest.close();
  }
}

function hasLock(rel: Rel): boolean {
  if (rel.kind === 'lock') return true;
  if ('input' in rel) return hasLock(rel.input);
  return 'left' in rel && (hasLock(rel.left) || hasLock(rel.right));
}

function resultColumn(column: RelColumn, source: ScopeColumn | undefined): ResultColumn {
  return {
    name: column.name,
    type: column.type,
    tableId: source?.tableId ?? 0,
    columnNumber: source?.columnNumber ?? 0,
  };
}

// -- changes ----------------------------------------------------------------------------------------------------------

function tableOf(change: Change): TableDescriptor {
  return change.kind === 'insert' ? change.table : change.scan.table;
}

function optimizeChange(change: Change, ctx: BindContext): Change {
  const { evalContext } = ctx;
  const fold = (scalar: Scalar): Scalar =>
    rewriteScalar(
      foldScalar(scalar, evalContext),
      () => undefined,
      (query) => optimize(query, evalContext),
    );
  const source = optimize(change.source, evalContext);
  const returning = change.returning?.map((item) => ({ ...item, expr: fold(item.expr) }));
  switch (change.kind) {
    case 'insert': {
      const values = change.values.map((value) => (value === undefined ? undefined : fold(value)));
      const onConflict = foldConflict(change.onConflict, fold);
      return { ...change, source, values, returning, onConflict };
    }
    case 'update': {
      const set = change.set.map((item) => ({ ...item, expr: fold(item.expr) }));
      return { ...change, source, set, returning };
    }
    case 'delete':
      return { ...change, source, returning };
  }
}

function foldConflict(
  rule: ConflictRule | undefined,
  fold: (scalar: Scalar) => Scalar,
): ConflictRule | undefined {
  if (rule?.update === undefined) return rule;
  const { set, where, excluded } = rule.update;
  return {
    ...rule,
    update: {
      set: set.map((item) => ({ ...item, expr: fold(item.expr) })),
      where: where === undefined ? undefined : fold(where),
      excluded,
    },
  };
}

/** Tables that queries within the change's own expressions read. */
function subqueryTables(change: Change): TableDescriptor[] {
  const scalars = (change.returning ?? []).map((item) => item.expr);
  if (change.kind === 'update') scalars.push(...change.set.map((item) => item.expr));
  if (change.kind === 'insert') {
    const update = change.onConflict?.update;
    scalars.push(...change.values.filter((value) => value !== undefined));
    scalars.push(...(update?.set ?? []).map((item) => item.expr));
    if (update?.where !== undefined) scalars.push(update.where);
  }
  const inputs = scalars.map((expr): Rel => {
    const input: Rel = { kind: 'values', columns: [], rows: [[]] };
    return { kind: 'filter', input, condition: expr };
  });
  return inputs.flatMap(tablesIn);
}

function* openChange(
  node: ChangeNode,
  kind: Change['kind'],
  execution: Execution,
): Steps<Running | undefined> {
  if (execution.txn === undefined) return undefined;
  const changed = yield* node.run(rootFrame(execution));
  const word = wordOf(kind);
  return { rows: new RowsOperator(changed.rows), tag: () => `${word} ${changed.count}` };
}

function returningColumns({ items, sources }: BoundReturning): ResultColumn[] {
  return items.map((item, i) => resultColumn(item.column, sources[i]));
}

// -- EXPLAIN ----------------------------------------------------------------------------------------------------------

function explainNode(node: PlanNode, depth: number): string[] {
  const indent = '  '.repeat(depth * 3);
  const arrow = depth === 0 ? '' : `${indent.slice(0, -4)}->  `;
  const lines = [`${arrow}${node.title}`];
  for (const detail of node.details) lines.push(`${indent}  ${detail}`);
  for (const child of node.children) lines.push(...explainNode(child, depth + 1));
  return lines;
}

function explainChange(node: ChangeNode): string[] {
  const { title, details, source } = node;
  const lines = [title, ...details.map((detail) => `  ${detail}`)];
  return [...lines, ...explainNode(source, 1)];
}

function distinctTables(tables: readonly TableDescriptor[]): TableDescriptor[] {
  return [...new Set(tables)];
}
