/**
 * Functions of dates, times and intervals. What depends on the session's time zone is stable; now() and its kin take
 * the transaction's, the statement's or the clock's time from the context.
 */
import { SqlError } from '../errors/sql-error.ts';
import {
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  UNIX_EPOCH_DAYS,
  floorDiv,
} from '../types/calendar.ts';
import type { Datum, Interval } from '../types/datum.ts';
import { decimalOfFloat, decimalToNumber } from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';
import { formatFloat8 } from '../types/float-format.ts';
import { justifyDays, justifyHours, justifyInterval, makeInterval } from '../types/interval.ts';
import {
  BOOL,
  DATE,
  FLOAT4,
  FLOAT8,
  INT4,
  INT8,
  INTERVAL,
  NUMERIC,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
} from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import {
  extractFromDate,
  extractFromInterval,
  extractFromTime,
  extractFromTimestamp,
  makeDate,
  truncateInterval,
  truncateTimestamp,
} from '../types/temporal-fields.ts';
import { checkTimestamp } from '../types/temporal-parse.ts';
import {
  ageBetween,
  dateOfTimestamp,
  isInfiniteTimestamp,
  roundMicros,
  timeOfTimestamp,
  timestampOfDate,
  timestampOfTimestamptz,
  timestamptzOfTimestamp,
} from '../types/temporal.ts';
import { fixedZone, resolveTimeZone, zoneAbbreviationOffset } from '../types/time-zone.ts';
import type { TimeZone } from '../types/time-zone.ts';
import type { EvalContext } from './eval-context.ts';
import { entry } from './function-entry.ts';
import type { FunctionEntry } from './function-entry.ts';
import { decimalToChar } from './to-char-number.ts';
import {
  intervalToChar,
  numberFromTemplate,
  timestampFromTemplate,
  timestampToChar,
} from './to-char.ts';

const STABLE = { volatility: 'stable' } as const;
const UNIX_EPOCH_MICROS = BigInt(UNIX_EPOCH_DAYS) * MICROS_PER_DAY;

function zoneNamed(name: string): TimeZone {
  const abbreviated = zoneAbbreviationOffset(name);
  if (abbreviated !== undefined) return fixedZone(name.toUpperCase(), abbreviated);
  // A bare offset is a POSIX zone here, which counts west, unlike in SET TIME ZONE.
  const isBareOffset = /^[+-]?\d/.test(name);
  const flipped = name.startsWith('-') ? name.slice(1) : `-${name.replace(/^\+/, '')}`;
  const zone = resolveTimeZone(isBareOffset ? flipped : name);
  if (zone === undefined) throw new SqlError('22023', `time zone "${name}" not recognized`);
  return zone;
}

function zoneOfInterval(value: Interval): TimeZone {
  if (value.months !== 0 || value.days !== 0) {
    throw new SqlError('22023', 'interval time zone must not include months or days');
  }
  return fixedZone('', Number(value.micros / MICROS_PER_SECOND));
}

function localNow(ctx: EvalContext): bigint {
  return timestampOfTimestamptz(ctx.transactionMicros, ctx.timeZone);
}

const CLOCKS: readonly FunctionEntry[] = [
  ...['now', 'transaction_timestamp', 'current_timestamp'].map((name) =>
    entry(name, [], TIMESTAMPTZ, (_args, ctx) => ctx.transactionMicros, STABLE),
  ),
  entry('statement_timestamp', [], TIMESTAMPTZ, (_args, ctx) => ctx.statementMicros, STABLE),
  entry('clock_timestamp', [], TIMESTAMPTZ, (_args, ctx) => ctx.clockMicros(), {
    volatility: 'volatile',
  }),
  entry('current_date', [], DATE, (_args, ctx) => dateOfTimestamp(localNow(ctx)), STABLE),
  entry('current_time', [], TIME, (_args, ctx) => timeOfTimestamp(localNow(ctx)), STABLE),
  entry('localtime', [], TIME, (_args, ctx) => timeOfTimestamp(localNow(ctx)), STABLE),
  entry('localtimestamp', [], TIMESTAMP, (_args, ctx) => localNow(ctx), STABLE),
  // With a precision: CURRENT_TIMESTAMP(3).
  entry(
    'current_timestamp',
    [INT4],
    TIMESTAMPTZ,
    (args, ctx) => roundMicros(ctx.transactionMicros, args[0] as number),
    STABLE,
  ),
  entry(
    'localtimestamp',
    [INT4],
    TIMESTAMP,
    (args, ctx) => roundMicros(localNow(ctx), args[0] as number),
    STABLE,
  ),
  entry(
    'localtime',
    [INT4],
    TIME,
    (args, ctx) => roundMicros(timeOfTimestamp(localNow(ctx)), args[0] as number),
    STABLE,
  ),
  entry('timeofday', [], TEXT, (_args, ctx) => timeOfDay(ctx), { volatility: 'volatile' }),
];

