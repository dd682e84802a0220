/**
 * ALTER TABLE. All actions of a statement make one new version of the table. Rows are rewritten where their keys
 * change (a primary key is added or dropped) or their values have to be converted; adding and dropping columns and
 * constraints leaves them as they are.
 */
import type { Steps } from '../../src/base/steps.ts';
import { SqlError, notSupported, undefinedColumn } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { AlterTable, AlterTableAction, TableConstraint } from '../parser/ast-schema.ts';
import { parseExpression } from '../parser/parse.ts';
import type { Datum } from '../types/datum.ts';
import { addColumn, addConstraint } from './create-table.ts';
import type { ColumnDescriptor, IndexDescriptor, TableDescriptor } from './descriptors.ts';
import type { SchemaEditor } from './schema-change.ts';
import { relationNames, shownName } from './schema-change.ts';
import { TableBuilder } from './table-builder.ts';
import { resolveTypeName } from './type-names.ts';

type Action<K extends AlterTableAction['kind']> = Extract<AlterTableAction, { kind: K }>;
type RowChange = (row: readonly Datum[]) => Datum[];

/** Everything about one ALTER TABLE on its way. */
interface Alteration {
  readonly editor: SchemaEditor;
  readonly before: TableDescriptor;
  readonly builder: TableBuilder;
  /** Indexes to fill, when the rows are not rewritten anyway. */
  readonly newIndexes: IndexDescriptor[];
  /** Set when rows have to be written anew; fed with old rows in the old order of columns. */
  rewrite: Map<number, (row: readonly Datum[]) => Datum> | undefined;
  readonly verify: (() => Steps<void>)[];
}

export function* alterTable(editor: SchemaEditor, statement: AlterTable): Steps<void> {
  const before = yield* editor.findTable(statement.table);
  if (before === undefined) {
    const message = `relation "${shownName(statement.table)}" does not exist`;
    if (!statement.ifExists) throw new SqlError(SQLSTATE.UNDEFINED_TABLE, message);
    editor.ports.notice('00000', `${message}, skipping`);
    return;
  }
  const alteration: Alteration = {
    ...{ editor, before, builder: TableBuilder.change(before) },
    ...{ newIndexes: [], rewrite: undefined, verify: [] },
  };
  let isChanged = false;
  for (const action of statement.actions) {
    isChanged = (yield* applyAction(alteration, action)) || isChanged;
  }
  if (isChanged) yield* finish(alteration);
}

/** False when the action has nothing to do. */
function* applyAction(alteration: Alteration, action: AlterTableAction): Steps<boolean> {
  const { builder } = alteration;
  switch (action.kind) {
    case 'add column':
      return yield* addColumnAction(alteration, action);
    case 'drop column':
      return yield* dropColumn(alteration, action);
    case 'add constraint':
      yield* addConstraintAction(alteration, action.constraint);
      return true;
    case 'drop constraint':
      return yield* dropConstraint(alteration, action);
    case 'set default': {
      const column = builder.mustColumn(action.column.name);
      const { expressions } = alteration.editor.ports;
      const defaultSql =
        action.expr === undefined || action.expr.kind === 'null'
          ? undefined
          : expressions.defaultSql(action.expr, column.name, column.type);
      builder.replaceColumn({ ...column, defaultSql });
      return true;
    }
    case 'set not null':
      return setNotNull(alteration, action);
    case 'set type':
      setType(alteration, action);
      return true;
    case 'rename table':
      yield* renameTable(alteration, action.name.name);
      return true;
    case 'rename column':
      renameColumn(alteration, action.from.name, action.to.name);
      return true;
    case 'rename constraint':
      yield* renameConstraint(alteration, action.from.name, action.to.name);
      return true;
    case 'owner to':
    case 'set storage':
    case 'validate constraint':
      return false;
    case 'set schema':
      throw notSupported('ALTER TABLE ... SET SCHEMA is not supported');
    case 'split at':
      throw notSupported('SPLIT AT stands alone in ALTER TABLE');
    case 'unsupported action':
      throw notSupported(`ALTER TABLE ... ${action.what} is not supported`);
  }
}

function* finish(alteration: Alteration): Steps<void> {
  const { editor, before, builder, rewrite } = alteration;
  const { rows } = editor.ports;
  const isMoved = builder.primary.id !== before.primary.id;
  // NB: entries name their rows by primary key, so a new primary key makes all of them anew.
  if (isMoved) builder.renewSecondaryIndexes();
  const after = builder.finish();
  yield* editor.writeTable(after);
  const kept = new Set([after.primary, ...after.indexes].map((index) => index.id));
  const given = [before.primary, ...before.indexes].filter((index) => !kept.has(index.id));
  yield* editor.discard(before, given);
  if (isMoved || rewrite !== undefined) {
    yield* rows.rewrite(before, after, rowChange(before, after, editor, rewrite ?? new Map()));
  } else {
    for (const index of alteration.newIndexes) yield* rows.fillIndex(after, index);
  }
  for (const verify of alteration.verify) yield* verify();
}

