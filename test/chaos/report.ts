/** What a run of chaos has measured, in words. */
import { quantile } from './availability.ts';
import type { Fault } from './faults.ts';

export interface Round {
  readonly fault: Fault;
  readonly words: string;
  /** The longest time in which nothing was committed anywhere. */
  readonly gapMs: number;
  /** Until all ranges that had lost their leader went on; undefined where none had. */
  readonly resumedMs: number | undefined;
  /** How long the slowest question waited at a node that was cut off. */
  readonly answerMs: number | undefined;
  /** Of commits while it lasted, and before. */
  readonly p99Ms: number;
  readonly calmP99Ms: number;
  /** Until all nodes served again. */
  readonly healedMs: number;
}

interface Bar {
  readonly fault: Fault;
  readonly of: 'resumedMs' | 'answerMs';
  readonly mostMs: number;
  readonly words: string;
}

const BARS: readonly Bar[] = [
  {
    ...{ fault: 'leader killed', of: 'resumedMs', mostMs: 2000 },
    words: 'commits resume after kill -9 of a leader (median)',
  },
  {
    ...{ fault: 'leader stopped', of: 'resumedMs', mostMs: 2500 },
    words: 'commits resume elsewhere when a leader is stopped (median)',
  },
  {
    ...{ fault: 'minority cut off', of: 'answerMs', mostMs: 5000 },
    words: 'a node that is cut off answers (slowest)',
  },
];

const seconds = (ms: number): string => (ms === Infinity ? 'never' : `${(ms / 1000).toFixed(2)} s`);

export function lineOf(round: Round): string {
  const parts = [
    `${round.words}: nothing committed for ${seconds(round.gapMs)}`,
    round.resumedMs === undefined
      ? undefined
      : `its ranges resumed after ${seconds(round.resumedMs)}`,
    round.answerMs === undefined ? undefined : `it answered within ${seconds(round.answerMs)}`,
    `p99 ${round.p99Ms.toFixed(0)} ms (before: ${round.calmP99Ms.toFixed(0)} ms)`,
    `all served ${seconds(round.healedMs)} after it ended`,
  ];
  return parts.filter((part) => part !== undefined).join('; ');
}

export function summary(rounds: readonly Round[]): string {
  const kinds = [...new Set(rounds.map(({ fault }) => fault))];
  const rows = kinds.map((kind) => {
    const own = rounds.filter(({ fault }) => fault === kind);
    const gaps = sorted(own.map(({ gapMs }) => gapMs));
    const p99s = sorted(own.map(({ p99Ms }) => p99Ms));
    return [
      kind.padEnd(18),
      String(own.length).padStart(6),
      seconds(quantile(gaps, 0.5)).padStart(10),
      seconds(gaps.at(-1) ?? 0).padStart(10),
      `${quantile(p99s, 0.5).toFixed(0)} ms`.padStart(10),
    ].join('');
  });
  const head = `${'fault'.padEnd(18)}rounds   gap median   gap max  p99`;
  return ['', head, ...rows, '', ...BARS.flatMap((bar) => barOf(bar, rounds))].join('\n');
}

function barOf({ fault, of, mostMs, words }: Bar, rounds: readonly Round[]): string[] {
  const values = sorted(
    rounds.flatMap((round) => (round.fault === fault ? [round[of] ?? Infinity] : [])),
  );
  if (values.length === 0) return [];
  const value = (of === 'answerMs' ? values.at(-1) : quantile(values, 0.5)) ?? Infinity;
  const verdict = value <= mostMs ? 'met' : 'NOT met';
  return [
    `${words}: ${seconds(value)} of ${values.length}, at most ${seconds(mostMs)}: ${verdict} ` +
      `(${values.map(seconds).join(', ')})`,
  ];
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}