function timeOfDay(ctx: EvalContext): string {
  const micros = ctx.clockMicros();
  return timestampToChar(charTime(micros, ctx), 'Dy Mon DD HH24:MI:SS.US YYYY TZ');
}

function offsetAt(micros: bigint, zone: TimeZone): number {
  return isInfiniteTimestamp(micros)
    ? 0
    : zone.offsetAt(Number(floorDiv(micros, MICROS_PER_SECOND)));
}

type Extract = (field: string, value: Datum, ctx: EvalContext) => Decimal | null;

const EXTRACTORS: readonly (readonly [typeof DATE, Extract, 'immutable' | 'stable'])[] = [
  [DATE, (field, value) => extractFromDate(field, value as number), 'immutable'],
  [TIME, (field, value) => extractFromTime(field, value as bigint), 'immutable'],
  [
    TIMESTAMP,
    (field, value) => extractFromTimestamp(field, value as bigint, 'timestamp without time zone'),
    'immutable',
  ],
  [
    TIMESTAMPTZ,
    (field, value, ctx) => {
      const micros = value as bigint;
      const local = timestampOfTimestamptz(micros, ctx.timeZone);
      const offset = offsetAt(micros, ctx.timeZone);
      return extractFromTimestamp(field, local, 'timestamp with time zone', offset);
    },
    'stable',
  ],
  [INTERVAL, (field, value) => extractFromInterval(field, value as Interval), 'immutable'],
];

/** date_part of a date takes it for its midnight, and so knows hours; extract does not. */
function partOf(
  extract: Extract,
  type: SqlType,
  args: readonly Datum[],
  ctx: EvalContext,
): Decimal | null {
  const [field, value] = args;
  if (type !== DATE) return extract(field as string, value ?? null, ctx);
  const micros = timestampOfDate(value as number);
  return extractFromTimestamp(field as string, micros, 'timestamp without time zone');
}

/** extract(field from x) gives numeric, date_part(field, x) double precision. */
const FIELDS: readonly FunctionEntry[] = EXTRACTORS.flatMap(([type, extract, volatility]) => [
  entry(
    'extract',
    [TEXT, type],
    NUMERIC,
    (args, ctx) => extract(args[0] as string, args[1] ?? null, ctx),
    { volatility },
  ),
  entry(
    'date_part',
    [TEXT, type],
    FLOAT8,
    (args, ctx) => {
      const value = partOf(extract, type, args, ctx);
      return value === null ? null : decimalToNumber(value);
    },
    { volatility },
  ),
]);

function truncateTz(field: string, micros: bigint, zone: TimeZone): bigint {
  const local = timestampOfTimestamptz(micros, zone);
  const truncated = truncateTimestamp(field, local, 'timestamp with time zone');
  return timestamptzOfTimestamp(truncated, zone);
}

const TRUNCATIONS: readonly FunctionEntry[] = [
  entry('date_trunc', [TEXT, TIMESTAMP], TIMESTAMP, (args) =>
    truncateTimestamp(args[0] as string, args[1] as bigint, 'timestamp without time zone'),
  ),
  entry(
    'date_trunc',
    [TEXT, TIMESTAMPTZ],
    TIMESTAMPTZ,
    (args, ctx) => truncateTz(args[0] as string, args[1] as bigint, ctx.timeZone),
    STABLE,
  ),
  entry(
    'date_trunc',
    [TEXT, TIMESTAMPTZ, TEXT],
    TIMESTAMPTZ,
    (args) => truncateTz(args[0] as string, args[1] as bigint, zoneNamed(args[2] as string)),
    STABLE,
  ),
  entry('date_trunc', [TEXT, INTERVAL], INTERVAL, (args) =>
    truncateInterval(args[0] as string, args[1] as Interval),
  ),
  entry('date_bin', [INTERVAL, TIMESTAMP, TIMESTAMP], TIMESTAMP, (args) => dateBin(args)),
  entry('date_bin', [INTERVAL, TIMESTAMPTZ, TIMESTAMPTZ], TIMESTAMPTZ, (args) => dateBin(args)),
];

