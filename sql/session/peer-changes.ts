/**
 * Statements that other nodes have sent to be run at the leader of their range, which is here (at-once.ts): found in
 * this node's plan cache by what makes a plan the same one, and run without a session. One that is not there is planned
 * in the background, for the next of its kind; one whose plan is of another version of its table, or that asks for
 * anything a session has, is not run.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { run } from '../../src/base/steps.ts';
import type { KvTxn, LockOptions, TableFence } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { SqlError } from '../errors/sql-error.ts';
import { ReceivedProgram, runAtOnce } from './at-once.ts';
import { LruCache } from './lru-cache.ts';
import { NO_SESSION } from './no-session.ts';
import { sourceOfKey } from './plan-cache.ts';
import { PlannedRunner, plannedOf } from './planned-runner.ts';
import { SessionContext } from './session-context.ts';
import type { SharedState } from './session-context.ts';

/** Plans that are being made at a time, and keys that are not asked for again for a while. */
const PLANNING_MAX = 8;
const UNPLANNABLE_MAX = 1024;
const WORK_MEM_BYTES = 1 << 20;
const LOCK: LockOptions = { strength: 'update', wait: 'block', timeoutMs: 0 };

export class PeerChanges {
  readonly #shared: SharedState;
  readonly #planning = new Set<string>();
  /** By plan key, with the version of the table that it was sent for. */
  readonly #unplannable = new LruCache<string, TableFence>(UNPLANNABLE_MAX);
  readonly #signal = new AbortController().signal;

  constructor(shared: SharedState) {
    this.#shared = shared;
  }

  /** As `ChangeRunner`. */
  run(bytes: Uint8Array, txn: KvTxn): MaybePromise<boolean> {
    const program = new ReceivedProgram(bytes);
    const { planKey, table } = program;
    const plan = this.#shared.plans.get(planKey);
    if (plan === undefined) {
      this.#plan(planKey, table);
      return false;
    }
    const change = plan.pointChange;
    if (change === undefined || !isSame(change.table, table)) return false;
    const { kv } = this.#shared;
    return runAtOnce(change, () => ({
      signal: this.#signal,
      workMemBytes: WORK_MEM_BYTES,
      pause: () => Promise.resolve(),
      parameters: program.parameters(plan.parameterTypes),
      evalContext: NO_SESSION,
      kv,
      txn,
      lock: LOCK,
    }));
  }

  #plan(planKey: string, table: TableFence): void {
    const isBusy = this.#planning.size >= PLANNING_MAX || this.#planning.has(planKey);
    const failed = this.#unplannable.get(planKey);
    if (isBusy || (failed !== undefined && isSame(failed, table))) return;
    this.#planning.add(planKey);
    void this.#tryPlan(planKey)
      .catch((error: unknown) => {
        if (!(error instanceof SqlError)) throw error;
        return false;
      })
      .then((isPlannable) => {
        if (!isPlannable) this.#unplannable.set(planKey, table);
      })
      .catch((error: unknown) => {
        // The next of its kind has it tried again.
        if (!(error instanceof KvError)) throw error;
      })
      .finally(() => this.#planning.delete(planKey));
  }

  /** False: it never will be. NB: a plan that was made may be gone already, with what was known of its tables. */
  async #tryPlan(planKey: string): Promise<boolean> {
    const source = sourceOfKey(planKey);
    if (source === undefined) return false;
    const ctx = new SessionContext(this.#shared, {
      ...{ user: '', database: '', processId: 0, onFatal: () => undefined },
      parameters: new Map(),
    });
    ctx.settings.setDefaults(new Map([['search_path', source.searchPath.map(quoted).join(', ')]]));
    const [parsed] = this.#shared.statements.parse(source.text);
    const statement = parsed === undefined ? undefined : plannedOf(parsed.statement);
    if (statement === undefined) return false;
    const { text, declaredTypes } = source;
    await run(new PlannedRunner(ctx).plan({ text, declaredTypes }, statement));
    return true;
  }
}

function isSame(one: TableFence, other: TableFence): boolean {
  return one.tableId === other.tableId && one.version === other.version;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
