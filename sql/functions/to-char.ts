/**
 * to_char, to_number and to_date/to_timestamp: the template patterns of chapter 9.8 that programs use. Dates: years to
 * microseconds, names, week numbers, roman months, AM/PM, BC, TZ, with FM, TH and quoted text. Numbers: 9 0 . , D G S
 * MI PL SG PR FM L EEEE TH. Reading dates takes the numeric fields and month names.
 */
import { SqlError } from '../errors/sql-error.ts';
import {
  DAY_NAMES,
  MICROS_PER_DAY,
  MICROS_PER_SECOND,
  MONTH_NAMES,
  civilFromDays,
  dayOfWeek,
  dayOfYear,
  daysFromCivil,
  daysInMonth,
  floorDiv,
  isoDayOfWeek,
  isoWeek,
  two,
} from '../types/calendar.ts';
import { parseDecimal } from '../types/decimal.ts';
import type { Interval } from '../types/datum.ts';
import type { Decimal } from '../types/decimal.ts';
import { formatOffset } from '../types/time-zone.ts';

const ROMAN = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI', 'XII'] as const;

/** Longest first, so that the first that fits is the right one. */
const DATE_PATTERNS = [
  'A.D.',
  'B.C.',
  'a.d.',
  'b.c.',
  'A.M.',
  'P.M.',
  'a.m.',
  'p.m.',
  'MONTH',
  'Month',
  'month',
  'HH24',
  'HH12',
  'IYYY',
  'SSSSS',
  'SSSS',
  'Y,YYY',
  'YYYY',
  'IYY',
  'YYY',
  'IDDD',
  'DDD',
  'DAY',
  'Day',
  'day',
  'MON',
  'Mon',
  'mon',
  'TZH',
  'TZM',
  'FF1',
  'FF2',
  'FF3',
  'FF4',
  'FF5',
  'FF6',
  'HH',
  'MI',
  'SS',
  'MS',
  'US',
  'YY',
  'IY',
  'MM',
  'DD',
  'DY',
  'Dy',
  'dy',
  'ID',
  'WW',
  'IW',
  'CC',
  'RM',
  'rm',
  'AM',
  'PM',
  'am',
  'pm',
  'AD',
  'BC',
  'ad',
  'bc',
  'TZ',
  'tz',
  'OF',
  'Y',
  'I',
  'D',
  'W',
  'Q',
  'J',
] as const;

type DatePattern = (typeof DATE_PATTERNS)[number];

export interface CharTime {
  /** Local microseconds since 2000-01-01. */
  readonly micros: bigint;
  readonly zoneName: string;
  readonly zoneOffset: number;
}

export function timestampToChar(time: CharTime, template: string): string {
  return toChar(fieldsOf(time), template);
}

/** What an interval has: it lies on no date, so names of days and the like mean nothing. */
const INTERVAL_PATTERNS: ReadonlySet<DatePattern> = new Set<DatePattern>([
  ...(['HH24', 'HH12', 'HH', 'MI', 'SS', 'MS', 'US', 'SSSS', 'SSSSS'] as const),
  ...(['DD', 'MM', 'YYYY', 'AM', 'PM', 'am', 'pm'] as const),
]);

export function intervalToChar({ months, days, micros }: Interval, template: string): string {
  if (months < 0 || days < 0 || micros < 0n) {
    throw new SqlError('0A000', 'to_char of a negative interval is not supported');
  }
  const wrong = tokenize(template).some(
    (token) => token.kind === 'field' && !INTERVAL_PATTERNS.has(token.pattern),
  );
  if (wrong) {
    throw new SqlError('22007', 'invalid format specification for an interval value', {
      hint: 'Intervals are not tied to specific calendar dates.',
    });
  }
  const fields: DateFields = {
    ...{ days, year: Math.floor(months / 12), month: months % 12, day: days },
    seconds: Number(micros / MICROS_PER_SECOND),
    micros: Number(micros % MICROS_PER_SECOND),
    ...{ zoneName: '', zoneOffset: 0, isInterval: true },
  };
  return toChar(fields, template);
}

function toChar(fields: DateFields, template: string): string {
  let out = '';
  let isFill = false;
  for (const token of tokenize(template)) {
    if (token.kind === 'text') {
      out += token.text;
    } else if (token.kind === 'fill') {
      isFill = true;
    } else {
      let text = dateField(token.pattern, fields);
      if (isFill) text = trimField(text);
      if (token.ordinal !== '') text += ordinalOf(text, token.ordinal === 'TH');
      out += text;
      isFill = false;
    }
  }
  return out;
}

