/**
 * `quorate demo`: a local cluster of real node processes, each with its own data directory under one. Waits until
 * every node serves, writes `cluster.json`, prints how to connect, and supervises: a node that dies is started again
 * after a pause; Ctrl-C stops all of them cleanly. Logs go to files.
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
import { parseArgs } from 'node:util';
import { ConfigError, MEMBERS_MAX, decodeConfig } from '../node/config.ts';
import { heapFlags } from '../node/memory-shares.ts';
import { lockDirectory } from '../env/node/directory-lock.ts';
import { SETTING_FLAGS, settingArguments, settingsOf } from './setting-flags.ts';

interface DemoNode {
  readonly id: number;
  pid: number;
  readonly host: string;
  readonly sqlPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
}

interface DemoOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly restartAfterMs: number;
  readonly nodes: readonly DemoNode[];
  readonly passOn: readonly string[];
  /** As it was said now; undefined: as it was said before, if at all. */
  readonly memoryBytes: number | undefined;
}

/** How long the nodes may take until they serve, and to stop. */
const READY_MAX_MS = 60_000;
const STOP_MAX_MS = 15_000;

export async function runDemo(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
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
    const demo = new Demo(options);
    return await demo.run();
  } finally {
    await lock.release();
  }
}

function parseOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: './quorate-data' },
      nodes: { type: 'string', default: '3' },
      host: { type: 'string', default: '127.0.0.1' },
      'sql-port': { type: 'string', default: '7432' },
      'http-port': { type: 'string', default: '7480' },
      'peer-port': { type: 'string' },
      'restart-after': { type: 'string', default: '5' },
      ...SETTING_FLAGS,
    },
  });
  const count = intOf('nodes', values.nodes, 1, MEMBERS_MAX);
  const sqlPort = intOf('sql-port', values['sql-port'], 1, 65535 - count);
  const httpPort = intOf('http-port', values['http-port'], 1, 65535 - count);
  // Apart from the SQL ports by default, so that moving those moves these.
  const peerPort = intOf(
    'peer-port',
    values['peer-port'] ?? String(sqlPort + 100),
    1,
    65535 - count,
  );
  const nodes = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    pid: 0,
    host: values.host,
    sqlPort: sqlPort + i,
    httpPort: httpPort + i,
    peerPort: peerPort + i,
  }));
  // What is wrong is said here, not in the logs of the nodes.
  const { memoryBytes } = settingsOf(values);
  return {
    dataDir: path.resolve(values.data),
    host: values.host,
    restartAfterMs: intOf('restart-after', values['restart-after'], 0, 3600) * 1000,
    nodes,
    passOn: settingArguments(values),
    memoryBytes,
  };
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

class Demo {
  readonly #options: DemoOptions;
  readonly #children = new Map<number, ChildProcess>();
  #isStopping = false;
  #stopped: (() => void) | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
  }

  async run(): Promise<number> {
    const { nodes, dataDir } = this.#options;
    const stopped = new Promise<void>((resolve) => (this.#stopped = resolve));
    const stop = (): void => void this.#stop();
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('SIGHUP', stop);
    say(`starting ${nodes.length} node${nodes.length === 1 ? '' : 's'} in ${dataDir} ...`);
    for (const node of nodes) this.#spawn(node);
    this.#writeClusterFile();
    const isReady = await this.#whenReady();
    if (!isReady && !this.#isStopping) {
      say(`the cluster does not come up; see the logs in ${path.join(dataDir, 'node*', 'log')}`);
      await this.#stop();
      return 1;
    }
    if (!this.#isStopping) this.#greet();
    await stopped;
    return 0;
  }

  #nodeDir(node: DemoNode): string {
    return path.join(this.#options.dataDir, `node${node.id}`);
  }

  #spawn(node: DemoNode): void {
    const { nodes, dataDir } = this.#options;
    const dir = this.#nodeDir(node);
    fs.mkdirSync(dir, { recursive: true });
    const members = nodes.map((each) => `${each.id}=${each.host}:${each.peerPort}`).join(',');
    const output = fs.openSync(path.join(dir, 'stderr'), 'a');
    const child = spawn(
      process.execPath,
      [
        ...heapFlags(this.#options.memoryBytes ?? knownMemory(dir)),
        // Later ones hold.
        ...process.execArgv,
        fileURLToPath(new URL('./quorate.js', import.meta.url)),
        'start',
        ...['--data', dir, '--id', String(node.id), '--host', node.host],
        ...['--sql-port', String(node.sqlPort), '--http-port', String(node.httpPort)],
        ...['--init-nodes', members, '--cluster-id', clusterIdOf(dataDir)],
        ...this.#options.passOn,
      ],
      // A group of its own: Ctrl-C in the terminal reaches the supervisor only, which stops the nodes in order.
      { stdio: ['ignore', output, output], detached: true },
    );
    fs.closeSync(output);
    node.pid = child.pid ?? 0;
    this.#children.set(node.id, child);
    child.once('exit', (code, signal) => this.#onExit(node, code, signal));
  }

  #onExit(node: DemoNode, code: number | null, signal: string | null): void {
    this.#children.delete(node.id);
    if (this.#isStopping) {
      if (this.#children.size === 0) this.#stopped?.();
      return;
    }
    const { restartAfterMs } = this.#options;
    const how = signal === null ? `exit code ${code ?? 0}` : signal;
    const next = restartAfterMs > 0 ? `; starting it again in ${restartAfterMs / 1000} s` : '';
    say(`node ${node.id} (pid ${node.pid}) ended: ${how}${next}`);
    if (restartAfterMs === 0) return;
    setTimeout(() => {
      if (this.#isStopping) return;
      this.#spawn(node);
      this.#writeClusterFile();
    }, restartAfterMs).unref();
  }

  async #whenReady(): Promise<boolean> {
    const deadline = performance.now() + READY_MAX_MS;
    for (const node of this.#options.nodes) {
      while (!(await isReady(node))) {
        if (performance.now() > deadline || this.#isStopping) return false;
        await sleep(50);
      }
    }
    return true;
  }

  #writeClusterFile(): void {
    const file = path.join(this.#options.dataDir, 'cluster.json');
    const text = JSON.stringify({ nodes: this.#options.nodes }, undefined, 2) + '\n';
    fs.writeFileSync(`${file}.new`, text);
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

/** The id that all nodes of this directory share; made once. */
function clusterIdOf(dataDir: string): string {
  const file = path.join(dataDir, 'cluster-id');
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomUUID() + '\n');
  return fs.readFileSync(file, 'utf8').trim();
}

async function isReady(node: DemoNode): Promise<boolean> {
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
