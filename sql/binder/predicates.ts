/** Comparisons of rows, IN, LIKE, ANY and ALL, EXISTS, and subqueries as values. */
import { must } from '../../src/base/assert.ts';
import type { BinaryScalar, Scalar } from '../algebra/scalar.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { negatorOf } from '../functions/operators.ts';
import { resolveFunction } from '../functions/scalar-functions.ts';
import type {
  Between,
  Expr,
  InList,
  InSubquery,
  IsDistinct,
  IsNull,
  Like,
  Quantified,
  Query,
  ScalarSubquery,
  RowConstructor,
} from '../parser/ast.ts';
import { canCoerce } from '../types/casts.ts';
import { BOOL, TEXT } from '../types/sql-type.ts';
import type { BoundQuery } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import type { Placed } from './coerce.ts';
import { coerceArgument, coerceCommon, coerceTo, commonTypeOf } from './coerce.ts';
import type { ExprBinder } from './expr-binder.ts';
import { bindOperator } from './expr-binder.ts';

export function and(operands: readonly Scalar[]): Scalar {
  return logical('and', operands);
}

export function or(operands: readonly Scalar[]): Scalar {
  return logical('or', operands);
}

function logical(kind: 'and' | 'or', operands: readonly Scalar[]): Scalar {
  const [only] = operands;
  return operands.length === 1 && only !== undefined ? only : { kind, type: BOOL, operands };
}

export function not(operand: Scalar, isWanted = true): Scalar {
  return isWanted ? { kind: 'not', type: BOOL, operand } : operand;
}

/** `left symbol right` as written; rows are compared field by field. */
export function bindComparison(
  binder: ExprBinder,
  symbol: string,
  operands: { readonly left: Expr; readonly right: Expr },
  position: number,
): Scalar {
  const { left, right } = operands;
  if (left.kind === 'row' && right.kind === 'row') {
    return bindRowComparison(binder, symbol, left, right, position);
  }
  if (left.kind === 'row' && right.kind === 'scalar subquery' && symbol === '=') {
    return bindAny(binder, { fields: left.fields, query: right.query, symbol, position });
  }
  const placed = { left: binder.placed(left), right: binder.placed(right) };
  return bindOperator(binder.ctx, symbol, placed, position);
}

function bindRowComparison(
  binder: ExprBinder,
  symbol: string,
  left: RowConstructor,
  right: RowConstructor,
  position: number,
): Scalar {
  const { ctx } = binder;
  if (left.fields.length !== right.fields.length) {
    throw ctx.error(
      SQLSTATE.SYNTAX_ERROR,
      'unequal number of entries in row expressions',
      position,
    );
  }
  const pairs = left.fields.map((field, i) => ({
    left: binder.placed(field),
    right: binder.placed(must(right.fields[i])),
  }));
  const compare = (by: string, i: number): Scalar =>
    bindOperator(ctx, by, must(pairs[i]), position);
  switch (symbol) {
    case '=':
      return and(pairs.map((_pair, i) => compare('=', i)));
    case '<>':
      return or(pairs.map((_pair, i) => compare('<>', i)));
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const strict = symbol.charAt(0);
      const last = pairs.length - 1;
      const ordered = (i: number): Scalar => {
        if (i === last) return compare(symbol, i);
        return or([compare(strict, i), and([compare('=', i), ordered(i + 1)])]);
      };
      return ordered(0);
    }
    default:
      throw ctx.refused(`operator ${symbol} of rows is not supported`, position);
  }
}

export function bindIsNull(binder: ExprBinder, expr: IsNull): Scalar {
  const { operand, negated } = expr;
  const isNull = (field: Expr): Scalar => ({
    ...{ kind: 'is null', type: BOOL, negated },
    operand: binder.bind(field),
  });
  return operand.kind === 'row' ? and(operand.fields.map(isNull)) : isNull(operand);
}

export function bindIsDistinct(binder: ExprBinder, expr: IsDistinct): Scalar {
  const { ctx } = binder;
  const placed = { left: binder.placed(expr.left), right: binder.placed(expr.right) };
  const { operator, left, right } = bindOperator(ctx, '=', placed, expr.position);
  const { negated } = expr;
  return { kind: 'is distinct', type: BOOL, operator, left, right, negated };
}

export function bindBetween(binder: ExprBinder, expr: Between): Scalar {
  const operand = binder.placed(expr.operand);
  const low = binder.placed(expr.low);
  const high = binder.placed(expr.high);
  const compare = (symbol: string, right: Placed): Scalar =>
    bindOperator(binder.ctx, symbol, { left: operand, right }, expr.position);
  const within = and([compare('>=', low), compare('<=', high)]);
  if (!expr.symmetric) return not(within, expr.negated);
  return not(or([within, and([compare('>=', high), compare('<=', low)])]), expr.negated);
}

