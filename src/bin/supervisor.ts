/**
 * Node processes of one cluster on this host, as `demo` and `start --nodes-per-host` run them: each with a directory of
 * its own under one, none with anything in common but that directory's lock and this process. Waits until they serve,
 * writes `cluster.json`, prints how to connect, and supervises. Logs go to files.
 *
 * A node that ends is said, and started again after a pause; but not one that has ended with exit code 2: it could not
 * keep its promises, and its disk wants to be looked at first. One that ends with exit code 1 before all serve could not
 * start: then all end. SIGINT, SIGTERM and SIGHUP stop all nodes in order. When none is left this process ends, too.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { lockDirectory } from '../env/node/directory-lock.ts';
import { ConfigError, decodeConfig } from '../node/config.ts';
import type { NodeConfig } from '../node/config.ts';
import { heapFlags } from '../node/memory-shares.ts';

export interface HostNode {
  readonly id: number;
  readonly host: string;
  readonly sqlPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
}

export interface HostOptions {
  readonly dataDir: string;
  /** 0: a node that dies stays down. */
  readonly restartAfterMs: number;
  /** Those of this host. */
  readonly nodes: readonly HostNode[];
  /** All of the cluster, as `--init-nodes` takes them. */
  readonly members: string;
  /** Undefined: the id of this directory, made once. */
  readonly clusterId: string | undefined;
  /** Settings for every node, as arguments. */
  readonly passOn: readonly string[];
  /** As it was said now; undefined: as it was said before, if at all. */
  readonly memoryBytes: number | undefined;
  /** Nodes that do not serve within a minute are stopped; otherwise they are waited for: other hosts may be down. */
  readonly isGivingUp: boolean;
  /** Said once, before the nodes are started. */
  readonly notes: readonly string[];
}

/** How long the nodes may take until they serve, and to stop. */
const READY_MAX_MS = 60_000;
const STOP_MAX_MS = 15_000;
/** Exit codes of `start`. */
const COULD_NOT_START = 1;
const CANNOT_GO_ON = 2;
const STDERR_TAIL_BYTES = 4096;

/** Runs until it is told to stop, or no node is left; returns the exit code. Nothing is started where a port is taken. */
export async function runHost(options: HostOptions): Promise<number> {
  makeDirectory(options.dataDir);
  const lock = await lockDirectory(options.dataDir);
  if (lock === undefined) {
    throw new ConfigError(`another cluster is running on ${options.dataDir}`);
  }
  try {
    for (const node of options.nodes) {
      for (const port of [node.sqlPort, node.httpPort, node.peerPort]) {
        await checkPort(node.host, port);
      }
    }
    return await new Supervisor(options).run();
  } finally {
    await lock.release();
  }
}

/** What nodes under this directory were told at earlier starts, in the order of their ids. */
export function knownNodes(dataDir: string): NodeConfig[] {
  if (!fs.existsSync(dataDir)) return [];
  const files = fs
    .readdirSync(dataDir)
    .filter((name) => /^node\d+$/.test(name))
    .map((name) => path.join(dataDir, name, 'node.json'))
    .filter((file) => fs.existsSync(file));
  const configs = files.map((file) => decodeConfig(fs.readFileSync(file, 'utf8'), file));
  return configs.sort((a, b) => a.nodeId - b.nodeId);
}

export function intOf(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new ConfigError(`--${name} takes a whole number from ${min} to ${max}, not "${text}"`);
}

function makeDirectory(dir: string): void {
  try {
    fs.mkdirSync(dir, { recursive: true });
    fs.accessSync(dir, fs.constants.W_OK | fs.constants.R_OK | fs.constants.X_OK);
  } catch (cause) {
    throw new ConfigError(`cannot write to ${dir}: ${(cause as NodeJS.ErrnoException).code ?? ''}`);
  }
}

function checkPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'is taken' : `cannot be used (${error.code ?? ''})`;
      reject(new ConfigError(`port ${port} on ${host} ${why}`));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

