/**
 * PostgreSQL as a peer: alone, or a primary whose commits wait for one of two standbys (`ANY 1`), which is what
 * Quorate's majority of three promises. Its own processes on a directory of its own; nothing that runs already is
 * touched. Isolation and planner settings are the sessions' (`settings`), so that one server serves several promises.
 *
 * It is given what helps it here: 1 GB of shared buffers, checkpoints far apart.
 */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { QuorateError } from '../../src/base/errors.ts';
import { connectSession } from '../driver/session.ts';
import type { DriverSession, Endpoint, Observation, Target } from '../driver/target.ts';
import { treeCpuSeconds, treeRssBytes } from './processes.ts';
import { Server, findProgram, runProgram, temporaryDirectory } from './programs.ts';

const VERSIONS = ['18', '17', '16', '15'];
const HOST = '127.0.0.1';
const POLLS_MAX = 600;
const CONFIGURATION = `shared_buffers = '1GB'
max_connections = 300
max_wal_size = '4GB'
listen_addresses = '${HOST}'
`;

export const SERIALIZABLE = '-c default_transaction_isolation=serializable';
/** Its best plan for TPC-B's small tables, which it otherwise reads whole, dead rows and all. */
export const NO_SEQSCAN = '-c enable_seqscan=off';

export interface PostgresOptions {
  /** The primary's; standbys have the next ones. */
  readonly port: number;
  /** Beside the primary; commits wait for any one of them. */
  readonly standbys: 0 | 2;
}

interface Installation {
  readonly bin: string;
  /** PostgreSQL refuses to run as root: then whom it runs as. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

type NamedServer = readonly [name: string, server: Server];

export class Postgres {
  readonly port: number;
  readonly #removeData: () => void;
  /** Grows while it starts. */
  readonly #servers: readonly NamedServer[];

  constructor(port: number, servers: readonly NamedServer[], removeData: () => void) {
    this.port = port;
    this.#servers = servers;
    this.#removeData = removeData;
  }

  /** All sessions go to the primary. `settings` are `-c name=value`, separated by blanks. */
  target(name: string, settings: string): Target {
    const servers = this.#servers;
    const session = { user: 'bench', database: 'postgres', options: settings };
    const endpoint: Endpoint = { host: HOST, port: this.port, ...session };
    return {
      name,
      endpoints: [endpoint],
      connect: (): Promise<DriverSession> => connectSession(endpoint),
      observe: (): Promise<readonly Observation[]> =>
        Promise.resolve(
          servers.map(([node, { pid }]) => ({
            ...{ name: node, cpuSeconds: treeCpuSeconds(pid), rssBytes: treeRssBytes(pid) },
            ...{ counters: {}, gauges: {} },
          })),
        ),
      sampleRss: () => servers.map(([, { pid }]) => treeRssBytes(pid)),
    };
  }

  async stop(): Promise<void> {
    for (const [, server] of [...this.#servers].reverse()) await server.stop();
    this.#removeData();
  }
}

/** Why it cannot be used, if so. */
export function whyNoPostgres(): string | undefined {
  const found = findInstallation();
  return typeof found === 'string' ? found : undefined;
}

/** Rejects with a `QuorateError` that says what the server said. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  const installation = findInstallation();
  if (typeof installation === 'string') throw new QuorateError('bench', installation);
  const { user } = installation;
  const { dir, remove } = temporaryDirectory('quorate-bench-postgres-');
  if (user !== undefined) fs.chownSync(dir, user.uid, user.gid);
  const servers: NamedServer[] = [];
  const postgres = new Postgres(options.port, servers, remove);
  try {
    await initialize(installation, dir);
    servers.push(['primary', await serve(installation, dir, 'primary', options.port)]);
    const standbys = Array.from({ length: options.standbys }, (_, i) => `standby${i + 1}`);
    for (const [i, name] of standbys.entries()) {
      await copyPrimary(installation, dir, name, options.port);
      servers.push([name, await serve(installation, dir, name, options.port + 1 + i)]);
    }
    if (standbys.length > 0) await waitForStandbys(options.port, standbys);
    return postgres;
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

function findInstallation(): Installation | string {
  const directories = VERSIONS.map((version) => `/usr/lib/postgresql/${version}/bin`);
  const initdb = findProgram('initdb', directories);
  if (initdb === undefined) return 'PostgreSQL is not installed';
  const bin = path.dirname(fs.realpathSync(initdb));
  if (process.getuid?.() !== 0) return { bin, user: undefined };
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(fs.readFileSync('/etc/passwd', 'utf8'));
  if (line === null) return 'PostgreSQL does not run as root, and there is no user postgres';
  return { bin, user: { uid: Number(line[1]), gid: Number(line[2]) } };
}

async function initialize({ bin, user }: Installation, dir: string): Promise<void> {
  const data = path.join(dir, 'primary');
  const args = ['-D', data, '-U', 'bench', '--auth=trust'];
  await runProgram(path.join(bin, 'initdb'), args, { ...user, cwd: dir });
  const configuration = `${CONFIGURATION}unix_socket_directories = '${dir}'\n`;
  fs.appendFileSync(path.join(data, 'postgresql.conf'), configuration);
}

async function serve(
  { bin, user }: Installation,
  dir: string,
  name: string,
  port: number,
): Promise<Server> {
  const server = new Server(
    path.join(bin, 'postgres'),
    ['-D', path.join(dir, name), '-p', String(port)],
    // SIGINT: sessions are ended at once, and the data is left in order.
    { ...user, cwd: dir, log: path.join(dir, `${name}.log`), stopSignal: 'SIGINT' },
  );
  await server.whenReady(async () => (await connectPlain(port)).close());
  return server;
}

function connectPlain(port: number): Promise<DriverSession> {
  return connectSession({ host: HOST, port, user: 'bench', database: 'postgres' });
}

async function copyPrimary(
  { bin, user }: Installation,
  dir: string,
  name: string,
  port: number,
): Promise<void> {
  const source = ['-h', HOST, '-p', String(port), '-U', 'bench', '-d', `application_name=${name}`];
  const args = [...source, '-D', path.join(dir, name), '-R', '-X', 'stream', '-c', 'fast'];
  await runProgram(path.join(bin, 'pg_basebackup'), args, { ...user, cwd: dir });
}

/** From now on a commit waits for one of them: said only once both follow, else it would wait for ever. */
async function waitForStandbys(port: number, names: readonly string[]): Promise<void> {
  const session = await connectPlain(port);
  try {
    await untilTrue(session, standbysWhere("state = 'streaming'", names.length));
    const value = `ANY 1 (${names.join(', ')})`;
    await session.query(`alter system set synchronous_standby_names = '${value}'`);
    await session.query('select pg_reload_conf()');
    await untilTrue(session, standbysWhere("sync_state = 'quorum'", names.length));
  } finally {
    session.close();
  }
}

function standbysWhere(condition: string, count: number): string {
  return `select count(*) = ${count} from pg_stat_replication where ${condition}`;
}

async function untilTrue(session: DriverSession, sql: string): Promise<void> {
  for (let polls = 0; polls < POLLS_MAX; polls++) {
    const [result] = await session.query(sql);
    if (result?.rows[0]?.[0] === 't') return;
    await session.query('select pg_sleep(0.05)');
  }
  throw new QuorateError('bench', 'the standbys of PostgreSQL do not follow');
}