function dateBin(args: readonly Datum[]): bigint {
  const stride = args[0] as Interval;
  if (stride.months !== 0) {
    throw new SqlError(
      '0A000',
      'timestamps cannot be binned into intervals containing months or years',
    );
  }
  const width = BigInt(stride.days) * MICROS_PER_DAY + stride.micros;
  if (width <= 0n) throw new SqlError('22008', 'stride must be greater than zero');
  const [source, origin] = [args[1] as bigint, args[2] as bigint];
  return origin + floorDiv(source - origin, width) * width;
}

function today(ctx: EvalContext): bigint {
  return timestampOfDate(dateOfTimestamp(localNow(ctx)));
}

const AGES: readonly FunctionEntry[] = [
  entry('age', [TIMESTAMP, TIMESTAMP], INTERVAL, (args) =>
    ageBetween(args[0] as bigint, args[1] as bigint),
  ),
  entry(
    'age',
    [TIMESTAMPTZ, TIMESTAMPTZ],
    INTERVAL,
    (args, ctx) =>
      ageBetween(
        timestampOfTimestamptz(args[0] as bigint, ctx.timeZone),
        timestampOfTimestamptz(args[1] as bigint, ctx.timeZone),
      ),
    STABLE,
  ),
  entry(
    'age',
    [TIMESTAMP],
    INTERVAL,
    (args, ctx) => ageBetween(today(ctx), args[0] as bigint),
    STABLE,
  ),
  entry(
    'age',
    [TIMESTAMPTZ],
    INTERVAL,
    (args, ctx) => ageBetween(today(ctx), timestampOfTimestamptz(args[0] as bigint, ctx.timeZone)),
    STABLE,
  ),
];

/** x AT TIME ZONE zone, which the grammar turns into timezone(zone, x). */
const ZONES: readonly FunctionEntry[] = [
  entry('timezone', [TEXT, TIMESTAMPTZ], TIMESTAMP, (args) =>
    timestampOfTimestamptz(args[1] as bigint, zoneNamed(args[0] as string)),
  ),
  entry('timezone', [TEXT, TIMESTAMP], TIMESTAMPTZ, (args) =>
    timestamptzOfTimestamp(args[1] as bigint, zoneNamed(args[0] as string)),
  ),
  entry('timezone', [INTERVAL, TIMESTAMPTZ], TIMESTAMP, (args) =>
    timestampOfTimestamptz(args[1] as bigint, zoneOfInterval(args[0] as Interval)),
  ),
  entry('timezone', [INTERVAL, TIMESTAMP], TIMESTAMPTZ, (args) =>
    timestamptzOfTimestamp(args[1] as bigint, zoneOfInterval(args[0] as Interval)),
  ),
];

function timeOfParts(hour: number, minute: number, second: number): bigint {
  const micros =
    BigInt(hour) * MICROS_PER_HOUR +
    BigInt(minute) * MICROS_PER_MINUTE +
    BigInt(Math.round(second * 1e6));
  const isPossible = hour >= 0 && minute >= 0 && minute < 60 && second >= 0 && second <= 60;
  if (!isPossible || micros > MICROS_PER_DAY) {
    throw new SqlError('22008', `time field value out of range: ${hour}:${minute}:${second}`);
  }
  return micros;
}

function timestampOfParts(args: readonly Datum[]): bigint {
  const [year, month, day, hour, minute, second] = args as readonly number[];
  const days = makeDate(year ?? 0, month ?? 0, day ?? 0);
  return timestampOfDate(days) + timeOfParts(hour ?? 0, minute ?? 0, second ?? 0);
}

const PARTS = [INT4, INT4, INT4, INT4, INT4, FLOAT8] as const;

const MAKERS: readonly FunctionEntry[] = [
  entry('make_date', [INT4, INT4, INT4], DATE, (args) =>
    makeDate(args[0] as number, args[1] as number, args[2] as number),
  ),
  entry('make_time', [INT4, INT4, FLOAT8], TIME, (args) =>
    timeOfParts(args[0] as number, args[1] as number, args[2] as number),
  ),
  entry('make_timestamp', PARTS, TIMESTAMP, (args) => timestampOfParts(args)),
  entry(
    'make_timestamptz',
    PARTS,
    TIMESTAMPTZ,
    (args, ctx) => timestamptzOfTimestamp(timestampOfParts(args), ctx.timeZone),
    STABLE,
  ),
  // The binder fills omitted arguments of make_interval with zeros.
  entry('make_interval', [INT4, INT4, INT4, INT4, INT4, INT4, FLOAT8], INTERVAL, (args) => {
    const [years = 0, months = 0, weeks = 0, days = 0, hours = 0, mins = 0, secs = 0] =
      args as readonly number[];
    const micros = BigInt(hours) * MICROS_PER_HOUR + BigInt(mins) * MICROS_PER_MINUTE;
    return makeInterval(
      years * 12 + months,
      weeks * 7 + days,
      micros + BigInt(Math.round(secs * 1e6)),
    );
  }),
  entry('to_timestamp', [FLOAT8], TIMESTAMPTZ, (args) => timestampOfUnix(args[0] as number)),
  entry('justify_days', [INTERVAL], INTERVAL, (args) => justifyDays(args[0] as Interval)),
  entry('justify_hours', [INTERVAL], INTERVAL, (args) => justifyHours(args[0] as Interval)),
  entry('justify_interval', [INTERVAL], INTERVAL, (args) => justifyInterval(args[0] as Interval)),
  entry('isfinite', [DATE], BOOL, (args) => Number.isFinite(args[0])),
  entry('isfinite', [TIMESTAMP], BOOL, (args) => !isInfiniteTimestamp(args[0] as bigint)),
  entry('isfinite', [TIMESTAMPTZ], BOOL, (args) => !isInfiniteTimestamp(args[0] as bigint)),
  entry('isfinite', [INTERVAL], BOOL, () => true),
];

