/**
 * pgbench itself as the driver: one process per node, started together, its clients spread over them. Loading and the
 * check are ours; latencies come from its log of transactions, errors from its summary.
 *
 * How it can mislead: pgbench writes a line for every logged transaction, so of `select-only` one in twenty is logged;
 * and it ends a client at the first error that is neither 40001 nor 40P01 (counted as `aborted`).
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import readline from 'node:readline';
import { QuorateError } from '../../src/base/errors.ts';
import { LatencyHistogram } from '../driver/histogram.ts';
import { withSession } from '../driver/measure.ts';
import { cpuSecondsOf, usageBetween } from '../driver/observe.ts';
import type { Measurement } from '../driver/result.ts';
import type { Endpoint, Measure, MeasureOptions, Target } from '../driver/target.ts';
import type { Workload } from '../workload.ts';

/** What this needs of the workload beside its tables and its check. */
interface Scripted extends Workload {
  readonly script: 'tpcb' | 'simple-update' | 'select-only';
  readonly shape: { readonly scale: number; readonly protocol: string };
  credit(acknowledged: number, unknown: number): void;
}

interface Outcome {
  readonly processed: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly throughput: number;
}

const SCRIPT_FLAGS = { tpcb: [], 'simple-update': ['-N'], 'select-only': ['-S'] } as const;
const SELECT_SAMPLING = '0.05';
const SAMPLE_MS = 500;

export const measureByProgram: Measure = async (target, workload, options) => {
  const scripted = workload as Scripted;
  const { clients, rate } = options;
  if (options.retriesMax !== undefined && options.retriesMax > 0) {
    throw new QuorateError('config', 'through pgbench, nothing is retried');
  }
  await withSession(target, (session) => workload.load(session));
  const logs = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-pgbench-'));
  try {
    if (options.warmUpSeconds > 0) {
      creditAll(scripted, await runAll(target, scripted, options, options.warmUpSeconds));
    }
    const usage = new ProgramUsage(target);
    const before = await target.observe();
    const outcomes = await runAll(target, scripted, options, options.seconds, { logs, usage });
    usage.stop();
    const after = await target.observe();
    creditAll(scripted, outcomes);
    const operations = outcomes.reduce((sum, { processed }) => sum + processed, 0);
    const throughput = outcomes.reduce((sum, each) => sum + each.throughput, 0);
    return {
      workload: workload.name,
      parameters: { ...options.parameters, clients, ...(rate === undefined ? {} : { rate }) },
      ...{ target: target.name, repetition: options.repetition ?? 1 },
      ...{ mode: rate === undefined ? 'closed' : 'open', clients, rate },
      seconds: Math.max(...outcomes.map(({ seconds }) => seconds)),
      ...{ operations, throughput: Number(throughput.toFixed(2)) },
      latency: { [scripted.script]: (await readLogs(logs)).toDistribution() },
      ...{ errors: failuresOf(outcomes), retries: {} },
      violations: await withSession(target, (session) => workload.check(session)),
      driver: { cpuSeconds: usage.cpuSeconds, stallMax: 0 },
      nodes: usageBetween(before, after, usage.rssMax),
    } satisfies Measurement;
  } finally {
    fs.rmSync(logs, { recursive: true, force: true });
  }
};

/** What failed otherwise than by a conflict may have happened; a client that aborted had one such transaction. */
function creditAll(scripted: Scripted, outcomes: readonly Outcome[]): void {
  for (const { processed, failures } of outcomes) {
    scripted.credit(processed, failures['aborted'] ?? 0);
  }
}

function failuresOf(outcomes: readonly Outcome[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const { failures } of outcomes) {
    for (const [state, count] of Object.entries(failures)) {
      if (count > 0) total[state] = (total[state] ?? 0) + count;
    }
  }
  return total;
}

/** Resident sizes of the nodes and processor time of the pgbench processes, while they run. */
class ProgramUsage {
  readonly rssMax: (number | undefined)[] = [];
  readonly #cpu = new Map<number, number>();
  readonly #target: Target;
  readonly #timer: NodeJS.Timeout;

