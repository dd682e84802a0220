/**
 * Text of float4 and float8 as Postgres prints it: the shortest digits that read back the same, in fixed notation
 * for decimal exponents from -4 to 14 (float4: to 5), else with an exponent of at least two digits.
 */

const FLOAT8_DIGITS = 15;
const FLOAT4_DIGITS = 6;

/** `extraDigits` is extra_float_digits: above 0 the shortest form, else 15 plus so many significant digits. */
export function formatFloat8(value: number, extraDigits = 1): string {
  if (Number.isInteger(value) && value > -1e15 && value < 1e15 && value !== 0) return String(value);
  if (!Number.isFinite(value) || value === 0) return formatSpecial(value);
  if (extraDigits > 0) return layout(value.toExponential(), FLOAT8_DIGITS);
  const digits = Math.max(1, FLOAT8_DIGITS + extraDigits);
  return layout(value.toExponential(digits - 1), digits);
}

export function formatFloat4(value: number, extraDigits = 1): string {
  if (!Number.isFinite(value) || value === 0) return formatSpecial(value);
  if (extraDigits <= 0) {
    const digits = Math.max(1, FLOAT4_DIGITS + extraDigits);
    return layout(value.toExponential(digits - 1), digits);
  }
  let text = value.toExponential(0);
  for (let digits = 1; digits < 9 && Math.fround(Number(text)) !== value; digits++) {
    text = value.toExponential(digits);
  }
  return layout(evenTie(text, value), FLOAT4_DIGITS);
}

/** Digits halfway between two choices are rounded up by JavaScript; here to the even one, if it reads back. */
function evenTie(text: string, value: number): string {
  const at = text.indexOf('e');
  const exact = value.toExponential(60);
  if (at < 0 || !/^50*e/.test(exact.slice(at === 1 ? 2 : at))) return text;
  const lower = exact.slice(0, at) + exact.slice(exact.indexOf('e'));
  const isEven = Number(exact.charAt(at - 1)) % 2 === 0;
  return isEven && Math.fround(Number(lower)) === value ? lower : text;
}

function formatSpecial(value: number): string {
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

/** From `d.ddde+x` to fixed notation if the exponent lies in [-4, limit), without trailing zeros. */
function layout(exponential: string, limit: number): string {
  const at = exponential.indexOf('e');
  const exponent = Number(exponential.slice(at + 1));
  const isNegative = exponential.charCodeAt(0) === 45;
  let digits = exponential.slice(isNegative ? 1 : 0, at).replace('.', '');
  digits = digits.replace(/0+$/, '');
  const sign = isNegative ? '-' : '';
  if (exponent < -4 || exponent >= limit) {
    const mantissa = digits.length === 1 ? digits : `${digits.slice(0, 1)}.${digits.slice(1)}`;
    const shown = String(Math.abs(exponent)).padStart(2, '0');
    return `${sign}${mantissa}e${exponent < 0 ? '-' : '+'}${shown}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}
