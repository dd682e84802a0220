/**
 * Connections that several clients share, as drivers that multiplex do: a client's call leaves behind those of the
 * others without waiting for their answers. Each has a Sync of its own, and is a transaction of its own.
 *
 * Only for workloads whose operations are one call: a transaction that is left open would be everybody's.
 */
import { QuorateError } from '../../src/base/errors.ts';
import type { Field, Result, Statement } from '../workload.ts';
import type { DriverSession } from './target.ts';

interface Shared {
  readonly session: DriverSession;
  clients: number;
}

export class SharedSessions {
  readonly #count: number;
  readonly #connect: (index: number) => Promise<DriverSession>;
  readonly #open: (Promise<Shared> | undefined)[] = [];

  /** `count` connections, made by `connect` when they are first needed, and again when they have been lost. */
  constructor(count: number, connect: (index: number) => Promise<DriverSession>) {
    this.#count = count;
    this.#connect = connect;
  }

  /** Clients go round the connections. */
  async lease(client: number): Promise<DriverSession> {
    const index = client % this.#count;
    const opening = (this.#open[index] ??= this.#openAt(index));
    const shared = await opening;
    if (!shared.session.isClosed) return new Lease(shared);
    // Whoever comes first connects again.
    if (this.#open[index] === opening) this.#open[index] = undefined;
    return this.lease(client);
  }

  async #openAt(index: number): Promise<Shared> {
    try {
      return { session: await this.#connect(index), clients: 0 };
    } catch (error) {
      this.#open[index] = undefined;
      throw error;
    }
  }
}

class Lease implements DriverSession {
  readonly #shared: Shared;
  #isClosed = false;

  constructor(shared: Shared) {
    this.#shared = shared;
    shared.clients++;
  }

  get isInTransaction(): boolean {
    return this.#shared.session.isInTransaction;
  }

  get isClosed(): boolean {
    return this.#isClosed || this.#shared.session.isClosed;
  }

  execute(statement: Statement, values: readonly Field[]): Promise<Result> {
    return this.#shared.session.execute(statement, values);
  }

  pipeline(calls: readonly (readonly [Statement, readonly Field[]])[]): Promise<Result[]> {
    return this.#shared.session.pipeline(calls);
  }

  query(): Promise<Result[]> {
    return refused();
  }

  copyIn(): Promise<Result> {
    return refused();
  }

  /** The last one closes the connection. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (--this.#shared.clients === 0) this.#shared.session.close();
  }
}

function refused(): Promise<never> {
  const why = 'operations of this workload are more than one call: leave out --connections';
  return Promise.reject(new QuorateError('config', why));
}
