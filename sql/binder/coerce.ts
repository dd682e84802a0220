/**
 * Making expressions have a type: literals are read, parameters get their type, everything else is cast as far as the
 * context allows. And the constants themselves.
 */
import { SqlError, datatypeMismatch } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { ConstantScalar, Scalar } from '../algebra/scalar.ts';
import type { NumberLiteral } from '../parser/ast.ts';
import type { Cast, CastContext } from '../types/casts.ts';
import { commonType, findCast } from '../types/casts.ts';
import type { Datum } from '../types/datum.ts';
import {
  BOOL,
  INT4,
  INT8,
  NUMERIC,
  TEXT,
  UNKNOWN,
  displayName,
  formatType,
  sameType,
  withModifier,
} from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { decodeText } from '../types/text-format.ts';
import type { BindContext } from './bind-context.ts';

/** An expression with the place that errors about it point at. */
export interface Placed {
  readonly scalar: Scalar;
  readonly position: number;
}

export function constant(type: SqlType, value: Datum): ConstantScalar {
  return { kind: 'constant', type, value };
}

export const TRUE = constant(BOOL, true);
export const FALSE = constant(BOOL, false);

export function numberConstant(
  ctx: BindContext,
  literal: NumberLiteral,
  isNegative = false,
): Scalar {
  const text = isNegative ? `-${literal.text}` : literal.text;
  if (literal.isInteger) {
    const value = BigInt(text);
    if (BigInt.asIntN(32, value) === value) return constant(INT4, Number(value));
    if (BigInt.asIntN(64, value) === value) return constant(INT8, value);
  }
  return constant(
    NUMERIC,
    ctx.at(literal.position, () => decodeText(NUMERIC, text, ctx.evalContext)),
  );
}

/** Undefined when the context does not allow the conversion. */
export function tryCoerce(
  ctx: BindContext,
  { scalar, position }: Placed,
  to: SqlType,
  context: CastContext,
): Scalar | undefined {
  const from = scalar.type;
  if (from.oid === to.oid && (to.modifier < 0 || sameType(from, to))) return scalar;
  if (from.name === 'unknown') return coerceUnknown(ctx, { scalar, position }, to, context);
  const cast = findCast(from, to, context);
  return cast === undefined ? undefined : applyCast(ctx, scalar, cast);
}

function coerceUnknown(
  ctx: BindContext,
  { scalar, position }: Placed,
  to: SqlType,
  context: CastContext,
): Scalar {
  if (scalar.kind === 'constant' && scalar.value === null) return constant(to, null);
  if (scalar.kind === 'parameter') {
    const type = ctx.at(position, () => ctx.parameters.resolve(scalar.index, to));
    const typed: Scalar = { ...scalar, type };
    if (sameType(type, to)) return typed;
    return tryCoerce(ctx, { scalar: typed, position }, to, context) ?? typed;
  }
  const cast = findCast(UNKNOWN, to, context);
  if (cast === undefined) throw datatypeMismatch(`cannot convert to ${formatType(to)}`);
  const value = scalar.kind === 'constant' ? scalar.value : null;
  if (value !== null && (cast.isImmutable || isFixedMoment(to, value))) {
    return constant(
      to,
      ctx.at(position, () => cast.apply(value, ctx.evalContext)),
    );
  }
  // Wrong text is found now, whatever the moment of execution would make of it.
  if (value !== null) ctx.at(position, () => cast.apply(value, ctx.evalContext));
  return { kind: 'cast', type: to, operand: scalar, cast };
}

/** `2024-01-31...` means the same at any moment and in any zone; 'today' and 'infinity' are left to execution. */
function isFixedMoment(type: SqlType, value: Datum): boolean {
  return (
    (type.name === 'date' || type.name === 'timestamp') &&
    typeof value === 'string' &&
    /^\d{4}-\d\d-\d\d/.test(value)
  );
}

