/**
 * Date and time values: output (DateStyle ISO), arithmetic, rounding to a precision, and zone shifts. Input is in
 * temporal-parse.ts, fields and truncation in temporal-fields.ts, intervals in interval.ts.
 *
 * A date is days since 2000-01-01 (a number), a timestamp microseconds since then (a bigint); infinities absorb
 * arithmetic. Results out of range throw 22008.
 */
import {
  END_DATE_DAYS,
  MICROS_PER_DAY,
  MICROS_PER_SECOND,
  MIN_DATE_DAYS,
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  floorDiv,
  two,
} from './calendar.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from './datum.ts';
import type { Interval } from './datum.ts';
import { formatClock, makeInterval } from './interval.ts';
import { SqlError } from '../errors/sql-error.ts';
import { dateOutOfRange } from './temporal-errors.ts';
import { checkTimestamp, displayYear, localMicros, utcOfLocal } from './temporal-parse.ts';
import { formatOffset } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

export function isInfiniteTimestamp(micros: bigint): boolean {
  return micros === TIMESTAMP_INFINITY || micros === TIMESTAMP_MINUS_INFINITY;
}

export function formatDate(days: number): string {
  if (!Number.isFinite(days)) return days > 0 ? 'infinity' : '-infinity';
  const { month, day } = civilFromDays(days);
  const { year, isBc } = displayYear(days);
  const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
  return isBc ? `${text} BC` : text;
}

export function formatTime(micros: bigint): string {
  return formatClock(micros);
}

export function formatTimestamp(micros: bigint): string {
  if (isInfiniteTimestamp(micros)) return micros > 0n ? 'infinity' : '-infinity';
  return formatLocal(micros, '');
}

export function formatTimestamptz(micros: bigint, zone: TimeZone): string {
  if (isInfiniteTimestamp(micros)) return micros > 0n ? 'infinity' : '-infinity';
  const offset = zone.offsetAt(Number(floorDiv(micros, MICROS_PER_SECOND)));
  return formatLocal(micros + BigInt(offset) * MICROS_PER_SECOND, formatOffset(offset));
}

function formatLocal(micros: bigint, zone: string): string {
  const days = floorDiv(micros, MICROS_PER_DAY);
  const date = formatDate(Number(days));
  const time = formatClock(micros - days * MICROS_PER_DAY);
  return date.endsWith(' BC') ? `${date.slice(0, -3)} ${time}${zone} BC` : `${date} ${time}${zone}`;
}

/** Rounds to `precision` digits of a second, as timestamp(n) and time(n) do. */
export function roundMicros(micros: bigint, precision: number): bigint {
  if (precision < 0 || precision >= 6 || isInfiniteTimestamp(micros)) return micros;
  const unit = 10n ** BigInt(6 - precision);
  const half = unit / 2n;
  return micros >= 0n ? ((micros + half) / unit) * unit : -((-micros + half) / unit) * unit;
}

export function addDays(date: number, count: number): number {
  if (!Number.isFinite(date)) return date;
  return checkDate(date + count);
}

/** In days; 22008 when one is infinite. */
export function subtractDates(a: number, b: number): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) {
    throw new SqlError('22008', 'cannot subtract infinite dates');
  }
  return a - b;
}

export function checkDate(days: number): number {
  if (days < MIN_DATE_DAYS || days >= END_DATE_DAYS) throw dateOutOfRange();
  return days;
}

export function timestampOfDate(date: number): bigint {
  if (!Number.isFinite(date)) return date > 0 ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
  const micros = BigInt(date) * MICROS_PER_DAY;
  if (micros >= 9223371331200000000n) {
    throw new SqlError('22008', 'date out of range for timestamp');
  }
  return micros;
}

export function timestamptzOfDate(date: number, zone: TimeZone): bigint {
  const local = timestampOfDate(date);
  return isInfiniteTimestamp(local) ? local : checkTimestamp(utcOfLocal(local, zone));
}

