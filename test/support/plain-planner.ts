/**
 * A planner of literals only, for tests of what needs no planner: transactions, settings, schema changes, COPY.
 * Queries and changes of rows are refused.
 */
import type { SchemaExpressions } from '../../sql/catalog/schema-change.ts';
import { notSupported } from '../../sql/errors/sql-error.ts';
import type { Expr } from '../../sql/parser/ast.ts';
import { parseExpression } from '../../sql/parser/parse.ts';
import { printExpression } from '../../sql/parser/print.ts';
import type { Computed, StatementPlanner } from '../../sql/plan/statement-planner.ts';
import { DEFAULT_FORMAT } from '../../sql/types/format-context.ts';
import type { SqlType } from '../../sql/types/sql-type.ts';
import { decodeText } from '../../sql/types/text-format.ts';

export const plainPlanner: StatementPlanner = {
  plan: () => {
    throw notSupported('this planner plans nothing');
  },
  constant: (expr, type) => literal(expr, type),
  columnDefault: (sql, type) => literal(parseExpression(sql), type),
  check: () => () => true,
  condition: () => () => true,
  schemaExpressions: (): SchemaExpressions => ({
    defaultSql: (expr) => printExpression(expr),
    checkSql: (expr) => printExpression(expr),
    columnsOf: () => [],
    constantOf: (sql, type) => {
      const expr = parseExpression(sql);
      return expr.kind === 'function call' ? undefined : literal(expr, type)(NO_CONTEXT);
    },
    conversion: () => () => null,
  }),
};

const NO_CONTEXT = undefined as never;

function literal(expr: Expr, type: SqlType): Computed {
  switch (expr.kind) {
    case 'null':
      return () => null;
    case 'number': {
      const value = decodeText(type, expr.text, DEFAULT_FORMAT);
      return () => value;
    }
    case 'string': {
      const value = decodeText(type, expr.value, DEFAULT_FORMAT);
      return () => value;
    }
    case 'function call': {
      const [name] = expr.args;
      if (expr.name === 'nextval' && name?.kind === 'string') {
        return ({ sequences }) => {
          const value = sequences.nextval(name.value);
          return type.name === 'int8' ? value : Number(value);
        };
      }
      throw notSupported(expr.name);
    }
    default:
      throw notSupported(expr.kind);
  }
}
