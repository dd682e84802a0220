/**
 * A cluster of real node processes on free ports and in a directory of its own, for end-to-end tests and chaos:
 * each node can be killed, started again and asked for its status, and the links between them can be cut. Nothing
 * outlives the test: a guard process kills the nodes and removes the directory when the test process ends without
 * having stopped them, whatever ended it.
 *
 * The nodes run from `dist`; QUORATE_DIST names another build. Waiting is polling until a condition holds; its bound
 * only turns a hang into a failure that says what never came, with the end of each node's log.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import type { NodeStatus } from '../../src/admin/status.ts';
import { WireClient } from '../../src/client/wire-client.ts';
import { PeerRelays } from './peer-relays.ts';
import { ProcessGuard } from './process-cluster-guard.ts';
import { ROOT } from './project-root.ts';

export const MAIN = path.join(
  process.env.QUORATE_DIST ?? path.join(ROOT, 'dist'),
  'src/bin/quorate.js',
);
const HOST = '127.0.0.1';
const PORT_MIN = 12_000;
const WORKERS = 16;
const PORTS_PER_WORKER = 1000;
const WAIT_MAX_MS = 60_000;
const POLL_MS = 20;

export interface ClusterNode {
  readonly id: number;
  readonly host: string;
  readonly sqlPort: number;
  readonly httpPort: number;
  readonly dir: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly exit: Promise<void>;
}

/** How the process of a node is started. */
export interface Launch {
  /** Put before the command. */
  readonly prefix: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface ProcessClusterOptions {
  readonly nodes?: number;
  /** More options of `quorate start`, the same for every node. */
  readonly flags?: readonly string[];
  /** Nodes reach each other through `relays`. */
  readonly hasRelays?: boolean;
  /** Asked once for each node, before the first is started; its directory exists. */
  readonly prepare?: (node: ClusterNode) => Promise<Launch>;
}

/** Asks until there is an answer other than undefined or false. An `ask` that rejects ends the wait. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  onGiveUp: () => string = () => '',
): Promise<T> {
  const deadline = performance.now() + WAIT_MAX_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`never came: ${what}${onGiveUp()}`);
    await pause(POLL_MS);
  }
}

/** The answer, or a failure when there is none: for what must not hang, whatever it answers. */
export async function answered<T>(what: string, answer: Promise<T>): Promise<T> {
  const done = new AbortController();
  const patience = pause(WAIT_MAX_MS, undefined, { signal: done.signal }).then(
    () => Promise.reject(new Error(`no answer to ${what}`)),
    () => new Promise<never>(() => undefined),
  );
  try {
    return await Promise.race([answer, patience]);
  } finally {
    done.abort();
  }
}

export class ProcessCluster {
  readonly dir: string;
  readonly nodes: readonly ClusterNode[];
  readonly #peerPorts: ReadonlyMap<number, number>;
  readonly #launches = new Map<number, Launch>();
  #relays: PeerRelays | undefined;
  readonly #flags: readonly string[];
  readonly #guard = new ProcessGuard();
  readonly #running = new Map<number, Running>();
  readonly #clients = new Set<WireClient>();
  #isStopped = false;

