/**
 * Intervals: input (words such as `1 year 2 days 03:04:05`, `ago`, ISO 8601 `P1DT2H`, SQL `1-2`), output in the style
 * `postgres`, and arithmetic. Months, days and microseconds stay apart; fractions cascade downwards (a month has 30
 * days, a day 24 hours).
 */
import { invalidDatetime, fieldOutOfRange, intervalOutOfRange } from './temporal-errors.ts';
import type { Interval } from './datum.ts';
import {
  MICROS_PER_DAY,
  MICROS_PER_HOUR,
  MICROS_PER_MINUTE,
  MICROS_PER_SECOND,
} from './calendar.ts';
import { two } from './calendar.ts';
import { roundHalfEven } from './rounding.ts';

export const INTERVAL_ZERO: Interval = { months: 0, days: 0, micros: 0n };

type Unit =
  | 'microsecond'
  | 'millisecond'
  | 'second'
  | 'minute'
  | 'hour'
  | 'day'
  | 'week'
  | 'month'
  | 'year'
  | 'decade'
  | 'century'
  | 'millennium';

const UNITS: ReadonlyMap<string, Unit> = new Map<string, Unit>([
  ...words('microsecond', 'us', 'usec', 'usecs', 'useconds', 'microsecon', 'microseconds'),
  ...words('millisecond', 'ms', 'msec', 'msecs', 'mseconds', 'milliseconds'),
  ...words('second', 's', 'sec', 'secs', 'seconds'),
  ...words('minute', 'm', 'min', 'mins', 'minutes'),
  ...words('hour', 'h', 'hr', 'hrs', 'hours'),
  ...words('day', 'd', 'days'),
  ...words('week', 'w', 'weeks'),
  ...words('month', 'mon', 'mons', 'months'),
  ...words('year', 'y', 'yr', 'yrs', 'years'),
  ...words('decade', 'dec', 'decs', 'decades'),
  ...words('century', 'c', 'cent', 'centuries'),
  ...words('millennium', 'mil', 'mils', 'millennia'),
]);

const MONTHS_PER: Partial<Record<Unit, number>> = {
  month: 1,
  year: 12,
  decade: 120,
  century: 1200,
  millennium: 12000,
};

const MICROS_PER: Partial<Record<Unit, bigint>> = {
  microsecond: 1n,
  millisecond: 1000n,
  second: MICROS_PER_SECOND,
  minute: MICROS_PER_MINUTE,
  hour: MICROS_PER_HOUR,
};

const INT32 = 2147483647;
const INT64 = 9223372036854775807n;

function words(unit: Unit, ...names: string[]): [string, Unit][] {
  return [[unit, unit], ...names.map((name): [string, Unit] => [name, unit])];
}

/** Sums fields and carries their fractions. */
class IntervalSum {
  #months = 0;
  #days = 0;
  #micros = 0n;

  /** `whole` and `fraction` (0 <= |fraction| < 1) have the same sign. */
  add(unit: Unit, whole: number, fraction: number): void {
    const months = MONTHS_PER[unit];
    if (months !== undefined) {
      this.#months += whole * months;
      this.#addMonths(fraction * months);
      return;
    }
    if (unit === 'day' || unit === 'week') {
      const days = unit === 'week' ? 7 : 1;
      this.#days += whole * days;
      this.#addDays(fraction * days);
      return;
    }
    const micros = MICROS_PER[unit] ?? 0n;
    this.#micros += BigInt(whole) * micros + BigInt(Math.round(fraction * Number(micros)));
  }

  addMicros(micros: bigint): void {
    this.#micros += micros;
  }

  result(): Interval {
    return makeInterval(this.#months, this.#days, this.#micros);
  }

  negate(): void {
    this.#months = -this.#months;
    this.#days = -this.#days;
    this.#micros = -this.#micros;
  }

  #addMonths(value: number): void {
    const whole = Math.trunc(value + Math.sign(value) * 1e-9);
    this.#months += whole;
    this.#addDays(roundTiny((value - whole) * 30));
  }

  #addDays(value: number): void {
    const whole = Math.trunc(value);
    this.#days += whole;
    this.#micros += BigInt(Math.round((value - whole) * 86400e6));
  }
}

