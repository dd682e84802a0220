/**
 * Bars that this suite's own driver measures on both sides: against etcd, across ranges, with batching and pipelining
 * off, and one client against the floor of the machine. Tables are made anew for every run, so that each run's check
 * knows what it wrote.
 */
import { measure } from '../driver/measure.ts';
import type { Measurement } from '../driver/result.ts';
import type { Target } from '../driver/target.ts';
import { EtcdWorkload } from '../peers/etcd-workload.ts';
import type { EtcdOperation } from '../peers/etcd-workload.ts';
import { whyNoEtcd } from '../peers/etcd.ts';
import { SplitTable } from '../pipeline/split-table.ts';
import type { Workload } from '../workload.ts';
import { Bank } from '../workloads/bank.ts';
import { pointRead, pointWrite } from '../workloads/key-value.ts';
import type { Bar, Cell, CellRun, Group, Sample } from './bar.ts';
import { measureFloor } from './floor.ts';
import type { Resources } from './resources.ts';

const MANY = 64;
const NODES = 3;
/**
 * The clients share connections on both sides: as many as serve etcd best. With one for each client the driver would take a
 * third of the machine.
 */
const SHARED = 4;
/** As many keys as etcd is given, with values of this size. */
const ROWS = 10_000;
const BYTES = 256;
/** The floor needs no more: its median settles within a second. */
const FLOOR_SECONDS_MAX = 4;
const NEVER = (): undefined => undefined;
const NO_CHECK = (): Promise<readonly string[]> => Promise.resolve([]);

interface Driven {
  readonly name: string;
  readonly clients: number;
  readonly target: (resources: Resources) => Promise<Target>;
  readonly workload: () => Workload;
  /** As of `MeasureOptions`. */
  readonly connections?: number;
  /** What is compared; throughput unless told. */
  readonly figureOf?: (measured: Measurement) => number;
}

function driven({ name, clients, connections, target, workload, figureOf }: Driven): Cell {
  return {
    name,
    measure: async (resources: Resources, run: CellRun): Promise<Sample> => {
      const options = { ...run, clients, connections };
      const measured = await measure(await target(resources), workload(), options);
      const { throughput, errors, violations } = measured;
      const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
      return { value: figureOf?.(measured) ?? throughput, failed, violations };
    },
  };
}

const quorate = (resources: Resources): Promise<Target> => resources.quorate();

function upsert(): Workload {
  return pointWrite.make({ rows: ROWS, bytes: BYTES, pipeline: 1 });
}

/* ---------- etcd ---------- */

function etcdCell(operation: EtcdOperation): Cell {
  return driven({
    ...{ name: `etcd ${operation}`, clients: MANY, target: (resources) => resources.etcd() },
    workload: () => new EtcdWorkload({ operation, rows: ROWS, bytes: BYTES }),
  });
}

const ETCD_BARS: readonly Bar[] = [
  {
    ...{ name: 'upsert-etcd', title: `autocommit upsert of ${BYTES} bytes, c${MANY}` },
    ...{ peer: 'etcd put', ours: 'upsert', theirs: 'etcd put', bar: 2, aim: 4 },
    ...{ unit: 'per second', missing: whyNoEtcd },
  },
  {
    ...{ name: 'read-etcd', title: `linearizable point read, c${MANY}`, peer: 'etcd get' },
    ...{ ours: 'point read', theirs: 'etcd get', bar: 5, aim: 8 },
    ...{ unit: 'per second', missing: whyNoEtcd },
  },
];

export const ETCD_GROUP: Group = {
  cells: [
    driven({
      ...{ name: 'upsert', clients: MANY, connections: SHARED, target: quorate },
      workload: upsert,
    }),
    etcdCell('put'),
    driven({
      ...{ name: 'point read', clients: MANY, connections: SHARED, target: quorate },
      workload: () => pointRead.make({ rows: ROWS, bytes: BYTES, pipeline: 1 }),
    }),
    etcdCell('get'),
  ],
  bars: ETCD_BARS,
  check: NO_CHECK,
};

/* ---------- transfers ---------- */

function transfers(name: string, cross: number): Cell {
  const shape = { rows: 30_000, ranges: 3, cross, trips: 'each' };
  return driven({ name, clients: MANY, target: quorate, workload: () => new Bank(shape) });
}

export const TRANSFER_GROUP: Group = {
  cells: [transfers('transfers across ranges', 100), transfers('transfers in a range', 0)],
  bars: [
    {
      ...{ name: 'transfers', title: `transfers across two ranges, c${MANY}` },
      ...{ peer: 'the same in one range', bar: 0.5, aim: 0.7 },
      ...{ ours: 'transfers across ranges', theirs: 'transfers in a range' },
      ...{ unit: 'per second', missing: NEVER },
    },
  ],
  check: NO_CHECK,
};

/* ---------- batching and pipelining ---------- */

export const SWITCH_GROUP: Group = {
  cells: [
    driven({
      ...{ name: 'upsert, switched on', clients: MANY, connections: SHARED, target: quorate },
      workload: upsert,
    }),
    driven({
      ...{ name: 'upsert, switched off', clients: MANY, connections: SHARED, workload: upsert },
      target: (resources) => resources.quorate('switched off'),
    }),
  ],
  bars: [
    {
      ...{ name: 'raft-switches', title: `autocommit writes, c${MANY}, batching and pipelining` },
      ...{ peer: 'both switched off', bar: 8, aim: 20 },
      ...{ ours: 'upsert, switched on', theirs: 'upsert, switched off' },
      ...{ unit: 'per second', missing: NEVER },
    },
  ],
  check: NO_CHECK,
};

/* ---------- one client ---------- */

/** The one client is connected to the node that leads, and not by chance only. */
function upsertAtLeader(): Workload {
  return new SplitTable(upsert(), { rows: ROWS, ranges: 1, nodes: NODES, retryMs: 500 });
}

const FLOOR: Cell = {
  name: 'fdatasync and round trip, p50',
  measure: async (_resources, { seconds }) => {
    const { syncUs, roundTripUs } = await measureFloor(Math.min(seconds, FLOOR_SECONDS_MAX));
    return { value: syncUs + roundTripUs, failed: 0, violations: [] };
  },
};

export const ONE_CLIENT_GROUP: Group = {
  cells: [
    driven({
      ...{ name: 'upsert c1, p50', clients: 1, target: quorate, workload: upsertAtLeader },
      figureOf: ({ latency }) => latency['write']?.p50 ?? Number.NaN,
    }),
    FLOOR,
  ],
  bars: [
    {
      ...{ name: 'one-client', title: 'one client, autocommit write, p50' },
      ...{ peer: 'one fdatasync and one loopback round trip', bar: 3, aim: 2 },
      ...{ ours: 'upsert c1, p50', theirs: FLOOR.name },
      ...{ unit: 'microseconds', missing: NEVER },
    },
  ],
  check: NO_CHECK,
};
