/** Queries: WITH, VALUES, set operations, ORDER BY over their output, LIMIT. */
import { must, unreachable } from '../../src/base/assert.ts';
import type { ColumnScalar, Scalar } from '../algebra/scalar.ts';
import type { ProjectItem, Rel, RelColumn, SetRel, SortKeyRel } from '../algebra/rel.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type {
  Expr,
  Query,
  QueryBody,
  SetOperation,
  SortItem,
  Values,
  WithClause,
} from '../parser/ast.ts';
import { displayName, INT8, sameType } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { CastContext } from '../types/casts.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import { coerceCommon, commonTypeOf, finishUnknown, tryCoerce } from './coerce.ts';
import { bindSortItem } from './expr-binder.ts';
import { ExpressionBinder } from './expression-binder.ts';
import type { BoundSelect } from './select.ts';
import { bindSelect } from './select.ts';
import type { Cte } from './scope.ts';
import { Scope } from './scope.ts';
import { startOf } from './start-of.ts';

/** A query is what a SELECT is to those who use it. */
export type FullQuery = BoundSelect;

/** `keepsUnknown`: see `SelectClauses`. */
export function bindQuery(
  ctx: BindContext,
  query: Query,
  outer: Scope,
  keepsUnknown = false,
): FullQuery {
  const scope =
    query.with === undefined
      ? outer
      : new Scope({ parent: outer, ctes: bindWith(ctx, query.with, outer) });
  if (query.withTies) throw ctx.refused('WITH TIES is not supported', query.position);
  const bound = bindBody(ctx, query, scope, keepsUnknown);
  return { ...bound, rel: limited(ctx, query, scope, bound.rel) };
}

/** The names that WITH brings, added to those of `outer`. */
export function bindWith(
  ctx: BindContext,
  clause: WithClause,
  outer: Scope,
): ReadonlyMap<string, Cte> {
  let ctes: ReadonlyMap<string, Cte> = outer.ctes;
  const seen = new Set<string>();
  for (const definition of clause.ctes) {
    const { name, position } = definition;
    if (seen.has(name)) {
      const message = `WITH query name "${name}" specified more than once`;
      throw ctx.error(SQLSTATE.DUPLICATE_ALIAS, message, position);
    }
    seen.add(name);
    if (definition.statement.kind !== 'query') {
      throw ctx.refused('data-modifying statements in WITH are not supported', position);
    }
    const own: Cte = { definition, scope: outer, isSelf: true, unused: undefined };
    const visible = clause.recursive ? new Map(ctes).set(name, own) : ctes;
    const scope = new Scope({ parent: outer, ctes: visible });
    // Bound here, so that an error in a query that nothing uses is found.
    const unused = bindQuery(ctx, definition.statement, scope);
    ctes = new Map(ctes).set(name, { definition, scope, isSelf: false, unused });
  }
  return ctes;
}

function bindBody(ctx: BindContext, query: Query, scope: Scope, keepsUnknown: boolean): FullQuery {
  const { body, orderBy, locking } = query;
  if (body.kind === 'select') {
    return bindSelect(ctx, body, scope, { orderBy, locking, keepsUnknown });
  }
  const [lock] = locking;
  if (lock !== undefined) {
    const what = `FOR ${lock.strength.toUpperCase()}`;
    const place = body.kind === 'values' ? 'VALUES' : 'UNION/INTERSECT/EXCEPT';
    throw ctx.refused(`${what} is not allowed with ${place}`, lock.position);
  }
  const bound = bindOperand(ctx, body, scope, keepsUnknown);
  return { ...bound, rel: sortedOutput(ctx, bound, orderBy, { scope, body: body.kind }) };
}

function bindOperand(
  ctx: BindContext,
  body: QueryBody,
  scope: Scope,
  keepsUnknown: boolean,
): FullQuery {
  switch (body.kind) {
    case 'select':
      return bindSelect(ctx, body, scope, { orderBy: [], locking: [], keepsUnknown });
    case 'values':
      return bindValues(ctx, body, scope, keepsUnknown);
    case 'set operation':
      return bindSetOperation(ctx, body, scope);
    case 'query':
      return bindQuery(ctx, body, scope, keepsUnknown);
    default:
      return unreachable(body);
  }
}

