/**
 * The syntax tree of schema statements: CREATE, DROP, ALTER, and what shows and moves ranges. The conventions are
 * those of `ast.ts`.
 */
import type { Expr, Identifier, IndexElement, QualifiedName, Query, TypeName } from './ast.ts';

// ---------------------------------------------------------------------------------------------------------------
// CREATE, DROP

export interface CreateTable {
  readonly kind: 'create table';
  readonly name: QualifiedName;
  readonly ifNotExists: boolean;
  readonly persistence: 'permanent' | 'temporary' | 'unlogged';
  readonly columns: readonly ColumnDefinition[];
  /** Table constraints; those written at a column are in its definition. */
  readonly constraints: readonly TableConstraint[];
  /** LIKE source. */
  readonly like: readonly QualifiedName[];
  readonly inherits: readonly QualifiedName[];
  /** `PARTITION BY ...` was given: to be refused. */
  readonly isPartitioned: boolean;
  readonly storage: readonly StorageParameter[];
  readonly onCommit: 'preserve rows' | 'delete rows' | 'drop' | undefined;
  readonly tablespace: string | undefined;
  readonly position: number;
}

export interface CreateTableAs {
  readonly kind: 'create table as';
  readonly name: QualifiedName;
  readonly ifNotExists: boolean;
  readonly persistence: 'permanent' | 'temporary' | 'unlogged';
  readonly columns: readonly string[];
  readonly query: Query;
  readonly withData: boolean;
  readonly position: number;
}

/** `fillfactor = 100`: names in lower case, the value as text; undefined when only the name was given. */
export interface StorageParameter {
  readonly name: string;
  readonly value: string | undefined;
  readonly position: number;
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: TypeName;
  readonly collation: QualifiedName | undefined;
  /** In the order written. */
  readonly constraints: readonly ColumnConstraint[];
  readonly position: number;
}

export type ColumnConstraint =
  | NotNullConstraint
  | NullConstraint
  | DefaultConstraint
  | CheckConstraint
  | UniqueConstraint
  | ForeignKeyConstraint
  | IdentityConstraint
  | GeneratedConstraint;

/** Of a UniqueConstraint or ForeignKeyConstraint written at a column, `columns` is that column. */
export type TableConstraint =
  CheckConstraint | UniqueConstraint | ForeignKeyConstraint | ExcludeConstraint;

export interface NotNullConstraint {
  readonly kind: 'not null';
  readonly name: string | undefined;
  readonly position: number;
}
/** An explicit NULL. */
export interface NullConstraint {
  readonly kind: 'null constraint';
  readonly name: string | undefined;
  readonly position: number;
}
export interface DefaultConstraint {
  readonly kind: 'column default';
  readonly name: string | undefined;
  readonly expr: Expr;
  readonly position: number;
}
export interface CheckConstraint {
  readonly kind: 'check';
  readonly name: string | undefined;
  readonly expr: Expr;
  readonly noInherit: boolean;
  readonly notValid: boolean;
  readonly position: number;
}
/** UNIQUE and PRIMARY KEY. */
export interface UniqueConstraint {
  readonly kind: 'unique';
  readonly name: string | undefined;
  readonly isPrimaryKey: boolean;
  readonly columns: readonly Identifier[];
  readonly include: readonly Identifier[];
  readonly nullsNotDistinct: boolean;
  /** `ADD ... PRIMARY KEY USING INDEX i`: then `columns` is empty. */
  readonly usingIndex: string | undefined;
  readonly storage: readonly StorageParameter[];
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly position: number;
}
export type ReferentialAction = 'no action' | 'restrict' | 'cascade' | 'set null' | 'set default';
export interface ForeignKeyConstraint {
  readonly kind: 'foreign key';
  readonly name: string | undefined;
  readonly columns: readonly Identifier[];
  readonly table: QualifiedName;
  /** Empty: the primary key of `table`. */
  readonly referenced: readonly Identifier[];
  readonly match: 'simple' | 'full' | 'partial';
  readonly onDelete: ReferentialAction;
  readonly onUpdate: ReferentialAction;
  readonly deferrable: boolean;
  readonly initiallyDeferred: boolean;
  readonly notValid: boolean;
  readonly position: number;
}
/** EXCLUDE: to be refused. */
export interface ExcludeConstraint {
  readonly kind: 'exclude';
  readonly name: string | undefined;
  readonly position: number;
}
/** GENERATED ALWAYS | BY DEFAULT AS IDENTITY */
export interface IdentityConstraint {
  readonly kind: 'identity';
  readonly name: string | undefined;
  readonly always: boolean;
  readonly options: readonly SequenceOption[];
  readonly position: number;
}
/** GENERATED ALWAYS AS (expr) STORED */
export interface GeneratedConstraint {
  readonly kind: 'generated';
  readonly name: string | undefined;
  readonly expr: Expr;
  readonly position: number;
}

/** `name` is the words in lower case: 'start', 'increment', 'no maxvalue', 'owned by', ... */
export interface SequenceOption {
  readonly name: string;
  /** A number with its sign, or a dotted name; undefined for a bare option. */
  readonly value: string | undefined;
  readonly position: number;
}

