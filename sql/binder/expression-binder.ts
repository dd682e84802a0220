/**
 * Expressions: names to columns, literals to constants, operators and functions to implementations, everything typed
 * by Postgres' rules (chapter 10). Errors point at the place in the statement's text.
 */
import { must, unreachable } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import { resolveTypeName } from '../catalog/type-names.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { resolveUnary } from '../functions/operators.ts';
import type {
  BinaryOperation,
  Case,
  Collate,
  Expr,
  IsBoolean,
  LogicalOperation,
  NullIf,
  UnaryOperation,
} from '../parser/ast.ts';
import { BOOL, UNKNOWN } from '../types/sql-type.ts';
import type { BindContext } from './bind-context.ts';
import { bindCall, bindValueFunction } from './calls.ts';
import type { Placed } from './coerce.ts';
import {
  coerceArgument,
  coerceBoolean,
  coerceExplicit,
  constant,
  finishUnknown,
  numberConstant,
} from './coerce.ts';
import type { ExprBinder } from './expr-binder.ts';
import { bindOperator } from './expr-binder.ts';
import {
  bindBetween,
  bindCommon,
  bindComparison,
  bindExists,
  bindInList,
  bindInSubquery,
  bindIsDistinct,
  bindIsNull,
  bindLike,
  bindQuantified,
  bindScalarSubquery,
} from './predicates.ts';
import type { Scope } from './scope.ts';
import { startOf } from './start-of.ts';

const NO_SUBQUERIES: ReadonlyMap<string, string> = new Map([
  ['check constraints', 'check constraint'],
  ['DEFAULT expressions', 'DEFAULT expression'],
]);
const COLLATIONS = new Set(['C', 'POSIX', 'default', 'ucs_basic']);

export class ExpressionBinder implements ExprBinder {
  readonly ctx: BindContext;
  readonly scope: Scope;

  constructor(ctx: BindContext, scope: Scope) {
    this.ctx = ctx;
    this.scope = scope;
  }

  within(scope: Scope): ExprBinder {
    return new ExpressionBinder(this.ctx, scope);
  }

  placed(expr: Expr): Placed {
    return { scalar: this.bind(expr), position: startOf(expr) };
  }

  /** A condition: `what` names the clause in the message if it is not boolean. */
  condition(expr: Expr, what: string): Scalar {
    return coerceBoolean(this.ctx, this.placed(expr), what);
  }

  bind(expr: Expr): Scalar {
    const { ctx } = this;
    switch (expr.kind) {
      case 'number':
        return numberConstant(ctx, expr);
      case 'string':
        return constant(UNKNOWN, expr.value);
      case 'boolean':
        return constant(BOOL, expr.value);
      case 'null':
        return constant(UNKNOWN, null);
      case 'parameter': {
        const index = expr.index - 1;
        return { kind: 'parameter', type: ctx.parameters.typeOf(index), index };
      }
      case 'column ref':
        return this.scope.resolve(ctx, expr);
      case 'unary':
        return this.#unary(expr);
      case 'binary':
        return this.#binary(expr);
      case 'not':
        return {
          ...{ kind: 'not', type: BOOL },
          operand: coerceBoolean(ctx, this.placed(expr.operand), 'NOT'),
        };
      case 'and':
      case 'or':
        return this.#logical(expr);
      case 'cast': {
        const type = ctx.at(expr.type.position, () => resolveTypeName(expr.type));
        return coerceExplicit(ctx, this.placed(expr.operand), type, expr.position);
      }
      case 'collate':
        return this.#collate(expr);
      default:
        return this.#bindPredicate(expr);
    }
  }

