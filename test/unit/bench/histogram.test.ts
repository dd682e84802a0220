/** Latencies are kept to three digits, survive being written down, and add up. */
import { describe, expect, it } from 'vitest';
import {
  LatencyHistogram,
  mergeDistributions,
  percentilesOf,
} from '../../../bench/driver/histogram.ts';

function of(values: Iterable<number>): LatencyHistogram {
  const histogram = LatencyHistogram.empty();
  for (const value of values) histogram.record(value);
  return histogram;
}

function* upTo(count: number, step: number): Generator<number> {
  for (let i = 1; i <= count; i++) yield i * step;
}

describe('LatencyHistogram', () => {
  it('tells percentiles to a thousandth', () => {
    const found = of(upTo(10_000, 7)).toDistribution();
    for (const [value, expected] of [
      [found.p50, 35_000],
      [found.p90, 63_000],
      [found.p99, 69_300],
      [found.p999, 69_930],
      [found.mean, 35_003.5],
    ] as const) {
      expect(Math.abs(value - expected) / expected).toBeLessThan(0.001);
    }
    expect(found.count).toBe(10_000);
    expect(found.max).toBeGreaterThanOrEqual(70_000);
  });

  it('never tells a percentile above the maximum', () => {
    const found = of([123_457]).toDistribution();
    expect(found.p50).toBe(found.max);
  });

  it('records what is too small as the smallest and what is too large as the largest', () => {
    const found = of([0, 0.2, 1e12]).toDistribution();
    expect(found.p50).toBe(1);
    expect(found.max).toBeGreaterThanOrEqual(600_000_000);
    expect(found.count).toBe(3);
  });

  it('is the same after it was written down', () => {
    const written = of(upTo(1000, 13)).toDistribution();
    const read = LatencyHistogram.decode(written.histogram).toDistribution();
    // Only the maximum was exact before.
    expect({ ...read, max: 0 }).toEqual({ ...written, max: 0 });
    expect(Math.abs(read.max - written.max) / written.max).toBeLessThan(0.001);
    expect(percentilesOf(written, [50, 99])).toEqual([written.p50, written.p99]);
  });

  it('adds up', () => {
    const low = of(upTo(100, 1)).toDistribution();
    const high = of(upTo(100, 1000)).toDistribution();
    const merged = mergeDistributions([low, high]);
    expect(merged.count).toBe(200);
    expect(merged.p50).toBe(100);
    expect(Math.abs(merged.max - high.max) / high.max).toBeLessThan(0.001);
  });

  it('of nothing is zeros', () => {
    const { p99, mean, max, count } = mergeDistributions([]);
    expect([p99, mean, max, count]).toEqual([0, 0, 0, 0]);
  });
});
