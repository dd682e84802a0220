/**
 * The proleptic Gregorian calendar in integers: days since 2000-01-01 to year, month, day and back, weeks, lengths.
 * Years are astronomical (0 is 1 BC). No object of the host's clock is used, so ranges are ours alone.
 */

export interface CivilDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
}

export const MICROS_PER_SECOND = 1000000n;
export const MICROS_PER_MINUTE = 60000000n;
export const MICROS_PER_HOUR = 3600000000n;
export const MICROS_PER_DAY = 86400000000n;
export const SECONDS_PER_DAY = 86400;

/** Days from 1970-01-01 to 2000-01-01. */
export const UNIX_EPOCH_DAYS = 10957;
/** 4714-11-24 BC and the day after 5874897-12-31: the span of `date`. */
export const MIN_DATE_DAYS = -2451545;
export const END_DATE_DAYS = 2145031949;
/** The span of `timestamp`: 4714-11-24 BC to the end of 294276. */
export const MIN_TIMESTAMP = -211813488000000000n;
export const END_TIMESTAMP = 9223371331200000000n;

/** Days since 2000-01-01; `month` and `day` within their ranges. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146097 + dayOfEra - 719468 - UNIX_EPOCH_DAYS;
}

export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719468 + UNIX_EPOCH_DAYS;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36524) -
      Math.floor(dayOfEra / 146096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

const MONTH_LENGTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeapYear(year) ? 29 : (MONTH_LENGTHS[month - 1] ?? 30);
}

/** 0 is Sunday. 2000-01-01 was a Saturday. */
export function dayOfWeek(days: number): number {
  return modulo(days + 6, 7);
}

/** 1 is Monday, 7 is Sunday. */
export function isoDayOfWeek(days: number): number {
  return modulo(days + 5, 7) + 1;
}

/** 1 to 366. */
export function dayOfYear(days: number): number {
  return days - daysFromCivil(civilFromDays(days).year, 1, 1) + 1;
}

/** The ISO 8601 week (1 to 53) and the year it belongs to. */
export function isoWeek(days: number): { year: number; week: number } {
  const thursday = days - isoDayOfWeek(days) + 4;
  const year = civilFromDays(thursday).year;
  return { year, week: Math.floor((thursday - daysFromCivil(year, 1, 1)) / 7) + 1 };
}

/** The Monday of an ISO week. */
export function isoWeekStart(year: number, week: number): number {
  const fourth = daysFromCivil(year, 1, 4);
  return fourth - isoDayOfWeek(fourth) + 1 + (week - 1) * 7;
}

/** Floored division and its remainder for microseconds. */
export function floorDiv(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

export function modulo(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

export function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

export const MONTH_NAMES = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

export const DAY_NAMES = [
  'Sunday',
  'Monday',
  'Tuesday',
  'Wednesday',
  'Thursday',
  'Friday',
  'Saturday',
] as const;
