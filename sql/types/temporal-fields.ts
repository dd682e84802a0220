/**
 * Fields of dates, times and intervals (EXTRACT, date_part) and truncation (date_trunc). EXTRACT answers numeric with
 * the scales Postgres gives: whole fields 0, seconds and epoch 6, milliseconds 3.
 */
import { SqlError } from '../errors/sql-error.ts';
import {
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
  UNIX_EPOCH_DAYS,
  civilFromDays,
  dayOfWeek,
  dayOfYear,
  daysFromCivil,
  floorDiv,
  isoDayOfWeek,
  isoWeek,
  isoWeekStart,
} from './calendar.ts';
import type { Interval } from './datum.ts';
import {
  divideToScale,
  makeDecimal,
  decimalOfBigint,
  DECIMAL_INFINITY,
  DECIMAL_MINUS_INFINITY,
} from './decimal.ts';
import type { Decimal } from './decimal.ts';
import { makeInterval } from './interval.ts';
import { addDays, isInfiniteTimestamp } from './temporal.ts';

const SYNONYMS: Readonly<Record<string, string>> = {
  years: 'year',
  y: 'year',
  yr: 'year',
  yrs: 'year',
  months: 'month',
  mon: 'month',
  mons: 'month',
  days: 'day',
  d: 'day',
  hours: 'hour',
  h: 'hour',
  hr: 'hour',
  hrs: 'hour',
  minutes: 'minute',
  min: 'minute',
  mins: 'minute',
  m: 'minute',
  seconds: 'second',
  s: 'second',
  sec: 'second',
  secs: 'second',
  milliseconds: 'milliseconds',
  millisecond: 'milliseconds',
  ms: 'milliseconds',
  msec: 'milliseconds',
  msecs: 'milliseconds',
  microseconds: 'microseconds',
  microsecond: 'microseconds',
  us: 'microseconds',
  usec: 'microseconds',
  weeks: 'week',
  w: 'week',
  qtr: 'quarter',
  quarters: 'quarter',
  decades: 'decade',
  dec: 'decade',
  centuries: 'century',
  c: 'century',
  cent: 'century',
  millennia: 'millennium',
  mil: 'millennium',
  millenniums: 'millennium',
  jd: 'julian',
};

export function fieldName(text: string): string {
  const lower = text.toLowerCase();
  return SYNONYMS[lower] ?? lower;
}

/** A field of a local time, or null where an infinite value has none. `offset`: seconds east, for timestamptz. */
export function extractFromTimestamp(
  text: string,
  micros: bigint,
  typeName: string,
  offset?: number,
): Decimal | null {
  const field = fieldName(text);
  if (isInfiniteTimestamp(micros)) return extractInfinite(field, text, micros > 0n, typeName);
  const days = Number(floorDiv(micros, MICROS_PER_DAY));
  const time = micros - BigInt(days) * MICROS_PER_DAY;
  const clock = extractClock(field, time);
  if (clock !== undefined) return clock;
  const dated = extractDateField(field, days);
  if (dated !== undefined) return whole(dated);
  switch (field) {
    case 'epoch': {
      const utc = micros - BigInt(offset ?? 0) * MICROS_PER_SECOND;
      return makeDecimal(utc + BigInt(UNIX_EPOCH_DAYS) * MICROS_PER_DAY, 6);
    }
    case 'julian': {
      const julian = BigInt(days + 2451545) * MICROS_PER_DAY + time;
      if (time === 0n) return whole(days + 2451545);
      return divideToScale(decimalOfBigint(julian), decimalOfBigint(MICROS_PER_DAY), 20);
    }
    case 'timezone':
    case 'timezone_hour':
    case 'timezone_minute':
      if (offset !== undefined) return whole(zoneField(field, offset));
      throw notSupportedField(text, typeName);
    default:
      throw unknownField(text, typeName);
  }
}

function zoneField(field: string, offset: number): number {
  if (field === 'timezone') return offset;
  return field === 'timezone_hour' ? Math.trunc(offset / 3600) : Math.trunc(offset / 60) % 60;
}

