/**
 * The session's results on their way to the client: a `ResultSink` over the connection's encoder and socket. Rows are
 * encoded as they come; when much is buffered it is flushed, and a client that does not read makes the producer wait.
 */
import type { MaybePromise } from '../base/maybe-promise.ts';
import type { Logger } from '../env/env.ts';
import type { StreamSocket } from '../env/sockets.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { Notice, ResultColumn, ResultSink, Session } from '../../sql/session/session-api.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { BackendEncoder } from './backend-encoder.ts';
import type { FrontendMessage } from './frontend-decoder.ts';
import { ProtocolError } from './frontend-decoder.ts';
import { RowEncoder } from './row-encoder.ts';

/** Encoded output beyond which it is handed to the socket in the middle of a result. */
const OUTPUT_BYTES_HIGH = 64 * 1024;

export interface WireSinkPorts {
  readonly encoder: BackendEncoder;
  readonly socket: StreamSocket;
  readonly log: Logger;
  /** False when the socket wants to drain first. */
  flush(): boolean;
  nextMessage(): FrontendMessage | undefined;
}

export class WireSink implements ResultSink {
  readonly #ports: WireSinkPorts;
  readonly #out: BackendEncoder;
  #session: Session | undefined;
  #rows: RowEncoder | undefined;
  /** The extended protocol describes results apart: `columns` then writes nothing. */
  #writesDescription = true;
  #formats: readonly number[] = [];
  #resultMark = 0;
  #drainWaiters: (() => void)[] = [];
  #inputWaiter: (() => void) | undefined;
  #isClosed = false;

  constructor(ports: WireSinkPorts) {
    this.#ports = ports;
    this.#out = ports.encoder;
  }

  useSimpleProtocol(session: Session): void {
    this.#session = session;
    this.#writesDescription = true;
    this.#formats = [];
    this.#rows = undefined;
    this.beginResults();
  }

  useExtendedProtocol(
    session: Session,
    columns: readonly ResultColumn[] | undefined,
    formats: readonly number[],
  ): void {
    this.#session = session;
    this.#writesDescription = false;
    this.#formats = formats;
    this.#rows =
      columns === undefined ? undefined : RowEncoder.of(columns, formats, session.format());
    this.beginResults();
  }

  onDrain(): void {
    const waiters = this.#drainWaiters;
    this.#drainWaiters = [];
    for (const wake of waiters) wake();
  }

  onInput(): void {
    const wake = this.#inputWaiter;
    this.#inputWaiter = undefined;
    wake?.();
  }

  onClose(): void {
    this.#isClosed = true;
    this.onDrain();
    this.onInput();
  }

  /* ---------- ResultSink ---------- */

  columns(columns: readonly ResultColumn[]): void {
    const session = this.#session;
    if (session === undefined) return;
    if (this.#writesDescription) this.#out.rowDescription(columns, this.#formats);
    this.#rows = RowEncoder.of(columns, this.#formats, session.format());
  }

  row(values: readonly Datum[]): MaybePromise<void> {
    this.#rows?.write(this.#out, values);
    return this.#afterOutput();
  }

  complete(tag: string): void {
    this.#out.commandComplete(tag);
  }

  suspended(): void {
    this.#out.empty('s');
  }

  empty(): void {
    this.#out.empty('I');
  }

  notice(notice: Notice): void {
    this.#out.report('N', notice);
  }

  parameter(name: string, value: string): void {
    this.#out.parameterStatus(name, value);
  }

  beginResults(): void {
    this.#resultMark = this.#out.mark();
  }

  hasSentResults(): boolean {
    return this.#out.isTakenSince(this.#resultMark);
  }

  discardResults(): void {
    this.#out.truncate(this.#resultMark);
  }

  async *copyIn(
    format: 'text' | 'csv' | 'binary',
    columnCount: number,
  ): AsyncGenerator<Uint8Array, void> {
    this.#out.copyResponse('G', format === 'binary', columnCount);
    this.#ports.flush();
    for (;;) {
      if (this.#isClosed) throw new SqlError('08006', 'unexpected EOF on client connection');
      const message = this.#ports.nextMessage();
      if (message === undefined) {
        await new Promise<void>((resolve) => (this.#inputWaiter = resolve));
        continue;
      }
      if (message.kind === 'copyData') yield message.bytes;
      else if (message.kind === 'copyDone') return;
      else if (message.kind === 'copyFail') {
        throw new SqlError('57014', `COPY from stdin failed: ${message.message}`);
      } else if (message.kind !== 'flush' && message.kind !== 'sync') {
        throw new ProtocolError(`unexpected message "${message.kind}" during COPY from stdin`);
      }
    }
  }

  copyOut(format: 'text' | 'csv' | 'binary', columnCount: number): void {
    this.#out.copyResponse('H', format === 'binary', columnCount);
  }

  copyData(bytes: Uint8Array): MaybePromise<void> {
    this.#out.copyData(bytes);
    return this.#afterOutput();
  }

  copyDone(): void {
    this.#out.empty('c');
  }

  #afterOutput(): MaybePromise<void> {
    if (this.#out.length < OUTPUT_BYTES_HIGH || this.#isClosed) return undefined;
    if (this.#ports.flush()) return undefined;
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }
}
