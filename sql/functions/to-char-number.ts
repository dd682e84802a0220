/**
 * to_char of numbers: a template of digit places (9, 0), point and separators (. D , G), signs (S, MI, PL, SG, PR),
 * FM, TH, L, V is not supported; EEEE gives scientific notation. Widths and blanks are Postgres'.
 */
import { SqlError } from '../errors/sql-error.ts';
import {
  formatDecimal,
  leadingExponent,
  roundDecimal,
  isZero,
  makeDecimal,
  pow10,
} from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';

interface NumberTemplate {
  /** Places and separators before and after the point, in order: 9 0 , G and literal text. */
  readonly whole: readonly string[];
  readonly fraction: readonly string[];
  readonly hasPoint: boolean;
  readonly isFill: boolean;
  readonly sign: 'none' | 'S<' | 'S>' | 'MI<' | 'MI>' | 'PR' | 'SG<' | 'SG>' | 'PL<' | 'PL>';
  readonly ordinal: '' | 'TH' | 'th';
  readonly isScientific: boolean;
  /** Literal text ahead of the first place: it stands before the sign. */
  readonly prefix: string;
}

const MAX_TEMPLATE = 512;

export function decimalToChar(value: Decimal, text: string): string {
  if (text.length > MAX_TEMPLATE) throw new SqlError('22023', 'template is too long');
  const template = parseTemplate(text);
  if (template.isScientific) return scientific(value, template);
  const places = template.fraction.filter(isPlace).length;
  const wholePlaces = template.whole.filter(isPlace).length;
  if (value.kind !== 'finite') return '#'.repeat(wholePlaces + places + 1);
  const rounded = roundDecimal(value, places);
  const isNegative = rounded.unscaled < 0n || (value.unscaled < 0n && !isZero(rounded));
  const digits = formatDecimal(
    rounded.unscaled < 0n ? makeDecimal(-rounded.unscaled, rounded.scale) : rounded,
  );
  const [whole = '0', fraction = ''] = digits.split('.');
  const shownWhole = whole === '0' ? '' : whole;
  const isOverflow = shownWhole.length > wholePlaces;
  const left = isOverflow
    ? fillOverflow(template.whole)
    : layoutWhole(template, shownWhole.padStart(wholePlaces), places > 0);
  const places9 = layoutFraction(template, fraction, isOverflow);
  const right = template.hasPoint ? `.${places9}` : '';
  // FM drops zeros, but never all digits of a number.
  const isBare = template.isFill && places9 === '' && left.trim() === '' && template.hasPoint;
  const ordinal = isOverflow ? '' : template.ordinal;
  return (
    template.prefix + withSign({ ...template, ordinal }, isBare ? '0' : left, right, isNegative)
  );
}

function isPlace(unit: string): boolean {
  return unit === '9' || unit === '0';
}

function parseTemplate(text: string): NumberTemplate {
  const whole: string[] = [];
  const fraction: string[] = [];
  let hasPoint = false;
  let isFill = false;
  let sign: NumberTemplate['sign'] = 'none';
  let ordinal: NumberTemplate['ordinal'] = '';
  let isScientific = false;
  let prefix = '';
  const unit = /"((?:[^"\\]|\\.)*)"|FM|EEEE|TH|MI|PL|SG|PR|RN|[SDGLV]|[\s\S]/gi;
  for (const match of text.matchAll(unit)) {
    const token = match[0].toUpperCase();
    const target = hasPoint ? fraction : whole;
    const isBefore = !whole.some(isPlace) && !fraction.some(isPlace);
    if (token === 'FM') isFill = true;
    else if (token === 'EEEE') isScientific = true;
    else if (token === 'TH') ordinal = match[0] === 'th' ? 'th' : 'TH';
    else if (token === '.' || token === 'D') hasPoint = true;
    else if (token === 'S' || token === 'MI' || token === 'SG' || token === 'PL') {
      sign = `${token}${isBefore ? '<' : '>'}`;
    } else if (token === 'PR') sign = 'PR';
    else if (token === 'V' || token === 'RN') {
      throw new SqlError('0A000', `the pattern ${token} is not supported in to_char`);
    } else if (token === '9' || token === '0' || token === ',') target.push(token);
    else if (token === 'G') target.push(',');
    else if (token === 'L') target.push('" ');
    else if (isBefore && !hasPoint && sign === 'none') prefix += match[1] ?? match[0];
    else target.push(`"${match[1] ?? match[0]}`);
  }
  return { whole, fraction, hasPoint, isFill, sign, ordinal, isScientific, prefix };
}

