/**
 * What may be run again unseen. A *unit* is an autocommit statement, or a block that began in the running message or
 * of which nothing but BEGIN, SET and SAVEPOINT has run before it. A unit that lost to another transaction is run
 * again from its first statement, as long as none of its results has left the node: at most 10 times or 5 seconds.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { SessionContext } from './session-context.ts';
import type { ResultSink } from './session-api.ts';
import type { SettingsMark } from './settings.ts';
import type { TransactionBlock } from './transaction-block.ts';

const RETRIES_MAX = 10;
const RETRY_MS = 5000;

export class RetryUnit {
  /** Index of its first statement in the message. */
  readonly index: number;
  readonly #ctx: SessionContext;
  readonly #settings: SettingsMark;
  /** The fresh block that it goes on with; undefined: it begins outside a block. */
  readonly #block: TransactionBlock | undefined;
  readonly #startMs: number;
  #retries = 0;
  /** Something cannot be done twice: COPY data was consumed, a statement was prepared. */
  isPinned = false;

  constructor(ctx: SessionContext, index: number) {
    this.index = index;
    this.#ctx = ctx;
    this.#settings = ctx.settings.mark();
    this.#block = ctx.block;
    this.#startMs = ctx.shared.env.clock.monotonicMs();
  }

  canRetry(error: unknown, sink: ResultSink): boolean {
    if (!(error instanceof SqlError) || error.retry !== 'transaction') return false;
    if (this.isPinned || this.#retries >= RETRIES_MAX || sink.hasSentResults()) return false;
    if (this.#ctx.signal.aborted) return false;
    return this.#ctx.shared.env.clock.monotonicMs() - this.#startMs < RETRY_MS;
  }

  /** Back to where the unit began, with a new transaction. */
  restart(sink: ResultSink): void {
    const ctx = this.#ctx;
    this.#retries++;
    ctx.shared.env.counters.txnRetries++;
    sink.discardResults();
    ctx.block?.txn.rollback();
    ctx.settings.rollbackTo(this.#settings);
    ctx.contention.noteLost();
    const before = this.#block;
    if (before === undefined) {
      ctx.block = undefined;
      return;
    }
    before.txn.rollback();
    const block = ctx.newBlock(before.isExplicit, before.isReadOnly);
    block.adoptSavepoints(before);
    ctx.block = block;
  }
}

/** The unit that a statement begins or goes on with; undefined when it must not be run again. */
export function unitAt(ctx: SessionContext, index: number): RetryUnit | undefined {
  return ctx.block === undefined || ctx.block.isFresh ? new RetryUnit(ctx, index) : undefined;
}
