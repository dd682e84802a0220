/**
 * A client's session: takes messages, runs their statements one after the other, and keeps the transaction block's
 * state between them. What a statement does is in `statement-runner.ts`; here is when: units and their retries,
 * implicit blocks, timeouts, cancellation, and what an error leaves behind.
 *
 * One message at a time; `cancel` and `close` may come in between. A message whose reads are answered at once
 * completes without a promise.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { fromKv } from '../errors/from-kv.ts';
import { SqlError, inFailedTransaction, queryCanceled } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import { run, wait } from '../../src/base/steps.ts';
import type { Statement } from '../parser/ast-statement.ts';
import type { Datum } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import type { PointCall } from './point-runner.ts';
import type { PipelineOutcome, PipelinePorts } from './pipeline.ts';
import { runPipeline } from './pipeline.ts';
import { PipelinedPoints } from './pipelined-points.ts';
import { PointRunner } from './point-runner.ts';
import type { Portal } from './portal.ts';
import {
  bindPortal,
  closeStatement,
  mustPortal,
  mustPrepared,
  prepareStatement,
} from './prepared-statement.ts';
import type {
  BoundStatement,
  PipelineKind,
  PipelineSink,
  PreparedDescription,
  ResultColumn,
  ResultSink,
  Session,
  TransactionStatus,
} from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import type { SessionTimer } from './session-env.ts';
import { StatementRunner } from './statement-runner.ts';
import type { Job, RunMode } from './statement-runner.ts';
import { unitAt } from './statement-retry.ts';
import { abandonBlock, commitBlock } from './transaction-statements.ts';

/** Statements that a failed block still runs. */
const ALLOWED_IN_FAILED = new Set<Statement['kind']>([
  'commit',
  'rollback',
  'rollback to savepoint',
]);
/** Statements after which a block can still be begun again unseen. */
const KEEPS_FRESH = new Set<Statement['kind']>([
  'begin',
  'set',
  'set transaction',
  'reset',
  'savepoint',
  'release savepoint',
]);

