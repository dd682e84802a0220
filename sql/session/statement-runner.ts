/**
 * What each kind of statement does. Queries and changes of rows go through `PlannedRunner`; everything else is a call
 * of the part that owns it. Returns the command tag, or undefined when a portal stopped before its end.
 */
import { unreachable } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { ParsedStatement, Statement } from '../parser/ast-statement.ts';
import { noParameter } from '../parser/parse.ts';
import type { Datum } from '../types/datum.ts';
import { runCopy } from './copy-statements.ts';
import { PlannedRunner } from './planned-runner.ts';
import type { Portal } from './portal.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import { runAlterSplit, runSchemaStatement } from './schema-statements.ts';
import type { SchemaStatement } from './schema-statements.ts';
import { RANGE_COLUMNS, showRanges, transferLeader } from './range-statements.ts';
import type { PreparedDescription, ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import {
  discard,
  resetVariable,
  setVariable,
  showColumns,
  showVariable,
} from './setting-statements.ts';
import { deallocate, executePrepared, prepareFromSql } from './sql-prepared.ts';
import { findTable } from './table-lookup.ts';
import { begin, commit, mustBlock, rollback, setTransaction } from './transaction-statements.ts';

/** A statement to run. */
export interface Job {
  readonly text: string;
  readonly parsed: ParsedStatement;
  readonly parameters: readonly Datum[];
  readonly prepared?: PreparedStatement;
  readonly portal?: Portal;
}

/** How it is run. */
export interface RunMode {
  readonly sink: ResultSink;
  /** 0: all rows. */
  readonly maxRows: number;
  /** The last statement before the message, or the Sync, that ends an implicit block. */
  readonly isLast: boolean;
  /** Also the first: outside a block it is an autocommit statement. */
  readonly isAlone: boolean;
  /** It must not be run a second time. */
  pin(): void;
}

export class StatementRunner {
  readonly #ctx: SessionContext;
  readonly #planned: PlannedRunner;

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
    this.#planned = new PlannedRunner(ctx);
  }

  *run(job: Job, mode: RunMode): Steps<string | undefined> {
    const { statement, parameterCount } = job.parsed;
    if (parameterCount > 0 && job.prepared === undefined && statement.kind !== 'prepare') {
      throw noParameter(job.text, job.parsed);
    }
    switch (statement.kind) {
      case 'query':
      case 'insert':
      case 'update':
      case 'delete':
        return yield* this.#planned.run(job, statement, mode);
      case 'explain':
        return yield* this.#planned.explain(job, statement, mode);
      case 'prepare':
        mode.pin();
        return yield* prepareFromSql(this.#ctx, this, job, statement);
      case 'execute':
        return yield* executePrepared(this.#ctx, this, { job, statement, mode });
      case 'deallocate':
        mode.pin();
        return deallocate(this.#ctx, statement);
      case 'copy':
        return yield* runCopy(this.#ctx, this.#planned, { job, statement, mode });
      default:
        return yield* this.#runUtility(job, statement, mode);
    }
  }

  *describe(prepared: PreparedStatement): Steps<PreparedDescription> {
    prepared.description ??= yield* this.#describe(prepared);
    return prepared.description;
  }

  *#describe(prepared: PreparedStatement): Steps<PreparedDescription> {
    const statement = prepared.parsed?.statement;
    switch (statement?.kind) {
      case 'query':
      case 'insert':
      case 'update':
      case 'delete': {
        const { columns, parameterTypes } = yield* this.#planned.plan(prepared, statement);
        return { columns, parameterTypes };
      }
      case 'show':
        return { columns: showColumns(statement), parameterTypes: [] };
      case 'show ranges':
        return { columns: RANGE_COLUMNS, parameterTypes: [] };
      case 'explain':
        return { columns: this.#planned.explainColumns, parameterTypes: [] };
      case 'execute': {
        const named = this.#ctx.prepared.get(statement.name);
        const columns = named === undefined ? undefined : (yield* this.describe(named)).columns;
        return { columns, parameterTypes: [] };
      }
      default:
        return { columns: undefined, parameterTypes: [] };
    }
  }

  *#runUtility(
    job: Job,
    statement: Exclude<Statement, PlannedKinds>,
    mode: RunMode,
  ): Steps<string | undefined> {
    const ctx = this.#ctx;
    const { sink } = mode;
    switch (statement.kind) {
      case 'begin':
        return begin(ctx, statement, sink);
      case 'commit':
        return yield* commit(ctx, statement, sink);
      case 'rollback':
        return rollback(ctx, statement, sink);
      case 'savepoint':
        mustBlock(ctx, 'SAVEPOINT').savepoint(statement.name, ctx.settings);
        return 'SAVEPOINT';
      case 'release savepoint':
        mustBlock(ctx, 'RELEASE SAVEPOINT').release(statement.name);
        return 'RELEASE';
      case 'rollback to savepoint':
        mustBlock(ctx, 'ROLLBACK TO SAVEPOINT').rollbackTo(statement.name, ctx.settings);
        return 'ROLLBACK';
      case 'set':
        return setVariable(ctx, statement, sink);
      case 'set transaction':
        return setTransaction(ctx, statement, sink);
      case 'reset':
        return resetVariable(ctx, statement);
      case 'show':
        return yield* showVariable(statement, ctx, sink);
      case 'discard':
        mode.pin();
        return discard(ctx, statement);
      case 'vacuum':
        if (ctx.block?.isExplicit === true) throw inBlock('VACUUM');
        return 'VACUUM';
      case 'analyze':
        return 'ANALYZE';
      case 'checkpoint':
        return 'CHECKPOINT';
      case 'show ranges':
        return yield* this.#showRanges(statement, sink);
      case 'alter range transfer':
        return yield* transferLeader(ctx, statement);
      case 'alter index split':
        throw notSupported('splitting an index is not supported', 'Split the table.');
      case 'alter table':
        if (statement.actions.some((action) => action.kind === 'split at')) {
          return yield* runAlterSplit(ctx, job, statement);
        }
        return yield* runSchemaStatement(ctx, job, statement, sink);
      default:
        return yield* this.#runRest(job, statement, sink);
    }
  }

  *#runRest(
    job: Job,
    statement: SchemaStatement | RefusedStatement,
    sink: ResultSink,
  ): Steps<string> {
    switch (statement.kind) {
      case 'create table':
      case 'create index':
      case 'create schema':
      case 'create sequence':
      case 'alter table':
      case 'drop':
      case 'truncate':
        return yield* runSchemaStatement(this.#ctx, job, statement, sink);
      case 'create table as':
        throw notSupported(
          'CREATE TABLE AS is not supported',
          'Create it, then INSERT ... SELECT.',
        );
      case 'create view':
        throw notSupported('views are not supported');
      case 'declare cursor':
      case 'fetch':
      case 'close':
        throw notSupported('SQL cursors are not supported', 'Use a portal with a row limit.');
      case 'lock table':
        throw notSupported(
          'LOCK TABLE is not supported',
          'Every transaction is serializable: no table lock is needed for that.',
        );
      case 'comment':
        throw notSupported('COMMENT is not supported');
      case 'listen':
      case 'notify':
      case 'unlisten':
        throw notSupported(`${statement.kind.toUpperCase()} is not supported`);
      case 'unsupported':
        throw notSupported(`${statement.phrase} is not supported`);
      default:
        return unreachable(statement);
    }
  }

  *#showRanges(
    statement: Extract<Statement, { kind: 'show ranges' }>,
    sink: ResultSink,
  ): Steps<string> {
    if (statement.index !== undefined)
      throw notSupported('SHOW RANGES FROM INDEX is not supported');
    const table =
      statement.table === undefined ? undefined : yield* findTable(this.#ctx, statement.table);
    return yield* showRanges(this.#ctx, table, sink);
  }
}

type PlannedKinds = Extract<
  Statement,
  {
    kind:
      | 'query'
      | 'insert'
      | 'update'
      | 'delete'
      | 'explain'
      | 'prepare'
      | 'execute'
      | 'deallocate'
      | 'copy';
  }
>;

type RefusedStatement = Extract<
  Statement,
  {
    kind:
      | 'create table as'
      | 'create view'
      | 'declare cursor'
      | 'fetch'
      | 'close'
      | 'lock table'
      | 'comment'
      | 'listen'
      | 'notify'
      | 'unlisten'
      | 'unsupported';
  }
>;

function inBlock(what: string): SqlError {
  return new SqlError(
    SQLSTATE.ACTIVE_SQL_TRANSACTION,
    `${what} cannot run inside a transaction block`,
  );
}