export interface CreateIndex {
  readonly kind: 'create index';
  readonly isUnique: boolean;
  readonly concurrently: boolean;
  readonly ifNotExists: boolean;
  /** Undefined: the server chooses one. */
  readonly name: string | undefined;
  readonly table: QualifiedName;
  /** Lower case; 'btree' when not given. */
  readonly method: string;
  readonly elements: readonly IndexElement[];
  readonly include: readonly Identifier[];
  readonly nullsNotDistinct: boolean;
  readonly storage: readonly StorageParameter[];
  readonly tablespace: string | undefined;
  readonly where: Expr | undefined;
  readonly position: number;
}
export interface CreateSchema {
  readonly kind: 'create schema';
  readonly name: string | undefined;
  readonly ifNotExists: boolean;
  readonly authorization: string | undefined;
  readonly position: number;
}
export interface CreateSequence {
  readonly kind: 'create sequence';
  readonly name: QualifiedName;
  readonly ifNotExists: boolean;
  readonly isTemporary: boolean;
  /** `AS bigint` */
  readonly type: TypeName | undefined;
  readonly options: readonly SequenceOption[];
  readonly position: number;
}
export interface CreateView {
  readonly kind: 'create view';
  readonly name: QualifiedName;
  readonly orReplace: boolean;
  readonly isTemporary: boolean;
  readonly isMaterialized: boolean;
  readonly ifNotExists: boolean;
  readonly columns: readonly string[];
  readonly query: Query;
  readonly position: number;
}
export interface Drop {
  readonly kind: 'drop';
  readonly objectType: 'table' | 'index' | 'schema' | 'sequence' | 'view' | 'materialized view';
  readonly ifExists: boolean;
  readonly concurrently: boolean;
  /** A schema's name is in `name`. */
  readonly names: readonly QualifiedName[];
  readonly cascade: boolean;
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// ALTER

export interface AlterTable {
  readonly kind: 'alter table';
  readonly table: QualifiedName;
  readonly ifExists: boolean;
  readonly only: boolean;
  /** In the order written; RENAME, SET SCHEMA and SPLIT AT stand alone. */
  readonly actions: readonly AlterTableAction[];
  readonly position: number;
}
export type AlterTableAction =
  | {
      readonly kind: 'add column';
      readonly ifNotExists: boolean;
      readonly column: ColumnDefinition;
      readonly position: number;
    }
  | {
      readonly kind: 'drop column';
      readonly ifExists: boolean;
      readonly column: Identifier;
      readonly cascade: boolean;
      readonly position: number;
    }
  | {
      readonly kind: 'add constraint';
      readonly constraint: TableConstraint;
      readonly position: number;
    }
  | {
      readonly kind: 'drop constraint';
      readonly ifExists: boolean;
      readonly name: Identifier;
      readonly cascade: boolean;
      readonly position: number;
    }
  | {
      readonly kind: 'validate constraint';
      readonly name: Identifier;
      readonly position: number;
    }
  | {
      readonly kind: 'set default';
      readonly column: Identifier;
      /** Undefined: DROP DEFAULT. */
      readonly expr: Expr | undefined;
      readonly position: number;
    }
  | {
      readonly kind: 'set not null';
      readonly column: Identifier;
      /** False: DROP NOT NULL. */
      readonly notNull: boolean;
      readonly position: number;
    }
  | {
      readonly kind: 'set type';
      readonly column: Identifier;
      readonly type: TypeName;
      readonly using: Expr | undefined;
      readonly position: number;
    }
  | {
      readonly kind: 'set storage';
      readonly parameters: readonly StorageParameter[];
      /** RESET (...) instead of SET (...). */
      readonly reset: boolean;
      readonly position: number;
    }
  | {
      readonly kind: 'rename table' | 'set schema' | 'owner to';
      readonly name: Identifier;
      readonly position: number;
    }
  | {
      readonly kind: 'rename column' | 'rename constraint';
      readonly from: Identifier;
      readonly to: Identifier;
      readonly position: number;
    }
  | {
      readonly kind: 'split at';
      /** Primary key values, a prefix is enough: one row per split point. */
      readonly rows: readonly (readonly Expr[])[];
      readonly position: number;
    }
  | {
      /** Known to Postgres, not to Quorate; `what` names it: 'ENABLE TRIGGER'. */
      readonly kind: 'unsupported action';
      readonly what: string;
      readonly position: number;
    };

/** `ALTER INDEX i SPLIT AT VALUES ...`, also `ALTER INDEX t@i ...` */
export interface AlterIndexSplit {
  readonly kind: 'alter index split';
  readonly table: QualifiedName | undefined;
  readonly index: QualifiedName;
  readonly rows: readonly (readonly Expr[])[];
  readonly position: number;
}
/** `ALTER RANGE 7 TRANSFER LEADER TO 2` */
export interface AlterRangeTransfer {
  readonly kind: 'alter range transfer';
  readonly rangeId: number;
  readonly nodeId: number;
  readonly position: number;
}
/** `SHOW RANGES [FROM TABLE t | FROM INDEX i]`; neither is all ranges. */
export interface ShowRanges {
  readonly kind: 'show ranges';
  readonly table: QualifiedName | undefined;
  readonly index: QualifiedName | undefined;
  readonly position: number;
}
