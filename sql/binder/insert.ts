/** INSERT: target columns, sources, defaults, ON CONFLICT. */
import { must } from '../../src/base/assert.ts';
import type { Scalar } from '../algebra/scalar.ts';
import type { ConflictRule, InsertChange } from '../algebra/change.ts';
import type { Rel, RelColumn } from '../algebra/rel.ts';
import type { ColumnDescriptor, IndexDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import { datatypeMismatch, undefinedColumn } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { ConflictColumns, Expr, Insert, OnConflict, Query, Values } from '../parser/ast.ts';
import { displayName, formatType, withModifier } from '../types/sql-type.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import type { Bound } from './changes.ts';
import { bindReturning, bindSet, columnValue, mustOrdinal, outerScope } from './changes.ts';
import { bindDefault } from './defaults.ts';
import { ExpressionBinder } from './expression-binder.ts';
import type { Target } from './from.ts';
import { bindTarget } from './from.ts';
import { bindQuery, checkWidths, withTypes } from './query.ts';
import { Scope } from './scope.ts';

export function bindInsert(ctx: BindContext, statement: Insert): Bound<InsertChange> {
  const table = ctx.table(statement.table);
  const target = bindTarget(ctx, table, statement.alias);
  const outer = outerScope(ctx, statement.with);
  const ordinals = targetOrdinals(ctx, table, statement);
  const { rel, columns } = bindSource(ctx, {
    ...{ statement, table, outer, ordinals },
    known: target.columns,
  });
  const values = table.columns.map((column, ordinal): Scalar | undefined => {
    const at = ordinals.indexOf(ordinal);
    const given = at >= 0 ? columns[at] : undefined;
    const isOverridden = statement.overriding === 'user' && column.identity !== undefined;
    if (given !== undefined && !isOverridden) return columnScalar(given);
    return column.isHidden ? undefined : bindDefault(ctx, column);
  });
  const scope = new Scope({ parent: outer, tables: target.tables, columns: target.columns });
  const returning = bindReturning(ctx, scope, statement.returning);
  const change: InsertChange = {
    ...{ kind: 'insert', table, source: rel, values, columns: target.scan.columns },
    onConflict:
      statement.onConflict === undefined
        ? undefined
        : bindConflict(ctx, target, statement.onConflict),
    returning: returning?.items,
  };
  return { change, returning };
}

function targetOrdinals(ctx: BindContext, table: TableDescriptor, statement: Insert): number[] {
  if (statement.columns.length === 0) {
    return table.columns.flatMap((column, ordinal) => (column.isHidden ? [] : [ordinal]));
  }
  const ordinals: number[] = [];
  for (const { name, position } of statement.columns) {
    const ordinal = mustOrdinal(ctx, table, name, position);
    if (ordinals.includes(ordinal)) {
      const message = `column "${name}" specified more than once`;
      throw ctx.error(SQLSTATE.DUPLICATE_COLUMN, message, position);
    }
    ordinals.push(ordinal);
  }
  return ordinals;
}

interface Source {
  readonly statement: Insert;
  readonly table: TableDescriptor;
  /** The table's columns, for errors. */
  readonly known: Target['columns'];
  readonly outer: Scope;
  readonly ordinals: readonly number[];
}

/** Rows for the first of the target columns; there may be fewer of them when no columns are named. */
function bindSource(
  ctx: BindContext,
  parts: Source,
): { readonly rel: Rel; readonly columns: readonly RelColumn[] } {
  const { source } = parts.statement;
  if (source === undefined) {
    return { rel: { kind: 'values', columns: [], rows: [[]] }, columns: [] };
  }
  const { body } = source;
  if (body.kind === 'values' && isBare(source)) return bindRows(ctx, parts, body);
  const query = bindQuery(ctx, source, parts.outer, true);
  checkCount(ctx, parts, query.columns.length, source.position);
  const targets = columnsFor(parts, query.columns.length);
  targets.forEach((column) => checkIdentity(ctx, parts, column, source.position));
  const types = targets.map((column) => column.type);
  const fail = (i: number, from: ColumnDescriptor['type']): Error => {
    const column = must(targets[i]);
    return datatypeMismatch(
      `column "${column.name}" is of type ${formatType(withModifier(column.type, -1))}` +
        ` but expression is of type ${displayName(from)}`,
      undefined,
      'You will need to rewrite or cast the expression.',
    ).at(ctx.text, query.positions[i] ?? source.position);
  };
  return withTypes(ctx, query, types, 'assignment', 'INSERT', fail);
}

function isBare(query: Query): boolean {
  return (
    query.with === undefined &&
    query.orderBy.length === 0 &&
    query.limit === undefined &&
    query.offset === undefined
  );
}

function bindRows(
  ctx: BindContext,
  parts: Source,
  values: Values,
): { readonly rel: Rel; readonly columns: readonly RelColumn[] } {
  checkWidths(ctx, values);
  const [first = []] = values.rows;
  checkCount(ctx, parts, first.length, values.position, first);
  const targets = columnsFor(parts, first.length);
  const columns = targets.map((column) => ctx.newColumn(column.name, column.type));
  const hidden = [{ ...{ alias: parts.table.name, schema: undefined }, columns: parts.known }];
  const scope = new Scope({ parent: parts.outer, hidden });
  const binder = new ExpressionBinder(ctx, scope.in('VALUES'));
  const rows = values.rows.map((row) =>
    row.map((value, i) => {
      const column = must(targets[i]);
      if (value.kind !== 'default') checkIdentity(ctx, parts, column, value.position);
      return columnValue(ctx, binder, column, value);
    }),
  );
  return { rel: { kind: 'values', columns, rows }, columns };
}

function columnsFor({ table, ordinals }: Source, count: number): ColumnDescriptor[] {
  return ordinals.slice(0, count).map((ordinal) => must(table.columns[ordinal]));
}

function checkCount(
  ctx: BindContext,
  { statement, ordinals }: Source,
  count: number,
  position: number,
  row: readonly Expr[] = [],
): void {
  if (count > ordinals.length) {
    throw ctx.error(
      SQLSTATE.SYNTAX_ERROR,
      'INSERT has more expressions than target columns',
      row[ordinals.length]?.position ?? position,
    );
  }
  if (statement.columns.length > count) {
    throw ctx.error(
      SQLSTATE.SYNTAX_ERROR,
      'INSERT has more target columns than expressions',
      statement.columns[count]?.position ?? position,
    );
  }
}

function checkIdentity(
  ctx: BindContext,
  { statement }: Source,
  column: ColumnDescriptor,
  position: number,
): void {
  if (column.identity !== 'always' || statement.overriding !== undefined) return;
  throw ctx.error(
    SQLSTATE.GENERATED_ALWAYS,
    `cannot insert a non-DEFAULT value into column "${column.name}"`,
    position,
    {
      detail: `Column "${column.name}" is an identity column defined as GENERATED ALWAYS.`,
      hint: 'Use OVERRIDING SYSTEM VALUE to override.',
    },
  );
}

// -- ON CONFLICT ------------------------------------------------------------------------------------------------

function bindConflict(ctx: BindContext, target: Target, clause: OnConflict): ConflictRule {
  const { table } = target.scan;
  const arbiters = arbitersOf(ctx, table, clause);
  if (clause.action === 'nothing') return { arbiters, update: undefined };
  if (arbiters === undefined) {
    throw ctx.error(
      SQLSTATE.SYNTAX_ERROR,
      'ON CONFLICT DO UPDATE requires inference specification or constraint name',
      clause.position,
      { hint: 'For example, ON CONFLICT (column_name).' },
    );
  }
  const excluded = bindTarget(ctx, table, 'excluded');
  const scope = new Scope({
    tables: [...target.tables, ...excluded.tables],
    // NB: so that an unqualified name is ambiguous, as in Postgres.
    columns: [...target.columns, ...excluded.columns],
  });
  const binder = new ExpressionBinder(ctx, scope.in('ON CONFLICT DO UPDATE'));
  return {
    arbiters,
    update: {
      set: bindSet(ctx, binder, table, clause.set),
      where: clause.where === undefined ? undefined : binder.condition(clause.where, 'WHERE'),
      excluded: excluded.scan.columns,
    },
  };
}

function arbitersOf(
  ctx: BindContext,
  table: TableDescriptor,
  { target }: OnConflict,
): ReadonlySet<number> | undefined {
  if (target === undefined) return undefined;
  const indexes = uniqueIndexes(table);
  if (target.kind === 'conflict constraint') {
    const found = indexes.find((index) => index.name === target.name);
    if (found !== undefined) return new Set([found.id]);
    const message = `constraint "${target.name}" for table "${table.name}" does not exist`;
    throw ctx.error(SQLSTATE.UNDEFINED_OBJECT, message, target.position);
  }
  const wanted = conflictColumns(ctx, table, target);
  const matching = indexes.filter(
    (index) =>
      index.columns.length === wanted.size && index.columns.every((c) => wanted.has(c.columnId)),
  );
  if (matching.length > 0) return new Set(matching.map((index) => index.id));
  throw ctx.error(
    SQLSTATE.INVALID_COLUMN_REFERENCE,
    'there is no unique or exclusion constraint matching the ON CONFLICT specification',
    target.columns[0]?.position ?? 0,
  );
}

function conflictColumns(
  ctx: BindContext,
  table: TableDescriptor,
  target: ConflictColumns,
): ReadonlySet<number> {
  return new Set(
    target.columns.map((element) => {
      if (element.column === undefined || target.where !== undefined) {
        const what = 'ON CONFLICT with expressions or conditions';
        throw ctx.refused(`${what} is not supported`, element.position);
      }
      const found = table.columns.find((c) => c.name === element.column && !c.isHidden);
      if (found !== undefined) return found.id;
      throw undefinedColumn(element.column).at(ctx.text, element.position);
    }),
  );
}

function uniqueIndexes(table: TableDescriptor): IndexDescriptor[] {
  const secondary = table.indexes.filter((index) => index.isUnique);
  return table.hasPrimaryKey ? [table.primary, ...secondary] : secondary;
}
