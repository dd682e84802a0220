/**
 * Statements on one row, outside of a block, that are asked of their leader together: which may be, and what becomes of
 * them (pipeline.ts says in what order their clients hear of it).
 *
 * Invariant: where one is not done, none behind it is. For changes the leader sees to it (TXN-15); of reads, which leave
 * nothing behind, what was read after one that failed is dropped.
 */
import type { RowChange } from '../../src/kv/kv-client.ts';
import { executionOf } from './execution.ts';
import { GatheredReads } from './gathered-reads.ts';
import type { PipelineOutcome } from './pipeline.ts';
import type { PointCall } from './point-runner.ts';
import { canRunPoint, pointRowChange, readyPlanOf } from './point-runner.ts';
import type { BoundStatement, PipelineKind } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';

export class PipelinedPoints {
  readonly #ctx: SessionContext;

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
  }

  /** Undefined: the statement may not be one of these now. */
  kindOf(statement: string): PipelineKind | undefined {
    const plan = this.#callOf({ statement, parameters: [] })?.plan;
    if (plan === undefined) return undefined;
    return plan.pointChange === undefined ? 'read' : 'change';
  }

  #callOf({ statement, parameters }: BoundStatement): PointCall | undefined {
    const ctx = this.#ctx;
    const prepared = ctx.prepared.get(statement);
    if (prepared?.description === undefined || ctx.block !== undefined) return undefined;
    const ready = readyPlanOf(ctx, prepared);
    if (ready === undefined || !canRunPoint(ctx, ready.plan, true)) return undefined;
    return { plan: ready.plan, planKey: ready.planKey, parameters, isDescribed: false };
  }

  /** Of one kind. Never rejects. */
  async together(statements: readonly BoundStatement[]): Promise<readonly PipelineOutcome[]> {
    const calls: PointCall[] = [];
    for (const statement of statements) {
      const call = this.#callOf(statement);
      if (call === undefined) break;
      calls.push(call);
    }
    const isReading = calls[0]?.plan.pointChange === undefined;
    const outcomes = isReading ? await this.#reads(calls) : await this.#changes(calls);
    this.#count(outcomes);
    return outcomes;
  }

  #count(outcomes: readonly PipelineOutcome[]): void {
    const { counters } = this.#ctx.shared.env;
    const count = outcomes.filter((each) => each !== undefined && 'tag' in each).length;
    counters.sqlStatements += count;
    counters.sqlPipelined += Math.max(0, count - 1);
  }

  async #reads(calls: readonly PointCall[]): Promise<readonly PipelineOutcome[]> {
    const ctx = this.#ctx;
    const gathered = new GatheredReads(ctx.shared.kv);
    const reading = calls.map(async ({ plan, parameters }) => {
      const evalContext = this.#evalContext();
      return plan.pointRead?.({ ...executionOf(ctx, { parameters, evalContext }), kv: gathered });
    });
    // NB: before anything is awaited, or one that fails at once is nobody's.
    const settling = Promise.allSettled(reading);
    await gathered.send(ctx.signal);
    const settled = await settling;
    const failed = settled.findIndex(({ status }) => status === 'rejected');
    return settled.map((each, i) => {
      if (each.status === 'rejected' || (failed >= 0 && i > failed)) {
        // NB: a cancel request is for the one that runs, and is gone when the others do. Else it says alone what is wrong.
        const isCancelled = each.status === 'rejected' && i === failed && ctx.signal.aborted;
        return isCancelled ? { error: each.reason as unknown } : undefined;
      }
      return { tag: each.value === undefined ? 'SELECT 0' : 'SELECT 1', row: each.value };
    });
  }

  async #changes(calls: readonly PointCall[]): Promise<readonly PipelineOutcome[]> {
    const ctx = this.#ctx;
    const { changesAtOnce, kv } = ctx.shared;
    const changes: RowChange[] = [];
    for (const call of calls) {
      const change = call.plan.pointChange;
      if (change === undefined || !changesAtOnce.isWorthTrying(call.plan)) break;
      changes.push(pointRowChange(ctx, call, change, this.#evalContext()));
    }
    const settled = await Promise.allSettled(kv.changesAtOnce(changes, ctx.signal));
    return settled.map((each, i): PipelineOutcome => {
      if (each.status === 'rejected') return { error: each.reason as unknown };
      const plan = calls[i]?.plan;
      if (plan === undefined) return undefined;
      // One behind others may only have come while one of them was waiting: alone it shows what it is.
      if (each.value || i === 0) changesAtOnce.note(plan, each.value);
      if (!each.value) return undefined;
      return { tag: plan.pointChange?.tag(1) ?? '' };
    });
  }

  /** Each has its own, since they are run beside each other. */
  #evalContext(): SessionEvalContext {
    const evalContext = new SessionEvalContext(this.#ctx);
    evalContext.beginStatement();
    return evalContext;
  }
}
