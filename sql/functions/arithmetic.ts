/**
 * Arithmetic on numbers with Postgres' checks: integers out of range (22003), division by zero (22012) for every
 * type, overflow and underflow of floats. Integer division truncates; the remainder has the dividend's sign.
 */
import { SqlError, divisionByZero, outOfRange } from '../errors/sql-error.ts';

const INT4_MAX = 2147483647;
const INT4_MIN = -2147483648;
const INT8_MAX = 9223372036854775807n;
const INT8_MIN = -9223372036854775808n;

export function checkInt2(value: number): number {
  if (value > 32767 || value < -32768) throw outOfRange('smallint');
  return value;
}

export function checkInt4(value: number): number {
  if (value > INT4_MAX || value < INT4_MIN) throw outOfRange('integer');
  return value;
}

export function checkInt8(value: bigint): bigint {
  if (value > INT8_MAX || value < INT8_MIN) throw outOfRange('bigint');
  return value;
}

export function divideInt(a: number, b: number): number {
  if (b === 0) throw divisionByZero();
  return Math.trunc(a / b) + 0;
}

export function moduloInt(a: number, b: number): number {
  if (b === 0) throw divisionByZero();
  return (a % b) + 0;
}

export function divideBigint(a: bigint, b: bigint): bigint {
  if (b === 0n) throw divisionByZero();
  return a / b;
}

export function moduloBigint(a: bigint, b: bigint): bigint {
  if (b === 0n) throw divisionByZero();
  return a % b;
}

/** The result of an operation on finite floats must be finite. `mayBeZero`: zero is no underflow. */
export function checkFloat(result: number, areFinite: boolean, mayBeZero: boolean): number {
  if (!Number.isFinite(result) && areFinite) {
    throw new SqlError('22003', 'value out of range: overflow');
  }
  if (result === 0 && !mayBeZero) throw new SqlError('22003', 'value out of range: underflow');
  return result;
}

export function addFloats(a: number, b: number): number {
  return checkFloat(a + b, Number.isFinite(a) && Number.isFinite(b), true);
}

export function subtractFloats(a: number, b: number): number {
  return checkFloat(a - b, Number.isFinite(a) && Number.isFinite(b), true);
}

export function multiplyFloats(a: number, b: number): number {
  return checkFloat(a * b, Number.isFinite(a) && Number.isFinite(b), a === 0 || b === 0);
}

export function divideFloats(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw divisionByZero();
  const areFinite = Number.isFinite(a) && Number.isFinite(b);
  return checkFloat(a / b, areFinite, a === 0 || !Number.isFinite(b));
}

export function powerFloats(a: number, b: number): number {
  if (a === 0 && b < 0) {
    throw new SqlError('2201F', 'zero raised to a negative power is undefined');
  }
  if (a < 0 && Number.isFinite(b) && !Number.isInteger(b)) {
    throw new SqlError(
      '2201F',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  // Unlike C, JavaScript says NaN for 1 ** NaN and 1 ** Infinity.
  if (a === 1) return 1;
  const areFinite = Number.isFinite(a) && Number.isFinite(b);
  if (isExactPower(a, b)) return checkFloat(Number(BigInt(a) ** BigInt(b)), true, a === 0);
  return checkFloat(a ** b, areFinite, a === 0 || !areFinite);
}

/** Whole powers of whole numbers are worked out exactly: JavaScript's own are off by some units in the last place. */
function isExactPower(a: number, b: number): boolean {
  return Number.isSafeInteger(a) && Number.isInteger(b) && b >= 0 && b <= 1100;
}

export function squareRoot(value: number): number {
  if (value < 0) throw new SqlError('2201F', 'cannot take square root of a negative number');
  return Math.sqrt(value);
}
