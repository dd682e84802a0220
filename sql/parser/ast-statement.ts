/**
 * The syntax tree of transaction control, settings, cursors and maintenance, and the union of all statements. The
 * conventions are those of `ast.ts`. What the grammar understands and Quorate does not run is still a node (a
 * view, a cursor), or an `Unsupported` one that only names it, so that it is answered with 0A000 and not with a
 * syntax error.
 */
import type {
  Delete,
  Expr,
  Identifier,
  Insert,
  QualifiedName,
  Query,
  Truncate,
  TypeName,
  Update,
} from './ast.ts';
import type {
  AlterIndexSplit,
  AlterRangeTransfer,
  AlterTable,
  CreateIndex,
  CreateSchema,
  CreateSequence,
  CreateTable,
  CreateTableAs,
  CreateView,
  Drop,
  ShowRanges,
  StorageParameter,
} from './ast-schema.ts';

export type Statement =
  | Query
  | Insert
  | Update
  | Delete
  | Truncate
  | CreateTable
  | CreateTableAs
  | CreateIndex
  | CreateSchema
  | CreateSequence
  | CreateView
  | Drop
  | AlterTable
  | AlterIndexSplit
  | AlterRangeTransfer
  | ShowRanges
  | Begin
  | Commit
  | Rollback
  | Savepoint
  | ReleaseSavepoint
  | RollbackToSavepoint
  | SetVariable
  | SetTransaction
  | ResetVariable
  | ShowVariable
  | Prepare
  | Execute
  | Deallocate
  | DeclareCursor
  | FetchCursor
  | CloseCursor
  | Copy
  | Explain
  | Vacuum
  | Analyze
  | Discard
  | LockTable
  | Comment
  | Listen
  | Notify
  | Unlisten
  | Checkpoint
  | Unsupported;

