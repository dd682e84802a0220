/**
 * BEGIN, COMMIT, ROLLBACK and savepoints. All isolation levels are accepted, and each of them gets strict
 * serializability. What Postgres warns about is a notice here too.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { SqlState } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type {
  Begin,
  Commit,
  Rollback,
  SetTransaction,
  TransactionModes,
} from '../parser/ast-statement.ts';
import type { ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';
import type { TransactionBlock } from './transaction-block.ts';

export function begin(ctx: SessionContext, statement: Begin, sink: ResultSink): string {
  const { block } = ctx;
  if (block === undefined) ctx.block = ctx.newBlock(true, statement.modes.readOnly);
  else if (block.isExplicit) {
    warn(ctx, sink, '25001', 'there is already a transaction in progress');
  } else block.isExplicit = true;
  if (ctx.block !== undefined) applyModes(ctx, ctx.block, statement.modes);
  return statement.isStart ? 'START TRANSACTION' : 'BEGIN';
}

export function* commit(ctx: SessionContext, statement: Commit, sink: ResultSink): Steps<string> {
  const { block } = ctx;
  if (block === undefined || !block.isExplicit) {
    if (statement.andChain) throw chainOutside('COMMIT AND CHAIN');
    warn(ctx, sink, '25P01', 'there is no transaction in progress');
    if (block !== undefined) yield* commitBlock(ctx);
    return 'COMMIT';
  }
  const { isReadOnly } = block;
  if (block.isFailed) {
    abandonBlock(ctx);
    if (statement.andChain) ctx.block = ctx.newBlock(true, isReadOnly);
    return 'ROLLBACK';
  }
  yield* commitBlock(ctx);
  if (statement.andChain) ctx.block = ctx.newBlock(true, isReadOnly);
  return 'COMMIT';
}

export function rollback(ctx: SessionContext, statement: Rollback, sink: ResultSink): string {
  const { block } = ctx;
  if (block === undefined || !block.isExplicit) {
    if (statement.andChain) throw chainOutside('ROLLBACK AND CHAIN');
    warn(ctx, sink, '25P01', 'there is no transaction in progress');
  }
  const isReadOnly = block?.isReadOnly;
  abandonBlock(ctx);
  if (statement.andChain) ctx.block = ctx.newBlock(true, isReadOnly);
  return 'ROLLBACK';
}

/** The explicit block, or 25P01 in the name of the statement that needs one. */
export function mustBlock(ctx: SessionContext, statement: string): TransactionBlock {
  const { block } = ctx;
  if (block !== undefined && block.isExplicit) return block;
  throw new SqlError(
    SQLSTATE.NO_ACTIVE_SQL_TRANSACTION,
    `${statement} can only be used in transaction blocks`,
  );
}

export function setTransaction(
  ctx: SessionContext,
  statement: SetTransaction,
  sink: ResultSink,
): string {
  const { modes } = statement;
  if (statement.isSessionDefault) {
    const set = (name: string, value: string | undefined): void => {
      if (value !== undefined) ctx.settings.set(name, value, false);
    };
    set('default_transaction_isolation', modes.isolation);
    set('default_transaction_read_only', onOff(modes.readOnly));
    set('default_transaction_deferrable', onOff(modes.deferrable));
    return 'SET';
  }
  if (ctx.block === undefined) {
    warn(ctx, sink, '25P01', 'SET TRANSACTION can only be used in transaction blocks');
  } else applyModes(ctx, ctx.block, modes);
  return 'SET';
}

/** Commits the block; whatever comes of it, the session is outside a block afterwards. */
export function* commitBlock(ctx: SessionContext): Steps<void> {
  const { block } = ctx;
  if (block === undefined) return;
  try {
    yield* wait(block.txn.commit());
  } catch (error) {
    abandonBlock(ctx);
    throw error;
  }
  endCommitted(ctx, block);
}

/** After the block's transaction has committed. */
export function endCommitted(ctx: SessionContext, block: TransactionBlock): void {
  block.catalog.onCommitted();
  ctx.block = undefined;
  ctx.contention.noteCommitted();
  closePortals(ctx);
  ctx.settings.endBlock();
}

/** Rolls back: nothing of the block remains, its settings included. */
export function abandonBlock(ctx: SessionContext): void {
  const { block } = ctx;
  if (block === undefined) return;
  ctx.block = undefined;
  block.txn.rollback();
  closePortals(ctx);
  ctx.settings.rollbackTo(block.settingsAtBegin);
}

function closePortals(ctx: SessionContext): void {
  for (const [name, portal] of ctx.portals) {
    // The portal of the statement that ends the block is still in use by its message.
    if (portal.isRunning) continue;
    portal.close();
    ctx.portals.delete(name);
  }
}

function applyModes(ctx: SessionContext, block: TransactionBlock, modes: TransactionModes): void {
  if (modes.isolation !== undefined) {
    ctx.settings.set('transaction_isolation', modes.isolation, true);
  }
  if (modes.readOnly !== undefined) {
    if (!modes.readOnly && block.isReadOnly && !block.isFresh) {
      throw new SqlError(
        SQLSTATE.ACTIVE_SQL_TRANSACTION,
        'transaction read-write mode must be set before any query',
      );
    }
    block.isReadOnly = modes.readOnly;
    ctx.settings.set('transaction_read_only', modes.readOnly ? 'on' : 'off', true);
  }
}

function onOff(value: boolean | undefined): string | undefined {
  return value === undefined ? undefined : value ? 'on' : 'off';
}

function warn(ctx: SessionContext, sink: ResultSink, sqlState: SqlState, message: string): void {
  ctx.notice(sink, { severity: 'WARNING', sqlState, message });
}

function chainOutside(what: string): SqlError {
  return new SqlError(
    SQLSTATE.NO_ACTIVE_SQL_TRANSACTION,
    `${what} can only be used in transaction blocks`,
  );
}
