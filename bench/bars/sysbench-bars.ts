/** sysbench's oltp_read_write on Quorate and on PostgreSQL with two standbys, serializable. */
import type { Endpoint } from '../driver/target.ts';
import { SERIALIZABLE, whyNoPostgres } from '../peers/postgres.ts';
import { loadSysbench, runSysbench, whyNoSysbench } from '../peers/sysbench.ts';
import type { Bar, Cell, Group } from './bar.ts';
import type { Resources } from './resources.ts';

const SIDES = ['quorate', 'postgres'] as const;
type Side = (typeof SIDES)[number];

function cellName(threads: number, side: Side): string {
  return `sysbench ${threads} threads, ${side}`;
}

function cellOf(threads: number, side: Side): Cell {
  return {
    name: cellName(threads, side),
    measure: async (resources, { warmUpSeconds, seconds }) => {
      const nodes = await loaded(resources, side);
      if (warmUpSeconds > 0) await runSysbench(nodes, { threads, seconds: warmUpSeconds });
      const { throughput, failed } = await runSysbench(nodes, { threads, seconds });
      return { value: throughput, failed, violations: [] };
    },
  };
}

async function loaded(resources: Resources, side: Side): Promise<readonly Endpoint[]> {
  const target = await (side === 'quorate'
    ? resources.quorate()
    : resources.postgres(SERIALIZABLE));
  const [first] = target.endpoints;
  if (first !== undefined) {
    await resources.once(`sysbench on ${side}`, () => loadSysbench(first));
  }
  return target.endpoints;
}

function barOf(threads: number, bar: number, aim: number): Bar {
  return {
    ...{ name: `sysbench-${threads}`, title: `sysbench oltp_read_write, ${threads} threads` },
    ...{ peer: 'PostgreSQL ANY 1, serializable', bar, aim, unit: 'per second' },
    ...{ ours: cellName(threads, 'quorate'), theirs: cellName(threads, 'postgres') },
    missing: () => whyNoSysbench() ?? whyNoPostgres(),
  };
}

export const SYSBENCH_GROUP: Group = {
  cells: [16, 64].flatMap((threads) => SIDES.map((side) => cellOf(threads, side))),
  bars: [barOf(16, 1, 2), barOf(64, 2, 4)],
  check: () => Promise.resolve([]),
};
