/**
 * `quorate bench run WORKLOAD`: measures one workload on a fresh local cluster, or on one that runs already, as often as
 * asked for; prints what explains the figure and writes the JSON of the run. Exit code 1 when a check has failed.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../src/base/errors.ts';
import type { ClusterOptions } from './driver/cluster.ts';
import { CLUSTER_DEFAULTS, clusterAt, clusterIn, startCluster } from './driver/cluster.ts';
import { describeBuild, describeMachine } from './driver/machine.ts';
import { measure } from './driver/measure.ts';
import type { Measurement, Settings } from './driver/result.ts';
import { RESULT_FORMAT } from './driver/result.ts';
import type { MeasureOptions, Target } from './driver/target.ts';
import { writeResult } from './result-file.ts';
import { formatMeasurement, formatSummary } from './table.ts';
import { SqlFailure } from './workload.ts';
import { WORKLOADS, findWorkload } from './workloads/catalog.ts';
import type { Definition, Parameters } from './workloads/definition.ts';
import { parseValues } from './workloads/definition.ts';

/** Of the driver, beside the workload's own parameters. */
const LOAD_PARAMETERS = {
  clients: { default: 16, min: 1, max: 10_000, meaning: 'sessions, spread over the nodes' },
  connections: {
    ...{ default: 0, min: 0, max: 10_000 },
    meaning: 'that the clients share, pipelining; 0: each has its own',
  },
  seconds: { default: 15, min: 1, max: 86_400, meaning: 'of the measured window' },
  warmup: { default: 8, min: 0, max: 3600, meaning: 'seconds before it' },
  rate: {
    ...{ default: 0, min: 0, max: 10_000_000 },
    meaning: 'operations per second that fall due (open loop); 0: closed loop',
  },
  repeat: { default: 1, min: 1, max: 1000, meaning: 'repetitions' },
  retries: {
    ...{ default: 0, min: 0, max: 1_000_000 },
    meaning: 'tries of an operation after 40001, 40P01 or 40003',
  },
  seed: { default: 1, min: 0, max: 2 ** 31, meaning: "of the clients' random numbers" },
  nodes: { default: 3, min: 1, max: 7, meaning: 'of the cluster that is started' },
  'sql-port': { default: CLUSTER_DEFAULTS.sqlPort, min: 1, max: 65_000, meaning: 'its first' },
  'http-port': { default: CLUSTER_DEFAULTS.httpPort, min: 1, max: 65_000, meaning: 'its first' },
  'peer-port': { default: CLUSTER_DEFAULTS.peerPort, min: 1, max: 65_000, meaning: 'its first' },
} as const satisfies Parameters;

type LoadFlag = keyof typeof LOAD_PARAMETERS;
type LoadValues = Readonly<Record<LoadFlag, number>>;

interface Where {
  readonly cluster?: string | undefined;
  readonly url?: string | undefined;
  readonly http?: string | undefined;
  readonly set: readonly string[];
}

interface Plan {
  readonly definition: Definition;
  readonly values: ReturnType<typeof parseValues>;
  readonly load: LoadValues;
  readonly where: Where;
  readonly out: string | undefined;
}

