/** What is noted of operations while they are measured: latencies by kind, failures and retries by SQLSTATE. */
import { LatencyHistogram } from './histogram.ts';
import type { Distribution } from './result.ts';

export class Recorder {
  readonly #latency = new Map<string, LatencyHistogram>();
  readonly #serviceTime = new Map<string, LatencyHistogram>();
  readonly #delay = LatencyHistogram.empty();
  readonly #errors = new Map<string, number>();
  readonly #retries = new Map<string, number>();
  /** Only what happens while this is true is noted. */
  isOn = false;
  operations = 0;

  succeeded(kind: string, latencyUs: number, serviceUs: number): void {
    if (!this.isOn) return;
    this.operations++;
    histogramOf(this.#latency, kind).record(latencyUs);
    histogramOf(this.#serviceTime, kind).record(serviceUs);
  }

  failed(sqlState: string): void {
    if (this.isOn) count(this.#errors, sqlState);
  }

  retried(sqlState: string): void {
    if (this.isOn) count(this.#retries, sqlState);
  }

  /** An operation that a client was waiting for began so much after it was due. */
  delayed(microseconds: number): void {
    if (this.isOn) this.#delay.record(microseconds);
  }

  get latency(): Record<string, Distribution> {
    return distributionsOf(this.#latency);
  }

  get serviceTime(): Record<string, Distribution> {
    return distributionsOf(this.#serviceTime);
  }

  get delay(): Distribution {
    return this.#delay.toDistribution();
  }

  get errors(): Record<string, number> {
    return Object.fromEntries([...this.#errors].sort());
  }

  get retries(): Record<string, number> {
    return Object.fromEntries([...this.#retries].sort());
  }
}

function histogramOf(histograms: Map<string, LatencyHistogram>, kind: string): LatencyHistogram {
  let found = histograms.get(kind);
  if (found === undefined) {
    found = LatencyHistogram.empty();
    histograms.set(kind, found);
  }
  return found;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function distributionsOf(
  histograms: ReadonlyMap<string, LatencyHistogram>,
): Record<string, Distribution> {
  const sorted = [...histograms].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([kind, each]) => [kind, each.toDistribution()]));
}
