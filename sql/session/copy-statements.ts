/** COPY between a table or query and the client. */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { KvCursor } from '../../src/kv/kv-client.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { copyFrom } from '../exec/copy-from.ts';
import type { CopyFormat } from '../exec/copy-options.ts';
import { resolveCopyOptions } from '../exec/copy-options.ts';
import { copyHeader, copyLineWriter } from '../exec/copy-writer.ts';
import type { Batch, Operator } from '../exec/operator.ts';
import { Breather } from '../exec/operator.ts';
import type { RowReader } from '../exec/table-codec.ts';
import { codecOf } from '../exec/table-codec.ts';
import { TableWriter } from '../exec/table-writer.ts';
import type { QualifiedName } from '../parser/ast.ts';
import type { Copy } from '../parser/ast-statement.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { encodeText } from '../types/text-format.ts';
import { execPorts, executionOf, lockOptions } from './execution.ts';
import type { PlannedRunner } from './planned-runner.ts';
import { sourceOf } from './planned-runner.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';
import { restarting } from './statement-restart.ts';
import type { Job, RunMode } from './statement-runner.ts';
import { findTable, sequenceNames } from './table-lookup.ts';

interface CopyCall {
  readonly job: Job;
  readonly statement: Copy;
  readonly mode: RunMode;
}

/** Output is handed over in pieces of about this size. */
const OUTPUT_BYTES = 16 * 1024;

export function* runCopy(
  ctx: SessionContext,
  planned: PlannedRunner,
  call: CopyCall,
): Steps<string> {
  const { statement } = call;
  if (statement.target !== 'stdio') {
    throw notSupported(
      'COPY to or from a file or program on the server is not supported',
      "Use COPY ... FROM STDIN or TO STDOUT, or psql's \\copy.",
    );
  }
  const format = resolveCopyOptions(statement.options, statement.direction);
  ctx.block ??= ctx.newBlock(false);
  ctx.sequences.begin(sequenceNames(ctx));
  if (statement.direction === 'to') return yield* copyTo(ctx, planned, call, format);
  if (statement.table === undefined) throw notSupported('COPY from a query');
  const { table: name } = statement;
  const table = yield* restarting(ctx, () => tableInForce(ctx, name));
  return yield* copyIn(ctx, call, table, format);
}

/** The table in the version that its fence has: once data comes in, it is too late to find out. */
function* tableInForce(ctx: SessionContext, name: QualifiedName): Steps<TableDescriptor> {
  const table = yield* findTable(ctx, name);
  const codec = codecOf(table);
  if (ctx.block !== undefined) yield* wait(ctx.block.txn.get(codec.prefix, codec.fence));
  return table;
}

function* copyIn(
  ctx: SessionContext,
  call: CopyCall,
  table: TableDescriptor,
  format: CopyFormat,
): Steps<string> {
  const { statement, mode, job } = call;
  const { block, shared } = ctx;
  if (block === undefined) return 'COPY 0';
  if (block.isReadOnly) {
    throw new SqlError(
      SQLSTATE.READ_ONLY_SQL_TRANSACTION,
      'cannot execute COPY FROM in a read-only transaction',
    );
  }
  const { planner } = shared;
  const evalContext = new SessionEvalContext(ctx);
  const ordinals = copyOrdinals(table, statement);
  const writer = new TableWriter(table, {
    ...{ txn: block.txn, lock: lockOptions(ctx), format: evalContext },
    checks: table.checks.map((check) => ({
      name: check.name,
      holds: planner.check(table, check, evalContext),
    })),
  });
  const defaults = table.columns.flatMap((column, ordinal) => {
    if (ordinals.includes(ordinal)) return [];
    if (column.isHidden) return [{ ordinal, evaluate: () => shared.kv.uniqueInt() }];
    if (column.defaultSql === undefined) return [];
    const computed = planner.columnDefault(column.defaultSql, column.type);
    return [{ ordinal, evaluate: () => computed(evalContext) }];
  });
  const where =
    statement.where === undefined
      ? undefined
      : planner.condition(table, statement.where, job.text, evalContext);
  // NB: what the client sends comes once.
  mode.pin();
  const input = mode.sink.copyIn(format.format, ordinals.length);
  const target = { writer, ordinals, defaults, where };
  const count = yield* copyFrom(target, input, format, { ...execPorts(ctx), format: evalContext });
  return `COPY ${count}`;
}

interface CopySource {
  readonly names: readonly string[];
  readonly types: readonly SqlType[];
  readonly rows: Operator;
}

interface StartedCopy {
  readonly source: CopySource;
  readonly first: Batch | undefined;
}

