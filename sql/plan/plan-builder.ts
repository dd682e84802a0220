/**
 * Relations to plan nodes: the physical choices. One builder per query level; a subquery or lateral side gets one of
 * its own, which gathers the columns taken from outside.
 */
import { must, unreachable } from '../../src/base/assert.ts';
import type { ColumnId, Scalar, SubqueryScalar } from '../algebra/scalar.ts';
import type {
  AggregateRel,
  DistinctRel,
  FilterRel,
  FunctionRel,
  LimitRel,
  LockRel,
  ProjectItem,
  ProjectRel,
  Rel,
  SetRel,
  SortKeyRel,
  SortRel,
  ValuesRel,
} from '../algebra/rel.ts';
import { outputColumns, outputIds } from '../algebra/rel.ts';
import { columnsIn, mayWait, scalarsOf } from '../algebra/walk.ts';
import { columnScalar } from '../binder/bind-context.ts';
import {
  AggregateOperator,
  DistinctOperator,
  SetOperator,
} from '../exec/operators/hash-operators.ts';
import type { AggregateCall } from '../exec/operators/hash-operators.ts';
import {
  AppendOperator,
  FilterOperator,
  IterableOperator,
  ProjectOperator,
} from '../exec/operators/row-operators.ts';
import { LockOperator } from '../exec/operators/scan-operators.ts';
import type { SortKey } from '../exec/operators/sort-operator.ts';
import { SortOperator } from '../exec/operators/sort-operator.ts';
import { rowKeyFor } from '../exec/row-keys.ts';
import type { RowKeyOf } from '../exec/row-keys.ts';
import { codecOf } from '../exec/table-codec.ts';
import { conjunctsOf } from '../optimize/push-filters.ts';
import { sortOrderFor } from '../types/compare.ts';
import type { OrderWish } from './access-path.ts';
import { buildJoin } from './build-join.ts';
import type { ScanNode } from './build-scan.ts';
import { buildScan } from './build-scan.ts';
import type { Subplan } from './build-subquery.ts';
import { compileSubquery } from './build-subquery.ts';
import type { Compiled, Frame } from './frame.ts';
import { lockOptionsOf, txnOf } from './frame.ts';
import type { PlanNode } from './plan-node.ts';
import { OuterColumns, RowEnv, evaluateIn, predicateIn } from './plan-node.ts';
import { pointProject, pointValues } from './point-plan.ts';
import {
  LateLimitOperator,
  constantCount,
  functionRows,
  rowCounts,
  valueRows,
} from './row-sources.ts';
import { showScalar, showSortKey } from './show-scalar.ts';

/** What is wanted of a relation. */
interface Needs {
  readonly columns: ReadonlySet<ColumnId>;
  readonly order?: OrderWish | undefined;
  /** Rows that will be taken; Infinity for all. */
  readonly limit: number;
}

interface Found {
  readonly scans: ScanNode[];
  subplans: number;
  /** Columns that the planner has made; their ids are negative. */
  made: number;
}

const SET_FRACTION = 0.5;
const GROUP_FRACTION = 0.1;

export class PlanBuilder {
  readonly #outer: OuterColumns | undefined;
  /** What has been planned, subplans included. */
  readonly found: Found;

  constructor(outer?: OuterColumns, found: Found = { scans: [], subplans: 0, made: 0 }) {
    this.#outer = outer;
    this.found = found;
  }

  /** A node that gives at least `columns`. */
  build(rel: Rel, columns: ReadonlySet<ColumnId> = outputIds(rel)): PlanNode {
    return this.#build(rel, { columns, limit: Infinity });
  }

