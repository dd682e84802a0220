/**
 * `quorate bench bars`: Quorate against its peers, each bar's two sides alternating in one session, and what the ratios
 * of their medians reach. Peers are used when they are installed. Exit code 1 when data was found wrong; a bar that is
 * missed is a result, and none.
 */
import fs from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { QuorateError } from '../src/base/errors.ts';
import type { BarResult, Group } from './bars/bar.ts';
import { ETCD_GROUP, ONE_CLIENT_GROUP, SWITCH_GROUP, TRANSFER_GROUP } from './bars/driver-bars.ts';
import { PGBENCH_GROUP } from './bars/pgbench-bars.ts';
import { formatBars } from './bars/report.ts';
import { Resources } from './bars/resources.ts';
import { runGroups } from './bars/run-groups.ts';
import { SYSBENCH_GROUP } from './bars/sysbench-bars.ts';
import { describeBuild, describeMachine } from './driver/machine.ts';
import { parseValues } from './workloads/definition.ts';
import type { Parameters } from './workloads/definition.ts';

const GROUPS: readonly Group[] = [
  // NB: transfers leave ranges behind that other nodes lead: the one client comes before them.
  ...[PGBENCH_GROUP, ETCD_GROUP, SYSBENCH_GROUP, ONE_CLIENT_GROUP, TRANSFER_GROUP, SWITCH_GROUP],
];

const PORT = { min: 1, max: 65_000, meaning: 'the first' } as const;
const PARAMETERS = {
  repeat: { default: 3, min: 1, max: 100, meaning: 'repetitions' },
  seconds: { default: 15, min: 1, max: 3600, meaning: 'of a window' },
  warmup: { default: 8, min: 0, max: 3600, meaning: 'seconds before the first window of each' },
  'sql-port': { default: 17432, ...PORT },
  'http-port': { default: 17480, ...PORT },
  'peer-port': { default: 17532, ...PORT },
  'postgres-port': { default: 17550, ...PORT },
  'etcd-port': { default: 17560, ...PORT },
} as const satisfies Parameters;

type Chosen = Readonly<Record<keyof typeof PARAMETERS, number>>;

export async function runBarsCommand(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries(
        Object.keys(PARAMETERS).map((name) => [name, { type: 'string' as const }]),
      ),
      only: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const { only, out, ...texts } = values as Readonly<Record<string, string | undefined>>;
  const chosen = parseValues(PARAMETERS, texts) as Chosen;
  const names = only === undefined ? undefined : namesOf(only);
  if (out !== undefined) checkWritable(out);
  const date = new Date().toISOString();
  const { repeat, seconds, warmup } = chosen;
  say(`${repeat} repetitions of ${seconds} s, after ${warmup} s of warm-up`);
  let resources: Resources | undefined;
  const makeResources = (): Resources => (resources = new Resources(portsOf(chosen)));
  for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
    process.once(signal, () => void endWith(code, resources));
  }
  const { bars, violations } = await runGroups(GROUPS, makeResources, {
    ...{ repeat, seconds, warmUpSeconds: warmup, only: names, say },
  });
  process.stdout.write(`\n${formatBars(bars)}`);
  for (const violation of violations) say(`VIOLATED: ${violation}`);
  if (out !== undefined) writeResult(out, { date, args, chosen, bars, violations });
  return violations.length === 0 ? 0 : 1;
}

/** Servers and their data go first. */
async function endWith(code: number, resources: Resources | undefined): Promise<void> {
  await resources?.stop();
  process.exit(code);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function namesOf(only: string): ReadonlySet<string> {
  const known = GROUPS.flatMap(({ bars }) => bars.map(({ name }) => name));
  const names = only.split(',').map((name) => name.trim());
  for (const name of names) {
    if (known.includes(name)) continue;
    const message = `there is no bar "${name}"; there are ${known.join(', ')}`;
    throw new QuorateError('config', message);
  }
  return new Set(names);
}

function portsOf(chosen: Chosen): ConstructorParameters<typeof Resources>[0] {
  return {
    ...{ sql: chosen['sql-port'], http: chosen['http-port'], peer: chosen['peer-port'] },
    ...{ postgres: chosen['postgres-port'], etcd: chosen['etcd-port'] },
  };
}

/** Before the hour of measuring, not after it. */
function checkWritable(file: string): void {
  try {
    fs.closeSync(fs.openSync(file, 'a'));
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new QuorateError('config', `cannot write ${file}: ${code}`);
  }
}

interface Written {
  readonly date: string;
  readonly args: readonly string[];
  readonly chosen: Chosen;
  readonly bars: readonly BarResult[];
  readonly violations: readonly string[];
}

function writeResult(file: string, { date, args, chosen, bars, violations }: Written): void {
  const { repeat, seconds, warmup } = chosen;
  const result = {
    ...{ format: 'quorate-bars/1', date, machine: describeMachine(), build: describeBuild() },
    ...{ command: ['bench', 'bars', ...args], repeat, seconds, warmUpSeconds: warmup },
    ...{ bars, violations },
  };
  fs.writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
}