class Supervisor {
  readonly #options: HostOptions;
  readonly #clusterId: string;
  readonly #children = new Map<number, ChildProcess>();
  /** Of each node's last process. */
  readonly #pids = new Map<number, number>();
  /** Nodes that are to be started again when these go off. */
  readonly #pauses = new Map<number, NodeJS.Timeout>();
  #isStopping = false;
  #hasServed = false;
  #exitCode = 0;
  #stopped: (() => void) | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#clusterId = options.clusterId ?? clusterIdOf(options.dataDir);
  }

  async run(): Promise<number> {
    const { nodes, dataDir, notes } = this.#options;
    const stopped = new Promise<void>((resolve) => (this.#stopped = resolve));
    const stop = (): void => void this.#stop();
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('SIGHUP', stop);
    say(`starting ${nodes.length} node${nodes.length === 1 ? '' : 's'} in ${dataDir} ...`);
    for (const note of notes) say(note);
    for (const node of nodes) this.#spawn(node);
    this.#writeClusterFile();
    if (await this.#whenReady()) {
      this.#hasServed = true;
      this.#greet();
    } else if (!this.#isStopping) {
      say(`the cluster does not come up; see the logs in ${path.join(dataDir, 'node*', 'log')}`);
      this.#exitCode = 1;
      await this.#stop();
    }
    await stopped;
    return this.#exitCode;
  }

  #nodeDir(node: HostNode): string {
    return path.join(this.#options.dataDir, `node${node.id}`);
  }

  #spawn(node: HostNode): void {
    const { members, memoryBytes, passOn } = this.#options;
    const dir = this.#nodeDir(node);
    fs.mkdirSync(dir, { recursive: true });
    const output = fs.openSync(path.join(dir, 'stderr'), 'a');
    const child = spawn(
      process.execPath,
      [
        ...heapFlags(memoryBytes ?? knownMemory(dir)),
        // Later ones hold.
        ...process.execArgv,
        fileURLToPath(new URL('./quorate.js', import.meta.url)),
        'start',
        ...['--data', dir, '--id', String(node.id), '--host', node.host],
        ...['--sql-port', String(node.sqlPort), '--http-port', String(node.httpPort)],
        ...['--init-nodes', members, '--cluster-id', this.#clusterId],
        ...passOn,
      ],
      // A group of its own: Ctrl-C in the terminal reaches the supervisor only, which stops the nodes in order.
      { stdio: ['ignore', output, output], detached: true },
    );
    fs.closeSync(output);
    this.#pids.set(node.id, child.pid ?? 0);
    this.#children.set(node.id, child);
    child.once('exit', (code, signal) => this.#onExit(node, code, signal));
  }

  #onExit(node: HostNode, code: number | null, signal: string | null): void {
    this.#children.delete(node.id);
    if (this.#isStopping) {
      if (this.#children.size === 0) this.#stopped?.();
      return;
    }
    const { restartAfterMs } = this.#options;
    if (code === COULD_NOT_START && !this.#hasServed) {
      say(`node ${node.id} could not start: ${lastError(this.#nodeDir(node))}`);
      this.#exitCode = 1;
      void this.#stop();
      return;
    }
    const how = signal === null ? `exit code ${code ?? 0}` : signal;
    const ended = `node ${node.id} (pid ${this.#pids.get(node.id) ?? 0}) ended: ${how}`;
    if (code === CANNOT_GO_ON) {
      const log = path.join(this.#nodeDir(node), 'log');
      say(`${ended}; it stays down: look at ${log} and at its disk, then start again`);
    } else if (restartAfterMs === 0) {
      say(ended);
    } else {
      say(`${ended}; starting it again in ${restartAfterMs / 1000} s`);
      this.#startLater(node);
    }
    if (this.#children.size > 0 || this.#pauses.size > 0) return;
    say('no node is left');
    this.#exitCode = 1;
    void this.#stop();
  }

  #startLater(node: HostNode): void {
    const start = (): void => {
      this.#pauses.delete(node.id);
      this.#spawn(node);
      this.#writeClusterFile();
    };
    this.#pauses.set(node.id, setTimeout(start, this.#options.restartAfterMs));
  }

  async #whenReady(): Promise<boolean> {
    const { nodes, isGivingUp, dataDir } = this.#options;
    const deadline = performance.now() + READY_MAX_MS;
    let isSaid = false;
    for (const node of nodes) {
      while (!(await isReady(node))) {
        if (this.#isStopping) return false;
        if (performance.now() > deadline) {
          if (isGivingUp) return false;
          if (!isSaid) say(`still waiting; the logs are in ${path.join(dataDir, 'node*', 'log')}`);
          isSaid = true;
        }
        await sleep(50);
      }
    }
    return !this.#isStopping;
  }

  #writeClusterFile(): void {
    const file = path.join(this.#options.dataDir, 'cluster.json');
    const nodes = this.#options.nodes.map(({ id, ...node }) => ({
      ...{ id, pid: this.#pids.get(id) ?? 0 },
      ...node,
    }));
    fs.writeFileSync(`${file}.new`, JSON.stringify({ nodes }, undefined, 2) + '\n');
    fs.renameSync(`${file}.new`, file);
  }

  #greet(): void {
    const { nodes, dataDir } = this.#options;
    say('the cluster serves. Connect to any node:');
    for (const node of nodes) {
      process.stdout.write(`  psql -h ${node.host} -p ${node.sqlPort} -U quorate quorate\n`);
    }
    process.stdout.write(`data and logs: ${dataDir}   processes and ports: cluster.json there\n`);
    process.stdout.write('Ctrl-C stops all nodes.\n');
  }

  async #stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    say('stopping ...');
    for (const pause of this.#pauses.values()) clearTimeout(pause);
    if (this.#children.size === 0) this.#stopped?.();
    for (const child of this.#children.values()) child.kill('SIGTERM');
    const deadline = performance.now() + STOP_MAX_MS;
    while (this.#children.size > 0 && performance.now() < deadline) await sleep(20);
    for (const child of this.#children.values()) child.kill('SIGKILL');
  }
}

/** The budget that a node was given at an earlier start. */
function knownMemory(dir: string): number | undefined {
  const file = path.join(dir, 'node.json');
  if (!fs.existsSync(file)) return undefined;
  return decodeConfig(fs.readFileSync(file, 'utf8'), file).settings.memoryBytes;
}

/** What the node's process said last, without its name. */
function lastError(dir: string): string {
  const text = fs.readFileSync(path.join(dir, 'stderr'), 'utf8').slice(-STDERR_TAIL_BYTES);
  const lines = text.split('\n').filter((line) => line !== '');
  return (lines.at(-1) ?? 'it did not say why').replace(/^quorate: /, '');
}

/** The id that all nodes of this directory share; made once. */
function clusterIdOf(dataDir: string): string {
  const file = path.join(dataDir, 'cluster-id');
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomUUID() + '\n');
  return fs.readFileSync(file, 'utf8').trim();
}

async function isReady(node: HostNode): Promise<boolean> {
  try {
    const response = await fetch(`http://${node.host}:${node.httpPort}/ready`);
    return response.ok;
  } catch {
    return false;
  }
}

function say(text: string): void {
  process.stdout.write(`quorate: ${text}\n`);
}
