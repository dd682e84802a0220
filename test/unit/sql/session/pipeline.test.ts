/** Statements that were sent without waiting, and a client that wants no answer any more. */
import { describe, expect, it } from 'vitest';
import { KvError } from '../../../../src/kv/kv-errors.ts';
import type { LatestGet } from '../../../../src/kv/kv-client.ts';
import { Counters } from '../../../../src/base/counters.ts';
import { nodeClock } from '../../../../src/env/node/node-clock.ts';
import { nodeRandom } from '../../../../src/env/node/node-random.ts';
import { nodeScheduler } from '../../../../src/env/node/node-scheduler.ts';
import { CollectingSink } from '../../../../src/sim/collecting-sink.ts';
import { silentLogger } from '../../../../src/sim/world.ts';
import { SqlError } from '../../../../sql/errors/sql-error.ts';
import { Planner } from '../../../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../../../sql/session/session-factory.ts';
import { LocalKv } from '../../../support/local-kv.ts';

/** Its leader cannot be reached: reads of several rows wait until they are given up. */
class SilentKv extends LocalKv {
  override latestGets(_gets: readonly LatestGet[], signal?: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(new KvError('cancelled', 'cancelled')));
    });
  }
}

describe('a pipeline of reads', () => {
  it('ends the first with 57014 when it is cancelled, and goes on with the rest', async () => {
    const env = {
      ...{ clock: nodeClock, random: nodeRandom, scheduler: nodeScheduler, log: silentLogger },
      counters: new Counters(),
    };
    const kv = new SilentKv({ after: (delayMs, fn) => nodeScheduler.after(delayMs, fn) });
    const session = await new SqlSessionFactory(kv, env, { planner: new Planner() }).open({
      ...{ user: 'u', database: 'quorate', processId: 1, onFatal: () => undefined },
      parameters: new Map(),
    });
    const newSink = (): CollectingSink => new CollectingSink(() => session.format());
    await session.simpleQuery(
      'CREATE TABLE t (k int PRIMARY KEY); INSERT INTO t VALUES (1)',
      newSink(),
    );
    await session.parse('get', 'SELECT k FROM t WHERE k = $1', []);
    await session.bind('', 'get', [1]);
    await session.execute('', 0, true, newSink());
    await session.sync();
    const said: (string | undefined)[] = [];
    let sink = newSink();
    const get = { statement: 'get', parameters: [1] };
    const running = session.pipeline([get, get], {
      begin: () => (sink = newSink()),
      end: (error) => {
        said.push(error instanceof SqlError ? error.sqlState : sink.results[0]?.tag);
        return true;
      },
    });
    session.cancel();
    await running;
    expect(said).toEqual(['57014', 'SELECT 1']);
  });
});
