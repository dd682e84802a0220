/**
 * Measures groups of cells: repetition by repetition, in each every cell once, so that what is compared alternates and
 * what the machine does meanwhile meets both sides. Medians of the repetitions are compared. A cell that fails is not
 * tried again, and its bars are not measured; the others go on.
 */
import { QuorateError } from '../../src/base/errors.ts';
import { spreadOf } from '../statistics.ts';
import type { Bar, BarResult, Cell, CellResult, Group, Sample } from './bar.ts';
import { verdictOf } from './bar.ts';
import type { Resources } from './resources.ts';

export interface RunOptions {
  readonly repeat: number;
  readonly seconds: number;
  /** Before a cell's first window; later ones get `LATER_WARM_UP_SECONDS` at most. */
  readonly warmUpSeconds: number;
  /** Names of bars; undefined: all. */
  readonly only: ReadonlySet<string> | undefined;
  /** Told what happens, a line each. */
  readonly say: (line: string) => void;
}

export interface GroupsResult {
  readonly bars: readonly BarResult[];
  readonly violations: readonly string[];
}

/** What ran a moment ago is compiled and cached already. */
const LATER_WARM_UP_SECONDS = 2;

interface Noted {
  readonly samples: Sample[];
  failure?: string;
}

export async function runGroups(
  groups: readonly Group[],
  makeResources: () => Resources,
  options: RunOptions,
): Promise<GroupsResult> {
  const bars: BarResult[] = [];
  const violations: string[] = [];
  for (const group of groups) {
    const wanted = group.bars.filter(({ name }) => options.only?.has(name) ?? true);
    const possible = wanted.filter((bar) => bar.missing() === undefined);
    const names = new Set(possible.flatMap(({ ours, theirs }) => [ours, theirs]));
    const cells = group.cells.filter(({ name }) => names.has(name));
    const noted = new Map<string, Noted>(cells.map(({ name }) => [name, { samples: [] }]));
    if (cells.length > 0) {
      violations.push(...(await runGroup(group, cells, noted, makeResources(), options)));
    }
    bars.push(...wanted.map((bar) => resultOf(bar, noted)));
  }
  return { bars, violations };
}

/** Servers are a group's own: what one leaves behind does not meet the next. */
async function runGroup(
  group: Group,
  cells: readonly Cell[],
  noted: ReadonlyMap<string, Noted>,
  resources: Resources,
  options: RunOptions,
): Promise<string[]> {
  try {
    for (let repetition = 1; repetition <= options.repeat; repetition++) {
      for (const cell of cells) {
        const of = noted.get(cell.name);
        if (of === undefined || of.failure !== undefined) continue;
        await runCell(cell, of, resources, { ...options, repetition });
      }
    }
    const samples = [...noted.values()].flatMap((each) => each.samples);
    return [...samples.flatMap((sample) => sample.violations), ...(await group.check(resources))];
  } finally {
    await resources.stop();
  }
}

async function runCell(
  cell: Cell,
  noted: Noted,
  resources: Resources,
  options: RunOptions & { readonly repetition: number },
): Promise<void> {
  const { seconds, repetition, say } = options;
  const isFirst = repetition === 1;
  const warmUpSeconds = isFirst
    ? options.warmUpSeconds
    : Math.min(LATER_WARM_UP_SECONDS, options.warmUpSeconds);
  try {
    const sample = await cell.measure(resources, { warmUpSeconds, seconds, repetition });
    noted.samples.push(sample);
    const failed = sample.failed === 0 ? '' : `, ${sample.failed} failed`;
    say(`${repetition}: ${cell.name}: ${sample.value.toFixed(0)}${failed}`);
    for (const violation of sample.violations) say(`   VIOLATED: ${violation}`);
  } catch (error) {
    // Anything else is a mistake of this program, which is not to be taken for a result.
    if (!(error instanceof QuorateError) && !hasSqlState(error)) throw error;
    noted.failure = (error as Error).message;
    say(`${repetition}: ${cell.name}: ${noted.failure}`);
  }
}

function hasSqlState(error: unknown): boolean {
  return error instanceof Error && 'sqlState' in error;
}

function resultOf(bar: Bar, noted: ReadonlyMap<string, Noted>): BarResult {
  const { name, title, peer, unit, aim, missing } = bar;
  const head = { name, title, peer, unit, bar: bar.bar, aim };
  const [ours, theirs] = [noted.get(bar.ours), noted.get(bar.theirs)];
  const why = missing() ?? ours?.failure ?? theirs?.failure;
  if (ours === undefined || theirs === undefined || why !== undefined) {
    return { ...head, verdict: 'not measured', why };
  }
  const [left, right] = [cellResult(bar.ours, ours), cellResult(bar.theirs, theirs)];
  const ratio = left.median / right.median;
  return { ...head, ours: left, theirs: right, ratio, verdict: verdictOf(bar, ratio) };
}

function cellResult(cell: string, { samples }: Noted): CellResult {
  const values = samples.map(({ value }) => value);
  const failed = samples.reduce((sum, sample) => sum + sample.failed, 0);
  return { cell, median: spreadOf(values).median, samples: values, failed };
}
