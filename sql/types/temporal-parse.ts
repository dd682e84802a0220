/**
 * Input of date, time, timestamp and timestamptz: ISO forms by a fast path, the other forms that Postgres takes
 * (month names, slashes in MDY order, AM/PM, BC, zone names and abbreviations, `now`, `today`, `infinity` ...) by
 * sorting the words of the text into fields. Errors: 22007 for what cannot be read, 22008 for fields out of range.
 */
import {
  DAY_NAMES,
  MICROS_PER_DAY,
  MICROS_PER_SECOND,
  MONTH_NAMES,
  UNIX_EPOCH_DAYS,
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  floorDiv,
  END_DATE_DAYS,
  END_TIMESTAMP,
  MIN_DATE_DAYS,
  MIN_TIMESTAMP,
} from './calendar.ts';
import { TIMESTAMP_INFINITY, TIMESTAMP_MINUS_INFINITY } from './datum.ts';
import type { FormatContext } from './format-context.ts';
import {
  dateOutOfRange,
  displacementOutOfRange,
  fieldOutOfRange,
  invalidDatetime,
  timestampOutOfRange,
  unknownZone,
} from './temporal-errors.ts';
import { fixedZone, offsetAtLocal, resolveTimeZone, zoneAbbreviationOffset } from './time-zone.ts';
import type { TimeZone } from './time-zone.ts';

/** What a text says. `special` stands alone. */
interface Fields {
  special: 'infinity' | '-infinity' | 'now' | undefined;
  days: number | undefined;
  /** Microseconds since midnight; 24:00:00 is allowed. */
  micros: bigint | undefined;
  zone: TimeZone | undefined;
}