/** Takes away the noise of a product of decimal fractions. */
function roundTiny(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

/** Throws 22008 when a field leaves its range. */
export function makeInterval(months: number, days: number, micros: bigint): Interval {
  if (
    Math.abs(months) > INT32 ||
    Math.abs(days) > INT32 ||
    micros > INT64 ||
    micros < -INT64 - 1n
  ) {
    throw intervalOutOfRange();
  }
  return { months: months + 0, days: days + 0, micros };
}

export function parseInterval(text: string): Interval {
  const trimmed = text.trim().toLowerCase();
  if (trimmed === '' || trimmed.length > 256) throw invalidDatetime('interval', text);
  if (/^[+-]?p/.test(trimmed) && !trimmed.startsWith('+')) return parseIso(trimmed, text);
  return parseWords(trimmed, text);
}

const TOKEN =
  /^(?:([+-]?)(\d+):(\d{1,2})(?::(\d{1,2})?(\.\d*)?)?|([+-]?)(\d+)-(\d+)|([+-]?)(\d*)(\.\d*)?|([a-z]+)|@)$/;

function parseWords(trimmed: string, text: string): Interval {
  const tokens = trimmed
    // A sign may stand apart from its number.
    .replace(/([+-])\s+(?=[\d.])/g, '$1')
    .replace(/(\d)([a-z])/g, '$1 $2')
    .replace(/([a-z])([+-]?\d)/g, '$1 $2')
    .split(/\s+/);
  const sum = new IntervalSum();
  let pending: { whole: number; fraction: number } | undefined;
  let hasField = false;
  /** Each unit may come once. */
  const seen = new Set<Unit>();
  for (const token of tokens) {
    const match = TOKEN.exec(token);
    if (match === null) throw invalidDatetime('interval', text);
    if (token === '@') continue;
    if (match[2] !== undefined) {
      if (pending !== undefined) sum.add('day', pending.whole, pending.fraction);
      pending = undefined;
      sum.addMicros(clockMicros(match, text));
      hasField = true;
    } else if (match[7] !== undefined) {
      const months = Number(match[7]) * 12 + Number(match[8]);
      if (Number(match[8]) > 11) throw fieldOutOfRange(text);
      sum.add('month', match[6] === '-' ? -months : months, 0);
      hasField = true;
    } else if (match[12] !== undefined) {
      if (match[12] === 'ago' && hasField && pending === undefined) {
        sum.negate();
        continue;
      }
      const unit = UNITS.get(match[12]);
      if (unit === undefined || pending === undefined || seen.has(unit)) {
        throw invalidDatetime('interval', text);
      }
      seen.add(unit);
      sum.add(unit, pending.whole, pending.fraction);
      pending = undefined;
      hasField = true;
    } else {
      if (pending !== undefined || (match[10] === '' && (match[11] ?? '.') === '.')) {
        throw invalidDatetime('interval', text);
      }
      pending = signedParts(match[9] ?? '', match[10] ?? '', match[11] ?? '');
    }
  }
  if (pending !== undefined) {
    sum.add('second', pending.whole, pending.fraction);
    hasField = true;
  }
  if (!hasField) throw invalidDatetime('interval', text);
  return sum.result();
}

/** `hh:mm`, `hh:mm:ss.fff`; `mm:ss.fff` when there is a fraction and one colon. */
function clockMicros(match: RegExpExecArray, text: string): bigint {
  const [, sign, first = '0', second = '0', third, fraction = ''] = match;
  if (Number(second) > 59 || Number(third ?? 0) > 59) throw fieldOutOfRange(text);
  const seconds = Number(third ?? 0);
  const micros =
    BigInt(first) * MICROS_PER_HOUR +
    BigInt(second) * MICROS_PER_MINUTE +
    BigInt(seconds) * MICROS_PER_SECOND +
    BigInt(Math.round(Number(`0${fraction}`) * 1e6));
  return sign === '-' ? -micros : micros;
}

function signedParts(
  sign: string,
  whole: string,
  fraction: string,
): { whole: number; fraction: number } {
  const factor = sign === '-' ? -1 : 1;
  return { whole: factor * Number(whole), fraction: factor * Number(`0${fraction}0`) };
}

function parseIso(trimmed: string, text: string): Interval {
  const isNegative = trimmed.startsWith('-');
  const [datePart = '', timePart, ...rest] = trimmed.replace(/^-?p/, '').split('t');
  if (rest.length > 0 || (datePart === '' && (timePart ?? '') === '')) {
    throw invalidDatetime('interval', text);
  }
  const sum = new IntervalSum();
  addIsoFields(sum, datePart, { y: 'year', m: 'month', w: 'week', d: 'day' }, text);
  if (timePart !== undefined) {
    addIsoFields(sum, timePart, { h: 'hour', m: 'minute', s: 'second' }, text);
  }
  if (isNegative) sum.negate();
  return sum.result();
}

function addIsoFields(
  sum: IntervalSum,
  part: string,
  units: Readonly<Record<string, Unit>>,
  text: string,
): void {
  const field = /([+-]?)(\d*)(\.\d*)?([a-z])/y;
  while (field.lastIndex < part.length) {
    const match = field.exec(part);
    const unit = match === null ? undefined : units[match[4] ?? ''];
    if (match === null || unit === undefined) throw invalidDatetime('interval', text);
    const { whole, fraction } = signedParts(match[1] ?? '', match[2] ?? '', match[3] ?? '');
    sum.add(unit, whole, fraction);
  }
}

/** The style `postgres`: `1 year 2 mons -3 days +04:05:06.789`. */
export function formatInterval(value: Interval): string {
  const parts: string[] = [];
  /** The last part was negative: a positive one after it says so. */
  const last = { isNegative: false };
  const add = (amount: number, unit: string): void => {
    if (amount === 0) return;
    const sign = last.isNegative && amount > 0 ? '+' : '';
    parts.push(`${sign}${amount} ${unit}${amount === 1 ? '' : 's'}`);
    last.isNegative = amount < 0;
  };
  add(Math.trunc(value.months / 12), 'year');
  add(value.months % 12, 'mon');
  add(value.days, 'day');
  if (value.micros !== 0n || parts.length === 0) {
    const isNegative = value.micros < 0n;
    const sign = isNegative ? '-' : last.isNegative ? '+' : '';
    parts.push(sign + formatClock(isNegative ? -value.micros : value.micros));
  }
  return parts.join(' ');
}

/** `hh:mm:ss[.ffffff]` of a non-negative count of microseconds; hours may exceed 24. */
export function formatClock(micros: bigint): string {
  const seconds = Number(micros / MICROS_PER_SECOND);
  const rest = Number(micros % MICROS_PER_SECOND);
  const hours = Math.floor(seconds / 3600);
  const text = `${two(hours)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return rest === 0 ? text : `${text}.${String(rest).padStart(6, '0').replace(/0+$/, '')}`;
}

export function addIntervals(a: Interval, b: Interval): Interval {
  return makeInterval(a.months + b.months, a.days + b.days, a.micros + b.micros);
}

export function negateInterval(value: Interval): Interval {
  return makeInterval(-value.months, -value.days, -value.micros);
}

export function subtractIntervals(a: Interval, b: Interval): Interval {
  return makeInterval(a.months - b.months, a.days - b.days, a.micros - b.micros);
}

/** Fractions of months go to days, of days to microseconds. */
export function multiplyInterval(value: Interval, factor: number): Interval {
  if (!Number.isFinite(factor)) throw intervalOutOfRange();
  const exactMonths = value.months * factor;
  const months = Math.trunc(exactMonths);
  const monthDays = roundTiny((exactMonths - months) * 30);
  const exactDays = value.days * factor;
  const wholeDays = Math.trunc(exactDays);
  let days = wholeDays + Math.trunc(monthDays);
  let seconds = roundTiny((exactDays - wholeDays + monthDays - Math.trunc(monthDays)) * 86400);
  if (Math.abs(seconds) >= 86400) {
    days += Math.trunc(seconds / 86400);
    seconds %= 86400;
  }
  const micros = roundHalfEven(Number(value.micros) * factor + seconds * 1e6);
  if (!Number.isFinite(micros)) throw intervalOutOfRange();
  return makeInterval(months, days, BigInt(micros));
}

/** Each 30 days become a month. */
export function justifyDays(value: Interval): Interval {
  const whole = Math.trunc(value.days / 30);
  let months = value.months + whole;
  let days = value.days - whole * 30;
  if (months > 0 && days < 0) {
    days += 30;
    months--;
  } else if (months < 0 && days > 0) {
    days -= 30;
    months++;
  }
  return makeInterval(months, days, value.micros);
}

/** Both, so that all three parts have the same sign. */
export function justifyInterval(value: Interval): Interval {
  const { months, days, micros } = justifyDays(justifyHours(value));
  const isPositive = months > 0 || (months === 0 && days > 0);
  const isNegative = months < 0 || (months === 0 && days < 0);
  if (isPositive && micros < 0n) {
    return justifyMonths(months, days - 1, micros + MICROS_PER_DAY);
  }
  if (isNegative && micros > 0n) {
    return justifyMonths(months, days + 1, micros - MICROS_PER_DAY);
  }
  return { months, days, micros };
}

function justifyMonths(months: number, days: number, micros: bigint): Interval {
  if (months > 0 && days < 0) return makeInterval(months - 1, days + 30, micros);
  if (months < 0 && days > 0) return makeInterval(months + 1, days - 30, micros);
  return makeInterval(months, days, micros);
}

/** Each 24 hours become a day. */
export function justifyHours(value: Interval): Interval {
  const whole = value.micros / MICROS_PER_DAY;
  let days = value.days + Number(whole);
  let micros = value.micros - whole * MICROS_PER_DAY;
  if (days > 0 && micros < 0n) {
    micros += MICROS_PER_DAY;
    days--;
  } else if (days < 0 && micros > 0n) {
    micros -= MICROS_PER_DAY;
    days++;
  }
  return makeInterval(value.months, days, micros);
}
