/** Constant folding: what does not depend on the moment, a row or a parameter is computed once. */
import type { Scalar } from '../algebra/scalar.ts';
import type { Rel } from '../algebra/rel.ts';
import { mapInputs, mapScalars, operandsOf, rewriteScalar } from '../algebra/walk.ts';
import { constant, FALSE, TRUE } from '../binder/coerce.ts';
import { SqlError } from '../errors/sql-error.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import { unreachable } from '../../src/base/assert.ts';
import type { CompileEnv } from '../plan/compile-scalar.ts';
import { compileScalar } from '../plan/compile-scalar.ts';
import type { Frame } from '../plan/frame.ts';
import { NO_ROW } from '../plan/frame.ts';

export function foldConstants(rel: Rel, ctx: EvalContext): Rel {
  const inside = mapInputs(rel, (input) => foldConstants(input, ctx));
  return mapScalars(inside, (scalar) => foldScalar(scalar, ctx));
}

export function foldScalar(scalar: Scalar, ctx: EvalContext): Scalar {
  const folded = rewriteScalar(
    scalar,
    (part) => (part === scalar ? undefined : foldScalar(part, ctx)),
    (query) => foldConstants(query, ctx),
  );
  if (folded.kind === 'and' || folded.kind === 'or') return foldLogical(folded);
  if (!isFoldable(folded)) return folded;
  try {
    return constant(folded.type, compileScalar(folded, NOTHING)(NO_ROW, frameOf(ctx)));
  } catch (error) {
    // A failure is left to execution, which may never come to it: CASE WHEN false THEN 1/0 END.
    if (error instanceof SqlError) return folded;
    throw error;
  }
}

function foldLogical(scalar: Extract<Scalar, { kind: 'and' | 'or' }>): Scalar {
  const deciding = scalar.kind === 'or';
  const isValue = (operand: Scalar, value: boolean): boolean =>
    operand.kind === 'constant' && operand.value === value;
  if (scalar.operands.some((operand) => isValue(operand, deciding))) return deciding ? TRUE : FALSE;
  const operands = scalar.operands.filter((operand) => !isValue(operand, !deciding));
  const [first] = operands;
  if (first === undefined) return deciding ? FALSE : TRUE;
  if (operands.length === 1) return first;
  return operands.length === scalar.operands.length ? scalar : { ...scalar, operands };
}

function isFoldable(scalar: Scalar): boolean {
  switch (scalar.kind) {
    case 'constant':
    case 'parameter':
    case 'column':
    case 'subquery':
      return false;
    case 'call':
      return scalar.fn.volatility === 'immutable' && hasConstantOperands(scalar);
    case 'unary':
    case 'binary':
      return scalar.operator.volatility === 'immutable' && hasConstantOperands(scalar);
    case 'cast':
      return scalar.cast.isImmutable && hasConstantOperands(scalar);
    case 'and':
    case 'or':
    case 'not':
    case 'is null':
    case 'is boolean':
    case 'is distinct':
    case 'case':
    case 'coalesce':
    case 'greatest':
    case 'least':
    case 'nullif':
    case 'in':
      return hasConstantOperands(scalar);
    default:
      return unreachable(scalar);
  }
}

function hasConstantOperands(scalar: Scalar): boolean {
  return operandsOf(scalar).every((operand) => operand.kind === 'constant');
}

const NOTHING: CompileEnv = {
  slotOf: () => undefined,
  outerSlotOf: () => 0,
  subquery: () => () => null,
};

function frameOf(ctx: EvalContext): Frame {
  return { execution: undefined as never, parameters: [], ctx, outer: NO_ROW, memo: new Map() };
}
