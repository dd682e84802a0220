/**
 * What `quorate bench pipeline` varies: cells (one setting of every switch), and sweeps over them (one figure of the
 * report each). Every cell is an ordinary measurement whose parameters say all of it, so a cell that several sweeps
 * share is measured once, and the report finds it by its parameters.
 */
import { QuorateError } from '../../src/base/errors.ts';
import type { Settings } from '../driver/result.ts';

/** `off`, `on` or a number, as the nodes' flags take them. */
export interface Cell {
  readonly 'raft-batch': string;
  readonly 'raft-pipeline': string;
  readonly 'group-commit': string;
  /** Into how many ranges the table is split. */
  readonly ranges: number;
  /** Statements before one Sync. */
  readonly pipeline: number;
  readonly clients: number;
}

export type Axis = keyof Cell;

export interface Line {
  readonly label: string;
  readonly cell: Partial<Cell>;
}

export interface Sweep {
  readonly id: string;
  readonly title: string;
  /** What the switch does, and what to look for: a sentence each. */
  readonly what: string;
  readonly axis: Axis;
  readonly axisLabel: string;
  readonly values: readonly (string | number)[];
  readonly quickValues: readonly (string | number)[];
  readonly lines: readonly Line[];
}

export const DEFAULT_CELL: Cell = {
  'raft-batch': 'on',
  'raft-pipeline': 'on',
  'group-commit': 'on',
  ranges: 1,
  pipeline: 1,
  clients: 64,
};

const BATCH_ONLY = { 'raft-pipeline': 'off' };
const PIPELINE_ONLY = { 'raft-batch': 'off' };

export const SWEEPS: readonly Sweep[] = [
  {
    id: 'clients',
    title: 'Raft batching and pipelining, by clients',
    what:
      'Batching lets one append and one sync carry all entries that wait; pipelining lets the next append leave ' +
      'before the last is acknowledged. With both off, entries are replicated one at a time.',
    axis: 'clients',
    axisLabel: 'clients',
    values: [1, 4, 16, 64, 256],
    quickValues: [1, 16, 64],
    lines: [
      { label: 'both on', cell: {} },
      { label: 'batching only', cell: BATCH_ONLY },
      { label: 'pipelining only', cell: PIPELINE_ONLY },
      { label: 'both off', cell: { ...BATCH_ONLY, ...PIPELINE_ONLY } },
    ],
  },
  {
    id: 'raft-batch',
    title: 'Raft batching: entries per append',
    what:
      '--raft-batch bounds the entries of one append to a follower, and those of one range in one sync of the log; ' +
      'a batch is never waited for, so the limit matters only when more entries are there.',
    axis: 'raft-batch',
    axisLabel: 'entries per append, at most',
    values: ['off', '4', '16', '64', 'on'],
    quickValues: ['off', '16', 'on'],
    lines: [
      { label: 'pipelining on', cell: {} },
      { label: 'pipelining off', cell: BATCH_ONLY },
    ],
  },
  {
    id: 'raft-pipeline',
    title: 'Raft pipelining: appends in flight',
    what:
      '--raft-pipeline bounds the appends that are out to one follower and not acknowledged; where a single append ' +
      'may carry everything that waits, depth has little left to hide.',
    axis: 'raft-pipeline',
    axisLabel: 'appends in flight, at most',
    values: ['off', '2', '4', '8', '16', 'on'],
    quickValues: ['off', '4', 'on'],
    lines: [
      { label: 'batching on', cell: {} },
      { label: 'batching off', cell: PIPELINE_ONLY },
    ],
  },
  {
    id: 'group-commit',
    title: 'Group commit across ranges',
    what:
      'A node keeps one log for all its ranges: with --group-commit on, whatever they have to write leaves in one ' +
      'write and one sync; off, each range pays for its own.',
    axis: 'ranges',
    axisLabel: 'ranges of the table',
    values: [1, 4, 8],
    quickValues: [1, 4],
    lines: [
      { label: 'group commit on', cell: {} },
      { label: 'group commit off', cell: { 'group-commit': 'off' } },
    ],
  },
  {
    id: 'client-pipelining',
    title: 'Client pipelining: statements per Sync',
    what:
      'A client that sends several statements before one Sync pays one round trip and one commit for all of them: ' +
      'together they are one transaction.',
    axis: 'pipeline',
    axisLabel: 'statements per Sync',
    values: [1, 2, 4, 8, 16, 32, 64],
    quickValues: [1, 8, 64],
    lines: [
      { label: '16 clients', cell: { clients: 16 } },
      { label: '1 client', cell: { clients: 1 } },
    ],
  },
];

export function cellAt(sweep: Sweep, line: Line, value: string | number): Cell {
  return { ...DEFAULT_CELL, ...line.cell, [sweep.axis]: value };
}

export function isCell(parameters: Settings, cell: Cell): boolean {
  return (Object.keys(cell) as Axis[]).every((name) => parameters[name] === cell[name]);
}

/** Cells that need the same nodes. */
export interface CellGroup {
  readonly flags: readonly string[];
  readonly ranges: number;
  /** In the order to be measured: cells of the same statements per Sync follow each other. */
  readonly cells: readonly Cell[];
}

/** All cells of the sweeps, each once. Throws for a sweep that there is not. */
export function planCells(ids: readonly string[] | undefined, isQuick: boolean): CellGroup[] {
  const groups = new Map<string, { flags: string[]; ranges: number; cells: Map<string, Cell> }>();
  for (const sweep of sweepsNamed(ids)) {
    for (const value of isQuick ? sweep.quickValues : sweep.values) {
      for (const line of sweep.lines) {
        const cell = cellAt(sweep, line, value);
        const flags = flagsOf(cell);
        const key = `${flags.join(' ')} ${cell.ranges}`;
        const group = groups.get(key) ?? { flags, ranges: cell.ranges, cells: new Map() };
        groups.set(key, group);
        group.cells.set(`${cell.pipeline} ${cell.clients}`, cell);
      }
    }
  }
  return [...groups.values()].map(({ flags, ranges, cells }) => {
    const sorted = [...cells.values()].sort((a, b) => a.pipeline - b.pipeline);
    return { flags, ranges, cells: sorted };
  });
}

function sweepsNamed(ids: readonly string[] | undefined): readonly Sweep[] {
  if (ids === undefined) return SWEEPS;
  return ids.map((id) => {
    const sweep = SWEEPS.find((each) => each.id === id);
    if (sweep !== undefined) return sweep;
    const known = SWEEPS.map((each) => each.id).join(', ');
    throw new QuorateError('config', `there is no sweep "${id}"; there are ${known}`);
  });
}

function flagsOf(cell: Cell): string[] {
  const names = ['raft-batch', 'raft-pipeline', 'group-commit'] as const;
  return names.flatMap((name) => [`--${name}`, cell[name]]);
}
