/**
 * Question: how does a three-node Quorate, strictly serializable and synced on a majority, compare with a PostgreSQL
 * of the same promise on the same machine: a primary with two standbys, `synchronous_standby_names = 'ANY 1 (...)'`,
 * isolation serializable, and `enable_seqscan = off` (its best plan here)?
 *
 * Both run pgbench's own scripts at the same scale from the same client, one after the other in one session; what
 * counts are the ratios. Quorate's clients are spread over its nodes: one pgbench per node, started together.
 *
 * How it can mislead: all nodes share one disk and two cores, so it measures CPU and shared syncs more than a
 * network; sixteen clients of three pgbench processes are 6 + 5 + 5. Failed transactions are retried by neither side
 * and reported. After each run the TPC-B invariant is checked.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../src/base/errors.ts';

interface Target {
  readonly name: string;
  readonly ports: readonly number[];
  readonly user: string;
  readonly database: string;
  readonly pgOptions: string;
}

interface Workload {
  readonly name: string;
  readonly args: readonly string[];
  readonly clients: number;
  readonly bar: number;
}

interface Outcome {
  readonly tps: number;
  readonly latencyMs: number;
  readonly failed: number;
}

/** Before each workload, not counted, on both sides: code that has just started to run is still being compiled. */
const WARM_UP_S = 8;

const WORKLOADS: readonly Workload[] = [
  { name: '-S prepared c16', args: ['-S', '-M', 'prepared'], clients: 16, bar: 0.3 },
  { name: '-N prepared c16', args: ['-N', '-M', 'prepared'], clients: 16, bar: 0.5 },
  { name: 'TPC-B prepared c16', args: ['-M', 'prepared'], clients: 16, bar: 1 },
  { name: 'TPC-B prepared c64', args: ['-M', 'prepared'], clients: 64, bar: 1 },
];

export async function runComparison(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '15' },
      scale: { type: 'string', default: '10' },
      'only-quorate': { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  const scale = Number(values.scale);
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-bench-'));
  process.stdout.write(`${os.cpus().length} cores, Node ${process.version}, scale ${scale}\n`);
  const quorate = await measureQuorate(work, scale, seconds);
  const postgres = values['only-quorate']
    ? new Map<string, Outcome>()
    : await measurePostgres(work, scale, seconds);
  report(quorate, postgres);
  fs.rmSync(work, { recursive: true, force: true });
  return 0;
}

/* ---------- Quorate ---------- */

async function measureQuorate(
  work: string,
  scale: number,
  seconds: number,
): Promise<Map<string, Outcome>> {
  const main = fileURLToPath(new URL('../src/bin/quorate.js', import.meta.url));
  const data = path.join(work, 'quorate');
  const ports = ['--sql-port', '17432', '--http-port', '17480', '--peer-port', '17532'];
  const cluster = spawn(process.execPath, [main, 'demo', '--data', data, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await untilServes(cluster.stdout);
    const target: Target = {
      name: 'quorate',
      ports: [17432, 17433, 17434],
      user: 'quorate',
      database: 'quorate',
      pgOptions: '',
    };
    return await measure(target, scale, seconds, () => memoryOf(data));
  } finally {
    cluster.kill('SIGINT');
    await new Promise((resolve) => cluster.once('exit', resolve));
  }
}

function untilServes(output: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    output.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('serves')) resolve();
    });
    output.on('end', () => reject(new QuorateError('bench', 'the cluster did not come up')));
  });
}

function memoryOf(data: string): string {
  const file = fs.readFileSync(path.join(data, 'cluster.json'), 'utf8');
  const { nodes } = JSON.parse(file) as { nodes: { pid: number }[] };
  const sizes = nodes.map(({ pid }) => {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
    const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
    return `${Math.round(kib / 1024)} MiB (peak ${Math.round(peak / 1024)})`;
  });
  return sizes.join(', ');
}

/* ---------- PostgreSQL with two standbys ---------- */

async function measurePostgres(
  work: string,
  scale: number,
  seconds: number,
): Promise<Map<string, Outcome>> {
  const bin = postgresBin();
  if (bin === undefined) {
    process.stdout.write('no PostgreSQL on this machine: Quorate alone\n');
    return new Map();
  }
  const root = path.join(work, 'postgres');
  fs.mkdirSync(root);
  const isRoot = process.getuid?.() === 0;
  if (isRoot) {
    fs.chmodSync(work, 0o755);
    spawnSync('chown', ['postgres', root]);
  }
  const run = (command: string): void => {
    const options = { encoding: 'utf8', cwd: root } as const;
    const done = isRoot
      ? spawnSync('su', ['postgres', '-c', command], options)
      : spawnSync('sh', ['-c', command], options);
    if (done.status !== 0) throw new Error(`${command}: ${done.stderr}${done.stdout}`);
  };
  const socket = `-k ${root} -c listen_addresses=127.0.0.1`;
  try {
    run(`${bin}/initdb -D ${root}/p -U bench --auth=trust >/dev/null`);
    fs.appendFileSync(
      path.join(root, 'p', 'postgresql.conf'),
      "shared_buffers = '1GB'\nmax_connections = 200\nmax_wal_size = '4GB'\n",
    );
    run(`${bin}/pg_ctl -D ${root}/p -w -l ${root}/p.log -o "-p 17550 ${socket}" start`);
    for (const [name, port] of [['s1', 17551] as const, ['s2', 17552] as const]) {
      run(
        `${bin}/pg_basebackup -h 127.0.0.1 -p 17550 -U bench -D ${root}/${name} -R -X stream ` +
          `-d "application_name=${name}"`,
      );
      run(
        `${bin}/pg_ctl -D ${root}/${name} -w -l ${root}/${name}.log ` +
          `-o "-p ${port} ${socket}" start`,
      );
    }
    fs.appendFileSync(
      path.join(root, 'p', 'postgresql.conf'),
      "synchronous_standby_names = 'ANY 1 (s1, s2)'\n",
    );
    run(`${bin}/pg_ctl -D ${root}/p reload`);
    await sleep(1000);
    const target: Target = {
      name: 'postgres',
      ports: [17550],
      user: 'bench',
      database: 'postgres',
      pgOptions: '-c default_transaction_isolation=serializable -c enable_seqscan=off',
    };
    return await measure(target, scale, seconds, () => '');
  } finally {
    for (const name of ['s1', 's2', 'p']) {
      try {
        run(`${bin}/pg_ctl -D ${root}/${name} -m immediate stop`);
      } catch {
        // It was not started.
      }
    }
  }
}

