/** Statements that another node has sent: planned in the background, for the next of their kind. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { must } from '../../../../src/base/assert.ts';
import { Counters } from '../../../../src/base/counters.ts';
import type { ChangeRunner, RowChange, TableFence } from '../../../../src/kv/kv-client.ts';
import { nodeClock } from '../../../../src/env/node/node-clock.ts';
import { nodeRandom } from '../../../../src/env/node/node-random.ts';
import { nodeScheduler } from '../../../../src/env/node/node-scheduler.ts';
import { CollectingSink } from '../../../../src/sim/collecting-sink.ts';
import { silentLogger } from '../../../../src/sim/world.ts';
import { Planner } from '../../../../sql/plan/planner.ts';
import type { Plan, PlanRequest } from '../../../../sql/plan/statement-planner.ts';
import { SqlSessionFactory } from '../../../../sql/session/session-factory.ts';
import { LocalKv } from '../../../support/local-kv.ts';

/** One store under the SQL of two nodes. */
class PairKv extends LocalKv {
  readonly runners: ChangeRunner[] = [];
  readonly listeners: ((table: TableFence) => void)[] = [];
  readonly programs: Uint8Array[] = [];

  override onChange(runner?: ChangeRunner): void {
    if (runner !== undefined) this.runners.push(runner);
  }

  override onSchemaChange(listener?: (table: TableFence) => void): void {
    if (listener !== undefined) this.listeners.push(listener);
  }

  override changeAtOnce(
    change: RowChange,
    signal: AbortSignal,
  ): ReturnType<LocalKv['changeAtOnce']> {
    const program = change.encode();
    if (program !== undefined) this.programs.push(program);
    return super.changeAtOnce(change, signal);
  }
}

class WatchedPlanner extends Planner {
  onPlanned: ((plan: Plan) => void) | undefined;

  override plan(request: PlanRequest): Plan {
    const plan = super.plan(request);
    this.onPlanned?.(plan);
    return plan;
  }
}

const CREATE = 'CREATE TABLE t (k int PRIMARY KEY, v int)';
const UPSERT = 'INSERT INTO t VALUES (1, 1) ON CONFLICT (k) DO UPDATE SET v = t.v + 1';

/** What the gateway sends, and the node that it is sent to. */
async function setUp(): Promise<{
  kv: PairKv;
  planner: WatchedPlanner;
  run: () => Promise<boolean>;
}> {
  const env = {
    ...{ clock: nodeClock, random: nodeRandom, scheduler: nodeScheduler, log: silentLogger },
    counters: new Counters(),
  };
  const kv = new PairKv({ after: (delayMs, fn) => nodeScheduler.after(delayMs, fn) });
  const planner = new WatchedPlanner();
  const gateway = new SqlSessionFactory(kv, env, { planner: new Planner() });
  new SqlSessionFactory(kv, env, { planner });
  const session = await gateway.open({
    ...{ user: 'u', database: 'quorate', processId: 1, onFatal: () => undefined },
    parameters: new Map(),
  });
  for (const text of [CREATE, UPSERT, UPSERT]) {
    await session.simpleQuery(text, new CollectingSink(() => session.format()));
  }
  const program = must(kv.programs.at(-1));
  const run = async (): Promise<boolean> => {
    const txn = kv.begin({ txnMaxBytes: 1000, signal: new AbortController().signal });
    const hasRun = await must(kv.runners[1])(program, txn);
    txn.rollback();
    // What is planned in the background waits for nothing but its turn.
    for (let turns = 0; turns < 10; turns++) await nextTurn();
    return hasRun;
  };
  return { kv, planner, run };
}

describe('a statement of another node', () => {
  it('is planned for the next of its kind', async () => {
    const { run } = await setUp();
    expect([await run(), await run(), await run()]).toEqual([false, true, true]);
  });

  it('is planned again when its plan was dropped before anyone could use it', async () => {
    const { kv, planner, run } = await setUp();
    planner.onPlanned = ({ tables }) => {
      planner.onPlanned = undefined;
      const tableId = must(tables[0]).id;
      queueMicrotask(() => must(kv.listeners[1])({ tableId, version: -1 }));
    };
    expect([await run(), await run(), await run()]).toEqual([false, false, true]);
  });
});
