/**
 * A session of the Postgres protocol that costs little processor time, because it shares the machine with the database:
 * statements parsed once per session under their names, results as text, no descriptions asked for, and what is called
 * in one turn leaves in one write.
 *
 * Calls may be made while others wait for their answers, which come in the order of the calls (pipelining: each has its
 * own Sync); not while rows are copied in. A failed call leaves the session usable, and those behind it go on; a lost
 * connection does not, and every later call rejects with 08006. What it does not do: TLS, passwords, COPY TO, notices.
 */
import net from 'node:net';
import process from 'node:process';
import { parse, serialize } from 'pg-protocol';
import type { BackendMessage, DatabaseError } from 'pg-protocol/dist/messages.js';
import type { Field, Result, Statement } from '../workload.ts';
import { SqlFailure } from '../workload.ts';
import type { DriverSession, Endpoint } from './target.ts';

type Call = readonly [Statement, readonly Field[]];

interface Pending {
  readonly results: Result[];
  rows: Field[][];
  error: SqlFailure | undefined;
  /** Names whose Parse is under way, in order. */
  readonly parsing: readonly Statement[];
  parsedCount: number;
  readonly onCopyIn: (() => void) | undefined;
  readonly resolve: (results: Result[]) => void;
  readonly reject: (error: SqlFailure) => void;
}

const CONNECT_MAX_MS = 10_000;
/** Rows are gathered into CopyData messages of about this size. */
const COPY_MESSAGE_BYTES = 32_768;
const NOTHING: readonly Statement[] = [];
const EXECUTE = serialize.execute();
const SYNC = serialize.sync();
const EXECUTE_SYNC = Buffer.concat([EXECUTE, SYNC]);

/** Rejects with 08001 when there is no connection to be had, and with what the server says when it refuses. */
export async function connectSession(endpoint: Endpoint): Promise<WireSession> {
  const { host, port, user, database, options } = endpoint;
  const socket = net.connect({ host, port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => {
      socket.destroy();
      reject(new SqlFailure('08001', `cannot connect to ${host}:${port}: ${why}`));
    };
    socket.setTimeout(CONNECT_MAX_MS, () => fail('no answer'));
    socket.once('error', (error) => fail(error.message));
    socket.once('connect', resolve);
  });
  const session = new WireSession(socket);
  const parameters: Record<string, string> = { user, database };
  if (options !== undefined) parameters['options'] = options;
  await session.start(parameters);
  socket.setTimeout(0);
  return session;
}

export class WireSession implements DriverSession {
  readonly #socket: net.Socket;
  /** By name: what the server has parsed for this session, or is about to. */
  readonly #prepared = new Map<string, Statement>();
  /** Calls without their answers yet, in order. */
  #waiting: Pending[] = [];
  /** Of this turn. */
  #outbox: Buffer[] = [];
  #closed: SqlFailure | undefined;
  /** Of the last ReadyForQuery: idle, in a block, in a failed block. */
  #status = 'I';

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.removeAllListeners('error');
    socket.removeAllListeners('timeout');
    socket.on('timeout', () => socket.destroy(new Error('no answer')));
    socket.on('error', (error) => this.#onClose(error.message));
    socket.on('close', () => this.#onClose('the connection was closed'));
    parse(socket, (message) => this.#onMessage(message)).catch((error: unknown) => {
      this.#onClose(String(error));
    });
  }

