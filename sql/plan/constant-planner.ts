/**
 * Expressions outside of queries: defaults, checks, values of EXECUTE and SPLIT AT, conditions of COPY, and what
 * schema statements keep of their expressions.
 */
import { must } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import { hasSubquery, isVolatile, mayWait, someScalar } from '../algebra/walk.ts';
import { BindContext } from '../binder/bind-context.ts';
import type { Target } from '../binder/from.ts';
import { bindTarget } from '../binder/from.ts';
import { coerceToColumn } from '../binder/coerce.ts';
import { ExpressionBinder } from '../binder/expression-binder.ts';
import { ParameterTypes } from '../binder/parameters.ts';
import { bindQuery } from '../binder/query.ts';
import { Scope } from '../binder/scope.ts';
import type { CatalogNames } from '../catalog/catalog-names.ts';
import type { CheckDescriptor, ColumnDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import type { SchemaExpressions } from '../catalog/schema-change.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Predicate } from '../exec/operator.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import { foldScalar } from '../optimize/fold.ts';
import type { Expr } from '../parser/ast.ts';
import { parseExpression } from '../parser/parse.ts';
import { printExpression } from '../parser/print.ts';
import type { Datum } from '../types/datum.ts';
import { displayName } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { TableCheck } from './change-plan.ts';
import type { Compiled, Frame } from './frame.ts';
import { NO_ROW } from './frame.ts';
import { OuterColumns, RowEnv } from './plan-node.ts';
import type { Computed } from './statement-planner.ts';
import { FOLD_CONTEXT } from './fold-context.ts';

const NO_CATALOG: CatalogNames = {
  relation: () => {
    throw notSupported('a query is not supported here');
  },
};

export class ConstantPlanner {
  readonly #checks = new WeakMap<TableDescriptor, readonly TableCheck[]>();
  readonly #defaults = new Map<string, Computed>();

  constant(expr: Expr, type: SqlType, text: string): Computed {
    const ctx = contextOf(text);
    const binder = new ExpressionBinder(ctx, new Scope().in('this expression'));
    const name = 'value';
    return computed(coerceToColumn(ctx, binder.placed(expr), { name, type }));
  }

  columnDefault(sql: string, type: SqlType): Computed {
    const key = `${type.oid} ${type.modifier} ${sql}`;
    let known = this.#defaults.get(key);
    if (known === undefined) {
      known = this.constant(parseExpression(sql), type, sql);
      if (this.#defaults.size >= DEFAULTS_MAX) this.#defaults.clear();
      this.#defaults.set(key, known);
    }
    return known;
  }

  check(table: TableDescriptor, check: CheckDescriptor, evalContext: EvalContext): Predicate {
    const found = must(this.checksOf(table).find((other) => other.name === check.name));
    const frame = frameOf(evalContext);
    return (row) => found.condition(row, frame) !== false;
  }

  condition(table: TableDescriptor, expr: Expr, text: string, evalContext: EvalContext): Predicate {
    const { scalar, target } = bindRow(table, expr, text, 'WHERE');
    const compiled = compileRow(scalar, target);
    const frame = frameOf(evalContext);
    return (row) => compiled(row, frame) === true;
  }

  schemaExpressions(text: string, evalContext: EvalContext): SchemaExpressions {
    return {
      defaultSql: (expr, column, type) => defaultSql(expr, { name: column, type }, text),
      checkSql: (expr, table) => {
        bindRow(table, expr, text, 'check constraints');
        return printExpression(expr);
      },
      columnsOf: (expr) => columnNames(expr),
      constantOf: (sql, type) => {
        const scalar = boundDefault(parseExpression(sql), { name: 'value', type }, sql);
        const isFixed = !isVolatile(scalar) && !mayWait(scalar);
        return isFixed ? computed(scalar)(evalContext) : undefined;
      },
      conversion: (table, column, type, using) =>
        conversion(table, { column, type, using }, text, evalContext),
    };
  }

  /** The checks of a table, compiled once. */
  protected checksOf(table: TableDescriptor): readonly TableCheck[] {
    let known = this.#checks.get(table);
    if (known === undefined) {
      // By name, as Postgres reports the first that is violated.
      const checks = [...table.checks].sort((a, b) => (a.name < b.name ? -1 : 1));
      known = checks.map(({ name, sql }) => {
        const { scalar, target } = bindRow(table, parseExpression(sql), sql, 'check constraints');
        return { name, condition: compileRow(scalar, target) };
      });
      this.#checks.set(table, known);
    }
    return known;
  }
}

const DEFAULTS_MAX = 1000;

function contextOf(text: string): BindContext {
  return new BindContext({
    ...{ text, catalog: NO_CATALOG, parameters: new ParameterTypes([]), bindQuery },
    evalContext: FOLD_CONTEXT,
  });
}

function frameOf(ctx: EvalContext): Frame {
  return { execution: undefined as never, parameters: [], ctx, outer: NO_ROW, memo: new Map() };
}

function compileIn(scalar: Scalar, columns: readonly number[]): Compiled {
  if (hasSubquery(scalar)) {
    throw notSupported('a subquery is not supported here');
  }
  const env = new RowEnv(columns, new OuterColumns(), () => {
    throw notSupported('a subquery is not supported here');
  });
  return env.compile(foldScalar(scalar, FOLD_CONTEXT));
}

function computed(scalar: Scalar): Computed {
  const compiled = compileIn(scalar, []);
  return (evalContext) => compiled(NO_ROW, frameOf(evalContext));
}

/** A boolean expression over a table's row. */
function bindRow(
  table: TableDescriptor,
  expr: Expr,
  text: string,
  clause: string,
): { readonly scalar: Scalar; readonly target: Target } {
  const ctx = contextOf(text);
  const target = bindTarget(ctx, table);
  const { tables, columns } = target;
  const binder = new ExpressionBinder(ctx, new Scope({ tables, columns }).in(clause));
  const what = clause === 'WHERE' ? 'WHERE' : 'CHECK';
  const scalar = binder.condition(expr, what);
  if (hasSubquery(scalar)) {
    throw ctx.refused(`cannot use subquery in ${clause}`, expr.position);
  }
  return { scalar, target };
}

function compileRow(scalar: Scalar, { scan }: Target): Compiled {
  return compileIn(
    scalar,
    scan.columns.map((column) => column.id),
  );
}

interface NamedType {
  readonly name: string;
  readonly type: SqlType;
}

function boundDefault(expr: Expr, column: NamedType, text: string): Scalar {
  const ctx = contextOf(text);
  const binder = new ExpressionBinder(ctx, new Scope().in('DEFAULT expressions'));
  const placed = binder.placed(expr);
  if (hasSubquery(placed.scalar)) {
    throw ctx.refused('cannot use subquery in DEFAULT expression', expr.position);
  }
  return defaultFor(ctx, placed, column);
}

function defaultFor(
  ctx: BindContext,
  placed: { readonly scalar: Scalar; readonly position: number },
  column: NamedType,
): Scalar {
  try {
    return coerceToColumn(ctx, placed, column);
  } catch (error) {
    if (!(error instanceof SqlError) || error.sqlState !== SQLSTATE.DATATYPE_MISMATCH) throw error;
    throw ctx.error(
      SQLSTATE.DATATYPE_MISMATCH,
      `column "${column.name}" is of type ${displayName(column.type)}` +
        ` but default expression is of type ${displayName(placed.scalar.type)}`,
      placed.position,
      { hint: 'You will need to rewrite or cast the expression.' },
    );
  }
}

function defaultSql(expr: Expr, column: NamedType, text: string): string {
  if (expr.kind === 'column ref') {
    const ctx = contextOf(text);
    const message = 'cannot use column reference in DEFAULT expression';
    throw ctx.refused(message, expr.position);
  }
  boundDefault(expr, column, text);
  return printExpression(expr);
}

/** Names of columns that an expression mentions, unqualified or not. */
function columnNames(expr: Expr): string[] {
  const names = new Set<string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    if ('kind' in node && node.kind === 'column ref' && 'parts' in node) {
      const { parts } = node as Extract<Expr, { kind: 'column ref' }>;
      names.add(parts.at(-1) ?? '');
    }
    Object.values(node).forEach(visit);
  };
  visit(expr);
  return [...names];
}

function conversion(
  table: TableDescriptor,
  change: {
    readonly column: ColumnDescriptor;
    readonly type: SqlType;
    readonly using: Expr | undefined;
  },
  text: string,
  evalContext: EvalContext,
): (row: readonly Datum[]) => Datum {
  const { column, type, using } = change;
  const ctx = contextOf(text);
  const target = bindTarget(ctx, table);
  const { tables, columns } = target;
  const binder = new ExpressionBinder(
    ctx,
    new Scope({ tables, columns }).in('transform expressions'),
  );
  const expr: Expr = using ?? { kind: 'column ref', parts: [column.name], position: 0 };
  let scalar: Scalar;
  try {
    scalar = coerceToColumn(ctx, binder.placed(expr), { name: column.name, type });
  } catch (error) {
    const isMismatch = error instanceof SqlError && error.sqlState === SQLSTATE.DATATYPE_MISMATCH;
    if (!isMismatch || using !== undefined) throw error;
    throw new SqlError(
      SQLSTATE.DATATYPE_MISMATCH,
      `column "${column.name}" cannot be cast automatically to type ${displayName(type)}`,
      { hint: `You might need to specify "USING ${column.name}::${displayName(type)}".` },
    );
  }
  if (someScalar(scalar, (part) => part.kind === 'subquery')) {
    throw notSupported('cannot use subquery in transform expression');
  }
  const compiled = compileRow(scalar, target);
  const frame = frameOf(evalContext);
  return (row) => compiled(row, frame);
}
