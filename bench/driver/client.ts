/**
 * A workload's client with its session, as one worker of the load: after a failure it rolls back what the session left
 * open, and connects again when the connection is gone.
 */
import type { Client } from '../workload.ts';
import { SqlFailure } from '../workload.ts';
import type { Worker } from './load.ts';
import type { SeededRandom } from './random.ts';
import type { DriverSession } from './target.ts';

export class SessionWorker implements Worker {
  readonly #client: Client;
  readonly #random: SeededRandom;
  readonly #connect: () => Promise<DriverSession>;
  #session: DriverSession;
  #isClosing = false;

  constructor(
    client: Client,
    random: SeededRandom,
    session: DriverSession,
    connect: () => Promise<DriverSession>,
  ) {
    this.#client = client;
    this.#random = random;
    this.#session = session;
    this.#connect = connect;
  }

  async run(): Promise<string> {
    if (this.#session.isClosed) await this.#reconnect();
    this.#random.mark();
    try {
      const kind = await this.#client.run(this.#session);
      if (!this.#session.isInTransaction) return kind;
    } catch (error) {
      if (this.#session.isInTransaction) await this.#rollback();
      throw error;
    }
    throw new Error('an operation ended inside a transaction block');
  }

  rewind(): void {
    this.#random.rewind();
  }

  /** An operation that is under way rejects. */
  close(): void {
    this.#isClosing = true;
    this.#session.close();
  }

  async #reconnect(): Promise<void> {
    this.#session = await this.#connect();
    // The run may have ended while this waited.
    if (this.#isClosing) this.close();
  }

  /** A session that cannot even do that is of no further use. */
  async #rollback(): Promise<void> {
    try {
      await this.#session.query('ROLLBACK');
    } catch (error) {
      if (!(error instanceof SqlFailure)) throw error;
    }
    if (this.#session.isInTransaction) this.#session.close();
  }
}
