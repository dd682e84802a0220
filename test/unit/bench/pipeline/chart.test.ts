/** Charts: where things are, and that ticks are numbers people use. */
import { describe, expect, it } from 'vitest';
import type { Chart } from '../../../../bench/pipeline/chart.ts';
import { formatNumber, renderChart } from '../../../../bench/pipeline/chart.ts';

function chartOf(values: readonly number[], isLogarithmic: boolean): Chart {
  const places = values.map((_, i) => String(i));
  const points = values.map((y, i) => ({ place: String(i), y, min: y, max: y }));
  const labels = { title: 'T', xLabel: 'x', yLabel: 'y, ms' };
  return { ...labels, places, lines: [{ label: 'a', points }], isLogarithmic };
}

function ticksOf(svg: string): string[] {
  return [...svg.matchAll(/class="y-tick"[^>]*>\s*([^<]*?)\s*<\/text/g)].map(([, text]) => text!);
}

function gridOf(svg: string): number[] {
  return [...svg.matchAll(/class="grid" d="M[\d.]+ ([\d.]+)H/g)].map(([, y]) => Number(y));
}

/** Heights of the first line's points. */
function heightsOf(svg: string): number[] {
  return [...svg.matchAll(/<circle[^>]* cy="([\d.]+)"/g)].map(([, y]) => Number(y));
}

describe('a linear axis', () => {
  it.each([
    [
      [5031, 344],
      ['0', '2000', '4000', '6000'],
    ],
    [
      [5000, 1],
      ['0', '1000', '2000', '3000', '4000', '5000'],
    ],
    [[0.3], ['0', '0.1', '0.2', '0.3']],
    [[48_000], ['0', '10k', '20k', '30k', '40k', '50k']],
  ])('of %j has the ticks %j', (values, ticks) => {
    expect(ticksOf(renderChart(chartOf(values, false)).text)).toEqual(ticks);
  });

  it('is in proportion', () => {
    const svg = renderChart(chartOf([1000, 2000], false)).text;
    const [low = 0, high = 0] = heightsOf(svg);
    const zero = gridOf(svg)[0] ?? 0;
    expect(zero - high).toBeCloseTo(2 * (zero - low), 0);
  });
});

describe('a logarithmic axis', () => {
  it.each([
    [
      [11.4, 90],
      ['10', '20', '50', '100'],
    ],
    [
      [2.15, 89.5],
      ['2', '5', '10', '20', '50', '100'],
    ],
    [
      [0.7, 900],
      ['0.5', '1', '10', '100', '1000'],
    ],
    [
      [5, 5],
      ['5', '10'],
    ],
  ])('of %j has the ticks %j', (values, ticks) => {
    expect(ticksOf(renderChart(chartOf(values, true)).text)).toEqual(ticks);
  });

  it('gives equal ratios equal distances, ticks and points alike', () => {
    const svg = renderChart(chartOf([30, 60, 120], true)).text;
    const [a = 0, b = 0, c = 0] = heightsOf(svg);
    expect(a - b).toBeCloseTo(b - c, 0);
    const [twenty = 0, fifty = 0, hundred = 0, twoHundred = 0] = gridOf(svg);
    expect(fifty - hundred).toBeCloseTo(hundred - twoHundred, 0);
    expect(twenty - fifty).toBeGreaterThan(fifty - hundred);
    expect(twenty).toBeGreaterThan(a);
  });
});

describe('a chart', () => {
  it('stays within its frame, whatever it is given', () => {
    for (const values of [[0], [0, 0], [1e-3, 1e9], [7]]) {
      for (const isLogarithmic of [true, false]) {
        const svg = renderChart(chartOf(values, isLogarithmic)).text;
        expect(svg).not.toMatch(/NaN|Infinity|undefined/);
        for (const y of [...heightsOf(svg), ...gridOf(svg)]) {
          expect(y).toBeGreaterThanOrEqual(20);
          expect(y).toBeLessThanOrEqual(240);
        }
      }
    }
  });

  it('says in words what it shows, and escapes them', () => {
    const chart = { ...chartOf([5], false), title: 'A "<b>"' };
    const svg = renderChart(chart).text;
    expect(svg).toContain('aria-label="A &quot;&lt;b&gt;&quot;. y, ms by x. a: 0: 5."');
  });

  it('shows the range of repetitions where there is one', () => {
    const chart = chartOf([5, 10], false);
    expect(renderChart(chart).text).not.toContain('whisker');
    const points = [{ place: '0', y: 5, min: 1, max: 9 }];
    expect(renderChart({ ...chart, lines: [{ label: 'a', points }] }).text).toContain('whisker');
  });
});

it.each([
  [0, '0'],
  [0.04567, '0.0457'],
  [12.34, '12.3'],
  [344.2, '344'],
  [9999, '9999'],
  [12_345, '12.3k'],
  [2_500_000, '2.5M'],
])('%d is written %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});
