/**
 * GROUP BY and aggregates: which expressions form the groups, and the check that everything above them is made of
 * group expressions and aggregates only (42803).
 */
import type { ColumnId, ColumnScalar, Scalar } from '../algebra/scalar.ts';
import type { AggregateRel, ProjectItem, Rel } from '../algebra/rel.ts';
import { outputIds } from '../algebra/rel.ts';
import { scalarKey } from '../algebra/scalar-key.ts';
import { freeColumns, rewriteScalar } from '../algebra/walk.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import type { AggregateCollector, Scope, ScopeTable } from './scope.ts';

/** The aggregation of a query level, and what it makes of expressions above it. */
export interface Grouped {
  readonly rel: AggregateRel;
  /** The expression in terms of groups and aggregates; `position` where it was written. */
  above(scalar: Scalar, position: number): Scalar;
}

export function groupRows(
  ctx: BindContext,
  input: Rel,
  parts: {
    readonly scope: Scope;
    readonly groupBy: readonly Scalar[];
    readonly collector: AggregateCollector;
  },
): Grouped {
  const { scope, collector } = parts;
  const groups = new Map<string, ProjectItem>();
  const isGrouped = new Set<ColumnId>();
  const group = (expr: Scalar): void => {
    const key = scalarKey(expr);
    if (groups.has(key)) return;
    const isColumn = expr.kind === 'column';
    const column = isColumn
      ? { id: expr.id, name: expr.name, type: expr.type }
      : ctx.newColumn('group', expr.type);
    groups.set(key, { column, expr });
    isGrouped.add(column.id);
  };
  parts.groupBy.forEach(group);
  for (const column of dependentColumns(input, scope, isGrouped)) group(column);
  const rel: AggregateRel = {
    ...{ kind: 'aggregate', input, calls: collector.calls },
    groupBy: [...groups.values()],
  };
  const local = outputIds(input);
  const aggregates = new Set(collector.calls.map((call) => call.column.id));

  const above = (scalar: Scalar, position: number): Scalar =>
    rewriteScalar(
      scalar,
      (part) => {
        const known = groups.get(scalarKey(part));
        if (known !== undefined) return columnScalar(known.column);
        if (part.kind !== 'column' || aggregates.has(part.id) || !local.has(part.id)) {
          return undefined;
        }
        throw ungrouped(ctx, scope, part, position);
      },
      (query) => {
        for (const id of freeColumns(query)) {
          if (local.has(id) && !isGrouped.has(id)) throw ungroupedInside(ctx, scope, id, position);
        }
        return query;
      },
    );
  return { rel, above };
}

/** The other columns of a table whose primary key is among the groups: it decides them (Postgres chapter 7.2.3). */
function* dependentColumns(
  rel: Rel,
  scope: Scope,
  isGrouped: ReadonlySet<ColumnId>,
): Iterable<ColumnScalar> {
  if (rel.kind === 'filter') yield* dependentColumns(rel.input, scope, isGrouped);
  if (rel.kind === 'join') {
    yield* dependentColumns(rel.left, scope, isGrouped);
    if (rel.joinKind !== 'semi' && rel.joinKind !== 'anti') {
      yield* dependentColumns(rel.right, scope, isGrouped);
    }
  }
  if (rel.kind !== 'scan' || !rel.table.hasPrimaryKey) return;
  const keyIds = rel.table.primary.columns.map(({ columnId }) => {
    const ordinal = rel.table.columns.findIndex((column) => column.id === columnId);
    return rel.columns[ordinal]?.id ?? -1;
  });
  if (!keyIds.every((id) => isGrouped.has(id))) return;
  for (const column of rel.columns) {
    if (!isGrouped.has(column.id)) yield columnScalar(column);
  }
}

function ungrouped(ctx: BindContext, scope: Scope, column: ColumnScalar, position: number): Error {
  return ctx.error(
    SQLSTATE.GROUPING_ERROR,
    `column "${shownColumn(scope.tables, column.id) ?? column.name}" must appear in the GROUP BY ` +
      'clause or be used in an aggregate function',
    column.position >= 0 ? column.position : position,
  );
}

function ungroupedInside(ctx: BindContext, scope: Scope, id: ColumnId, position: number): Error {
  return ctx.error(
    SQLSTATE.GROUPING_ERROR,
    `subquery uses ungrouped column "${shownColumn(scope.tables, id) ?? ''}" from outer query`,
    position,
  );
}

function shownColumn(tables: readonly ScopeTable[], id: ColumnId): string | undefined {
  for (const table of tables) {
    const found = table.columns.find((column) => column.column.id === id);
    if (found !== undefined) return `${table.alias}.${found.name}`;
  }
  return undefined;
}
