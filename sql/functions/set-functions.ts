/**
 * Functions that return rows: generate_series over integers, numeric and timestamps, regexp_split_to_table. Rows come
 * one at a time, so a LIMIT above costs what it reads.
 */
import { SqlError } from '../errors/sql-error.ts';
import type { Datum, Interval } from '../types/datum.ts';
import type { Decimal } from '../types/decimal.ts';
import { intervalSpan } from '../types/compare.ts';
import { addToTimestamp, addToTimestamptz } from '../types/temporal.ts';
import { INT4, INT8, INTERVAL, NUMERIC, TEXT, TIMESTAMP, TIMESTAMPTZ } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { EvalContext } from './eval-context.ts';
import type { Volatility } from './function-types.ts';
import { DECIMAL_STEP, decimalSeries } from './math-functions.ts';
import { regexFor } from './patterns.ts';

export interface SetEntry {
  readonly name: string;
  readonly argTypes: readonly SqlType[];
  readonly resultType: SqlType;
  readonly volatility: Volatility;
  readonly rows: (args: readonly Datum[], ctx: EvalContext) => Iterable<Datum>;
}

function zeroStep(): SqlError {
  return new SqlError('22023', 'step size cannot equal zero');
}

const INT4_MAX = 2147483647;
const INT4_MIN = -2147483648;
const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -9223372036854775808n;

function* intSeries(start: number, stop: number, step: number): Iterable<Datum> {
  if (step === 0) throw zeroStep();
  for (let i = start; step > 0 ? i <= stop : i >= stop; i += step) {
    yield i;
    if (i + step > INT4_MAX || i + step < INT4_MIN) return;
  }
}

function* bigintSeries(start: bigint, stop: bigint, step: bigint): Iterable<Datum> {
  if (step === 0n) throw zeroStep();
  for (let i = start; step > 0n ? i <= stop : i >= stop; i += step) {
    yield i;
    if (i + step > INT8_MAX || i + step < INT8_MIN) return;
  }
}

function* timeSeries(
  start: bigint,
  stop: bigint,
  step: Interval,
  next: (value: bigint) => bigint,
): Iterable<Datum> {
  const span = intervalSpan(step);
  if (span === 0n) throw zeroStep();
  for (let value = start; span > 0n ? value <= stop : value >= stop; value = next(value)) {
    yield value;
  }
}

function* splitRows(value: string, pattern: string, flags: string): Iterable<Datum> {
  yield* value.split(regexFor(pattern, flags));
}

function series(type: SqlType, rows: SetEntry['rows']): SetEntry[] {
  const shared = {
    name: 'generate_series',
    resultType: type,
    volatility: 'immutable',
    rows,
  } as const;
  return [
    { ...shared, argTypes: [type, type] },
    { ...shared, argTypes: [type, type, type] },
  ];
}

export const SET_FUNCTIONS: readonly SetEntry[] = [
  ...series(INT4, ([start, stop, step = 1]) =>
    intSeries(start as number, stop as number, step as number),
  ),
  ...series(INT8, ([start, stop, step = 1n]) =>
    bigintSeries(start as bigint, stop as bigint, step as bigint),
  ),
  ...series(NUMERIC, ([start, stop, step = DECIMAL_STEP]) =>
    decimalSeries(start as Decimal, stop as Decimal, step as Decimal),
  ),
  {
    name: 'generate_series',
    argTypes: [TIMESTAMP, TIMESTAMP, INTERVAL],
    resultType: TIMESTAMP,
    volatility: 'immutable',
    rows: ([start, stop, step]) =>
      timeSeries(start as bigint, stop as bigint, step as Interval, (value) =>
        addToTimestamp(value, step as Interval),
      ),
  },
  {
    name: 'generate_series',
    argTypes: [TIMESTAMPTZ, TIMESTAMPTZ, INTERVAL],
    resultType: TIMESTAMPTZ,
    volatility: 'stable',
    rows: ([start, stop, step], ctx) =>
      timeSeries(start as bigint, stop as bigint, step as Interval, (value) =>
        addToTimestamptz(value, step as Interval, ctx.timeZone),
      ),
  },
  {
    name: 'regexp_split_to_table',
    argTypes: [TEXT, TEXT],
    resultType: TEXT,
    volatility: 'immutable',
    rows: ([value, pattern]) => splitRows(value as string, pattern as string, ''),
  },
  {
    name: 'string_to_table',
    argTypes: [TEXT, TEXT],
    resultType: TEXT,
    volatility: 'immutable',
    rows: ([value, delimiter]) =>
      delimiter === '' ? [value as string] : (value as string).split(delimiter as string),
  },
];
