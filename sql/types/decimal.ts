/**
 * `numeric`: an exact decimal, `unscaled / 10^scale`, or NaN or an infinity. The scale is the display scale, so that
 * 1.0 and 1.00 compare equal and print differently, as in Postgres (chapter 8.1.2). Result scales and rounding
 * (half away from zero) are Postgres'. Roots, logarithms and powers are in decimal-math.ts.
 *
 * Limits: 131,072 digits before the point and 16,383 after it (22003).
 */
import { SqlError, divisionByZero, invalidTextRepresentation } from '../errors/sql-error.ts';
import { numericPrecision, numericScale } from './sql-type.ts';

export interface Decimal {
  readonly kind: 'finite' | 'nan' | 'infinity' | '-infinity';
  readonly unscaled: bigint;
  /** Digits after the point; 0 to 16383. */
  readonly scale: number;
}

export const MAX_SCALE = 16383;
const MAX_INTEGER_DIGITS = 131072;
/** Division, roots and logarithms aim at this many significant digits. */
export const MIN_SIGNIFICANT_DIGITS = 16;
export const MAX_DISPLAY_SCALE = 1000;
const MAX_ROUND_SCALE = 2000;

export const DECIMAL_NAN: Decimal = { kind: 'nan', unscaled: 0n, scale: 0 };
export const DECIMAL_INFINITY: Decimal = { kind: 'infinity', unscaled: 0n, scale: 0 };
export const DECIMAL_MINUS_INFINITY: Decimal = { kind: '-infinity', unscaled: 0n, scale: 0 };
export const DECIMAL_ZERO: Decimal = { kind: 'finite', unscaled: 0n, scale: 0 };
export const DECIMAL_ONE: Decimal = { kind: 'finite', unscaled: 1n, scale: 0 };

const POWERS: bigint[] = [1n];

/** 10^n for n from 0 up. */
export function pow10(n: number): bigint {
  const known = POWERS[n];
  if (known !== undefined) return known;
  if (n > 1024) return 10n ** BigInt(n);
  let value = POWERS[POWERS.length - 1] ?? 1n;
  while (POWERS.length <= n) {
    value *= 10n;
    POWERS.push(value);
  }
  return value;
}

export function makeDecimal(unscaled: bigint, scale: number): Decimal {
  return { kind: 'finite', unscaled, scale };
}

export function decimalOfBigint(value: bigint): Decimal {
  return { kind: 'finite', unscaled: value, scale: 0 };
}

export function decimalOfInteger(value: number): Decimal {
  return { kind: 'finite', unscaled: BigInt(value), scale: 0 };
}

/** A float8 (15 significant digits) or float4 (6), as Postgres' cast does. */
export function decimalOfFloat(value: number, significantDigits: 15 | 6 = 15): Decimal {
  if (Number.isNaN(value)) return DECIMAL_NAN;
  if (value === Infinity) return DECIMAL_INFINITY;
  if (value === -Infinity) return DECIMAL_MINUS_INFINITY;
  const [mantissa = '0', exponent = '0'] = value.toExponential(significantDigits - 1).split('e');
  return ofParts(mantissa.replace(/\.?0+$/, ''), Number(exponent));
}

const FINITE = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,9}))?$/i;

/** The value of a text, or undefined when it is none. Throws 22003 beyond the limits. */
export function tryParseDecimal(text: string): Decimal | undefined {
  const trimmed = text.trim();
  const match = FINITE.exec(trimmed);
  if (match === null || (match[2] === '' && (match[3] ?? '') === '')) {
    switch (trimmed.toLowerCase()) {
      case 'nan':
        return DECIMAL_NAN;
      case 'inf':
      case '+inf':
      case 'infinity':
      case '+infinity':
        return DECIMAL_INFINITY;
      case '-inf':
      case '-infinity':
        return DECIMAL_MINUS_INFINITY;
      default:
        return undefined;
    }
  }
  const [, sign = '', whole = '', fraction = '', exponent] = match;
  const text10 = exponent === undefined ? undefined : Number(exponent);
  if (text10 === undefined && whole.length <= MAX_INTEGER_DIGITS && fraction.length <= MAX_SCALE) {
    const digits = BigInt(whole + fraction);
    return makeDecimal(sign === '-' ? -digits : digits, fraction.length);
  }
  return ofParts(`${sign}${whole}.${fraction}`, text10 ?? 0);
}

