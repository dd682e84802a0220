/** The real wire protocol and SQL on a loopback socket, over `LocalKv`: what a client sees of a node without a cluster. */
import { Counters } from '../../src/base/counters.ts';
import { nodeClock } from '../../src/env/node/node-clock.ts';
import { nodeRandom } from '../../src/env/node/node-random.ts';
import { nodeScheduler } from '../../src/env/node/node-scheduler.ts';
import { tcpSockets } from '../../src/env/node/tcp-sockets.ts';
import { SqlServer } from '../../src/pgwire/server.ts';
import { silentLogger } from '../../src/sim/world.ts';
import { Planner } from '../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { LocalKv } from './local-kv.ts';

export interface LocalServer {
  readonly port: number;
  readonly counters: Counters;
  close(): Promise<void>;
}

export async function startLocalServer(): Promise<LocalServer> {
  const env = {
    ...{ clock: nodeClock, random: nodeRandom, scheduler: nodeScheduler, log: silentLogger },
    counters: new Counters(),
  };
  const kv = new LocalKv({ after: (delayMs, fn) => nodeScheduler.after(delayMs, fn) });
  const sessions = new SqlSessionFactory(kv, env, { planner: new Planner() });
  const server = new SqlServer(env, sessions, { host: '127.0.0.1', port: 0, connectionsMax: 50 });
  await server.listen(tcpSockets);
  return { port: server.port, counters: env.counters, close: () => server.close() };
}
