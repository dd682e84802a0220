/**
 * Latencies in HDR histograms of microseconds: three significant digits from 1 us to ten minutes, so that a percentile
 * is off by at most 0.1 %. Constant memory, whatever the number of operations.
 */
import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';
import type { Distribution } from './result.ts';

/** Ten minutes; what takes longer is recorded as this. */
const LATENCY_MAX_US = 600_000_000;

export class LatencyHistogram {
  readonly #histogram: Histogram;

  private constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  static empty(): LatencyHistogram {
    return new LatencyHistogram(
      build({
        ...{ bitBucketSize: 32, autoResize: false, lowestDiscernibleValue: 1 },
        ...{ highestTrackableValue: LATENCY_MAX_US, numberOfSignificantValueDigits: 3 },
      }),
    );
  }

  /** Of `Distribution.histogram`. Throws when the text is not one. */
  static decode(text: string): LatencyHistogram {
    const merged = LatencyHistogram.empty();
    merged.#histogram.add(decodeFromCompressedBase64(text));
    return merged;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Below one microsecond is one. */
  record(microseconds: number): void {
    const whole = Math.round(microseconds);
    this.#histogram.recordValue(whole < 1 ? 1 : Math.min(whole, LATENCY_MAX_US));
  }

  add(other: LatencyHistogram): void {
    this.#histogram.add(other.#histogram);
  }

  /** Microseconds; 0 when nothing was recorded. */
  percentile(percent: number): number {
    return Math.min(this.#histogram.getValueAtPercentile(percent), this.#histogram.maxValue);
  }

  toDistribution(): Distribution {
    const { totalCount, mean, maxValue } = this.#histogram;
    return {
      count: totalCount,
      mean: totalCount === 0 ? 0 : Math.round(mean),
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: maxValue,
      histogram: encodeIntoCompressedBase64(this.#histogram),
    };
  }
}

/** One distribution of several: of all kinds, of all repetitions. */
export function mergeDistributions(parts: readonly Distribution[]): Distribution {
  const merged = LatencyHistogram.empty();
  for (const part of parts) merged.add(LatencyHistogram.decode(part.histogram));
  return merged.toDistribution();
}

/** For curves: latency in microseconds at each of these percentiles. */
export function percentilesOf(
  distribution: Distribution,
  percents: readonly number[],
): readonly number[] {
  const histogram = LatencyHistogram.decode(distribution.histogram);
  return percents.map((percent) => histogram.percentile(percent));
}
