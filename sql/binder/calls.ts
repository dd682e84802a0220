/** Calls of functions and aggregates. */
import type { Scalar } from '../algebra/scalar.ts';
import type { AggregateCallRel } from '../algebra/rel.ts';
import { scalarKey } from '../algebra/scalar-key.ts';
import { columnsIn } from '../algebra/walk.ts';
import { undefinedFunction } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { isAggregateName, resolveAggregate } from '../functions/aggregates.ts';
import {
  castCall,
  isScalarFunctionName,
  isSetFunctionName,
  resolveFunction,
} from '../functions/scalar-functions.ts';
import type { FunctionCall, SqlValueFunction } from '../parser/ast.ts';
import { INT4, TEXT, displayName, typeByName } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { Placed } from './coerce.ts';
import {
  coerceArgument,
  coerceBoolean,
  coerceExplicit,
  constant,
  finishUnknown,
} from './coerce.ts';
import type { ExprBinder } from './expr-binder.ts';
import { bindSortItem } from './expr-binder.ts';

/** The clause within an aggregate's arguments: no further aggregate is allowed there. */
export const AGGREGATE_ARGUMENT = 'aggregate arguments';

export function bindCall(binder: ExprBinder, call: FunctionCall): Scalar {
  const { ctx } = binder;
  const { name, position } = call;
  if (call.schema !== undefined && call.schema !== 'pg_catalog') {
    if (call.schema === 'public')
      throw undefinedFunction(`public.${name}()`).at(ctx.text, position);
    const message = `schema "${call.schema}" does not exist`;
    throw ctx.error(SQLSTATE.INVALID_SCHEMA_NAME, message, position);
  }
  if (call.over !== undefined) {
    throw ctx.refused('window functions are not supported', position);
  }
  if (isAggregateName(name)) return bindAggregate(binder, call);
  if (isSetFunctionName(name)) {
    throw ctx.refused(
      `set-returning functions are not supported in ${binder.scope.clause}`,
      position,
      'Call it in FROM.',
    );
  }
  refuseAggregateSyntax(binder, call);
  const args = call.args.map((arg) => binder.placed(arg));
  return bindFunction(binder, name, args, position);
}

/** An ordinary function, or a type's name used like one. */
function bindFunction(
  binder: ExprBinder,
  name: string,
  args: readonly Placed[],
  position: number,
): Scalar {
  const { ctx } = binder;
  const types = args.map(({ scalar }) => scalar.type);
  const [first] = args;
  const type = isScalarFunctionName(name) ? undefined : typeByName(name);
  if (first !== undefined && type !== undefined && castCall(type, types)) {
    return coerceExplicit(ctx, first, type, position);
  }
  const fn = ctx.at(position, () => resolveFunction(name, types));
  if (fn === undefined) {
    const signature = `${name}(${types.map(displayName).join(', ')})`;
    throw undefinedFunction(signature).at(ctx.text, position);
  }
  const bound = args.map((arg, i) => coerceArgument(ctx, arg, fn.argTypes[i] ?? arg.scalar.type));
  return { kind: 'call', type: fn.resultType, fn, args: bound };
}

function refuseAggregateSyntax(binder: ExprBinder, call: FunctionCall): void {
  const { ctx } = binder;
  const { name, position } = call;
  const notAggregate = (what: string): Error =>
    ctx.error(
      SQLSTATE.WRONG_OBJECT_TYPE,
      `${what} specified, but ${name} is not an aggregate function`,
      position,
    );
  if (call.isStar) {
    throw ctx.error(
      SQLSTATE.WRONG_OBJECT_TYPE,
      `${name}(*) specified, but ${name} is not an aggregate function`,
      position,
    );
  }
  if (call.isDistinct) throw notAggregate('DISTINCT');
  if (call.orderBy.length > 0) throw notAggregate('ORDER BY');
  if (call.filter !== undefined) throw notAggregate('FILTER');
  refuseRareSyntax(binder, call);
}

function refuseRareSyntax(binder: ExprBinder, call: FunctionCall): void {
  const { ctx } = binder;
  if (call.withinGroup.length > 0) {
    throw ctx.refused('ordered-set aggregates are not supported', call.position);
  }
  if (call.isVariadic) throw ctx.refused('VARIADIC is not supported', call.position);
  if (call.argNames.length > 0) {
    throw ctx.refused('named arguments are not supported', call.position);
  }
}