/** As `tryParseDecimal`, or 22P02. */
export function parseDecimal(text: string): Decimal {
  const value = tryParseDecimal(text);
  if (value === undefined) throw invalidTextRepresentation('numeric', text);
  return value;
}

/** `mantissa` is `[+-]digits[.digits]`. */
function ofParts(mantissa: string, exponent: number): Decimal {
  const isNegative = mantissa.startsWith('-');
  const [whole = '', fraction = ''] = mantissa.replace(/^[+-]/, '').split('.');
  const scale = fraction.length - exponent;
  if (whole.length + exponent > MAX_INTEGER_DIGITS + 4 && BigInt(whole + fraction) !== 0n) {
    throw overflow();
  }
  if (exponent > MAX_INTEGER_DIGITS) return DECIMAL_ZERO;
  if (scale > MAX_SCALE * 2 + mantissa.length) return makeDecimal(0n, MAX_SCALE);
  let digits = BigInt(whole + fraction);
  if (isNegative) digits = -digits;
  if (scale < 0) return checked(makeDecimal(digits * pow10(-scale), 0));
  return scale > MAX_SCALE
    ? rescale(makeDecimal(digits, scale), MAX_SCALE)
    : checked(makeDecimal(digits, scale));
}

export function formatDecimal(value: Decimal): string {
  if (value.kind !== 'finite') {
    return value.kind === 'nan' ? 'NaN' : value.kind === 'infinity' ? 'Infinity' : '-Infinity';
  }
  const text = value.unscaled.toString();
  const scale = value.scale;
  if (scale === 0) return text;
  const isNegative = text.charCodeAt(0) === 45;
  const digits = (isNegative ? text.slice(1) : text).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${isNegative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') return ofSpecial(special(a) + special(b));
  if (a.scale === b.scale) return checked(makeDecimal(a.unscaled + b.unscaled, a.scale));
  return a.scale > b.scale
    ? checked(makeDecimal(a.unscaled + b.unscaled * pow10(a.scale - b.scale), a.scale))
    : checked(makeDecimal(a.unscaled * pow10(b.scale - a.scale) + b.unscaled, b.scale));
}

export function subtractDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') return ofSpecial(special(a) - special(b));
  return addDecimals(a, negateDecimal(b));
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') return ofSpecial(special(a) * special(b));
  const product = makeDecimal(a.unscaled * b.unscaled, a.scale + b.scale);
  return checked(product.scale > MAX_SCALE ? rescale(product, MAX_SCALE) : product);
}

/** To at least 16 significant digits and the scales of both operands: see `quotientScale`. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') {
    if (a.kind === 'nan' || b.kind === 'nan') return DECIMAL_NAN;
    if (isZero(b)) throw divisionByZero();
    return ofSpecial(special(a) / special(b));
  }
  if (b.unscaled === 0n) throw divisionByZero();
  return divideToScale(a, b, quotientScale(a, b));
}

/** Both finite, `b` not zero. */
export function divideToScale(a: Decimal, b: Decimal, scale: number): Decimal {
  const shift = scale + b.scale - a.scale;
  return shift >= 0
    ? makeDecimal(divideRounded(a.unscaled * pow10(shift), b.unscaled), scale)
    : makeDecimal(divideRounded(a.unscaled, b.unscaled * pow10(-shift)), scale);
}

/** The quotient rounded towards zero to an integer: div(). */
export function divideTruncated(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') return divideDecimals(a, b);
  if (b.unscaled === 0n) throw divisionByZero();
  const scale = Math.max(a.scale, b.scale);
  return makeDecimal(rescale(a, scale).unscaled / rescale(b, scale).unscaled, 0);
}

/** The remainder has the sign of `a`. */
export function moduloDecimals(a: Decimal, b: Decimal): Decimal {
  if (a.kind !== 'finite' || b.kind !== 'finite') {
    if (a.kind === 'nan' || b.kind === 'nan') return DECIMAL_NAN;
    if (isZero(b)) throw divisionByZero();
    return a.kind === 'finite' ? a : DECIMAL_NAN;
  }
  if (b.unscaled === 0n) throw divisionByZero();
  const scale = Math.max(a.scale, b.scale);
  return makeDecimal(rescale(a, scale).unscaled % rescale(b, scale).unscaled, scale);
}

