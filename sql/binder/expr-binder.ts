/** What the parts of the expression binder know of each other. */
import type { BinaryScalar, Scalar } from '../algebra/scalar.ts';
import type { SortKeyRel } from '../algebra/rel.ts';
import { notSupported } from '../errors/sql-error.ts';
import { resolveBinary } from '../functions/operators.ts';
import type { Expr, SortItem } from '../parser/ast.ts';
import type { BindContext } from './bind-context.ts';
import type { Placed } from './coerce.ts';
import { coerceArgument, finishUnknown } from './coerce.ts';
import type { Scope } from './scope.ts';

export interface ExprBinder {
  readonly ctx: BindContext;
  readonly scope: Scope;
  bind(expr: Expr): Scalar;
  placed(expr: Expr): Placed;
  /** The same binder where other names are known. */
  within(scope: Scope): ExprBinder;
}

/** `left symbol right`, with the operator for their types. */
export function bindOperator(
  ctx: BindContext,
  symbol: string,
  operands: { readonly left: Placed; readonly right: Placed },
  position: number,
): BinaryScalar {
  const { left, right } = operands;
  const operator = ctx.at(position, () =>
    resolveBinary(symbol, left.scalar.type, right.scalar.type),
  );
  return {
    kind: 'binary',
    type: operator.resultType,
    operator,
    left: coerceArgument(ctx, left, operator.leftType),
    right: coerceArgument(ctx, right, operator.rightType),
  };
}

export function bindSortItem(binder: ExprBinder, item: SortItem, bound?: Scalar): SortKeyRel {
  const position = item.expr.position;
  const scalar = bound ?? binder.bind(item.expr);
  const isDescending = item.descending || item.usingOperator === '>';
  if (item.usingOperator !== undefined && !['<', '>'].includes(item.usingOperator)) {
    throw notSupported(`ORDER BY ... USING ${item.usingOperator} is not supported`);
  }
  return {
    expr: finishUnknown(binder.ctx, { scalar, position }),
    isDescending,
    isNullsFirst: item.nullsFirst ?? isDescending,
  };
}