/** Old rows to new ones: by column id, converted where asked, with a row id where there is none. */
function rowChange(
  before: TableDescriptor,
  after: TableDescriptor,
  editor: SchemaEditor,
  conversions: ReadonlyMap<number, (row: readonly Datum[]) => Datum>,
): RowChange {
  const sources = after.columns.map((column) => {
    const convert = conversions.get(column.id);
    if (convert !== undefined) return convert;
    const ordinal = before.columns.findIndex((other) => other.id === column.id);
    if (ordinal >= 0) return (row: readonly Datum[]) => row[ordinal] ?? null;
    if (column.isHidden) return () => editor.ports.uniqueInt();
    return () => column.missing;
  });
  return (row) => sources.map((source) => source(row));
}

function* addColumnAction(alteration: Alteration, action: Action<'add column'>): Steps<boolean> {
  const { editor, before, builder } = alteration;
  const { name } = action.column;
  if (action.ifNotExists && builder.columns.some((c) => c.name === name && !c.isHidden)) {
    const relation = `column "${name}" of relation "${before.name}"`;
    editor.ports.notice('42701', `${relation} already exists, skipping`);
    return false;
  }
  const constraints: TableConstraint[] = [];
  const { schema } = before;
  const column = yield* addColumn(editor, builder, {
    schema,
    definition: action.column,
    constraints,
  });
  yield* fillNewColumn(alteration, column);
  for (const constraint of constraints) yield* addConstraintAction(alteration, constraint);
  return true;
}

/** A constant default is remembered in the catalog; what differs from row to row is written to each. */
function* fillNewColumn(alteration: Alteration, column: ColumnDescriptor): Steps<void> {
  const { editor, before, builder } = alteration;
  const { rows, expressions } = editor.ports;
  const { defaultSql } = column;
  if (defaultSql !== undefined) {
    const constant = expressions.constantOf(defaultSql, column.type);
    if (constant !== undefined) {
      builder.replaceColumn({ ...column, missing: constant });
      return;
    }
    if (!(yield* rows.isEmpty(before))) {
      throw notSupported(
        'adding a column with a default that is computed for each row is not supported',
        'Add the column without default, UPDATE the rows, then set the default.',
      );
    }
  } else if (column.isNotNull && !(yield* rows.isEmpty(before))) {
    throw new SqlError(
      SQLSTATE.NOT_NULL_VIOLATION,
      `column "${column.name}" of relation "${before.name}" contains null values`,
      { table: before.name, column: column.name },
    );
  }
}

function* dropColumn(alteration: Alteration, action: Action<'drop column'>): Steps<boolean> {
  const { editor, before, builder } = alteration;
  const { name } = action.column;
  const column = builder.columns.find((other) => other.name === name && !other.isHidden);
  if (column === undefined && action.ifExists) {
    const relation = `column "${name}" of relation "${before.name}"`;
    editor.ports.notice('00000', `${relation} does not exist, skipping`);
    return false;
  }
  const { id, ownedSequenceId } = column ?? builder.mustColumn(name);
  if (builder.primary.columns.some((key) => key.columnId === id)) {
    builder.dropPrimaryKey();
    yield* editor.ports.catalog.removeName(before.schema, before.primary.name);
  }
  for (const index of builder.indexes) {
    if (!index.columns.some((key) => key.columnId === id)) continue;
    builder.indexes = builder.indexes.filter((other) => other !== index);
    yield* editor.ports.catalog.removeName(before.schema, index.name);
  }
  const { expressions } = editor.ports;
  builder.checks = builder.checks.filter(
    (check) => !expressions.columnsOf(parseExpression(check.sql)).includes(name),
  );
  builder.columns = builder.columns.filter((other) => other.id !== id);
  if (ownedSequenceId !== undefined) {
    const sequence = yield* editor.ports.catalog.descriptorInTxn(ownedSequenceId);
    if (sequence?.kind === 'sequence') yield* editor.dropSequence(sequence);
  }
  return true;
}

function* addConstraintAction(alteration: Alteration, constraint: TableConstraint): Steps<void> {
  const { editor, before, builder } = alteration;
  const { rows, catalog } = editor.ports;
  const checkCount = builder.checks.length;
  const hadPrimaryKey = builder.hasPrimaryKey;
  const index = yield* addConstraint(editor, builder, {
    ...{ schema: before.schema, constraint, isEmpty: false },
  });
  const entry = { kind: 'index' as const, id: before.id };
  if (index !== undefined) {
    alteration.newIndexes.push(index);
    yield* catalog.writeName(before.schema, index.name, entry);
  }
  if (builder.hasPrimaryKey && !hadPrimaryKey) {
    yield* catalog.writeName(before.schema, builder.primary.name, entry);
    alteration.rewrite ??= new Map();
  }
  const isValid = constraint.kind === 'check' && constraint.notValid;
  for (const check of isValid ? [] : builder.checks.slice(checkCount)) {
    alteration.verify.push(() => rows.verifyCheck(builder.finish(), check));
  }
}