  get isInTransaction(): boolean {
    return this.#status !== 'I';
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  async start(parameters: Record<string, string>): Promise<void> {
    await this.#exchange(serialize.startup(parameters), NOTHING);
  }

  async execute(statement: Statement, values: readonly Field[]): Promise<Result> {
    const bind = bindOf(statement, values);
    const parsing = this.#isPrepared(statement) ? NOTHING : [statement];
    const parts = [...parsing.map(parseOf), bind, EXECUTE_SYNC];
    const [result] = await this.#exchange(Buffer.concat(parts), parsing);
    return result ?? { rows: [], tag: '' };
  }

  pipeline(calls: readonly Call[]): Promise<Result[]> {
    const parts: Buffer[] = [];
    const parsing: Statement[] = [];
    for (const [statement, values] of calls) {
      if (!this.#isPrepared(statement) && !parsing.includes(statement)) {
        parsing.push(statement);
        parts.push(parseOf(statement));
      }
      parts.push(bindOf(statement, values), EXECUTE);
    }
    parts.push(SYNC);
    return this.#exchange(Buffer.concat(parts), parsing);
  }

  query(text: string): Promise<Result[]> {
    return this.#exchange(serialize.query(text), NOTHING);
  }

  async copyIn(text: string, chunks: Iterable<string>): Promise<Result> {
    const onCopyIn = (): void => void this.#copyAll(chunks);
    const [result] = await this.#exchange(serialize.query(text), NOTHING, onCopyIn);
    return result ?? { rows: [], tag: '' };
  }

  close(): void {
    if (this.#closed !== undefined) return;
    const isBusy = this.#pending !== undefined;
    this.#flush();
    this.#onClose('the driver closed the connection');
    if (isBusy) this.#socket.destroy();
    else this.#socket.end(serialize.end());
  }

  /** Ends when all is sent, or when the server has said no. */
  async #copyAll(chunks: Iterable<string>): Promise<void> {
    const pending = this.#pending;
    let gathered = '';
    try {
      for (const chunk of chunks) {
        gathered += chunk;
        if (gathered.length < COPY_MESSAGE_BYTES) continue;
        if (!this.#socket.write(serialize.copyData(Buffer.from(gathered)))) await this.#drained();
        gathered = '';
        if (this.#pending !== pending || pending?.error !== undefined) return;
      }
    } catch (error) {
      // The rows could not be made: the server is told, and answers with an error of its own.
      this.#socket.write(serialize.copyFail(String(error)));
      return;
    }
    if (gathered !== '') this.#socket.write(serialize.copyData(Buffer.from(gathered)));
    this.#socket.write(serialize.copyDone());
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.once('drain', done);
      this.#socket.once('close', done);
      if (this.#socket.destroyed) done();
    });
  }

  #isPrepared(statement: Statement): boolean {
    const known = this.#prepared.get(statement.name);
    if (known === undefined) return false;
    if (known.text === statement.text) return true;
    throw new Error(`two statements are named ${statement.name}`);
  }

  #exchange(
    bytes: Buffer,
    parsing: readonly Statement[],
    onCopyIn?: () => void,
  ): Promise<Result[]> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const isCopying = this.#waiting.at(-1)?.onCopyIn !== undefined;
    if (isCopying || (onCopyIn !== undefined && this.#pending !== undefined)) {
      throw new Error('a call is running in this session');
    }
    for (const statement of parsing) this.#prepared.set(statement.name, statement);
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        ...{ results: [], rows: [], error: undefined, parsing, parsedCount: 0 },
        ...{ onCopyIn, resolve, reject },
      });
      // NB: runs when nothing is left to run in this turn: other clients' calls leave with this one.
      if (this.#outbox.length === 0) process.nextTick(() => this.#flush());
      this.#outbox.push(bytes);
    });
  }

  #flush(): void {
    const [first, ...others] = this.#outbox;
    if (first === undefined) return;
    this.#outbox = [];
    this.#socket.write(others.length === 0 ? first : Buffer.concat([first, ...others]));
  }

  get #pending(): Pending | undefined {
    return this.#waiting[0];
  }

  #onMessage(message: BackendMessage): void {
    const pending = this.#pending;
    if (pending === undefined) {
      // Between calls a server says nothing but notices, and why it ends the connection.
      if (message.name === 'error') this.#onClose((message as unknown as DatabaseError).message);
      return;
    }
    switch (message.name) {
      case 'dataRow':
        pending.rows.push((message as BackendMessage & { fields: Field[] }).fields);
        return;
      case 'commandComplete':
        pending.results.push({
          rows: pending.rows,
          tag: (message as BackendMessage & { text: string }).text,
        });
        pending.rows = [];
        return;
      case 'emptyQuery':
        pending.results.push({ rows: [], tag: '' });
        return;
      case 'parseComplete':
        pending.parsedCount++;
        return;
      case 'error':
        pending.error ??= failureOf(message as unknown as DatabaseError);
        return;
      case 'readyForQuery':
        this.#onReady(pending, (message as BackendMessage & { status: string }).status);
        return;
      case 'copyInResponse':
        pending.onCopyIn?.();
        return;
      case 'authenticationCleartextPassword':
      case 'authenticationMD5Password':
      case 'authenticationSASL':
        pending.error = new SqlFailure('28000', 'the server asks for a password');
        this.#socket.destroy();
        return;
      default:
        return;
    }
  }

  #onReady(pending: Pending, status: string): void {
    this.#status = status;
    this.#waiting.shift();
    for (const { name } of pending.parsing.slice(pending.parsedCount)) this.#prepared.delete(name);
    if (pending.error === undefined) pending.resolve(pending.results);
    else pending.reject(pending.error);
  }

  #onClose(why: string): void {
    this.#closed ??= new SqlFailure('08006', why);
    this.#status = 'I';
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#outbox = [];
    for (const pending of waiting) pending.reject(pending.error ?? this.#closed);
  }
}

function parseOf({ name, text }: Statement): Buffer {
  return serialize.parse({ name, text });
}

function bindOf({ name }: Statement, values: readonly Field[]): Buffer {
  return serialize.bind({ statement: name, values: values as Field[] });
}

function failureOf({ code, message }: DatabaseError): SqlFailure {
  return new SqlFailure(code ?? 'XX000', message);
}