type Token =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'fill' }
  | { readonly kind: 'field'; readonly pattern: DatePattern; readonly ordinal: string };

function tokenize(template: string): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < template.length;) {
    const rest = template.slice(i, i + 8);
    const quoted = template[i] === '"' ? /^"((?:[^"\\]|\\.)*)"?/.exec(template.slice(i)) : null;
    if (quoted !== null) {
      tokens.push({ kind: 'text', text: (quoted[1] ?? '').replace(/\\(.)/g, '$1') });
      i += quoted[0].length;
      continue;
    }
    if (rest.startsWith('FM') || rest.startsWith('fm')) {
      tokens.push({ kind: 'fill' });
      i += 2;
      continue;
    }
    const pattern = matchPattern(rest);
    if (pattern === undefined) {
      tokens.push({ kind: 'text', text: template[i] ?? '' });
      i++;
      continue;
    }
    i += pattern.length;
    const ordinal = /^(TH|th)/.exec(template.slice(i, i + 2))?.[0] ?? '';
    i += ordinal.length;
    tokens.push({ kind: 'field', pattern, ordinal });
  }
  return tokens;
}

/** Numeric patterns may be written in either case; the case of names is part of the pattern. */
function matchPattern(rest: string): DatePattern | undefined {
  const exact = DATE_PATTERNS.find((pattern) => rest.startsWith(pattern));
  if (exact !== undefined) return exact;
  const upper = rest.toUpperCase();
  return DATE_PATTERNS.find((pattern) => upper.startsWith(pattern) && /^[A-Z0-9,]+$/.test(pattern));
}

interface DateFields {
  readonly days: number;
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly seconds: number;
  readonly micros: number;
  readonly zoneName: string;
  readonly zoneOffset: number;
  readonly isInterval?: boolean;
}

function fieldsOf(time: CharTime): DateFields {
  const days = Number(floorDiv(time.micros, MICROS_PER_DAY));
  const rest = time.micros - BigInt(days) * MICROS_PER_DAY;
  return {
    days,
    ...civilFromDays(days),
    seconds: Number(rest / MICROS_PER_SECOND),
    micros: Number(rest % MICROS_PER_SECOND),
    zoneName: time.zoneName,
    zoneOffset: time.zoneOffset,
  };
}

function dateField(pattern: DatePattern, f: DateFields): string {
  const hour = Math.floor(f.seconds / 3600);
  const shownYear = f.year > 0 || f.isInterval === true ? f.year : 1 - f.year;
  switch (pattern) {
    case 'HH24':
      return two(hour);
    case 'HH':
    case 'HH12':
      return two(((hour + 11) % 12) + 1);
    case 'MI':
      return two(Math.floor(f.seconds / 60) % 60);
    case 'SS':
      return two(f.seconds % 60);
    case 'SSSS':
    case 'SSSSS':
      return String(f.seconds);
    case 'MS':
    case 'FF3':
      return String(Math.floor(f.micros / 1000)).padStart(3, '0');
    case 'US':
    case 'FF6':
      return String(f.micros).padStart(6, '0');
    case 'FF1':
    case 'FF2':
    case 'FF4':
    case 'FF5':
      return String(f.micros).padStart(6, '0').slice(0, Number(pattern[2]));
    case 'YYYY':
      return String(shownYear).padStart(4, '0');
    case 'Y,YYY':
      return `${Math.floor(shownYear / 1000)},${String(shownYear % 1000).padStart(3, '0')}`;
    case 'YYY':
    case 'YY':
    case 'Y':
      return lastDigits(shownYear, pattern.length);
    case 'CC':
      return (f.year > 0 ? '' : '-') + two(Math.floor((shownYear + 99) / 100));
    case 'MM':
      return two(f.month);
    case 'DD':
      return two(f.day);
    case 'Q':
      return String(Math.floor((f.month - 1) / 3) + 1);
    case 'RM':
      return (ROMAN[f.month - 1] ?? '').padEnd(4);
    case 'rm':
      return (ROMAN[f.month - 1] ?? '').toLowerCase().padEnd(4);
    default:
      return dayField(pattern, f) ?? nameField(pattern, f, hour);
  }
}

