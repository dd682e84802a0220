/**
 * Two runs side by side. Measurements meet by workload, parameters and target; of each side's repetitions the median
 * counts. Noise is what the repetitions themselves show: when the ranges of the two sides overlap, the difference is
 * called noise, whatever the ratio. With one repetition a side there is no range, and it is said that noise is unknown.
 *
 * Results of different machines, or of different versions of Node, are compared with a warning.
 */
import { mergeDistributions } from './driver/histogram.ts';
import type { Measurement, RunResult } from './driver/result.ts';
import type { Spread } from './statistics.ts';
import { spreadOf } from './statistics.ts';

export interface ComparedPair {
  readonly label: string;
  readonly throughput: ComparedFigure;
  /** p50 and p99 over all kinds, in microseconds. */
  readonly p50: ComparedFigure;
  readonly p99: ComparedFigure;
  /** CPU of all nodes per operation, in microseconds; undefined where a side does not know it. */
  readonly cpu: ComparedFigure | undefined;
}

export interface ComparedFigure {
  readonly a: Spread;
  readonly b: Spread;
  /** Median of B over median of A; undefined when A's is zero. */
  readonly ratio: number | undefined;
  readonly verdict: 'within noise' | 'differs' | 'noise unknown';
}

export interface Comparison {
  readonly warnings: readonly string[];
  readonly pairs: readonly ComparedPair[];
  /** Labels of what only one side measured. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
}

export function compareResults(a: RunResult, b: RunResult): Comparison {
  const left = groupOf(a.measurements);
  const right = groupOf(b.measurements);
  const pairs: ComparedPair[] = [];
  for (const [label, measuredA] of left) {
    const measuredB = right.get(label);
    if (measuredB !== undefined) pairs.push(comparePair(label, measuredA, measuredB));
  }
  return {
    warnings: warningsOf(a, b),
    pairs,
    onlyA: [...left.keys()].filter((label) => !right.has(label)),
    onlyB: [...right.keys()].filter((label) => !left.has(label)),
  };
}

/** By what makes measurements repetitions of each other. */
function groupOf(measurements: readonly Measurement[]): Map<string, Measurement[]> {
  const groups = new Map<string, Measurement[]>();
  for (const measured of measurements) {
    const label = labelOf(measured);
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [measured]);
    else group.push(measured);
  }
  return groups;
}

function labelOf({ workload, target, parameters }: Measurement): string {
  const sorted = Object.entries(parameters).sort(([x], [y]) => (x < y ? -1 : 1));
  const chosen = sorted.map(([name, value]) => `${name}=${value}`).join(' ');
  return `${workload} on ${target}, ${chosen}`;
}

function comparePair(
  label: string,
  a: readonly Measurement[],
  b: readonly Measurement[],
): ComparedPair {
  const figure = (of: (measured: Measurement) => number): ComparedFigure =>
    compareFigures(a.map(of), b.map(of));
  const knowsCpu = [...a, ...b].every((each) => cpuPerOperation(each) !== undefined);
  return {
    label,
    throughput: figure(({ throughput }) => throughput),
    p50: figure((measured) => overall(measured).p50),
    p99: figure((measured) => overall(measured).p99),
    cpu: knowsCpu ? figure((measured) => cpuPerOperation(measured) ?? 0) : undefined,
  };
}

function overall({ latency }: Measurement): { readonly p50: number; readonly p99: number } {
  const kinds = Object.values(latency);
  const [only] = kinds;
  return kinds.length === 1 && only !== undefined ? only : mergeDistributions(kinds);
}

function cpuPerOperation({ nodes, operations }: Measurement): number | undefined {
  if (operations === 0 || nodes.length === 0) return undefined;
  let seconds = 0;
  for (const { cpuSeconds } of nodes) {
    if (cpuSeconds === undefined) return undefined;
    seconds += cpuSeconds;
  }
  return (seconds / operations) * 1e6;
}

export function compareFigures(a: readonly number[], b: readonly number[]): ComparedFigure {
  const spreadA = spreadOf(a);
  const spreadB = spreadOf(b);
  const ratio = spreadA.median === 0 ? undefined : spreadB.median / spreadA.median;
  const isOverlapping = spreadA.min <= spreadB.max && spreadB.min <= spreadA.max;
  const isSingle = spreadA.count < 2 || spreadB.count < 2;
  const verdict = isSingle ? 'noise unknown' : isOverlapping ? 'within noise' : 'differs';
  return { a: spreadA, b: spreadB, ratio, verdict };
}

function warningsOf(a: RunResult, b: RunResult): readonly string[] {
  const warnings: string[] = [];
  if (a.machine.cpus !== b.machine.cpus || a.machine.cpuModel !== b.machine.cpuModel) {
    warnings.push('the machines differ: ratios say little');
  }
  if (a.machine.node !== b.machine.node) {
    warnings.push(`the drivers' Node differs: ${a.machine.node} and ${b.machine.node}`);
  }
  for (const [side, { measurements }] of [['A', a] as const, ['B', b] as const]) {
    const violated = measurements.filter(({ violations }) => violations.length > 0).length;
    if (violated > 0) warnings.push(`${violated} measurements of ${side} failed their check`);
  }
  return warnings;
}

export function formatComparison({ warnings, pairs, onlyA, onlyB }: Comparison): string {
  const lines = warnings.map((warning) => `warning: ${warning}`);
  for (const { label, throughput, p50, p99, cpu } of pairs) {
    lines.push(label);
    lines.push(figureLine('throughput, /s', throughput, 1));
    lines.push(figureLine('p50, ms', p50, 1000));
    lines.push(figureLine('p99, ms', p99, 1000));
    if (cpu !== undefined) lines.push(figureLine('CPU of nodes per operation, us', cpu, 1));
  }
  if (pairs.length === 0) lines.push('the two have no measurement in common');
  for (const label of onlyA) lines.push(`only in A: ${label}`);
  for (const label of onlyB) lines.push(`only in B: ${label}`);
  return `${lines.join('\n')}\n`;
}

function figureLine(name: string, { a, b, ratio, verdict }: ComparedFigure, unit: number): string {
  const side = ({ median, min, max, count }: Spread): string => {
    const shown = [median, min, max].map((value) => number(value / unit));
    return `${shown[0] ?? ''} (${shown[1] ?? ''} to ${shown[2] ?? ''}, n=${count})`;
  };
  const times = ratio === undefined ? '-' : `x ${ratio.toFixed(3)}`;
  return `  ${name.padEnd(32)} ${side(a)} -> ${side(b)}  ${times}  ${verdict}`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(3);
}
