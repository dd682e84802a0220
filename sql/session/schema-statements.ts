/** Schema statements in a session: the block they run in, their tags, and their restart when the snapshot moves. */
import type { Steps } from '../../src/base/steps.ts';
import { alterTable } from '../catalog/alter-table.ts';
import { createTable } from '../catalog/create-table.ts';
import { createIndex, createSchema, dropObjects, truncate } from '../catalog/drop-objects.ts';
import { SchemaEditor } from '../catalog/schema-change.ts';
import { createSequence } from '../catalog/sequence-change.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { SqlState } from '../errors/sqlstate.ts';
import { ordinalsOf } from '../exec/table-codec.ts';
import { TableRewrite } from '../exec/table-rewrite.ts';
import type { AlterTable } from '../parser/ast-schema.ts';
import type { Statement } from '../parser/ast-statement.ts';
import type { Datum } from '../types/datum.ts';
import { execPorts, schemaLockOptions } from './execution.ts';
import { splitTable } from './range-statements.ts';
import type { ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';
import { restarting } from './statement-restart.ts';
import type { Job } from './statement-runner.ts';
import { findTable } from './table-lookup.ts';
import type { TransactionBlock } from './transaction-block.ts';

export type SchemaStatement = Extract<
  Statement,
  {
    kind:
      | 'create table'
      | 'create index'
      | 'create schema'
      | 'create sequence'
      | 'alter table'
      | 'drop'
      | 'truncate';
  }
>;

export function* runSchemaStatement(
  ctx: SessionContext,
  job: Job,
  statement: SchemaStatement,
  sink: ResultSink,
): Steps<string> {
  ctx.block ??= ctx.newBlock(false);
  const { block } = ctx;
  if (block.isReadOnly) {
    throw new SqlError(
      SQLSTATE.READ_ONLY_SQL_TRANSACTION,
      `cannot execute ${tagOf(statement)} in a read-only transaction`,
    );
  }
  const attempt = function* (): Steps<string> {
    // Notices wait for the end: a restart takes them back.
    const notices: { readonly sqlState: SqlState; readonly message: string }[] = [];
    const editor = makeEditor(ctx, block, job, (sqlState, message) => {
      notices.push({ sqlState: sqlState as SqlState, message });
    });
    yield* apply(editor, statement);
    for (const notice of notices) ctx.notice(sink, { severity: 'NOTICE', ...notice });
    return tagOf(statement);
  };
  return yield* restarting(ctx, attempt);
}

/** ALTER TABLE ... SPLIT AT VALUES: not part of any transaction. */
export function* runAlterSplit(
  ctx: SessionContext,
  job: Job,
  statement: AlterTable,
): Steps<string> {
  const table = yield* findTable(ctx, statement.table);
  const ordinals = ordinalsOf(table, table.primary);
  const evalContext = new SessionEvalContext(ctx);
  const rows: Datum[][] = [];
  for (const action of statement.actions) {
    if (action.kind !== 'split at') throw notSupported('SPLIT AT stands alone in ALTER TABLE');
    for (const row of action.rows) {
      rows.push(
        row.map((expr, i) => {
          const type = table.columns[ordinals[i] ?? 0]?.type;
          if (type === undefined) throw notSupported('SPLIT AT of a table without columns');
          return ctx.shared.planner.constant(expr, type, job.text)(evalContext);
        }),
      );
    }
  }
  return yield* splitTable(ctx, table, rows);
}

function makeEditor(
  ctx: SessionContext,
  block: TransactionBlock,
  job: Job,
  notice: (sqlState: string, message: string) => void,
): SchemaEditor {
  const { planner, kv } = ctx.shared;
  const { txn, catalog } = block;
  const evalContext = new SessionEvalContext(ctx);
  const { format, searchPath } = ctx.settings.config;
  return new SchemaEditor({
    ...{ catalog, txn, searchPath, notice },
    lock: schemaLockOptions(ctx),
    rows: new TableRewrite({
      ...{ ...execPorts(ctx), txn, format },
      checkPredicate: (table, check) => planner.check(table, check, evalContext),
    }),
    expressions: planner.schemaExpressions(job.text, evalContext),
    uniqueInt: () => kv.uniqueInt(),
    at: (position, work) => {
      try {
        return work();
      } catch (error) {
        throw error instanceof SqlError ? error.at(job.text, position) : error;
      }
    },
  });
}

function apply(editor: SchemaEditor, statement: SchemaStatement): Steps<void> {
  switch (statement.kind) {
    case 'create table':
      return createTable(editor, statement);
    case 'create index':
      return createIndex(editor, statement);
    case 'create schema':
      return createSchema(editor, statement);
    case 'create sequence':
      return createSequence(editor, statement);
    case 'alter table':
      return alterTable(editor, statement);
    case 'drop':
      return dropObjects(editor, statement);
    case 'truncate':
      return truncate(editor, statement);
  }
}

function tagOf(statement: SchemaStatement): string {
  switch (statement.kind) {
    case 'drop':
      return `DROP ${statement.objectType.toUpperCase()}`;
    case 'truncate':
      return 'TRUNCATE TABLE';
    default:
      return statement.kind.toUpperCase();
  }
}