function bindValues(
  ctx: BindContext,
  values: Values,
  outer: Scope,
  keepsUnknown: boolean,
): FullQuery {
  const binder = new ExpressionBinder(ctx, outer.in('VALUES'));
  checkWidths(ctx, values);
  const rows = values.rows.map((row) => row.map((expr) => binder.placed(expr)));
  const width = rows[0]?.length ?? 0;
  const columns: RelColumn[] = [];
  const scalars: Scalar[][] = rows.map(() => []);
  for (let i = 0; i < width; i++) {
    const placed = rows.map((row) => must(row[i]));
    const [only] = placed;
    const isOpen = keepsUnknown && rows.length === 1 && only !== undefined;
    const { type, scalars: column } = isOpen
      ? { type: only.scalar.type, scalars: [only.scalar] }
      : coerceCommon(ctx, placed, 'VALUES');
    columns.push(ctx.newColumn(`column${i + 1}`, type));
    column.forEach((scalar, r) => scalars[r]?.push(scalar));
  }
  const rel: Rel = { kind: 'values', columns, rows: scalars };
  const positions = rows[0]?.map(({ position }) => position) ?? [];
  return { rel, columns, sources: columns.map(() => undefined), positions };
}

export function checkWidths(ctx: BindContext, values: Values): void {
  const width = values.rows[0]?.length;
  for (const row of values.rows) {
    if (row.length === width) continue;
    throw ctx.error(
      SQLSTATE.SYNTAX_ERROR,
      'VALUES lists must all be the same length',
      row[0]?.position ?? values.position,
    );
  }
}

function bindSetOperation(ctx: BindContext, body: SetOperation, scope: Scope): FullQuery {
  const what = body.operator.toUpperCase();
  const left = bindOperand(ctx, body.left, scope, true);
  const right = bindOperand(ctx, body.right, scope, true);
  if (left.columns.length !== right.columns.length) {
    const message = `each ${what} query must have the same number of columns`;
    const position = right.positions[0] ?? body.right.position;
    throw ctx.error(SQLSTATE.SYNTAX_ERROR, message, position);
  }
  const types = left.columns.map((column, i) => {
    const other = must(right.columns[i]);
    const position = right.positions[i] ?? body.right.position;
    const sides = [column, other].map((c) => ({ scalar: columnScalar(c), position }));
    return commonTypeOf(ctx, sides, what);
  });
  const columns = left.columns.map((column, i) => ctx.newColumn(column.name, must(types[i])));
  const rel: SetRel = {
    ...{ kind: 'set operation', operator: body.operator, isAll: body.all, columns },
    left: withTypes(ctx, left, types, 'implicit', what).rel,
    right: withTypes(ctx, right, types, 'implicit', what).rel,
  };
  return { rel, columns, sources: columns.map(() => undefined), positions: left.positions };
}

/**
 * The query with columns of the given types; all of its output columns, in order, and nothing else. Untyped literals
 * and parameters of its select list take the types as if they stood there. `fail` makes the error for a column.
 */
export function withTypes(
  ctx: BindContext,
  query: FullQuery,
  types: readonly SqlType[],
  context: CastContext,
  what: string,
  fail?: (i: number, from: SqlType) => Error,
): FullQuery {
  const inner = openItems(query.rel);
  const columns: RelColumn[] = [];
  const items = query.columns.map((column, i): ProjectItem => {
    const type = must(types[i]);
    const open = inner?.items[i]?.expr;
    const isOpen = open !== undefined && open.type.name === 'unknown';
    const scalar: Scalar = isOpen ? open : columnScalar(column);
    const position = query.positions[i] ?? -1;
    const coerced = tryCoerce(ctx, { scalar, position }, type, context);
    if (coerced === undefined) {
      throw (
        fail?.(i, column.type) ??
        ctx.error(
          SQLSTATE.CANNOT_COERCE,
          `${what} could not convert type ${displayName(column.type)} to ${displayName(type)}`,
          position,
        )
      );
    }
    const isSame = coerced === scalar && sameType(column.type, type);
    const made = isSame ? column : ctx.newColumn(column.name, type);
    columns.push(made);
    return { column: made, expr: coerced };
  });
  const rel: Rel = { kind: 'project', input: query.rel, items };
  return { rel, columns, sources: query.sources, positions: query.positions };
}