function applyCast(ctx: BindContext, scalar: Scalar, cast: Cast): Scalar {
  if (scalar.kind === 'constant' && scalar.value !== null && cast.isImmutable) {
    // NB: a failure is left to execution, which may never come to it.
    try {
      return constant(cast.to, cast.apply(scalar.value, ctx.evalContext));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
    }
  }
  if (scalar.kind === 'constant' && scalar.value === null) return constant(cast.to, null);
  return { kind: 'cast', type: cast.to, operand: scalar, cast };
}

/** As an operator or function wants its operand; the choice has already found that the cast exists. */
export function coerceArgument(ctx: BindContext, placed: Placed, to: SqlType): Scalar {
  return tryCoerce(ctx, placed, withModifier(to, -1), 'implicit') ?? placed.scalar;
}

export function coerceExplicit(
  ctx: BindContext,
  operand: Placed,
  to: SqlType,
  castPosition: number,
): Scalar {
  const coerced = tryCoerce(ctx, operand, to, 'explicit');
  if (coerced !== undefined) {
    // NB: `x::varchar` of a varchar(3) column takes the length away.
    return coerced.type.modifier === to.modifier ? coerced : retyped(coerced, to);
  }
  const { type } = operand.scalar;
  throw ctx.error(
    SQLSTATE.CANNOT_COERCE,
    `cannot cast type ${displayName(type)} to ${displayName(to)}`,
    castPosition,
  );
}

function retyped(scalar: Scalar, to: SqlType): Scalar {
  if (scalar.type.oid !== to.oid) return scalar;
  return { ...scalar, type: to };
}

/** As a value for a column: 42804 with the name of the column. */
export function coerceToColumn(
  ctx: BindContext,
  value: Placed,
  column: { readonly name: string; readonly type: SqlType },
): Scalar {
  const coerced = tryCoerce(ctx, value, column.type, 'assignment');
  if (coerced !== undefined) return coerced;
  throw datatypeMismatch(
    `column "${column.name}" is of type ${formatType(withModifier(column.type, -1))}` +
      ` but expression is of type ${displayName(value.scalar.type)}`,
    undefined,
    'You will need to rewrite or cast the expression.',
  ).at(ctx.text, value.position);
}

/** `what` as Postgres names the place: `WHERE`, `AND`, `CASE/WHEN`. */
export function coerceBoolean(ctx: BindContext, value: Placed, what: string): Scalar {
  const coerced = tryCoerce(ctx, value, BOOL, 'implicit');
  if (coerced !== undefined) return coerced;
  throw datatypeMismatch(
    `argument of ${what} must be type boolean, not type ${displayName(value.scalar.type)}`,
  ).at(ctx.text, value.position);
}

/** All of one type: branches of CASE, COALESCE, VALUES, UNION. */
export function coerceCommon(
  ctx: BindContext,
  values: readonly Placed[],
  what: string,
): { readonly type: SqlType; readonly scalars: readonly Scalar[] } {
  const type = commonTypeOf(ctx, values, what);
  return { type, scalars: values.map((value) => coerceTo(ctx, value, type, what)) };
}

/** The common type; an error points at the first value that does not fit. */
export function commonTypeOf(ctx: BindContext, values: readonly Placed[], what: string): SqlType {
  const types = values.map(({ scalar }) => scalar.type);
  let misfit = values.length - 1;
  try {
    return commonType(types, what, (index) => (misfit = index));
  } catch (error) {
    return ctx.at(values[misfit]?.position ?? 0, () => {
      throw error;
    });
  }
}

export function coerceTo(ctx: BindContext, value: Placed, type: SqlType, what: string): Scalar {
  const coerced = tryCoerce(ctx, value, type, 'implicit');
  if (coerced !== undefined) return coerced;
  throw ctx.error(
    SQLSTATE.CANNOT_COERCE,
    `${what} could not convert type ${displayName(value.scalar.type)} to ${displayName(type)}`,
    value.position,
  );
}

/** What leaves the statement is never unknown: a bare literal, or a parameter without other use, is text. */
export function finishUnknown(ctx: BindContext, value: Placed): Scalar {
  if (value.scalar.type.name !== 'unknown') return value.scalar;
  return tryCoerce(ctx, value, TEXT, 'implicit') ?? value.scalar;
}
