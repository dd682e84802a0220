/** Types as written in SQL to types; unknown names are 42704, arrays and unsupported types 0A000. */
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Expr, TypeName } from '../parser/ast.ts';
import type { SqlType } from '../types/sql-type.ts';
import { INT2, INT4, INT8, typeByName } from '../types/sql-type.ts';

const SERIALS: ReadonlyMap<string, SqlType> = new Map([
  ['smallserial', INT2],
  ['serial2', INT2],
  ['serial', INT4],
  ['serial4', INT4],
  ['bigserial', INT8],
  ['serial8', INT8],
]);
/** Types that Postgres has and Quorate has not: 0A000 rather than 42704. */
const NOT_YET = new Set([
  'json',
  'jsonb',
  'xml',
  'timetz',
  'bit',
  'varbit',
  'money',
  'inet',
  'cidr',
  'macaddr',
  'point',
  'line',
  'lseg',
  'box',
  'path',
  'polygon',
  'circle',
  'tsvector',
  'tsquery',
  'hstore',
  'int4range',
  'int8range',
  'numrange',
  'tsrange',
  'tstzrange',
  'daterange',
]);

/** SERIAL and its kin: the integer type of the column, or undefined for any other type. */
export function serialType(type: TypeName): SqlType | undefined {
  if (type.schema !== undefined || type.arrayDimensions > 0) return undefined;
  return SERIALS.get(type.name);
}

export function resolveTypeName(type: TypeName): SqlType {
  const shown = type.schema === undefined ? type.name : `${type.schema}.${type.name}`;
  if (type.arrayDimensions > 0) {
    throw notSupported(`type ${shown}[] is not supported`, 'Arrays are not supported yet.');
  }
  const isBuiltIn = type.schema === undefined || type.schema === 'pg_catalog';
  const found = isBuiltIn ? typeByName(type.name, type.modifiers.map(modifierOf)) : undefined;
  if (found !== undefined) return found;
  if (isBuiltIn && NOT_YET.has(type.name)) throw notSupported(`type ${shown} is not supported`);
  throw new SqlError(SQLSTATE.UNDEFINED_OBJECT, `type "${shown}" does not exist`);
}

function modifierOf(expr: Expr): number {
  if (expr.kind === 'number' && expr.isInteger) return Number(expr.text);
  if (expr.kind === 'unary' && expr.operator === '-' && expr.operand.kind === 'number') {
    return -Number(expr.operand.text);
  }
  throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, 'invalid type modifier');
}