function timestampOfUnix(seconds: number): bigint {
  if (Number.isNaN(seconds)) throw new SqlError('22008', 'timestamp cannot be NaN');
  if (!Number.isFinite(seconds)) {
    return seconds > 0 ? 9223372036854775807n : -9223372036854775808n;
  }
  if (Math.abs(seconds) > 1e13) {
    throw new SqlError('22008', `timestamp out of range: "${formatFloat8(seconds)}"`);
  }
  return checkTimestamp(BigInt(Math.round(seconds * 1e6)) - UNIX_EPOCH_MICROS);
}

function charTime(micros: bigint, ctx: EvalContext): Parameters<typeof timestampToChar>[0] {
  const seconds = Number(floorDiv(micros, MICROS_PER_SECOND));
  return {
    micros: timestampOfTimestamptz(micros, ctx.timeZone),
    zoneName: ctx.timeZone.abbreviationAt(seconds),
    zoneOffset: ctx.timeZone.offsetAt(seconds),
  };
}

function numberToChar(type: typeof INT4, convert: (value: Datum) => Decimal): FunctionEntry {
  return entry('to_char', [type, TEXT], TEXT, (args) =>
    decimalToChar(convert(args[0] ?? null), args[1] as string),
  );
}

function integerDecimal(value: Datum): Decimal {
  return { kind: 'finite', unscaled: BigInt(value as number | bigint), scale: 0 };
}

const TEMPLATES: readonly FunctionEntry[] = [
  entry('to_char', [TIMESTAMP, TEXT], TEXT, (args) =>
    isInfiniteTimestamp(args[0] as bigint)
      ? null
      : timestampToChar(
          { micros: args[0] as bigint, zoneName: '', zoneOffset: 0 },
          args[1] as string,
        ),
  ),
  entry(
    'to_char',
    [TIMESTAMPTZ, TEXT],
    TEXT,
    (args, ctx) =>
      isInfiniteTimestamp(args[0] as bigint)
        ? null
        : timestampToChar(charTime(args[0] as bigint, ctx), args[1] as string),
    STABLE,
  ),
  entry('to_char', [INTERVAL, TEXT], TEXT, (args) =>
    intervalToChar(args[0] as Interval, args[1] as string),
  ),
  numberToChar(INT4, integerDecimal),
  numberToChar(INT8, integerDecimal),
  numberToChar(NUMERIC, (value) => value as Decimal),
  numberToChar(FLOAT4, (value) => decimalOfFloat(value as number, 6)),
  numberToChar(FLOAT8, (value) => decimalOfFloat(value as number)),
  entry('to_number', [TEXT, TEXT], NUMERIC, (args) =>
    numberFromTemplate(args[0] as string, args[1] as string),
  ),
  entry('to_date', [TEXT, TEXT], DATE, (args) =>
    dateOfTimestamp(timestampFromTemplate(args[0] as string, args[1] as string)),
  ),
  entry(
    'to_timestamp',
    [TEXT, TEXT],
    TIMESTAMPTZ,
    (args, ctx) =>
      timestamptzOfTimestamp(
        timestampFromTemplate(args[0] as string, args[1] as string),
        ctx.timeZone,
      ),
    STABLE,
  ),
];

export const TEMPORAL_FUNCTIONS: readonly FunctionEntry[] = [
  ...CLOCKS,
  ...FIELDS,
  ...TRUNCATIONS,
  ...AGES,
  ...ZONES,
  ...MAKERS,
  ...TEMPLATES,
];