export async function runRunCommand(args: readonly string[]): Promise<number> {
  const plan = parsePlan(args);
  const opened = await openTarget(plan);
  const began = new Date().toISOString();
  const measurements: Measurement[] = [];
  try {
    const { repeat } = plan.load;
    for (let repetition = 1; repetition <= repeat; repetition++) {
      const measured = await measureOnce(plan, opened.target, repetition);
      measurements.push(measured);
      process.stdout.write(formatMeasurement(measured));
    }
  } finally {
    await opened.close();
  }
  if (measurements.length > 1) process.stdout.write(formatSummary(measurements));
  if (plan.out !== undefined) {
    writeResult(plan.out, {
      format: RESULT_FORMAT,
      date: began,
      machine: describeMachine(),
      build: describeBuild(),
      command: ['bench', 'run', ...args],
      settings: opened.settings,
      measurements,
    });
  }
  return measurements.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

function parsePlan(args: readonly string[]): Plan {
  const [name, ...flagArgs] = args;
  const definition = name === undefined ? undefined : findWorkload(name);
  if (definition === undefined) {
    const known = WORKLOADS.map((each) => each.name).join(', ');
    const what = name === undefined ? 'which workload?' : `there is no workload "${name}";`;
    throw new QuorateError('config', `${what} quorate bench list has them: ${known}`);
  }
  const flags = [...Object.keys(LOAD_PARAMETERS), ...Object.keys(definition.parameters)];
  const { values } = parseArgs({
    args: flagArgs,
    options: {
      ...Object.fromEntries(flags.map((flag) => [flag, { type: 'string' as const }])),
      cluster: { type: 'string' },
      url: { type: 'string' },
      http: { type: 'string' },
      set: { type: 'string', multiple: true, default: [] },
      out: { type: 'string' },
    },
  });
  const { cluster, url, http, set, out, ...rest } = values;
  const texts: Readonly<Record<string, string | undefined>> = rest;
  return {
    definition,
    values: parseValues(definition.parameters, texts),
    load: parseValues(LOAD_PARAMETERS, texts) as LoadValues,
    where: { cluster, url, http, set },
    out,
  };
}

async function measureOnce(plan: Plan, target: Target, repetition: number): Promise<Measurement> {
  const { definition, values, load } = plan;
  const options: MeasureOptions = {
    clients: load.clients,
    connections: load.connections === 0 ? undefined : load.connections,
    warmUpSeconds: load.warmup,
    seconds: load.seconds,
    rate: load.rate === 0 ? undefined : load.rate,
    retriesMax: load.retries,
    seed: load.seed,
    repetition,
    parameters: values,
    units: definition.units(values),
  };
  const measureBy = definition.measureBy(values) ?? measure;
  try {
    return await measureBy(target, definition.make(values), options);
  } catch (error) {
    if (!(error instanceof SqlFailure)) throw error;
    throw new QuorateError('bench', `cannot measure: ${error.message} (${error.sqlState})`);
  }
}

/* ---------- where ---------- */

interface Opened {
  readonly target: Target;
  readonly settings: Settings;
  close(): Promise<void>;
}

async function openTarget({ where, load }: Plan): Promise<Opened> {
  const close = (): Promise<void> => Promise.resolve();
  if (where.cluster !== undefined && where.url !== undefined) {
    throw new QuorateError('config', 'either --cluster or --url, not both');
  }
  if (where.cluster !== undefined || where.url !== undefined) {
    if (where.set.length > 0) {
      throw new QuorateError('config', '--set is for a cluster that is started for the run');
    }
    const target =
      where.url === undefined ? clusterIn(where.cluster ?? '') : clusterAt(where.url, where.http);
    return { target, settings: { nodes: target.nodes.length, isFresh: false }, close };
  }
  const options: ClusterOptions = {
    nodes: load.nodes,
    sqlPort: load['sql-port'],
    httpPort: load['http-port'],
    peerPort: load['peer-port'],
    flags: where.set.flatMap(flagOf),
  };
  const started = await startCluster(options);
  const settings: Record<string, string | number | boolean> = { nodes: load.nodes, isFresh: true };
  for (const setting of where.set) {
    const [name = '', value = ''] = setting.split('=');
    settings[name] = value;
  }
  return { target: started.target, settings, close: () => started.stop() };
}

/** `raft-batch=off` is `--raft-batch off` of the nodes. */
function flagOf(setting: string): readonly string[] {
  const match = /^([a-z-]+)=(.+)$/.exec(setting);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new QuorateError('config', `--set takes NAME=VALUE, not "${setting}"`);
  }
  return [`--${match[1]}`, match[2]];
}