  #bindPredicate(expr: Exclude<Expr, { kind: SimpleKinds }>): Scalar {
    switch (expr.kind) {
      case 'is null':
        return bindIsNull(this, expr);
      case 'is boolean':
        return this.#isBoolean(expr);
      case 'is distinct':
        return bindIsDistinct(this, expr);
      case 'between':
        return bindBetween(this, expr);
      case 'in list':
        return bindInList(this, expr);
      case 'in subquery':
        this.#refuseSubquery(expr);
        return bindInSubquery(this, expr);
      case 'like':
        return bindLike(this, expr);
      case 'quantified':
        this.#refuseSubquery(expr);
        return bindQuantified(this, expr);
      case 'exists':
        this.#refuseSubquery(expr);
        return bindExists(this, expr.query);
      case 'scalar subquery':
        this.#refuseSubquery(expr);
        return bindScalarSubquery(this, expr);
      case 'case':
        return this.#case(expr);
      case 'coalesce': {
        const { type, scalars } = bindCommon(this, expr.operands, 'COALESCE');
        return { kind: 'coalesce', type, operands: scalars };
      }
      case 'greatest':
      case 'least': {
        const { kind } = expr;
        const { type, scalars } = bindCommon(this, expr.operands, kind.toUpperCase());
        return { kind, type, operands: scalars };
      }
      case 'nullif':
        return this.#nullIf(expr);
      case 'function call':
        return bindCall(this, expr);
      case 'sql value function':
        return bindValueFunction(this, expr);
      default:
        return this.#refuse(expr);
    }
  }

  /** What the catalog keeps may look at nothing but its own row. */
  #refuseSubquery({ position }: Expr): void {
    const place = NO_SUBQUERIES.get(this.scope.clause);
    if (place !== undefined) throw this.ctx.refused(`cannot use subquery in ${place}`, position);
  }

  #refuse(
    expr: Extract<
      Expr,
      {
        kind:
          | 'bit string'
          | 'star ref'
          | 'field'
          | 'subscript'
          | 'array'
          | 'array subquery'
          | 'row'
          | 'default';
      }
    >,
  ): never {
    const { ctx } = this;
    const { position } = expr;
    switch (expr.kind) {
      case 'bit string':
        throw ctx.refused('bit strings are not supported', position);
      case 'star ref':
        throw ctx.refused('whole-row references are not supported', position);
      case 'field':
        throw ctx.refused('composite types are not supported', position);
      case 'subscript':
      case 'array':
      case 'array subquery':
        throw ctx.refused('arrays are not supported', position);
      case 'row':
        throw ctx.refused(
          'row values are not supported here',
          position,
          'Rows can be compared, and used with IN.',
        );
      case 'default':
        throw ctx.error(SQLSTATE.SYNTAX_ERROR, 'DEFAULT is not allowed in this context', position);
      default:
        return unreachable(expr);
    }
  }

  #unary(expr: UnaryOperation): Scalar {
    const { ctx } = this;
    if (expr.operand.kind === 'number' && expr.operator === '-') {
      return numberConstant(ctx, expr.operand, true);
    }
    const operand = this.placed(expr.operand);
    const operator = ctx.at(expr.position, () => resolveUnary(expr.operator, operand.scalar.type));
    return {
      ...{ kind: 'unary', type: operator.resultType, operator },
      operand: coerceArgument(ctx, operand, operator.argType),
    };
  }

  #binary(expr: BinaryOperation): Scalar {
    if (expr.schema !== undefined && expr.schema !== 'pg_catalog') {
      throw this.ctx.refused('operators of other schemas are not supported', expr.position);
    }
    return bindComparison(this, expr.operator, expr, expr.position);
  }

  #logical(expr: LogicalOperation): Scalar {
    const { kind } = expr;
    const operands = expr.operands.map((operand) =>
      coerceBoolean(this.ctx, this.placed(operand), kind.toUpperCase()),
    );
    return { kind, type: BOOL, operands };
  }

  #isBoolean(expr: IsBoolean): Scalar {
    const { value, negated } = expr;
    const word = value === undefined ? 'UNKNOWN' : String(value).toUpperCase();
    const what = `IS ${negated ? 'NOT ' : ''}${word}`;
    const operand = this.condition(expr.operand, what);
    if (value === undefined) return { kind: 'is null', type: BOOL, operand, negated };
    return { kind: 'is boolean', type: BOOL, operand, value, negated };
  }

  #case(expr: Case): Scalar {
    const { ctx } = this;
    const operand = expr.operand === undefined ? undefined : this.placed(expr.operand);
    const whens = expr.branches.map(({ when }) => {
      if (operand === undefined) return this.condition(when, 'CASE/WHEN');
      const right = this.placed(when);
      return bindOperator(ctx, '=', { left: operand, right }, when.position);
    });
    const { otherwise } = expr;
    const results = expr.branches.map(({ then }) => then);
    const { type, scalars } = bindCommon(
      this,
      otherwise === undefined ? results : [otherwise, ...results],
      'CASE',
    );
    const thens = otherwise === undefined ? scalars : scalars.slice(1);
    return {
      ...{ kind: 'case', type },
      branches: whens.map((when, i) => ({ when, then: must(thens[i]) })),
      otherwise: otherwise === undefined ? constant(type, null) : must(scalars[0]),
    };
  }

  #nullIf(expr: NullIf): Scalar {
    const { ctx } = this;
    const left = this.placed(expr.left);
    const right = this.placed(expr.right);
    const comparison = bindOperator(ctx, '=', { left, right }, expr.position);
    const value = left.scalar.type.name === 'unknown' ? comparison.left : left.scalar;
    return {
      ...{ kind: 'nullif', type: value.type, operator: comparison.operator, value },
      left: comparison.left,
      right: comparison.right,
    };
  }

  /** Text compares by code points whatever collation is meant: others than that are refused. */
  #collate(expr: Collate): Scalar {
    const { name } = expr.collation;
    if (!COLLATIONS.has(name)) {
      throw this.ctx.refused(`collation "${name}" is not supported`, expr.position);
    }
    return finishUnknown(this.ctx, this.placed(expr.operand));
  }
}

type SimpleKinds =
  | 'number'
  | 'string'
  | 'boolean'
  | 'null'
  | 'parameter'
  | 'column ref'
  | 'unary'
  | 'binary'
  | 'not'
  | 'and'
  | 'or'
  | 'cast'
  | 'collate';