export function negateDecimal(value: Decimal): Decimal {
  if (value.kind === 'finite') return makeDecimal(-value.unscaled, value.scale);
  return ofSpecial(-special(value));
}

export function absDecimal(value: Decimal): Decimal {
  return signOf(value) < 0 ? negateDecimal(value) : value;
}

/** -1, 0 or 1; of NaN: NaN. */
export function signOf(value: Decimal): number {
  if (value.kind === 'finite') return value.unscaled > 0n ? 1 : value.unscaled < 0n ? -1 : 0;
  return Math.sign(special(value));
}

export function isZero(value: Decimal): boolean {
  return value.kind === 'finite' && value.unscaled === 0n;
}

/** NaN is equal to itself and above everything else. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.kind !== 'finite' || b.kind !== 'finite') return orderOf(a) - orderOf(b);
  let x = a.unscaled;
  let y = b.unscaled;
  if (a.scale < b.scale) x *= pow10(b.scale - a.scale);
  else if (a.scale > b.scale) y *= pow10(a.scale - b.scale);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Equal exactly for equal values: 1.0 and 1.00 give the same text. */
export function decimalKey(value: Decimal): string {
  if (value.kind !== 'finite') return value.kind;
  const short = stripZeros(value);
  return short.scale === 0 ? short.unscaled.toString() : `${short.unscaled}e-${short.scale}`;
}

/** Without trailing zeros after the point. */
export function stripZeros(value: Decimal): Decimal {
  let { unscaled, scale } = value;
  if (unscaled === 0n) return DECIMAL_ZERO;
  while (scale > 0 && unscaled % 10n === 0n) {
    unscaled /= 10n;
    scale--;
  }
  return scale === value.scale ? value : makeDecimal(unscaled, scale);
}

/** Rounded half away from zero to `digits` after the point; negative digits round to tens. */
export function roundDecimal(value: Decimal, digits: number): Decimal {
  if (value.kind !== 'finite') return value;
  return roundWith(value, digits, divideRounded);
}

export function truncateDecimal(value: Decimal, digits: number): Decimal {
  if (value.kind !== 'finite') return value;
  return roundWith(value, digits, (a, b) => a / b);
}

export function floorDecimal(value: Decimal): Decimal {
  if (value.kind !== 'finite' || value.scale === 0) return value;
  const divisor = pow10(value.scale);
  const whole = value.unscaled / divisor;
  const isInexact = value.unscaled % divisor !== 0n;
  return decimalOfBigint(isInexact && value.unscaled < 0n ? whole - 1n : whole);
}

export function ceilDecimal(value: Decimal): Decimal {
  return negateDecimal(floorDecimal(negateDecimal(value)));
}

/** Exact when the scale grows, rounded when it shrinks. Finite values only. */
export function rescale(value: Decimal, scale: number): Decimal {
  if (scale === value.scale) return value;
  return scale > value.scale
    ? makeDecimal(value.unscaled * pow10(scale - value.scale), scale)
    : makeDecimal(divideRounded(value.unscaled, pow10(value.scale - scale)), scale);
}

/** Makes the value fit numeric(precision, scale), or 22003. */
export function applyNumericModifier(value: Decimal, modifier: number): Decimal {
  if (modifier < 4 || value.kind === 'nan') return value;
  const precision = numericPrecision(modifier);
  const scale = numericScale(modifier);
  if (value.kind !== 'finite') {
    throw new SqlError('22003', 'numeric field overflow', {
      detail: `A field with precision ${precision}, scale ${scale} cannot hold an infinite value.`,
    });
  }
  const rounded = roundWith(value, scale, divideRounded);
  const limit = precision - scale;
  const size = rounded.unscaled < 0n ? -rounded.unscaled : rounded.unscaled;
  // The limit in units of the rounded value's scale; a negative one leaves room for zero only.
  const exponent = limit + rounded.scale;
  if (size !== 0n && (exponent < 0 || size >= pow10(exponent))) {
    const bound = limit === 0 ? '1' : `10^${limit}`;
    throw new SqlError('22003', 'numeric field overflow', {
      detail:
        `A field with precision ${precision}, scale ${scale} ` +
        `must round to an absolute value less than ${bound}.`,
    });
  }
  return rounded;
}

