/**
 * Expressions back to SQL, for CHECK and DEFAULT in the catalog and for whoever shows them. Parsing what is printed
 * gives the same tree, positions apart: every operand that is not one word stands in parentheses, every name that
 * could be read otherwise in quotes. Subqueries and window calls are refused: nothing that is stored may hold one.
 */
import { notSupported } from '../errors/sql-error.ts';
import { unreachable } from '../../src/base/assert.ts';
import type { Case, Expr, FunctionCall, Like, QualifiedName, SortItem, TypeName } from './ast.ts';
import { KEYWORD_CLASSES } from './keywords.ts';
import type { Keyword } from './keywords.ts';

/** Built-in types by the words that SQL has for them. */
const TYPE_WORDS: ReadonlyMap<string, string> = new Map([
  ['int2', 'smallint'],
  ['int4', 'integer'],
  ['int8', 'bigint'],
  ['float4', 'real'],
  ['float8', 'double precision'],
  ['numeric', 'numeric'],
  ['bool', 'boolean'],
  ['bpchar', 'character'],
  ['varchar', 'character varying'],
  ['bit', 'bit'],
  ['varbit', 'bit varying'],
  ['time', 'time'],
  ['timestamp', 'timestamp'],
  ['interval', 'interval'],
]);

/** The name as it must be written: in quotes unless lower case and no keyword with a meaning of its own. */
export function quoteIdentifier(name: string): string {
  const wordClass = KEYWORD_CLASSES.get(name as Keyword);
  const isPlain = /^[a-z_][a-z0-9_$]*$/u.test(name);
  if (isPlain && (wordClass === undefined || wordClass === 'unreserved')) return name;
  return `"${name.replaceAll('"', '""')}"`;
}

export function quoteLiteral(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

export function printQualifiedName(name: QualifiedName): string {
  const parts = [name.catalog, name.schema, name.name];
  return parts.flatMap((part) => (part === undefined ? [] : [quoteIdentifier(part)])).join('.');
}

export function printType(type: TypeName): string {
  return printScalarType(type) + '[]'.repeat(type.arrayDimensions);
}

function printScalarType(type: TypeName): string {
  const modifiers =
    type.modifiers.length === 0 ? '' : `(${type.modifiers.map(printExpression).join(', ')})`;
  if (type.schema === 'pg_catalog') {
    const zoned = /^(time|timestamp)tz$/u.exec(type.name)?.[1];
    if (zoned !== undefined) return `${zoned}${modifiers} with time zone`;
    const words = TYPE_WORDS.get(type.name);
    // `character` and `bit` without length mean length 1, unlike bpchar and bit.
    const needsLength = type.name === 'bpchar' || type.name === 'bit';
    if (words !== undefined && (modifiers !== '' || !needsLength)) {
      const fields = type.intervalFields === undefined ? '' : ` ${type.intervalFields}`;
      return words + modifiers + fields;
    }
  }
  const schema = type.schema === undefined ? '' : `${quoteIdentifier(type.schema)}.`;
  return schema + quoteIdentifier(type.name) + modifiers;
}

/** As an operand: in parentheses unless nothing around it can tear it apart. */
function operand(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'bit string':
    case 'boolean':
    case 'null':
    case 'parameter':
    case 'column ref':
    case 'function call':
    case 'coalesce':
    case 'nullif':
    case 'greatest':
    case 'least':
    case 'array':
    case 'row':
      return printExpression(expr);
    default:
      return `(${printExpression(expr)})`;
  }
}

function list(exprs: readonly Expr[]): string {
  return exprs.map(printExpression).join(', ');
}

function not(negated: boolean): string {
  return negated ? 'NOT ' : '';
}

function operatorSymbol(symbol: string, schema: string | undefined): string {
  return schema === undefined ? symbol : `OPERATOR(${quoteIdentifier(schema)}.${symbol})`;
}

export function printExpression(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return expr.text;
    case 'string':
      return quoteLiteral(expr.value);
    case 'bit string':
      return `${expr.base}'${expr.digits}'`;
    case 'boolean':
      return expr.value ? 'true' : 'false';
    case 'null':
      return 'NULL';
    case 'default':
      return 'DEFAULT';
    case 'parameter':
      return `$${expr.index}`;
    case 'column ref':
      return expr.parts.map(quoteIdentifier).join('.');
    case 'star ref':
      return `${expr.qualifier.map(quoteIdentifier).join('.')}.*`;
    case 'sql value function': {
      const precision = expr.precision === undefined ? '' : `(${expr.precision})`;
      return expr.name.toUpperCase() + precision;
    }
    case 'exists':
    case 'scalar subquery':
    case 'array subquery':
    case 'in subquery':
      return refuseQuery();
    case 'case':
      return printCase(expr);
    case 'function call':
      return printCall(expr);
    default:
      return printOperation(expr);
  }
}

type Operation = Exclude<
  Expr,
  {
    kind:
      | 'number'
      | 'string'
      | 'bit string'
      | 'boolean'
      | 'null'
      | 'default'
      | 'parameter'
      | 'column ref'
      | 'star ref'
      | 'sql value function'
      | 'exists'
      | 'scalar subquery'
      | 'array subquery'
      | 'in subquery'
      | 'case'
      | 'function call';
  }
>;

