/**
 * etcd as a peer: three members on a directory of their own, with its defaults (every commit synced on a majority).
 * Clients are given what is best for it: all talk to the leader, so that nothing is forwarded, over few connections.
 */
import path from 'node:path';
import { QuorateError } from '../../src/base/errors.ts';
import type { DriverSession, Target } from '../driver/target.ts';
import type { Result } from '../workload.ts';
import { EtcdClient } from './etcd-client.ts';
import { treeCpuSeconds, treeRssBytes } from './processes.ts';
import { Server, findProgram, temporaryDirectory } from './programs.ts';

const HOST = '127.0.0.1';
const MEMBERS = 3;
/** Measured here with 1, 4 and 64: 4 serve puts best, and 64 take twice the processor time. */
const CONNECTIONS = 4;
const QUOTA_BYTES = 8 * 1024 ** 3;

export class Etcd {
  readonly target: Target;
  readonly #removeData: () => void;
  readonly #servers: readonly Server[];
  readonly #clients: Promise<EtcdClient>[] = [];

  constructor(servers: readonly Server[], leaderUrl: string, removeData: () => void) {
    this.#servers = servers;
    this.#removeData = removeData;
    this.target = {
      ...{ name: 'etcd', endpoints: [] },
      connect: async (index) => new EtcdSession(await this.#clientOf(index, leaderUrl)),
      observe: () =>
        Promise.resolve(
          servers.map(({ pid }, i) => ({
            ...{ name: `member ${i + 1}`, counters: {}, gauges: {} },
            ...{ cpuSeconds: treeCpuSeconds(pid), rssBytes: treeRssBytes(pid) },
          })),
        ),
      sampleRss: () => servers.map(({ pid }) => treeRssBytes(pid)),
    };
  }

  /** Sessions go round the connections, which are made as they are needed. */
  #clientOf(index: number, leaderUrl: string): Promise<EtcdClient> {
    return (this.#clients[index % CONNECTIONS] ??= EtcdClient.connect(leaderUrl));
  }

  async stop(): Promise<void> {
    for (const client of await Promise.all(this.#clients)) client.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
    this.#removeData();
  }
}

/** What the driver holds of a client. SQL is refused: etcd has none. */
export class EtcdSession implements DriverSession {
  readonly client: EtcdClient;
  readonly isInTransaction = false;
  readonly isClosed = false;

  constructor(client: EtcdClient) {
    this.client = client;
  }

  /** Others use the connection, too: it ends with the peer. */
  close(): void {}

  execute(): Promise<Result> {
    return noSql();
  }

  pipeline(): Promise<Result[]> {
    return noSql();
  }

  query(): Promise<Result[]> {
    return noSql();
  }

  copyIn(): Promise<Result> {
    return noSql();
  }
}

function noSql(): Promise<never> {
  return Promise.reject(new QuorateError('bench', 'etcd speaks no SQL'));
}

/** Why it cannot be used, if so. */
export function whyNoEtcd(): string | undefined {
  return findProgram('etcd') === undefined ? 'etcd is not installed' : undefined;
}

/** `port` and the five behind it: client and peer port of each member. */
export async function startEtcd(port: number): Promise<Etcd> {
  const file = findProgram('etcd');
  if (file === undefined) throw new QuorateError('bench', 'etcd is not installed');
  const { dir, remove } = temporaryDirectory('quorate-bench-etcd-');
  const members = Array.from({ length: MEMBERS }, (_, i) => ({
    name: `member${i + 1}`,
    clientUrl: `http://${HOST}:${port + 2 * i}`,
    peerUrl: `http://${HOST}:${port + 2 * i + 1}`,
  }));
  const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  const servers = members.map(({ name, clientUrl, peerUrl }) => {
    const data = path.join(dir, name);
    const urls = ['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl];
    const peers = ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl];
    const rest = ['--initial-cluster', cluster, '--quota-backend-bytes', String(QUOTA_BYTES)];
    const args = ['--name', name, '--data-dir', data, ...urls, ...peers, ...rest];
    return new Server(file, [...args, '--log-level', 'warn'], { log: `${data}.log` });
  });
  try {
    const leader = await findLeader(
      members.map(({ clientUrl }) => clientUrl),
      servers,
    );
    return new Etcd(servers, leader, remove);
  } catch (error) {
    await Promise.all(servers.map((server) => server.stop()));
    remove();
    throw error;
  }
}

/** Each member is asked by its gateway, once it answers. */
async function findLeader(urls: readonly string[], servers: readonly Server[]): Promise<string> {
  let leader: string | undefined;
  for (const [i, url] of urls.entries()) {
    await servers[i]?.whenReady(async () => {
      const response = await fetch(`${url}/v3/maintenance/status`, { method: 'POST', body: '{}' });
      const status = (await response.json()) as {
        leader?: string;
        header?: { member_id?: string };
      };
      if (status.leader === undefined || status.leader === '0') throw new Error('no leader yet');
      if (status.leader === status.header?.member_id) leader = url;
    });
  }
  if (leader === undefined) throw new QuorateError('bench', 'etcd has no leader');
  return leader;
}
