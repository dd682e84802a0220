/** Where an expression begins in the text, as errors about its type point at it: at its leftmost operand. */
import type { Expr } from '../parser/ast.ts';

export function startOf(expr: Expr): number {
  // A typed literal, however it is written, is where its text is.
  if (expr.kind === 'cast' && expr.operand.kind === 'string') return expr.operand.position;
  const left = leftmost(expr);
  return left === undefined ? expr.position : Math.min(expr.position, startOf(left));
}

function leftmost(expr: Expr): Expr | undefined {
  switch (expr.kind) {
    case 'binary':
    case 'is distinct':
    case 'quantified':
      return expr.left;
    case 'and':
    case 'or':
      return expr.operands[0];
    case 'is null':
    case 'is boolean':
    case 'between':
    case 'in list':
    case 'in subquery':
    case 'like':
    case 'cast':
    case 'collate':
      return expr.operand;
    default:
      return undefined;
  }
}
