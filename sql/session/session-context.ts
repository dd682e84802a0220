/**
 * What the parts of one session share: its settings, its block, its prepared statements and portals, and the state of
 * the node that all sessions share. The session changes it; nothing here waits.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import type { KvClient } from '../../src/kv/kv-client.ts';
import { TransactionBlock } from './transaction-block.ts';
import type { CatalogCache } from '../catalog/catalog-cache.ts';
import { TxnCatalog } from '../catalog/txn-catalog.ts';
import type { AtOnceHistory } from './at-once.ts';
import { ContentionRecord } from './contention-record.ts';
import type { Portal } from './portal.ts';
import type { PreparedStatement } from './prepared-statement.ts';
import type { PlanCache } from './plan-cache.ts';
import type { PointTexts } from './point-texts.ts';
import type { SequenceAllocator } from './sequence-allocator.ts';
import { SequenceState } from './sequence-state.ts';
import type { Notice, ResultSink, SessionOptions } from './session-api.ts';
import type { SessionEnv } from './session-env.ts';
import { wallMicros } from './session-env.ts';
import { MESSAGE_LEVELS } from './setting-definitions.ts';
import { Settings } from './settings.ts';
import type { StatementCache } from './statement-cache.ts';
import type { StatementPlanner } from '../plan/statement-planner.ts';

/** One per node. */
export interface SharedState {
  readonly kv: KvClient;
  readonly env: SessionEnv;
  readonly catalogCache: CatalogCache;
  readonly statements: StatementCache;
  readonly plans: PlanCache;
  readonly pointTexts: PointTexts;
  readonly changesAtOnce: AtOnceHistory;
  readonly sequences: SequenceAllocator;
  readonly planner: StatementPlanner;
}

export class SessionContext {
  readonly shared: SharedState;
  readonly options: SessionOptions;
  readonly settings: Settings;
  readonly prepared = new Map<string, PreparedStatement>();
  readonly portals = new ChurnMap<string, Portal>();
  readonly sequences: SequenceState;
  block: TransactionBlock | undefined;
  readonly contention = new ContentionRecord();
  /** Lets the event loop turn. */
  readonly pause = (): Promise<void> =>
    new Promise((resolve) => this.shared.env.scheduler.defer(resolve));
  #abort = new AbortController();

  constructor(shared: SharedState, options: SessionOptions) {
    this.shared = shared;
    this.options = options;
    this.settings = new Settings(options.user);
    this.sequences = new SequenceState(shared.sequences);
  }

  /** Aborted by cancel, by statement_timeout and by the end of the session. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** A new signal, once what the last one aborted is over. */
  renewSignal(): void {
    if (this.#abort.signal.aborted) this.#abort = new AbortController();
  }

  /** `isQuery`: it will only read, whatever its mode; what only reads never loses. */
  newBlock(isExplicit: boolean, isReadOnly?: boolean, isQuery = false): TransactionBlock {
    const { kv, env, catalogCache } = this.shared;
    const { txnMaxBytes, lockTimeoutMs, isDefaultReadOnly } = this.settings.config;
    const onlyReads = isQuery || (isReadOnly ?? isDefaultReadOnly);
    const contention = onlyReads ? undefined : this.contention.next(lockTimeoutMs);
    const { signal } = this;
    const txn = kv.begin(
      contention === undefined ? { txnMaxBytes, signal } : { txnMaxBytes, signal, contention },
    );
    const catalog = new TxnCatalog(txn, kv, catalogCache, this.signal);
    return new TransactionBlock(
      { txn, catalog, startMicros: wallMicros(env) },
      this.settings.mark(),
      { isExplicit, isReadOnly: isReadOnly ?? isDefaultReadOnly },
    );
  }

  notice(sink: ResultSink, notice: Notice): void {
    const level = notice.severity === 'INFO' ? 'error' : notice.severity.toLowerCase();
    const min = this.settings.config.minMessageLevel;
    if (MESSAGE_LEVELS.indexOf(level) >= MESSAGE_LEVELS.indexOf(min)) sink.notice(notice);
  }
}
