/**
 * Frames between nodes over TCP. Every node connects to every other, and sends on the connection it made: one
 * direction each, so no two nodes race over who connects. A connection begins with a hello (magic, cluster, sender),
 * which is checked; then length-prefixed frames.
 *
 * Best effort: a frame for a peer that is not connected, or whose queue is full, is dropped. A peer counts as up while
 * both connections stand (a call over one is answered over the other), and as down when either is lost. Frames of one
 * connection arrive in order; a peer that connects anew ends its older connection first. A frame that is too long, and
 * a stranger's hello, end that connection and no other.
 */
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { QuorateError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { nodeId } from '../../base/ids.ts';
import type { Logger, Network, NetworkHandlers } from '../env.ts';
import { SERVER_OPTIONS, withSharedReads } from './shared-reads.ts';

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
  /** Frames that wait for a peer, in bytes; beyond, they are dropped. */
  readonly queueBytesMax: number;
}

const MAGIC = 'quorate1';
const HELLO_BYTES_MAX = 512;
const FRAME_BYTES_MAX = 256 * 1024 * 1024;
/** Up to this a frame is copied behind its header: one buffer is written in half the time that two take. */
const COPY_BYTES_MAX = 64 * 1024;
const HIGH_WATER_BYTES = 1 << 20;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 500;
/** A connection that has stood this long was no accident: the next attempt comes soon again. */
const STEADY_MS = 1000;
/** Hosts that connect and say nothing are let go. */
const HELLO_TIMEOUT_MS = 5000;

export class TcpNetwork implements Network {
  readonly #options: TcpNetworkOptions;
  readonly #log: Logger;
  readonly #links = new Map<NodeId, Link>();
  readonly #sockets = new Set<net.Socket>();
  /** The connection on which each peer sends. */
  readonly #inbound = new Map<NodeId, net.Socket>();
  readonly #up = new Set<NodeId>();
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
      const link = new Link(peer, this.#options, () => this.#onChange(peer.id));
      this.#links.set(peer.id, link);
      link.connect();
    }
  }

  send(to: NodeId, frame: Uint8Array): void {
    this.#links.get(to)?.send(frame);
  }

  /** Resolves when the port is free again. */
  stop(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return Promise.resolve();
    return new Promise((resolve) => server.close(() => resolve()));
  }

  /** The port listened on; of use where 0 was asked for. */
  get port(): number {
    const address = this.#server?.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  #onChange(peer: NodeId): void {
    const isUp = this.#links.get(peer)?.isUp === true && this.#inbound.has(peer);
    if (isUp === this.#up.has(peer)) return;
    if (isUp) {
      this.#up.add(peer);
      this.#handlers?.onPeerUp(peer);
    } else {
      this.#up.delete(peer);
      this.#handlers?.onPeerDown(peer);
    }
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options;
    const options = { ...SERVER_OPTIONS, noDelay: true, highWaterMark: HIGH_WATER_BYTES };
    const server = net.createServer(options, (accepted) =>
      this.#onInbound(withSharedReads(accepted, HIGH_WATER_BYTES)),
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
    this.#sockets.add(socket);
    let from: NodeId | undefined;
    const splitter = new FrameSplitter();
    socket.setTimeout(HELLO_TIMEOUT_MS, () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      splitter.push(chunk);
      // A handler may end the connection; what it had sent by then is not for us.
      while (!socket.destroyed) {
        const frame = splitter.next(from === undefined ? HELLO_BYTES_MAX : FRAME_BYTES_MAX);
        if (frame === undefined) return;
        if (frame === 'bad') {
          this.#log.warn({ remote: socket.remoteAddress }, 'network: bad frame');
          socket.destroy();
        } else if (from !== undefined) {
          this.#handlers?.onFrame(from, frame);
        } else {
          from = this.#checkHello(frame);
          if (from === undefined) socket.destroy();
          else this.#onHello(from, socket);
        }
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (from === undefined || this.#inbound.get(from) !== socket) return;
      this.#inbound.delete(from);
      this.#onChange(from);
    });
  }

  #onHello(from: NodeId, socket: net.Socket): void {
    socket.setTimeout(0);
    const older = this.#inbound.get(from);
    if (older !== undefined) {
      // The peer has given it up, or was started anew: what was asked on it will not be answered.
      older.destroy();
      this.#inbound.delete(from);
      this.#onChange(from);
    }
    this.#inbound.set(from, socket);
    this.#onChange(from);
  }

  #checkHello(frame: Buffer): NodeId | undefined {
    const [magic, cluster, sender] = frame.toString('utf8').split('\n');
    const { self, peers } = this.#options;
    const isKnown = peers.some(({ id }) => id !== self && String(id) === sender);
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
  readonly #queueBytesMax: number;
  readonly #onChange: () => void;
  #socket: net.Socket | undefined;
  #isUp = false;
  #isClosed = false;
  #upSinceMs = 0;
  #delayMs = RECONNECT_MIN_MS;

  constructor(peer: PeerAddress, options: TcpNetworkOptions, onChange: () => void) {
    this.#peer = peer;
    this.#hello = helloFrame(options);
    this.#queueBytesMax = options.queueBytesMax;
    this.#onChange = onChange;
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
      this.#upSinceMs = performance.now();
      this.#write(socket, this.#hello);
      this.#onChange();
    });
    // Nothing is ever sent back on this connection, but the end of it has to be read.
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  send(frame: Uint8Array): void {
    const socket = this.#socket;
    if (!this.#isUp || socket === undefined) return;
    if (socket.writableLength > this.#queueBytesMax) return;
    this.#write(socket, frame);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.destroy();
  }

  #write(socket: net.Socket, frame: Uint8Array): void {
    if (frame.length <= COPY_BYTES_MAX) {
      const bytes = Buffer.allocUnsafe(4 + frame.length);
      bytes.writeUInt32BE(frame.length);
      bytes.set(frame, 4);
      socket.write(bytes);
      return;
    }
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
    if (wasUp) {
      if (performance.now() - this.#upSinceMs >= STEADY_MS) this.#delayMs = RECONNECT_MIN_MS;
      this.#onChange();
    }
    if (this.#isClosed) return;
    const delayMs = this.#delayMs * (0.5 + Math.random() / 2);
    setTimeout(() => this.connect(), delayMs).unref();
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