function* dropConstraint(
  alteration: Alteration,
  action: Action<'drop constraint'>,
): Steps<boolean> {
  const { editor, before, builder } = alteration;
  const { name } = action.name;
  const { catalog } = editor.ports;
  if (builder.checks.some((check) => check.name === name)) {
    builder.checks = builder.checks.filter((check) => check.name !== name);
    return true;
  }
  const index = builder.indexes.find((other) => other.name === name && other.isConstraint);
  if (index !== undefined) {
    builder.indexes = builder.indexes.filter((other) => other !== index);
    yield* catalog.removeName(before.schema, name);
    return true;
  }
  if (builder.hasPrimaryKey && builder.primary.name === name) {
    builder.dropPrimaryKey();
    yield* catalog.removeName(before.schema, name);
    alteration.rewrite ??= new Map();
    return true;
  }
  const message = `constraint "${name}" of relation "${before.name}" does not exist`;
  if (!action.ifExists) throw new SqlError(SQLSTATE.UNDEFINED_OBJECT, message);
  editor.ports.notice('00000', `${message}, skipping`);
  return false;
}

function setNotNull(alteration: Alteration, action: Action<'set not null'>): boolean {
  const { builder, editor } = alteration;
  const column = builder.mustColumn(action.column.name);
  if (column.isNotNull === action.notNull) return false;
  const isKey = builder.primary.columns.some((key) => key.columnId === column.id);
  if (isKey && !action.notNull) {
    throw new SqlError(
      SQLSTATE.INVALID_TABLE_DEFINITION,
      `column "${column.name}" is in a primary key`,
    );
  }
  builder.replaceColumn({ ...column, isNotNull: action.notNull });
  if (action.notNull) {
    alteration.verify.push(() => editor.ports.rows.verifyNotNull(builder.finish(), column));
  }
  return true;
}

/** The converted column is a new one with the old name and place, so that no row holds two meanings of one id. */
function setType(alteration: Alteration, action: Action<'set type'>): void {
  const { builder, before, editor } = alteration;
  const column = builder.mustColumn(action.column.name);
  const type = resolveTypeName(action.type);
  const isIndexed = [builder.primary, ...builder.indexes].some((index) =>
    index.columns.some((key) => key.columnId === column.id),
  );
  if (isIndexed) {
    throw notSupported(
      `changing the type of column "${column.name}", which is part of a key or index, ` +
        'is not supported',
      'Drop the index first.',
    );
  }
  const convert = editor.ports.expressions.conversion(before, column, type, action.using);
  const { id } = builder.addColumn({ name: `${column.name}\0`, type });
  const changed = { ...column, id, type, missing: null };
  builder.columns = builder.columns
    .filter((other) => other.id !== id)
    .map((other) => (other.id === column.id ? changed : other));
  alteration.rewrite ??= new Map();
  alteration.rewrite.set(id, convert);
}

function* renameTable(alteration: Alteration, name: string): Steps<void> {
  const { editor, before, builder } = alteration;
  yield* editor.mustBeFree(before.schema, name);
  yield* editor.ports.catalog.removeName(before.schema, before.name);
  yield* editor.ports.catalog.writeName(before.schema, name, { kind: 'table', id: before.id });
  builder.rename(before.schema, name);
}

function renameColumn(alteration: Alteration, from: string, to: string): void {
  const { builder, editor } = alteration;
  const column = builder.columns.find((other) => other.name === from && !other.isHidden);
  if (column === undefined) throw undefinedColumn(from);
  if (builder.columns.some((other) => other.name === to && !other.isHidden)) {
    throw new SqlError(
      SQLSTATE.DUPLICATE_COLUMN,
      `column "${to}" of relation "${builder.name}" already exists`,
    );
  }
  const { expressions } = editor.ports;
  const usedBy = builder.checks.find((check) =>
    expressions.columnsOf(parseExpression(check.sql)).includes(from),
  );
  if (usedBy !== undefined) {
    throw notSupported(
      `renaming column "${from}", which constraint "${usedBy.name}" mentions, is not supported`,
      'Drop the constraint first, and add it again.',
    );
  }
  builder.replaceColumn({ ...column, name: to });
}

function* renameConstraint(alteration: Alteration, from: string, to: string): Steps<void> {
  const { editor, before, builder } = alteration;
  if (builder.hasConstraint(to)) {
    throw new SqlError(
      SQLSTATE.DUPLICATE_OBJECT,
      `constraint "${to}" for relation "${before.name}" already exists`,
    );
  }
  if (builder.checks.some((check) => check.name === from)) {
    builder.checks = builder.checks.map((c) => (c.name === from ? { ...c, name: to } : c));
    return;
  }
  if (!relationNames(builder.finish()).includes(from)) {
    throw new SqlError(
      SQLSTATE.UNDEFINED_OBJECT,
      `constraint "${from}" for table "${before.name}" does not exist`,
    );
  }
  yield* editor.mustBeFree(before.schema, to);
  yield* editor.ports.catalog.removeName(before.schema, from);
  yield* editor.ports.catalog.writeName(before.schema, to, { kind: 'index', id: before.id });
  const renamed = (index: IndexDescriptor): IndexDescriptor =>
    index.name === from ? { ...index, name: to } : index;
  builder.primary = renamed(builder.primary);
  builder.indexes = builder.indexes.map(renamed);
}