/** Rounded to an integer; 0A000 for NaN and infinities. `typeName` for the message. */
export function decimalToBigint(value: Decimal, typeName: string): bigint {
  if (value.kind !== 'finite') {
    const what = value.kind === 'nan' ? 'NaN' : 'infinity';
    throw new SqlError('0A000', `cannot convert ${what} to ${typeName}`);
  }
  return rescale(value, 0).unscaled;
}

/** The nearest float8; beyond its range an infinity. */
export function decimalToNumber(value: Decimal): number {
  switch (value.kind) {
    case 'nan':
      return NaN;
    case 'infinity':
      return Infinity;
    case '-infinity':
      return -Infinity;
    case 'finite':
      return value.scale === 0 ? Number(value.unscaled) : Number(formatDecimal(value));
  }
}

/** The decimal exponent of the first significant digit: 0 for 1 to 9.99, -1 for 0.1 to 0.99. Not of zero. */
export function leadingExponent(value: Decimal): number {
  const size = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  return size.toString().length - 1 - value.scale;
}

/** Quotient rounded half away from zero. */
export function divideRounded(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  const rest = a % b;
  if (rest === 0n) return quotient;
  const twice = (rest < 0n ? -rest : rest) * 2n;
  if (twice < (b < 0n ? -b : b)) return quotient;
  return a < 0n === b < 0n ? quotient + 1n : quotient - 1n;
}

/**
 * Postgres picks a quotient's scale from the operands' leading digits in base 10,000, so that 16 significant digits
 * are certain, and never below the operands' own scales.
 */
function quotientScale(a: Decimal, b: Decimal): number {
  const first = leadingGroup(a);
  const second = leadingGroup(b);
  let weight = first.weight - second.weight;
  if (first.digit <= second.digit) weight--;
  const scale = Math.max(MIN_SIGNIFICANT_DIGITS - weight * 4, a.scale, b.scale, 0);
  return Math.min(scale, MAX_DISPLAY_SCALE);
}

/** The weight and the value of the first non-zero digit in base 10,000. */
export function leadingGroup(value: Decimal): { weight: number; digit: number } {
  if (value.unscaled === 0n) return { weight: 0, digit: 0 };
  const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  const exponent = digits.length - 1 - value.scale;
  const weight = Math.floor(exponent / 4);
  const count = exponent - weight * 4 + 1;
  return { weight, digit: Number(digits.slice(0, count).padEnd(count, '0')) };
}

function roundWith(
  value: Decimal,
  digits: number,
  divide: (a: bigint, b: bigint) => bigint,
): Decimal {
  const scale = Math.max(-MAX_ROUND_SCALE, Math.min(MAX_ROUND_SCALE, digits));
  if (scale >= value.scale) return rescale(value, scale);
  const quotient = divide(value.unscaled, pow10(value.scale - scale));
  return scale >= 0 ? makeDecimal(quotient, scale) : makeDecimal(quotient * pow10(-scale), 0);
}

/** Digits before the point beyond the limit are refused; cheap for the values that occur. */
function checked(value: Decimal): Decimal {
  const { unscaled } = value;
  if (unscaled < SMALL && unscaled > -SMALL) return value;
  if (leadingExponent(value) >= MAX_INTEGER_DIGITS) throw overflow();
  return value;
}

const SMALL = 1n << 256n;

function overflow(): SqlError {
  return new SqlError('22003', 'value overflows numeric format');
}

/** NaN and infinities as floats; a finite value as its sign. */
function special(value: Decimal): number {
  switch (value.kind) {
    case 'nan':
      return NaN;
    case 'infinity':
      return Infinity;
    case '-infinity':
      return -Infinity;
    case 'finite':
      return signOf(value);
  }
}

/** The result of float arithmetic on what `special` gave, at least one operand not being finite. */
function ofSpecial(value: number): Decimal {
  if (Number.isNaN(value)) return DECIMAL_NAN;
  if (value === Infinity) return DECIMAL_INFINITY;
  return value === -Infinity ? DECIMAL_MINUS_INFINITY : DECIMAL_ZERO;
}

function orderOf(value: Decimal): number {
  return value.kind === 'nan'
    ? 2
    : value.kind === 'infinity'
      ? 1
      : value.kind === 'finite'
        ? 0
        : -1;
}