/** One statement of a Query message and where it stands in it: `text.slice(start, end)`, without the semicolon. */
export interface ParsedStatement {
  readonly statement: Statement;
  readonly start: number;
  readonly end: number;
  /** The highest `$n`; 0 without parameters. */
  readonly parameterCount: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Transactions

/** Undefined where not said. */
export interface TransactionModes {
  readonly isolation:
    'serializable' | 'repeatable read' | 'read committed' | 'read uncommitted' | undefined;
  readonly readOnly: boolean | undefined;
  readonly deferrable: boolean | undefined;
}
export interface Begin {
  readonly kind: 'begin';
  /** START TRANSACTION: its command tag differs. */
  readonly isStart: boolean;
  readonly modes: TransactionModes;
  readonly position: number;
}
/** COMMIT and END. */
export interface Commit {
  readonly kind: 'commit';
  readonly andChain: boolean;
  readonly position: number;
}
/** ROLLBACK and ABORT. */
export interface Rollback {
  readonly kind: 'rollback';
  readonly andChain: boolean;
  readonly position: number;
}
export interface Savepoint {
  readonly kind: 'savepoint';
  readonly name: string;
  readonly position: number;
}
export interface ReleaseSavepoint {
  readonly kind: 'release savepoint';
  readonly name: string;
  readonly position: number;
}
export interface RollbackToSavepoint {
  readonly kind: 'rollback to savepoint';
  readonly name: string;
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Settings

/** One value of SET, as text: what it means is the setting's business. */
export interface SettingValue {
  readonly kind: 'word' | 'string' | 'number';
  readonly text: string;
  readonly position: number;
}
/** `SET x TO a, b`, `SET TIME ZONE v` (name 'timezone'), `SET NAMES v` (client_encoding), `SET ROLE`, ... */
export interface SetVariable {
  readonly kind: 'set';
  readonly scope: 'session' | 'local';
  /** Lower case; dotted names joined. */
  readonly name: string;
  /** Empty: TO DEFAULT. */
  readonly values: readonly SettingValue[];
  readonly position: number;
}
export interface SetTransaction {
  readonly kind: 'set transaction';
  /** SET SESSION CHARACTERISTICS AS TRANSACTION */
  readonly isSessionDefault: boolean;
  readonly modes: TransactionModes;
  readonly position: number;
}
/** `name` undefined is RESET ALL. */
export interface ResetVariable {
  readonly kind: 'reset';
  readonly name: string | undefined;
  readonly position: number;
}
/** `name` undefined is SHOW ALL. `SHOW TIME ZONE` is 'timezone', `SHOW TRANSACTION ISOLATION LEVEL` is 'transaction_isolation'. */
export interface ShowVariable {
  readonly kind: 'show';
  readonly name: string | undefined;
  readonly position: number;
}
export interface Discard {
  readonly kind: 'discard';
  readonly what: 'all' | 'plans' | 'sequences' | 'temp';
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Prepared statements, cursors, COPY, EXPLAIN

export interface Prepare {
  readonly kind: 'prepare';
  readonly name: string;
  readonly parameterTypes: readonly TypeName[];
  readonly statement: Query | Insert | Update | Delete;
  /** The slice of the prepared statement in the source. */
  readonly statementStart: number;
  readonly statementEnd: number;
  readonly position: number;
}
export interface Execute {
  readonly kind: 'execute';
  readonly name: string;
  readonly args: readonly Expr[];
  readonly position: number;
}
/** `name` undefined is ALL. */
export interface Deallocate {
  readonly kind: 'deallocate';
  readonly name: string | undefined;
  readonly position: number;
}
export interface DeclareCursor {
  readonly kind: 'declare cursor';
  readonly name: string;
  readonly isBinary: boolean;
  /** SCROLL true, NO SCROLL false. */
  readonly scroll: boolean | undefined;
  readonly withHold: boolean;
  readonly query: Query;
  readonly position: number;
}
export interface FetchCursor {
  readonly kind: 'fetch';
  /** MOVE instead of FETCH. */
  readonly isMove: boolean;
  readonly name: string;
  readonly direction: 'forward' | 'backward' | 'absolute' | 'relative';
  /** FETCH NEXT is forward 1; FIRST is absolute 1; LAST absolute -1. */
  readonly count: number | 'all';
  readonly position: number;
}
/** `name` undefined is ALL. */
export interface CloseCursor {
  readonly kind: 'close';
  readonly name: string | undefined;
  readonly position: number;
}

/** Options of both syntaxes in one form; defaults are not filled in. */
export interface CopyOptions {
  readonly format: 'text' | 'csv' | 'binary' | undefined;
  readonly delimiter: string | undefined;
  readonly null: string | undefined;
  readonly header: boolean | 'match' | undefined;
  readonly quote: string | undefined;
  readonly escape: string | undefined;
  readonly encoding: string | undefined;
  readonly freeze: boolean;
  readonly forceQuote: '*' | readonly Identifier[];
  readonly forceNotNull: readonly Identifier[];
  readonly forceNull: readonly Identifier[];
}
export interface Copy {
  readonly kind: 'copy';
  readonly direction: 'from' | 'to';
  /** Exactly one of `table` and `query`. */
  readonly table: QualifiedName | undefined;
  /** Empty: all. */
  readonly columns: readonly Identifier[];
  readonly query: Query | Insert | Update | Delete | undefined;
  /** STDIN or STDOUT; a file or program is to be refused. */
  readonly target: 'stdio' | 'file' | 'program';
  readonly options: CopyOptions;
  readonly where: Expr | undefined;
  readonly position: number;
}

export interface Explain {
  readonly kind: 'explain';
  /** Option names in lower case; `verbose` and `analyze` of the old syntax included. Value as written, or undefined. */
  readonly options: readonly StorageParameter[];
  readonly statement: Statement;
  readonly position: number;
}

// ---------------------------------------------------------------------------------------------------------------
// Maintenance and the rest

export interface Vacuum {
  readonly kind: 'vacuum';
  /** `full`, `freeze`, `analyze`, ... of either syntax. */
  readonly options: readonly StorageParameter[];
  /** Empty: all tables. */
  readonly tables: readonly MaintenanceTarget[];
  readonly position: number;
}
export interface Analyze {
  readonly kind: 'analyze';
  readonly options: readonly StorageParameter[];
  readonly tables: readonly MaintenanceTarget[];
  readonly position: number;
}
export interface MaintenanceTarget {
  readonly table: QualifiedName;
  readonly columns: readonly Identifier[];
}
export interface LockTable {
  readonly kind: 'lock table';
  readonly tables: readonly QualifiedName[];
  /** Lower case: 'access exclusive' when not given. */
  readonly mode: string;
  readonly nowait: boolean;
  readonly position: number;
}
export interface Comment {
  readonly kind: 'comment';
  /** 'table', 'column', 'index', ... in lower case. */
  readonly objectType: string;
  /** The dotted name as parts; of kinds other than tables, columns and indexes the first name only. */
  readonly name: readonly string[];
  /** Undefined: IS NULL. */
  readonly text: string | undefined;
  readonly position: number;
}
export interface Listen {
  readonly kind: 'listen';
  readonly channel: string;
  readonly position: number;
}
export interface Notify {
  readonly kind: 'notify';
  readonly channel: string;
  readonly payload: string | undefined;
  readonly position: number;
}
/** `channel` undefined is `*`. */
export interface Unlisten {
  readonly kind: 'unlisten';
  readonly channel: string | undefined;
  readonly position: number;
}
export interface Checkpoint {
  readonly kind: 'checkpoint';
  readonly position: number;
}

/** A statement that Postgres has and Quorate has not. Its rest was skipped unread. */
export interface Unsupported {
  readonly kind: 'unsupported';
  /** Upper case, as in a message: 'CREATE FUNCTION', 'GRANT'. */
  readonly phrase: string;
  readonly position: number;
}
