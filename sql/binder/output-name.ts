/** The name that a result column gets when none is given: Postgres' FigureColname rules. */
import type { Expr } from '../parser/ast.ts';

export const UNNAMED = '?column?';

export function outputName(expr: Expr): string {
  return nameOf(expr)?.name ?? UNNAMED;
}

/** A weak name gives way to a better one further in: that of a type or of CASE. */
interface Name {
  readonly name: string;
  readonly isWeak: boolean;
}

function nameOf(expr: Expr): Name | undefined {
  switch (expr.kind) {
    case 'column ref':
      return strong(expr.parts.at(-1) ?? UNNAMED);
    case 'function call':
    case 'sql value function':
      return strong(expr.name);
    case 'coalesce':
    case 'nullif':
    case 'greatest':
    case 'least':
    case 'exists':
    case 'row':
    case 'array':
      return strong(expr.kind);
    case 'array subquery':
      return strong('array');
    case 'cast': {
      const inner = nameOf(expr.operand);
      if (inner !== undefined && !inner.isWeak) return inner;
      return { name: expr.type.name, isWeak: true };
    }
    case 'collate':
    case 'subscript':
      return nameOf(expr.operand);
    case 'field':
      return expr.name === undefined ? nameOf(expr.operand) : strong(expr.name);
    case 'case': {
      const otherwise = expr.otherwise === undefined ? undefined : nameOf(expr.otherwise);
      return otherwise?.isWeak === false ? otherwise : { name: 'case', isWeak: true };
    }
    case 'scalar subquery':
      return queryName(expr.query);
    default:
      return undefined;
  }
}

function strong(name: string): Name {
  return { name, isWeak: false };
}

function queryName(query: Extract<Expr, { kind: 'scalar subquery' }>['query']): Name | undefined {
  const { body } = query;
  if (body.kind === 'query') return queryName(body);
  if (body.kind === 'values') return strong('column1');
  if (body.kind !== 'select') return undefined;
  const [item] = body.items;
  if (item?.kind !== 'select expr') return undefined;
  return item.alias === undefined ? nameOf(item.expr) : strong(item.alias);
}
