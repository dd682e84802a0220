/** The surroundings of a statement's execution, from the session's state. */
import type { KvTxn, LockOptions } from '../../src/kv/kv-client.ts';
import type { ExecPorts } from '../exec/operator.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import type { Datum } from '../types/datum.ts';
import { NO_SESSION } from './no-session.ts';
import type { SessionContext } from './session-context.ts';
import type { Execution } from '../plan/statement-planner.ts';

/** DDL waits this long for other schema changes when lock_timeout says nothing. */
const DDL_LOCK_TIMEOUT_MS = 10000;

export function executionOf(
  ctx: SessionContext,
  statement: { readonly parameters: readonly Datum[]; readonly evalContext: EvalContext },
  txn: KvTxn | undefined = ctx.block?.txn,
): Execution {
  const { parameters, evalContext } = statement;
  // NB: spelled out: this is made for every statement, and spreading costs several times as much.
  return {
    signal: ctx.signal,
    workMemBytes: ctx.settings.config.workMemBytes,
    pause: ctx.pause,
    parameters,
    evalContext,
    kv: ctx.shared.kv,
    txn,
    lock: lockOptions(ctx),
  };
}

/** The same for a statement that will be run when its session has gone on: it has nothing but its parameters. */
export function executionWithoutSession(
  ctx: SessionContext,
  parameters: readonly Datum[],
  txn: KvTxn,
): Execution {
  return executionOf(ctx, { parameters, evalContext: NO_SESSION }, txn);
}

export function execPorts(ctx: SessionContext): ExecPorts {
  const { workMemBytes } = ctx.settings.config;
  return { signal: ctx.signal, workMemBytes, pause: ctx.pause };
}

export function lockOptions(ctx: SessionContext): LockOptions {
  return {
    strength: 'update',
    wait: 'block',
    timeoutMs: ctx.settings.config.lockTimeoutMs,
  };
}

export function schemaLockOptions(ctx: SessionContext): LockOptions {
  const { lockTimeoutMs } = ctx.settings.config;
  return {
    ...lockOptions(ctx),
    timeoutMs: lockTimeoutMs === 0 ? DDL_LOCK_TIMEOUT_MS : lockTimeoutMs,
  };
}