  env(columns: readonly ColumnId[]): RowEnv {
    return new RowEnv(columns, this.#outer, (scalar, env) => {
      const subplan = this.subplan(scalar.query, subqueryColumns(scalar));
      return compileSubquery(scalar, subplan, env);
    });
  }

  subplan(rel: Rel, columns: ReadonlySet<ColumnId>): Subplan {
    this.found.subplans++;
    const outer = new OuterColumns();
    const builder = new PlanBuilder(outer, this.found);
    const node = builder.build(rel, columns);
    return { node, outer, env: builder.env(node.columns) };
  }

  #build(rel: Rel, needs: Needs): PlanNode {
    switch (rel.kind) {
      case 'scan':
        return this.#scan(rel, [], needs);
      case 'filter':
        return this.#filter(rel, needs);
      case 'project':
        return this.#project(rel, needs);
      case 'values':
        return this.#values(rel);
      case 'function':
        return this.#function(rel);
      case 'join':
        return buildJoin(this, rel, needs.columns);
      case 'aggregate':
        return this.#aggregate(rel, needs);
      case 'sort':
        return this.#sort(rel, needs);
      case 'limit':
        return this.#limit(rel, needs);
      case 'distinct':
        return this.#distinct(rel, needs);
      case 'set operation':
        return this.#setOperation(rel);
      case 'lock':
        return this.#lock(rel, needs);
      default:
        return unreachable(rel);
    }
  }

  #scan(
    rel: Extract<Rel, { kind: 'scan' }>,
    conjuncts: readonly Scalar[],
    needs: Needs,
    lock?: LockRel['targets'][number],
  ): PlanNode {
    const { columns, limit, order } = needs;
    const makeEnv = (ids: readonly ColumnId[]): RowEnv => this.env(ids);
    const node = buildScan(rel, conjuncts, { columns, limit, order, lock }, makeEnv);
    this.found.scans.push(node);
    return node;
  }

  #filter(rel: FilterRel, needs: Needs): PlanNode {
    if (rel.input.kind === 'scan') return this.#scan(rel.input, conjunctsOf(rel.condition), needs);
    const columns = columnsIn(rel.condition, new Set(needs.columns));
    const input = this.#build(rel.input, { ...needs, columns, limit: Infinity });
    const compiled = this.env(input.columns).compile(rel.condition);
    const waits = mayWait(rel.condition);
    return {
      ...{ columns: input.columns, isOrdered: input.isOrdered, children: [input] },
      rows: Math.max(1, input.rows * 0.3),
      title: 'Filter',
      details: [showScalar(rel.condition)],
      open: (frame) => {
        const predicate = predicateIn(compiled, frame);
        return new FilterOperator(input.open(frame), predicate, frame.execution, waits);
      },
    };
  }

  #project(rel: ProjectRel, needs: Needs): PlanNode {
    const items = rel.items.filter((item) => needs.columns.has(item.column.id));
    const columns = new Set<ColumnId>();
    for (const { expr } of items) columnsIn(expr, columns);
    const order = orderBelow(rel, needs.order);
    const input = this.#build(rel.input, { columns, order, limit: needs.limit });
    const ids = items.map((item) => item.column.id);
    const env = this.env(input.columns);
    const facts = {
      ...{ columns: ids, rows: input.rows, isOrdered: input.isOrdered && order !== undefined },
    };
    const isSame =
      items.length === input.columns.length &&
      items.every(({ expr }, i) => expr.kind === 'column' && env.slotOf(expr.id) === i);
    if (isSame) return { ...input, ...facts };
    const compiled = items.map((item) => env.compile(item.expr));
    const waits = items.some((item) => mayWait(item.expr));
    return {
      ...facts,
      title: 'Project',
      details: items.some(({ expr }) => expr.kind !== 'column')
        ? [items.map((item) => showScalar(item.expr)).join(', ')]
        : [],
      children: [input],
      point: input.point === undefined || waits ? undefined : pointProject(input.point, compiled),
      open: (frame) => {
        const expressions = compiled.map((c) => evaluateIn(c, frame));
        return new ProjectOperator(input.open(frame), expressions, waits);
      },
    };
  }

  #values(rel: ValuesRel): PlanNode {
    const env = this.env([]);
    const rows = rel.rows.map((row) => row.map((value) => env.compile(value)));
    const single = rows.length === 1 ? rows[0] : undefined;
    const waits = rel.rows.some((row) => row.some(mayWait));
    return {
      columns: rel.columns.map((column) => column.id),
      ...{ rows: rows.length, isOrdered: false, children: [] },
      title: rel.columns.length === 0 ? 'Result' : `Values (${rows.length})`,
      details: [],
      point: single === undefined || waits ? undefined : pointValues(single),
      open: (frame) => new IterableOperator(valueRows(rows, frame), frame.execution),
    };
  }

  #function(rel: FunctionRel): PlanNode {
    const env = this.env([]);
    const args = rel.args.map((arg) => env.compile(arg));
    const { fn } = rel;
    return {
      columns: outputColumns(rel).map((column) => column.id),
      ...{ rows: 1000, isOrdered: false, details: [], children: [] },
      title: `Function Scan on ${fn.name}`,
      open: (frame) => {
        const rows = functionRows(rel, args, frame);
        return new IterableOperator(rows, frame.execution);
      },
    };
  }

  // -- grouping -------------------------------------------------------------------------------------------------

  #aggregate(rel: AggregateRel, needs: Needs): PlanNode {
    if (scalarsOf(rel).some(mayWait)) {
      return this.#aggregate(
        precomputed(rel, () => -++this.found.made),
        needs,
      );
    }
    const columns = new Set<ColumnId>();
    for (const scalar of scalarsOf(rel)) columnsIn(scalar, columns);
    const input = this.#build(rel.input, { columns, limit: Infinity });
    const env = this.env(input.columns);
    const groupBy = rel.groupBy.map((item) => env.compile(item.expr));
    const keyOf = rowKeyFor(rel.groupBy.map((item) => item.expr.type));
    const calls = rel.calls.map((call) => ({
      call,
      args: call.args.map((arg) => env.compile(arg)),
      filter: call.filter === undefined ? undefined : env.compile(call.filter),
      distinct: call.isDistinct ? rowKeyFor(call.args.map((arg) => arg.type)) : undefined,
      orderBy: this.#sortKeys(call.orderBy, env),
    }));
    return {
      columns: outputColumns(rel).map((column) => column.id),
      rows: groupBy.length === 0 ? 1 : Math.max(1, input.rows * GROUP_FRACTION),
      ...{ isOrdered: false, children: [input] },
      title: groupBy.length === 0 ? 'Aggregate' : 'Hash Aggregate',
      details:
        groupBy.length === 0
          ? []
          : [`Group Key: ${rel.groupBy.map((item) => showScalar(item.expr)).join(', ')}`],
      open: (frame) =>
        new AggregateOperator(
          input.open(frame),
          { values: groupBy.map((c) => evaluateIn(c, frame)), keyOf },
          calls.map((call) => aggregateCall(call, frame)),
          frame.execution,
        ),
    };
  }

  #distinct(rel: DistinctRel, needs: Needs): PlanNode {
    const outputs = outputColumns(rel.input);
    const on = rel.on ?? outputs.map(columnScalar);
    const columns = new Set(needs.columns);
    for (const scalar of on) columnsIn(scalar, columns);
    const input = this.#build(rel.input, { columns, limit: Infinity });
    const keyOf = this.#keyOf(on, input);
    return {
      ...{ columns: input.columns, isOrdered: false, children: [input] },
      rows: Math.max(1, input.rows * SET_FRACTION),
      title: 'Distinct',
      details: rel.on === undefined ? [] : [`On: ${on.map(showScalar).join(', ')}`],
      open: (frame) => new DistinctOperator(input.open(frame), keyOf(frame), frame.execution),
    };
  }

  /** The key of some expressions over a node's rows. */
  #keyOf(scalars: readonly Scalar[], input: PlanNode): (frame: Frame) => RowKeyOf {
    const env = this.env(input.columns);
    const compiled = scalars.map((scalar) => env.compile(scalar));
    const keyOf = rowKeyFor(scalars.map((scalar) => scalar.type));
    return (frame) => (row) => keyOf(compiled.map((c) => c(row, frame)));
  }

  #setOperation(rel: SetRel): PlanNode {
    const { operator, isAll } = rel;
    const left = this.#operand(rel, rel.left);
    const right = this.#operand(rel, rel.right);
    const facts = {
      columns: rel.columns.map((column) => column.id),
      isOrdered: false,
      details: [],
      children: [left, right],
    };
    const keyOf = rowKeyFor(rel.columns.map((column) => column.type));
    if (operator === 'union') {
      return {
        ...facts,
        rows: left.rows + right.rows,
        title: isAll ? 'Append' : 'Union',
        open: (frame) => {
          const both = new AppendOperator([left.open(frame), right.open(frame)]);
          return isAll ? both : new DistinctOperator(both, keyOf, frame.execution);
        },
      };
    }
    return {
      ...facts,
      rows: Math.max(1, left.rows * SET_FRACTION),
      title: `${operator === 'intersect' ? 'Intersect' : 'Except'}${isAll ? ' All' : ''}`,
      open: (frame) =>
        new SetOperator(
          { left: left.open(frame), right: right.open(frame) },
          { kind: operator, isAll },
          keyOf,
          frame.execution,
        ),
    };
  }

  /** One side of a set operation, its columns in order. */
  #operand(rel: SetRel, side: Rel): PlanNode {
    const given = outputColumns(side);
    const items = rel.columns.map((column, i): ProjectItem => {
      return { column, expr: columnScalar(must(given[i])) };
    });
    return this.build({ kind: 'project', input: side, items });
  }

  // -- order and limits -------------------------------------------------------------------------------------------

  #sort(rel: SortRel, needs: Needs): PlanNode {
    const columns = new Set(needs.columns);
    for (const key of rel.keys) columnsIn(key.expr, columns);
    const limit = Number.isFinite(needs.limit) ? needs.limit : undefined;
    const order = { keys: rel.keys, limit };
    if (isOverScan(rel.input)) {
      const known = this.found.scans.length;
      const input = this.#build(rel.input, { columns, order, limit: needs.limit });
      if (input.isOrdered) return input;
      this.found.scans.length = known;
    }
    // NB: a limit must not reach below a sort.
    const all = this.#build(rel.input, { columns, limit: Infinity });
    const keys = this.#sortKeys(rel.keys, this.env(all.columns));
    return {
      ...{ columns: all.columns, rows: all.rows, isOrdered: false },
      title: limit === undefined ? 'Sort' : `Sort (first ${limit})`,
      details: [`Sort Key: ${rel.keys.map(showSortKey).join(', ')}`],
      children: [all],
      open: (frame) => {
        const sortKeys = keys.map((key) => key(frame));
        return new SortOperator(all.open(frame), sortKeys, frame.execution, limit);
      },
    };
  }

  #sortKeys(keys: readonly SortKeyRel[], env: RowEnv): ((frame: Frame) => SortKey)[] {
    return keys.map((key) => {
      const compiled = env.compile(key.expr);
      const { keyOf, compare } = sortOrderFor(key.expr.type);
      const { isDescending, isNullsFirst } = key;
      return (frame) => {
        const evaluate = evaluateIn(compiled, frame);
        return { compare, isDescending, isNullsFirst, evaluate: (row) => keyOf(evaluate(row)) };
      };
    });
  }

  #limit(rel: LimitRel, needs: Needs): PlanNode {
    const limit = constantCount(rel.limit, Infinity);
    const offset = constantCount(rel.offset, 0);
    const taken = limit === undefined || offset === undefined ? Infinity : limit + offset;
    const { columns } = needs;
    const input = this.#build(rel.input, { columns, limit: taken, order: needs.order });
    const env = this.env([]);
    const counts = {
      limit: rel.limit === undefined ? undefined : env.compile(rel.limit),
      offset: rel.offset === undefined ? undefined : env.compile(rel.offset),
    };
    const shown = [
      ...(rel.limit === undefined ? [] : [showScalar(rel.limit)]),
      ...(rel.offset === undefined ? [] : [`offset ${showScalar(rel.offset)}`]),
    ];
    return {
      ...{ columns: input.columns, isOrdered: input.isOrdered, children: [input], details: [] },
      rows: Math.min(input.rows, limit ?? input.rows),
      title: `Limit ${shown.join(' ')}`,
      open: (frame) => new LateLimitOperator(input.open(frame), () => rowCounts(counts, frame)),
    };
  }

  #lock(rel: LockRel, needs: Needs): PlanNode {
    const columns = new Set(needs.columns);
    for (const { keyColumn } of rel.targets) columns.add(keyColumn.id);
    const locked = this.#lockedPoints(rel, { ...needs, columns });
    if (locked !== undefined) return locked;
    const isSkipping = rel.targets.some((target) => target.wait === 'skip');
    const limit = isSkipping ? Infinity : needs.limit;
    const input = this.#build(rel.input, { ...needs, columns, limit });
    const env = this.env(input.columns);
    const targets = rel.targets.map((target) => ({
      target,
      slot: must(env.slotOf(target.keyColumn.id)),
      codec: codecOf(target.table),
    }));
    return {
      ...{ columns: input.columns, rows: input.rows, isOrdered: input.isOrdered },
      title: 'Lock Rows',
      details: [],
      children: [input],
      open: (frame) =>
        new LockOperator(
          input.open(frame),
          targets.map(({ target, ...slot }) => ({ ...slot, lock: lockOptionsOf(target, frame) })),
          { txn: txnOf(frame), limit: needs.limit },
        ),
    };
  }

  /** Rows known by their primary key are locked first and read then. */
  #lockedPoints(rel: LockRel, needs: Needs): PlanNode | undefined {
    const { input, targets } = rel;
    const [target] = targets;
    const scan = input.kind === 'filter' ? input.input : input;
    if (target === undefined || targets.length > 1 || scan.kind !== 'scan') return undefined;
    if (scan.keyColumn.id !== target.keyColumn.id) return undefined;
    const conjuncts = input.kind === 'filter' ? conjunctsOf(input.condition) : [];
    const kept = this.found.scans.length;
    const node = this.#scan(scan, conjuncts, needs, target);
    const { path } = must(this.found.scans.at(-1));
    if (path.isPoint && path.isPrimary) return node;
    this.found.scans.length = kept;
    return undefined;
  }
}

