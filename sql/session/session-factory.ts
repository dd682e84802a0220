/** The sessions of a node, and what they share: parsed statements, plans, the known catalog, sequences. */
import type { KvClient } from '../../src/kv/kv-client.ts';
import { CatalogCache } from '../catalog/catalog-cache.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { AtOnceHistory } from './at-once.ts';
import { PeerChanges } from './peer-changes.ts';
import { PlanCache } from './plan-cache.ts';
import { PointTexts } from './point-texts.ts';
import { SequenceAllocator } from './sequence-allocator.ts';
import type { Session, SessionFactory, SessionOptions } from './session-api.ts';
import type { SharedState } from './session-context.ts';
import { SessionContext } from './session-context.ts';
import type { SessionEnv } from './session-env.ts';
import { QuorateSession } from './session.ts';
import { StatementCache } from './statement-cache.ts';
import type { StatementPlanner } from '../plan/statement-planner.ts';

export interface SessionFactoryOptions {
  readonly planner: StatementPlanner;
  /** Names a client may connect to; they all mean the one database. Undefined: any. */
  readonly databases?: readonly string[];
  /** False until the cluster serves: then 57P03. */
  readonly isReady?: () => boolean;
}

export class SqlSessionFactory implements SessionFactory {
  readonly #shared: SharedState;
  readonly #options: SessionFactoryOptions;

  constructor(kv: KvClient, env: SessionEnv, options: SessionFactoryOptions) {
    const catalogCache = new CatalogCache();
    kv.onSchemaChange(({ tableId, version }) => {
      if (catalogCache.byId(tableId)?.version !== version) catalogCache.forget(tableId);
    });
    this.#options = options;
    this.#shared = {
      ...{ kv, env, catalogCache, planner: options.planner },
      statements: new StatementCache(),
      plans: new PlanCache(catalogCache),
      pointTexts: new PointTexts(),
      changesAtOnce: new AtOnceHistory(),
      sequences: new SequenceAllocator(kv, env),
    };
    const peers = new PeerChanges(this.#shared);
    kv.onChange((program, txn) => peers.run(program, txn));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async open(options: SessionOptions): Promise<Session> {
    return this.#open(options);
  }

  #open(options: SessionOptions): Session {
    const { databases, isReady } = this.#options;
    if (isReady?.() === false) {
      throw new SqlError(SQLSTATE.CANNOT_CONNECT_NOW, 'the cluster is starting up', {
        severity: 'FATAL',
      });
    }
    const { database, user } = options;
    // Clients that name no database ask for one called like the user.
    if (databases !== undefined && database !== user && !databases.includes(database)) {
      throw new SqlError(SQLSTATE.INVALID_CATALOG_NAME, `database "${database}" does not exist`, {
        severity: 'FATAL',
      });
    }
    const ctx = new SessionContext(this.#shared, options);
    ctx.settings.setDefaults(options.parameters);
    return new QuorateSession(ctx);
  }
}
