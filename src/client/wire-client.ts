/**
 * A small client of the Postgres protocol, over pg-protocol's codec: for `quorate sql`, the benchmarks and the
 * end-to-end tests. One query at a time; results are text. What it does not do: pools, types, TLS, passwords.
 */
import net from 'node:net';
import { parse, serialize } from 'pg-protocol';
import type { BackendMessage, DatabaseError } from 'pg-protocol/dist/messages.js';

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command tag, for example `INSERT 0 1`. */
  readonly tag: string;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly timeoutMs?: number;
}

interface Pending {
  readonly results: { columns: string[]; rows: (string | null)[][]; tag: string }[];
  error: DatabaseError | undefined;
  readonly resolve: (results: QueryResult[]) => void;
  readonly reject: (error: Error) => void;
}

export class WireClient {
  readonly #socket: net.Socket;
  #pending: Pending | undefined;
  #closed: Error | undefined;
  readonly parameters = new Map<string, string>();
  processId = 0;
  secretKey = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  static async connect(options: ConnectOptions): Promise<WireClient> {
    const socket = net.connect({ host: options.host, port: options.port, noDelay: true });
    const client = new WireClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', (error) => client.#onClose(error));
    socket.on('close', () => client.#onClose(new Error('the connection was closed')));
    if (options.timeoutMs !== undefined) {
      socket.setTimeout(options.timeoutMs, () => socket.destroy(new Error('timed out')));
    }
    void parse(socket, (message) => client.#onMessage(message)).catch((error: unknown) => {
      client.#onClose(error instanceof Error ? error : new Error(String(error)));
    });
    const { user, database } = options;
    await client.#exchange(serialize.startup({ user, database }));
    socket.setTimeout(0);
    return client;
  }

  /** Runs the statements of a Query message; one result per statement. Rejects with pg-protocol's `DatabaseError`. */
  query(text: string): Promise<QueryResult[]> {
    return this.#exchange(serialize.query(text));
  }

  /** One statement of the extended protocol with text parameters. */
  async execute(text: string, values: readonly (string | null)[]): Promise<QueryResult> {
    const results = await this.#exchange(
      Buffer.concat([
        serialize.parse({ text }),
        serialize.bind({ values: [...values] }),
        serialize.describe({ type: 'P' }),
        serialize.execute(),
        serialize.sync(),
      ]),
    );
    return results[0] ?? { columns: [], rows: [], tag: '' };
  }

  close(): void {
    if (this.#closed === undefined) this.#socket.end(serialize.end());
  }

  /** Closes without a word, as a client that dies does. */
  destroy(): void {
    this.#socket.destroy();
  }

  #exchange(bytes: Buffer): Promise<QueryResult[]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#pending !== undefined) return Promise.reject(new Error('a query is running'));
    return new Promise((resolve, reject) => {
      this.#pending = { results: [], error: undefined, resolve, reject };
      this.#socket.write(bytes);
    });
  }

  #onMessage(message: BackendMessage): void {
    const pending = this.#pending;
    switch (message.name) {
      case 'parameterStatus': {
        const status = message as BackendMessage & {
          parameterName: string;
          parameterValue: string;
        };
        this.parameters.set(status.parameterName, status.parameterValue);
        return;
      }
      case 'backendKeyData': {
        const data = message as BackendMessage & { processID: number; secretKey: number };
        this.processId = data.processID;
        this.secretKey = data.secretKey;
        return;
      }
      case 'rowDescription': {
        const { fields } = message as BackendMessage & { fields: readonly { name: string }[] };
        pending?.results.push({ columns: fields.map((each) => each.name), rows: [], tag: '' });
        return;
      }
      case 'dataRow': {
        const { fields } = message as BackendMessage & { fields: (string | null)[] };
        pending?.results.at(-1)?.rows.push(fields);
        return;
      }
      case 'commandComplete':
        this.#onComplete((message as BackendMessage & { text: string }).text);
        return;
      case 'error':
        if (pending !== undefined) pending.error ??= message as unknown as DatabaseError;
        return;
      case 'readyForQuery':
        this.#onReady();
        return;
      default:
        return;
    }
  }

  #onComplete(tag: string): void {
    const results = this.#pending?.results;
    const last = results?.at(-1);
    if (last !== undefined && last.tag === '' && last.columns.length > 0) last.tag = tag;
    else results?.push({ columns: [], rows: [], tag });
  }

  #onReady(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    if (pending.error === undefined) pending.resolve(pending.results);
    else pending.reject(pending.error);
  }

  #onClose(error: Error): void {
    this.#closed ??= error;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(pending.error ?? error);
  }
}
