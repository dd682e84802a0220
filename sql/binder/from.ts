/** FROM: tables, subqueries, functions and joins, and the names that they bring. */
import { must, unreachable } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { JoinRel, ProjectItem, Rel, RelColumn, ScanRel } from '../algebra/rel.ts';
import { outputColumns, outputIds } from '../algebra/rel.ts';
import { freeColumns } from '../algebra/walk.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { isSetFunctionName, resolveSetFunction } from '../functions/scalar-functions.ts';
import type {
  DerivedTable,
  FromItem,
  FunctionTable,
  Join,
  TableAlias,
  TableRef,
} from '../parser/ast.ts';
import { BYTEA, INT8 } from '../types/sql-type.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import { coerceArgument, coerceTo, commonTypeOf, finishUnknown } from './coerce.ts';
import { bindOperator } from './expr-binder.ts';
import { ExpressionBinder } from './expression-binder.ts';
import { outputName } from './output-name.ts';
import { and } from './predicates.ts';
import type { ScopeColumn, ScopeTable } from './scope.ts';
import { Scope } from './scope.ts';

/** A relation and what it is called. */
export interface BoundFrom {
  readonly rel: Rel;
  readonly tables: readonly ScopeTable[];
  readonly columns: readonly ScopeColumn[];
}

/** Comma-separated items, left to right; without any, one empty row. `first` stands before them all. */
export function bindFrom(
  ctx: BindContext,
  items: readonly FromItem[],
  outer: Scope,
  first?: BoundFrom,
): BoundFrom {
  let bound = first;
  for (const item of items) {
    const right = bindItem(ctx, item, outer, bound);
    bound = bound === undefined ? right : combine(ctx, bound, right, item.position);
  }
  return bound ?? { rel: { kind: 'values', columns: [], rows: [[]] }, tables: [], columns: [] };
}

/** A table that rows are changed in, under its alias. */
export function bindTarget(ctx: BindContext, table: TableDescriptor, alias?: string): Target {
  const shown = alias ?? table.name;
  const scan = scanOf(ctx, table, shown);
  const columns = tableColumns(scan);
  const schema = alias === undefined ? table.schema : undefined;
  return {
    rel: scan,
    scan,
    columns,
    tables: [{ alias: shown, schema, relation: table.name, columns }],
  };
}

export interface Target extends BoundFrom {
  readonly scan: ScanRel;
}

/** Two sides beside each other, not yet joined by a condition. */
function combine(
  ctx: BindContext,
  left: BoundFrom,
  right: BoundFrom,
  position: number,
  joinKind: JoinRel['joinKind'] = 'inner',
): BoundFrom & { readonly rel: JoinRel } {
  for (const table of right.tables) {
    if (!left.tables.some((other) => isSameTable(table, other))) continue;
    throw ctx.error(
      SQLSTATE.DUPLICATE_ALIAS,
      `table name "${table.alias}" specified more than once`,
      position,
    );
  }
  return {
    rel: {
      ...{ kind: 'join', joinKind, left: left.rel, right: right.rel },
      condition: undefined,
    },
    tables: [...left.tables, ...right.tables],
    columns: [...left.columns, ...right.columns],
  };
}

function isSameTable(a: ScopeTable, b: ScopeTable): boolean {
  if (a.alias === '' || a.alias !== b.alias) return false;
  return a.schema === undefined || b.schema === undefined || a.schema === b.schema;
}

function bindItem(
  ctx: BindContext,
  item: FromItem,
  outer: Scope,
  before: BoundFrom | undefined,
): BoundFrom {
  ctx.countRelation(item.position);
  switch (item.kind) {
    case 'table ref':
      return bindTableRef(ctx, item, outer);
    case 'derived table':
      return bindDerived(ctx, item, item.lateral ? lateral(outer, before) : beside(outer, before));
    case 'function table':
      return bindFunctionTable(ctx, item, lateral(outer, before));
    case 'join':
      return bindJoin(ctx, item, outer, before);
    default:
      return unreachable(item);
  }
}

/** What any other item sees: only what is outside, but errors know what stands before it. */
function beside(outer: Scope, before: BoundFrom | undefined): Scope {
  return before === undefined ? outer : new Scope({ parent: outer, hidden: before.tables });
}

/** What a lateral item sees: what stands before it, then what is outside. */
function lateral(outer: Scope, before: BoundFrom | undefined): Scope {
  if (before === undefined) return outer;
  const { tables, columns } = before;
  return new Scope({ parent: outer, tables, columns, clause: 'functions in FROM' });
}

