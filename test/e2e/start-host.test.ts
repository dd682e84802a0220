/**
 * `quorate start --nodes-per-host N` as an operator runs it: the nodes of one host, and of two hosts (two loopback
 * addresses), come up by one command each, survive kill -9 of one, stop in order, and start again from what they know.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WireClient } from '../../src/client/wire-client.ts';
import { Command, nodesIn, statusOf } from '../support/command.ts';
import { freePorts, until } from '../support/process-cluster.ts';

const HOST = '127.0.0.1';
const MIB = 2 ** 20;

/** No file may grow beyond a few MiB: a disk that fails the first write of the log. */
const SMALL_FILES = ['bash', '-c', 'ulimit -f 20000; exec "$@"', '-'];

class Start extends Command {
  constructor(args: readonly string[], prefix: readonly string[] = []) {
    super(['start', ...args], prefix);
  }

  serving(): Promise<boolean> {
    return until(
      'the greeting',
      () => this.output.includes('Ctrl-C') || this.#failed(),
      () => this.output,
    );
  }

  #failed(): undefined {
    if (this.child.exitCode !== null) throw new Error(`ended:\n${this.output}`);
    return undefined;
  }
}

async function query(host: string, port: number, sql: string): Promise<unknown> {
  const client = await WireClient.connect({ host, port, user: 'someone', database: 'quorate' });
  const [result] = await client.query(sql);
  client.close();
  return result?.rows;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What is to be one clear line. */
async function refusal(args: readonly string[]): Promise<string> {
  const start = new Start(args);
  expect(await start.exit).toBe(1);
  return start.output;
}

describe('the nodes of one host', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-'));
  const host = ['--nodes-per-host', '3', '--data', dir];
  let start: Start;
  let first = 0;
  let ports: string[] = [];

  beforeAll(async () => {
    [first = 0] = await freePorts(9);
    const [sql, http, peer] = [first, first + 3, first + 6].map(String) as [string, string, string];
    ports = ['--sql-port', sql, '--http-port', http, '--peer-port', peer];
    start = new Start([...host, ...ports, '--memory', '768MiB', '--restart-after', '1']);
    await start.serving();
  });

  afterAll(async () => {
    start.child.kill('SIGTERM');
    await start.exit;
    fs.rmSync(dir, { recursive: true, force: true });
  });

  it('are processes of their own on ports in a row, that serve one cluster', async () => {
    const nodes = nodesIn(dir);
    expect(nodes.map(({ id, sqlPort }) => [id, sqlPort])).toEqual([
      ...[
        [1, first],
        [2, first + 1],
        [3, first + 2],
      ],
    ]);
    await query(HOST, first, 'CREATE TABLE t (id integer PRIMARY KEY)');
    for (const { id, sqlPort } of nodes) await query(HOST, sqlPort, `INSERT INTO t VALUES (${id})`);
    expect(await query(HOST, first + 1, 'SELECT count(*) FROM t')).toEqual([['3']]);
  });

  it('each keep to their budget of memory, heap and limits of statements included', async () => {
    for (const node of nodesIn(dir)) {
      const memory = (await statusOf(node))?.memory;
      const { oldSpaceBytes = 0, semiSpaceBytes = 0 } = memory?.shares ?? {};
      expect(memory?.budgetBytes).toBe(768 * MIB);
      expect(memory?.heapLimitBytes).toBe(oldSpaceBytes + 3 * semiSpaceBytes);
      expect(memory?.heapUsedBytes).toBeGreaterThan(MIB);
      expect(await query(HOST, node.sqlPort, 'SHOW work_mem')).toEqual([['22MB']]);
    }
  });

  it('are started again, which is said, when one is killed', async () => {
    const victim = nodesIn(dir)[1];
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await until('the news', () => start.output.includes('starting it again'));
    expect(start.output).toContain(`node 2 (pid ${victim?.pid}) ended: SIGKILL; starting it again`);
    const again = await until('another process', () => {
      const node = nodesIn(dir)[1];
      return node?.pid === victim?.pid ? undefined : node;
    });
    await until('readiness', async () => (await statusOf(again))?.isReady);
    expect(await query(HOST, again.sqlPort, 'SELECT count(*) FROM t')).toEqual([['3']]);
  });

  it('are refused in one line where they cannot be', async () => {
    expect(await refusal([...host, ...ports])).toMatch(
      /^quorate: another cluster is running on .*\n$/,
    );
    expect(await refusal(['--nodes-per-host', '2', '--data', dir])).toBe(
      `quorate: ${dir} holds 3 nodes, not 2\n`,
    );
    const elsewhere = ['--nodes-per-host', '3', '--data', `${dir}-2`];
    expect(await refusal([...elsewhere, '--sql-port', String(first)])).toBe(
      `quorate: port ${first} on ${HOST} is taken\n`,
    );
    expect(await refusal([...elsewhere, '--memory', '1MiB'])).toMatch(
      /^quorate: --memory 1MiB .*512MiB\n$/,
    );
    expect(await refusal([...elsewhere, '--id', '1'])).toMatch(
      /^quorate: --id names one node; .*\n$/,
    );
    expect(await refusal(['--nodes-per-host', 'all'])).toContain(
      '--nodes-per-host takes a whole number',
    );
    expect(await refusal(['--data', dir])).toBe(
      `quorate: ${dir} holds several nodes: start them with --nodes-per-host\n`,
    );
    fs.rmSync(`${dir}-2`, { recursive: true, force: true });
  });

  it('stop in order, and know all but their number at the next start', async () => {
    start.child.kill('SIGTERM');
    expect(await start.exit).toBe(0);
    for (const { pid } of nodesIn(dir)) expect(isRunning(pid)).toBe(false);
    start = new Start(host);
    await start.serving();
    expect(await query(HOST, first + 2, 'SELECT count(*) FROM t')).toEqual([['3']]);
    const [node] = nodesIn(dir);
    const memory = node === undefined ? undefined : (await statusOf(node))?.memory;
    expect(memory?.heapLimitBytes).toBeLessThan(768 * MIB);
  });

  it('all end when one of them cannot start, and it is said why', async () => {
    start.child.kill('SIGTERM');
    expect(await start.exit).toBe(0);
    const single = path.join(dir, 'node2');
    const [sqlPort = 0, httpPort = 0] = await freePorts(2);
    const holder = new Start([
      ...['--data', single, '--sql-port', String(sqlPort), '--http-port', String(httpPort)],
    ]);
    await until('the holder', () => statusOf({ host: HOST, httpPort }));
    // It has its peer port as well, which would be found out before anything is started.
    const [peerPort = 0] = await freePorts(3);
    const members = [1, 2, 3].map((id) => `${id}=${HOST}:${peerPort + id - 1}`).join(',');
    const refused = await refusal([...host, ...ports.slice(0, 4), '--init-nodes', members]);
    expect(refused).toContain(`node 2 could not start: another process is running on ${single}\n`);
    for (const { pid } of nodesIn(dir)) expect(isRunning(pid)).toBe(false);
    holder.child.kill('SIGTERM');
    expect(await holder.exit).toBe(0);
  });
});