export function dateOfTimestamp(micros: bigint): number {
  if (isInfiniteTimestamp(micros)) return micros > 0n ? Infinity : -Infinity;
  return Number(floorDiv(micros, MICROS_PER_DAY));
}

export function timeOfTimestamp(micros: bigint): bigint {
  return micros - floorDiv(micros, MICROS_PER_DAY) * MICROS_PER_DAY;
}

/** The local time in a zone of an instant. */
export function timestampOfTimestamptz(micros: bigint, zone: TimeZone): bigint {
  return isInfiniteTimestamp(micros) ? micros : localMicros(micros, zone);
}

export function timestamptzOfTimestamp(micros: bigint, zone: TimeZone): bigint {
  return isInfiniteTimestamp(micros) ? micros : checkTimestamp(utcOfLocal(micros, zone));
}

/** Months first (clamped to the month's end), then days, then the time. */
export function addToTimestamp(micros: bigint, interval: Interval): bigint {
  if (isInfiniteTimestamp(micros)) return micros;
  let value = micros;
  if (interval.months !== 0) value = addMonths(value, interval.months);
  return checkTimestamp(value + BigInt(interval.days) * MICROS_PER_DAY + interval.micros);
}

/** Months and days are counted in local time, so that a day over a change of the clock is a day. */
export function addToTimestamptz(micros: bigint, interval: Interval, zone: TimeZone): bigint {
  if (isInfiniteTimestamp(micros)) return micros;
  let value = micros;
  if (interval.months !== 0 || interval.days !== 0) {
    let local = localMicros(value, zone);
    if (interval.months !== 0) local = addMonths(local, interval.months);
    value = utcOfLocal(local + BigInt(interval.days) * MICROS_PER_DAY, zone);
  }
  return checkTimestamp(value + interval.micros);
}

function addMonths(micros: bigint, months: number): bigint {
  const days = floorDiv(micros, MICROS_PER_DAY);
  const civil = civilFromDays(Number(days));
  const total = civil.year * 12 + civil.month - 1 + months;
  const year = Math.floor(total / 12);
  const month = total - year * 12 + 1;
  const day = Math.min(civil.day, daysInMonth(year, month));
  const moved = BigInt(daysFromCivil(year, month, day));
  return moved * MICROS_PER_DAY + (micros - days * MICROS_PER_DAY);
}

/** Days and time, no months. */
export function subtractTimestamps(a: bigint, b: bigint): Interval {
  if (isInfiniteTimestamp(a) || isInfiniteTimestamp(b)) {
    throw new SqlError('22008', 'cannot subtract infinite timestamps');
  }
  const difference = a - b;
  const days = difference / MICROS_PER_DAY;
  return makeInterval(0, Number(days), difference - days * MICROS_PER_DAY);
}

/** age(a, b): years, months, days and time between two local times, counted symbolically. */
export function ageBetween(a: bigint, b: bigint): Interval {
  if (isInfiniteTimestamp(a) || isInfiniteTimestamp(b)) {
    throw new SqlError('22008', 'cannot subtract infinite timestamps');
  }
  if (a < b) {
    const flipped = ageBetween(b, a);
    return makeInterval(-flipped.months, -flipped.days, -flipped.micros);
  }
  const late = civilFromDays(dateOfTimestamp(a));
  const early = civilFromDays(dateOfTimestamp(b));
  let months = late.year * 12 + late.month - (early.year * 12 + early.month);
  let days = late.day - early.day;
  let micros = timeOfTimestamp(a) - timeOfTimestamp(b);
  if (micros < 0n) {
    micros += MICROS_PER_DAY;
    days--;
  }
  if (days < 0) {
    // Days are borrowed from the month of the earlier date.
    days += daysInMonth(early.year, early.month);
    months--;
  }
  return makeInterval(months, days, micros);
}