function subqueryColumns(scalar: SubqueryScalar): ReadonlySet<ColumnId> {
  const columns = new Set<ColumnId>();
  if (scalar.column !== undefined) columns.add(scalar.column.id);
  const given = outputIds(scalar.query);
  for (const { right } of scalar.comparisons) {
    for (const id of columnsIn(right)) if (given.has(id)) columns.add(id);
  }
  return columns;
}

/** Nothing but one table below: only then can an index give an order, and only then is planning it twice cheap. */
function isOverScan(rel: Rel): boolean {
  switch (rel.kind) {
    case 'scan':
      return true;
    case 'filter':
    case 'project':
    case 'lock':
    case 'limit':
      return isOverScan(rel.input);
    default:
      return false;
  }
}

/** The wish in terms of what a projection passes through. */
function orderBelow(rel: ProjectRel, order: OrderWish | undefined): OrderWish | undefined {
  if (order === undefined) return undefined;
  const passed = new Map(
    rel.items.flatMap(({ column, expr }) =>
      expr.kind === 'column' ? [[column.id, expr] as const] : [],
    ),
  );
  const keys: SortKeyRel[] = [];
  for (const key of order.keys) {
    const expr = key.expr.kind === 'column' ? passed.get(key.expr.id) : undefined;
    if (expr === undefined) return undefined;
    keys.push({ ...key, expr });
  }
  return { ...order, keys };
}