function bindTableRef(ctx: BindContext, item: TableRef, outer: Scope): BoundFrom {
  const { name, alias } = item;
  const cte = name.schema === undefined ? outer.ctes.get(name.name) : undefined;
  if (cte === undefined) {
    const table = ctx.table(name);
    const shown = alias?.name ?? name.name;
    const rel = scanOf(ctx, table, shown);
    const schema = alias === undefined ? table.schema : undefined;
    const columns = renamed(ctx, tableColumns(rel), alias, shown);
    return { rel, tables: [{ alias: shown, schema, relation: name.name, columns }], columns };
  }
  if (cte.isSelf) throw ctx.refused('recursive queries are not supported', item.position);
  const { definition } = cte;
  if (definition.statement.kind !== 'query') {
    throw ctx.refused('data-modifying statements in WITH are not supported', definition.position);
  }
  const bound = cte.unused ?? ctx.bindQuery(definition.statement, cte.scope);
  cte.unused = undefined;
  const { columns: names, position } = definition;
  const own = { name: name.name, columns: names, position };
  const columns = renamed(ctx, bound.columns.map(plainColumn), own, name.name, 'WITH query');
  const shown = alias?.name ?? name.name;
  const again = renamed(ctx, columns, alias, shown);
  return {
    rel: bound.rel,
    tables: [{ alias: shown, schema: undefined, columns: again }],
    columns: again,
  };
}

function scanOf(ctx: BindContext, table: TableDescriptor, alias: string): ScanRel {
  return {
    kind: 'scan',
    table,
    alias,
    columns: table.columns.map((column) => ctx.newColumn(column.name, column.type)),
    keyColumn: ctx.newColumn('(key)', BYTEA),
  };
}

/** The columns that a table's name brings: hidden ones are not among them. */
function tableColumns(scan: ScanRel): ScopeColumn[] {
  let columnNumber = 0;
  return scan.table.columns.flatMap((descriptor, ordinal) => {
    if (descriptor.isHidden) return [];
    columnNumber++;
    const column = must(scan.columns[ordinal]);
    return [{ name: descriptor.name, column, tableId: scan.table.id, columnNumber }];
  });
}

function plainColumn(column: RelColumn): ScopeColumn {
  return { name: column.name, column, tableId: 0, columnNumber: 0 };
}

function renamed(
  ctx: BindContext,
  columns: readonly ScopeColumn[],
  alias: TableAlias | undefined,
  shown: string,
  what = 'table',
): ScopeColumn[] {
  const names = alias?.columns ?? [];
  if (names.length > columns.length) {
    throw ctx.error(
      SQLSTATE.INVALID_COLUMN_REFERENCE,
      `${what} "${shown}" has ${columns.length} columns available but ` +
        `${names.length} columns specified`,
      alias?.position ?? 0,
    );
  }
  return columns.map((column, i) => {
    const name = names[i];
    return name === undefined ? column : { ...column, name };
  });
}

function bindDerived(ctx: BindContext, item: DerivedTable, outer: Scope): BoundFrom {
  const bound = ctx.bindQuery(item.query, outer);
  const alias = item.alias?.name ?? '';
  const columns = renamed(ctx, bound.columns.map(plainColumn), item.alias, alias);
  return { rel: bound.rel, tables: [{ alias, schema: undefined, columns }], columns };
}

function bindFunctionTable(ctx: BindContext, item: FunctionTable, scope: Scope): BoundFrom {
  if (item.columnDefinitions.length > 0) {
    throw ctx.refused('column definition lists are not supported', item.position);
  }
  const { call } = item;
  const binder = new ExpressionBinder(ctx, scope.in('functions in FROM'));
  const name = outputName(call);
  const alias = item.alias?.name ?? name;
  let rel: Rel;
  if (call.kind === 'function call' && isSetFunctionName(call.name)) {
    const args = call.args.map((arg) => binder.placed(arg));
    const types = args.map(({ scalar }) => scalar.type);
    const fn = must(ctx.at(call.position, () => resolveSetFunction(call.name, types)));
    rel = {
      ...{ kind: 'function', fn },
      args: args.map((arg, i) => coerceArgument(ctx, arg, fn.argTypes[i] ?? arg.scalar.type)),
      column: ctx.newColumn(alias, fn.resultType),
      ordinality: item.withOrdinality ? ctx.newColumn('ordinality', INT8) : undefined,
    };
  } else {
    if (item.withOrdinality) {
      throw ctx.refused('WITH ORDINALITY of this function is not supported', item.position);
    }
    const value = finishUnknown(ctx, binder.placed(call));
    rel = { kind: 'values', columns: [ctx.newColumn(alias, value.type)], rows: [[value]] };
  }
  const columns = renamed(ctx, outputColumns(rel).map(plainColumn), item.alias, alias);
  return { rel, tables: [{ alias, schema: undefined, columns }], columns };
}

