/**
 * Schema changes are ordinary writes of an ordinary transaction: descriptors, names and fences go with its commit or
 * its rollback, and its own later statements see them at once (design, section 6). Here is what all changes share:
 * names and ids, reading what is to be changed, writing the new version with its fence. What each statement does is in
 * `create-table.ts`, `alter-table.ts` and `drop-objects.ts`; rows are changed through `SchemaRows`.
 */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { KvTxn, LockOptions } from '../../src/kv/kv-client.ts';
import { SqlError, notSupported, undefinedTable } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Expr, QualifiedName } from '../parser/ast.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { FIRST_OBJECT_ID, ID_COUNTER_KEY, garbageKey } from './catalog-keys.ts';
import { encodeGarbage } from './descriptor-codec.ts';
import type {
  CheckDescriptor,
  ColumnDescriptor,
  IndexDescriptor,
  SequenceDescriptor,
  TableDescriptor,
} from './descriptors.ts';
import type { TxnCatalog } from './txn-catalog.ts';

/** Changes of a table's rows that go with a change of its schema, within the transaction. */
export interface SchemaRows {
  /** Writes the entries of a new index; 23505 if it is unique and the rows are not. */
  fillIndex(table: TableDescriptor, index: IndexDescriptor): Steps<void>;
  /** Writes all rows of `from`, as `change` makes them, into the primary and other indexes of `to`. */
  rewrite(
    from: TableDescriptor,
    to: TableDescriptor,
    change: (row: readonly Datum[]) => Datum[],
  ): Steps<void>;
  /** Throws if a row violates the constraint: 23502, 23514. */
  verifyNotNull(table: TableDescriptor, column: ColumnDescriptor): Steps<void>;
  verifyCheck(table: TableDescriptor, check: CheckDescriptor): Steps<void>;
  isEmpty(table: TableDescriptor): Steps<boolean>;
}

/** Expressions of a schema statement, checked and turned into what the catalog keeps. */
export interface SchemaExpressions {
  /** A default for a column: text that gives the column's type. */
  defaultSql(expr: Expr, column: string, type: SqlType): string;
  checkSql(expr: Expr, table: TableDescriptor): string;
  /** The columns that a check mentions. */
  columnsOf(expr: Expr): readonly string[];
  /** The value of a default that does not depend on the moment; undefined otherwise. */
  constantOf(sql: string, type: SqlType): Datum | undefined;
  /** A conversion of a column's values: `USING expr`, or the assignment cast. */
  conversion(
    table: TableDescriptor,
    column: ColumnDescriptor,
    type: SqlType,
    using: Expr | undefined,
  ): (row: readonly Datum[]) => Datum;
}

export interface SchemaPorts {
  readonly catalog: TxnCatalog;
  readonly txn: KvTxn;
  readonly lock: LockOptions;
  /** Schemas in which an unqualified name is looked for; the first is where objects are created. */
  readonly searchPath: readonly string[];
  readonly rows: SchemaRows;
  readonly expressions: SchemaExpressions;
  uniqueInt(): bigint;
  /** Gives an error of the statement its place in the text. */
  readonly at: <T>(position: number, work: () => T) => T;
  notice(sqlState: string, message: string): void;
}

export class SchemaEditor {
  readonly ports: SchemaPorts;

  constructor(ports: SchemaPorts) {
    this.ports = ports;
  }

  *newObjectId(): Steps<number> {
    const { txn, lock } = this.ports;
    const [row] = yield* wait(txn.lock([ID_COUNTER_KEY], undefined, lock));
    const last = row?.value === undefined ? FIRST_OBJECT_ID - 1 : Number(textOf(row.value));
    const id = last + 1;
    yield* wait(txn.put(ID_COUNTER_KEY, Buffer.from(String(id), 'latin1'), undefined));
    return id;
  }

  /** Where an object of this name is created; 3F000 for a schema that does not exist. */
  *creationSchema(name: QualifiedName): Steps<string> {
    const { catalog, searchPath } = this.ports;
    if (name.schema !== undefined) {
      if (name.schema === 'pg_catalog' || name.schema === 'information_schema') {
        throw new SqlError(
          SQLSTATE.INSUFFICIENT_PRIVILEGE,
          `permission denied to create "${name.schema}.${name.name}"`,
          { detail: 'System catalog modifications are currently disallowed.' },
        );
      }
      if (yield* catalog.hasSchema(name.schema)) return name.schema;
      throw new SqlError(SQLSTATE.INVALID_SCHEMA_NAME, `schema "${name.schema}" does not exist`);
    }
    for (const schema of searchPath) {
      if (schema !== 'pg_catalog' && (yield* catalog.hasSchema(schema))) return schema;
    }
    throw new SqlError(SQLSTATE.INVALID_SCHEMA_NAME, 'no schema has been selected to create in');
  }