export function extractFromDate(text: string, days: number): Decimal | null {
  const field = fieldName(text);
  if (!Number.isFinite(days)) return extractInfinite(field, text, days > 0, 'date');
  if (field === 'epoch') return whole((days + UNIX_EPOCH_DAYS) * 86400);
  if (field === 'julian') return whole(days + 2451545);
  const value = extractDateField(field, days);
  if (value !== undefined) return whole(value);
  if (extractClock(field, 0n) !== undefined || field.startsWith('timezone')) {
    throw notSupportedField(text, 'date');
  }
  throw unknownField(text, 'date');
}

export function extractFromTime(text: string, micros: bigint): Decimal {
  const field = fieldName(text);
  if (field === 'epoch') return makeDecimal(micros, 6);
  const value = extractClock(field, micros);
  if (value !== undefined) return value;
  if (extractDateField(field, 0) !== undefined || field.startsWith('timezone')) {
    throw notSupportedField(text, 'time without time zone');
  }
  throw unknownField(text, 'time without time zone');
}

export function extractFromInterval(text: string, value: Interval): Decimal {
  const field = fieldName(text);
  const years = Math.trunc(value.months / 12);
  switch (field) {
    case 'hour':
      return decimalOfBigint(value.micros / MICROS_PER_HOUR);
    case 'day':
      return whole(value.days);
    case 'month':
      return whole(value.months % 12);
    case 'quarter':
      return whole(Math.trunc((value.months % 12) / 3) + 1);
    case 'year':
      return whole(years);
    case 'decade':
      return whole(Math.trunc(years / 10));
    case 'century':
      return whole(Math.trunc(years / 100));
    case 'millennium':
      return whole(Math.trunc(years / 1000));
    case 'epoch': {
      // A year has 365.25 days here, a month 30.
      const days = years * 365.25 + (value.months % 12) * 30 + value.days;
      return makeDecimal(BigInt(days * 86400) * MICROS_PER_SECOND + value.micros, 6);
    }
    default: {
      const clock = extractClock(field, value.micros);
      if (clock !== undefined) return clock;
      const isOther = extractDateField(field, 0) !== undefined || field === 'julian';
      if (isOther || field.startsWith('timezone')) {
        throw notSupportedField(text, 'interval');
      }
      throw unknownField(text, 'interval');
    }
  }
}

/** Fields of the time of day; signs follow the value. */
function extractClock(field: string, micros: bigint): Decimal | undefined {
  switch (field) {
    case 'hour':
      return decimalOfBigint(micros / MICROS_PER_HOUR);
    case 'minute':
      return decimalOfBigint((micros / MICROS_PER_MINUTE) % 60n);
    case 'second':
      return makeDecimal(micros % MICROS_PER_MINUTE, 6);
    case 'milliseconds':
      return makeDecimal(micros % MICROS_PER_MINUTE, 3);
    case 'microseconds':
      return decimalOfBigint(micros % MICROS_PER_MINUTE);
    default:
      return undefined;
  }
}

function extractDateField(field: string, days: number): number | undefined {
  const { year, month, day } = civilFromDays(days);
  switch (field) {
    case 'year':
      return year > 0 ? year : year - 1;
    case 'month':
      return month;
    case 'day':
      return day;
    case 'quarter':
      return Math.floor((month - 1) / 3) + 1;
    case 'decade':
      return Math.floor(year / 10);
    case 'century':
      return year > 0 ? Math.ceil(year / 100) : -Math.ceil((1 - year) / 100);
    case 'millennium':
      return year > 0 ? Math.ceil(year / 1000) : -Math.ceil((1 - year) / 1000);
    case 'dow':
      return dayOfWeek(days);
    case 'isodow':
      return isoDayOfWeek(days);
    case 'doy':
      return dayOfYear(days);
    case 'week':
      return isoWeek(days).week;
    case 'isoyear': {
      const isoYear = isoWeek(days).year;
      return isoYear > 0 ? isoYear : isoYear - 1;
    }
    default:
      return undefined;
  }
}

/** Fields that grow with the value are infinite, those that repeat are null. */
function extractInfinite(
  field: string,
  text: string,
  isPositive: boolean,
  typeName: string,
): Decimal | null {
  switch (field) {
    case 'year':
    case 'decade':
    case 'century':
    case 'millennium':
    case 'julian':
    case 'isoyear':
    case 'epoch':
      return isPositive ? DECIMAL_INFINITY : DECIMAL_MINUS_INFINITY;
    default:
      if (extractClock(field, 0n) !== undefined || extractDateField(field, 0) !== undefined) {
        return null;
      }
      if (field.startsWith('timezone')) return null;
      throw unknownField(text, typeName);
  }
}

