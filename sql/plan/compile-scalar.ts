/**
 * Bound expressions to closures. Compiled once per plan; what differs between executions comes in the frame. NULL
 * handling of strict operators and the short cuts of AND, OR, CASE and COALESCE are here, and nowhere else.
 */
import { must, unreachable } from '../../src/base/assert.ts';
import type {
  BinaryScalar,
  CallScalar,
  CaseScalar,
  ColumnId,
  ColumnScalar,
  InScalar,
  IsDistinctScalar,
  LogicalScalar,
  MinMaxScalar,
  NullIfScalar,
  Scalar,
  SubqueryScalar,
} from '../algebra/scalar.ts';
import { comparatorFor, groupKeyFor } from '../types/compare.ts';
import type { Datum } from '../types/datum.ts';
import type { Compiled } from './frame.ts';
import { NO_ROW } from './frame.ts';

/** Where columns are found, and how subqueries are run. */
export interface CompileEnv {
  /** The slot of a column of the row; undefined: it comes from outside. */
  slotOf(id: ColumnId): number | undefined;
  /** The place of an outside column in `Frame.outer`. */
  outerSlotOf(column: ColumnScalar): number;
  subquery(scalar: SubqueryScalar): Compiled;
}

export function compileScalar(scalar: Scalar, env: CompileEnv): Compiled {
  switch (scalar.kind) {
    case 'constant': {
      const { value } = scalar;
      return () => value;
    }
    case 'parameter': {
      const { index } = scalar;
      return (_row, frame) => frame.parameters[index] ?? null;
    }
    case 'column':
      return compileColumn(scalar, env);
    case 'cast': {
      const operand = compileScalar(scalar.operand, env);
      const { apply, isRelabel } = scalar.cast;
      if (isRelabel) return operand;
      return (row, frame) => {
        const value = operand(row, frame);
        return value === null ? null : apply(value, frame.ctx);
      };
    }
    case 'unary': {
      const operand = compileScalar(scalar.operand, env);
      const { impl } = scalar.operator;
      return (row, frame) => {
        const value = operand(row, frame);
        return value === null ? null : impl(value, frame.ctx);
      };
    }
    case 'binary':
      return compileBinary(scalar, env);
    case 'call':
      return compileCall(scalar, env);
    case 'and':
    case 'or':
      return compileLogical(scalar, env);
    case 'not': {
      const operand = compileScalar(scalar.operand, env);
      return (row, frame) => {
        const value = operand(row, frame);
        return value === null ? null : value !== true;
      };
    }
    case 'is null': {
      const operand = compileScalar(scalar.operand, env);
      const { negated } = scalar;
      return (row, frame) => (operand(row, frame) === null) !== negated;
    }
    case 'is boolean': {
      const operand = compileScalar(scalar.operand, env);
      const { negated, value } = scalar;
      return (row, frame) => (operand(row, frame) === value) !== negated;
    }
    default:
      return compileChoice(scalar, env);
  }
}

function compileChoice(
  scalar: Extract<
    Scalar,
    {
      kind:
        'is distinct' | 'case' | 'coalesce' | 'greatest' | 'least' | 'nullif' | 'in' | 'subquery';
    }
  >,
  env: CompileEnv,
): Compiled {
  switch (scalar.kind) {
    case 'is distinct':
      return compileIsDistinct(scalar, env);
    case 'case':
      return compileCase(scalar, env);
    case 'coalesce': {
      const operands = scalar.operands.map((operand) => compileScalar(operand, env));
      return (row, frame) => {
        for (const operand of operands) {
          const value = operand(row, frame);
          if (value !== null) return value;
        }
        return null;
      };
    }
    case 'greatest':
    case 'least':
      return compileMinMax(scalar, env);
    case 'nullif':
      return compileNullIf(scalar, env);
    case 'in':
      return compileIn(scalar, env);
    case 'subquery':
      return env.subquery(scalar);
    default:
      return unreachable(scalar);
  }
}

export function compileColumn(column: ColumnScalar, env: CompileEnv): Compiled {
  const slot = env.slotOf(column.id);
  if (slot !== undefined) return (row) => row[slot] ?? null;
  const outer = env.outerSlotOf(column);
  return (_row, frame) => frame.outer[outer] ?? null;
}

