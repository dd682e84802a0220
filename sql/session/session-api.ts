/**
 * What the wire protocol needs of a session. A session runs one request at a time; the connection awaits each. The
 * session never touches a socket: results go to a `ResultSink`, which says when to wait (backpressure).
 *
 * Errors: a method throws `SqlError`; the connection turns it into ErrorResponse. The session has already put its
 * transaction block into the failed state.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { SqlError } from '../errors/sql-error.ts';
import type { Datum } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import type { SqlType } from '../types/sql-type.ts';

export interface ResultColumn {
  readonly name: string;
  readonly type: SqlType;
  /** Table id and column number where the column is a plain column, else 0: RowDescription carries them. */
  readonly tableId: number;
  readonly columnNumber: number;
}

/** 'I' outside a block, 'T' in one, 'E' in a failed one: ReadyForQuery. */
export type TransactionStatus = 'I' | 'T' | 'E';

export interface Notice {
  readonly severity: 'NOTICE' | 'WARNING' | 'INFO';
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
}

/** Where results go. Calls come in protocol order. */
export interface ResultSink {
  /** Before the first row of a statement that returns rows (simple protocol; for a portal the client has described it). */
  columns(columns: readonly ResultColumn[]): void;
  /** One row. A promise asks the producer to wait: the client is slow. The array may be reused by the caller afterwards. */
  row(values: readonly Datum[]): MaybePromise<void>;
  /** CommandComplete with its tag, for example `INSERT 0 1`. */
  complete(tag: string): void;
  /** A portal stopped at its row limit. */
  suspended(): void;
  /** An empty query string. */
  empty(): void;
  notice(notice: Notice): void;
  /** `ParameterStatus`: a reported setting changed. */
  parameter(name: string, value: string): void;
  /** Marks where the results of a retryable unit begin: a block, or an autocommit statement. */
  beginResults(): void;
  /** True once anything since `beginResults` may have left the node: from then on no silent retry. */
  hasSentResults(): boolean;
  /** Drops everything since `beginResults`, before a silent retry; only while `hasSentResults()` is false. */
  discardResults(): void;
  /** COPY ... FROM STDIN: sends CopyInResponse and yields the client's CopyData until CopyDone. CopyFail throws 57014. */
  copyIn(format: 'text' | 'csv' | 'binary', columnCount: number): AsyncIterable<Uint8Array>;
  /** COPY ... TO STDOUT: sends CopyOutResponse; then `copyData` per row, then `copyDone`. */
  copyOut(format: 'text' | 'csv' | 'binary', columnCount: number): void;
  copyData(bytes: Uint8Array): MaybePromise<void>;
  copyDone(): void;
}

export interface PreparedDescription {
  readonly parameterTypes: readonly SqlType[];
  /** Undefined when the statement returns no rows. */
  readonly columns: readonly ResultColumn[] | undefined;
}

export interface SessionOptions {
  readonly user: string;
  readonly database: string;
  /** Startup parameters other than user and database: become settings. */
  readonly parameters: ReadonlyMap<string, string>;
  readonly processId: number;
  /** The session has to end (25P03, 57P05): the connection reports the error as FATAL and closes. */
  readonly onFatal: (error: SqlError) => void;
}

export interface Session {
  readonly status: TransactionStatus;
  /** The settings to report at start: server_version, client_encoding, DateStyle, TimeZone, ... */
  reportedParameters(): readonly (readonly [string, string])[];

  /** How values print now (TimeZone, DateStyle, extra_float_digits, bytea_output): changes with SET. */
  format(): FormatContext;

  /** Query message: any number of statements, run as one implicit transaction block unless they say otherwise. */
  simpleQuery(text: string, sink: ResultSink): MaybePromise<void>;

  /** Parse message. `typeOids[i]` 0 leaves a parameter's type to inference. Name '' is the unnamed statement. */
  parse(name: string, text: string, typeOids: readonly number[]): MaybePromise<void>;
  describeStatement(name: string): MaybePromise<PreparedDescription>;
  /** Bind message, after the wire has decoded the parameters by the types of `describeStatement`. */
  bind(portal: string, statement: string, parameters: readonly Datum[]): MaybePromise<void>;
  describePortal(portal: string): MaybePromise<readonly ResultColumn[] | undefined>;
  /**
   * Execute message. `maxRows` 0 is all. `isLastBeforeSync`: its Sync is already in the input buffer, so that an
   * autocommit statement may be served as a latest read (TXN-3).
   */
  execute(
    portal: string,
    maxRows: number,
    isLastBeforeSync: boolean,
    sink: ResultSink,
  ): MaybePromise<void>;
  /** Undefined: the statement may not be one of a `pipeline` now. */
  pipelineKindOf(statement: string): PipelineKind | undefined;
  /**
   * Statements of one kind with a Sync after each that the client has sent without waiting for answers, each a transaction of its
   * own: begun together as far as that can be done in their order. Ends as if they had come one by one; never rejects.
   */
  pipeline(statements: readonly BoundStatement[], sink: PipelineSink): Promise<void>;
  closeStatement(name: string): void;
  closePortal(name: string): void;
  /** Sync message: ends the implicit transaction (commit, or rollback after an error). */
  sync(): MaybePromise<void>;
  /** After an error in the extended protocol, before messages are skipped up to Sync; marks the block failed. */
  fail(): void;

  /** Cancels what runs now (57014); nothing when idle. Safe at any time. */
  cancel(): void;
  /** The connection is gone: rolls back, releases everything. Idempotent. */
  close(): void;
}

/** A statement on one row, outside of a block: those of one kind can be begun together. */
export type PipelineKind = 'change' | 'read';

/** A statement with its parameters, decoded by the types of `describeStatement`. */
export interface BoundStatement {
  /** Name of the prepared statement. */
  readonly statement: string;
  readonly parameters: readonly Datum[];
}

/** Where the results of statements go that were sent without waiting for answers; calls come in their order. */
export interface PipelineSink {
  /** The results of the statement with this index follow. */
  begin(index: number): ResultSink;
  /** It and its Sync are done, or it has failed. False: the connection is gone, and the rest is not to be run. */
  end(error: unknown): boolean;
}

export interface SessionFactory {
  /** Throws `SqlError` 3D000 for an unknown database, 57P03 while the cluster is not ready. */
  open(options: SessionOptions): Promise<Session>;
}
