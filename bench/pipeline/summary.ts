/**
 * The figures of the report: per cell the medians of its repetitions, and what the nodes' counters say of them. A cell
 * that was not measured, or in which nothing succeeded, is not there.
 */
import type { Measurement } from '../driver/result.ts';
import { totalCounters } from '../driver/observe.ts';
import type { Spread } from '../statistics.ts';
import { spreadOf } from '../statistics.ts';
import type { Line, Sweep } from './sweeps.ts';
import { cellAt, isCell } from './sweeps.ts';

export interface Point {
  readonly value: string | number;
  readonly repetitions: number;
  /** Statements per second that were committed. */
  readonly throughput: Spread;
  /** Milliseconds from sending to the answer of all statements of a Sync. */
  readonly p50: Spread;
  readonly p99: Spread;
  readonly entriesPerAppend: number;
  readonly appendsInFlight: number;
  readonly entriesPerSync: number;
  /** Per operation, all nodes together. */
  readonly syncs: number;
  readonly cpuMs: number;
  readonly bytesPerEntry: number;
  /** By the nodes and the clients. */
  readonly coresBusy: number;
  readonly errors: number;
}

export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
}

export interface Summary {
  readonly sweep: Sweep;
  readonly series: readonly Series[];
}

/** Sweeps of which at least one line has two points. */
export function summarize(
  sweeps: readonly Sweep[],
  measurements: readonly Measurement[],
): readonly Summary[] {
  return sweeps
    .map((sweep) => ({
      sweep,
      series: sweep.lines.map((line) => seriesOf(sweep, line, measurements)),
    }))
    .filter(({ series }) => series.some(({ points }) => points.length > 1));
}

function seriesOf(sweep: Sweep, line: Line, measurements: readonly Measurement[]): Series {
  const points = sweep.values.flatMap((value) => {
    const cell = cellAt(sweep, line, value);
    const found = measurements.filter(
      ({ parameters, operations }) => isCell(parameters, cell) && operations > 0,
    );
    return found.length === 0 ? [] : [pointOf(value, found)];
  });
  return { label: line.label, points };
}

function pointOf(value: string | number, found: readonly Measurement[]): Point {
  const spread = (of: (each: Measurement) => number): Spread => spreadOf(found.map(of));
  const ratio = (above: string, below: string): number =>
    spread((each) => {
      const totals = totalCounters(each.nodes);
      const divisor = totals[below] ?? 0;
      return divisor === 0 ? 0 : (totals[above] ?? 0) / divisor;
    }).median;
  return {
    value,
    repetitions: found.length,
    throughput: spread((each) => each.throughput * (each.units?.perOperation ?? 1)),
    p50: spread((each) => latencyOf(each, 'p50')),
    p99: spread((each) => latencyOf(each, 'p99')),
    entriesPerAppend: ratio('raftAppendEntries', 'raftAppends'),
    appendsInFlight: ratio('raftInflightSum', 'raftAppends'),
    entriesPerSync: ratio('logEntries', 'logSyncs'),
    bytesPerEntry: ratio('raftAppendBytes', 'raftAppendEntries'),
    syncs: spread((each) => (totalCounters(each.nodes)['logSyncs'] ?? 0) / each.operations).median,
    cpuMs: spread((each) => (cpuSecondsOf(each) * 1000) / each.operations).median,
    coresBusy: spread((each) => (cpuSecondsOf(each) + each.driver.cpuSeconds) / each.seconds)
      .median,
    errors: found.reduce((sum, { errors }) => sum + sumOf(Object.values(errors)), 0),
  };
}

/** The workload has one kind of operation. */
function latencyOf({ latency }: Measurement, which: 'p50' | 'p99'): number {
  return (Object.values(latency)[0]?.[which] ?? 0) / 1000;
}

function cpuSecondsOf({ nodes }: Measurement): number {
  return sumOf(nodes.map(({ cpuSeconds }) => cpuSeconds ?? 0));
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