const ISO =
  /^\s*(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?\s*$/;
const MAX_TEXT = 128;

/** Days since 2000-01-01, or an infinity. */
export function parseDate(text: string, ctx: FormatContext): number {
  const fields = readFields('date', text, ctx);
  switch (fields.special) {
    case 'infinity':
      return Infinity;
    case '-infinity':
      return -Infinity;
    case 'now':
      return localDays(ctx);
    case undefined:
      break;
  }
  const { days } = fields;
  if (days === undefined) throw invalidDatetime('date', text);
  if (days < MIN_DATE_DAYS || days >= END_DATE_DAYS) throw dateOutOfRange(text);
  return days;
}

/** Microseconds since midnight. A date or a zone in the text is read and dropped. */
export function parseTime(text: string, ctx: FormatContext): bigint {
  const fields = readFields('time', text, ctx);
  if (fields.special === 'now') {
    const local = localMicros(ctx.transactionMicros, ctx.timeZone);
    return local - floorDiv(local, MICROS_PER_DAY) * MICROS_PER_DAY;
  }
  if (fields.special !== undefined || fields.micros === undefined)
    throw invalidDatetime('time', text);
  return fields.micros;
}

/** Local microseconds since 2000-01-01; a zone in the text is dropped, as Postgres does. */
export function parseTimestamp(text: string, ctx: FormatContext): bigint {
  const fields = readFields('timestamp', text, ctx);
  switch (fields.special) {
    case 'infinity':
      return TIMESTAMP_INFINITY;
    case '-infinity':
      return TIMESTAMP_MINUS_INFINITY;
    case 'now':
      return localMicros(ctx.transactionMicros, ctx.timeZone);
    case undefined:
      break;
  }
  if (fields.days === undefined) throw invalidDatetime('timestamp', text);
  return checkTimestamp(BigInt(fields.days) * MICROS_PER_DAY + (fields.micros ?? 0n), text);
}

/** Microseconds since 2000-01-01 UTC; without a zone in the text the session's zone applies. */
export function parseTimestamptz(text: string, ctx: FormatContext): bigint {
  const fields = readFields('timestamp with time zone', text, ctx);
  switch (fields.special) {
    case 'infinity':
      return TIMESTAMP_INFINITY;
    case '-infinity':
      return TIMESTAMP_MINUS_INFINITY;
    case 'now':
      return ctx.transactionMicros;
    case undefined:
      break;
  }
  if (fields.days === undefined) throw invalidDatetime('timestamp with time zone', text);
  const local = BigInt(fields.days) * MICROS_PER_DAY + (fields.micros ?? 0n);
  return checkTimestamp(utcOfLocal(local, fields.zone ?? ctx.timeZone), text);
}

/** Local time in a zone to UTC, both in microseconds since 2000-01-01. */
export function utcOfLocal(local: bigint, zone: TimeZone): bigint {
  const seconds = Number(floorDiv(local, MICROS_PER_SECOND));
  return local - BigInt(offsetAtLocal(zone, seconds)) * MICROS_PER_SECOND;
}

export function localMicros(utc: bigint, zone: TimeZone): bigint {
  const seconds = Number(floorDiv(utc, MICROS_PER_SECOND));
  return utc + BigInt(zone.offsetAt(seconds)) * MICROS_PER_SECOND;
}

export function checkTimestamp(micros: bigint, text?: string): bigint {
  if (micros < MIN_TIMESTAMP || micros >= END_TIMESTAMP) throw timestampOutOfRange(text);
  return micros;
}

function localDays(ctx: FormatContext): number {
  return Number(floorDiv(localMicros(ctx.transactionMicros, ctx.timeZone), MICROS_PER_DAY));
}

function readFields(typeName: string, text: string, ctx: FormatContext): Fields {
  const iso = ISO.exec(text);
  if (iso !== null) return isoFields(text, iso);
  if (text.length > MAX_TEXT) throw invalidDatetime(typeName, text);
  return new FieldReader(typeName, text, ctx).read();
}

function isoFields(text: string, match: RegExpExecArray): Fields {
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const days = civilDays(Number(year), Number(month), Number(day), text);
  if (hour === undefined) return { special: undefined, days, micros: undefined, zone: undefined };
  return {
    special: undefined,
    days,
    micros: timeMicros(Number(hour), Number(minute), Number(second ?? 0), fraction ?? '', text),
    zone: zone === undefined ? undefined : offsetZone(zone, text),
  };
}

/** `year` is astronomical here; input that said year 0 was refused before. */
function civilDays(year: number, month: number, day: number, text: string, isBc = false): number {
  if (year === 0) throw fieldOutOfRange(text);
  if (month < 1 || month > 12 || day < 1 || day > 31) throw fieldOutOfRange(text, true);
  const astronomical = isBc ? 1 - year : year;
  if (day > daysInMonth(astronomical, month)) throw fieldOutOfRange(text);
  return daysFromCivil(astronomical, month, day);
}

function timeMicros(
  hour: number,
  minute: number,
  second: number,
  fraction: string,
  text: string,
): bigint {
  const micros = Math.round(Number(`0.${fraction}0`) * 1e6);
  const total = (hour * 60 + minute) * 60 + second;
  if (minute > 59 || second > 60 || total > 86400 || (total === 86400 && micros > 0)) {
    throw fieldOutOfRange(text);
  }
  return BigInt(total) * MICROS_PER_SECOND + BigInt(micros);
}

function offsetZone(zone: string, text: string): TimeZone {
  if (zone === 'Z') return fixedZone('UTC', 0);
  const match = /^([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$/.exec(zone);
  if (match === null) throw displacementOutOfRange(text);
  const hours = Number(match[2]);
  const minutes = Number(match[3] ?? 0);
  const seconds = Number(match[4] ?? 0);
  if (hours > 15 || minutes > 59 || seconds > 59) throw displacementOutOfRange(text);
  const offset = (hours * 60 + minutes) * 60 + seconds;
  return fixedZone(zone, match[1] === '-' ? -offset : offset);
}

/** Sorts the words of a date/time text into fields, in any order, as Postgres does. */
class FieldReader {
  readonly #typeName: string;
  readonly #text: string;
  readonly #ctx: FormatContext;
  #special: Fields['special'];
  #days: number | undefined;
  #micros: bigint | undefined;
  #zone: TimeZone | undefined;
  #month: number | undefined;
  #numbers: string[] = [];
  #isBc = false;
  #half: 'am' | 'pm' | undefined;

  constructor(typeName: string, text: string, ctx: FormatContext) {
    this.#typeName = typeName;
    this.#text = text;
    this.#ctx = ctx;
  }

  read(): Fields {
    const words = this.#text
      .trim()
      // A T between date and time, and a zone glued to a time, become words of their own.
      .replace(/(\d)[tT](?=\d)/g, '$1 ')
      .replace(/(:\d+(?:\.\d*)?)([+-]\d|[zZ]\b)/g, '$1 $2')
      .replace(/(\d)([ap]m)\b/gi, '$1 $2')
      .split(/[\s,]+/)
      .filter((word) => word !== '');
    if (words.length === 0) throw this.#invalid();
    for (const word of words) this.#take(word);
    this.#finishDate();
    if (this.#half !== undefined) this.#applyHalf();
    return {
      special: this.#special,
      days: this.#days,
      micros: this.#micros,
      zone: this.#zone,
    };
  }

  #take(word: string): void {
    const lower = word.toLowerCase();
    if (this.#takeSpecial(lower) || this.#takeTime(lower) || this.#takeDate(lower)) return;
    if (/^\d+(st|nd|rd|th)?$/.test(lower)) {
      this.#takeNumber(lower.replace(/\D+$/, ''));
      return;
    }
    const month = monthOf(lower);
    if (month !== undefined) {
      if (this.#month !== undefined) throw this.#invalid();
      this.#month = month;
      return;
    }
    if (DAY_NAMES.some((name) => lower.length >= 3 && name.toLowerCase().startsWith(lower))) return;
    this.#takeZone(word, lower);
  }

  #takeSpecial(word: string): boolean {
    switch (word) {
      case 'infinity':
      case '+infinity':
        this.#special = 'infinity';
        return true;
      case '-infinity':
        this.#special = '-infinity';
        return true;
      case 'now':
        this.#special = 'now';
        return true;
      case 'epoch':
        this.#setDays(-UNIX_EPOCH_DAYS);
        this.#micros = 0n;
        this.#zone = fixedZone('UTC', 0);
        return true;
      case 'today':
        this.#setDays(localDays(this.#ctx));
        return true;
      case 'tomorrow':
        this.#setDays(localDays(this.#ctx) + 1);
        return true;
      case 'yesterday':
        this.#setDays(localDays(this.#ctx) - 1);
        return true;
      case 'allballs':
        this.#micros = 0n;
        this.#zone = fixedZone('UTC', 0);
        return true;
      case 'bc':
        this.#isBc = true;
        return true;
      case 'am':
      case 'pm':
        this.#half = word;
        return true;
      case 'ad':
      case 'at':
      case 'on':
        return true;
      default:
        return false;
    }
  }

  #takeTime(word: string): boolean {
    const match = /^(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?$/.exec(word);
    if (match === null) return false;
    if (this.#micros !== undefined) throw this.#invalid();
    const [, hour, minute, second, fraction] = match;
    const time = [Number(hour), Number(minute), Number(second ?? 0)] as const;
    this.#micros = timeMicros(time[0], time[1], time[2], fraction ?? '', this.#text);
    return true;
  }

  #takeDate(word: string): boolean {
    const compact = /^(\d{4})(\d{2})(\d{2})$/.exec(word);
    const named = /^(\d{1,4})[-/.]?([a-z]{3,9})[-/.]?(\d{1,6})$/.exec(word);
    const parts = /^(\d{1,8})([-/.])(\d{1,2})\2(\d{1,8})$/.exec(word);
    const monthFirst = /^([a-z]{3,9})-(\d{1,2})-(\d{1,8})$/.exec(word);
    const ordinal = /^(\d{4})[-.](\d{3})$/.exec(word);
    const julian = /^j(\d{1,9})$/.exec(word);
    if (julian !== null) {
      this.#setDays(Number(julian[1]) - 2451545);
      return true;
    }
    if (ordinal !== null) {
      this.#setDays(this.#dayOfYear(ordinal));
      return true;
    }
    const named3 = monthFirst === null ? undefined : monthOf(monthFirst[1] ?? '');
    if (monthFirst !== null && named3 !== undefined) {
      this.#setDays(this.#civil(monthFirst[3], String(named3), monthFirst[2]));
      return true;
    }
    if (compact !== null && this.#days === undefined) {
      this.#setDays(this.#civil(compact[1], compact[2], compact[3]));
      return true;
    }
    if (named !== null) {
      const month = monthOf(named[2] ?? '');
      if (month === undefined) return false;
      const [year, day] = (named[1] ?? '').length > 2 ? [named[1], named[3]] : [named[3], named[1]];
      this.#setDays(this.#civil(year, String(month), day));
      return true;
    }
    if (parts === null) return false;
    const [, first = '', , second = '', third = ''] = parts;
    const isYearFirst = first.length > 2;
    this.#setDays(
      isYearFirst ? this.#civil(first, second, third) : this.#civil(third, first, second),
    );
    return true;
  }

  /** A number alone is a part of a date with a month name, a time like `0405` behind a date, or a time of day. */
  #takeNumber(word: string): void {
    if (this.#days !== undefined && this.#micros === undefined && /^(\d{4}|\d{6})$/.test(word)) {
      const second = word.length === 6 ? Number(word.slice(4)) : 0;
      const hour = Number(word.slice(0, 2));
      this.#micros = timeMicros(hour, Number(word.slice(2, 4)), second, '', this.#text);
      return;
    }
    const isTime = this.#typeName === 'time' && this.#micros === undefined;
    if (isTime && /^(\d{4}|\d{6})$/.test(word)) {
      const second = word.length === 6 ? Number(word.slice(4)) : 0;
      const clock = [Number(word.slice(0, 2)), Number(word.slice(2, 4))] as const;
      this.#micros = timeMicros(clock[0], clock[1], second, '', this.#text);
      return;
    }
    if (this.#days === undefined && /^\d{6}$/.test(word)) {
      this.#setDays(this.#civil(word.slice(0, 2), word.slice(2, 4), word.slice(4)));
      return;
    }
    this.#numbers.push(word);
  }

  #takeZone(word: string, lower: string): void {
    if (this.#zone !== undefined && !/^[+-]/.test(word)) throw this.#invalid();
    if (/^[+-]\d/.test(word)) {
      this.#zone = offsetZone(word, this.#text);
      return;
    }
    const offset = zoneAbbreviationOffset(lower);
    this.#zone =
      offset === undefined ? resolveTimeZone(word) : fixedZone(word.toUpperCase(), offset);
    if (this.#zone !== undefined) return;
    throw word.includes('/') ? unknownZone(lower) : this.#invalid();
  }

  #finishDate(): void {
    const numbers = this.#numbers;
    if (this.#month !== undefined) {
      const [first, second] = numbers;
      if (first === undefined || second === undefined || numbers.length > 2) throw this.#invalid();
      const isYearFirst = first.length > 2;
      const [year, day] = isYearFirst ? [first, second] : [second, first];
      this.#setDays(this.#civil(year, String(this.#month), day));
      return;
    }
    const [hour] = numbers;
    if (numbers.length > 1) throw this.#invalid();
    if (hour === undefined) return;
    if (this.#half === undefined || this.#micros !== undefined) throw this.#invalid();
    this.#micros = timeMicros(Number(hour), 0, 0, '', this.#text);
  }

  #applyHalf(): void {
    const micros = this.#micros;
    if (micros === undefined) throw this.#invalid();
    const hour = micros / 3600000000n;
    if (hour < 1n || hour > 12n) throw fieldOutOfRange(this.#text);
    if (this.#half === 'pm' && hour < 12n) this.#micros = micros + 43200000000n;
    if (this.#half === 'am' && hour === 12n) this.#micros = micros - 43200000000n;
  }

  /** Two-digit years lie between 1970 and 2069. */
  #civil(year = '', month = '', day = ''): number {
    const isBc = this.#isBc || /\bbc\b/i.test(this.#text);
    let value = Number(year);
    if (year.length <= 2 && !isBc) value += value < 70 ? 2000 : 1900;
    return civilDays(value, Number(month), Number(day), this.#text, isBc);
  }

  /** `2024-060`: the sixtieth day of the year. */
  #dayOfYear(match: RegExpExecArray): number {
    const day = Number(match[2]);
    if (day < 1 || day > 366) throw fieldOutOfRange(this.#text);
    return this.#civil(match[1], '1', '1') + day - 1;
  }

  #setDays(days: number): void {
    if (this.#days !== undefined) throw this.#invalid();
    this.#days = days;
  }

  #invalid(): Error {
    return invalidDatetime(this.#typeName, this.#text);
  }
}

function monthOf(word: string): number | undefined {
  if (word.length < 3) return undefined;
  const index = MONTH_NAMES.findIndex((name) => name.toLowerCase().startsWith(word));
  if (index >= 0) return index + 1;
  return word === 'sept' ? 9 : undefined;
}

/** The year as people write it, with 1 BC behind 1 AD: for output. */
export function displayYear(days: number): { year: number; isBc: boolean } {
  const { year } = civilFromDays(days);
  return year > 0 ? { year, isBc: false } : { year: 1 - year, isBc: true };
}
