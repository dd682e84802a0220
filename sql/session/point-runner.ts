/**
 * Statements on one row whose key they say (sql/plan/point-plan.ts), as plain calls from message to answer: no
 * generators, and no promise where nothing waits. What is not such a statement, or needs a second attempt, goes the
 * general way (planned-runner.ts), which finds the session as if nothing had been tried.
 *
 * The outcome `false` says just that: nothing of the statement remains, and the general way runs it from its start.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { KvMark, RowChange } from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { fromKv } from '../errors/from-kv.ts';
import { SqlError } from '../errors/sql-error.ts';
import { liftLiterals } from '../parser/literals.ts';
import type { Execution, Plan, PlannedChange } from '../plan/statement-planner.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import { rowChangeOf } from './at-once.ts';
import { executionOf, executionWithoutSession } from './execution.ts';
import { liftedValues } from './lifted-literals.ts';
import type { Portal } from './portal.ts';
import type { PreparedStatement, ReadyPlan } from './prepared-statement.ts';
import type { ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';
import { unitAt } from './statement-retry.ts';
import type { TransactionBlock } from './transaction-block.ts';
import { abandonBlock, endCommitted } from './transaction-statements.ts';

/** A statement whose plan is at hand. */
export interface PointCall {
  readonly plan: Plan;
  readonly planKey: string | undefined;
  readonly parameters: readonly Datum[];
  /** The client is told the columns before the rows: the simple protocol. */
  readonly isDescribed: boolean;
}

export class PointRunner {
  readonly #ctx: SessionContext;
  /** One for all: a point statement ends before the next begins. */
  #evalContext: SessionEvalContext | undefined;
  #format: FormatContext | undefined;

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
  }

  /** The portal's statement, if it can be run here. */
  callOf(portal: Portal, isAlone: boolean): PointCall | undefined {
    if (portal.isDone || portal.isRunning || portal.rows !== undefined) return undefined;
    const ready = readyPlanOf(this.#ctx, portal.prepared);
    if (ready === undefined || !canRunPoint(this.#ctx, ready.plan, isAlone)) return undefined;
    const { plan, planKey } = ready;
    return { plan, planKey, parameters: portal.parameters, isDescribed: false };
  }

  /** The one statement of a Query message, if it is known but for its literals, and can be run here. */
  callOfText(text: string): PointCall | undefined {
    const ctx = this.#ctx;
    const lifted = liftLiterals(text.endsWith(';') ? text.slice(0, -1) : text);
    const ready = lifted === undefined ? undefined : ctx.shared.pointTexts.find(lifted, ctx);
    if (lifted === undefined || ready === undefined) return undefined;
    const { plan, planKey } = ready;
    if (!canRunPoint(ctx, plan, true)) return undefined;
    try {
      const { format } = ctx.settings.config;
      const parameters = liftedValues(lifted, plan.parameterTypes, format);
      return { plan, planKey, parameters, isDescribed: true };
    } catch (error) {
      // The general way says what is wrong, and where.
      if (error instanceof SqlError) return undefined;
      throw error;
    }
  }

  /** Throws and rejects as the general way does. */
  run(call: PointCall, sink: ResultSink): MaybePromise<boolean> {
    const { block } = this.#ctx;
    if (block !== undefined) return this.#inBlock(call, block, sink);
    return call.plan.pointChange === undefined
      ? this.#latest(call, sink)
      : this.#change(call, sink);
  }

  /* ---------- a latest read ---------- */

  #latest(call: PointCall, sink: ResultSink): MaybePromise<boolean> {
    const failed = (error: unknown): boolean => {
      if (!(error instanceof SchemaMismatch)) throw error;
      this.#restarts(error);
      return false;
    };
    return attempt(() => this.#read(call, sink), failed);
  }

  /* ---------- within a block ---------- */

  #inBlock(call: PointCall, block: TransactionBlock, sink: ResultSink): MaybePromise<boolean> {
    const { plan, parameters } = call;
    const mark = block.txn.mark();
    const failed = (error: unknown): MaybePromise<boolean> => this.#lost(error, block, mark, sink);
    const done = attempt(() => {
      const { pointChange } = plan;
      if (pointChange === undefined) return this.#read(call, sink);
      if (this.#isPutOff(call, pointChange, block)) {
        sink.complete(pointChange.tag(1));
        return true;
      }
      return thenMaybe(pointChange.run(this.#execution(parameters)), (count) => {
        sink.complete(pointChange.tag(count));
        return true;
      });
    }, failed);
    return thenMaybe(done, (isDone) => {
      if (isDone) block.isFresh = false;
      return isDone;
    });
  }

  /** True: the commit will run it (TXN-17). */
  #isPutOff(
    { plan, planKey, parameters }: PointCall,
    change: PlannedChange,
    { txn }: TransactionBlock,
  ): boolean {
    const ctx = this.#ctx;
    return txn.changeLater(change.table, () =>
      rowChangeOf({
        plan,
        change,
        planKey,
        parameters,
        executionIn: (within) => executionWithoutSession(ctx, parameters, within),
        lockTimeoutMs: ctx.settings.config.lockTimeoutMs,
      }),
    );
  }

  /** The statement is to begin again, or the whole block where nobody has seen anything of it. */
  #lost(
    error: unknown,
    block: TransactionBlock,
    mark: KvMark,
    sink: ResultSink,
  ): MaybePromise<boolean> {
    const ctx = this.#ctx;
    if (ctx.block !== block) throw error;
    if (error instanceof SchemaMismatch) {
      this.#restarts(error);
      block.txn.rollbackTo(mark);
      return false;
    }
    if (error instanceof KvError && error.code === 'snapshot_moved') {
      this.#restarts(error);
      return block.txn.restart(mark).then(() => {
        block.catalog.refresh();
        return false;
      });
    }
    return this.#again(error, sink);
  }

  /** The statement begins again: with the newest schema, if it was planned with another. */
  #restarts(error: KvError): void {
    const { shared } = this.#ctx;
    if (error instanceof SchemaMismatch) shared.catalogCache.forget(error.tableId);
    shared.env.counters.statementRestarts++;
  }

  /** The unit that has lost to another transaction is run again, if it may be; else throws what it lost with. */
  #again(error: unknown, sink: ResultSink): boolean {
    const unit = unitAt(this.#ctx, 0);
    if (unit?.canRetry(fromKv(error), sink) !== true) throw error;
    unit.restart(sink);
    return false;
  }

  /* ---------- a change on its own ---------- */

  #change(call: PointCall, sink: ResultSink): MaybePromise<boolean> {
    const { plan } = call;
    const { pointChange } = plan;
    if (pointChange === undefined) return false;
    const { changesAtOnce } = this.#ctx.shared;
    if (!changesAtOnce.isWorthTrying(plan)) return this.#changeInBlock(call, pointChange, sink);
    return thenMaybe(this.#changeAtOnce(call, pointChange), (isDone) => {
      changesAtOnce.note(plan, isDone);
      if (!isDone) return this.#changeInBlock(call, pointChange, sink);
      sink.complete(pointChange.tag(1));
      return true;
    });
  }

  /** In one request to one leader; false: nothing has happened. */
  #changeAtOnce(call: PointCall, change: PlannedChange): MaybePromise<boolean> {
    const ctx = this.#ctx;
    const evalContext = this.#evalContextOf(ctx.settings.config.format);
    return ctx.shared.kv.changeAtOnce(pointRowChange(ctx, call, change, evalContext), ctx.signal);
  }

  #changeInBlock(
    { parameters }: PointCall,
    change: PlannedChange,
    sink: ResultSink,
  ): MaybePromise<boolean> {
    const ctx = this.#ctx;
    const block = ctx.newBlock(false);
    ctx.block = block;
    const failed = (error: unknown): boolean => {
      // NB: whoever has ended the block meanwhile has the last word.
      if (ctx.block !== block) throw error;
      abandonBlock(ctx);
      const isMoved = error instanceof KvError && error.code === 'snapshot_moved';
      if (!isMoved && !(error instanceof SchemaMismatch)) return this.#again(error, sink);
      this.#restarts(error);
      return false;
    };
    return attempt(() => {
      block.txn.mark();
      return thenMaybe(change.run(this.#execution(parameters)), (count) =>
        thenMaybe(block.txn.commit(), () => {
          endCommitted(ctx, block);
          sink.complete(change.tag(count));
          return true;
        }),
      );
    }, failed);
  }

  /* ---------- parts ---------- */

  #read({ plan, parameters, isDescribed }: PointCall, sink: ResultSink): MaybePromise<boolean> {
    return thenMaybe(plan.pointRead?.(this.#execution(parameters)), (row: Row | undefined) => {
      if (isDescribed && plan.columns !== undefined) sink.columns(plan.columns);
      if (row === undefined) {
        sink.complete('SELECT 0');
        return true;
      }
      return thenMaybe(sink.row(row), () => {
        sink.complete('SELECT 1');
        return true;
      });
    });
  }

  #execution(parameters: readonly Datum[]): Execution {
    const evalContext = this.#evalContextOf(this.#ctx.settings.config.format);
    return executionOf(this.#ctx, { parameters, evalContext });
  }

  #evalContextOf(format: FormatContext): SessionEvalContext {
    if (this.#evalContext === undefined || this.#format !== format) {
      this.#evalContext = new SessionEvalContext(this.#ctx);
      this.#format = format;
    }
    this.#evalContext.beginStatement();
    return this.#evalContext;
  }
}

