/**
 * What a session asks of the planner: a statement's meaning, once, and then its execution as often as wanted. The
 * planner is synchronous; where it meets a name that is not at hand it throws `CatalogMiss`, the session reads the
 * catalog, and plans again. Plans are immutable and shared between sessions.
 */
import type { KvClient, KvTxn, LockOptions, TableFence } from '../../src/kv/kv-client.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { SchemaExpressions } from '../catalog/schema-change.ts';
import type { CatalogNames } from '../catalog/catalog-names.ts';
import type { CheckDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import type { ExecPorts, Operator, Predicate } from '../exec/operator.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import type { Delete, Expr, Insert, Query, Update } from '../parser/ast.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { ResultColumn } from '../session/session-api.ts';

export type PlannedStatement = Query | Insert | Update | Delete;

export interface PlanRequest {
  /** The text that positions of errors refer to. */
  readonly text: string;
  readonly statement: PlannedStatement;
  /** Types given by the client; undefined is to be inferred. */
  readonly parameterTypes: readonly (SqlType | undefined)[];
  readonly catalog: CatalogNames;
  readonly evalContext: EvalContext;
}

export interface Execution extends ExecPorts {
  readonly kv: Pick<KvClient, 'latestGet' | 'latestScan' | 'uniqueInt'>;
  /** Undefined: to be answered by one latest read (see `Plan.isLatestRead`). */
  readonly txn: KvTxn | undefined;
  readonly parameters: readonly Datum[];
  readonly evalContext: EvalContext;
  readonly lock: LockOptions;
}

/** A statement on its way: its rows, and its tag once they have all been taken. */
export interface Running {
  readonly rows: Operator;
  tag(rowCount: number): string;
}

/** A change of at most one row of one table. */
export interface PlannedChange {
  readonly table: TableFence;
  /** How many rows it has changed. */
  run(execution: Execution): MaybePromise<number>;
  tag(count: number): string;
}

export interface Plan {
  /** Undefined when the statement returns no rows. */
  readonly columns: readonly ResultColumn[] | undefined;
  readonly parameterTypes: readonly SqlType[];
  /** Tables it was planned with: it holds as long as these are their versions. */
  readonly tables: readonly TableDescriptor[];
  readonly isReadOnly: boolean;
  /** What it is called where it is not allowed: `UPDATE`, `SELECT FOR UPDATE`. */
  readonly command: string;
  /** One point or one span of one table: may run as a latest read (TXN-3). */
  readonly isLatestRead: boolean;
  /** Begins. Changes of rows are complete when it returns. Undefined: a latest read that needs a snapshot after all. */
  open(execution: Execution): Steps<Running | undefined>;
  /** As `open`, for a query that gives at most one row, whose key it says; a latest read without `txn`. */
  readonly pointRead: ((execution: Execution) => MaybePromise<Row | undefined>) | undefined;
  /** As `open`, for a change of at most one row without RETURNING. */
  readonly pointChange: PlannedChange | undefined;
  /** EXPLAIN, a line each. */
  explain(): readonly string[];
}

/** A value computed for each row, or once: a default, a SPLIT AT value, an EXECUTE argument. */
export type Computed = (evalContext: EvalContext) => Datum;

export interface StatementPlanner {
  plan(request: PlanRequest): Plan;
  /** An expression without columns, as a value of a type. */
  constant(expr: Expr, type: SqlType, text: string): Computed;
  /** The default that a column's descriptor keeps as text; NULL without one. */
  columnDefault(sql: string, type: SqlType): Computed;
  /** NULL is yes. */
  check(table: TableDescriptor, check: CheckDescriptor, evalContext: EvalContext): Predicate;
  /** A condition over a table's row; NULL is no. */
  condition(table: TableDescriptor, expr: Expr, text: string, evalContext: EvalContext): Predicate;
  schemaExpressions(text: string, evalContext: EvalContext): SchemaExpressions;
}
