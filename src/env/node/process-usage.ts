/**
 * What the process has used since it started: memory, processor time, garbage collections, and the event loop. Nothing
 * of it is read more often than it is asked for, but the loop's lateness, which a timer samples ten times a second.
 */
import { PerformanceObserver, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import process from 'node:process';

export interface ProcessUsage {
  readonly rssBytes: number;
  /** Those that end in `Max` are the highest value seen; all others only grow. Milliseconds are fractional. */
  readonly counters: Readonly<Record<string, number>>;
}

const SAMPLE_MS = 100;

/** Watches from now on, once per process; returns how to read. Keeps no process alive. */
export function watchProcess(): () => ProcessUsage {
  let gcPauses = 0;
  let gcMs = 0;
  let gcMsMax = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      gcPauses++;
      gcMs += duration;
      if (duration > gcMsMax) gcMsMax = duration;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
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
      ...{ gcPauses, gcMs, gcMsMax },
      loopBusyMs: performance.eventLoopUtilization().active,
      ...{ loopLateMs, loopLateMsMax, loopSamples: count },
    };
    return { rssBytes: process.memoryUsage.rss(), counters };
  };
}
