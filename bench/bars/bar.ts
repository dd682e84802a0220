/**
 * The words of the table of bars. A *cell* is one thing that is measured, on one side: a workload with so many clients
 * on Quorate, or on a peer. A *bar* compares two cells. A *group* holds the cells that share servers and data; one
 * repetition measures each of its cells once, in this order, so that what is compared alternates.
 */
import type { Resources } from './resources.ts';

export interface Sample {
  /** Operations a second, or microseconds where the bar is about those. */
  readonly value: number;
  /** Operations that failed in the window. */
  readonly failed: number;
  /** What a check after the run found wrong. */
  readonly violations: readonly string[];
}

export interface CellRun {
  /** Seconds not counted, before the window. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** From 1. */
  readonly repetition: number;
}

export interface Cell {
  readonly name: string;
  /** Loads what it needs when that is not there yet; that is not part of the window. */
  readonly measure: (resources: Resources, run: CellRun) => Promise<Sample>;
}

export interface Bar {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly peer: string;
  /** Names of cells of the same group: what is judged, and what it is compared with. */
  readonly ours: string;
  readonly theirs: string;
  /** Of the ratio of medians: at least and aim; for times, where less is better, at most and aim. */
  readonly bar: number;
  readonly aim: number;
  readonly unit: 'per second' | 'microseconds';
  /** Why it cannot be measured on this machine, if so. */
  readonly missing: () => string | undefined;
}

export interface Group {
  readonly cells: readonly Cell[];
  readonly bars: readonly Bar[];
  /** After the last repetition: what is wrong with the data. */
  readonly check: (resources: Resources) => Promise<readonly string[]>;
}

export interface BarResult {
  readonly name: string;
  readonly title: string;
  readonly peer: string;
  readonly unit: Bar['unit'];
  readonly bar: number;
  readonly aim: number;
  /** Absent when the bar could not be measured; `why` says so. */
  readonly ours?: CellResult | undefined;
  readonly theirs?: CellResult | undefined;
  readonly ratio?: number | undefined;
  readonly verdict: Verdict;
  readonly why?: string | undefined;
}

export interface CellResult {
  readonly cell: string;
  readonly median: number;
  readonly samples: readonly number[];
  readonly failed: number;
}

export type Verdict = 'aim' | 'bar' | 'missed' | 'not measured';

/** Where less is better the bar is an upper bound. */
export function verdictOf(
  { bar, aim, unit }: Pick<Bar, 'bar' | 'aim' | 'unit'>,
  ratio: number,
): Verdict {
  const reaches = (limit: number): boolean =>
    unit === 'microseconds' ? ratio <= limit : ratio >= limit;
  if (reaches(aim)) return 'aim';
  return reaches(bar) ? 'bar' : 'missed';
}
