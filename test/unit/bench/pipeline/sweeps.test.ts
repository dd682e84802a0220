/** Which settings are measured, and which figure of the report each belongs to. */
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_CELL,
  SWEEPS,
  cellAt,
  isCell,
  planCells,
} from '../../../../bench/pipeline/sweeps.ts';
import { settingsOf } from '../../../../src/bin/setting-flags.ts';

describe('the plan of an ablation', () => {
  it.each([true, false])('has every cell of every sweep, once (quick: %s)', (isQuick) => {
    const groups = planCells(undefined, isQuick);
    const cells = groups.flatMap((group) => group.cells);
    const names = cells.map((cell) => JSON.stringify(cell));
    expect(new Set(names).size).toBe(names.length);
    for (const sweep of SWEEPS) {
      for (const line of sweep.lines) {
        for (const value of isQuick ? sweep.quickValues : sweep.values) {
          expect(cells).toContainEqual(cellAt(sweep, line, value));
        }
      }
    }
  });

  it('starts nodes once for all cells that need the same, with flags that they take', () => {
    const groups = planCells(undefined, false);
    const keys = groups.map(({ flags, ranges }) => `${flags.join(' ')} ${ranges}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { flags, ranges, cells } of groups) {
      const values = Object.fromEntries(
        flags.flatMap((flag, i) => (i % 2 === 0 ? [[flag.slice(2), flags[i + 1]]] : [])),
      ) as Record<string, string>;
      expect(() => settingsOf(values)).not.toThrow();
      for (const cell of cells) expect(cell).toMatchObject({ ...values, ranges });
    }
  });

  it('lets cells of the same statements per Sync follow each other: they share a table', () => {
    for (const { cells } of planCells(undefined, false)) {
      const pipelines = cells.map(({ pipeline }) => pipeline);
      expect(pipelines).toEqual([...pipelines].sort((a, b) => a - b));
    }
  });

  it('is that of the sweeps asked for', () => {
    const cells = planCells(['client-pipelining'], true).flatMap((group) => group.cells);
    expect(cells.map(({ pipeline, clients }) => [pipeline, clients])).toEqual([
      [1, 16],
      [1, 1],
      [8, 16],
      [8, 1],
      [64, 16],
      [64, 1],
    ]);
    expect(() => planCells(['everything'], true)).toThrow('there is no sweep "everything"');
  });

  it('knows a cell by its parameters', () => {
    expect(isCell({ rows: 1, ...DEFAULT_CELL }, DEFAULT_CELL)).toBe(true);
    expect(isCell({ ...DEFAULT_CELL, clients: 63 }, DEFAULT_CELL)).toBe(false);
    expect(isCell({ ...DEFAULT_CELL, 'raft-batch': '16' }, DEFAULT_CELL)).toBe(false);
  });
});
