/**
 * Three nodes in one process, on memory instead of disk, network and sockets: what is left is the work of the nodes'
 * own code, in one thread, which a profile shows whole and a busy machine blurs less than it does wall time. Figures
 * from here say where the time goes; they are no throughput of anything.
 */
import { Counters } from '../../src/base/counters.ts';
import { nodeId } from '../../src/base/ids.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { Disk, DiskFile } from '../../src/env/disk.ts';
import type { Logger, Network, NetworkHandlers } from '../../src/env/env.ts';
import type { Listener, SocketHandlers, Sockets, StreamSocket } from '../../src/env/sockets.ts';
import { nodeClock } from '../../src/env/node/node-clock.ts';
import { nodeRandom } from '../../src/env/node/node-random.ts';
import { nodeScheduler } from '../../src/env/node/node-scheduler.ts';
import type { NodeConfig } from '../../src/node/config.ts';
import { DEFAULT_SETTINGS } from '../../src/node/config.ts';
import { QuorateNode } from '../../src/node/quorate-node.ts';
import { Planner } from '../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { MemEngine } from '../../storage/engine/mem-engine.ts';

/** Frames are handed over when the turn in which they were sent has ended, as the kernel would. */
class MemNetwork implements Network {
  handlers: NetworkHandlers | undefined;
  readonly #self: NodeId;
  readonly #all: MemNetwork[];
  #queue: [MemNetwork, Uint8Array][] = [];

  constructor(self: NodeId, all: MemNetwork[]) {
    this.#self = self;
    this.#all = all;
    all.push(this);
  }

  start(handlers: NetworkHandlers): Promise<void> {
    this.handlers = handlers;
    for (const other of this.#all) {
      if (other === this || other.handlers === undefined) continue;
      other.handlers.onPeerUp(this.#self);
      handlers.onPeerUp(other.#self);
    }
    return Promise.resolve();
  }

  send(to: NodeId, frame: Uint8Array): void {
    const peer = this.#all.find((each) => each.#self === to);
    if (peer === undefined) return;
    if (this.#queue.push([peer, frame]) === 1) setImmediate(() => this.#deliver());
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  #deliver(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const [peer, frame] of queue) peer.handlers?.onFrame(this.#self, frame);
  }
}

/** One end of a connection in memory: the client's side is `toServer` and `onBytes`. */
export class MemSocket implements StreamSocket {
  readonly remote = 'memory';
  readonly isLoopback = true;
  #handlers: SocketHandlers | undefined;
  onBytes: (bytes: Uint8Array) => void = () => undefined;

  write(bytes: Uint8Array): boolean {
    this.onBytes(bytes);
    return true;
  }

  toServer(bytes: Buffer): void {
    this.#handlers?.onData(bytes);
  }

  setHandlers(handlers: SocketHandlers): void {
    this.#handlers = handlers;
  }

  bufferedBytes(): number {
    return 0;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

class MemDisk implements Disk {
  readonly #files = new Map<string, Buffer>();

  list(): Promise<string[]> {
    return Promise.resolve([...this.#files.keys()]);
  }

  open(name: string): Promise<DiskFile> {
    const bytes = this.#files.get(name) ?? Buffer.alloc(0);
    return Promise.resolve({
      name,
      size: () => Promise.resolve(bytes.length),
      read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
      write: (offset, written) => bytes.set(written, offset),
      sync: () => Promise.resolve(),
      writeDurably: (offset, written) => {
        bytes.set(written, offset);
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    });
  }

  create(name: string, sizeBytes: number): Promise<DiskFile> {
    this.#files.set(name, Buffer.alloc(sizeBytes));
    return this.open(name);
  }

  replace(name: string, bytes: Uint8Array): Promise<void> {
    this.#files.set(name, Buffer.from(bytes));
    return Promise.resolve();
  }

  readAll(name: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.#files.get(name));
  }

  rename(from: string, to: string): Promise<void> {
    this.#files.set(to, this.#files.get(from) ?? Buffer.alloc(0));
    return this.remove(from);
  }

  remove(name: string): Promise<void> {
    this.#files.delete(name);
    return Promise.resolve();
  }
}

const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

class MemSockets implements Sockets {
  onSocket: (socket: StreamSocket) => void = () => undefined;

  listen(_host: string, port: number, onSocket: (socket: StreamSocket) => void): Promise<Listener> {
    this.onSocket = onSocket;
    return Promise.resolve({ port, close: () => Promise.resolve() });
  }
}

export class MemCluster {
  readonly nodes: QuorateNode[] = [];
  readonly #sockets: MemSockets[] = [];

  static async start(count: number, memoryTableBytes: number): Promise<MemCluster> {
    const cluster = new MemCluster();
    const networks: MemNetwork[] = [];
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    for (const id of ids) {
      const sockets = new MemSockets();
      cluster.#sockets.push(sockets);
      const env = { ...ports, counters: new Counters() };
      const node = await QuorateNode.open(configOf(id, ids, memoryTableBytes), {
        env,
        network: new MemNetwork(nodeId(id), networks),
        sockets,
        disk: new MemDisk(),
        engine: new MemEngine(),
        usage: () => ({
          ...{ rssBytes: process.memoryUsage.rss(), heapUsedBytes: 0 },
          ...{ heapLimitBytes: 0, externalBytes: 0, counters: {} },
          ...{ uptimeMs: 0, gcLongest: [] },
        }),
        makeSessions: (kv, isReady) =>
          new SqlSessionFactory(kv, env, {
            planner: new Planner(),
            databases: ['quorate'],
            isReady,
          }),
        onFatal: (error) => {
          throw error instanceof Error ? error : new Error(String(error));
        },
      });
      cluster.nodes.push(node);
    }
    for (const node of cluster.nodes) await node.start();
    while (!cluster.nodes.every((node) => node.isReady)) await nodeScheduler.sleep(20);
    return cluster;
  }

  connect(node: number): MemSocket {
    const socket = new MemSocket();
    this.#sockets[node % this.#sockets.length]?.onSocket(socket);
    return socket;
  }
}

const ports = { clock: nodeClock, random: nodeRandom, scheduler: nodeScheduler, log: silentLogger };

function configOf(id: number, ids: readonly number[], memoryTableBytes: number): NodeConfig {
  return {
    nodeId: id,
    clusterId: 'bench',
    host: '127.0.0.1',
    sqlPort: 1,
    httpPort: 1,
    peerPort: 1,
    members: ids.map((each) => ({ id: each, host: '127.0.0.1', peerPort: 1 })),
    settings: { ...DEFAULT_SETTINGS, memoryTableBytes, checkpointSpreadMs: 1000 },
  };
}