function postgresBin(): string | undefined {
  for (const version of ['15', '16', '17']) {
    const bin = `/usr/lib/postgresql/${version}/bin`;
    if (fs.existsSync(path.join(bin, 'initdb'))) return bin;
  }
  return undefined;
}

/* ---------- measuring ---------- */

async function measure(
  target: Target,
  scale: number,
  seconds: number,
  memory: () => string,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const began = performance.now();
  await pgbench(target, 0, ['-i', '-s', String(scale), '-q']);
  const initSeconds = (performance.now() - began) / 1000;
  process.stdout.write(`${target.name}: pgbench -i -s ${scale} took ${initSeconds.toFixed(1)} s`);
  process.stdout.write(memory() === '' ? '\n' : `; resident: ${memory()}\n`);
  for (const workload of WORKLOADS) {
    await runOnce(target, workload, WARM_UP_S, scale);
    const outcome = await runOnce(target, workload, seconds, scale);
    outcomes.set(workload.name, outcome);
    process.stdout.write(
      `${target.name}: ${workload.name}: ${outcome.tps.toFixed(0)} tps, ` +
        `${outcome.latencyMs.toFixed(2)} ms, ${outcome.failed} failed\n`,
    );
  }
  if (memory() !== '') process.stdout.write(`${target.name}: resident: ${memory()}\n`);
  checkInvariant(target);
  return outcomes;
}

async function runOnce(
  target: Target,
  workload: Workload,
  seconds: number,
  scale: number,
): Promise<Outcome> {
  const count = target.ports.length;
  const runs = target.ports.map((_, i) => {
    const clients = Math.floor(workload.clients / count) + (i < workload.clients % count ? 1 : 0);
    return pgbench(target, i, [
      ...['-n', '-s', String(scale), '-c', String(clients), '-j', '1', '-T', String(seconds)],
      ...workload.args,
    ]);
  });
  const outputs = await Promise.all(runs);
  const parts = outputs.map((text) => ({
    tps: Number(/tps = ([\d.]+)/.exec(text)?.[1] ?? 0),
    latencyMs: Number(/latency average = ([\d.]+)/.exec(text)?.[1] ?? 0),
    failed: Number(/failed transactions: (\d+)/.exec(text)?.[1] ?? 0),
  }));
  return {
    tps: parts.reduce((sum, part) => sum + part.tps, 0),
    latencyMs: parts.reduce((sum, part) => sum + part.latencyMs, 0) / parts.length,
    failed: parts.reduce((sum, part) => sum + part.failed, 0),
  };
}

function pgbench(target: Target, node: number, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const address = ['-h', '127.0.0.1', '-p', String(target.ports[node]), '-U', target.user];
    const child = spawn('pgbench', [...address, ...args, target.database], {
      env: { ...process.env, PGOPTIONS: target.pgOptions, PGSSLMODE: 'disable' },
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0 || text.includes('tps = ')) resolve(text);
      else reject(new Error(`pgbench failed:\n${text}`));
    });
  });
}

/** TPC-B: branches and tellers agree, accounts and history agree (`-N` changes only the latter), whatever failed. */
function checkInvariant(target: Target): void {
  const sql =
    'select (select sum(bbalance) from pgbench_branches) = (select sum(tbalance) from ' +
    'pgbench_tellers), (select sum(abalance) from pgbench_accounts) = ' +
    '(select coalesce(sum(delta), 0) from pgbench_history)';
  const address = ['-h', '127.0.0.1', '-p', String(target.ports[0]), '-U', target.user];
  const done = spawnSync('psql', [...address, '-Atc', sql, target.database], { encoding: 'utf8' });
  process.stdout.write(`${target.name}: branches = tellers | accounts = history: ${done.stdout}`);
}

function report(quorate: Map<string, Outcome>, postgres: Map<string, Outcome>): void {
  process.stdout.write('\n| workload | Quorate tps | PostgreSQL tps | ratio | bar |\n');
  process.stdout.write('|---|---|---|---|---|\n');
  for (const { name, bar } of WORKLOADS) {
    const ours = quorate.get(name)?.tps ?? 0;
    const theirs = postgres.get(name)?.tps;
    const ratio = theirs === undefined ? '-' : (ours / theirs).toFixed(2);
    process.stdout.write(`| ${name} | ${ours.toFixed(0)} | ${theirs?.toFixed(0) ?? '-'} `);
    process.stdout.write(`| ${ratio} | ${bar} |\n`);
  }
}
