/**
 * What the process has used since it started: memory, processor time, garbage collections, and the event loop. Nothing
 * of it is read more often than it is asked for, but the loop's lateness, which a timer samples ten times a second.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import process from 'node:process';
import v8 from 'node:v8';
import type { GcPause, GcWatch } from './gc-pauses.ts';
import { watchGc } from './gc-pauses.ts';

export interface ProcessUsage {
  /** Since the start of the process, on the clock of `gcLongest`. */
  readonly uptimeMs: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** V8 ends the process beyond it. */
  readonly heapLimitBytes: number;
  /** Buffers outside of the heap. */
  readonly externalBytes: number;
  /** Each was longer than all that came after it. */
  readonly gcLongest: readonly GcPause[];
  /** Those that end in `Max` are the highest value seen; all others only grow. Milliseconds are fractional. */
  readonly counters: Readonly<Record<string, number>>;
}

const SAMPLE_MS = 100;

/** As the flags of the process have it: fixed once it runs. */
export function heapLimitBytes(): number {
  return v8.getHeapStatistics().heap_size_limit;
}

/** Watches from now on, once per process; returns how to read. Keeps no process alive. */
export function watchProcess(): () => ProcessUsage {
  const gc = watchGc();
  const delays = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delays.enable();
  return () => {
    const { user, system } = process.cpuUsage();
    const { count, mean, max } = delays;
    // What is recorded is the time between two samples.
    const loopLateMs = count === 0 ? 0 : Math.max(0, (mean / 1e6 - SAMPLE_MS) * count);
    const loopLateMsMax = count === 0 ? 0 : Math.max(0, max / 1e6 - SAMPLE_MS);
    const counters = {
      cpuUserMs: user / 1000,
      cpuSystemMs: system / 1000,
      ...gcCounters(gc),
      loopBusyMs: performance.eventLoopUtilization().active,
      ...{ loopLateMs, loopLateMsMax, loopSamples: count },
    };
    const { rss, heapUsed, external } = process.memoryUsage();
    const memory = { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external };
    return {
      ...{ uptimeMs: performance.now(), gcLongest: gc.longest.list() },
      ...{ ...memory, heapLimitBytes: heapLimitBytes(), counters },
    };
  };
}

function gcCounters({ minor, major }: GcWatch): Record<string, number> {
  return {
    gcPauses: minor.count + major.count,
    gcMs: minor.ms + major.ms,
    gcMsMax: Math.max(minor.msMax, major.msMax),
    ...{ gcMinorPauses: minor.count, gcMinorMs: minor.ms, gcMinorMsMax: minor.msMax },
    ...{ gcMajorPauses: major.count, gcMajorMs: major.ms, gcMajorMsMax: major.msMax },
  };
}