/** `digits` are as long as there are places, blank in front. A 0 place and all behind it show zeros. */
function layoutWhole(template: NumberTemplate, digits: string, hasFraction: boolean): string {
  let out = '';
  let at = 0;
  let isStarted = false;
  const lastPlace = template.whole.filter(isPlace).length - 1;
  for (const unit of template.whole) {
    if (isPlace(unit)) {
      const digit = digits[at] ?? ' ';
      if (digit !== ' ' || unit === '0') isStarted = true;
      if (digit !== ' ') out += digit;
      else if (isStarted) out += '0';
      // The value zero shows one digit where no fraction follows.
      else if (at === lastPlace && !hasFraction) out += '0';
      else out += ' ';
      at++;
    } else if (unit === ',') {
      out += isStarted ? ',' : ' ';
    } else {
      out += unit.slice(1);
    }
  }
  return out;
}

function layoutFraction(template: NumberTemplate, fraction: string, isOverflow: boolean): string {
  let out = '';
  let at = 0;
  const lastZero = template.fraction.lastIndexOf('0');
  template.fraction.forEach((unit, i) => {
    if (isPlace(unit)) {
      const rest = fraction.slice(at);
      const isDropped = template.isFill && !isOverflow && i > lastZero && /^0*$/.test(rest);
      if (!isDropped) out += isOverflow ? '#' : (fraction[at] ?? '0');
      at++;
    } else {
      out += unit === ',' ? ',' : unit.slice(1);
    }
  });
  return out;
}

function fillOverflow(units: readonly string[]): string {
  return units.map((unit) => (isPlace(unit) ? '#' : unit === ',' ? ',' : unit.slice(1))).join('');
}

function withSign(
  template: NumberTemplate,
  left: string,
  right: string,
  isNegative: boolean,
): string {
  const blanks = /^ */.exec(left)?.[0] ?? '';
  const core = left.slice(blanks.length) + right;
  const ordinal = template.ordinal === '' || isNegative ? '' : ordinalFor(left, template.ordinal);
  let out: string;
  switch (template.sign) {
    case 'S<':
      out = blanks + (isNegative ? '-' : '+') + core;
      break;
    case 'S>':
      out = blanks + core + (isNegative ? '-' : '+');
      break;
    case 'MI<':
      out = (isNegative ? '-' : ' ') + blanks + core;
      break;
    case 'MI>':
      out = blanks + core + (isNegative ? '-' : ' ');
      break;
    case 'SG<':
      out = (isNegative ? '-' : '+') + blanks + core;
      break;
    case 'SG>':
      out = blanks + core + (isNegative ? '-' : '+');
      break;
    case 'PL<':
      out = (isNegative ? ' ' : '+') + blanks + (isNegative ? '-' : ' ') + core;
      break;
    case 'PL>':
      out = blanks + (isNegative ? '-' : ' ') + core + (isNegative ? ' ' : '+');
      break;
    case 'PR':
      out = isNegative ? `${blanks}<${core}>` : ` ${blanks}${core} `;
      break;
    case 'none':
      out = blanks + (isNegative ? '-' : ' ') + core;
      break;
  }
  return template.isFill ? out.trim() + ordinal : out + ordinal;
}

function ordinalFor(left: string, style: 'TH' | 'th'): string {
  const value = Number(left.replace(/\D/g, ''));
  const last = value % 10;
  const isTeen = Math.floor(value / 10) % 10 === 1;
  const suffix = isTeen ? 'th' : last === 1 ? 'st' : last === 2 ? 'nd' : last === 3 ? 'rd' : 'th';
  return style === 'TH' ? suffix.toUpperCase() : suffix;
}

function scientific(value: Decimal, template: NumberTemplate): string {
  const places = template.fraction.filter(isPlace).length;
  if (value.kind !== 'finite') return ` ${'#'.repeat(places + 2)}`;
  let exponent = isZero(value) ? 0 : leadingExponent(value);
  let mantissa = shifted(value, exponent, places);
  if (mantissa.unscaled >= pow10(places + 1) || mantissa.unscaled <= -pow10(places + 1)) {
    exponent++;
    mantissa = shifted(value, exponent, places);
  }
  const shown = String(Math.abs(exponent)).padStart(2, '0');
  const text = `${formatDecimal(mantissa)}e${exponent < 0 ? '-' : '+'}${shown}`;
  return value.unscaled < 0n || template.isFill ? text : ` ${text}`;
}

/** value / 10^exponent, rounded to `places`. */
function shifted(value: Decimal, exponent: number, places: number): Decimal {
  const scale = value.scale + exponent;
  const exact =
    scale >= 0
      ? makeDecimal(value.unscaled, scale)
      : makeDecimal(value.unscaled * pow10(-scale), 0);
  return roundDecimal(exact, places);
}