export function bindInList(binder: ExprBinder, expr: InList): Scalar {
  const { ctx } = binder;
  const { operand, items, negated, position } = expr;
  if (operand.kind === 'row' || items.some((item) => item.kind === 'row')) {
    const equal = items.map((item) =>
      bindComparison(binder, '=', { left: operand, right: item }, position),
    );
    return not(or(equal), negated);
  }
  const left = binder.placed(operand);
  const placed = items.map((item) => binder.placed(item));
  const [only] = placed;
  if (only !== undefined && placed.length === 1) {
    const symbol = negated ? '<>' : '=';
    return bindOperator(ctx, symbol, { left, right: only }, position);
  }
  // NB: few types, however long the list.
  const byOid = new Map([left, ...placed].map(({ scalar }) => [scalar.type.oid, scalar.type]));
  const types = [...byOid.values()];
  const isMixed = types.some((a) => types.some((b) => !canCoerce(a, b, 'implicit')));
  if (isMixed) {
    // Says which pair has no operator, as Postgres does.
    for (const right of placed) bindOperator(ctx, '=', { left, right }, position);
  }
  const type = commonTypeOf(ctx, [left, ...placed], 'IN');
  return {
    ...{ kind: 'in', type: BOOL, negated },
    operand: coerceTo(ctx, left, type, 'IN'),
    items: placed.map((item) => coerceTo(ctx, item, type, 'IN')),
  };
}

const ESCAPE_FUNCTIONS = { false: 'like_escape', true: 'ilike_escape' } as const;

export function bindLike(binder: ExprBinder, expr: Like): Scalar {
  const { ctx } = binder;
  const left = binder.placed(expr.operand);
  const right = binder.placed(expr.pattern);
  if (expr.escape === undefined) {
    const symbol = `${expr.negated ? '!' : ''}~~${expr.caseInsensitive ? '*' : ''}`;
    return bindOperator(ctx, symbol, { left, right }, expr.position);
  }
  const fn = must(resolveFunction(ESCAPE_FUNCTIONS[`${expr.caseInsensitive}`], [TEXT, TEXT, TEXT]));
  const args = [left, right, binder.placed(expr.escape)];
  return not(
    {
      ...{ kind: 'call', type: BOOL, fn },
      args: args.map((arg) => coerceArgument(ctx, arg, TEXT)),
    },
    expr.negated,
  );
}

export function bindExists(binder: ExprBinder, query: Query): Scalar {
  const { rel } = binder.ctx.bindQuery(query, binder.scope);
  return {
    ...{ kind: 'subquery', mode: 'exists', type: BOOL, query: rel },
    column: undefined,
    comparisons: [],
  };
}

export function bindScalarSubquery(
  binder: ExprBinder,
  { query, position }: ScalarSubquery,
): Scalar {
  const { ctx, scope } = binder;
  const { rel, columns } = ctx.bindQuery(query, scope);
  const [column] = columns;
  if (column === undefined || columns.length > 1) {
    const message = 'subquery must return only one column';
    throw ctx.error(SQLSTATE.SYNTAX_ERROR, message, position);
  }
  return {
    ...{ kind: 'subquery', mode: 'scalar', type: column.type, query: rel },
    column: columnScalar(column),
    comparisons: [],
  };
}

export function bindInSubquery(binder: ExprBinder, expr: InSubquery): Scalar {
  const { operand, query, position, negated } = expr;
  const fields = operand.kind === 'row' ? operand.fields : [operand];
  return not(bindAny(binder, { fields, query, symbol: '=', position }), negated);
}

export function bindQuantified(binder: ExprBinder, expr: Quantified): Scalar {
  const { left, right, operator, quantifier, position } = expr;
  if (right.kind !== 'query') {
    throw binder.ctx.refused(
      `${quantifier.toUpperCase()} of an array is not supported`,
      position,
      'Arrays are not supported yet: use IN with a list.',
    );
  }
  const fields = left.kind === 'row' ? left.fields : [left];
  if (quantifier === 'any') {
    return bindAny(binder, { fields, query: right, symbol: operator, position });
  }
  // x op ALL (q) is NOT (x negated-op ANY (q)).
  const negated = negatorOf(operator);
  if (negated === undefined) {
    throw binder.ctx.refused(`operator ${operator} with ALL is not supported`, position);
  }
  return not(bindAny(binder, { fields, query: right, symbol: negated, position }));
}

interface AnyOf {
  readonly fields: readonly Expr[];
  readonly query: Query;
  readonly symbol: string;
  readonly position: number;
}

function bindAny(binder: ExprBinder, { fields, query, symbol, position }: AnyOf): Scalar {
  const { ctx, scope } = binder;
  // In this order, so that of two mistakes the one that Postgres finds is reported.
  const bound = ctx.bindQuery(query, scope);
  const left = fields.map((field) => binder.placed(field));
  checkWidth(binder, bound, left.length, position);
  if (left.length > 1 && symbol !== '=') {
    throw ctx.refused(`operator ${symbol} of a row and a subquery is not supported`, position);
  }
  const comparisons = left.map((operand, i): BinaryScalar => {
    const right = { scalar: columnScalar(must(bound.columns[i])), position };
    return bindOperator(ctx, symbol, { left: operand, right }, position);
  });
  return {
    ...{ kind: 'subquery', mode: 'any', type: BOOL, query: bound.rel },
    column: undefined,
    comparisons,
  };
}

function checkWidth(
  binder: ExprBinder,
  { columns }: BoundQuery,
  width: number,
  position: number,
): void {
  if (columns.length === width) return;
  const message = `subquery has too ${columns.length > width ? 'many' : 'few'} columns`;
  throw binder.ctx.error(SQLSTATE.SYNTAX_ERROR, message, position);
}

/** COALESCE, GREATEST, LEAST and CASE results: one type for all. */
export function bindCommon(
  binder: ExprBinder,
  exprs: readonly Expr[],
  what: string,
): {
  readonly type: Scalar['type'];
  readonly scalars: readonly Scalar[];
} {
  return coerceCommon(
    binder.ctx,
    exprs.map((expr) => binder.placed(expr)),
    what,
  );
}