function printOperation(expr: Operation): string {
  switch (expr.kind) {
    case 'unary':
      return `${operatorSymbol(expr.operator, expr.schema)} ${operand(expr.operand)}`;
    case 'binary': {
      const symbol = operatorSymbol(expr.operator, expr.schema);
      return `${operand(expr.left)} ${symbol} ${operand(expr.right)}`;
    }
    case 'not':
      return `NOT ${operand(expr.operand)}`;
    case 'and':
      return expr.operands.map(operand).join(' AND ');
    case 'or':
      return expr.operands.map(operand).join(' OR ');
    case 'cast':
      return `${castOperand(expr.operand)}::${printType(expr.type)}`;
    case 'collate':
      return `${operand(expr.operand)} COLLATE ${printQualifiedName(expr.collation)}`;
    case 'coalesce':
    case 'greatest':
    case 'least':
      return `${expr.kind.toUpperCase()}(${list(expr.operands)})`;
    case 'nullif':
      return `NULLIF(${list([expr.left, expr.right])})`;
    case 'array':
      return `ARRAY[${list(expr.elements)}]`;
    case 'row':
      return `ROW(${list(expr.fields)})`;
    case 'field':
      return `(${printExpression(expr.operand)}).${expr.name === undefined ? '*' : quoteIdentifier(expr.name)}`;
    case 'subscript':
      return printSubscript(expr);
    default:
      return printTest(expr);
  }
}

type Test = Extract<
  Expr,
  {
    kind: 'is null' | 'is boolean' | 'is distinct' | 'between' | 'in list' | 'like' | 'quantified';
  }
>;

function printTest(expr: Test): string {
  switch (expr.kind) {
    case 'is null':
      return `${operand(expr.operand)} IS ${not(expr.negated)}NULL`;
    case 'is boolean': {
      const value = expr.value === undefined ? 'UNKNOWN' : expr.value ? 'TRUE' : 'FALSE';
      return `${operand(expr.operand)} IS ${not(expr.negated)}${value}`;
    }
    case 'is distinct':
      return `${operand(expr.left)} IS ${not(expr.negated)}DISTINCT FROM ${operand(expr.right)}`;
    case 'between': {
      const word = expr.symmetric ? 'BETWEEN SYMMETRIC' : 'BETWEEN';
      const bounds = `${operand(expr.low)} AND ${operand(expr.high)}`;
      return `${operand(expr.operand)} ${not(expr.negated)}${word} ${bounds}`;
    }
    case 'in list':
      return `${operand(expr.operand)} ${not(expr.negated)}IN (${list(expr.items)})`;
    case 'like':
      return printLike(expr);
    case 'quantified': {
      if (expr.right.kind === 'query') return refuseQuery();
      const symbol = operatorSymbol(expr.operator, expr.schema);
      const quantifier = expr.quantifier.toUpperCase();
      return `${operand(expr.left)} ${symbol} ${quantifier} (${printExpression(expr.right)})`;
    }
    default:
      return unreachable(expr);
  }
}

/** `a::int` needs no parentheses, and neither does a cast of a cast. */
function castOperand(expr: Expr): string {
  return expr.kind === 'cast' ? printExpression(expr) : operand(expr);
}

function printLike(expr: Like): string {
  const word = expr.caseInsensitive ? 'ILIKE' : 'LIKE';
  const escape = expr.escape === undefined ? '' : ` ESCAPE ${operand(expr.escape)}`;
  return `${operand(expr.operand)} ${not(expr.negated)}${word} ${operand(expr.pattern)}${escape}`;
}

function printSubscript(expr: Extract<Expr, { kind: 'subscript' }>): string {
  const isBare = expr.operand.kind === 'column ref' || expr.operand.kind === 'parameter';
  const array = isBare ? printExpression(expr.operand) : `(${printExpression(expr.operand)})`;
  const upper = expr.upper === undefined ? '' : printExpression(expr.upper);
  if (!expr.isSlice) return `${array}[${upper}]`;
  const lower = expr.lower === undefined ? '' : printExpression(expr.lower);
  return `${array}[${lower}:${upper}]`;
}

function printCase(expr: Case): string {
  const parts = ['CASE'];
  if (expr.operand !== undefined) parts.push(operand(expr.operand));
  for (const { when, then } of expr.branches) {
    parts.push(`WHEN ${printExpression(when)} THEN ${printExpression(then)}`);
  }
  if (expr.otherwise !== undefined) parts.push(`ELSE ${printExpression(expr.otherwise)}`);
  parts.push('END');
  return parts.join(' ');
}

function printCall(call: FunctionCall): string {
  if (call.over !== undefined) throw notSupported('storing a window function is not supported');
  const schema = call.schema === undefined ? '' : `${quoteIdentifier(call.schema)}.`;
  const args = call.args.map((arg, i) => {
    const name = call.argNames[i];
    const variadic = call.isVariadic && i === call.args.length - 1 ? 'VARIADIC ' : '';
    const prefix = name === undefined ? '' : `${quoteIdentifier(name)} => `;
    return variadic + prefix + printExpression(arg);
  });
  const distinct = call.isDistinct ? 'DISTINCT ' : '';
  const order = call.orderBy.length === 0 ? '' : ` ORDER BY ${printSort(call.orderBy)}`;
  const within =
    call.withinGroup.length === 0 ? '' : ` WITHIN GROUP (ORDER BY ${printSort(call.withinGroup)})`;
  const filter = call.filter === undefined ? '' : ` FILTER (WHERE ${printExpression(call.filter)})`;
  const content = call.isStar ? '*' : distinct + args.join(', ') + order;
  return `${schema}${quoteIdentifier(call.name)}(${content})${within}${filter}`;
}

function printSort(items: readonly SortItem[]): string {
  const printed = items.map((item) => {
    const direction = item.descending ? ' DESC' : '';
    const using = item.usingOperator === undefined ? '' : ` USING ${item.usingOperator}`;
    const nulls =
      item.nullsFirst === undefined ? '' : item.nullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
    return printExpression(item.expr) + direction + using + nulls;
  });
  return printed.join(', ');
}

function refuseQuery(): never {
  throw notSupported('storing a subquery is not supported');
}
