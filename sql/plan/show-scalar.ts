/** Expressions as EXPLAIN shows them: close to SQL, not meant to be read back. */
import { unreachable } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { SortKeyRel } from '../algebra/rel.ts';
import { DEFAULT_FORMAT } from '../types/format-context.ts';
import { formatType, isIntegerType } from '../types/sql-type.ts';
import { encodeText } from '../types/text-format.ts';

export function showScalar(scalar: Scalar): string {
  const show = showScalar;
  switch (scalar.kind) {
    case 'constant':
      return showConstant(scalar);
    case 'parameter':
      return `$${scalar.index + 1}`;
    case 'column':
      return scalar.name;
    case 'cast':
      return scalar.cast.isRelabel
        ? show(scalar.operand)
        : `${show(scalar.operand)}::${formatType(scalar.type)}`;
    case 'unary':
      return `${scalar.operator.symbol}${show(scalar.operand)}`;
    case 'binary':
      return `(${show(scalar.left)} ${scalar.operator.symbol} ${show(scalar.right)})`;
    case 'call':
      return `${scalar.fn.name}(${scalar.args.map(show).join(', ')})`;
    case 'and':
    case 'or':
      return `(${scalar.operands.map(show).join(` ${scalar.kind.toUpperCase()} `)})`;
    case 'not':
      return `NOT ${show(scalar.operand)}`;
    case 'is null':
      return `${show(scalar.operand)} IS ${scalar.negated ? 'NOT ' : ''}NULL`;
    case 'is boolean': {
      const value = String(scalar.value).toUpperCase();
      return `${show(scalar.operand)} IS ${scalar.negated ? 'NOT ' : ''}${value}`;
    }
    case 'is distinct': {
      const word = scalar.negated ? 'IS NOT DISTINCT FROM' : 'IS DISTINCT FROM';
      return `(${show(scalar.left)} ${word} ${show(scalar.right)})`;
    }
    case 'case':
      return 'CASE ... END';
    case 'coalesce':
    case 'greatest':
    case 'least':
      return `${scalar.kind.toUpperCase()}(${scalar.operands.map(show).join(', ')})`;
    case 'nullif':
      return `NULLIF(${show(scalar.left)}, ${show(scalar.right)})`;
    case 'in': {
      const items = scalar.items.map(show).join(', ');
      return `${show(scalar.operand)} ${scalar.negated ? 'NOT ' : ''}IN (${items})`;
    }
    case 'subquery':
      return `(${scalar.mode} subquery)`;
    default:
      return unreachable(scalar);
  }
}

function showConstant(scalar: Extract<Scalar, { kind: 'constant' }>): string {
  const { type, value } = scalar;
  if (value === null) return 'NULL';
  const text = encodeText(type, value, DEFAULT_FORMAT);
  if (isIntegerType(type) || type.name === 'numeric' || type.name === 'bool') return text;
  return `'${text.replaceAll("'", "''")}'`;
}

export function showSortKey(key: SortKeyRel): string {
  const direction = key.isDescending ? ' DESC' : '';
  const isUsual = key.isNullsFirst === key.isDescending;
  const nulls = isUsual ? '' : key.isNullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
  return `${showScalar(key.expr)}${direction}${nulls}`;
}