describe('a node that cannot go on', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-'));
  afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

  it('is not started again, and no node is none to supervise', async () => {
    const [port = 0] = await freePorts(3);
    const args = ['--nodes-per-host', '1', '--data', dir, '--restart-after', '1'];
    const ports = [
      '--sql-port',
      `${port}`,
      '--http-port',
      `${port + 1}`,
      '--peer-port',
      `${port + 2}`,
    ];
    const start = new Start([...args, ...ports], SMALL_FILES);
    expect(await start.exit).toBe(1);
    expect(start.output).toContain('ended: exit code 2; it stays down');
    expect(start.output).toContain('quorate: no node is left\n');
    expect(start.output).not.toContain('starting it again');
  });
});

describe('the nodes of two hosts', () => {
  const dirs = [1, 2].map(() => fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-e2e-')));
  const starts: Start[] = [];

  afterAll(async () => {
    for (const start of starts) start.child.kill('SIGTERM');
    for (const start of starts) await start.exit;
    for (const dir of dirs) fs.rmSync(dir, { recursive: true, force: true });
  });

  it('are told apart by one list, which shows what a host is worth', async () => {
    const [port = 0] = await freePorts(9);
    const hosts = [HOST, '127.0.0.2'];
    const members = `1=${HOST}:${port},2=127.0.0.2:${port},3=${HOST}:${port + 1}`;
    const startAt = (i: number, count: number): Start => {
      const start = new Start([
        ...['--nodes-per-host', String(count), '--data', dirs[i] ?? '', '--host', hosts[i] ?? ''],
        ...['--init-nodes', members, '--sql-port', String(port + 3)],
        ...['--http-port', String(port + 6)],
      ]);
      starts.push(start);
      return start;
    };
    const here = startAt(0, 2);
    await here.serving();
    const note = `2 of the voters of every range are on ${HOST}: the cluster stops when that host does`;
    expect(here.output).toContain(note);
    expect(nodesIn(dirs[0] ?? '').map(({ id }) => id)).toEqual([1, 3]);
    await query(HOST, port + 3, 'CREATE TABLE t (id integer PRIMARY KEY)');
    const there = startAt(1, 1);
    await there.serving();
    expect(nodesIn(dirs[1] ?? '').map(({ id }) => id)).toEqual([2]);
    expect(await query('127.0.0.2', port + 3, 'SELECT count(*) FROM t')).toEqual([['0']]);
    const other = path.join(os.tmpdir(), path.basename(dirs[0] ?? '') + '-3');
    const args = ['--nodes-per-host', '3', '--data', other, '--init-nodes', members];
    expect(await refusal(args)).toBe(`quorate: --init-nodes names 2 nodes on ${HOST}, not 3\n`);
  });
});
