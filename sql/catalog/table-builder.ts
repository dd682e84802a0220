/**
 * A table being defined or changed: the mutable form of a descriptor, in which ids are handed out and names chosen.
 * Knows the rules that concern one table only; what exists besides it is asked through `isNameTaken`.
 */
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { IndexElement } from '../parser/ast.ts';
import type { SqlType } from '../types/sql-type.ts';
import { INT8 } from '../types/sql-type.ts';
import { chooseName } from './constraint-names.ts';
import type {
  CheckDescriptor,
  ColumnDescriptor,
  ForeignKeyDescriptor,
  IndexColumn,
  IndexDescriptor,
  TableDescriptor,
} from './descriptors.ts';

/** The hidden column that holds the row id of a table without primary key. */
export const ROW_ID_NAME = 'rowid';
const COLUMNS_MAX = 1600;
const INDEX_COLUMNS_MAX = 32;

export interface NewColumn {
  readonly name: string;
  readonly type: SqlType;
  readonly isNotNull?: boolean;
  readonly defaultSql?: string | undefined;
  readonly missing?: ColumnDescriptor['missing'];
  readonly isHidden?: boolean;
  readonly identity?: ColumnDescriptor['identity'];
}

export class TableBuilder {
  readonly id: number;
  readonly #base: { schema: string; name: string; version: number };
  columns: ColumnDescriptor[];
  primary: IndexDescriptor;
  hasPrimaryKey: boolean;
  indexes: IndexDescriptor[];
  checks: CheckDescriptor[];
  foreignKeys: ForeignKeyDescriptor[];
  #nextColumnId: number;
  #nextIndexId: number;

  private constructor(table: TableDescriptor, version: number) {
    this.id = table.id;
    this.#base = { schema: table.schema, name: table.name, version };
    this.columns = [...table.columns];
    this.primary = table.primary;
    this.hasPrimaryKey = table.hasPrimaryKey;
    this.indexes = [...table.indexes];
    this.checks = [...table.checks];
    this.foreignKeys = [...table.foreignKeys];
    this.#nextColumnId = table.nextColumnId;
    this.#nextIndexId = table.nextIndexId;
  }

  /** A table without columns yet, but for the hidden row id. */
  static create(id: number, schema: string, name: string): TableBuilder {
    const builder = new TableBuilder(
      {
        kind: 'table',
        ...{ id, schema, name, version: 1, columns: [], indexes: [], checks: [], foreignKeys: [] },
        primary: { id: 1, name: `${name}_rowid`, isUnique: true, columns: [], isConstraint: false },
        ...{ hasPrimaryKey: false, nextColumnId: 1, nextIndexId: 2 },
      },
      1,
    );
    const column = builder.addColumn({
      ...{ name: ROW_ID_NAME, type: INT8, isNotNull: true, isHidden: true },
    });
    builder.primary = { ...builder.primary, columns: [ascending(column.id)] };
    return builder;
  }

  /** The next version of a table. */
  static change(table: TableDescriptor): TableBuilder {
    return new TableBuilder(table, table.version + 1);
  }

  get name(): string {
    return this.#base.name;
  }

  rename(schema: string, name: string): void {
    this.#base.schema = schema;
    this.#base.name = name;
  }

  addColumn(column: NewColumn): ColumnDescriptor {
    if (this.columns.some((other) => other.name === column.name && !other.isHidden)) {
      throw new SqlError(
        SQLSTATE.DUPLICATE_COLUMN,
        `column "${column.name}" of relation "${this.name}" already exists`,
      );
    }
    if (this.columns.length > COLUMNS_MAX) {
      throw new SqlError(
        SQLSTATE.TOO_MANY_COLUMNS,
        `tables can have at most ${COLUMNS_MAX} columns`,
      );
    }
    const added: ColumnDescriptor = {
      id: this.#nextColumnId++,
      name: column.name,
      type: column.type,
      isNotNull: column.isNotNull ?? false,
      defaultSql: column.defaultSql,
      missing: column.missing ?? null,
      isHidden: column.isHidden ?? false,
      identity: column.identity,
      ownedSequenceId: undefined,
    };
    this.columns.push(added);
    return added;
  }

  mustColumn(name: string): ColumnDescriptor {
    const column = this.columns.find((other) => other.name === name && !other.isHidden);
    if (column !== undefined) return column;
    throw new SqlError(
      SQLSTATE.UNDEFINED_COLUMN,
      `column "${name}" of relation "${this.name}" does not exist`,
    );
  }

  replaceColumn(column: ColumnDescriptor): void {
    this.columns = this.columns.map((other) => (other.id === column.id ? column : other));
  }

  newIndexId(): number {
    return this.#nextIndexId++;
  }

