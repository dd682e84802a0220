/** A text that two expressions share exactly if they are the same expression: GROUP BY, ORDER BY with DISTINCT. */
import { unreachable } from '../../src/base/assert.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { Scalar } from './scalar.ts';
import { operandsOf } from './walk.ts';

export function scalarKey(scalar: Scalar): string {
  const operands = operandsOf(scalar).map(scalarKey).join(' ');
  return `(${headOf(scalar)}:${typeKey(scalar.type)} ${operands})`;
}

/** Subqueries are the same only if they are the same object. */
const queryNumbers = new WeakMap<object, number>();
let queryCount = 0;

function headOf(scalar: Scalar): string {
  switch (scalar.kind) {
    case 'constant':
      return `constant ${datumKey(scalar.value)}`;
    case 'parameter':
      return `$${scalar.index}`;
    case 'column':
      return `@${scalar.id}`;
    case 'unary':
    case 'binary':
      return `${scalar.kind} ${scalar.operator.symbol}`;
    case 'call':
      return `call ${scalar.fn.name}`;
    case 'is null':
    case 'is distinct':
    case 'in':
      return `${scalar.kind} ${scalar.negated}`;
    case 'is boolean':
      return `is ${scalar.value} ${scalar.negated}`;
    case 'case':
      return `case ${scalar.branches.length}`;
    case 'subquery': {
      let number = queryNumbers.get(scalar.query);
      if (number === undefined) queryNumbers.set(scalar.query, (number = ++queryCount));
      return `${scalar.mode} ${number}`;
    }
    case 'cast':
    case 'and':
    case 'or':
    case 'not':
    case 'coalesce':
    case 'greatest':
    case 'least':
    case 'nullif':
      return scalar.kind;
    default:
      return unreachable(scalar);
  }
}

function typeKey(type: SqlType): string {
  return `${type.oid}.${type.modifier}`;
}

function datumKey(value: Datum): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value !== 'object') return `${typeof value} ${value}`;
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part,
  );
}
