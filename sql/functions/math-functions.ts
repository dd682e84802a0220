/**
 * Mathematical functions: of integers, numeric and double precision, with Postgres' overloads and errors.
 */
import { SqlError } from '../errors/sql-error.ts';
import { compareDecimals } from '../types/decimal.ts';
import type { Datum } from '../types/datum.ts';
import {
  DECIMAL_ONE,
  absDecimal,
  addDecimals,
  ceilDecimal,
  decimalOfInteger,
  divideTruncated,
  floorDecimal,
  makeDecimal,
  moduloDecimals,
  multiplyDecimals,
  roundDecimal,
  signOf,
  stripZeros,
  subtractDecimals,
  truncateDecimal,
} from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';
import {
  expDecimal,
  factorialDecimal,
  lnDecimal,
  logDecimal,
  powerDecimals,
  sqrtDecimal,
} from '../types/decimal-math.ts';
import { roundHalfEven } from '../types/rounding.ts';
import { FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC, TEXT } from '../types/sql-type.ts';
import {
  checkFloat,
  checkInt2,
  checkInt4,
  checkInt8,
  divideInt,
  moduloBigint,
  moduloInt,
  powerFloats,
  squareRoot,
} from './arithmetic.ts';
import { entry } from './function-entry.ts';
import type { FunctionEntry } from './function-entry.ts';
import type { ScalarImpl } from './function-types.ts';

const DECIMAL_TEN = decimalOfInteger(10);

/** float8 in, float8 out. */
function float(name: string, compute: (value: number) => number): FunctionEntry {
  return entry(name, [FLOAT8], FLOAT8, (args) => compute(args[0] as number));
}

function decimal(name: string, compute: (value: Decimal) => Decimal): FunctionEntry {
  return entry(name, [NUMERIC], NUMERIC, (args) => compute(args[0] as Decimal));
}

/** The result of a finite argument has to be finite. */
function finite(compute: (value: number) => number): (value: number) => number {
  return (value) => checkFloat(compute(value), Number.isFinite(value), true);
}

/** `compute` within [-1, 1], else 22003. */
function withinUnit(compute: (value: number) => number): (value: number) => number {
  return (value) => {
    if (value < -1 || value > 1) throw new SqlError('22003', 'input is out of range');
    return compute(value);
  };
}

function logarithm(compute: (value: number) => number): (value: number) => number {
  return (value) => {
    if (value === 0) throw new SqlError('2201E', 'cannot take logarithm of zero');
    if (value < 0) throw new SqlError('2201E', 'cannot take logarithm of a negative number');
    return compute(value);
  };
}