/** The projection, or the one row of values, whose expressions may still be untyped. */
function openItems(rel: Rel): { readonly items: readonly ProjectItem[] } | undefined {
  switch (rel.kind) {
    case 'project':
      return rel;
    case 'values': {
      const [row] = rel.rows;
      if (row === undefined || rel.rows.length > 1) return undefined;
      return { items: rel.columns.map((column, i) => ({ column, expr: must(row[i]) })) };
    }
    case 'limit':
    case 'sort':
      return openItems(rel.input);
    default:
      return undefined;
  }
}

function sortedOutput(
  ctx: BindContext,
  bound: FullQuery,
  orderBy: readonly SortItem[],
  { scope, body }: { readonly scope: Scope; readonly body: QueryBody['kind'] },
): Rel {
  if (orderBy.length === 0) return bound.rel;
  const columns = bound.columns.map((column) => ({
    ...{ name: column.name, column, tableId: 0, columnNumber: 0 },
  }));
  const binder = new ExpressionBinder(ctx, new Scope({ parent: scope, columns }).in('ORDER BY'));
  const keys = orderBy.map((item): SortKeyRel => {
    if (body === 'set operation') onlyOutputNames(ctx, item.expr);
    return bindSortItem(binder, item, outputColumn(ctx, bound.columns, item.expr));
  });
  return { kind: 'sort', input: bound.rel, keys };
}

function onlyOutputNames(ctx: BindContext, expr: Expr): void {
  if (expr.kind === 'number' || (expr.kind === 'column ref' && expr.parts.length === 1)) return;
  throw ctx.error(
    SQLSTATE.FEATURE_NOT_SUPPORTED,
    'invalid UNION/INTERSECT/EXCEPT ORDER BY clause',
    startOf(expr),
    {
      detail: 'Only result column names can be used, not expressions or functions.',
      hint:
        'Add the expression/function to every SELECT, ' + 'or move the UNION into a FROM clause.',
    },
  );
}

function outputColumn(
  ctx: BindContext,
  columns: readonly RelColumn[],
  expr: Expr,
): ColumnScalar | undefined {
  if (expr.kind !== 'number') return undefined;
  const column = columns[Number(expr.text) - 1];
  if (column !== undefined) return columnScalar(column);
  throw ctx.error(
    SQLSTATE.INVALID_COLUMN_REFERENCE,
    `ORDER BY position ${expr.text} is not in select list`,
    expr.position,
  );
}

function limited(ctx: BindContext, query: Query, scope: Scope, input: Rel): Rel {
  if (query.limit === undefined && query.offset === undefined) return input;
  return {
    ...{ kind: 'limit', input },
    limit: rowCount(ctx, query.limit, scope, 'LIMIT'),
    offset: rowCount(ctx, query.offset, scope, 'OFFSET'),
  };
}

function rowCount(
  ctx: BindContext,
  expr: Expr | undefined,
  scope: Scope,
  clause: string,
): Scalar | undefined {
  if (expr === undefined) return undefined;
  const placed = new ExpressionBinder(ctx, scope.in(clause)).placed(expr);
  const coerced = tryCoerce(ctx, placed, INT8, 'assignment');
  if (coerced !== undefined) return coerced;
  throw ctx.error(
    SQLSTATE.DATATYPE_MISMATCH,
    `argument of ${clause} must be type bigint, not type ${displayName(placed.scalar.type)}`,
    expr.position,
  );
}

/** The whole statement's query: nothing of its output stays untyped. */
export function bindTopQuery(ctx: BindContext, query: Query): FullQuery {
  const bound = bindQuery(ctx, query, new Scope({ clause: 'this statement' }));
  if (bound.columns.every((column) => column.type.name !== 'unknown')) return bound;
  const types = bound.columns.map(
    (column) => finishUnknown(ctx, { scalar: columnScalar(column), position: -1 }).type,
  );
  return withTypes(ctx, bound, types, 'implicit', 'SELECT');
}
