/** DROP, TRUNCATE, CREATE INDEX and CREATE SCHEMA. */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { QualifiedName, Truncate } from '../parser/ast.ts';
import type { CreateIndex, CreateSchema, Drop } from '../parser/ast-schema.ts';
import { schemaKey, schemaNamesSpan } from './catalog-keys.ts';
import { chooseName } from './constraint-names.ts';
import type { SequenceDescriptor } from './descriptors.ts';
import type { Found, SchemaEditor } from './schema-change.ts';
import { refuse, shownName } from './schema-change.ts';
import { TableBuilder, indexColumnsOf } from './table-builder.ts';
import { BUILT_IN_SCHEMAS } from './txn-catalog.ts';

export function* createIndex(editor: SchemaEditor, statement: CreateIndex): Steps<void> {
  refuse(statement.where !== undefined, 'a partial index', 'Leave WHERE out.');
  refuse(statement.nullsNotDistinct, 'NULLS NOT DISTINCT');
  refuse(!['btree', 'hash'].includes(statement.method), `index method "${statement.method}"`);
  const table = yield* editor.mustTable(statement.table);
  const { schema } = table;
  if (statement.name !== undefined && (yield* editor.isNameTaken(schema, statement.name))) {
    if (!statement.ifNotExists) yield* editor.mustBeFree(schema, statement.name);
    editor.ports.notice('42P07', `relation "${statement.name}" already exists, skipping`);
    return;
  }
  const builder = TableBuilder.change(table);
  const columns = indexColumnsOf(builder, statement.elements);
  const names = statement.elements.map((element) => element.column ?? 'expr');
  const parts = { table: table.name, columns: names, label: 'idx' };
  const name =
    statement.name ?? (yield* editor.freeName(schema, (isTaken) => chooseName(parts, isTaken)));
  const { isUnique } = statement;
  const index = builder.addIndex({ name, isUnique, columns, isConstraint: false });
  yield* editor.ports.catalog.writeName(schema, name, { kind: 'index', id: table.id });
  const after = builder.finish();
  yield* editor.writeTable(after);
  yield* editor.ports.rows.fillIndex(after, index);
}

export function* createSchema(editor: SchemaEditor, statement: CreateSchema): Steps<void> {
  const name = statement.name ?? statement.authorization ?? '';
  const { catalog, txn } = editor.ports;
  if (yield* catalog.hasSchema(name)) {
    const message = `schema "${name}" already exists`;
    if (!statement.ifNotExists) throw new SqlError(SQLSTATE.DUPLICATE_SCHEMA, message);
    editor.ports.notice('42P06', `${message}, skipping`);
    return;
  }
  if (name.startsWith('pg_')) {
    throw new SqlError(SQLSTATE.RESERVED_NAME, `unacceptable schema name "${name}"`, {
      detail: 'The prefix "pg_" is reserved for system schemas.',
    });
  }
  yield* wait(txn.put(schemaKey(name), Buffer.from('1', 'latin1'), undefined));
}

export function* dropObjects(editor: SchemaEditor, statement: Drop): Steps<void> {
  for (const name of statement.names) {
    if (statement.objectType === 'schema') yield* dropSchema(editor, statement, name.name);
    else yield* dropRelation(editor, statement, name);
  }
}

function* dropRelation(editor: SchemaEditor, statement: Drop, name: QualifiedName): Steps<void> {
  const { objectType } = statement;
  const found = yield* editor.find(name);
  if (found === undefined) {
    const what = objectType === 'table' ? 'table' : objectType;
    if (!statement.ifExists) {
      throw new SqlError(
        objectType === 'index' ? SQLSTATE.UNDEFINED_OBJECT : SQLSTATE.UNDEFINED_TABLE,
        `${what} "${shownName(name)}" does not exist`,
      );
    }
    editor.ports.notice('00000', `${what} "${shownName(name)}" does not exist, skipping`);
    return;
  }
  if (found.kind !== objectType) throw wrongType(found, objectType, name.name);
  yield* dropFound(editor, found, name.name, statement.cascade);
}

function* dropFound(
  editor: SchemaEditor,
  found: Found,
  name: string,
  cascade: boolean,
): Steps<void> {
  const { descriptor } = found;
  if (descriptor.kind === 'sequence') yield* dropOneSequence(editor, descriptor, cascade);
  else if (found.kind === 'table') yield* editor.dropTable(descriptor);
  else {
    const index = descriptor.indexes.find((other) => other.name === name);
    if (index === undefined || index.isConstraint) {
      throw new SqlError(
        SQLSTATE.DEPENDENT_OBJECTS_STILL_EXIST,
        `cannot drop index ${name} because constraint ${name} on table ${descriptor.name} requires it`,
        { hint: `You can drop constraint ${name} on table ${descriptor.name} instead.` },
      );
    }
    const builder = TableBuilder.change(descriptor);
    builder.indexes = builder.indexes.filter((other) => other.id !== index.id);
    yield* editor.ports.catalog.removeName(descriptor.schema, name);
    yield* editor.writeTable(builder.finish());
    yield* editor.discard(descriptor, [index]);
  }
}