function attempt(
  run: () => MaybePromise<boolean>,
  failed: (error: unknown) => MaybePromise<boolean>,
): MaybePromise<boolean> {
  let done: MaybePromise<boolean>;
  try {
    done = run();
  } catch (error) {
    return failed(error);
  }
  return done instanceof Promise ? done.catch(failed) : done;
}

/** The plan that a prepared statement was last run with, if it still is one. */
export function readyPlanOf(
  { shared, settings }: SessionContext,
  { ready }: PreparedStatement,
): ReadyPlan | undefined {
  if (ready?.generation !== shared.catalogCache.generation) return undefined;
  return ready.searchPath === settings.config.searchPath ? ready : undefined;
}

/** `isAlone`: its Sync is at hand. */
export function canRunPoint(
  { block, settings }: SessionContext,
  plan: Plan,
  isAlone: boolean,
): boolean {
  if (plan.pointRead === undefined && plan.pointChange === undefined) return false;
  if (settings.config.statementTimeoutMs !== 0) return false;
  if (block === undefined) {
    if (!isAlone) return false;
    if (plan.pointChange !== undefined) return !settings.config.isDefaultReadOnly;
    return plan.isLatestRead;
  }
  if (!block.isExplicit || block.isFailed || block.catalog.isPrivate) return false;
  return plan.isReadOnly || !block.isReadOnly;
}

/** As the leader of its row is sent it. */
export function pointRowChange(
  ctx: SessionContext,
  { plan, planKey, parameters }: PointCall,
  change: PlannedChange,
  evalContext: SessionEvalContext,
): RowChange {
  return rowChangeOf({
    plan,
    change,
    planKey,
    parameters,
    executionIn: (txn) => executionOf(ctx, { parameters, evalContext }, txn),
    lockTimeoutMs: ctx.settings.config.lockTimeoutMs,
  });
}
