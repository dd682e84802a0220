/**
 * A client of a simulated node: statements of text through a real session, without a socket between. What a node was
 * doing when it was killed is never answered; `patience` turns that into a lost connection.
 */
import type { SqlError } from '../../sql/errors/sql-error.ts';
import type { Session } from '../../sql/session/session-api.ts';
import { CollectingSink } from './sql-harness.ts';
import type { EmbeddedCluster } from './embedded-cluster.ts';
import type { SimWorld } from './sim-env.ts';

export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

const PATIENCE_MS = 20_000;

export class SimClient {
  readonly #world: SimWorld;
  readonly #session: Session;
  readonly #isAlive: () => boolean;
  #fatal: SqlError | undefined;

  static async connect(
    world: SimWorld,
    cluster: EmbeddedCluster,
    nodeId: number,
  ): Promise<SimClient> {
    const { sessions, process } = cluster.at(nodeId);
    if (sessions === undefined) throw new ConnectionLost(`node ${nodeId} is down`);
    const fatal: { report?: (error: SqlError) => void } = {};
    const opening = sessions.open({
      ...{ user: 'quorate', database: 'quorate', parameters: new Map(), processId: 1 },
      onFatal: (error) => fatal.report?.(error),
    });
    const session = await patiently(world, opening);
    const isAlive = (): boolean => process?.isAlive === true;
    const client = new SimClient(world, session, isAlive);
    fatal.report = (error) => (client.#fatal = error);
    return client;
  }

  private constructor(world: SimWorld, session: Session, isAlive: () => boolean) {
    this.#world = world;
    this.#session = session;
    this.#isAlive = isAlive;
  }

  /** The rows of the last statement. Throws `SqlError`, or `ConnectionLost`. */
  async query(text: string): Promise<(string | null)[][]> {
    if (!this.#isAlive() || this.#fatal !== undefined) throw new ConnectionLost('the node is gone');
    const sink = new CollectingSink(() => this.#session.format());
    // An error may be thrown at once.
    const answer = (async () => this.#session.simpleQuery(text, sink))();
    await patiently(this.#world, answer);
    return sink.results.at(-1)?.rows ?? [];
  }

  close(): void {
    if (this.#isAlive()) this.#session.close();
  }
}

function patiently<T>(world: SimWorld, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const event = world.after(PATIENCE_MS, () => reject(new ConnectionLost('no answer')));
    answer.then(resolve, reject).finally(() => (event.fn = undefined));
  });
}