  /** The columns of a key constraint; 42703 for one that does not exist, 42701 for one named twice. */
  keyColumns(names: readonly string[], what: string): IndexColumn[] {
    if (names.length > INDEX_COLUMNS_MAX) {
      throw new SqlError(
        SQLSTATE.TOO_MANY_COLUMNS,
        `cannot use more than ${INDEX_COLUMNS_MAX} columns in an index`,
      );
    }
    const seen = new Set<string>();
    return names.map((name) => {
      const column = this.columns.find((other) => other.name === name && !other.isHidden);
      if (column === undefined) {
        throw new SqlError(
          SQLSTATE.UNDEFINED_COLUMN,
          `column "${name}" named in key does not exist`,
        );
      }
      if (seen.has(name)) {
        throw new SqlError(
          SQLSTATE.DUPLICATE_COLUMN,
          `column "${name}" appears twice in ${what} constraint`,
        );
      }
      seen.add(name);
      return ascending(column.id);
    });
  }

  /**
   * Makes the columns the clustered primary key, NOT NULL included. `isEmpty`: there are no rows, so the index id
   * can stay; otherwise the rows have to be written under the new one.
   */
  setPrimaryKey(name: string, columns: readonly IndexColumn[], isEmpty: boolean): void {
    if (this.hasPrimaryKey) {
      throw new SqlError(
        SQLSTATE.INVALID_TABLE_DEFINITION,
        `multiple primary keys for table "${this.name}" are not allowed`,
      );
    }
    const id = isEmpty ? this.primary.id : this.newIndexId();
    this.primary = { id, name, isUnique: true, columns, isConstraint: true };
    this.hasPrimaryKey = true;
    this.columns = this.columns
      .filter((column) => !column.isHidden)
      .map((column) => {
        const isKey = columns.some((key) => key.columnId === column.id);
        return isKey ? { ...column, isNotNull: true } : column;
      });
  }

  /** Back to a hidden row id, under a new index. */
  dropPrimaryKey(): void {
    const column = this.addColumn({
      ...{ name: ROW_ID_NAME, type: INT8, isNotNull: true, isHidden: true },
    });
    const id = this.newIndexId();
    const columns = [ascending(column.id)];
    const name = `${this.name}_rowid`;
    this.primary = { id, name, isUnique: true, columns, isConstraint: false };
    this.hasPrimaryKey = false;
  }

  addIndex(index: Omit<IndexDescriptor, 'id'>): IndexDescriptor {
    const added = { ...index, id: this.newIndexId() };
    this.indexes.push(added);
    return added;
  }

  /** The same indexes over, under new ids: as if they had been made anew, and are empty. */
  renewIndexes(): void {
    this.primary = { ...this.primary, id: this.newIndexId() };
    this.renewSecondaryIndexes();
  }

  renewSecondaryIndexes(): void {
    this.indexes = this.indexes.map((index) => ({ ...index, id: this.newIndexId() }));
  }

  /** Names of this table's own constraints: they share no name space with other tables. */
  hasConstraint(name: string): boolean {
    return (
      this.checks.some((check) => check.name === name) ||
      this.foreignKeys.some((key) => key.name === name) ||
      this.indexes.some((index) => index.name === name) ||
      (this.hasPrimaryKey && this.primary.name === name)
    );
  }

  chooseConstraintName(columns: readonly string[], label: string): string {
    return chooseName({ table: this.name, columns, label }, (name) => this.hasConstraint(name));
  }

  finish(): TableDescriptor {
    return {
      kind: 'table',
      id: this.id,
      ...this.#base,
      columns: this.columns,
      primary: this.primary,
      hasPrimaryKey: this.hasPrimaryKey,
      indexes: this.indexes,
      checks: this.checks,
      foreignKeys: this.foreignKeys,
      nextColumnId: this.#nextColumnId,
      nextIndexId: this.#nextIndexId,
    };
  }
}

/** The columns of CREATE INDEX; expressions, collations and operator classes are refused. */
export function indexColumnsOf(
  builder: TableBuilder,
  elements: readonly IndexElement[],
): IndexColumn[] {
  if (elements.length > INDEX_COLUMNS_MAX) {
    throw new SqlError(
      SQLSTATE.TOO_MANY_COLUMNS,
      `cannot use more than ${INDEX_COLUMNS_MAX} columns in an index`,
    );
  }
  return elements.map((element) => {
    if (element.column === undefined) {
      throw notSupported('an index over an expression is not supported', 'Index a column.');
    }
    if (element.collation !== undefined && !/^(c|default|posix)$/i.test(element.collation.name)) {
      throw notSupported(`collation "${element.collation.name}" is not supported`);
    }
    const column = builder.columns.find((c) => c.name === element.column && !c.isHidden);
    if (column === undefined) {
      throw new SqlError(SQLSTATE.UNDEFINED_COLUMN, `column "${element.column}" does not exist`);
    }
    const isDescending = element.descending;
    return { columnId: column.id, isDescending, isNullsFirst: element.nullsFirst ?? isDescending };
  });
}

export function ascending(columnId: number): IndexColumn {
  return { columnId, isDescending: false, isNullsFirst: false };
}