  /** Resolves once every node serves SQL clients. */
  static async start(options: ProcessClusterOptions = {}): Promise<ProcessCluster> {
    const count = options.nodes ?? 3;
    const ports = await freePorts(count * 3);
    const cluster = new ProcessCluster(count, ports, options.flags ?? []);
    try {
      if (options.hasRelays === true) {
        cluster.#relays = await PeerRelays.open(cluster.#peerPorts);
      }
      for (const node of cluster.nodes) {
        fs.mkdirSync(node.dir);
        if (options.prepare !== undefined) {
          cluster.#launches.set(node.id, await options.prepare(node));
        }
      }
      for (const node of cluster.nodes) cluster.startNode(node.id);
      await cluster.whenReady();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private constructor(count: number, ports: readonly number[], flags: readonly string[]) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-'));
    this.#flags = flags;
    const port = (index: number): number => ports[index] ?? 0;
    this.nodes = Array.from({ length: count }, (_, i) => ({
      id: i + 1,
      host: HOST,
      sqlPort: port(i),
      httpPort: port(count + i),
      dir: path.join(this.dir, `node${i + 1}`),
    }));
    this.#peerPorts = new Map(this.nodes.map(({ id }, i) => [id, port(2 * count + i)]));
    this.#guard.watchDirectory(this.dir);
  }

  node(id: number): ClusterNode {
    const node = this.nodes.find((each) => each.id === id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Of a cluster that was started with them. */
  get relays(): PeerRelays {
    if (this.#relays === undefined) throw new Error('this cluster has no relays');
    return this.#relays;
  }

  isRunning(id: number): boolean {
    return this.#running.has(id);
  }

  /** Starts the process and does not wait for it to serve. */
  startNode(id: number): void {
    if (this.#running.has(id)) throw new Error(`node ${id} is running`);
    const node = this.node(id);
    const { prefix = [], environment = {} } = this.#launches.get(id) ?? {};
    const output = fs.openSync(path.join(node.dir, 'output'), 'a');
    const [command = process.execPath, ...args] = [
      ...[...prefix, process.execPath, MAIN],
      ...['start', '--data', node.dir, '--id', String(id), '--host', HOST],
      ...['--sql-port', String(node.sqlPort), '--http-port', String(node.httpPort)],
      ...['--init-nodes', this.#membersFor(id), '--cluster-id', path.basename(this.dir)],
      ...this.#flags,
    ];
    const child = spawn(command, args, {
      stdio: ['ignore', output, output],
      env: { ...process.env, ...environment },
    });
    fs.closeSync(output);
    const { pid } = child;
    if (pid === undefined) throw new Error('the node could not be started');
    this.#guard.watch(pid);
    const exit = new Promise<void>((resolve) => {
      child.once('exit', () => {
        this.#running.delete(id);
        this.#guard.forget(pid);
        resolve();
      });
    });
    this.#running.set(id, { child, exit });
  }

  /** Itself, and the others as it reaches them. */
  #membersFor(self: number): string {
    const addresses = [...this.#peerPorts].map(([id, own]) => {
      const port = id === self ? own : (this.#relays?.port(self, id) ?? own);
      return `${id}=${HOST}:${port}`;
    });
    return addresses.join(',');
  }

  /** Resolves once the process is gone. */
  async kill(id: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#running.get(id);
    running?.child.kill(signal);
    await running?.exit;
  }

  /** A signal that does not end the process, such as SIGSTOP. */
  signal(id: number, signal: NodeJS.Signals): void {
    this.#running.get(id)?.child.kill(signal);
  }

  /** Resolves once the named nodes, or all that run, serve. */
  async whenReady(...ids: number[]): Promise<void> {
    const wanted = ids.length > 0 ? ids : [...this.#running.keys()];
    for (const id of wanted) {
      await this.until(`node ${id} serving`, async () => {
        if (!this.#running.has(id)) throw new Error(`node ${id} has ended${this.#logs()}`);
        return (await this.status(id))?.isReady;
      });
    }
  }

  /** Undefined while the node does not answer. */
  async status(id: number): Promise<NodeStatus | undefined> {
    const { host, httpPort } = this.node(id);
    try {
      const answer = await fetch(`http://${host}:${httpPort}/status`);
      return (await answer.json()) as NodeStatus;
    } catch {
      return undefined;
    }
  }

  /** The node that leads a range, as it says itself. */
  leaderOf(rangeId: number): Promise<number> {
    return this.until(`a leader of range ${rangeId}`, async () => {
      for (const { id } of this.nodes) {
        const ranges = this.isRunning(id) ? (await this.status(id))?.ranges : undefined;
        if (ranges?.some((range) => range.rangeId === rangeId && range.isLeader) === true) {
          return id;
        }
      }
      return undefined;
    });
  }

  /** A client of the node; closed with the cluster at the latest. */
  async connect(id: number, timeoutMs = WAIT_MAX_MS): Promise<WireClient> {
    const { host, sqlPort: port } = this.node(id);
    const options = { host, port, user: 'tester', database: 'quorate', timeoutMs };
    const client = await WireClient.connect(options);
    this.#clients.add(client);
    return client;
  }

  until<T>(
    what: string,
    ask: () => Promise<T | undefined | false> | T | undefined | false,
  ): Promise<T> {
    return until(what, ask, () => this.#logs());
  }

  /** Idempotent. In order where the nodes obey, by force where not. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const client of this.#clients) client.destroy();
    const exits = [...this.#running.values()].map(({ child, exit }) => {
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      return exit;
    });
    const grace = new AbortController();
    const patience = pause(10_000, undefined, { signal: grace.signal }).catch(() => undefined);
    await Promise.race([Promise.all(exits), patience]);
    grace.abort();
    for (const { child } of this.#running.values()) child.kill('SIGKILL');
    await Promise.all(exits);
    this.#relays?.close();
    fs.rmSync(this.dir, { recursive: true, force: true });
    this.#guard.release();
  }

  /** The last lines that each node has written: what a failed wait shows. */
  #logs(): string {
    const parts = this.nodes.flatMap(({ id, dir }) =>
      ['output', 'log'].map((name) => {
        const file = path.join(dir, name);
        const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : [];
        return `\n--- node ${id}, ${name}\n${lines.slice(-8).join('\n')}`;
      }),
    );
    return parts.join('');
  }
}

/**
 * Ports in a row that nobody listens on now. They lie below those that systems give to outgoing connections: else a
 * connection attempt to a node that is down could take its port. Test files that run at the same time choose apart.
 */
export async function freePorts(count: number): Promise<number[]> {
  const worker = Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS;
  for (let tries = 0; tries < 1000; tries++) {
    const first =
      PORT_MIN + worker * PORTS_PER_WORKER + Math.floor(Math.random() * PORTS_PER_WORKER);
    const ports = Array.from({ length: count }, (_, i) => first + i);
    const held = await Promise.all(ports.map(tryListen));
    for (const server of held) {
      if (server !== undefined) await new Promise((resolve) => server.close(resolve));
    }
    if (!held.includes(undefined)) return ports;
  }
  throw new Error('there are no free ports');
}

function tryListen(port: number): Promise<net.Server | undefined> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: HOST, exclusive: true }, () => resolve(server));
  });
}
