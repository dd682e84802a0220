/** Measurements for people: what was measured, and what it cost the nodes, so that a figure explains itself. */
import { mergeDistributions } from './driver/histogram.ts';
import { totalCounters } from './driver/observe.ts';
import type { Distribution, GcUsage, Measurement } from './driver/result.ts';
import { spreadOf } from './statistics.ts';
import { tpmCOf } from './workloads/tpcc/definition.ts';

/** Several lines, the last one ended. */
export function formatMeasurement(measured: Measurement): string {
  const { latency, mode } = measured;
  const lines = [headline(measured), `  throughput   ${throughputOf(measured)}`];
  const tpmC = tpmCOf(measured);
  if (tpmC !== undefined) lines.push(`  tpmC         ${tpmC.toFixed(0)}`);
  const kinds = Object.entries(latency);
  const from = mode === 'open' ? 'from when it was due' : 'service time';
  lines.push(`  latency, ms  (${from}) ${'p50'.padStart(12)}      p90      p99    p99.9      max`);
  for (const [kind, each] of kinds) lines.push(distributionLine(kind, each));
  if (kinds.length > 1) {
    lines.push(distributionLine('all', mergeDistributions(Object.values(latency))));
  }
  if (measured.serviceTime !== undefined) {
    for (const [kind, each] of Object.entries(measured.serviceTime)) {
      lines.push(distributionLine(`${kind}, from its start`, each));
    }
  }
  lines.push(...openLines(measured));
  lines.push(`  errors       ${countsOf(measured.errors)}`);
  if (Object.keys(measured.retries).length > 0) {
    lines.push(`  retries      ${countsOf(measured.retries)}`);
  }
  lines.push(...costLines(measured));
  const { violations } = measured;
  lines.push(`  check        ${violations.length === 0 ? 'holds' : 'VIOLATED'}`);
  for (const violation of violations) lines.push(`    ${violation}`);
  return `${lines.join('\n')}\n`;
}

/** After several repetitions: the median and how far they lie apart. */
export function formatSummary(measurements: readonly Measurement[]): string {
  const { median, min, max } = spreadOf(measurements.map(({ throughput }) => throughput));
  const away = median === 0 ? 0 : ((max - min) / median) * 100;
  return (
    `${measurements.length} repetitions: median ${round(median)} /s, ` +
    `${round(min)} to ${round(max)} (${away.toFixed(1)} % of the median)\n`
  );
}

function headline({
  workload,
  target,
  mode,
  rate,
  clients,
  seconds,
  ...rest
}: Measurement): string {
  const parameters = Object.entries(rest.parameters)
    .filter(([name]) => name !== 'clients' && name !== 'rate')
    .map(([name, value]) => `${name} ${value}`);
  const loop = mode === 'open' ? `open loop, ${rate ?? 0} /s due` : 'closed loop';
  const what = [`${clients} clients`, loop, `${seconds.toFixed(1)} s`, ...parameters];
  return `${workload} on ${target}, repetition ${rest.repetition}: ${what.join(', ')}`;
}

function throughputOf({ throughput, units }: Measurement): string {
  const operations = `${round(throughput)} operations/s`;
  if (units === undefined) return operations;
  return `${operations}, ${round(throughput * units.perOperation)} ${units.name}/s`;
}

function distributionLine(kind: string, { p50, p90, p99, p999, max, count }: Distribution): string {
  const cells = [p50, p90, p99, p999, max].map((each) => milliseconds(each).padStart(9));
  return `    ${kind.padEnd(30)}${cells.join('')}   (${count})`;
}

function openLines({ mode, backlog, driver }: Measurement): readonly string[] {
  if (mode !== 'open') return [];
  const { startDelay } = driver;
  const lines = [`  backlog      ${backlog ?? 0} operations were due and not done at the end`];
  if (startDelay !== undefined && startDelay.count > 0) {
    lines.push(
      `  timer        operations for which a client was waiting began late by p50 ` +
        `${milliseconds(startDelay.p50)} ms, p99 ${milliseconds(startDelay.p99)} ms: part of latency`,
    );
  }
  return lines;
}

function costLines(measured: Measurement): readonly string[] {
  const { nodes, driver, operations, seconds } = measured;
  const perOperation = (value: number): number => (operations === 0 ? 0 : value / operations);
  const lines = nodes.map(({ name, cpuSeconds, rssMaxBytes, gc }) => {
    const cpu =
      cpuSeconds === undefined
        ? 'CPU not known'
        : `${(perOperation(cpuSeconds) * 1000).toFixed(4)} ms CPU per operation ` +
          `(${((cpuSeconds / seconds) * 100).toFixed(0)} % of a core)`;
    const rss =
      rssMaxBytes === undefined ? '' : `, ${Math.round(rssMaxBytes / 1048576)} MiB at most`;
    return `  ${name.padEnd(12)} ${cpu}${rss}${pausesOf(gc)}`;
  });
  const us = (perOperation(driver.cpuSeconds) * 1e6).toFixed(1);
  lines.push(
    `  driver       ${us} us CPU per operation ` +
      `(${((driver.cpuSeconds / seconds) * 100).toFixed(0)} % of a core), ` +
      `longest stall ${milliseconds(driver.stallMax)} ms`,
  );
  const totals = Object.entries(totalCounters(nodes)).filter(([, value]) => value !== 0);
  if (totals.length > 0) lines.push('  per operation, all nodes together:');
  for (const [name, value] of totals.sort(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`    ${name.padEnd(28)} ${significant(perOperation(value))}`);
  }
  return lines;
}

/** Of the node's one thread. */
function pausesOf(gc: GcUsage | undefined): string {
  if (gc === undefined) return '';
  const { pauses, ms, longestMs } = gc;
  return `, GC ${ms.toFixed(0)} ms in ${pauses} pauses, longest ${longestMs.toFixed(1)} ms`;
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([state, count]) => `${state}: ${count}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** Of microseconds. */
function milliseconds(us: number): string {
  return (us / 1000).toFixed(us < 100_000 ? 3 : 0);
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function significant(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
