/** Runs of `quorate bench pipeline` that nobody made: figures a test can know. */
import type { Measurement, RunResult } from '../../../../bench/driver/result.ts';
import { RESULT_FORMAT } from '../../../../bench/driver/result.ts';
import type { Cell } from '../../../../bench/pipeline/sweeps.ts';
import { DEFAULT_CELL } from '../../../../bench/pipeline/sweeps.ts';

interface Made {
  readonly cell?: Partial<Cell>;
  readonly throughput?: number;
  readonly p50?: number;
  readonly repetition?: number;
  readonly counters?: Readonly<Record<string, number>>;
  readonly violations?: readonly string[];
}

export function measurementOf(made: Made): Measurement {
  const cell = { ...DEFAULT_CELL, ...made.cell };
  const { clients, pipeline } = cell;
  const { throughput = 1000, p50 = 5000, counters = {} } = made;
  const tail = { p90: p50, p99: 2 * p50, p999: 3 * p50, max: 4 * p50, histogram: '' };
  return {
    workload: 'point-write',
    parameters: { rows: 10_000, bytes: 256, ...cell },
    target: 'quorate',
    repetition: made.repetition ?? 1,
    mode: 'closed',
    clients,
    units: { name: 'statements', perOperation: pipeline },
    seconds: 2,
    operations: 2 * throughput,
    throughput,
    latency: { write: { count: 2 * throughput, mean: p50, p50, ...tail } },
    errors: {},
    retries: {},
    violations: made.violations ?? [],
    driver: { cpuSeconds: 1, stallMax: 0 },
    nodes: [
      { name: 'node 1', cpuSeconds: 1, counters, gauges: {} },
      { name: 'node 2', cpuSeconds: 1, counters, gauges: {} },
    ],
  };
}

export function runOf(
  measurements: readonly Measurement[],
  part: Partial<RunResult> = {},
): RunResult {
  return {
    format: RESULT_FORMAT,
    date: '2026-01-02T03:04:05.678Z',
    machine: { cpus: 2, cpuModel: 'A CPU', memoryBytes: 2 ** 33, os: 'Linux', node: 'v20.0.0' },
    build: { version: '1.2.3', commit: '0123456789abcdef0123-dirty' },
    command: ['bench', 'pipeline'],
    settings: { nodes: 3 },
    measurements,
    ...part,
  };
}