/** What may have to wait is computed below the aggregation. */
function precomputed(rel: AggregateRel, newId: () => ColumnId): AggregateRel {
  const made: ProjectItem[] = [];
  const below = (expr: Scalar): Scalar => {
    if (!mayWait(expr)) return expr;
    const column = { id: newId(), name: 'value', type: expr.type };
    made.push({ column, expr });
    return columnScalar(column);
  };
  const groupBy = rel.groupBy.map((item) => ({ ...item, expr: below(item.expr) }));
  const calls = rel.calls.map((call) => ({
    ...call,
    args: call.args.map(below),
    filter: call.filter === undefined ? undefined : below(call.filter),
    orderBy: call.orderBy.map((key) => ({ ...key, expr: below(key.expr) })),
  }));
  const passed = outputColumns(rel.input).map((column) => ({ column, expr: columnScalar(column) }));
  const input: Rel = { kind: 'project', input: rel.input, items: [...passed, ...made] };
  return { ...rel, input, groupBy, calls };
}

interface CompiledCall {
  readonly call: AggregateRel['calls'][number];
  readonly args: readonly Compiled[];
  readonly filter: Compiled | undefined;
  readonly distinct: RowKeyOf | undefined;
  readonly orderBy: readonly ((frame: Frame) => SortKey)[];
}

function aggregateCall(compiled: CompiledCall, frame: Frame): AggregateCall {
  return {
    aggregate: compiled.call.aggregate,
    args: compiled.args.map((arg) => evaluateIn(arg, frame)),
    filter: compiled.filter === undefined ? undefined : predicateIn(compiled.filter, frame),
    distinct: compiled.distinct,
    orderBy: compiled.orderBy.map((key) => key(frame)),
  };
}
