/**
 * Queries and changes of rows: from the plan cache or the planner, as a latest read or in the block's transaction.
 * A statement restarts on its own (statement-restart.ts) as long as none of its rows has been given to the sink; beyond
 * that, the failure is the unit's (statement-retry.ts).
 */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Explain, Statement } from '../parser/ast-statement.ts';
import { CatalogMiss } from '../catalog/catalog-names.ts';
import { liftLiterals } from '../parser/literals.ts';
import type { LiftedStatement } from '../parser/literals.ts';
import type { Datum } from '../types/datum.ts';
import type { SqlType } from '../types/sql-type.ts';
import { sameType } from '../types/sql-type.ts';
import { executionOf } from './execution.ts';
import { planKey } from './plan-cache.ts';
import { RowStream } from './portal.ts';
import type { Portal } from './portal.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import type { PreparedDescription, ResultColumn } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';
import { textColumn } from './setting-statements.ts';
import { restarting } from './statement-restart.ts';
import type { Job, RunMode } from './statement-runner.ts';
import type { Plan, PlannedStatement } from '../plan/statement-planner.ts';
import { StatementNames, sequenceNames } from './table-lookup.ts';
import { kindType, liftedValues } from './lifted-literals.ts';

/** A statement to plan. */
export interface Source {
  readonly text: string;
  readonly declaredTypes: readonly (SqlType | undefined)[];
  /** Where it begins in the text, which may have several statements; missing: at 0. */
  readonly start?: number | undefined;
  /** Of its plan: made when it is first looked for, and kept while the search path is the same. */
  key?: PlanKey | undefined;
}

export interface PlanKey {
  readonly searchPath: readonly string[];
  readonly text: string;
}

interface Start {
  readonly plan: () => Steps<Plan>;
  readonly parameters: readonly Datum[];
  readonly isAlone: boolean;
  /** Until it turns out that it needs a snapshot after all. */
  mayBeLatest: boolean;
}

const LOOKUPS_MAX = 1000;

