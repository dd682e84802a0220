/** Client sockets over TCP: no delay, one high-water mark, errors become closes. */
import net from 'node:net';
import { QuorateError } from '../../base/errors.ts';
import type { Listener, SocketHandlers, Sockets, StreamSocket } from '../sockets.ts';
import { SERVER_OPTIONS, withSharedReads } from './shared-reads.ts';

const HIGH_WATER_BYTES = 256 * 1024;

class TcpSocket implements StreamSocket {
  readonly #socket: net.Socket;
  readonly remote: string;
  readonly isLoopback: boolean;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.isLoopback = isLoopbackAddress(socket.remoteAddress);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return true;
    return this.#socket.write(bytes);
  }

  bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  setHandlers(handlers: SocketHandlers): void {
    this.#socket.on('data', (bytes: Buffer) => handlers.onData(bytes));
    this.#socket.on('drain', () => handlers.onDrain());
    this.#socket.on('close', () => handlers.onClose());
    // 'close' follows: what went wrong with a client's socket is nobody's to handle.
    this.#socket.on('error', () => undefined);
  }
}

export const tcpSockets: Sockets = {
  listen(host, port, onSocket) {
    const sockets = new Set<net.Socket>();
    const server = net.createServer(
      { ...SERVER_OPTIONS, noDelay: true, highWaterMark: HIGH_WATER_BYTES, allowHalfOpen: false },
      (accepted) => {
        const socket = withSharedReads(accepted, HIGH_WATER_BYTES);
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        onSocket(new TcpSocket(socket));
      },
    );
    return new Promise<Listener>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const isTaken = error.code === 'EADDRINUSE';
        const message = isTaken
          ? `port ${port} on ${host} is taken`
          : `cannot listen on ${host}:${port} (${error.code ?? ''})`;
        reject(new QuorateError(isTaken ? 'port_taken' : 'listen_failed', message, {}, error));
      });
      server.listen({ host, port, exclusive: true, backlog: 511 }, () => {
        const address = server.address();
        const actual = typeof address === 'object' && address !== null ? address.port : port;
        resolve({ port: actual, close: () => closeServer(server, sockets) });
      });
    });
  },
};

/** Stops listening; sockets get a moment to flush what their owners have ended them with. */
function closeServer(server: net.Server, sockets: ReadonlySet<net.Socket>): Promise<void> {
  server.close();
  for (const socket of sockets) socket.unref();
  return Promise.resolve();
}

function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}
