/**
 * `quorate start`: one node, on the real clock, network and disk. Its directory holds `node.json` (what it was told at
 * its first start), `raft/` (the log), `state/` (the versions) and `log`. Ends in order on SIGTERM and SIGINT; ends at
 * once, with exit code 2, when it can no longer keep its promises.
 */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Counters } from '../base/counters.ts';
import { QuorateError } from '../base/errors.ts';
import { nodeId } from '../base/ids.ts';
import type { Logger } from '../env/env.ts';
import { lockDirectory } from '../env/node/directory-lock.ts';
import { letHeapGrow } from '../env/node/heap-growth.ts';
import { serveHttp } from '../env/node/http-server.ts';
import type { HttpAnswer } from '../env/node/http-server.ts';
import { nodeClock } from '../env/node/node-clock.ts';
import { NodeDisk } from '../env/node/node-disk.ts';
import { nodeRandom } from '../env/node/node-random.ts';
import { nodeScheduler } from '../env/node/node-scheduler.ts';
import { pinoLogger } from '../env/node/pino-logger.ts';
import { heapLimitBytes, watchProcess } from '../env/node/process-usage.ts';
import { TcpNetwork } from '../env/node/tcp-network.ts';
import { tcpSockets } from '../env/node/tcp-sockets.ts';
import type { NodeConfig } from '../node/config.ts';
import {
  ConfigError,
  DEFAULT_SETTINGS,
  decodeConfig,
  encodeConfig,
  parseMembers,
} from '../node/config.ts';
import { formatSize, heapBytesOf, heapFlags } from '../node/memory-shares.ts';
import { QuorateNode } from '../node/quorate-node.ts';
import { GarbageSweeper } from '../../sql/catalog/garbage-sweeper.ts';
import { Planner } from '../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { isForHost, runStartHost } from './start-host.ts';
import { SETTING_FLAGS, settingsOf } from './setting-flags.ts';
import { knownNodes } from './supervisor.ts';
import { LEVEL_ENGINE_DEFAULTS, LevelEngine } from '../../storage/engine/level-engine.ts';

/** Both are the one database of the cluster. */
const DATABASES = ['postgres', 'quorate'];

export async function runStart(args: readonly string[]): Promise<number> {
  if (isForHost(args)) return runStartHost(args);
  letHeapGrow();
  const { config, dir } = readConfig(args);
  const lock = await lockDirectory(dir);
  if (lock === undefined) throw new ConfigError(`another process is running on ${dir}`);
  const log = pinoLogger(path.join(dir, 'log'), { node: config.nodeId });
  warnOfHeap(config, log);
  const node = await openNode(config, dir, log);
  const http = await serveHttp(config.host, config.httpPort, (url) => answer(node, url));
  await node.start();
  const sweeper = new GarbageSweeper(node.kv, { clock: nodeClock, scheduler: nodeScheduler });
  sweeper.start();
  log.info({ sqlPort: config.sqlPort, httpPort: config.httpPort }, 'node: started');
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  log.info({}, 'node: stopping');
  sweeper.stop();
  await http.close();
  await node.stop();
  await lock.release();
  return 0;
}

function openNode(config: NodeConfig, dir: string, log: Logger): Promise<QuorateNode> {
  const ports = { clock: nodeClock, random: nodeRandom, scheduler: nodeScheduler };
  const env = { ...ports, log, counters: new Counters() };
  const peers = config.members.map(({ id, host, peerPort }) => ({
    ...{ id: nodeId(id), host, port: peerPort },
  }));
  const onFatal = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log.error({ error: text }, 'node: cannot go on');
    process.stderr.write(`quorate: node ${config.nodeId} cannot go on: ${text}\n`);
    process.exit(2);
  };
  process.on('uncaughtException', onFatal);
  process.on('unhandledRejection', onFatal);
  const { clusterId, host, peerPort: port } = config;
  const { peerQueuesBytes, blockCacheBytes, writeBufferBytes } = config.settings;
  const queueBytesMax = peerQueuesBytes / Math.max(1, peers.length - 1);
  const network = { self: nodeId(config.nodeId), clusterId, host, port, peers, queueBytesMax };
  return QuorateNode.open(config, {
    env,
    network: new TcpNetwork(network, log),
    sockets: tcpSockets,
    disk: new NodeDisk(path.join(dir, 'raft')),
    engine: new LevelEngine(path.join(dir, 'state'), {
      ...LEVEL_ENGINE_DEFAULTS,
      ...{ cacheBytes: blockCacheBytes, writeBufferBytes },
    }),
    usage: watchProcess(),
    makeSessions: (kv, isReady) =>
      new SqlSessionFactory(kv, env, { planner: new Planner(), databases: DATABASES, isReady }),
    onFatal,
  });
}

