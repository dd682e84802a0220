/**
 * pgbench's own scripts, run by pgbench, on Quorate and on PostgreSQL with two standbys at several promises. Reads and
 * the weaker TPC-B at read committed, its default; all that writes and is compared with Quorate's promise at
 * serializable. PostgreSQL has its best plan throughout (`enable_seqscan = off`).
 */
import type { DriverSession, Endpoint, Target } from '../driver/target.ts';
import { PGBENCH_INVARIANTS, loadPgbench, runPgbench, whyNoPgbench } from '../peers/pgbench.ts';
import { NO_SEQSCAN, SERIALIZABLE, whyNoPostgres } from '../peers/postgres.ts';
import type { Bar, Cell, Group } from './bar.ts';
import type { Resources } from './resources.ts';

const SCALE = 10;
const PREPARED = ['-M', 'prepared'];

const SCRIPTS = {
  S: ['-S', ...PREPARED],
  'S-simple': ['-S', '-M', 'simple'],
  N: ['-N', ...PREPARED],
  tpcb: PREPARED,
} as const;

type Script = keyof typeof SCRIPTS;
type Side = 'quorate' | 'serializable' | 'read committed';

interface Wanted {
  readonly script: Script;
  readonly clients: number;
  readonly side: Side;
}

const SESSIONS: Readonly<Record<Exclude<Side, 'quorate'>, string>> = {
  serializable: `${SERIALIZABLE} ${NO_SEQSCAN}`,
  'read committed': NO_SEQSCAN,
};

function cellName({ script, clients, side }: Wanted): string {
  return `${script} c${clients}, ${side}`;
}

function cellOf(wanted: Wanted): Cell {
  const { script, clients, side } = wanted;
  return {
    name: cellName(wanted),
    measure: async (resources, { warmUpSeconds, seconds }) => {
      const nodes = await loaded(resources, side);
      const run = { script: SCRIPTS[script], scale: SCALE, clients };
      if (warmUpSeconds > 0) await runPgbench(nodes, { ...run, seconds: warmUpSeconds });
      const { throughput, failed } = await runPgbench(nodes, { ...run, seconds });
      return { value: throughput, failed, violations: [] };
    },
  };
}

/** The nodes of a side, with pgbench's tables. Both promises of PostgreSQL are one server's. */
async function loaded(resources: Resources, side: Side): Promise<readonly Endpoint[]> {
  const { endpoints } = await targetOf(resources, side);
  const [first] = endpoints;
  if (first !== undefined) {
    await resources.once(loadOf(side), () => loadPgbench(first, SCALE));
  }
  return endpoints;
}

function loadOf(side: Side): string {
  return side === 'quorate' ? 'pgbench on quorate' : 'pgbench on postgres';
}

function targetOf(resources: Resources, side: Side): Promise<Target> {
  return side === 'quorate' ? resources.quorate() : resources.postgres(SESSIONS[side]);
}

interface PeerBar extends Pick<Bar, 'name' | 'title' | 'bar' | 'aim'> {
  readonly script: Script;
  readonly clients: number;
  readonly against: Exclude<Side, 'quorate'>;
}

const PEER_BARS: readonly PeerBar[] = [
  ...[16, 64].map((clients): PeerBar => ({
    ...{ name: `pgbench-S-c${clients}`, title: `pgbench -S prepared, c${clients}` },
    ...{ script: 'S', clients, against: 'read committed', bar: 0.6, aim: 1 },
  })),
  {
    ...{ name: 'pgbench-S-simple-c16', title: 'pgbench -S simple, c16', script: 'S-simple' },
    ...{ clients: 16, against: 'read committed', bar: 0.6, aim: 1 },
  },
  ...[16, 64].map((clients): PeerBar => ({
    ...{ name: `pgbench-N-c${clients}`, title: `pgbench -N prepared, c${clients}` },
    ...{ script: 'N', clients, against: 'serializable', bar: 0.7, aim: 1.1 },
  })),
  {
    ...{ name: 'tpcb-c16', title: 'pgbench TPC-B prepared, c16', script: 'tpcb', clients: 16 },
    ...{ against: 'serializable', bar: 1.5, aim: 2.5 },
  },
  {
    ...{ name: 'tpcb-c64', title: 'pgbench TPC-B prepared, c64', script: 'tpcb', clients: 64 },
    ...{ against: 'serializable', bar: 3, aim: 5 },
  },
  ...[16, 64].map((clients): PeerBar => ({
    ...{ name: `tpcb-rc-c${clients}`, title: `pgbench TPC-B prepared, c${clients}` },
    ...{ script: 'tpcb', clients, against: 'read committed', bar: 0.8, aim: 1.2 },
  })),
];

const SCALING: Bar = {
  ...{ name: 'tpcb-scaling', title: 'pgbench TPC-B prepared, c64 over c16', peer: 'itself' },
  ours: cellName({ script: 'tpcb', clients: 64, side: 'quorate' }),
  theirs: cellName({ script: 'tpcb', clients: 16, side: 'quorate' }),
  ...{ bar: 0.9, aim: 1.1, unit: 'per second', missing: whyNoPgbench },
};

function barOf({ script, clients, against, ...bar }: PeerBar): Bar {
  return {
    ...bar,
    peer: `PostgreSQL ANY 1, ${against}`,
    ours: cellName({ script, clients, side: 'quorate' }),
    theirs: cellName({ script, clients, side: against }),
    unit: 'per second',
    missing: () => whyNoPgbench() ?? whyNoPostgres(),
  };
}

/** Each once: Quorate's are shared by several bars. */
function distinctCells(): Cell[] {
  const cells = new Map<string, Cell>();
  for (const { script, clients, against } of PEER_BARS) {
    for (const side of ['quorate', against] as const) {
      const cell = cellOf({ script, clients, side });
      cells.set(cell.name, cell);
    }
  }
  return [...cells.values()];
}

export const PGBENCH_GROUP: Group = {
  cells: distinctCells(),
  bars: [...PEER_BARS.map(barOf), SCALING],
  check: async (resources) => {
    const violations: string[] = [];
    for (const side of ['quorate', 'read committed'] as const) {
      if (!resources.isDone(loadOf(side))) continue;
      const session = await (await targetOf(resources, side)).connect(0, 1);
      violations.push(...(await checkInvariants(side, session)));
    }
    return violations;
  },
};

async function checkInvariants(side: Side, session: DriverSession): Promise<string[]> {
  const violations: string[] = [];
  try {
    for (const [says, sql] of PGBENCH_INVARIANTS) {
      const [result] = await session.query(sql);
      if (result?.rows[0]?.[0] !== 't')
        violations.push(`pgbench on ${side}: it is not so that ${says}`);
    }
  } finally {
    session.close();
  }
  return violations;
}
