/**
 * `quorate bench pipeline`: autocommit writes under every setting of batching and pipelining, of the nodes and of the
 * clients. Each repetition goes through all settings, every second one backwards, so that what drifts (neighbours on
 * the machine, the disk) meets all of them alike. Nodes are started anew for each setting, on fresh data, and warmed up.
 *
 * Writes bench-report.json and bench-report.html. Exit code 1 when a check after a measurement has failed.
 */
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../../src/base/errors.ts';
import { CLUSTER_DEFAULTS, startCluster } from '../driver/cluster.ts';
import { describeBuild, describeMachine } from '../driver/machine.ts';
import { measure } from '../driver/measure.ts';
import type { Measurement, RunResult } from '../driver/result.ts';
import { RESULT_FORMAT } from '../driver/result.ts';
import type { Target } from '../driver/target.ts';
import { makeDirectory, writeResult, writeText } from '../result-file.ts';
import type { Workload } from '../workload.ts';
import { findWorkload } from '../workloads/catalog.ts';
import { formatNumber } from './chart.ts';
import { renderReport } from './report.ts';
import { SplitTable } from './split-table.ts';
import type { Cell, CellGroup } from './sweeps.ts';
import { planCells } from './sweeps.ts';

const WORKLOAD = 'point-write';
/** So many that the clients seldom want the same one, and quickly loaded. */
const ROWS = 50_000;
const BYTES = 256;
/**
 * A process that has just begun runs code that is not compiled yet: all are warmed up by the same load, so that what is
 * measured first is not worse for it.
 */
const FIRST_WARM_UP_S = 10;
const QUICK_FIRST_WARM_UP_S = 6;
const WARM_UP_CLIENTS = 64;
const WARM_UP_S = 1.5;
/** A hand-over takes about as long. */
const RETRY_MS = 250;
/** What starting, loading, checking and stopping take, about. */
const GROUP_S = 7;
const CELL_S = 1;

interface Plan {
  readonly groups: readonly CellGroup[];
  readonly seconds: number;
  readonly repeat: number;
  readonly firstWarmUp: number;
  readonly out: string;
  readonly ports: {
    readonly sqlPort: number;
    readonly httpPort: number;
    readonly peerPort: number;
  };
}

export async function runPipelineCommand(args: readonly string[]): Promise<number> {
  const plan = parsePlan(args);
  const { groups, repeat } = plan;
  makeDirectory(plan.out);
  const cells = groups.reduce((sum, group) => sum + group.cells.length, 0);
  say(`${cells} settings, ${repeat} times: about ${minutesOf(plan)} minutes`);
  const result: RunResult = {
    format: RESULT_FORMAT,
    date: new Date().toISOString(),
    machine: describeMachine(),
    build: describeBuild(),
    command: ['bench', 'pipeline', ...args],
    settings: { nodes: CLUSTER_DEFAULTS.nodes, isFresh: true },
    measurements: [],
  };
  const measurements: Measurement[] = [];
  for (let repetition = 1; repetition <= repeat; repetition++) {
    for (const group of repetition % 2 === 1 ? groups : [...groups].reverse()) {
      measurements.push(...(await measureGroup(plan, group, repetition)));
      // What there is so far, should the run be broken off.
      writeReport(plan.out, { ...result, measurements });
    }
  }
  say(`wrote ${path.join(plan.out, 'bench-report.html')} and bench-report.json`);
  return measurements.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

function writeReport(dir: string, result: RunResult): void {
  writeResult(path.join(dir, 'bench-report.json'), result);
  writeText(path.join(dir, 'bench-report.html'), renderReport(result));
}

function parsePlan(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      repeat: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string', default: '.' },
      'sql-port': { type: 'string' },
      'http-port': { type: 'string' },
      'peer-port': { type: 'string' },
    },
  });
  const { quick } = values;
  return {
    groups: planCells(values.only?.split(','), quick),
    seconds: intOf('seconds', values.seconds, quick ? 2 : 5, 3600),
    repeat: intOf('repeat', values.repeat, quick ? 1 : 3, 100),
    firstWarmUp: quick ? QUICK_FIRST_WARM_UP_S : FIRST_WARM_UP_S,
    out: path.resolve(values.out),
    ports: {
      sqlPort: intOf('sql-port', values['sql-port'], CLUSTER_DEFAULTS.sqlPort, 65_000),
      httpPort: intOf('http-port', values['http-port'], CLUSTER_DEFAULTS.httpPort, 65_000),
      peerPort: intOf('peer-port', values['peer-port'], CLUSTER_DEFAULTS.peerPort, 65_000),
    },
  };
}