function bindJoin(
  ctx: BindContext,
  join: Join,
  outer: Scope,
  before: BoundFrom | undefined,
): BoundFrom {
  const left = bindItem(ctx, join.left, outer, before);
  const seen = before === undefined ? left : combine(ctx, before, left, join.position);
  const right = bindItem(ctx, join.right, outer, seen);
  const joinKind = join.joinType === 'cross' ? 'inner' : join.joinType;
  if (joinKind === 'right' || joinKind === 'full') refuseLateral(ctx, left, right, join.position);
  const both = combine(ctx, left, right, join.right.position, joinKind);
  const names = join.natural ? commonNames(left, right) : join.using;
  if (join.natural || join.using.length > 0) {
    return aliased(ctx, joinUsing(ctx, { join, left, right, both }, names), join.alias);
  }
  if (join.on === undefined) return aliased(ctx, both, join.alias);
  const { tables, columns } = both;
  const scope = new Scope({
    ...{ parent: outer, tables, columns, clause: 'JOIN conditions' },
    hidden: before?.tables,
  });
  const condition = new ExpressionBinder(ctx, scope).condition(join.on, 'JOIN/ON');
  return aliased(ctx, { ...both, rel: { ...both.rel, condition } }, join.alias);
}

function refuseLateral(
  ctx: BindContext,
  left: BoundFrom,
  right: BoundFrom,
  position: number,
): void {
  const given = outputIds(left.rel);
  const used = [...freeColumns(right.rel)].find((id) => given.has(id));
  if (used === undefined) return;
  const table = left.tables.find(({ columns }) => columns.some((c) => c.column.id === used));
  throw ctx.error(
    SQLSTATE.INVALID_COLUMN_REFERENCE,
    `invalid reference to FROM-clause entry for table "${table?.alias ?? ''}"`,
    position,
    { detail: 'The combining JOIN type must be INNER or LEFT for a LATERAL reference.' },
  );
}

function aliased(ctx: BindContext, from: BoundFrom, alias: TableAlias | undefined): BoundFrom {
  if (alias === undefined) return from;
  const columns = renamed(ctx, from.columns, alias, alias.name);
  return { rel: from.rel, columns, tables: [{ alias: alias.name, schema: undefined, columns }] };
}

interface Name {
  readonly name: string;
  readonly position: number;
}

function commonNames(left: BoundFrom, right: BoundFrom): Name[] {
  const inRight = new Set(right.columns.map((column) => column.name));
  const names = new Set(left.columns.map((column) => column.name));
  return [...names].filter((name) => inRight.has(name)).map((name) => ({ name, position: 0 }));
}

interface Sides {
  readonly join: Join;
  readonly left: BoundFrom;
  readonly right: BoundFrom;
  readonly both: BoundFrom & { readonly rel: JoinRel };
}

function joinUsing(
  ctx: BindContext,
  { join, left, right, both }: Sides,
  names: readonly Name[],
): BoundFrom {
  const conditions: Scalar[] = [];
  const merged: ScopeColumn[] = [];
  const made: ProjectItem[] = [];
  const used = new Set<ScopeColumn>();
  for (const { name, position } of names) {
    const l = onlyColumn(ctx, left, { name, position }, 'left');
    const r = onlyColumn(ctx, right, { name, position }, 'right');
    used.add(l).add(r);
    const placed = {
      left: { scalar: columnScalar(l.column), position },
      right: { scalar: columnScalar(r.column), position },
    };
    conditions.push(bindOperator(ctx, '=', placed, position));
    const type = commonTypeOf(ctx, [placed.left, placed.right], 'JOIN/USING');
    const values = [placed.left, placed.right].map((p) => coerceTo(ctx, p, type, 'JOIN/USING'));
    const value = mergedValue(join.joinType, must(values[0]), must(values[1]));
    if (value.kind === 'column') {
      merged.push({ ...(value.id === l.column.id ? l : r), name });
      continue;
    }
    const column = ctx.newColumn(name, type);
    made.push({ column, expr: value });
    merged.push({ name, column, tableId: 0, columnNumber: 0 });
  }
  const condition = conditions.length === 0 ? undefined : and(conditions);
  let rel: Rel = { ...both.rel, condition };
  if (made.length > 0) {
    const kept = outputColumns(rel).map((column) => ({ column, expr: columnScalar(column) }));
    rel = { kind: 'project', input: rel, items: [...kept, ...made] };
  }
  return {
    rel,
    tables: both.tables,
    columns: [...merged, ...both.columns.filter((column) => !used.has(column))],
  };
}

function mergedValue(joinType: Join['joinType'], left: Scalar, right: Scalar): Scalar {
  switch (joinType) {
    case 'right':
      return right;
    case 'full':
      return { kind: 'coalesce', type: left.type, operands: [left, right] };
    default:
      return left;
  }
}

function onlyColumn(
  ctx: BindContext,
  from: BoundFrom,
  { name, position }: Name,
  side: 'left' | 'right',
): ScopeColumn {
  const found = from.columns.filter((column) => column.name === name);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw only === undefined
    ? ctx.error(
        SQLSTATE.UNDEFINED_COLUMN,
        `column "${name}" specified in USING clause does not exist in ${side} table`,
        position,
      )
    : ctx.error(
        SQLSTATE.AMBIGUOUS_COLUMN,
        `common column name "${name}" appears more than once in ${side} table`,
        position,
      );
}
