/**
 * Roots, exponentials, logarithms and powers of numeric, with Postgres' result scales: about 16 significant digits,
 * or as many decimals as the argument shows. Worked out in fixed point with guard digits; results are rounded once.
 */
import { SqlError, divisionByZero } from '../errors/sql-error.ts';
import {
  DECIMAL_INFINITY,
  DECIMAL_NAN,
  DECIMAL_ONE,
  DECIMAL_ZERO,
  MAX_DISPLAY_SCALE,
  MAX_SCALE,
  MIN_SIGNIFICANT_DIGITS,
  compareDecimals,
  decimalOfBigint,
  decimalToNumber,
  divideRounded,
  divideToScale,
  floorDecimal,
  isZero,
  leadingExponent,
  leadingGroup,
  makeDecimal,
  multiplyDecimals,
  pow10,
  rescale,
  roundDecimal,
  signOf,
  stripZeros,
} from './decimal.ts';
import type { Decimal } from './decimal.ts';

const GUARD_DIGITS = 12;
/** exp() of more overflows, as in Postgres: results have at most some 2,600 digits before the point. */
const MAX_EXPONENT = 6000;

export function sqrtDecimal(value: Decimal): Decimal {
  if (value.kind === 'nan' || value.kind === 'infinity') return value;
  if (signOf(value) < 0) {
    throw new SqlError('2201F', 'cannot take square root of a negative number');
  }
  const { weight } = leadingGroup(value);
  const integerDigits = weight >= 0 ? weight * 2 + 1 : 1 - Math.trunc((1 - weight * 4) / 2);
  const scale = clampScale(MIN_SIGNIFICANT_DIGITS - integerDigits, value.scale);
  return sqrtToScale(value, scale);
}

/** The root of a finite value that is not negative, rounded to `scale`. */
export function sqrtToScale(value: Decimal, scale: number): Decimal {
  // One digit more than asked for, of the exact root rounded down, decides the rounding.
  const shifted = rescale(
    makeDecimal(value.unscaled, value.scale),
    Math.max(value.scale, 2 * scale + 2),
  );
  const exponent = shifted.scale % 2 === 0 ? shifted.scale : shifted.scale + 1;
  const root = integerRoot(shifted.unscaled * pow10(exponent - shifted.scale));
  return rescale(makeDecimal(root, exponent / 2), scale);
}

export function expDecimal(value: Decimal): Decimal {
  if (value.kind === 'nan' || value.kind === 'infinity') return value;
  if (value.kind === '-infinity') return DECIMAL_ZERO;
  const approximate = decimalToNumber(value);
  if (Math.abs(approximate) >= MAX_EXPONENT) {
    if (approximate > 0) throw overflow();
    return makeDecimal(0n, clampScale(MAX_DISPLAY_SCALE, value.scale));
  }
  const magnitude = Math.trunc(approximate * Math.LOG10E);
  const scale = clampScale(MIN_SIGNIFICANT_DIGITS - magnitude, value.scale);
  return expToScale(value, scale);
}

export function lnDecimal(value: Decimal): Decimal {
  if (value.kind === 'nan' || value.kind === 'infinity') return value;
  requirePositive(value);
  const scale = clampScale(MIN_SIGNIFICANT_DIGITS - lnWeight(value), value.scale);
  return lnToScale(value, scale);
}

/** log(base, value) with the larger scale of both. */
export function logDecimal(base: Decimal, value: Decimal): Decimal {
  if (base.kind !== 'finite' || value.kind !== 'finite') {
    if (base.kind === 'nan' || value.kind === 'nan') return DECIMAL_NAN;
    if (signOf(base) > 0 && signOf(value) > 0) {
      if (base.kind === 'finite') return DECIMAL_INFINITY;
      return value.kind === 'finite' ? DECIMAL_ZERO : DECIMAL_NAN;
    }
  }
  requirePositive(base);
  requirePositive(value);
  const weightBase = lnWeight(base);
  const weightValue = lnWeight(value);
  const resultWeight = weightValue - weightBase;
  const scale = Math.min(
    Math.max(MIN_SIGNIFICANT_DIGITS - resultWeight, base.scale, value.scale, 0),
    MAX_DISPLAY_SCALE,
  );
  const working = scale + GUARD_DIGITS + Math.abs(weightBase) + Math.abs(weightValue);
  const lnBase = lnToScale(base, working);
  if (isZero(lnBase)) throw divisionByZero();
  return divideToScale(lnToScale(value, working), lnBase, scale);
}