export class QuorateSession implements Session {
  readonly #ctx: SessionContext;
  readonly #runner: StatementRunner;
  readonly #points: PointRunner;
  readonly #pipelined: PipelinedPoints;
  #isRunning = false;
  #isClosed = false;
  #idleTimer: SessionTimer | undefined;

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
    this.#runner = new StatementRunner(ctx);
    this.#points = new PointRunner(ctx);
    this.#pipelined = new PipelinedPoints(ctx);
  }

  get status(): TransactionStatus {
    const block = this.#ctx.block;
    if (block === undefined || !block.isExplicit) return 'I';
    return block.isFailed ? 'E' : 'T';
  }

  reportedParameters(): readonly (readonly [string, string])[] {
    return this.#ctx.settings.reported();
  }

  format(): FormatContext {
    return this.#ctx.settings.config.format;
  }

  simpleQuery(text: string, sink: ResultSink): MaybePromise<void> {
    const call = this.#points.callOfText(text);
    if (call === undefined) return this.#enter(this.#simple(text, sink));
    this.closePortal('');
    return this.#runPoint(call, sink, undefined, () => this.#simple(text, sink));
  }

  parse(name: string, text: string, typeOids: readonly number[]): MaybePromise<void> {
    return this.#enter(prepareStatement(this.#ctx, this.#runner, { name, text, typeOids }));
  }

  describeStatement(name: string): MaybePromise<PreparedDescription> {
    const prepared = mustPrepared(this.#ctx, name);
    return prepared.description ?? this.#enter(this.#runner.describe(prepared));
  }

  bind(portal: string, statement: string, parameters: readonly Datum[]): MaybePromise<void> {
    bindPortal(this.#ctx, { portal, statement, parameters });
  }

  describePortal(name: string): MaybePromise<readonly ResultColumn[] | undefined> {
    const { prepared } = mustPortal(this.#ctx, name);
    if (prepared.description !== undefined) return prepared.description.columns;
    const runner = this.#runner;
    const describe = function* (): Steps<readonly ResultColumn[] | undefined> {
      return (yield* runner.describe(prepared)).columns;
    };
    return this.#enter(describe());
  }

  execute(
    portal: string,
    maxRows: number,
    isLastBeforeSync: boolean,
    sink: ResultSink,
  ): MaybePromise<void> {
    const found = mustPortal(this.#ctx, portal);
    const call = maxRows === 0 ? this.#points.callOf(found, isLastBeforeSync) : undefined;
    if (call === undefined) {
      return this.#enter(this.#execute(found, maxRows, isLastBeforeSync, sink));
    }
    return this.#runPoint(call, sink, found, () =>
      this.#execute(found, maxRows, isLastBeforeSync, sink),
    );
  }

  pipelineKindOf(statement: string): PipelineKind | undefined {
    return this.#pipelined.kindOf(statement);
  }

  pipeline(statements: readonly BoundStatement[], sink: PipelineSink): Promise<void> {
    this.closePortal('');
    return runPipeline(this.#pipelinePorts, statements, sink);
  }

  readonly #pipelinePorts: PipelinePorts = {
    together: (statements) => this.#together(statements),
    alone: async ({ statement, parameters }, sink) => {
      try {
        await this.bind('', statement, parameters);
        await this.execute('', 0, true, sink);
      } finally {
        await this.sync();
      }
    },
  };

  async #together(statements: readonly BoundStatement[]): Promise<readonly PipelineOutcome[]> {
    this.#begin();
    try {
      const outcomes = await this.#pipelined.together(statements);
      return outcomes.map((outcome) => {
        if (outcome === undefined || !('error' in outcome)) return outcome;
        return { error: this.#failureOf(outcome.error) };
      });
    } finally {
      this.#end();
    }
  }

  closeStatement(name: string): void {
    closeStatement(this.#ctx, name);
  }

  closePortal(name: string): void {
    this.#ctx.portals.get(name)?.close();
    this.#ctx.portals.delete(name);
  }

  sync(): MaybePromise<void> {
    const block = this.#ctx.block;
    if (block !== undefined && !block.isExplicit) return this.#enter(this.#endImplicit());
    // Portals end with their transaction, also one that has not begun or has already committed.
    if (block === undefined) this.#closePortals();
    this.#armIdleTimer();
    return undefined;
  }

  fail(): void {
    const block = this.#ctx.block;
    if (block === undefined || block.isFailed) return;
    if (block.isExplicit) block.fail(false);
    else abandonBlock(this.#ctx);
  }

  cancel(): void {
    if (this.#isRunning) this.#ctx.abort(queryCanceled());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idleTimer?.cancel();
    this.#ctx.abort(new SqlError(SQLSTATE.ADMIN_SHUTDOWN, 'the connection is closed'));
    // NB: a running message sees the signal and ends by itself; its block goes here all the same.
    abandonBlock(this.#ctx);
    this.#closePortals();
    this.#ctx.prepared.clear();
  }

  // -- messages -----------------------------------------------------------------------------------------------

  #enter<T>(steps: Steps<T>): MaybePromise<T> {
    this.#begin();
    return run(this.#guarded(steps));
  }

  *#guarded<T>(steps: Steps<T>): Steps<T> {
    try {
      return yield* steps;
    } catch (error) {
      throw this.#failureOf(error);
    } finally {
      this.#end();
    }
  }

  #begin(): void {
    if (this.#isClosed) throw new SqlError(SQLSTATE.ADMIN_SHUTDOWN, 'the session is closed');
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    this.#isRunning = true;
  }

  #end(): void {
    this.#isRunning = false;
    this.#ctx.renewSignal();
    this.#armIdleTimer();
  }

  /** What the client is told, once the session has taken it in. */
  #failureOf(error: unknown): unknown {
    const failure = this.#translate(error);
    this.#onFailure(failure);
    return failure;
  }

  /** A statement on one row, and the general way if it has to begin again. */
  #runPoint(
    call: PointCall,
    sink: ResultSink,
    portal: Portal | undefined,
    general: () => Steps<void>,
  ): MaybePromise<void> {
    this.#begin();
    this.#ctx.shared.env.counters.sqlStatements++;
    if (portal !== undefined) portal.isRunning = true;
    const finish = (isDone: boolean): MaybePromise<void> => {
      if (portal !== undefined) {
        portal.isRunning = false;
        portal.isDone = isDone;
      }
      // NB: a cancel request that came meanwhile is the statement's, which goes on: its signal stays.
      if (!isDone) return this.#enter(general());
      this.#end();
      return undefined;
    };
    const fail = (error: unknown): never => {
      if (portal !== undefined) portal.isRunning = false;
      const failure = this.#failureOf(error);
      this.#end();
      throw failure;
    };
    let done: MaybePromise<boolean>;
    try {
      done = this.#points.run(call, sink);
    } catch (error) {
      return fail(error);
    }
    return done instanceof Promise ? done.then(finish, fail) : finish(done);
  }

  *#simple(text: string, sink: ResultSink): Steps<void> {
    const ctx = this.#ctx;
    this.closePortal('');
    ctx.settings.onReported = (name, value) => sink.parameter(name, value);
    const statements = ctx.shared.statements.parse(text);
    if (statements.length === 0) {
      sink.empty();
      return;
    }
    const jobs = statements.map((parsed): Job => ({ text, parsed, parameters: [] }));
    yield* this.#runAll(jobs, sink, { endsMessage: true, maxRows: 0 });
  }

  *#execute(
    portal: Portal,
    maxRows: number,
    isLastBeforeSync: boolean,
    sink: ResultSink,
  ): Steps<void> {
    const { prepared } = portal;
    this.#ctx.settings.onReported = (name, value) => sink.parameter(name, value);
    if (prepared.parsed === undefined) {
      sink.empty();
      return;
    }
    const { text, parsed } = prepared;
    const job: Job = { text, parsed, parameters: portal.parameters, portal, prepared };
    yield* this.#runAll([job], sink, { endsMessage: isLastBeforeSync, maxRows });
  }

  *#runAll(
    jobs: readonly Job[],
    sink: ResultSink,
    message: { readonly endsMessage: boolean; readonly maxRows: number },
  ): Steps<void> {
    const ctx = this.#ctx;
    let unit = unitAt(ctx, 0);
    for (let i = 0; i < jobs.length;) {
      const job = jobs[i];
      if (job === undefined) break;
      if (ctx.block === undefined && i > 0 && unit?.index !== i) {
        sink.beginResults();
        unit = unitAt(ctx, i);
      }
      try {
        yield* this.#runOne(job, {
          sink,
          maxRows: message.maxRows,
          isLast: message.endsMessage && i === jobs.length - 1,
          isAlone: message.endsMessage && jobs.length === 1,
          pin: () => {
            if (unit !== undefined) unit.isPinned = true;
          },
        });
        i++;
      } catch (error) {
        const failure = this.#translate(error);
        if (unit === undefined || !unit.canRetry(failure, sink)) throw failure;
        unit.restart(sink);
        job.portal?.restart();
        i = unit.index;
        yield* wait(this.#turn());
      }
    }
  }

  *#runOne(job: Job, mode: RunMode): Steps<void> {
    const ctx = this.#ctx;
    const { kind } = job.parsed.statement;
    ctx.shared.env.counters.sqlStatements++;
    if (ctx.block?.isFailed === true && !ALLOWED_IN_FAILED.has(kind)) throw inFailedTransaction();
    const timer = this.#startTimer();
    try {
      const tag = yield* this.#runner.run(job, mode);
      const block = ctx.block;
      if (block !== undefined) {
        if (block.isFresh && !KEEPS_FRESH.has(kind)) block.isFresh = false;
        // NB: the tag promises the commit, so the commit of the message's last statement comes first.
        if (mode.isLast && !block.isExplicit && tag !== undefined) yield* commitBlock(ctx);
      }
      if (tag !== undefined) mode.sink.complete(tag);
    } finally {
      timer?.cancel();
    }
  }

  *#endImplicit(): Steps<void> {
    this.#closePortals();
    if (this.#ctx.block?.isFailed === true) abandonBlock(this.#ctx);
    else yield* commitBlock(this.#ctx);
  }

  #closePortals(): void {
    if (this.#ctx.portals.size === 0) return;
    for (const portal of this.#ctx.portals.values()) portal.close();
    this.#ctx.portals.clear();
  }

  // -- failures and timers ------------------------------------------------------------------------------------

  #translate(error: unknown): unknown {
    const { signal } = this.#ctx;
    // A write planned with an old schema is found out by the commit: whoever runs it again plans it anew.
    if (error instanceof SchemaMismatch) this.#ctx.shared.catalogCache.forget(error.tableId);
    const failure = fromKv(error);
    const isCancelled = failure instanceof SqlError && failure.sqlState === SQLSTATE.QUERY_CANCELED;
    if (isCancelled && signal.aborted && signal.reason instanceof SqlError) return signal.reason;
    return failure;
  }

  #onFailure(failure: unknown): void {
    const ctx = this.#ctx;
    const isLost = failure instanceof SqlError && failure.retry === 'transaction';
    if (isLost) ctx.contention.noteLost();
    if (ctx.block === undefined) return;
    if (ctx.block.isExplicit) ctx.block.fail(isLost || ctx.signal.aborted);
    else abandonBlock(ctx);
  }

  #startTimer(): SessionTimer | undefined {
    const { statementTimeoutMs } = this.#ctx.settings.config;
    if (statementTimeoutMs === 0) return undefined;
    return this.#ctx.shared.env.scheduler.after(statementTimeoutMs, () => {
      this.#ctx.abort(queryCanceled('canceling statement due to statement timeout'));
    });
  }

  #armIdleTimer(): void {
    if (this.#isClosed || this.#idleTimer !== undefined || this.status === 'I') return;
    const { idleInTransactionTimeoutMs } = this.#ctx.settings.config;
    if (idleInTransactionTimeoutMs === 0) return;
    this.#idleTimer = this.#ctx.shared.env.scheduler.after(idleInTransactionTimeoutMs, () => {
      abandonBlock(this.#ctx);
      this.#ctx.options.onFatal(
        new SqlError(
          SQLSTATE.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
          'terminating connection due to idle-in-transaction timeout',
          { severity: 'FATAL' },
        ),
      );
    });
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#ctx.shared.env.scheduler.defer(resolve));
  }
}