function intOf(name: string, text: string | undefined, otherwise: number, max: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value;
  throw new QuorateError(
    'config',
    `--${name} takes a whole number from 1 to ${max}, not "${text}"`,
  );
}

function minutesOf({ groups, repeat, seconds, firstWarmUp }: Plan): number {
  let total = 0;
  for (const { cells } of groups) {
    total += GROUP_S + firstWarmUp + cells.length * (seconds + WARM_UP_S + CELL_S);
  }
  return Math.ceil((total * repeat) / 60);
}

async function measureGroup(
  plan: Plan,
  group: CellGroup,
  repetition: number,
): Promise<Measurement[]> {
  const { nodes } = CLUSTER_DEFAULTS;
  const cluster = await startCluster({ nodes, ...plan.ports, flags: group.flags });
  try {
    const measurements: Measurement[] = [];
    let workload: Workload | undefined;
    let pipeline = 0;
    for (const [i, cell] of group.cells.entries()) {
      const isLoading = workload === undefined || cell.pipeline !== pipeline;
      workload = isLoading || workload === undefined ? workloadOf(cell) : workload;
      ({ pipeline } = cell);
      // Once a table: it knows all that was written to it.
      const isChecking = group.cells[i + 1]?.pipeline !== cell.pipeline;
      const { seconds } = plan;
      const options = { isLoading: isLoading && i > 0, isChecking, repetition, seconds };
      if (i === 0) await warmUp(cluster.target, workload, plan);
      measurements.push(await measureCell(cluster.target, workload, cell, options));
    }
    return measurements;
  } finally {
    await cluster.stop();
  }
}

function workloadOf(cell: Cell): Workload {
  const definition = findWorkload(WORKLOAD);
  if (definition === undefined) throw new QuorateError('bench', `there is no workload ${WORKLOAD}`);
  const workload = definition.make({ rows: ROWS, bytes: BYTES, pipeline: cell.pipeline });
  return new SplitTable(workload, {
    rows: ROWS,
    ranges: cell.ranges,
    nodes: CLUSTER_DEFAULTS.nodes,
    retryMs: RETRY_MS,
  });
}

/** Loads the table, too. */
async function warmUp(target: Target, workload: Workload, { firstWarmUp }: Plan): Promise<void> {
  const load = { clients: WARM_UP_CLIENTS, warmUpSeconds: 0, seconds: firstWarmUp };
  await measure(target, workload, { ...load, isChecking: false });
}

async function measureCell(
  target: Target,
  workload: Workload,
  cell: Cell,
  options: {
    readonly seconds: number;
    readonly isLoading: boolean;
    readonly isChecking: boolean;
    readonly repetition: number;
  },
): Promise<Measurement> {
  const { clients, ...rest } = cell;
  const measured = await measure(target, workload, {
    ...options,
    clients,
    warmUpSeconds: WARM_UP_S,
    parameters: { rows: ROWS, bytes: BYTES, ...rest },
    units: { name: 'statements', perOperation: cell.pipeline },
  });
  const { throughput, violations, errors } = measured;
  const failed = Object.entries(errors).map(([state, count]) => `, ${count} failed with ${state}`);
  const settings = Object.entries(cell).map(([name, value]) => `${name} ${value}`);
  const rate = formatNumber(throughput * cell.pipeline);
  say(`repetition ${options.repetition}: ${settings.join(', ')}: ${rate} /s${failed.join('')}`);
  for (const violation of violations) say(`VIOLATED: ${violation}`);
  return measured;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
