/**
 * Quorate as a target: a fresh local cluster of real processes (`quorate demo`, as everybody starts one), one that runs
 * already, known by the `cluster.json` in its directory, or addresses of any nodes. Clients are spread over the nodes.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { QuorateError } from '../../src/base/errors.ts';
import { countersOf, cpuSecondsOf, fetchStatus, pausesOf, rssBytesOf } from './observe.ts';
import { connectSession } from './session.ts';
import type { DriverSession, Endpoint, Observation, Target } from './target.ts';

export interface ClusterNode {
  readonly name: string;
  readonly host: string;
  readonly sqlPort: number;
  /** Undefined: its counters are not known. */
  readonly httpPort?: number | undefined;
  /** Of a process on this machine; undefined: what it uses is not known. */
  readonly pid?: number | undefined;
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly sqlPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  /** Flags of `quorate demo` beyond these, passed on as they are: `['--raft-batch', 'off']`. */
  readonly flags?: readonly string[] | undefined;
  /** Of the Node processes, for example `['--prof']`. */
  readonly nodeFlags?: readonly string[] | undefined;
}

export const CLUSTER_DEFAULTS: ClusterOptions = {
  nodes: 3,
  sqlPort: 17432,
  httpPort: 17480,
  peerPort: 17532,
};

export class QuorateTarget implements Target {
  readonly name: string;
  readonly nodes: readonly ClusterNode[];

  constructor(nodes: readonly ClusterNode[], name = 'quorate') {
    this.name = name;
    this.nodes = nodes;
  }

  get endpoints(): readonly Endpoint[] {
    return this.nodes.map(({ host, sqlPort }) => ({
      ...{ host, port: sqlPort, user: 'quorate', database: 'quorate' },
    }));
  }

  connect(index: number): Promise<DriverSession> {
    const endpoint = this.endpoints[index % this.nodes.length];
    if (endpoint === undefined) throw new QuorateError('bench', 'the cluster has no nodes');
    return connectSession(endpoint);
  }

  observe(): Promise<readonly Observation[]> {
    return Promise.all(this.nodes.map((node) => observeNode(node)));
  }

  sampleRss(): readonly (number | undefined)[] {
    return this.nodes.map(({ pid }) => (pid === undefined ? undefined : rssBytesOf(pid)));
  }
}

async function observeNode({ name, host, httpPort, pid }: ClusterNode): Promise<Observation> {
  const status = httpPort === undefined ? undefined : await fetchStatus(host, httpPort);
  return {
    name,
    cpuSeconds: pid === undefined ? undefined : cpuSecondsOf(pid),
    rssBytes: pid === undefined ? undefined : rssBytesOf(pid),
    ...countersOf(status),
    pauses: pausesOf(status),
  };
}

/** The cluster whose `quorate demo` runs on this directory. */
export function clusterIn(dir: string): QuorateTarget {
  const file = path.join(dir, 'cluster.json');
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    throw new QuorateError('config', `there is no ${file}`);
  }
  const { nodes } = JSON.parse(text) as {
    nodes: { id: number; pid: number; host: string; sqlPort: number; httpPort: number }[];
  };
  return new QuorateTarget(nodes.map(({ id, ...node }) => ({ name: `node ${id}`, ...node })));
}

/** Nodes by the addresses of their SQL ports, and of their HTTP ports in the same order if given. */
export function clusterAt(sql: string, http: string | undefined): QuorateTarget {
  const sqlAddresses = sql.split(',').map(addressOf);
  const httpAddresses = http?.split(',').map(addressOf);
  if (httpAddresses !== undefined && httpAddresses.length !== sqlAddresses.length) {
    throw new QuorateError('config', '--http takes as many addresses as --url');
  }
  return new QuorateTarget(
    sqlAddresses.map(({ host, port }, i) => ({
      ...{ name: `node ${i + 1}`, host, sqlPort: port, httpPort: httpAddresses?.[i]?.port },
    })),
  );
}

function addressOf(text: string): { host: string; port: number } {
  const match = /^([^:/]+):(\d+)$/.exec(text.trim());
  if (match?.[1] === undefined) throw new QuorateError('config', `"${text}" is not HOST:PORT`);
  return { host: match[1], port: Number(match[2]) };
}

export interface LocalCluster {
  readonly target: QuorateTarget;
  readonly dir: string;
  /** Stops the processes in order and removes the data. */
  stop(): Promise<void>;
}

/** A new cluster on an empty directory. Rejects when it does not come up, with what it said. */
export async function startCluster(options: ClusterOptions): Promise<LocalCluster> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-bench-'));
  const main = fileURLToPath(new URL('../../src/bin/quorate.js', import.meta.url));
  const args = [
    ...(options.nodeFlags ?? []),
    ...[main, 'demo', '--data', dir, '--nodes', String(options.nodes), '--restart-after', '0'],
    ...['--sql-port', String(options.sqlPort), '--http-port', String(options.httpPort)],
    ...['--peer-port', String(options.peerPort), ...(options.flags ?? [])],
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = async (): Promise<void> => {
    await ended(child);
    fs.rmSync(dir, { recursive: true, force: true });
  };
  stopWithThisProcess(child, stop);
  try {
    await untilServes(child);
    return { target: clusterIn(dir), dir, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whatever ends this process, but SIGKILL, ends the cluster; a signal removes its data as well. */
function stopWithThisProcess(child: ChildProcess, stop: () => Promise<void>): void {
  const onExit = (): void => {
    child.kill('SIGTERM');
  };
  const onSignal = (): void => void stop().finally(() => process.exit(1));
  process.once('exit', onExit);
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  child.once('exit', () => {
    process.off('exit', onExit);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

/** Afterwards, a node that dies is told on standard error. */
function untilServes(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer): void => {
      const text = chunk.toString();
      said += said.length < 10_000 ? text : '';
      if (text.includes('ended:')) process.stderr.write(text);
      if (said.includes('the cluster serves')) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => {
      reject(new QuorateError('bench', `the cluster did not come up:\n${said.trim()}`));
    });
  });
}
