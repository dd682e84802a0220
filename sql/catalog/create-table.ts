/** CREATE TABLE, and the constraints and columns that ALTER TABLE adds by the same rules. */
import type { Steps } from '../../src/base/steps.ts';
import { SqlError, notSupported, syntaxError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type {
  CheckConstraint,
  ColumnConstraint,
  ColumnDefinition,
  CreateTable,
  IdentityConstraint,
  TableConstraint,
  UniqueConstraint,
} from '../parser/ast-schema.ts';
import { quoteIdentifier, quoteLiteral } from '../parser/print.ts';
import type { SqlType } from '../types/sql-type.ts';
import { isIntegerType } from '../types/sql-type.ts';
import { chooseName } from './constraint-names.ts';
import type { ColumnDescriptor, IndexDescriptor } from './descriptors.ts';
import type { SchemaEditor } from './schema-change.ts';
import { refuse, relationNames, shownName } from './schema-change.ts';
import { createOwnedSequence } from './sequence-change.ts';
import { TableBuilder } from './table-builder.ts';
import { resolveTypeName, serialType } from './type-names.ts';

export function* createTable(editor: SchemaEditor, statement: CreateTable): Steps<void> {
  refuseUnsupported(statement);
  const { name } = statement;
  const schema = yield* editor.creationSchema(name);
  if (yield* editor.isNameTaken(schema, name.name)) {
    if (!statement.ifNotExists) {
      throw new SqlError(SQLSTATE.DUPLICATE_TABLE, `relation "${name.name}" already exists`);
    }
    editor.ports.notice('42P07', `relation "${name.name}" already exists, skipping`);
    return;
  }
  const builder = TableBuilder.create(yield* editor.newObjectId(), schema, name.name);
  const constraints: TableConstraint[] = [];
  const names = new Set<string>();
  for (const column of statement.columns) {
    if (names.has(column.name)) {
      const message = `column "${column.name}" specified more than once`;
      throw new SqlError(SQLSTATE.DUPLICATE_COLUMN, message);
    }
    names.add(column.name);
    yield* addColumn(editor, builder, { schema, definition: column, constraints });
  }
  constraints.push(...statement.constraints);
  // Keys before checks, as the checks' columns may be made NOT NULL by them.
  for (const constraint of constraints) {
    yield* addConstraint(editor, builder, { schema, constraint, isEmpty: true });
  }
  const table = builder.finish();
  const { catalog } = editor.ports;
  yield* catalog.writeName(schema, table.name, { kind: 'table', id: table.id });
  for (const indexName of relationNames(table)) {
    yield* catalog.writeName(schema, indexName, { kind: 'index', id: table.id });
  }
  yield* editor.writeTable(table);
}

interface ColumnToAdd {
  readonly schema: string;
  readonly definition: ColumnDefinition;
  /** Receives the constraints that concern the table. */
  readonly constraints: TableConstraint[];
}

/** Adds a column with its default and NOT NULL; keys, checks and references go to `constraints`. */
export function* addColumn(
  editor: SchemaEditor,
  builder: TableBuilder,
  { schema, definition, constraints }: ColumnToAdd,
): Steps<ColumnDescriptor> {
  if (definition.collation !== undefined) {
    const { name } = definition.collation;
    if (!/^(c|default|posix)$/i.test(name))
      throw notSupported(`collation "${name}" is not supported`);
  }
  const serial = serialType(definition.type);
  const { at } = editor.ports;
  const type = serial ?? at(definition.type.position, () => resolveTypeName(definition.type));
  if (type.name === 'unknown' || type.name === 'void') {
    throw new SqlError(
      SQLSTATE.INVALID_TABLE_DEFINITION,
      `column "${definition.name}" has pseudo-type ${type.name}`,
    );
  }
  const facts = columnFacts(editor, builder.name, definition, type);
  if (serial !== undefined && facts.defaultSql !== undefined) {
    throw syntaxError(
      `multiple default values specified for column "${definition.name}" of table "${builder.name}"`,
    );
  }
  const identity = facts.identity;
  const added = builder.addColumn({
    name: definition.name,
    type,
    isNotNull: facts.isNotNull || serial !== undefined || identity !== undefined,
    defaultSql: facts.defaultSql,
    identity: identity === undefined ? undefined : identity.always ? 'always' : 'by default',
  });
  constraints.push(...facts.constraints);
  if (serial === undefined && identity === undefined) return added;
  const sequence = yield* createOwnedSequence(editor, {
    ...{ schema, table: builder.name, tableId: builder.id, column: added },
    options: identity?.options ?? [],
  });
  const name = `${quoteIdentifier(schema)}.${quoteIdentifier(sequence.name)}`;
  const column = {
    ...added,
    defaultSql: `nextval(${quoteLiteral(name)})`,
    ownedSequenceId: sequence.id,
  };
  builder.replaceColumn(column);
  return column;
}

interface ColumnFacts {
  readonly isNotNull: boolean;
  readonly defaultSql: string | undefined;
  readonly identity: IdentityConstraint | undefined;
  readonly constraints: readonly TableConstraint[];
}

function columnFacts(
  editor: SchemaEditor,
  table: string,
  definition: ColumnDefinition,
  type: SqlType,
): ColumnFacts {
  const { constraints, name } = definition;
  const of = <K extends ColumnConstraint['kind']>(
    kind: K,
  ): Extract<ColumnConstraint, { kind: K }>[] =>
    constraints.filter((c): c is Extract<ColumnConstraint, { kind: K }> => c.kind === kind);
  const isNotNull = of('not null').length > 0;
  if (isNotNull && of('null constraint').length > 0) {
    throw syntaxError(
      `conflicting NULL/NOT NULL declarations for column "${name}" of table "${table}"`,
    );
  }
  if (of('generated').length > 0) {
    throw notSupported('generated columns are not supported', 'Use a default, or compute on read.');
  }
  const [first, second] = of('column default');
  if (second !== undefined) {
    throw syntaxError(`multiple default values specified for column "${name}" of table "${table}"`);
  }
  const [identity] = of('identity');
  if (identity !== undefined && !isIntegerType(type)) {
    throw new SqlError(
      SQLSTATE.INVALID_PARAMETER_VALUE,
      'identity column type must be smallint, integer, or bigint',
    );
  }
  if (identity !== undefined && first !== undefined) {
    throw syntaxError(
      `both default and identity specified for column "${name}" of table "${table}"`,
    );
  }
  return {
    isNotNull,
    defaultSql:
      first === undefined || first.expr.kind === 'null'
        ? undefined
        : editor.ports.expressions.defaultSql(first.expr, name, type),
    identity,
    constraints: [...of('unique'), ...of('check'), ...of('foreign key')],
  };
}

interface ConstraintToAdd {
  readonly schema: string;
  readonly constraint: TableConstraint;
  /** There are no rows yet. */
  readonly isEmpty: boolean;
}

/** Adds a constraint to the definition; a unique index that needs to be filled is returned. */
export function* addConstraint(
  editor: SchemaEditor,
  builder: TableBuilder,
  { schema, constraint, isEmpty }: ConstraintToAdd,
): Steps<IndexDescriptor | undefined> {
  switch (constraint.kind) {
    case 'unique':
      return yield* addKey(editor, builder, { schema, constraint, isEmpty });
    case 'check':
      addCheck(editor, builder, constraint);
      return undefined;
    case 'foreign key':
      throw notSupported(
        'foreign keys are not supported',
        'Leave the constraint out; check in the application.',
      );
    case 'exclude':
      throw notSupported('exclusion constraints are not supported');
  }
}

function* addKey(
  editor: SchemaEditor,
  builder: TableBuilder,
  { schema, constraint, isEmpty }: ConstraintToAdd & { readonly constraint: UniqueConstraint },
): Steps<IndexDescriptor | undefined> {
  refuse(constraint.usingIndex !== undefined, 'a constraint USING INDEX', 'Name its columns.');
  refuse(constraint.deferrable || constraint.initiallyDeferred, 'a deferrable constraint');
  refuse(constraint.nullsNotDistinct, 'NULLS NOT DISTINCT');
  const names = constraint.columns.map((column) => column.name);
  const what = constraint.isPrimaryKey ? 'primary key' : 'unique';
  const { at } = editor.ports;
  const columns = at(constraint.position, () => builder.keyColumns(names, what));
  const parts = constraint.isPrimaryKey
    ? { table: builder.name, columns: [], label: 'pkey' }
    : { table: builder.name, columns: names, label: 'key' };
  const name =
    constraint.name ??
    (yield* editor.freeName(schema, (isTaken) =>
      chooseName(parts, (n) => n === builder.name || builder.hasConstraint(n) || isTaken(n)),
    ));
  if (constraint.name !== undefined) {
    if (builder.hasConstraint(name) || name === builder.name) throw duplicateRelation(name);
    yield* editor.mustBeFree(schema, name);
  }
  if (constraint.isPrimaryKey) {
    at(constraint.position, () => {
      builder.setPrimaryKey(name, columns, isEmpty);
    });
    return undefined;
  }
  return builder.addIndex({ name, isUnique: true, columns, isConstraint: true });
}

function addCheck(editor: SchemaEditor, builder: TableBuilder, check: CheckConstraint): void {
  const { expressions } = editor.ports;
  const sql = expressions.checkSql(check.expr, builder.finish());
  const columns = expressions.columnsOf(check.expr);
  if (check.name !== undefined && builder.hasConstraint(check.name)) {
    throw new SqlError(
      SQLSTATE.DUPLICATE_OBJECT,
      `constraint "${check.name}" for relation "${builder.name}" already exists`,
    );
  }
  const named = columns.length === 1 ? columns : [];
  const name = check.name ?? builder.chooseConstraintName(named, 'check');
  builder.checks = [...builder.checks, { name, sql }];
}

function refuseUnsupported(statement: CreateTable): void {
  const shown = shownName(statement.name);
  refuse(
    statement.persistence === 'temporary',
    'a temporary table',
    `Create "${shown}" without TEMP.`,
  );
  refuse(statement.isPartitioned, 'PARTITION BY', 'Ranges are split and spread automatically.');
  refuse(statement.inherits.length > 0, 'table inheritance');
  refuse(statement.like.length > 0, 'CREATE TABLE ... LIKE', 'Write the columns out.');
  refuse(
    statement.onCommit !== undefined && statement.onCommit !== 'preserve rows',
    'ON COMMIT of a table that is not temporary',
  );
}

function duplicateRelation(name: string): SqlError {
  return new SqlError(SQLSTATE.DUPLICATE_TABLE, `relation "${name}" already exists`);
}
