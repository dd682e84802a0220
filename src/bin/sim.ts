/** `quorate sim`: whole clusters in this process, under virtual time and drawn faults (src/sim/simulation.ts). */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { QuorateError } from '../base/errors.ts';
import type { Probe } from '../base/probe.ts';
import { PROBES } from '../base/probe.ts';
import type { Fault } from '../sim/faults.ts';
import type { SimulationOptions, SimulationReport } from '../sim/simulation.ts';
import { simulate } from '../sim/simulation.ts';
import type { Workload } from '../sim/workload.ts';
import { WORKLOADS } from '../sim/workloads/index.ts';

class UsageError extends QuorateError<'usage'> {
  override readonly name = 'UsageError';

  constructor(message: string) {
    super('usage', message);
  }
}

/** Exit code 0: everything held; 1: something did not, and what and how to see it again is printed. */
export async function runSim(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      nodes: { type: 'string' },
      minutes: { type: 'string', default: '0.5' },
      workload: { type: 'string' },
      trace: { type: 'boolean', default: false },
    },
  });
  const [from, to] = seedsOf(values.seed, values.seeds);
  const nodes = values.nodes === undefined ? undefined : numberOf('nodes', values.nodes, 3, 7);
  const minutes = numberOf('minutes', values.minutes, 0.01, 100_000);
  const makeWorkloads = await workloadsOf(values.workload);
  const totals = new Totals();
  for (let seed = from; seed <= to; seed++) {
    const options: SimulationOptions = {
      ...{ seed, nodes, minutes, workloads: makeWorkloads?.() },
      onStory: values.trace ? (line) => process.stdout.write(`  ${line}\n`) : undefined,
    };
    const report = await simulate(options);
    totals.add(report);
    process.stdout.write(lineOf(report));
    if (report.failure === undefined) continue;
    process.stdout.write(storyOf(report, args));
    return 1;
  }
  process.stdout.write(totals.words());
  return 0;
}

function seedsOf(seed: string | undefined, seeds: string | undefined): [number, number] {
  const range = /^(\d+)\.\.(\d+)$/.exec(seeds ?? `${seed ?? 1}..${seed ?? 1}`);
  const [from, to] = [Number(range?.[1]), Number(range?.[2])];
  if (range === null || from < 1 || to < from || to > 0xffffffff) {
    throw new UsageError('--seed takes a number from 1 on, --seeds a range such as 1..100');
  }
  return [from, to];
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} takes a number from ${min} to ${max}`);
}

/** Undefined: drawn from each seed. Names of built-in ones, or a file whose default export is one (or makes one). */
async function workloadsOf(text: string | undefined): Promise<(() => Workload[]) | undefined> {
  if (text === undefined) return undefined;
  const makers: (() => Workload)[] = [];
  for (const name of text.split(',')) {
    const builtIn = WORKLOADS[name];
    if (builtIn !== undefined) makers.push(builtIn);
    else if (/\.[cm]?js$/.test(name)) makers.push(await loaded(name));
    else {
      const names = Object.keys(WORKLOADS).join(', ');
      throw new UsageError(`there is no workload "${name}": name some of ${names}, or a .js file`);
    }
  }
  return () => makers.map((make) => make());
}

async function loaded(file: string): Promise<() => Workload> {
  const url = pathToFileURL(path.resolve(file)).href;
  const module = await (import(url) as Promise<{ default?: unknown }>).catch((error: unknown) => {
    throw new UsageError(`${file} cannot be loaded: ${String(error)}`);
  });
  const exported = module.default;
  const make = typeof exported === 'function' ? (exported as () => unknown) : () => exported;
  const workload = make() as Partial<Workload> | undefined;
  if (typeof workload?.setUp !== 'function' || typeof workload.step !== 'function') {
    throw new UsageError(`${file}: the default export has no setUp and step (docs/testing.md)`);
  }
  const defaults: Partial<Workload> = { name: path.basename(file), clients: 4 };
  return () => ({ ...defaults, ...(make() as Workload) });
}

function lineOf({
  seed,
  failure,
  virtualMs,
  steps,
  transactions,
  traceHash,
  faults,
}: SimulationReport): string {
  const { ok, fail, info } = transactions;
  const faultCount = [...faults.values()].reduce((a, b) => a + b, 0);
  return (
    `seed ${seed}: ${failure === undefined ? 'ok' : 'FAILED'}, ${(virtualMs / 1000).toFixed(0)} virtual s, ` +
    `${steps} steps of clients, history of ${ok} ok ${fail} failed ${info} unknown, ${faultCount} faults, trace ${(traceHash >>> 0).toString(16)}\n`
  );
}

function storyOf(report: SimulationReport, args: readonly string[]): string {
  const rest = args.filter(
    (arg, i) => !arg.startsWith('--seed') && args[i - 1] !== '--seeds' && args[i - 1] !== '--seed',
  );
  return [
    '',
    `seed ${report.seed}, ${commit()}`,
    `drawn: ${report.setting}`,
    ...report.story.map((line) => `  ${line}`),
    '',
    report.failure,
    '',
    `again: quorate sim ${['--seed', report.seed, ...rest].join(' ')}`,
    '',
  ].join('\n');
}

function commit(): string {
  try {
    const found = execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return `commit ${found.trim()}`;
  } catch {
    return 'commit unknown';
  }
}

class Totals {
  #seeds = 0;
  #virtualMs = 0;
  #steps = 0;
  readonly #faults = new Map<Fault, number>();
  readonly #reached = new Set<Probe>();
  readonly #startedMs = performance.now();

  add({ virtualMs, steps, faults, reached }: SimulationReport): void {
    this.#seeds++;
    this.#virtualMs += virtualMs;
    this.#steps += steps;
    for (const probe of reached) this.#reached.add(probe);
    for (const [fault, count] of faults) {
      this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + count);
    }
  }

  words(): string {
    const realMs = performance.now() - this.#startedMs;
    const missed = PROBES.filter((probe) => !this.#reached.has(probe));
    const faults = [...this.#faults].sort(([a], [b]) => (a < b ? -1 : 1));
    return (
      `${this.#seeds} seeds, ${(this.#virtualMs / 3_600_000).toFixed(2)} virtual hours ` +
      `(${(this.#virtualMs / realMs).toFixed(0)} times real time), ${this.#steps} steps of clients\n` +
      `faults: ${faults.map(([fault, count]) => `${fault} ${count}`).join(', ') || 'none'}\n` +
      `never reached: ${missed.join(', ') || 'nothing that is watched for'}\n`
    );
  }
}
