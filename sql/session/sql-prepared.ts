/** PREPARE, EXECUTE and DEALLOCATE: the SQL form of prepared statements. They share one name space with the protocol's. */
import type { Steps } from '../../src/base/steps.ts';
import { resolveTypeName } from '../catalog/type-names.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Deallocate, Execute, Prepare } from '../parser/ast-statement.ts';
import { UNKNOWN } from '../types/sql-type.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import { checkNewName, mustPrepared } from './prepared-statement.ts';
import type { PreparedDescription } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import { SessionEvalContext } from './session-eval-context.ts';
import type { Job, RunMode } from './statement-runner.ts';

/** What is needed of the runner: it describes, and it runs what a name stands for. */
export interface Runner {
  describe(prepared: PreparedStatement): Steps<PreparedDescription>;
  run(job: Job, mode: RunMode): Steps<string | undefined>;
}

export function* prepareFromSql(
  ctx: SessionContext,
  runner: Runner,
  job: Job,
  statement: Prepare,
): Steps<string> {
  checkNewName(ctx, statement.name);
  const text = job.text.slice(statement.statementStart, statement.statementEnd);
  const [parsed] = ctx.shared.statements.parse(text);
  const prepared: PreparedStatement = {
    ...{ text, parsed },
    declaredTypes: statement.parameterTypes.map((type) => resolveTypeName(type)),
    description: undefined,
  };
  yield* runner.describe(prepared);
  ctx.prepared.set(statement.name, prepared);
  return 'PREPARE';
}

export function* executePrepared(
  ctx: SessionContext,
  runner: Runner,
  call: { readonly job: Job; readonly statement: Execute; readonly mode: RunMode },
): Steps<string | undefined> {
  const { statement, job, mode } = call;
  const prepared = mustPrepared(ctx, statement.name);
  const { parameterTypes } = yield* runner.describe(prepared);
  if (statement.args.length !== parameterTypes.length) {
    throw new SqlError(
      SQLSTATE.SYNTAX_ERROR,
      `wrong number of parameters for prepared statement "${statement.name}"`,
      { detail: `Expected ${parameterTypes.length} parameters but got ${statement.args.length}.` },
    );
  }
  const evalContext = new SessionEvalContext(ctx);
  const parameters = statement.args.map((arg, i) =>
    ctx.shared.planner.constant(arg, parameterTypes[i] ?? UNKNOWN, job.text)(evalContext),
  );
  if (prepared.parsed === undefined) return 'EXECUTE';
  const { text, parsed } = prepared;
  return yield* runner.run({ text, parsed, parameters, prepared }, mode);
}

export function deallocate(ctx: SessionContext, statement: Deallocate): string {
  if (statement.name === undefined) {
    ctx.prepared.clear();
    return 'DEALLOCATE ALL';
  }
  mustPrepared(ctx, statement.name);
  ctx.prepared.delete(statement.name);
  return 'DEALLOCATE';
}