function* copyTo(
  ctx: SessionContext,
  planned: PlannedRunner,
  call: CopyCall,
  format: CopyFormat,
): Steps<string> {
  const { sink } = call.mode;
  const evalContext = new SessionEvalContext(ctx);
  // The first rows are fetched before the client is told: until then the statement can start anew unseen.
  const { source, first } = yield* restarting(ctx, function* (): Steps<StartedCopy> {
    const started = yield* copySource(ctx, planned, call, evalContext);
    return { source: started, first: yield* started.rows.next() };
  });
  const { names, types, rows } = source;
  const write = copyLineWriter(format, names);
  let count = 0;
  try {
    sink.copyOut(format.format, names.length);
    let text = copyHeader(format, names) ?? '';
    for (let batch = first; batch !== undefined; batch = yield* rows.next()) {
      for (const row of batch) {
        text += write(types.map((type, i) => shownField(type, row[i] ?? null, evalContext)));
        if (text.length < OUTPUT_BYTES) continue;
        yield* wait(sink.copyData(Buffer.from(text)));
        text = '';
      }
      count += batch.length;
    }
    if (text !== '') yield* wait(sink.copyData(Buffer.from(text)));
  } finally {
    rows.close();
  }
  sink.copyDone();
  return `COPY ${count}`;
}

function* copySource(
  ctx: SessionContext,
  planned: PlannedRunner,
  call: CopyCall,
  evalContext: SessionEvalContext,
): Steps<CopySource> {
  const { statement, job } = call;
  if (statement.table !== undefined) {
    const table = yield* findTable(ctx, statement.table);
    const ordinals = copyOrdinals(table, statement);
    return {
      names: ordinals.map((ordinal) => table.columns[ordinal]?.name ?? ''),
      types: ordinals.flatMap((ordinal) => table.columns[ordinal]?.type ?? []),
      rows: new TableOutput(ctx, table, ordinals),
    };
  }
  const { query } = statement;
  if (query === undefined) throw notSupported('COPY of nothing');
  const plan = yield* planned.plan(sourceOf(job), query);
  if (plan.columns === undefined) {
    throw notSupported('COPY query must have a RETURNING clause');
  }
  const running = yield* plan.open(executionOf(ctx, { parameters: [], evalContext }));
  if (running === undefined) throw notSupported('COPY of a latest read');
  return {
    names: plan.columns.map((column) => column.name),
    types: plan.columns.map((column) => column.type),
    rows: running.rows,
  };
}

/** The rows of a table in key order, some of its columns. */
class TableOutput implements Operator {
  readonly #ordinals: readonly number[];
  readonly #read: RowReader;
  readonly #cursor: KvCursor | undefined;
  readonly #breather: Breather;

  constructor(ctx: SessionContext, table: TableDescriptor, ordinals: readonly number[]) {
    const codec = codecOf(table);
    this.#ordinals = ordinals;
    this.#read = codec.readerOf(ordinals);
    this.#cursor = ctx.block?.txn.scan(codec.span, codec.fence);
    this.#breather = new Breather(execPorts(ctx));
  }

  *next(): Steps<Batch | undefined> {
    if (this.#cursor === undefined) return undefined;
    const rows = yield* wait(this.#cursor.next());
    if (rows === undefined) return undefined;
    yield* this.#breather.after(rows.length);
    return rows.map((kvRow) => {
      const row = this.#read(kvRow);
      return this.#ordinals.map((ordinal) => row[ordinal] ?? null);
    });
  }

  close(): void {
    this.#cursor?.close();
  }
}

/** The columns of COPY by ordinal: those named, or all that can be seen. */
function copyOrdinals(table: TableDescriptor, statement: Copy): number[] {
  if (statement.columns.length === 0) {
    return table.columns.flatMap((column, ordinal) => (column.isHidden ? [] : [ordinal]));
  }
  const ordinals = statement.columns.map(({ name }) => {
    const ordinal = table.columns.findIndex((column) => column.name === name && !column.isHidden);
    if (ordinal >= 0) return ordinal;
    throw new SqlError(
      SQLSTATE.UNDEFINED_COLUMN,
      `column "${name}" of relation "${table.name}" does not exist`,
    );
  });
  const twice = ordinals.find((ordinal, i) => ordinals.indexOf(ordinal) !== i);
  if (twice !== undefined) {
    throw new SqlError(
      SQLSTATE.DUPLICATE_COLUMN,
      `column "${table.columns[twice]?.name ?? ''}" specified more than once`,
    );
  }
  return ordinals;
}

function shownField(type: SqlType, value: Datum, ctx: SessionEvalContext): string | null {
  return value === null ? null : encodeText(type, value, ctx);
}