function dayField(pattern: DatePattern, f: DateFields): string | undefined {
  const iso = isoWeek(f.days);
  switch (pattern) {
    case 'DDD':
      return String(dayOfYear(f.days)).padStart(3, '0');
    case 'IDDD':
      return String((iso.week - 1) * 7 + isoDayOfWeek(f.days)).padStart(3, '0');
    case 'D':
      return String(dayOfWeek(f.days) + 1);
    case 'ID':
      return String(isoDayOfWeek(f.days));
    case 'W':
      return String(Math.floor((f.day - 1) / 7) + 1);
    case 'WW':
      return two(Math.floor((dayOfYear(f.days) - 1) / 7) + 1);
    case 'IW':
      return two(iso.week);
    case 'IYYY':
      return String(iso.year > 0 ? iso.year : 1 - iso.year).padStart(4, '0');
    case 'IYY':
    case 'IY':
    case 'I':
      return lastDigits(iso.year, pattern.length);
    case 'J':
      return String(f.days + 2451545);
    default:
      return undefined;
  }
}

function nameField(pattern: DatePattern, f: DateFields, hour: number): string {
  const lower = pattern.toLowerCase();
  switch (lower) {
    case 'month':
      return inCase(pattern, MONTH_NAMES[f.month - 1] ?? '').padEnd(9);
    case 'mon':
      return inCase(pattern, (MONTH_NAMES[f.month - 1] ?? '').slice(0, 3));
    case 'day':
      return inCase(pattern, DAY_NAMES[dayOfWeek(f.days)] ?? '').padEnd(9);
    case 'dy':
      return inCase(pattern, (DAY_NAMES[dayOfWeek(f.days)] ?? '').slice(0, 3));
    case 'am':
    case 'pm':
    case 'a.m.':
    case 'p.m.': {
      const half = hour >= 12 ? 'p' : 'a';
      return inCase(pattern, lower.includes('.') ? `${half}.m.` : `${half}m`);
    }
    case 'ad':
    case 'bc':
    case 'a.d.':
    case 'b.c.': {
      const era = f.year > 0 ? 'ad' : 'bc';
      return inCase(pattern, lower.includes('.') ? `${era[0] ?? ''}.${era[1] ?? ''}.` : era);
    }
    case 'tz':
      return pattern === 'tz' ? f.zoneName.toLowerCase() : f.zoneName;
    case 'tzh':
      return formatOffset(f.zoneOffset).slice(0, 3);
    case 'tzm':
      return two(Math.floor(Math.abs(f.zoneOffset) / 60) % 60);
    default:
      return formatOffset(f.zoneOffset);
  }
}

/** The case of the pattern's letters: all, first, or none upper. */
function inCase(pattern: string, text: string): string {
  if (pattern === pattern.toUpperCase()) return text.toUpperCase();
  return pattern === pattern.toLowerCase() ? text.toLowerCase() : text;
}

function lastDigits(year: number, count: number): string {
  return String(year).padStart(count, '0').slice(-count);
}

/** FM: no leading zeros, no trailing blanks. */
function trimField(text: string): string {
  const trimmed = text.trimEnd();
  return /^\d+$/.test(trimmed) ? trimmed.replace(/^0+(?=\d)/, '') : trimmed;
}

function ordinalOf(text: string, isUpper: boolean): string {
  const value = Number(text);
  const last = value % 10;
  const isTeen = Math.floor(value / 10) % 10 === 1;
  const suffix = isTeen ? 'th' : last === 1 ? 'st' : last === 2 ? 'nd' : last === 3 ? 'rd' : 'th';
  return isUpper ? suffix.toUpperCase() : suffix;
}

/** Reads a text by a template: local microseconds. */
export function timestampFromTemplate(text: string, template: string): bigint {
  const values = new Map<string, number>();
  let rest = text.trimStart();
  for (const token of tokenize(template)) {
    if (token.kind === 'fill') continue;
    if (token.kind === 'text') {
      if (/[\s\-/:.,;]/.test(token.text)) rest = rest.replace(/^[\s\-/:.,;]/, '');
      else rest = rest.slice(token.text.length);
      continue;
    }
    rest = readField(token.pattern, rest.trimStart(), values, text);
  }
  return assembleFields(values, text);
}

const FIELD_WIDTHS: Readonly<Partial<Record<DatePattern, number>>> = {
  YYYY: 4,
  YYY: 3,
  YY: 2,
  Y: 1,
  MM: 2,
  DD: 2,
  DDD: 3,
  HH24: 2,
  HH12: 2,
  HH: 2,
  MI: 2,
  SS: 2,
  MS: 3,
  US: 6,
  SSSS: 5,
  SSSSS: 5,
  J: 7,
  FF3: 3,
  FF6: 6,
};

