/**
 * A statement that has to be run again within its transaction, before anyone has seen anything of it: the snapshot has
 * to move past something it read, or it was planned with another schema than its snapshot has.
 *
 * Of a schema that is not the one in force *at the snapshot*, the newest is tried first (the node's knowledge may just
 * be old), then that of the snapshot itself; when something insists on the newest (a lock), the snapshot moves.
 */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { KvMark } from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import type { CatalogMark } from '../catalog/txn-catalog.ts';
import type { SessionContext } from './session-context.ts';
import type { TransactionBlock } from './transaction-block.ts';

const RESTARTS_MAX = 20;

/** Runs an attempt until it succeeds or fails for good. Outside a block the attempt is a latest read. */
export function* restarting<T>(ctx: SessionContext, attempt: () => Steps<T>): Steps<T> {
  let block: TransactionBlock | undefined;
  let mark: KvMark | undefined;
  let catalogMark: CatalogMark | undefined;
  for (let restarts = 0; ; restarts++) {
    // NB: a latest read may find that it needs a block, and begin one, between two attempts.
    if (ctx.block !== undefined && ctx.block !== block) {
      block = ctx.block;
      mark = block.txn.mark();
      catalogMark = block.catalog.mark();
    }
    try {
      return yield* attempt();
    } catch (error) {
      if (restarts >= RESTARTS_MAX) throw error;
      if (error instanceof SchemaMismatch) {
        ctx.shared.catalogCache.forget(error.tableId);
      } else if (!(error instanceof KvError) || error.code !== 'snapshot_moved') throw error;
      ctx.shared.env.counters.statementRestarts++;
      const current = ctx.block;
      if (current === undefined) continue;
      // Begun within the attempt: everything in it belongs to the attempt.
      const from = current === block && mark !== undefined ? mark : START;
      if (catalogMark !== undefined && current === block) current.catalog.rollbackTo(catalogMark);
      if (error instanceof SchemaMismatch && !current.catalog.isAtSnapshot) {
        current.txn.rollbackTo(from);
        if (restarts > 0) current.catalog.useSnapshot();
      } else {
        yield* wait(current.txn.restart(from));
        current.catalog.refresh();
      }
    }
  }
}

const START: KvMark = { writeSeq: 0, readCount: 0 };
