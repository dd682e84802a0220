/** INSERT, UPDATE and DELETE, but for what is INSERT's alone (insert.ts). */
import { must } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { Assignment, DeleteChange, UpdateChange } from '../algebra/change.ts';
import type { LockRel, ProjectItem, Rel } from '../algebra/rel.ts';
import type { ColumnDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Delete, Expr, SelectItem, SetItem, Update } from '../parser/ast.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import { coerceToColumn, finishUnknown } from './coerce.ts';
import { bindDefault } from './defaults.ts';
import { ExpressionBinder } from './expression-binder.ts';
import type { BoundFrom, Target } from './from.ts';
import { bindFrom, bindTarget } from './from.ts';
import { outputName } from './output-name.ts';
import { bindWith } from './query.ts';
import type { ScopeColumn } from './scope.ts';
import { Scope } from './scope.ts';

/** RETURNING: what it gives, and which table columns these plainly are. */
export interface BoundReturning {
  readonly items: readonly ProjectItem[];
  readonly sources: readonly (ScopeColumn | undefined)[];
}

export interface Bound<T> {
  readonly change: T;
  readonly returning: BoundReturning | undefined;
}

export function bindUpdate(ctx: BindContext, statement: Update): Bound<UpdateChange> {
  if (statement.whereCurrentOf !== undefined) {
    throw ctx.refused('WHERE CURRENT OF is not supported', statement.position);
  }
  const target = bindTarget(ctx, ctx.table(statement.table.name), statement.table.alias?.name);
  const outer = outerScope(ctx, statement.with);
  const from = bindFrom(ctx, statement.from, outer, target);
  const scope = scopeOf(from, outer);
  const binder = new ExpressionBinder(ctx, scope.in('UPDATE'));
  // In this order, so that of two mistakes the one that Postgres finds is reported.
  const source = matching(ctx, { from, scope, target }, statement.where);
  const returning = bindReturning(ctx, scope, statement.returning);
  const set = bindSet(ctx, binder, target.scan.table, statement.set);
  const change: UpdateChange = {
    ...{ kind: 'update', scan: target.scan, source, set },
    returning: returning?.items,
  };
  return { change, returning };
}

export function bindDelete(ctx: BindContext, statement: Delete): Bound<DeleteChange> {
  if (statement.whereCurrentOf !== undefined) {
    throw ctx.refused('WHERE CURRENT OF is not supported', statement.position);
  }
  const target = bindTarget(ctx, ctx.table(statement.table.name), statement.table.alias?.name);
  const outer = outerScope(ctx, statement.with);
  const from = bindFrom(ctx, statement.using, outer, target);
  const scope = scopeOf(from, outer);
  const source = matching(ctx, { from, scope, target }, statement.where);
  const returning = bindReturning(ctx, scope, statement.returning);
  const change: DeleteChange = {
    ...{ kind: 'delete', scan: target.scan, source },
    returning: returning?.items,
  };
  return { change, returning };
}

export function outerScope(ctx: BindContext, clause: Update['with']): Scope {
  const outer = new Scope();
  return clause === undefined ? outer : new Scope({ ctes: bindWith(ctx, clause, outer) });
}

function scopeOf(from: BoundFrom, outer: Scope): Scope {
  const { tables, columns } = from;
  return new Scope({ parent: outer, tables, columns });
}

/** The rows to change, locked. */
function matching(
  ctx: BindContext,
  parts: { readonly from: BoundFrom; readonly scope: Scope; readonly target: Target },
  where: Expr | undefined,
): LockRel {
  const { from, scope, target } = parts;
  const { table, keyColumn } = target.scan;
  let input: Rel = from.rel;
  if (where !== undefined) {
    const condition = new ExpressionBinder(ctx, scope.in('WHERE')).condition(where, 'WHERE');
    input = { kind: 'filter', input, condition };
  }
  const lock = { table, keyColumn, strength: 'update', wait: 'block' } as const;
  return { kind: 'lock', input, targets: [lock] };
}

/** SET of UPDATE and of ON CONFLICT. */
export function bindSet(
  ctx: BindContext,
  binder: ExpressionBinder,
  table: TableDescriptor,
  items: readonly SetItem[],
): Assignment[] {
  const assignments: Assignment[] = [];
  const assign = (name: string, position: number, value: Expr): void => {
    const ordinal = mustOrdinal(ctx, table, name, position);
    const column = must(table.columns[ordinal]);
    if (assignments.some((other) => other.ordinal === ordinal)) {
      const message = `multiple assignments to same column "${name}"`;
      throw ctx.error(SQLSTATE.SYNTAX_ERROR, message, position);
    }
    if (column.identity === 'always' && value.kind !== 'default') {
      const message = `column "${name}" can only be updated to DEFAULT`;
      throw ctx.error(SQLSTATE.GENERATED_ALWAYS, message, position, {
        detail: `Column "${name}" is an identity column defined as GENERATED ALWAYS.`,
      });
    }
    assignments.push({ ordinal, expr: columnValue(ctx, binder, column, value) });
  };
  for (const item of items) {
    if (item.kind === 'set column') {
      assign(item.column.name, item.column.position, item.value);
      continue;
    }
    const { columns, value } = item;
    if (value.kind !== 'row') {
      throw ctx.refused(
        'assigning several columns from a query is not supported',
        value.position,
        'Assign each column on its own.',
      );
    }
    if (value.fields.length !== columns.length) {
      const message = 'number of columns does not match number of values';
      throw ctx.error(SQLSTATE.SYNTAX_ERROR, message, value.position);
    }
    columns.forEach(({ name, position }, i) => assign(name, position, must(value.fields[i])));
  }
  return assignments;
}

/** A value as the column wants it; DEFAULT is the column's. */
export function columnValue(
  ctx: BindContext,
  binder: ExpressionBinder,
  column: ColumnDescriptor,
  value: Expr,
): Scalar {
  if (value.kind === 'default') return bindDefault(ctx, column);
  return coerceToColumn(ctx, binder.placed(value), column);
}

export function mustOrdinal(
  ctx: BindContext,
  table: TableDescriptor,
  name: string,
  position: number,
): number {
  const ordinal = table.columns.findIndex((column) => column.name === name && !column.isHidden);
  if (ordinal >= 0) return ordinal;
  throw ctx.error(
    SQLSTATE.UNDEFINED_COLUMN,
    `column "${name}" of relation "${table.name}" does not exist`,
    position,
  );
}

export function bindReturning(
  ctx: BindContext,
  scope: Scope,
  list: readonly SelectItem[],
): BoundReturning | undefined {
  if (list.length === 0) return undefined;
  const items: ProjectItem[] = [];
  const sources: (ScopeColumn | undefined)[] = [];
  const binder = new ExpressionBinder(ctx, scope.in('RETURNING'));
  for (const item of list) {
    if (item.kind === 'select star') {
      const { qualifier, position } = item;
      const columns =
        qualifier.length === 0 ? scope.columns : scope.table(ctx, qualifier, position).columns;
      for (const source of columns) {
        const column = { ...source.column, name: source.name };
        items.push({ column, expr: columnScalar(source.column) });
        sources.push(source);
      }
      continue;
    }
    const expr = finishUnknown(ctx, binder.placed(item.expr));
    const name = item.alias ?? outputName(item.expr);
    items.push({ column: ctx.newColumn(name, expr.type), expr });
    sources.push(item.expr.kind === 'column ref' ? scope.find(ctx, item.expr) : undefined);
  }
  return { items, sources };
}