export class PlannedRunner {
  readonly #ctx: SessionContext;
  readonly explainColumns: readonly ResultColumn[] = [textColumn('QUERY PLAN')];

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
  }

  *run(job: Job, statement: PlannedStatement, mode: RunMode): Steps<string | undefined> {
    const { portal } = job;
    if (portal === undefined) return yield* this.#runLifted(job, statement, mode);
    if (portal.isDone) return finishedPortal(portal);
    portal.isRunning = true;
    try {
      if (portal.rows === undefined) {
        const { prepared } = portal;
        const plan = (): Steps<Plan> => this.#planPrepared(prepared, statement);
        portal.rows = yield* this.#start({ plan, parameters: job.parameters }, mode);
      }
      const rows = portal.rows;
      if (!(yield* rows.send(mode.sink, mode.maxRows))) {
        mode.sink.suspended();
        return undefined;
      }
      portal.isDone = true;
      rows.close();
      return rows.tag();
    } finally {
      portal.isRunning = false;
    }
  }

  *#planPrepared(prepared: PreparedStatement, statement: PlannedStatement): Steps<Plan> {
    const plan = yield* this.plan(prepared, statement);
    const { description } = prepared;
    if (description !== undefined && !hasSameColumns(description, plan)) {
      throw notSupported('cached plan must not change result type');
    }
    const { shared, settings, block } = this.#ctx;
    if (block?.catalog.isPrivate !== true) {
      const { generation } = shared.catalogCache;
      const { searchPath } = settings.config;
      prepared.ready = { plan, generation, searchPath, planKey: prepared.key?.text };
    }
    return plan;
  }

  /** A plan for the statement, cached where nothing private to this transaction went into it. */
  *plan(source: Source, statement: PlannedStatement): Steps<Plan> {
    const { shared, settings, block } = this.#ctx;
    const { searchPath } = settings.config;
    if (source.key?.searchPath !== searchPath) {
      const text = planKey(source, searchPath);
      source.key = { searchPath, text };
    }
    const key = source.key.text;
    const isPrivate = block?.catalog.isPrivate === true;
    const known = isPrivate ? undefined : shared.plans.get(key);
    if (known !== undefined) return known;
    const names = new StatementNames(this.#ctx);
    const evalContext = new SessionEvalContext(this.#ctx);
    for (let lookups = 0; ; lookups++) {
      try {
        const plan = shared.planner.plan({
          ...{ text: source.text, statement, parameterTypes: source.declaredTypes },
          ...{ catalog: names, evalContext },
        });
        if (!isPrivate) shared.plans.set(key, plan);
        return plan;
      } catch (error) {
        if (lookups >= LOOKUPS_MAX) throw error;
        if (error instanceof CatalogMiss) yield* names.lookUp(error);
        else if (!(error instanceof SqlError) || !(yield* names.renew())) throw error;
      }
    }
  }

  *explain(job: Job, explain: Explain, mode: RunMode): Steps<string> {
    const { statement } = explain;
    const options = new Set(explain.options.map((option) => option.name));
    const inner = plannedOf(statement);
    if (options.has('analyze')) throw notSupported('EXPLAIN ANALYZE is not supported');
    if (inner === undefined) {
      throw notSupported('EXPLAIN of this statement is not supported');
    }
    const plan = yield* this.plan(sourceOf(job), inner);
    const lines = plan.explain();
    mode.sink.columns(this.explainColumns);
    for (const line of lines) yield* wait(mode.sink.row([line]));
    return 'EXPLAIN';
  }

  /** The simple protocol: with its literals lifted if that is possible, else as it was written. */
  *#runLifted(job: Job, statement: PlannedStatement, mode: RunMode): Steps<string | undefined> {
    const whole = job.text.slice(job.parsed.start, job.parsed.end);
    const lifted = job.prepared === undefined ? liftLiterals(whole) : undefined;
    const prepared = lifted === undefined ? undefined : yield* this.#liftedPlan(lifted);
    const plan =
      prepared === undefined
        ? (): Steps<Plan> =>
            job.prepared === undefined
              ? this.plan(sourceOf(job), statement)
              : this.#planPrepared(job.prepared, statement)
        : prepared.plan;
    const parameters = prepared?.parameters ?? job.parameters;
    const rows = yield* this.#start({ plan, parameters }, mode);
    try {
      yield* rows.send(mode.sink, 0);
      return rows.tag();
    } finally {
      rows.close();
    }
  }

  /** Undefined: the statement has to be run as written, also to get its error and error position right. */
  *#liftedPlan(
    lifted: LiftedStatement,
  ): Steps<
    { readonly plan: () => Steps<Plan>; readonly parameters: readonly Datum[] } | undefined
  > {
    const source: Source = {
      text: lifted.text,
      declaredTypes: Array.from(lifted.kinds, kindType),
    };
    try {
      const [parsed] = this.#ctx.shared.statements.parse(lifted.text);
      const statement = parsed === undefined ? undefined : plannedOf(parsed.statement);
      if (statement === undefined) return undefined;
      const plan = yield* this.plan(source, statement);
      const parameters = liftedValues(
        lifted,
        plan.parameterTypes,
        this.#ctx.settings.config.format,
      );
      this.#ctx.shared.pointTexts.note(lifted, { plan, planKey: source.key?.text }, this.#ctx);
      return { plan: () => this.plan(source, statement), parameters };
    } catch (error) {
      if (error instanceof SqlError) return undefined;
      throw error;
    }
  }

  /** Runs until the first rows can be taken; the sink has been told the columns. */
  *#start(
    statement: { readonly plan: () => Steps<Plan>; readonly parameters: readonly Datum[] },
    mode: RunMode,
  ): Steps<RowStream> {
    const start: Start = {
      plan: statement.plan,
      parameters: statement.parameters,
      isAlone: mode.isAlone,
      mayBeLatest: mode.isAlone && mode.maxRows === 0,
    };
    return yield* restarting(this.#ctx, () => this.#attempt(start, mode));
  }

  *#attempt(start: Start, mode: RunMode): Steps<RowStream> {
    const ctx = this.#ctx;
    for (;;) {
      const plan = yield* start.plan();
      if (!(start.mayBeLatest && plan.isLatestRead)) {
        ctx.block ??= ctx.newBlock(false, undefined, start.isAlone && plan.isReadOnly);
      }
      checkReadOnly(ctx, plan);
      const rows = yield* this.#open(plan, start.parameters);
      if (rows !== undefined) {
        if (plan.columns !== undefined) mode.sink.columns(plan.columns);
        return rows;
      }
      start.mayBeLatest = false;
    }
  }

  *#open(plan: Plan, parameters: readonly Datum[]): Steps<RowStream | undefined> {
    const ctx = this.#ctx;
    const evalContext = new SessionEvalContext(ctx);
    ctx.sequences.begin(sequenceNames(ctx));
    const execution = executionOf(ctx, { parameters, evalContext });
    const running = yield* plan.open(execution);
    if (running === undefined) return undefined;
    const rows = new RowStream(running);
    // The first batch is fetched before the columns are announced: what can restart the statement shows there.
    yield* rows.prefetch();
    return rows;
  }
}

/** A statement of a Query message, as it was written. */
export function sourceOf({ text, parsed }: Job): Source {
  return { text, start: parsed.start, declaredTypes: [] };
}

function checkReadOnly(ctx: SessionContext, plan: Plan): void {
  if (plan.isReadOnly || ctx.block?.isReadOnly !== true) return;
  throw new SqlError(
    SQLSTATE.READ_ONLY_SQL_TRANSACTION,
    `cannot execute ${plan.command} in a read-only transaction`,
  );
}

export function plannedOf(statement: Statement): PlannedStatement | undefined {
  switch (statement.kind) {
    case 'query':
    case 'insert':
    case 'update':
    case 'delete':
      return statement;
    default:
      return undefined;
  }
}

/** A portal that is executed again after its end gives no rows, and its tag says so. */
function finishedPortal({ name, prepared, rows }: Portal): string {
  if (prepared.description?.columns === undefined) {
    throw new SqlError(SQLSTATE.OBJECT_NOT_IN_PREREQUISITE_STATE, `portal "${name}" cannot be run`);
  }
  return rows?.tag().replace(/\d+$/, '0') ?? 'SELECT 0';
}

/** The client knows the columns from when the statement was prepared, and is not told them again. */
function hasSameColumns({ columns: before }: PreparedDescription, { columns }: Plan): boolean {
  if (before?.length !== columns?.length) return false;
  return (before ?? []).every((column, i) => {
    const now = columns?.[i];
    return now !== undefined && now.name === column.name && sameType(now.type, column.type);
  });
}
