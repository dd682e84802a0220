/**
 * Garbage collections of this process, as V8 reports them: how many, how long, and the longest of any time that ends
 * now. Minor ones empty the nursery; all others (mark and compact, the steps of incremental marking, weak callbacks)
 * are major. What V8 does beside the event loop, on threads of its own, is no pause and not counted.
 */
import type { PerformanceEntry } from 'node:perf_hooks';
import { PerformanceObserver, constants } from 'node:perf_hooks';

export interface GcPause {
  /** When it ended: milliseconds since the process started. */
  readonly endedMs: number;
  readonly ms: number;
}

/** Milliseconds are fractional. */
export interface GcTotals {
  count: number;
  ms: number;
  msMax: number;
}

/** What could be the longest of a reader's window is kept: so many of them, and the longest of all. */
const PAUSES_MAX = 256;

/**
 * Pauses that no later one was as long as. For every moment, the first of them that ended after it is the longest since
 * then. They get shorter to the end, so that there are few: of random ones, as many as the logarithm of their number.
 */
export class LongestPauses {
  readonly #pauses: GcPause[] = [];

  add(pause: GcPause): void {
    const pauses = this.#pauses;
    while ((pauses.at(-1)?.ms ?? Infinity) <= pause.ms) pauses.pop();
    pauses.push(pause);
    // The second goes, as if it had been as short as the third: the first is the longest ever.
    if (pauses.length > PAUSES_MAX) pauses.splice(1, 1);
  }

  list(): readonly GcPause[] {
    return [...this.#pauses];
  }
}

/** What the observer is given for the type `gc`. */
type GcEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };

export interface GcWatch {
  readonly minor: Readonly<GcTotals>;
  readonly major: Readonly<GcTotals>;
  readonly longest: LongestPauses;
}

/** Watches from now on. */
export function watchGc(): GcWatch {
  const watch = { minor: noTotals(), major: noTotals(), longest: new LongestPauses() };
  const observer = new PerformanceObserver((list) => {
    for (const { startTime, duration, detail } of list.getEntries() as GcEntry[]) {
      const totals =
        detail.kind === constants.NODE_PERFORMANCE_GC_MINOR ? watch.minor : watch.major;
      totals.count++;
      totals.ms += duration;
      if (duration > totals.msMax) totals.msMax = duration;
      watch.longest.add({ endedMs: startTime + duration, ms: duration });
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return watch;
}

function noTotals(): GcTotals {
  return { count: 0, ms: 0, msMax: 0 };
}
