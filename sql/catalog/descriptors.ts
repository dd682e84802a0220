/**
 * Descriptors: what the catalog says of a table, an index, a sequence. Immutable values, replaced as a whole by schema
 * changes, which raise `version`; the fence of the table carries the same version. Ids of columns and indexes are
 * never used again within a table. Expressions are kept as SQL text (see sql/parser/print.ts).
 */
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';

export interface ColumnDescriptor {
  readonly id: number;
  readonly name: string;
  readonly type: SqlType;
  readonly isNotNull: boolean;
  /** SQL text; undefined: NULL. */
  readonly defaultSql: string | undefined;
  /** What rows written before the column existed hold in it. */
  readonly missing: Datum;
  /** The hidden row id of a table without primary key: not in `*`, found by no name. */
  readonly isHidden: boolean;
  readonly identity: 'always' | 'by default' | undefined;
  /** The sequence that goes with the column (SERIAL, identity). */
  readonly ownedSequenceId: number | undefined;
}

export interface IndexColumn {
  readonly columnId: number;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}

export interface IndexDescriptor {
  readonly id: number;
  readonly name: string;
  readonly isUnique: boolean;
  readonly columns: readonly IndexColumn[];
  /** Made by a UNIQUE constraint (of the same name), not by CREATE INDEX. */
  readonly isConstraint: boolean;
}

export interface CheckDescriptor {
  readonly name: string;
  readonly sql: string;
}

export interface ForeignKeyDescriptor {
  readonly name: string;
  readonly columnIds: readonly number[];
  readonly referencedTableId: number;
  readonly referencedColumnIds: readonly number[];
  readonly onDelete: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
  readonly onUpdate: 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
}

export interface TableDescriptor {
  readonly kind: 'table';
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  readonly version: number;
  readonly columns: readonly ColumnDescriptor[];
  /** The clustered index that holds the rows: the primary key, or the hidden row id. Its values are whole rows. */
  readonly primary: IndexDescriptor;
  /** False: `primary` is over the hidden row id. */
  readonly hasPrimaryKey: boolean;
  readonly indexes: readonly IndexDescriptor[];
  readonly checks: readonly CheckDescriptor[];
  readonly foreignKeys: readonly ForeignKeyDescriptor[];
  readonly nextColumnId: number;
  readonly nextIndexId: number;
}

export interface SequenceDescriptor {
  readonly kind: 'sequence';
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  readonly version: number;
  readonly type: SqlType;
  /** Names the state, uniquely for ever: RESTART takes a new one. */
  readonly stateId: string;
  readonly start: bigint;
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly cache: bigint;
  readonly cycles: boolean;
  readonly ownedBy: { readonly tableId: number; readonly columnId: number } | undefined;
}

export type Descriptor = TableDescriptor | SequenceDescriptor;