/** date_trunc of a local time. */
export function truncateTimestamp(text: string, micros: bigint, typeName: string): bigint {
  const field = fieldName(text);
  const unit = clockUnit(field);
  if (isInfiniteTimestamp(micros)) {
    if (unit === undefined) truncateDays(field, 0, text, typeName);
    return micros;
  }
  if (unit !== undefined) return floorDiv(micros, unit) * unit;
  const days = Number(floorDiv(micros, MICROS_PER_DAY));
  return BigInt(truncateDays(field, days, text, typeName)) * MICROS_PER_DAY;
}

function clockUnit(field: string): bigint | undefined {
  switch (field) {
    case 'microseconds':
      return 1n;
    case 'milliseconds':
      return 1000n;
    case 'second':
      return MICROS_PER_SECOND;
    case 'minute':
      return MICROS_PER_MINUTE;
    case 'hour':
      return MICROS_PER_HOUR;
    default:
      return undefined;
  }
}

function truncateDays(field: string, days: number, text: string, typeName: string): number {
  const { year, month } = civilFromDays(days);
  switch (field) {
    case 'day':
      return days;
    case 'week': {
      const week = isoWeek(days);
      return isoWeekStart(week.year, week.week);
    }
    case 'month':
      return daysFromCivil(year, month, 1);
    case 'quarter':
      return daysFromCivil(year, month - ((month - 1) % 3), 1);
    case 'year':
      return daysFromCivil(year, 1, 1);
    case 'decade':
      return daysFromCivil(Math.floor(year / 10) * 10, 1, 1);
    case 'century':
      return daysFromCivil(firstYearOf(year, 100), 1, 1);
    case 'millennium':
      return daysFromCivil(firstYearOf(year, 1000), 1, 1);
    default:
      throw field.startsWith('timezone')
        ? notSupportedField(text, typeName)
        : unknownField(text, typeName);
  }
}

/** Centuries begin with the year 1, 101, ... and before our era with -99 (astronomical), ... */
function firstYearOf(year: number, length: number): number {
  return Math.floor((year - 1) / length) * length + 1;
}

export function truncateInterval(text: string, value: Interval): Interval {
  const field = fieldName(text);
  const unit = clockUnit(field);
  if (unit !== undefined) {
    return makeInterval(value.months, value.days, (value.micros / unit) * unit);
  }
  const months = { month: 1, quarter: 3, year: 12, decade: 120, century: 1200, millennium: 12000 };
  if (field === 'day') return makeInterval(value.months, value.days, 0n);
  const step = (months as Readonly<Record<string, number>>)[field];
  if (step === undefined) {
    throw field === 'week' || field.startsWith('timezone')
      ? notSupportedField(text, 'interval')
      : unknownField(text, 'interval');
  }
  return makeInterval(Math.trunc(value.months / step) * step, 0, 0n);
}

/** make_date: 22008 for a date that does not exist. Negative years are BC. */
export function makeDate(year: number, month: number, day: number): number {
  const astronomical = year < 0 ? year + 1 : year;
  const isPossible =
    year !== 0 && month >= 1 && month <= 12 && day >= 1 && day <= 31 && Math.abs(year) < 5900000;
  const days = isPossible ? daysFromCivil(astronomical, month, day) : 0;
  const back = civilFromDays(days);
  if (!isPossible || back.day !== day || back.month !== month) {
    const shown = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
    throw new SqlError('22008', `date field value out of range: ${shown}`);
  }
  return addDays(days, 0);
}

function whole(value: number): Decimal {
  return decimalOfBigint(BigInt(value));
}

function unknownField(text: string, typeName: string): SqlError {
  return new SqlError('22023', `unit "${text}" not recognized for type ${typeName}`);
}

function notSupportedField(text: string, typeName: string): SqlError {
  return new SqlError('0A000', `unit "${text}" not supported for type ${typeName}`);
}