function compileBinary(scalar: BinaryScalar, env: CompileEnv): Compiled {
  const left = compileScalar(scalar.left, env);
  const right = compileScalar(scalar.right, env);
  const { impl, isStrict } = scalar.operator;
  if (!isStrict) return (row, frame) => impl(left(row, frame), right(row, frame), frame.ctx);
  return (row, frame) => {
    const a = left(row, frame);
    if (a === null) return null;
    const b = right(row, frame);
    return b === null ? null : impl(a, b, frame.ctx);
  };
}

function compileCall(scalar: CallScalar, env: CompileEnv): Compiled {
  const args = scalar.args.map((arg) => compileScalar(arg, env));
  const { impl, isStrict } = scalar.fn;
  return (row, frame) => {
    const values: Datum[] = new Array<Datum>(args.length);
    for (let i = 0; i < args.length; i++) {
      const value = must(args[i])(row, frame);
      if (value === null && isStrict) return null;
      values[i] = value;
    }
    return impl(values, frame.ctx);
  };
}

/** Three-valued: the deciding value at once, else NULL if there was one. */
function compileLogical(scalar: LogicalScalar, env: CompileEnv): Compiled {
  const operands = scalar.operands.map((operand) => compileScalar(operand, env));
  const deciding = scalar.kind === 'or';
  return (row, frame) => {
    let result: Datum = !deciding;
    for (const operand of operands) {
      const value = operand(row, frame);
      if (value === deciding) return deciding;
      if (value === null) result = null;
    }
    return result;
  };
}

function compileIsDistinct(scalar: IsDistinctScalar, env: CompileEnv): Compiled {
  const left = compileScalar(scalar.left, env);
  const right = compileScalar(scalar.right, env);
  const { impl } = scalar.operator;
  const { negated } = scalar;
  return (row, frame) => {
    const a = left(row, frame);
    const b = right(row, frame);
    const isSame = a === null || b === null ? a === b : impl(a, b, frame.ctx) === true;
    return isSame === negated;
  };
}

function compileCase(scalar: CaseScalar, env: CompileEnv): Compiled {
  const branches = scalar.branches.map(({ when, then }) => ({
    when: compileScalar(when, env),
    then: compileScalar(then, env),
  }));
  const otherwise = compileScalar(scalar.otherwise, env);
  return (row, frame) => {
    for (const { when, then } of branches) if (when(row, frame) === true) return then(row, frame);
    return otherwise(row, frame);
  };
}

function compileMinMax(scalar: MinMaxScalar, env: CompileEnv): Compiled {
  const operands = scalar.operands.map((operand) => compileScalar(operand, env));
  const compare = comparatorFor(scalar.type);
  const sign = scalar.kind === 'greatest' ? 1 : -1;
  return (row, frame) => {
    let best: Datum = null;
    for (const operand of operands) {
      const value = operand(row, frame);
      if (value !== null && (best === null || compare(value, best) * sign > 0)) best = value;
    }
    return best;
  };
}

function compileNullIf(scalar: NullIfScalar, env: CompileEnv): Compiled {
  const value = compileScalar(scalar.value, env);
  const left = compileScalar(scalar.left, env);
  const right = compileScalar(scalar.right, env);
  const { impl } = scalar.operator;
  return (row, frame) => {
    const a = left(row, frame);
    const b = right(row, frame);
    const isSame = a !== null && b !== null && impl(a, b, frame.ctx) === true;
    return isSame ? null : value(row, frame);
  };
}

/** Constants are looked up in a set; anything else is compared one after the other. */
function compileIn(scalar: InScalar, env: CompileEnv): Compiled {
  const operand = compileScalar(scalar.operand, env);
  const { negated } = scalar;
  const keyOf = groupKeyFor(scalar.operand.type);
  if (scalar.items.every((item) => item.kind === 'constant')) {
    const values = scalar.items.map((item) => compileScalar(item, env)(NO_ROW, NO_FRAME));
    const hasNull = values.includes(null);
    const keys = new Set(values.filter((value) => value !== null).map(keyOf));
    return (row, frame) => {
      const value = operand(row, frame);
      if (value === null) return null;
      if (keys.has(keyOf(value))) return !negated;
      return hasNull ? null : negated;
    };
  }
  const items = scalar.items.map((item) => compileScalar(item, env));
  return (row, frame) => {
    const value = operand(row, frame);
    if (value === null) return null;
    const key = keyOf(value);
    let hasNull = false;
    for (const item of items) {
      const other = item(row, frame);
      if (other === null) hasNull = true;
      else if (keyOf(other) === key) return !negated;
    }
    return hasNull ? null : negated;
  };
}

/** For constants, which look at nothing. */
const NO_FRAME = undefined as never;