  constructor(target: Target) {
    this.#target = target;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  watch(pid: number): void {
    this.#cpu.set(pid, 0);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** As of the last sample: somewhat less than it was in the end. */
  get cpuSeconds(): number {
    return [...this.#cpu.values()].reduce((sum, each) => sum + each, 0);
  }

  #sample(): void {
    for (const pid of this.#cpu.keys()) {
      const seconds = cpuSecondsOf(pid);
      if (seconds !== undefined) this.#cpu.set(pid, seconds);
    }
    for (const [i, bytes] of this.#target.sampleRss().entries()) {
      if (bytes !== undefined) this.rssMax[i] = Math.max(bytes, this.rssMax[i] ?? 0);
    }
  }
}

interface Watched {
  /** Directory for the logs of transactions. */
  readonly logs: string;
  readonly usage: ProgramUsage;
}

function runAll(
  target: Target,
  scripted: Scripted,
  options: MeasureOptions,
  seconds: number,
  watched?: Watched,
): Promise<readonly Outcome[]> {
  const { endpoints } = target;
  const { clients, rate } = options;
  const runs = endpoints.flatMap((endpoint, i) => {
    const share = Math.floor(clients / endpoints.length) + (i < clients % endpoints.length ? 1 : 0);
    if (share === 0) return [];
    const { scale, protocol } = scripted.shape;
    const args = [
      ...['-n', '-s', String(scale), '-M', protocol, '-c', String(share), '-j', '1'],
      ...['-T', String(seconds), '--failures-detailed', ...SCRIPT_FLAGS[scripted.script]],
      ...(rate === undefined ? [] : ['-R', String((rate * share) / clients)]),
    ];
    if (watched !== undefined) {
      args.push('-l', `--log-prefix=${path.join(watched.logs, `node${i}`)}`);
      if (scripted.script === 'select-only') args.push(`--sampling-rate=${SELECT_SAMPLING}`);
    }
    return [runProgram(endpoint, args, watched?.usage)];
  });
  return Promise.all(runs);
}

function runProgram(
  { host, port, user, database, options }: Endpoint,
  args: readonly string[],
  usage: ProgramUsage | undefined,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const address = ['-h', host, '-p', String(port), '-U', user];
    const env = { ...process.env, PGSSLMODE: 'disable', PGOPTIONS: options ?? '' };
    const child = spawn('pgbench', [...address, ...args, database], { env });
    if (child.pid !== undefined) usage?.watch(child.pid);
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'is not installed' : error.message;
      reject(new QuorateError('config', `pgbench ${why}`));
    });
    child.once('close', () => {
      const outcome = parseSummary(text);
      if (outcome !== undefined) resolve(outcome);
      else reject(new QuorateError('bench', `pgbench failed:\n${text.trim()}`));
    });
  });
}

/** Of what pgbench prints in the end; undefined when it did not get that far. */
export function parseSummary(text: string): Outcome | undefined {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0);
  if (!text.includes('tps = ')) return undefined;
  const processed = number(/transactions actually processed: (\d+)/);
  const throughput = number(/tps = ([\d.]+)/);
  return {
    ...{ processed, throughput },
    failures: {
      '40001': number(/serialization failures: (\d+)/),
      '40P01': number(/deadlock failures: (\d+)/),
      aborted: [...text.matchAll(/client \d+ aborted/g)].length,
    },
    seconds: throughput === 0 ? 0 : processed / throughput,
  };
}

/** The third field is the latency in microseconds, from when it was due under `-R`; or a word when it failed. */
async function readLogs(dir: string): Promise<LatencyHistogram> {
  const histogram = LatencyHistogram.empty();
  for (const file of fs.readdirSync(dir)) {
    const lines = readline.createInterface({ input: fs.createReadStream(path.join(dir, file)) });
    for await (const line of lines) {
      const latency = Number(line.split(' ')[2]);
      if (!Number.isNaN(latency)) histogram.record(latency);
    }
  }
  return histogram;
}
