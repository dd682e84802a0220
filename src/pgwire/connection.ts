/**
 * One client connection: startup, then messages in order, each handled to its end before the next. Handling is
 * synchronous as far as nothing waits, so that a statement answered from memory is replied to in the turn in which
 * its message arrived.
 *
 * Output is flushed once per batch of input: when no whole message is left, at Flush, or when much has piled up. A
 * client that does not read makes `row` wait (backpressure), and one that sends faster than it is served is paused,
 * so neither direction buffers without bound.
 *
 * A malformed message ends this connection with 08P01 and touches no other. What it does not do: SQL, types, and
 * transactions are the session's; listening and the registry of cancel keys are the server's.
 */
import type { MaybePromise } from '../base/maybe-promise.ts';
import { isPromise } from '../base/maybe-promise.ts';
import type { Counters } from '../base/counters.ts';
import type { Logger } from '../env/env.ts';
import type { StreamSocket } from '../env/sockets.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { Session, SessionFactory } from '../../sql/session/session-api.ts';
import { BackendEncoder } from './backend-encoder.ts';
import { errorFieldsOf } from './error-response.ts';
import { ExtendedProtocol } from './extended-protocol.ts';
import type { FrontendMessage, StartupMessage } from './frontend-decoder.ts';
import { FrontendDecoder, InvalidTextError, ProtocolError } from './frontend-decoder.ts';
import { parseStartupOptions } from './startup-options.ts';
import { WireSink } from './wire-sink.ts';

/** Input received and not handled beyond which the client is paused. */
const INPUT_BYTES_HIGH = 1024 * 1024;
const QUERY_TYPE = 0x51;

export interface ConnectionHost {
  readonly sessions: SessionFactory;
  readonly log: Logger;
  readonly counters: Counters;
  readonly processId: number;
  readonly secret: Uint8Array;
  onCancelRequest(processId: number, secret: Uint8Array): void;
  /** Logged in. */
  onOpened(): void;
  onClosed(): void;
}

export class Connection {
  readonly #socket: StreamSocket;
  readonly #host: ConnectionHost;
  readonly #decoder = new FrontendDecoder();
  readonly #encoder = new BackendEncoder();
  readonly #sink: WireSink;
  #session: Session | undefined;
  #extended: ExtendedProtocol | undefined;
  #isHandling = false;
  #isPaused = false;
  #isClosed = false;
  /** After an error in the extended protocol: everything up to Sync is passed over. */
  #isSkipping = false;