export function powerDecimals(base: Decimal, exponent: Decimal): Decimal {
  if (base.kind !== 'finite' || exponent.kind !== 'finite') return powerSpecial(base, exponent);
  if (isZero(base) && signOf(exponent) < 0) {
    throw new SqlError('2201F', 'zero raised to a negative power is undefined');
  }
  const isWhole = compareDecimals(exponent, floorDecimal(exponent)) === 0;
  if (signOf(base) < 0 && !isWhole) {
    throw new SqlError(
      '2201F',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  if (isZero(base)) {
    return isZero(exponent)
      ? rescale(
          DECIMAL_ONE,
          clampScale(MIN_SIGNIFICANT_DIGITS, Math.max(base.scale, exponent.scale)),
        )
      : makeDecimal(0n, MIN_SIGNIFICANT_DIGITS);
  }
  if (isWhole) {
    const whole = rescale(exponent, 0).unscaled;
    if (whole >= -2147483648n && whole <= 2147483647n) {
      return powerInteger(base, Number(whole));
    }
  }
  return powerGeneral(base, exponent, isWhole);
}

export function factorialDecimal(n: bigint): Decimal {
  if (n < 0n) throw new SqlError('22003', 'factorial of a negative number is undefined');
  if (n > 32177n) throw overflow();
  let product = 1n;
  for (let i = 2n; i <= n; i++) product *= i;
  return decimalOfBigint(product);
}

function powerInteger(base: Decimal, exponent: number): Decimal {
  const magnitude = exponent * log10Of(base);
  if (magnitude > 131072 + 1) throw overflow();
  const scale = clampScale(MIN_SIGNIFICANT_DIGITS, base.scale);
  if (exponent === 0) return rescale(DECIMAL_ONE, scale);
  if (magnitude < -MAX_DISPLAY_SCALE - MIN_SIGNIFICANT_DIGITS) return makeDecimal(0n, scale);
  // Square and multiply, keeping enough digits that the errors of all steps stay below the last one.
  const digits = scale + Math.max(0, Math.ceil(Math.abs(magnitude))) + GUARD_DIGITS + 8;
  let result = DECIMAL_ONE;
  let factor = stripZeros(base);
  for (let rest = Math.abs(exponent); rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = trimDigits(multiplyDecimals(result, factor), digits);
    if (rest > 1) factor = trimDigits(multiplyDecimals(factor, factor), digits);
  }
  if (exponent > 0) return roundDecimal(result, scale);
  return divideToScale(DECIMAL_ONE, result, scale);
}

function powerGeneral(base: Decimal, exponent: Decimal, isWhole: boolean): Decimal {
  const isNegative = signOf(base) < 0;
  const size = isNegative ? makeDecimal(-base.unscaled, base.scale) : base;
  // Postgres estimates from a logarithm of few digits, which decides the scale of results near a power of ten.
  const ln = log10Of(size) * Math.LN10;
  const digitsOfLn = Math.max(0, 8 - lnWeight(size));
  const product = roundTo(roundTo(ln, digitsOfLn) * decimalToNumber(exponent), digitsOfLn);
  if (product > MAX_EXPONENT) throw overflow();
  const approximate = product * 0.434294481903252;
  const wanted = MIN_SIGNIFICANT_DIGITS - Math.trunc(approximate);
  const scale = Math.min(Math.max(wanted, base.scale, exponent.scale, 0), MAX_DISPLAY_SCALE);
  if (approximate < -MAX_DISPLAY_SCALE) return makeDecimal(0n, scale);
  const digits =
    Math.max(leadingExponent(exponent), 0) +
    scale +
    Math.ceil(Math.abs(approximate)) +
    GUARD_DIGITS;
  const power = multiplyDecimals(lnToScale(size, digits), exponent);
  const result = expToScale(power, scale);
  const isOdd = isWhole && rescale(exponent, 0).unscaled % 2n !== 0n;
  return isNegative && isOdd ? makeDecimal(-result.unscaled, result.scale) : result;
}

/** Half away from zero, where the value may lack a trace because it is binary. */
function roundTo(value: number, digits: number): number {
  const factor = 10 ** digits;
  return (Math.sign(value) * Math.floor(Math.abs(value) * factor + 0.5 + 1e-6)) / factor;
}

/** NaN and infinities as C's pow. */
function powerSpecial(base: Decimal, exponent: Decimal): Decimal {
  if (isZero(exponent) || compareDecimals(base, DECIMAL_ONE) === 0) return DECIMAL_ONE;
  if (base.kind === 'nan' || exponent.kind === 'nan') return DECIMAL_NAN;
  if (isZero(base) && signOf(exponent) < 0) {
    throw new SqlError('2201F', 'zero raised to a negative power is undefined');
  }
  const value = decimalToNumber(base) ** decimalToNumber(exponent);
  if (value === Infinity) return DECIMAL_INFINITY;
  if (value === -Infinity) return { kind: '-infinity', unscaled: 0n, scale: 0 };
  if (Number.isNaN(value)) return DECIMAL_NAN;
  return value === 1 ? DECIMAL_ONE : DECIMAL_ZERO;
}

/** e^value, rounded to `scale`: halved until small, Taylor series, squared back. */
function expToScale(value: Decimal, scale: number): Decimal {
  const magnitude = Math.ceil(Math.abs(decimalToNumber(value)) * Math.LOG10E);
  let halvings = 0;
  for (let size = Math.abs(decimalToNumber(value)); size > 0.01; size /= 2) halvings++;
  const working = scale + magnitude + halvings + GUARD_DIGITS;
  const one = pow10(working);
  const exact = rescale(value, Math.max(value.scale, working));
  const x = divideRounded(exact.unscaled, pow10(exact.scale - working) << BigInt(halvings));
  let term = one;
  let sum = one;
  for (let n = 1n; term !== 0n; n++) {
    term = (term * x) / (one * n);
    sum += term;
  }
  for (let i = 0; i < halvings; i++) sum = (sum * sum) / one;
  return rescale(makeDecimal(sum, working), scale);
}

/** ln(value) rounded to `scale`: of the mantissa by series, and a multiple of ln 10. */
function lnToScale(value: Decimal, scale: number): Decimal {
  const working = scale + GUARD_DIGITS;
  // value = m * 10^exponent with m in [1, 10).
  const exponent = leadingExponent(value);
  let m = makeDecimal(value.unscaled, value.scale + exponent);
  if (m.scale < 0) m = makeDecimal(m.unscaled * pow10(-m.scale), 0);
  const mantissa = divideRounded(m.unscaled * pow10(working), pow10(m.scale));
  const sum = lnFixed(mantissa, working) + BigInt(exponent) * lnTen(working);
  return rescale(makeDecimal(sum, working), scale);
}

/** ln of a fixed-point number between 1 and 10: roots until near 1, then 2 atanh((x-1)/(x+1)). */
function lnFixed(x: bigint, working: number): bigint {
  const one = pow10(working);
  let value = x;
  let roots = 0;
  while (value - one > one / 10n || one - value > one / 10n) {
    value = integerRoot(value * one);
    roots++;
  }
  const ratio = ((value - one) * one) / (value + one);
  const square = (ratio * ratio) / one;
  let power = ratio;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = (power * square) / one;
  }
  return (sum * 2n) << BigInt(roots);
}

const lnTenCache = new Map<number, bigint>();

function lnTen(working: number): bigint {
  const known = lnTenCache.get(working);
  if (known !== undefined) return known;
  const extra = working + 6;
  const value = divideRounded(lnFixed(10n * pow10(extra), extra), pow10(6));
  if (lnTenCache.size > 64) lnTenCache.clear();
  lnTenCache.set(working, value);
  return value;
}

/** The largest integer whose square does not exceed the value. */
export function integerRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let guess = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + value / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** The decimal weight of ln(value)'s first digit, as Postgres estimates it. */
function lnWeight(value: Decimal): number {
  const number = decimalToNumber(value);
  if (number >= 0.9 && number <= 1.1) {
    const offset = makeDecimal(value.unscaled - pow10(value.scale), value.scale);
    return isZero(offset) ? 0 : leadingExponent(offset);
  }
  const ln = Math.abs(log10Of(value) * Math.LN10);
  return Math.trunc(Math.log10(ln));
}

/** log10 of the size of a non-zero value, also beyond the range of floats. */
function log10Of(value: Decimal): number {
  const digits = (value.unscaled < 0n ? -value.unscaled : value.unscaled).toString();
  return (
    Math.log10(Number(`${digits.slice(0, 1)}.${digits.slice(1, 18)}`)) + leadingExponent(value)
  );
}

/** Rounded to so many digits behind the point and significant ones before. */
function trimDigits(value: Decimal, digits: number): Decimal {
  if (isZero(value)) return value;
  const scale = Math.min(MAX_SCALE, digits - Math.min(0, leadingExponent(value)));
  return value.scale > scale ? rescale(value, scale) : value;
}

function clampScale(wanted: number, shown: number): number {
  return Math.min(Math.max(wanted, shown, 0), MAX_DISPLAY_SCALE);
}

function requirePositive(value: Decimal): void {
  if (isZero(value)) throw new SqlError('2201E', 'cannot take logarithm of zero');
  if (signOf(value) < 0) throw new SqlError('2201E', 'cannot take logarithm of a negative number');
}

function overflow(): SqlError {
  return new SqlError('22003', 'value overflows numeric format');
}