function gcdOf(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function lcmOf(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  const product = (a / gcdOf(a, b)) * b;
  return product < 0n ? -product : product;
}

/** width_bucket(operand, low, high, count). */
function widthBucket(operand: Decimal, low: Decimal, high: Decimal, count: number): number {
  if (count <= 0) throw new SqlError('2201G', 'count must be greater than zero');
  if ([operand, low, high].some(({ kind }) => kind === 'nan')) {
    throw new SqlError('2201G', 'operand, lower bound, and upper bound cannot be NaN');
  }
  const order = compareDecimals(low, high);
  if (order === 0) throw new SqlError('2201G', 'lower bound cannot equal upper bound');
  const [bottom, top] = order < 0 ? [low, high] : [high, low];
  const isBelow = compareDecimals(operand, bottom) < 0;
  const isAbove = compareDecimals(operand, top) >= 0;
  if (order < 0) {
    if (isBelow) return 0;
    if (isAbove) return checkInt4(count + 1);
  } else {
    if (compareDecimals(operand, low) > 0) return 0;
    if (compareDecimals(operand, high) <= 0) return checkInt4(count + 1);
  }
  const distance = absDecimal(subtractDecimals(operand, low));
  const width = absDecimal(subtractDecimals(high, low));
  const scaled = multiplyDecimals(distance, decimalOfInteger(count));
  return Number(divideTruncated(scaled, width).unscaled) + 1;
}

/** Overloads of one name for the integer types. */
function integers(
  name: string,
  small: (...values: number[]) => number,
  large: (...values: bigint[]) => bigint,
  arity: 1 | 2,
): FunctionEntry[] {
  const args = <T>(type: T): T[] => (arity === 1 ? [type] : [type, type]);
  const smallImpl =
    (check: (value: number) => number): ScalarImpl =>
    (values) =>
      check(small(...(values as number[])) + 0);
  return [
    entry(name, args(INT2), INT2, smallImpl(checkInt2)),
    entry(name, args(INT4), INT4, smallImpl(checkInt4)),
    entry(name, args(INT8), INT8, (values) => checkInt8(large(...(values as bigint[])))),
  ];
}

const INTEGER_FUNCTIONS: readonly FunctionEntry[] = [
  ...integers('abs', Math.abs, (a = 0n) => (a < 0n ? -a : a), 1),
  ...integers(
    'mod',
    (a = 0, b = 0) => moduloInt(a, b),
    (a = 0n, b = 0n) => moduloBigint(a, b),
    2,
  ),
  ...integers(
    'gcd',
    (a = 0, b = 0) => Number(gcdOf(BigInt(a), BigInt(b))),
    (a = 0n, b = 0n) => gcdOf(a, b),
    2,
  ).slice(1),
  ...integers(
    'lcm',
    (a = 0, b = 0) => Number(lcmOf(BigInt(a), BigInt(b))),
    (a = 0n, b = 0n) => lcmOf(a, b),
    2,
  ).slice(1),
  entry('div', [INT4, INT4], INT4, (args) => divideInt(args[0] as number, args[1] as number)),
  entry('factorial', [INT8], NUMERIC, (args) => factorialDecimal(args[0] as bigint)),
  entry('to_hex', [INT4], TEXT, (args) => ((args[0] as number) >>> 0).toString(16)),
  entry('to_hex', [INT8], TEXT, (args) => BigInt.asUintN(64, args[0] as bigint).toString(16)),
  entry('width_bucket', [NUMERIC, NUMERIC, NUMERIC, INT4], INT4, (args) =>
    widthBucket(args[0] as Decimal, args[1] as Decimal, args[2] as Decimal, args[3] as number),
  ),
];

const NUMERIC_FUNCTIONS: readonly FunctionEntry[] = [
  decimal('abs', absDecimal),
  decimal('ceil', ceilDecimal),
  decimal('ceiling', ceilDecimal),
  decimal('floor', floorDecimal),
  decimal('round', (value) => roundDecimal(value, 0)),
  decimal('trunc', (value) => truncateDecimal(value, 0)),
  decimal('sqrt', sqrtDecimal),
  decimal('exp', expDecimal),
  decimal('ln', lnDecimal),
  decimal('log', (value) => logDecimal(DECIMAL_TEN, value)),
  decimal('log10', (value) => logDecimal(DECIMAL_TEN, value)),
  decimal('trim_scale', (value) => (value.kind === 'finite' ? stripZeros(value) : value)),
  decimal('sign', (value) => {
    const sign = signOf(value);
    return Number.isNaN(sign) ? value : decimalOfInteger(sign);
  }),
  entry('round', [NUMERIC, INT4], NUMERIC, (args) =>
    roundDecimal(args[0] as Decimal, args[1] as number),
  ),
  entry('trunc', [NUMERIC, INT4], NUMERIC, (args) =>
    truncateDecimal(args[0] as Decimal, args[1] as number),
  ),
  entry('mod', [NUMERIC, NUMERIC], NUMERIC, (args) =>
    moduloDecimals(args[0] as Decimal, args[1] as Decimal),
  ),
  entry('div', [NUMERIC, NUMERIC], NUMERIC, (args) =>
    divideTruncated(args[0] as Decimal, args[1] as Decimal),
  ),
  entry('log', [NUMERIC, NUMERIC], NUMERIC, (args) =>
    logDecimal(args[0] as Decimal, args[1] as Decimal),
  ),
  ...['power', 'pow'].map((name) =>
    entry(name, [NUMERIC, NUMERIC], NUMERIC, (args) =>
      powerDecimals(args[0] as Decimal, args[1] as Decimal),
    ),
  ),
  entry('scale', [NUMERIC], INT4, (args) => scaleOf(args[0] as Decimal, (value) => value.scale)),
  entry('min_scale', [NUMERIC], INT4, (args) =>
    scaleOf(args[0] as Decimal, (value) => stripZeros(value).scale),
  ),
];

function scaleOf(value: Decimal, read: (value: Decimal) => number): Datum {
  return value.kind === 'finite' ? read(value) : null;
}

const DEGREES = 180 / Math.PI;
const RADIANS = 0.017453292519943295;

const FLOAT_FUNCTIONS: readonly FunctionEntry[] = [
  entry('abs', [FLOAT4], FLOAT4, (args) => Math.abs(args[0] as number)),
  float('abs', Math.abs),
  float('ceil', Math.ceil),
  float('ceiling', Math.ceil),
  float('floor', Math.floor),
  float('round', (value) => (Number.isFinite(value) ? roundHalfEven(value) : value)),
  float('trunc', Math.trunc),
  float('sign', (value) => (value > 0 ? 1 : value < 0 ? -1 : 0)),
  float('sqrt', squareRoot),
  float('cbrt', Math.cbrt),
  float('exp', finite(Math.exp)),
  float('ln', logarithm(Math.log)),
  float('log', logarithm(Math.log10)),
  float('log10', logarithm(Math.log10)),
  float('degrees', (value) => value * DEGREES),
  float('radians', (value) => value * RADIANS),
  float('sin', Math.sin),
  float('cos', Math.cos),
  float('tan', Math.tan),
  float('cot', (value) => 1 / Math.tan(value)),
  float('asin', withinUnit(Math.asin)),
  float('acos', withinUnit(Math.acos)),
  float('atan', Math.atan),
  float('sinh', Math.sinh),
  float('cosh', Math.cosh),
  float('tanh', Math.tanh),
  entry('atan2', [FLOAT8, FLOAT8], FLOAT8, (args) =>
    Math.atan2(args[0] as number, args[1] as number),
  ),
  ...['power', 'pow'].map((name) =>
    entry(name, [FLOAT8, FLOAT8], FLOAT8, (args) =>
      powerFloats(args[0] as number, args[1] as number),
    ),
  ),
  entry('pi', [], FLOAT8, () => Math.PI),
  entry('random', [], FLOAT8, (_args, ctx) => ctx.random(), { volatility: 'volatile' }),
];

export const MATH_FUNCTIONS: readonly FunctionEntry[] = [
  ...INTEGER_FUNCTIONS,
  ...NUMERIC_FUNCTIONS,
  ...FLOAT_FUNCTIONS,
];

/** The values of generate_series over numeric: start, start + step, ... while not beyond stop. */
export function* decimalSeries(start: Decimal, stop: Decimal, step: Decimal): Iterable<Datum> {
  for (const [value, what] of [
    [start, 'start'],
    [stop, 'stop'],
    [step, 'step size'],
  ] as const) {
    if (value.kind === 'finite') continue;
    const shown = value.kind === 'nan' ? 'NaN' : 'infinity';
    const verb = what === 'step size' ? 'step size' : `${what} value`;
    throw new SqlError('22023', `${verb} cannot be ${shown}`);
  }
  const direction = signOf(step);
  if (direction === 0) throw new SqlError('22023', 'step size cannot equal zero');
  const scale = Math.max(start.scale, step.scale);
  let value = addDecimals(start, makeDecimal(0n, scale));
  while (compareDecimals(value, stop) * direction <= 0) {
    yield value;
    value = addDecimals(value, step);
  }
}

/** The default step. */
export const DECIMAL_STEP = DECIMAL_ONE;