  constructor(socket: StreamSocket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#sink = new WireSink({
      encoder: this.#encoder,
      socket,
      flush: () => this.#flush(),
      nextMessage: () => this.#nextMessage(),
      log: host.log,
    });
    socket.setHandlers({
      onData: (bytes) => this.#onData(bytes),
      onDrain: () => this.#sink.onDrain(),
      onClose: () => this.#onClose(),
    });
  }

  get session(): Session | undefined {
    return this.#session;
  }

  cancel(): void {
    this.#session?.cancel();
  }

  /** Ends the connection with a FATAL error, as at shutdown (57P01) or a session timeout (25P03). */
  terminate(error: SqlError): void {
    if (this.#isClosed) return;
    this.#encoder.abandon();
    this.#encoder.report('E', { ...errorFieldsOf(error, this.#host.log), severity: 'FATAL' });
    this.#flush();
    this.#socket.end();
    this.#onClose();
  }

  #onData(bytes: Buffer): void {
    this.#decoder.push(bytes);
    this.#host.counters.sqlBytesReceived += bytes.length;
    this.#sink.onInput();
    if (!this.#isHandling) this.#pump();
    this.#checkInput();
  }

  /** Pauses and resumes the client by what waits to be handled. A long message is let in whole. */
  #checkInput(): void {
    const isHigh = this.#isHandling && this.#decoder.bufferedBytes() > INPUT_BYTES_HIGH;
    if (isHigh === this.#isPaused) return;
    this.#isPaused = isHigh;
    if (isHigh) this.#socket.pause();
    else this.#socket.resume();
  }

  #nextMessage(): FrontendMessage | undefined {
    const message = this.#decoder.next();
    if (message !== undefined) this.#host.counters.sqlMessages++;
    this.#checkInput();
    return message;
  }

  /** Handles messages until none is whole or one has to wait. */
  #pump(): void {
    while (!this.#isClosed) {
      try {
        const handled = this.#handleNext();
        if (handled === false) break;
        if (isPromise(handled)) {
          this.#isHandling = true;
          void handled.then(this.#onHandled, this.#onFailed);
          return;
        }
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#flush();
  }

  readonly #onHandled = (): void => this.#resume();
  readonly #onFailed = (error: unknown): void => {
    this.#onError(error);
    this.#resume();
  };

  #resume(): void {
    this.#isHandling = false;
    if (this.#isClosed) return;
    this.#pump();
    this.#checkInput();
  }

  /** False: there is no whole message. */
  #handleNext(): MaybePromise<void> | false {
    const session = this.#session;
    const extended = this.#extended;
    if (session === undefined || extended === undefined) {
      const startup = this.#decoder.nextStartup();
      return startup === undefined ? false : this.#onStartup(startup);
    }
    const message = this.#decoder.next();
    if (message === undefined) return false;
    this.#host.counters.sqlMessages++;
    return this.#onMessage(message, session, extended);
  }

  #onMessage(
    message: FrontendMessage,
    session: Session,
    extended: ExtendedProtocol,
  ): MaybePromise<void> {
    if (message.kind === 'terminate') {
      this.#socket.end();
      this.#onClose();
      return undefined;
    }
    if (message.kind === 'sync') {
      this.#isSkipping = false;
      const synced = session.sync();
      if (isPromise(synced)) return this.#readyAfter(synced.then(() => extended.onSynced()));
      extended.onSynced();
      this.#encoder.readyForQuery(session.status);
      return undefined;
    }
    if (this.#isSkipping) return undefined;
    switch (message.kind) {
      case 'query':
        return this.#onQuery(message.text, session);
      case 'flush':
        this.#flush();
        return undefined;
      case 'copyData':
      case 'copyDone':
      case 'copyFail':
        // Left over from a COPY that has failed: the client had not heard of it yet.
        return undefined;
      default:
        return extended.handle(message, this.#decoder);
    }
  }

  async #readyAfter(synced: Promise<void>): Promise<void> {
    try {
      await synced;
    } catch (error) {
      this.#report(error);
    }
    this.#encoder.readyForQuery(this.#session?.status ?? 'I');
  }

  #onQuery(text: string, session: Session): MaybePromise<void> {
    this.#sink.useSimpleProtocol(session);
    let done: MaybePromise<void>;
    try {
      done = session.simpleQuery(text, this.#sink);
    } catch (error) {
      this.#report(error);
      this.#encoder.readyForQuery(session.status);
      return undefined;
    }
    if (isPromise(done)) return this.#readyAfter(done);
    this.#encoder.readyForQuery(session.status);
    return undefined;
  }

  #onStartup(message: StartupMessage): MaybePromise<void> {
    switch (message.kind) {
      case 'ssl':
      case 'gssenc':
        // Neither is offered; the client goes on in plain text or leaves.
        this.#encoder.byte(0x4e);
        return undefined;
      case 'cancel':
        this.#host.onCancelRequest(message.processId, message.secret);
        this.#socket.end();
        this.#onClose();
        return undefined;
      case 'startup':
        return this.#open(message.parameters);
    }
  }

  async #open(parameters: ReadonlyMap<string, string>): Promise<void> {
    const user = parameters.get('user');
    if (user === undefined || user === '') {
      throw fatal('28000', 'no PostgreSQL user name specified in startup packet');
    }
    if (!this.#socket.isLoopback) {
      throw fatal(
        '28000',
        'connections from other machines are not accepted: no authentication is configured',
      );
    }
    // What is named by itself overrides what stands among the options.
    const rest = new Map([...parseStartupOptions(parameters.get('options') ?? ''), ...parameters]);
    for (const name of ['user', 'database', 'options']) rest.delete(name);
    const session = await this.#host.sessions.open({
      user,
      database: parameters.get('database') ?? user,
      parameters: rest,
      processId: this.#host.processId,
      onFatal: (error) => this.terminate(error),
    });
    if (this.#isClosed) {
      session.close();
      return;
    }
    this.#host.onOpened();
    this.#session = session;
    this.#extended = new ExtendedProtocol({
      ...{ session, sink: this.#sink, out: this.#encoder, input: this.#decoder },
      nextMessage: () => this.#nextMessage(),
      terminate: (error) => this.terminate(asFatal(error, this.#host.log)),
      report: (error) => this.#report(error),
      isClosed: () => this.#isClosed,
    });
    this.#encoder.authenticationOk();
    for (const [name, value] of session.reportedParameters()) {
      this.#encoder.parameterStatus(name, value);
    }
    this.#encoder.backendKeyData(this.#host.processId, this.#host.secret);
    this.#encoder.readyForQuery(session.status);
  }

  /** An error that ended the handling of a message. */
  #onError(error: unknown): void {
    if (this.#isClosed) return;
    const isFatal = this.#session === undefined || error instanceof ProtocolError;
    if (isFatal) {
      this.terminate(asFatal(error, this.#host.log));
      return;
    }
    // NB: a message that is passed over unread cannot fail.
    if (this.#isSkipping) return;
    this.#session?.fail();
    this.#report(error);
    // A Query whose text cannot be read ends here; everything else that fails is a step of the extended protocol.
    const isQuery = error instanceof InvalidTextError && this.#decoder.lastType === QUERY_TYPE;
    if (isQuery) this.#encoder.readyForQuery(this.#session?.status ?? 'I');
    else this.#isSkipping = true;
  }

  #report(error: unknown): void {
    this.#encoder.abandon();
    const fields = errorFieldsOf(error, this.#host.log);
    this.#encoder.report('E', fields);
    if (fields.severity === 'FATAL') {
      this.#flush();
      this.#socket.end();
      this.#onClose();
    }
  }

  #flush(): boolean {
    if (this.#isClosed || this.#encoder.length === 0) return true;
    const bytes = this.#encoder.take();
    this.#host.counters.sqlFlushes++;
    this.#host.counters.sqlBytesSent += bytes.length;
    const isRoom = this.#socket.write(bytes);
    if (this.#socket.bufferedBytes() === 0) this.#encoder.giveBack();
    return isRoom;
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#sink.onClose();
    this.#session?.close();
    this.#host.onClosed();
  }
}

function fatal(sqlState: '28000', message: string): SqlError {
  return new SqlError(sqlState, message, { severity: 'FATAL' });
}

function asFatal(error: unknown, log: Logger): SqlError {
  if (error instanceof SqlError) return error;
  const { sqlState, message } = errorFieldsOf(error, log);
  return new SqlError(sqlState === '08P01' ? '08P01' : 'XX000', message, { severity: 'FATAL' });
}