function readField(
  pattern: DatePattern,
  rest: string,
  values: Map<string, number>,
  text: string,
): string {
  const lower = pattern.toLowerCase();
  if (lower === 'month' || lower === 'mon') {
    const index = MONTH_NAMES.findIndex((name) =>
      rest.toLowerCase().startsWith(name.slice(0, 3).toLowerCase()),
    );
    if (index < 0) throw badTemplateValue(rest.slice(0, 5), pattern);
    values.set('MM', index + 1);
    const full = (MONTH_NAMES[index] ?? '').toLowerCase();
    const isFull = lower === 'month' && rest.toLowerCase().startsWith(full);
    return rest.slice(isFull ? full.length : 3);
  }
  if (/^(am|pm|a\.m\.|p\.m\.)$/.test(lower)) {
    values.set('PM', /^p/i.test(rest) ? 1 : 0);
    return rest.replace(/^[ap]\.?m\.?/i, '');
  }
  if (/^(day|dy)$/.test(lower)) return rest.replace(/^[a-z]+/i, '');
  const width = FIELD_WIDTHS[pattern];
  if (width === undefined) {
    throw new SqlError('0A000', `template pattern "${pattern}" is not supported for reading`);
  }
  const digits = new RegExp(`^[+-]?\\d{1,${width}}`).exec(rest)?.[0];
  if (digits === undefined) {
    if (rest === '') return rest;
    throw badTemplateValue(rest.slice(0, width), pattern, text);
  }
  const fraction = pattern === 'MS' || pattern === 'US' || pattern.startsWith('FF');
  values.set(pattern, Number(fraction ? digits.padEnd(6, '0') : digits));
  return rest.slice(digits.length);
}

function badTemplateValue(value: string, pattern: string, text?: string): SqlError {
  return new SqlError('22007', `invalid value "${value}" for "${pattern}"`, {
    detail: text === undefined ? undefined : 'Value must be an integer.',
  });
}

function assembleFields(values: ReadonlyMap<string, number>, text: string): bigint {
  const get = (...names: string[]): number | undefined => {
    for (const name of names) {
      const value = values.get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  const julian = get('J');
  let year = get('YYYY') ?? 0;
  const short = get('YY', 'Y', 'YYY');
  if (short !== undefined) year = short + (short < 70 ? 2000 : 1900);
  const astronomical = year === 0 ? 0 : year;
  const month = get('MM') ?? 1;
  const day = get('DD') ?? 1;
  let hour = get('HH24') ?? get('HH12', 'HH') ?? 0;
  if (get('HH24') === undefined && values.has('PM'))
    hour = (hour % 12) + (get('PM') === 1 ? 12 : 0);
  const seconds = get('SSSS', 'SSSSS') ?? (hour * 60 + (get('MI') ?? 0)) * 60 + (get('SS') ?? 0);
  const micros = get('US', 'FF6', 'MS', 'FF3') ?? 0;
  const isBad =
    month < 1 ||
    month > 12 ||
    day < 1 ||
    day > daysInMonth(astronomical, month) ||
    hour > 23 ||
    (get('MI') ?? 0) > 59 ||
    (get('SS') ?? 0) > 59;
  if (isBad) throw new SqlError('22008', `date/time field value out of range: "${text}"`);
  const dayNumber = get('DDD');
  let days = daysFromCivil(astronomical, month, day);
  if (dayNumber !== undefined) days = daysFromCivil(astronomical, 1, 1) + dayNumber - 1;
  if (julian !== undefined) days = julian - 2451545;
  return BigInt(days) * MICROS_PER_DAY + BigInt(seconds) * MICROS_PER_SECOND + BigInt(micros);
}

/** to_number: the digits, sign and point of the text; what the template says about their places is not checked. */
export function numberFromTemplate(text: string, template: string): Decimal {
  const isNegative = /-|<.*>/.test(text);
  const digits = text.replace(/[^0-9.]/g, '');
  const hasPoint = /[.dDvV]/.test(template);
  const kept = hasPoint ? digits : digits.replace(/\..*$/, '');
  if (!/\d/.test(kept)) {
    throw new SqlError('22P02', `invalid input syntax for type numeric: "${text.trim() || ' '}"`);
  }
  return parseDecimal((isNegative ? '-' : '') + kept);
}
