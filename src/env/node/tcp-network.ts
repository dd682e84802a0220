/**
 * Frames between nodes over TCP. Every node connects to every other, and sends on the connection it made: one
 * direction each, so no two nodes race over who connects. A connection begins with a hello (magic, cluster, sender),
 * which is checked; then length-prefixed frames.
 *
 * Best effort: a frame for a peer that is not connected, or whose queue is full, is dropped. A peer counts as down when
 * either connection is lost, and frames of a connection arrive in order.
 */
import net from 'node:net';
import { QuorateError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { nodeId } from '../../base/ids.ts';
import type { Logger, Network, NetworkHandlers } from '../env.ts';

export interface PeerAddress {
  readonly id: NodeId;
  readonly host: string;
  readonly port: number;
}

export interface TcpNetworkOptions {
  readonly self: NodeId;
  readonly clusterId: string;
  readonly host: string;
  readonly port: number;
  readonly peers: readonly PeerAddress[];
}

const MAGIC = 'quorate1';
const HELLO_BYTES_MAX = 512;
const FRAME_BYTES_MAX = 256 * 1024 * 1024;
const QUEUE_BYTES_MAX = 128 * 1024 * 1024;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 500;

export class TcpNetwork implements Network {
  readonly #options: TcpNetworkOptions;
  readonly #log: Logger;
  readonly #links = new Map<NodeId, Link>();
  readonly #inbound = new Set<net.Socket>();
  #server: net.Server | undefined;
  #handlers: NetworkHandlers | undefined;

  constructor(options: TcpNetworkOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  async start(handlers: NetworkHandlers): Promise<void> {
    this.#handlers = handlers;
    await this.#listen();
    for (const peer of this.#options.peers) {
      if (peer.id === this.#options.self) continue;
      const link = new Link(peer, helloFrame(this.#options), {
        onUp: () => handlers.onPeerUp(peer.id),
        onDown: () => handlers.onPeerDown(peer.id),
      });
      this.#links.set(peer.id, link);
      link.connect();
    }
  }

  send(to: NodeId, frame: Uint8Array): void {
    this.#links.get(to)?.send(frame);
  }

  stop(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    for (const socket of this.#inbound) socket.destroy();
    this.#server?.close();
    return Promise.resolve();
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    const server = net.createServer({ noDelay: true, highWaterMark: 1 << 20 }, (socket) =>
      this.#onInbound(socket),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const isTaken = error.code === 'EADDRINUSE';
        const what = isTaken ? 'is taken' : `cannot be used (${error.code ?? ''})`;
        reject(new QuorateError('port_taken', `port ${port} on ${host} ${what}`, {}, error));
      });
      server.listen({ host, port, exclusive: true }, () => resolve());
    });
  }

  #onInbound(socket: net.Socket): void {
    this.#inbound.add(socket);
    let from: NodeId | undefined;
    const splitter = new FrameSplitter();
    socket.on('data', (chunk: Buffer) => {
      splitter.push(chunk);
      for (;;) {
        const max = from === undefined ? HELLO_BYTES_MAX : FRAME_BYTES_MAX;
        const frame = splitter.next(max);
        if (frame === undefined) return;
        if (frame === 'bad') {
          this.#log.warn({ remote: socket.remoteAddress }, 'network: bad frame');
          socket.destroy();
          return;
        }
        if (from !== undefined) this.#handlers?.onFrame(from, frame);
        else {
          from = this.#checkHello(frame);
          if (from === undefined) {
            socket.destroy();
            return;
          }
        }
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#inbound.delete(socket);
      if (from === undefined) return;
      // What the peer was to answer will not come, even if it can still be sent to.
      this.#handlers?.onPeerDown(from);
      if (this.#links.get(from)?.isUp === true) this.#handlers?.onPeerUp(from);
    });
  }

  #checkHello(frame: Buffer): NodeId | undefined {
    const [magic, cluster, sender] = frame.toString('utf8').split('\n');
    const isKnown = this.#options.peers.some((peer) => String(peer.id) === sender);
    if (magic === MAGIC && cluster === this.#options.clusterId && isKnown) {
      return nodeId(Number(sender));
    }
    this.#log.warn({ cluster, sender }, 'network: refused a stranger');
    return undefined;
  }
}

function helloFrame(options: TcpNetworkOptions): Buffer {
  return Buffer.from([MAGIC, options.clusterId, String(options.self)].join('\n'));
}

/** The connection to one peer, on which this node sends. */
class Link {
  readonly #peer: PeerAddress;
  readonly #hello: Buffer;
  readonly #events: { onUp(): void; onDown(): void };
  #socket: net.Socket | undefined;
  #isUp = false;
  #isClosed = false;
  #delayMs = RECONNECT_MIN_MS;

  constructor(peer: PeerAddress, hello: Buffer, events: { onUp(): void; onDown(): void }) {
    this.#peer = peer;
    this.#hello = hello;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  connect(): void {
    if (this.#isClosed) return;
    const { host, port } = this.#peer;
    const socket = net.connect({ host, port, noDelay: true, keepAlive: true });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#isUp = true;
      this.#delayMs = RECONNECT_MIN_MS;
      this.#write(socket, this.#hello);
      this.#events.onUp();
    });
    // Nothing is ever sent back on this connection, but the end of it has to be read.
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  send(frame: Uint8Array): void {
    const socket = this.#socket;
    if (!this.#isUp || socket === undefined || socket.writableLength > QUEUE_BYTES_MAX) return;
    this.#write(socket, frame);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #write(socket: net.Socket, frame: Uint8Array): void {
    const header = Buffer.allocUnsafe(4);
    header.writeUInt32BE(frame.length);
    socket.cork();
    socket.write(header);
    socket.write(frame);
    socket.uncork();
  }

  #onClose(): void {
    const wasUp = this.#isUp;
    this.#isUp = false;
    if (wasUp) this.#events.onDown();
    if (this.#isClosed) return;
    setTimeout(() => this.connect(), this.#delayMs * (0.5 + Math.random() / 2));
    this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_MAX_MS);
  }
}

/** Cuts a stream into length-prefixed frames; a frame is a view when it lies in one chunk. */
class FrameSplitter {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  next(lengthMax: number): Buffer | 'bad' | undefined {
    if (this.#bytes < 4) return undefined;
    this.#join(4);
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    const length = first.readUInt32BE(0);
    if (length > lengthMax) return 'bad';
    if (this.#bytes < 4 + length) return undefined;
    this.#join(4 + length);
    const whole = this.#chunks[0];
    if (whole === undefined) return undefined;
    const frame = whole.subarray(4, 4 + length);
    if (whole.length === 4 + length) this.#chunks.shift();
    else this.#chunks[0] = whole.subarray(4 + length);
    this.#bytes -= 4 + length;
    return frame;
  }

  /** Makes the first chunk at least `count` bytes long. */
  #join(count: number): void {
    const first = this.#chunks[0];
    if (first === undefined || first.length >= count) return;
    this.#chunks = [Buffer.concat(this.#chunks, this.#bytes)];
  }
}
