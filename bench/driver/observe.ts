/**
 * What nodes used and counted: processor time and resident memory of processes from /proc (where there is one), and the
 * numbers of `GET /status`, whatever they are called. Reading never fails: what cannot be told is left out.
 */
import fs from 'node:fs';
import type { GcUsage, NodeUsage } from './result.ts';
import type { Observation, Pauses } from './target.ts';

/** Of /proc/PID/stat: Linux tells user space 100 ticks a second on every architecture. */
const TICKS_PER_SECOND = 100;
const STATUS_TIMEOUT_MS = 3000;

/** User and system time of all threads since the process began. */
export function cpuSecondsOf(pid: number): number | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : cpuSecondsIn(text);
}

/** The name of the program comes first, in parentheses, and may hold anything. */
export function cpuSecondsIn(stat: string): number | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : undefined;
}

export function rssBytesOf(pid: number): number | undefined {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

function readText(file: string): string | undefined {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** Undefined when the node does not answer. */
export async function fetchStatus(host: string, httpPort: number): Promise<unknown> {
  try {
    const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
    const response = await fetch(`http://${host}:${httpPort}/status`, { signal });
    return await response.json();
  } catch {
    return undefined;
  }
}

/** Values that say how things are, not how often something happened: a difference of them would mean nothing. */
function isGauge(name: string): boolean {
  return /(Now|Max|Peak)$/.test(name) || name === 'memoryTableBytes';
}

/** The numbers of a status's `counters`, nested ones with their path as name. */
export function countersOf(status: unknown): Pick<Observation, 'counters' | 'gauges'> {
  const counters: Record<string, number> = {};
  const gauges: Record<string, number> = {};
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'number') {
      if (isGauge(path)) gauges[path] = value;
      else counters[path] = value;
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, each] of Object.entries(value)) {
        visit(each, path === '' ? key : `${path}.${key}`);
      }
    }
  };
  visit((status as { counters?: unknown } | undefined)?.counters, '');
  return { counters, gauges };
}

/** Undefined when the status does not have them. */
export function pausesOf(status: unknown): Pauses | undefined {
  const { uptimeMs, gcLongest } = (status ?? {}) as Partial<Pauses>;
  return typeof uptimeMs === 'number' && Array.isArray(gcLongest)
    ? { uptimeMs, gcLongest }
    : undefined;
}

/** Those that began before the first observation count to the window when they ended after it. */
function gcBetween(
  before: Pauses | undefined,
  after: Pauses | undefined,
  counters: Readonly<Record<string, number>>,
): GcUsage | undefined {
  const { gcPauses: pauses, gcMs: ms } = counters;
  if (before === undefined || after === undefined || pauses === undefined || ms === undefined) {
    return undefined;
  }
  // A process that began again has had all of its pauses since.
  const sinceMs = after.uptimeMs < before.uptimeMs ? 0 : before.uptimeMs;
  const longest = after.gcLongest.find(({ endedMs }) => endedMs > sinceMs);
  return { pauses, ms, longestMs: longest?.ms ?? 0 };
}

/** Between two observations of the same nodes, with the largest resident sizes sampled between them. */
export function usageBetween(
  before: readonly Observation[],
  after: readonly Observation[],
  rssMax: readonly (number | undefined)[],
): readonly NodeUsage[] {
  return after.map((node, i) => {
    const first = before[i];
    const rss = [first?.rssBytes, node.rssBytes, rssMax[i]].filter((each) => each !== undefined);
    const counters = differences(first?.counters ?? {}, node.counters);
    return {
      name: node.name,
      cpuSeconds: difference(first?.cpuSeconds, node.cpuSeconds),
      rssMaxBytes: rss.length === 0 ? undefined : Math.max(...rss),
      counters,
      gc: gcBetween(first?.pauses, node.pauses, counters),
      gauges: node.gauges,
    };
  });
}

/** A sum that fell belongs to a process that began again, from nothing. */
function difference(before: number | undefined, after: number | undefined): number | undefined {
  if (before === undefined || after === undefined) return undefined;
  return after < before ? after : Number((after - before).toFixed(6));
}

function differences(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [name, value] of Object.entries(after)) {
    result[name] = difference(before[name] ?? 0, value) ?? value;
  }
  return result;
}

/** Sums over the nodes, by the counter's name. */
export function totalCounters(nodes: readonly NodeUsage[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const { counters } of nodes) {
    for (const [name, value] of Object.entries(counters)) {
      totals[name] = (totals[name] ?? 0) + value;
    }
  }
  return totals;
}