  *isNameTaken(schema: string, name: string): Steps<boolean> {
    return (yield* this.ports.catalog.nameInTxn(schema, name)) !== undefined;
  }

  /** A free name for an index or sequence, built on the names that the transaction sees. */
  *freeName(schema: string, choose: (isTaken: (name: string) => boolean) => string): Steps<string> {
    const taken = new Set<string>();
    for (;;) {
      const name = choose((candidate) => taken.has(candidate));
      if (!(yield* this.isNameTaken(schema, name))) return name;
      taken.add(name);
    }
  }

  *mustBeFree(schema: string, name: string): Steps<void> {
    if (!(yield* this.isNameTaken(schema, name))) return;
    throw new SqlError(SQLSTATE.DUPLICATE_TABLE, `relation "${name}" already exists`);
  }

  /** The table of a name as the transaction sees it; undefined when there is no such relation. */
  *findTable(name: QualifiedName): Steps<TableDescriptor | undefined> {
    const found = yield* this.find(name);
    if (found === undefined) return undefined;
    if (found.kind === 'table' && found.descriptor.kind === 'table') return found.descriptor;
    throw new SqlError(SQLSTATE.WRONG_OBJECT_TYPE, `"${name.name}" is not a table`);
  }

  *mustTable(name: QualifiedName): Steps<TableDescriptor> {
    const table = yield* this.findTable(name);
    if (table === undefined) throw undefinedTable(shownName(name));
    return table;
  }

  *find(name: QualifiedName): Steps<Found | undefined> {
    const { catalog, searchPath } = this.ports;
    const schemas = name.schema === undefined ? searchPath : [name.schema];
    for (const schema of schemas) {
      const entry = yield* catalog.nameInTxn(schema, name.name);
      if (entry === undefined) continue;
      const descriptor = yield* catalog.descriptorInTxn(entry.id);
      if (descriptor !== undefined) return { kind: entry.kind, schema, descriptor };
    }
    return undefined;
  }

  /** Writes a new version of a table, and its fence. The names of its indexes are the caller's. */
  *writeTable(table: TableDescriptor): Steps<void> {
    const { catalog, txn, lock } = this.ports;
    // NB: the fence first: it waits for other schema changes and moves the snapshot past them.
    yield* wait(txn.bumpFence(table.id, table.version, lock));
    yield* catalog.write(table);
  }

  *dropTable(table: TableDescriptor): Steps<void> {
    const { catalog, txn, lock } = this.ports;
    yield* wait(txn.bumpFence(table.id, 0, lock));
    yield* catalog.removeName(table.schema, table.name);
    for (const name of relationNames(table)) yield* catalog.removeName(table.schema, name);
    for (const column of table.columns) {
      if (column.ownedSequenceId === undefined) continue;
      const sequence = yield* catalog.descriptorInTxn(column.ownedSequenceId);
      if (sequence?.kind === 'sequence') yield* this.dropSequence(sequence);
    }
    yield* catalog.remove(table.id);
    yield* this.discard(table, [table.primary, ...table.indexes]);
  }

  /**
   * Gives up indexes with all their entries. Their ids never come again, so nothing can see what they hold; it is
   * removed later, behind everyone's back, rather than row by row within this transaction.
   */
  *discard(table: TableDescriptor, indexes: readonly IndexDescriptor[]): Steps<void> {
    for (const { id } of indexes) {
      const value = encodeGarbage({ tableId: table.id, indexId: id });
      yield* wait(this.ports.txn.put(garbageKey(table.id, id), value, undefined));
    }
  }

  *dropSequence(sequence: SequenceDescriptor): Steps<void> {
    const { catalog } = this.ports;
    yield* catalog.removeName(sequence.schema, sequence.name);
    yield* catalog.remove(sequence.id);
  }

  newStateId(): string {
    return this.ports.uniqueInt().toString(16);
  }
}

export interface Found {
  readonly kind: 'table' | 'sequence' | 'index';
  readonly schema: string;
  readonly descriptor: TableDescriptor | SequenceDescriptor;
}

/** Names that a table's indexes hold in its schema. */
export function relationNames(table: TableDescriptor): string[] {
  const names = table.indexes.map((index) => index.name);
  return table.hasPrimaryKey ? [table.primary.name, ...names] : names;
}

export function shownName(name: QualifiedName): string {
  return name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
}

export function refuse(isRefused: boolean, what: string, hint?: string): void {
  if (isRefused) throw notSupported(`${what} is not supported`, hint);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
