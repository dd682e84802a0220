/** Two results side by side: what meets what, ratios of medians, and when a difference is noise. */
import { describe, expect, it } from 'vitest';
import { compareFigures, compareResults, formatComparison } from '../../../bench/compare.ts';
import { LatencyHistogram } from '../../../bench/driver/histogram.ts';
import type { Measurement, RunResult } from '../../../bench/driver/result.ts';
import { RESULT_FORMAT } from '../../../bench/driver/result.ts';
import { formatMeasurement } from '../../../bench/table.ts';

function measured(
  throughput: number,
  repetition: number,
  more: Partial<Measurement> = {},
): Measurement {
  const histogram = LatencyHistogram.empty();
  for (let us = 1000; us <= 2000; us += 10) histogram.record(us);
  return {
    ...{ workload: 'w', parameters: { clients: 4, rows: 10 }, target: 't', repetition },
    ...{ mode: 'closed', clients: 4, seconds: 10, operations: throughput * 10, throughput },
    latency: { op: histogram.toDistribution() },
    ...{ errors: {}, retries: {}, violations: [], driver: { cpuSeconds: 1, stallMax: 0 } },
    nodes: [{ name: 'node 1', cpuSeconds: 5, counters: { syncs: throughput }, gauges: {} }],
    ...more,
  };
}

function resultOf(measurements: readonly Measurement[], node = 'v20.0.0'): RunResult {
  return {
    ...{ format: RESULT_FORMAT, date: '2026-01-01T00:00:00Z', command: [], settings: {} },
    machine: { cpus: 2, cpuModel: 'm', memoryBytes: 1, os: 'o', node },
    build: { version: '0' },
    measurements,
  };
}

describe('compareFigures', () => {
  it('is the ratio of the medians', () => {
    expect(compareFigures([1, 100, 10], [20, 22])).toMatchObject({
      ...{ ratio: 2.1, verdict: 'within noise' },
    });
    expect(compareFigures([0], [1]).ratio).toBeUndefined();
  });

  it('calls a difference noise when repetitions overlap, and knows of none without repetitions', () => {
    expect(compareFigures([10, 12], [12, 15]).verdict).toBe('within noise');
    expect(compareFigures([10, 12], [12.1, 15]).verdict).toBe('differs');
    expect(compareFigures([12.1, 15], [10, 12]).verdict).toBe('differs');
    expect(compareFigures([10], [20, 21]).verdict).toBe('noise unknown');
  });
});

describe('compareResults', () => {
  it('brings together equal workload, parameters and target, in whatever order they are written', () => {
    const a = resultOf([
      measured(100, 1),
      measured(110, 2),
      measured(5, 1, { workload: 'gone' }),
      measured(7, 1, { parameters: { clients: 8, rows: 10 } }),
    ]);
    const b = resultOf([
      measured(200, 1, { parameters: { rows: 10, clients: 4 } }),
      measured(230, 2, { parameters: { rows: 10, clients: 4 } }),
      measured(7, 1, { target: 'other' }),
    ]);
    const { pairs, onlyA, onlyB, warnings } = compareResults(a, b);
    expect(pairs.map(({ label }) => label)).toEqual(['w on t, clients=4 rows=10']);
    expect(pairs[0]?.throughput).toMatchObject({ verdict: 'differs' });
    expect(pairs[0]?.throughput.ratio).toBeCloseTo(215 / 105, 5);
    expect(pairs[0]?.p50.ratio).toBe(1);
    expect(pairs[0]?.cpu?.ratio).toBeCloseTo(105 / 215, 1);
    expect([onlyA.length, onlyB.length, warnings.length]).toEqual([2, 1, 0]);
    const text = formatComparison(compareResults(a, b));
    expect(text).toContain('x 2.048  differs');
  });

  it('warns of other machines and of results that failed their check', () => {
    const a = resultOf([measured(1, 1)]);
    const b = resultOf([measured(1, 1, { violations: ['money is gone'] })], 'v22.0.0');
    const { warnings } = compareResults(a, b);
    expect(warnings).toHaveLength(2);
  });
});

describe('formatMeasurement', () => {
  it('says what was measured, what it cost and what is wrong', () => {
    const text = formatMeasurement(
      measured(100, 1, {
        ...{ errors: { '40001': 3 }, violations: ['a row is gone'] },
        units: { name: 'rows', perOperation: 10 },
      }),
    );
    expect(text).toContain('100 operations/s, 1000 rows/s');
    expect(text).toContain('40001: 3');
    expect(text).toContain('5.0000 ms CPU per operation (50 % of a core)');
    expect(text).toMatch(/syncs +0\.1\n/);
    expect(text).toContain('VIOLATED\n    a row is gone');
    expect(text).toMatch(/op +1\.500/);
    expect(text).not.toContain('GC');
  });

  it('says how long nodes collected garbage', () => {
    const gc = { pauses: 7, ms: 123.4, longestMs: 45.67 };
    const nodes = measured(100, 1).nodes.map((node) => ({ ...node, gc }));
    const text = formatMeasurement(measured(100, 1, { nodes }));
    expect(text).toContain(', GC 123 ms in 7 pauses, longest 45.7 ms\n');
  });
});
