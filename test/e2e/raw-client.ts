/**
 * A client of the Postgres protocol without manners: sends any bytes, shows the messages that come back as they are,
 * stops reading. For what a well-behaved client cannot do.
 */
import net from 'node:net';
import { serialize } from 'pg-protocol';
import { answered } from '../support/process-cluster.ts';
import type { Address } from '../support/psql.ts';

export interface RawMessage {
  readonly type: string;
  readonly body: Buffer;
}

export class RawClient {
  readonly #socket: net.Socket;
  readonly #messages: RawMessage[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #isClosed = false;
  processId = 0;
  secretKey = 0;

  /** Connects and says nothing. */
  static async open(node: Address): Promise<RawClient> {
    const socket = net.connect({ host: node.host, port: node.sqlPort, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Connects and logs in. */
  static async connect(node: Address): Promise<RawClient> {
    const client = await RawClient.open(node);
    client.send(serialize.startup({ user: 'tester', database: 'quorate' }));
    const messages = await client.until('Z');
    const key = messages.find((message) => message.type === 'K');
    client.processId = key?.body.readInt32BE(0) ?? 0;
    client.secretKey = key?.body.readInt32BE(4) ?? 0;
    return client;
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#onData(chunk));
    const onEnd = (): void => {
      this.#isClosed = true;
      this.#wake?.();
    };
    socket.on('error', onEnd);
    socket.on('close', onEnd);
    socket.on('end', onEnd);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...parts: readonly (Buffer | string)[]): void {
    for (const part of parts) this.#socket.write(part);
  }

  /** A message of the frontend: its type, its length, its body. */
  sendMessage(type: string, body: Buffer | string): void {
    const bytes = Buffer.from(body as string);
    const head = Buffer.alloc(5);
    head.write(type, 0, 'latin1');
    head.writeInt32BE(bytes.length + 4, 1);
    this.send(Buffer.concat([head, bytes]));
  }

  /** The messages up to and with the first of the type; all there are when the server closes instead. */
  until(type: string): Promise<RawMessage[]> {
    return answered(`a message ${type}`, this.#until(type));
  }

  async #until(type: string): Promise<RawMessage[]> {
    const taken: RawMessage[] = [];
    for (;;) {
      for (let next = this.#messages.shift(); next !== undefined; next = this.#messages.shift()) {
        taken.push(next);
        if (next.type === type) return taken;
      }
      if (this.#isClosed) return taken;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The fields of the first error up to ReadyForQuery or the end of the connection. */
  async error(): Promise<Readonly<Record<string, string>>> {
    const error = (await this.until('Z')).find((message) => message.type === 'E');
    return error === undefined ? {} : fieldsOf(error.body);
  }

  /** Resolves once the server has closed the connection. */
  async closed(): Promise<RawMessage[]> {
    return this.until('nothing');
  }

  stopReading(): void {
    this.#socket.pause();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    let at = 0;
    while (this.#buffer.length - at >= 5) {
      const end = at + 1 + this.#buffer.readInt32BE(at + 1);
      if (this.#buffer.length < end) break;
      const type = this.#buffer.toString('latin1', at, at + 1);
      this.#messages.push({ type, body: this.#buffer.subarray(at + 5, end) });
      at = end;
    }
    this.#buffer = this.#buffer.subarray(at);
    this.#wake?.();
  }
}

/** The fields of ErrorResponse by their letter: C is SQLSTATE, M the message, P the position, S the severity. */
export function fieldsOf(body: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const part of body.toString('utf8').split('\0')) {
    if (part !== '') fields[part[0] ?? ''] = part.slice(1);
  }
  return fields;
}
