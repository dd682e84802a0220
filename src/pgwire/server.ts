/**
 * Listens for SQL clients: one `Connection` per socket, the registry of cancel keys, the limit of connections.
 */
import type { Env } from '../env/env.ts';
import type { Listener, Sockets, StreamSocket } from '../env/sockets.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { SessionFactory } from '../../sql/session/session-api.ts';
import { Connection } from './connection.ts';

export interface SqlServerOptions {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
}

const SECRET_BYTES = 4;
/** How long a client may take to log in: silent connections must not use up the limit for ever. */
const LOGIN_MAX_MS = 60_000;

interface Registered {
  readonly connection: Connection;
  readonly secret: Uint8Array;
}

export class SqlServer {
  readonly #env: Env;
  readonly #sessions: SessionFactory;
  readonly #options: SqlServerOptions;
  /** By process id: the number a client names to cancel. */
  readonly #connections = new Map<number, Registered>();
  #lastProcessId = 0;
  #listener: Listener | undefined;

  constructor(env: Env, sessions: SessionFactory, options: SqlServerOptions) {
    this.#env = env;
    this.#sessions = sessions;
    this.#options = options;
  }

  get port(): number {
    return this.#listener?.port ?? this.#options.port;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async listen(sockets: Sockets): Promise<void> {
    const { host, port } = this.#options;
    this.#listener = await sockets.listen(host, port, (socket) => this.#onSocket(socket));
  }

  /** Refuses new clients, and ends those connected with 57P01. */
  async close(): Promise<void> {
    await this.#listener?.close();
    for (const { connection } of [...this.#connections.values()]) {
      connection.terminate(
        new SqlError('57P01', 'terminating connection due to administrator command'),
      );
    }
  }

  #onSocket(socket: StreamSocket): void {
    const processId = this.#nextProcessId();
    const secret = this.#env.random.bytes(SECRET_BYTES);
    const login = this.#env.scheduler.after(LOGIN_MAX_MS, () => {
      connection.terminate(new SqlError('57014', 'canceling authentication due to timeout'));
    });
    const connection = new Connection(socket, {
      sessions: this.#sessions,
      log: this.#env.log,
      counters: this.#env.counters,
      processId,
      secret,
      onCancelRequest: (id, key) => this.#cancel(id, key),
      onOpened: () => login.cancel(),
      onClosed: () => {
        login.cancel();
        this.#connections.delete(processId);
      },
    });
    this.#connections.set(processId, { connection, secret });
    if (this.#connections.size > this.#options.connectionsMax) {
      connection.terminate(new SqlError('53300', 'sorry, too many clients already'));
    }
  }

  #nextProcessId(): number {
    do {
      this.#lastProcessId = (this.#lastProcessId % 0x7fffffff) + 1;
    } while (this.#connections.has(this.#lastProcessId));
    return this.#lastProcessId;
  }

  #cancel(processId: number, secret: Uint8Array): void {
    const target = this.#connections.get(processId);
    if (target === undefined || Buffer.compare(target.secret, secret) !== 0) return;
    target.connection.cancel();
  }
}
