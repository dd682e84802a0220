/** The table of bars: what is judged how, that what is compared alternates, and that a failing side spares the others. */
import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/base/errors.ts';
import type { Bar, Cell, CellRun, Group } from '../../../bench/bars/bar.ts';
import { verdictOf } from '../../../bench/bars/bar.ts';
import { ETCD_GROUP, SWITCH_GROUP } from '../../../bench/bars/driver-bars.ts';
import { PGBENCH_GROUP } from '../../../bench/bars/pgbench-bars.ts';
import { formatBars } from '../../../bench/bars/report.ts';
import { Resources } from '../../../bench/bars/resources.ts';
import { runGroups } from '../../../bench/bars/run-groups.ts';
import { SYSBENCH_GROUP } from '../../../bench/bars/sysbench-bars.ts';

const PORTS = { sql: 1, http: 1, peer: 1, postgres: 1, etcd: 1 };

function barOf(name: string, ours: string, theirs: string): Bar {
  return {
    ...{ name, title: name, peer: 'the other', ours, theirs, bar: 1, aim: 2 },
    ...{ unit: 'per second', missing: () => undefined },
  };
}

interface Journal {
  readonly runs: string[];
  readonly warmUps: number[];
}

function cellOf(journal: Journal, name: string, values: readonly number[]): Cell {
  return {
    name,
    measure: (_resources: Resources, { repetition, warmUpSeconds }: CellRun) => {
      journal.runs.push(`${name}${repetition}`);
      journal.warmUps.push(warmUpSeconds);
      const value = values[repetition - 1];
      if (value === undefined) return Promise.reject(new QuorateError('bench', 'it broke'));
      return Promise.resolve({ value, failed: 1, violations: [] });
    },
  };
}

async function run(group: Group, only?: ReadonlySet<string>) {
  const lines: string[] = [];
  const options = {
    repeat: 3,
    seconds: 1,
    warmUpSeconds: 8,
    only,
    say: (l: string) => lines.push(l),
  };
  return runGroups([group], () => new Resources(PORTS), options);
}

describe('what a ratio reaches', () => {
  it('is at least the bar for rates, and at most for times', () => {
    const rate = { bar: 1.5, aim: 2.5, unit: 'per second' } as const;
    expect([1.4, 1.5, 2.5].map((ratio) => verdictOf(rate, ratio))).toEqual([
      'missed',
      'bar',
      'aim',
    ]);
    const time = { bar: 3, aim: 2, unit: 'microseconds' } as const;
    expect([3.1, 3, 2].map((ratio) => verdictOf(time, ratio))).toEqual(['missed', 'bar', 'aim']);
    expect(verdictOf(rate, Number.NaN)).toBe('missed');
  });
});

describe('groups of cells', () => {
  it('alternate, warm up fully once, and compare medians', async () => {
    const journal: Journal = { runs: [], warmUps: [] };
    const cells = [cellOf(journal, 'a', [10, 90, 30]), cellOf(journal, 'b', [20, 10, 15])];
    const check = () => Promise.resolve(['the sums differ']);
    const { bars, violations } = await run({ cells, bars: [barOf('x', 'a', 'b')], check });
    expect(journal.runs).toEqual(['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
    expect(journal.warmUps).toEqual([8, 8, 2, 2, 2, 2]);
    expect(bars[0]?.ratio).toBe(2);
    expect(bars[0]?.verdict).toBe('aim');
    expect(bars[0]?.ours?.failed).toBe(3);
    expect(violations).toEqual(['the sums differ']);
  });

  it('measure only what the chosen bars compare', async () => {
    const journal: Journal = { runs: [], warmUps: [] };
    const cells = ['a', 'b', 'c'].map((name) => cellOf(journal, name, [1, 1, 1]));
    const bars = [barOf('x', 'a', 'b'), barOf('y', 'a', 'c')];
    const group = { cells, bars, check: () => Promise.resolve([]) };
    const found = await run(group, new Set(['y']));
    expect(found.bars.map(({ name }) => name)).toEqual(['y']);
    expect(new Set(journal.runs)).toEqual(new Set(['a1', 'a2', 'a3', 'c1', 'c2', 'c3']));
  });

  it('go on without a cell that failed or whose program is missing', async () => {
    const journal: Journal = { runs: [], warmUps: [] };
    const cells = [
      cellOf(journal, 'a', [1, 1, 1]),
      cellOf(journal, 'b', [1]),
      cellOf(journal, 'c', [1, 1, 1]),
    ];
    const absent = { ...barOf('z', 'a', 'd'), missing: () => 'd is not installed' };
    const bars = [barOf('x', 'a', 'b'), barOf('y', 'a', 'c'), absent];
    const found = await run({ cells, bars, check: () => Promise.resolve([]) });
    const told = found.bars.map(({ verdict, why }) => [verdict, why]);
    expect(told).toEqual([
      ['not measured', 'it broke'],
      ['bar', undefined],
      ['not measured', 'd is not installed'],
    ]);
    expect(journal.runs).not.toContain('b3');
  });
});

describe('the bars', () => {
  const groups = [PGBENCH_GROUP, ETCD_GROUP, SYSBENCH_GROUP, SWITCH_GROUP];
  it.each(groups)('compare cells that their group has', ({ cells, bars }) => {
    const names = cells.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { ours, theirs } of bars) {
      expect(names).toContain(ours);
      expect(names).toContain(theirs);
    }
  });

  it('are shown with their medians and how far samples lie apart', () => {
    const head = {
      name: 'x',
      title: 'writes',
      peer: 'etcd',
      unit: 'per second',
      bar: 2,
      aim: 4,
    } as const;
    const ours = { cell: 'a', median: 200, samples: [180, 200, 220], failed: 0 };
    const theirs = { cell: 'b', median: 100, samples: [100], failed: 0 };
    const measured = { ...head, ours, theirs, ratio: 2, verdict: 'bar' } as const;
    const absent = { ...head, verdict: 'not measured', why: 'etcd is\nnot installed' } as const;
    const lines = formatBars([measured, absent]).split('\n');
    expect(lines[2]).toMatch(/\| writes \| etcd +\| 200 ± 10 % \| 100 +\| 2\.00 .* bar reached /);
    expect(lines[3]).toContain('not measured: etcd is not installed');
  });
});