function bindAggregate(binder: ExprBinder, call: FunctionCall): Scalar {
  const { ctx, scope } = binder;
  const { name, position } = call;
  const collector = scope.aggregates;
  if (collector === undefined) {
    const message =
      scope.clause === AGGREGATE_ARGUMENT
        ? 'aggregate function calls cannot be nested'
        : `aggregate functions are not allowed in ${scope.clause}`;
    throw ctx.error(SQLSTATE.GROUPING_ERROR, message, position);
  }
  refuseRareSyntax(binder, call);
  if (!call.isStar && call.args.length === 0) {
    throw name === 'count'
      ? ctx.error(
          SQLSTATE.WRONG_OBJECT_TYPE,
          'count(*) must be used to call a parameterless aggregate function',
          position,
        )
      : undefinedFunction(`${name}()`).at(ctx.text, position);
  }
  const inner = binder.within(scope.in(AGGREGATE_ARGUMENT));
  const placed = call.args.map((arg) => inner.placed(arg));
  const types = placed.map(({ scalar }) => scalar.type);
  const aggregate = ctx.at(position, () => resolveAggregate(name, types));
  const args = placed.map((arg, i) =>
    finishUnknown(ctx, {
      scalar: coerceArgument(ctx, arg, aggregate.argTypes[i] ?? TEXT),
      position: arg.position,
    }),
  );
  const filter =
    call.filter === undefined ? undefined : coerceBoolean(ctx, inner.placed(call.filter), 'FILTER');
  const orderBy = call.orderBy.map((item) => bindSortItem(inner, item));
  const parts = { aggregate, args, filter, isDistinct: call.isDistinct, orderBy };
  checkLevel(binder, call, args);
  checkDistinctOrder(binder, call, parts);
  const key = aggregateKey(parts);
  const column = ctx.newColumn(name, aggregate.resultType);
  return collector.find(key) ?? collector.add(key, { column, ...parts }, position);
}

type CallParts = Omit<AggregateCallRel, 'column'>;

function aggregateKey({ aggregate, args, filter, isDistinct, orderBy }: CallParts): string {
  const keys = orderBy.map((k) => `${scalarKey(k.expr)} ${k.isDescending} ${k.isNullsFirst}`);
  return [
    `${aggregate.name} ${isDistinct}`,
    args.map(scalarKey).join(),
    filter === undefined ? '' : scalarKey(filter),
    keys.join(),
  ].join('|');
}

/** An aggregate over the columns of an outer query belongs to that query. */
function checkLevel(binder: ExprBinder, call: FunctionCall, args: readonly Scalar[]): void {
  const used = new Set(args.flatMap((arg) => [...columnsIn(arg)]));
  if (used.size === 0 || [...used].some((id) => binder.scope.gives(id))) return;
  throw binder.ctx.refused(
    'aggregates over columns of an outer query are not supported',
    call.position,
  );
}

function checkDistinctOrder(binder: ExprBinder, call: FunctionCall, parts: CallParts): void {
  if (!parts.isDistinct) return;
  const keys = new Set(parts.args.map(scalarKey));
  const at = parts.orderBy.findIndex((key) => !keys.has(scalarKey(key.expr)));
  if (at < 0) return;
  throw binder.ctx.error(
    SQLSTATE.INVALID_COLUMN_REFERENCE,
    'in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list',
    call.orderBy[at]?.expr.position ?? call.position,
  );
}

export function bindValueFunction(binder: ExprBinder, expr: SqlValueFunction): Scalar {
  const { name, precision, position } = expr;
  if (name === 'current_time') {
    throw binder.ctx.refused('type time with time zone is not supported', position);
  }
  const args: Placed[] =
    precision === undefined ? [] : [{ scalar: constant(INT4, precision), position }];
  return bindFunction(binder, name, args, position);
}

/** The type of arguments that a call of a set-returning function has. */
export function argumentTypes(args: readonly Placed[]): readonly SqlType[] {
  return args.map(({ scalar }) => scalar.type);
}