function* dropOneSequence(
  editor: SchemaEditor,
  sequence: SequenceDescriptor,
  cascade: boolean,
): Steps<void> {
  const { ownedBy } = sequence;
  const { catalog } = editor.ports;
  const owner = ownedBy === undefined ? undefined : yield* catalog.descriptorInTxn(ownedBy.tableId);
  if (owner?.kind === 'table') {
    const column = owner.columns.find((other) => other.id === ownedBy?.columnId);
    if (column !== undefined && !cascade) {
      const what = `default value for column ${column.name} of table ${owner.name}`;
      throw new SqlError(
        SQLSTATE.DEPENDENT_OBJECTS_STILL_EXIST,
        `cannot drop sequence ${sequence.name} because other objects depend on it`,
        {
          detail: `${what} depends on sequence ${sequence.name}`,
          hint: 'Use DROP ... CASCADE to drop the dependent objects too.',
        },
      );
    }
    if (column !== undefined) {
      const builder = TableBuilder.change(owner);
      const { identity } = column;
      if (identity !== undefined) throw notSupported('dropping the sequence of an identity column');
      builder.replaceColumn({ ...column, defaultSql: undefined, ownedSequenceId: undefined });
      yield* editor.writeTable(builder.finish());
    }
  }
  yield* editor.dropSequence(sequence);
}

function* dropSchema(editor: SchemaEditor, statement: Drop, name: string): Steps<void> {
  const { catalog, txn } = editor.ports;
  const isBuiltIn = BUILT_IN_SCHEMAS.includes(name);
  if (!(yield* catalog.hasSchema(name))) {
    const message = `schema "${name}" does not exist`;
    if (!statement.ifExists) throw new SqlError(SQLSTATE.INVALID_SCHEMA_NAME, message);
    editor.ports.notice('00000', `${message}, skipping`);
    return;
  }
  if (isBuiltIn) throw notSupported(`dropping schema "${name}" is not supported`);
  const objects = (yield* catalog.all()).filter((object) => object.schema === name);
  if (objects.length > 0 && !statement.cascade) {
    throw new SqlError(
      SQLSTATE.DEPENDENT_OBJECTS_STILL_EXIST,
      `cannot drop schema ${name} because other objects depend on it`,
      { hint: 'Use DROP ... CASCADE to drop the dependent objects too.' },
    );
  }
  for (const object of objects) if (object.kind === 'table') yield* editor.dropTable(object);
  for (const object of objects) {
    if (object.kind === 'sequence' && object.ownedBy === undefined) {
      yield* editor.dropSequence(object);
    }
  }
  // Read as a span: an object that someone creates in the schema at the same time is a conflict.
  const cursor = txn.scan(schemaNamesSpan(name), undefined, { limit: 1 });
  yield* wait(cursor.next());
  cursor.close();
  yield* wait(txn.delete(schemaKey(name), undefined));
}

/**
 * TRUNCATE takes a new version of the table, with new indexes that are empty: whoever read it before cannot commit
 * after.
 */
export function* truncate(editor: SchemaEditor, statement: Truncate): Steps<void> {
  const { catalog } = editor.ports;
  for (const name of statement.tables) {
    const table = yield* editor.mustTable(name);
    const builder = TableBuilder.change(table);
    builder.renewIndexes();
    yield* editor.writeTable(builder.finish());
    yield* editor.discard(table, [table.primary, ...table.indexes]);
    if (!statement.restartIdentity) continue;
    for (const column of table.columns) {
      if (column.ownedSequenceId === undefined) continue;
      const sequence = yield* catalog.descriptorInTxn(column.ownedSequenceId);
      if (sequence?.kind !== 'sequence') continue;
      const { version } = sequence;
      const stateId = editor.newStateId();
      yield* catalog.write({ ...sequence, version: version + 1, stateId });
    }
  }
}

function wrongType(found: Found, wanted: string, name: string): SqlError {
  const article = (word: string): string => (/^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`);
  return new SqlError(SQLSTATE.WRONG_OBJECT_TYPE, `"${name}" is not ${article(wanted)}`, {
    hint: `Use DROP ${found.kind.toUpperCase()} to remove ${article(found.kind)}.`,
  });
}