function answer(node: QuorateNode, url: string): HttpAnswer | undefined {
  if (url === '/health') return { status: 200, type: 'text/plain', body: 'alive\n' };
  if (url === '/ready') {
    const { isReady } = node;
    return {
      status: isReady ? 200 : 503,
      type: 'text/plain',
      body: isReady ? 'ready\n' : 'not ready\n',
    };
  }
  if (url === '/status') {
    return { status: 200, type: 'application/json', body: JSON.stringify(node.status()) };
  }
  return undefined;
}

/** The heap is bounded by flags of the process that only its starter can give. */
function warnOfHeap({ nodeId: id, settings }: NodeConfig, log: Logger): void {
  const { memoryBytes } = settings;
  const limit = heapLimitBytes();
  if (memoryBytes === undefined || limit <= heapBytesOf(settings)) return;
  const flags = heapFlags(memoryBytes).join(' ');
  const what = `the heap may grow to ${formatSize(limit)}, beyond its share of --memory`;
  log.warn({ heapLimitBytes: limit }, `node: ${what}`);
  process.stderr.write(`quorate: node ${id}: ${what}; start it with: node ${flags}\n`);
}

/* ---------- configuration ---------- */

function readConfig(args: readonly string[]): { config: NodeConfig; dir: string } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      data: { type: 'string', default: './quorate-node' },
      id: { type: 'string' },
      'init-nodes': { type: 'string' },
      'cluster-id': { type: 'string' },
      host: { type: 'string' },
      'sql-port': { type: 'string' },
      'http-port': { type: 'string' },
      ...SETTING_FLAGS,
    },
  });
  const stated = settingsOf(values);
  const dir = path.resolve(values.data);
  const file = path.join(dir, 'node.json');
  const known = fs.existsSync(file) ? decodeConfig(fs.readFileSync(file, 'utf8'), file) : undefined;
  const members =
    values['init-nodes'] === undefined ? known?.members : parseMembers(values['init-nodes']);
  const id = values.id === undefined ? known?.nodeId : Number(values.id);
  const self = members?.find((member) => member.id === id);
  if (known === undefined && knownNodes(dir).length > 0) {
    throw new ConfigError(`${dir} holds several nodes: start them with --nodes-per-host`);
  }
  if (members === undefined || id === undefined || self === undefined) {
    throw new ConfigError(
      'a node starts for the first time with --id N and --init-nodes 1=HOST:PORT,...',
    );
  }
  if (known !== undefined)
    checkSame(
      known,
      id,
      members.map((member) => member.id),
      file,
    );
  const settings = { ...(known?.settings ?? DEFAULT_SETTINGS), ...stated };
  const config: NodeConfig = {
    nodeId: id,
    clusterId: known?.clusterId ?? values['cluster-id'] ?? 'quorate',
    host: values.host ?? known?.host ?? self.host,
    sqlPort: portOf('sql-port', values['sql-port'], known?.sqlPort ?? 7432),
    httpPort: portOf('http-port', values['http-port'], known?.httpPort ?? 7480),
    peerPort: self.peerPort,
    members,
    settings,
  };
  save(dir, file, config);
  return { config, dir };
}

/** Who a node is, and with whom it was born, does not change. */
function checkSame(known: NodeConfig, id: number, ids: readonly number[], file: string): void {
  const before = known.members.map((member) => member.id).join(',');
  if (known.nodeId !== id) throw new ConfigError(`${file} belongs to node ${known.nodeId}`);
  if (before !== ids.join(',')) {
    throw new ConfigError(`${file} belongs to a cluster of nodes ${before}`);
  }
}

function save(dir: string, file: string, config: NodeConfig): void {
  try {
    fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(`${file}.new`, encodeConfig(config), { flush: true });
    fs.renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new QuorateError('config', `cannot write to ${dir}: ${String(cause)}`);
  }
}

function portOf(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const port = Number(text);
  if (Number.isSafeInteger(port) && port > 0 && port < 65536) return port;
  throw new ConfigError(`--${name} takes a port number, not "${text}"`);
}
