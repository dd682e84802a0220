/**
 * The registry of aggregate functions, with Postgres' result types: sum of int4 is bigint, of bigint numeric; avg of
 * integers numeric with the scale of a division. States are plain objects changed in place; see `ResolvedAggregate`
 * for what the caller does (NULLs of strict aggregates, DISTINCT, ORDER BY, FILTER).
 */
import { SqlError } from '../errors/sql-error.ts';
import { comparatorFor } from '../types/compare.ts';
import type { Datum, Interval } from '../types/datum.ts';
import {
  DECIMAL_ZERO,
  addDecimals,
  decimalOfBigint,
  divideDecimals,
  multiplyDecimals,
  signOf,
  subtractDecimals,
} from '../types/decimal.ts';
import type { Decimal } from '../types/decimal.ts';
import { sqrtToScale } from '../types/decimal-math.ts';
import { addIntervals, multiplyInterval } from '../types/interval.ts';
import {
  BOOL,
  BPCHAR,
  BYTEA,
  DATE,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  INTERVAL,
  NUMERIC,
  OID,
  TEXT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  displayName,
} from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { addFloats, checkInt8 } from './arithmetic.ts';
import type { ResolvedAggregate } from './function-types.ts';
import { castOrNone } from './operators.ts';
import { chooseOverload } from './resolve-overload.ts';

interface AggregateEntry {
  readonly argTypes: readonly (SqlType | 'any')[];
  readonly resultType: SqlType;
  readonly isStrict: boolean;
  readonly init: () => unknown;
  readonly step: (state: unknown, args: readonly Datum[]) => unknown;
  readonly merge: (state: unknown, other: unknown) => unknown;
  readonly final: (state: unknown) => Datum;
}

/** What an aggregate does, typed by its state. */
interface Steps<S> {
  readonly init: () => S;
  readonly step: (state: S, value: Datum, second: Datum) => S;
  readonly merge: (state: S, other: S) => S;
  readonly final: (state: S) => Datum;
}

const ENTRIES = new Map<string, AggregateEntry[]>();

function define<S>(
  name: string,
  argTypes: readonly (SqlType | 'any')[],
  resultType: SqlType,
  steps: Steps<S>,
  isStrict = true,
): void {
  const entries = ENTRIES.get(name) ?? [];
  entries.push({
    argTypes,
    resultType,
    isStrict,
    init: steps.init,
    step: (state, args) => steps.step(state as S, args[0] ?? null, args[1] ?? null),
    merge: (state, other) => steps.merge(state as S, other as S),
    final: (state) => steps.final(state as S),
  });
  ENTRIES.set(name, entries);
}

export function isAggregateName(name: string): boolean {
  return ENTRIES.has(name);
}

/** The aggregate for a call; `count(*)` has no argument types. Throws 42883 when no overload fits. */
export function resolveAggregate(name: string, argTypes: readonly SqlType[]): ResolvedAggregate {
  const signature = `${name}(${argTypes.map(displayName).join(', ')})`;
  const choice = chooseOverload(ENTRIES.get(name) ?? [], argTypes);
  if (choice.kind !== 'found') {
    throw new SqlError(
      choice.kind === 'none' ? '42883' : '42725',
      `function ${signature} ${choice.kind === 'none' ? 'does not exist' : 'is not unique'}`,
      {
        hint:
          choice.kind === 'none'
            ? 'No function matches the given name and argument types. ' +
              'You might need to add explicit type casts.'
            : 'Could not choose a best candidate function. ' +
              'You might need to add explicit type casts.',
      },
    );
  }
  const { overload } = choice;
  return {
    name,
    argTypes: choice.argTypes,
    argCasts: argTypes.map((type, i) => castOrNone(type, choice.argTypes[i] ?? type)),
    resultType: overload.resultType,
    isStrict: overload.isStrict,
    init: overload.init,
    step: overload.step,
    merge: overload.merge,
    final: overload.final,
  };
}

interface Count {
  count: number;
}

const COUNT: Steps<Count> = {
  init: () => ({ count: 0 }),
  step: (state) => {
    state.count++;
    return state;
  },
  merge: (state, other) => {
    state.count += other.count;
    return state;
  },
  final: (state) => BigInt(state.count),
};

/** Sums of int2 and int4: exact in a float up to 2^53, then carried into the bigint. */
interface IntSum {
  low: number;
  high: bigint;
  count: number;
}

const CARRY = 2 ** 52;

function addInt(state: IntSum, value: number): IntSum {
  state.low += value;
  state.count++;
  if (state.low > CARRY || state.low < -CARRY) {
    state.high += BigInt(state.low);
    state.low = 0;
  }
  return state;
}

const INT_SUM: Omit<Steps<IntSum>, 'final'> = {
  init: () => ({ low: 0, high: 0n, count: 0 }),
  step: (state, value) => addInt(state, value as number),
  merge: (state, other) => {
    state.high += other.high + BigInt(other.low);
    state.count += other.count;
    return state;
  },
};

interface BigSum {
  sum: bigint;
  count: number;
}

const BIG_SUM: Omit<Steps<BigSum>, 'final'> = {
  init: () => ({ sum: 0n, count: 0 }),
  step: (state, value) => {
    state.sum += value as bigint;
    state.count++;
    return state;
  },
  merge: (state, other) => {
    state.sum += other.sum;
    state.count += other.count;
    return state;
  },
};

interface DecimalSum {
  sum: Decimal;
  count: number;
}

const DECIMAL_SUM: Omit<Steps<DecimalSum>, 'final'> = {
  init: () => ({ sum: DECIMAL_ZERO, count: 0 }),
  step: (state, value) => {
    state.sum = addDecimals(state.sum, value as Decimal);
    state.count++;
    return state;
  },
  merge: (state, other) => {
    state.sum = addDecimals(state.sum, other.sum);
    state.count += other.count;
    return state;
  },
};

/** Count, sum, and sum of squared differences from the mean (Youngs and Cramer), as Postgres keeps it. */
interface FloatStats {
  count: number;
  sum: number;
  squares: number;
}

const FLOAT_STATS: Omit<Steps<FloatStats>, 'final'> = {
  init: () => ({ count: 0, sum: 0, squares: 0 }),
  step: (state, value) => {
    const x = value as number;
    state.count++;
    state.sum = addFloats(state.sum, x);
    if (state.count > 1) {
      const deviation = x * state.count - state.sum;
      state.squares += (deviation * deviation) / (state.count * (state.count - 1));
    } else if (!Number.isFinite(x)) {
      state.squares = NaN;
    }
    return state;
  },
  merge: (state, other) => {
    if (other.count === 0) return state;
    if (state.count === 0) return Object.assign(state, other);
    const n = state.count + other.count;
    const deviation = state.sum / state.count - other.sum / other.count;
    state.squares += other.squares + (state.count * other.count * deviation * deviation) / n;
    state.sum += other.sum;
    state.count = n;
    return state;
  },
};

/** Exact sums for the numeric variants. */
interface DecimalStats {
  count: number;
  sum: Decimal;
  squares: Decimal;
}

const DECIMAL_STATS: Omit<Steps<DecimalStats>, 'final'> = {
  init: () => ({ count: 0, sum: DECIMAL_ZERO, squares: DECIMAL_ZERO }),
  step: (state, value) => {
    const x = value as Decimal;
    state.count++;
    state.sum = addDecimals(state.sum, x);
    state.squares = addDecimals(state.squares, multiplyDecimals(x, x));
    return state;
  },
  merge: (state, other) => {
    state.count += other.count;
    state.sum = addDecimals(state.sum, other.sum);
    state.squares = addDecimals(state.squares, other.squares);
    return state;
  },
};

function decimalCount(count: number): Decimal {
  return decimalOfBigint(BigInt(count));
}

function average(sum: Decimal, count: number): Datum {
  return count === 0 ? null : divideDecimals(sum, decimalCount(count));
}

function defineSums(): void {
  for (const type of [INT2, INT4]) {
    define('sum', [type], INT8, {
      ...INT_SUM,
      final: (s) => (s.count === 0 ? null : checkInt8(s.high + BigInt(s.low))),
    });
    define('avg', [type], NUMERIC, {
      ...INT_SUM,
      final: (s) => average(decimalOfBigint(s.high + BigInt(s.low)), s.count),
    });
  }
  define('sum', [INT8], NUMERIC, {
    ...BIG_SUM,
    final: (s) => (s.count === 0 ? null : decimalOfBigint(s.sum)),
  });
  define('avg', [INT8], NUMERIC, {
    ...BIG_SUM,
    final: (s) => average(decimalOfBigint(s.sum), s.count),
  });
  define('sum', [NUMERIC], NUMERIC, {
    ...DECIMAL_SUM,
    final: (s) => (s.count === 0 ? null : s.sum),
  });
  define('avg', [NUMERIC], NUMERIC, { ...DECIMAL_SUM, final: (s) => average(s.sum, s.count) });
  for (const type of [FLOAT4, FLOAT8]) {
    const fit = type === FLOAT4 ? Math.fround : (value: number): number => value;
    define('sum', [type], type, {
      init: (): FloatStats => ({ count: 0, sum: 0, squares: 0 }),
      step: (s, value) => {
        s.sum = fit(addFloats(s.sum, value as number));
        s.count++;
        return s;
      },
      merge: (s, other) => {
        s.sum = fit(addFloats(s.sum, other.sum));
        s.count += other.count;
        return s;
      },
      final: (s) => (s.count === 0 ? null : s.sum),
    });
    define('avg', [type], FLOAT8, {
      ...FLOAT_STATS,
      final: (s) => (s.count === 0 ? null : s.sum / s.count),
    });
  }
  defineIntervalSums();
}

interface IntervalSum {
  sum: Interval;
  count: number;
}

function defineIntervalSums(): void {
  const steps: Omit<Steps<IntervalSum>, 'final'> = {
    init: () => ({ sum: { months: 0, days: 0, micros: 0n }, count: 0 }),
    step: (s, value) => {
      s.sum = addIntervals(s.sum, value as Interval);
      s.count++;
      return s;
    },
    merge: (s, other) => {
      s.sum = addIntervals(s.sum, other.sum);
      s.count += other.count;
      return s;
    },
  };
  define('sum', [INTERVAL], INTERVAL, { ...steps, final: (s) => (s.count === 0 ? null : s.sum) });
  define('avg', [INTERVAL], INTERVAL, {
    ...steps,
    final: (s) => (s.count === 0 ? null : multiplyInterval(s.sum, 1 / s.count)),
  });
}

interface Best {
  value: Datum;
}

function defineExtremes(): void {
  const types = [
    INT2,
    INT4,
    INT8,
    OID,
    FLOAT4,
    FLOAT8,
    NUMERIC,
    TEXT,
    BPCHAR,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    INTERVAL,
  ];
  for (const type of types) {
    const compare = comparatorFor(type);
    for (const [name, sign] of [
      ['min', -1],
      ['max', 1],
    ] as const) {
      const step = (state: Best, value: Datum): Best => {
        if (state.value === null || compare(value, state.value) * sign > 0) state.value = value;
        return state;
      };
      define<Best>(name, [type], type, {
        init: () => ({ value: null }),
        step,
        merge: (state, other) => (other.value === null ? state : step(state, other.value)),
        final: (state) => state.value,
      });
    }
  }
}

function defineBooleans(): void {
  for (const [name, absorbing] of [
    ['bool_and', false],
    ['every', false],
    ['bool_or', true],
  ] as const) {
    const step = (state: Best, value: Datum): Best => {
      if (state.value !== absorbing) state.value = value;
      return state;
    };
    define<Best>(name, [BOOL], BOOL, {
      init: () => ({ value: null }),
      step,
      merge: (state, other) => (other.value === null ? state : step(state, other.value)),
      final: (state) => state.value,
    });
  }
}

function defineBits(): void {
  const ops = [
    ['bit_and', 0],
    ['bit_or', 1],
    ['bit_xor', 2],
  ] as const;
  for (const [name, op] of ops) {
    for (const type of [INT2, INT4, INT8]) {
      const combine = (a: Datum, b: Datum): Datum => {
        if (typeof a === 'bigint' && typeof b === 'bigint') return [a & b, a | b, a ^ b][op] ?? a;
        const [x, y] = [a as number, b as number];
        return [x & y, x | y, x ^ y][op] ?? a;
      };
      const step = (state: Best, value: Datum): Best => {
        state.value = state.value === null ? value : combine(state.value, value);
        return state;
      };
      define<Best>(name, [type], type, {
        init: () => ({ value: null }),
        step,
        merge: (state, other) => (other.value === null ? state : step(state, other.value)),
        final: (state) => state.value,
      });
    }
  }
}

interface Pieces {
  parts: (string | Uint8Array)[];
  hasRows: boolean;
  /** The delimiter of the first value, which is not shown, for merging. */
  first: Datum;
}

function defineStringAggregates(): void {
  const steps: Omit<Steps<Pieces>, 'final'> = {
    init: () => ({ parts: [], hasRows: false, first: null }),
    step: (state, value, delimiter) => {
      if (value === null) return state;
      if (!state.hasRows) state.first = delimiter;
      else if (delimiter !== null) state.parts.push(delimiter as string);
      state.hasRows = true;
      state.parts.push(value as string);
      return state;
    },
    merge: (state, other) => {
      if (!other.hasRows) return state;
      if (state.hasRows && other.first !== null) state.parts.push(other.first as string);
      if (!state.hasRows) state.first = other.first;
      state.hasRows = true;
      for (const part of other.parts) state.parts.push(part);
      return state;
    },
  };
  define(
    'string_agg',
    [TEXT, TEXT],
    TEXT,
    {
      ...steps,
      final: (s) => (s.hasRows ? s.parts.join('') : null),
    },
    false,
  );
  define(
    'string_agg',
    [BYTEA, BYTEA],
    BYTEA,
    {
      ...steps,
      final: (s) => (s.hasRows ? Buffer.concat(s.parts as Uint8Array[]) : null),
    },
    false,
  );
}

type Spread = 'pop' | 'samp';

function floatVariance(state: FloatStats, spread: Spread): number | null {
  const divisor = spread === 'pop' ? state.count : state.count - 1;
  return divisor <= 0 ? null : state.squares / divisor;
}

/** (n * sum(x^2) - sum(x)^2) / (n * n), or / (n * (n - 1)). */
function decimalVariance(state: DecimalStats, spread: Spread): Decimal | null {
  const divisor = spread === 'pop' ? state.count : state.count - 1;
  if (divisor <= 0) return null;
  const n = decimalCount(state.count);
  const numerator = subtractDecimals(
    multiplyDecimals(n, state.squares),
    multiplyDecimals(state.sum, state.sum),
  );
  if (signOf(numerator) <= 0) return DECIMAL_ZERO;
  return divideDecimals(numerator, multiplyDecimals(n, decimalCount(divisor)));
}

function defineVariances(): void {
  const names = [
    ['pop', '_pop'],
    ['samp', '_samp'],
    ['samp', ''],
  ] as const;
  for (const [spread, suffix] of names) {
    const variance = suffix === '' ? 'variance' : `var${suffix}`;
    for (const type of [FLOAT4, FLOAT8]) {
      define(variance, [type], FLOAT8, { ...FLOAT_STATS, final: (s) => floatVariance(s, spread) });
      define(`stddev${suffix}`, [type], FLOAT8, {
        ...FLOAT_STATS,
        final: (s) => {
          const value = floatVariance(s, spread);
          return value === null ? null : Math.sqrt(value);
        },
      });
    }
    for (const type of [INT2, INT4, INT8, NUMERIC]) {
      const stats = type === NUMERIC ? DECIMAL_STATS : integerStats();
      define(variance, [type], NUMERIC, { ...stats, final: (s) => decimalVariance(s, spread) });
      define(`stddev${suffix}`, [type], NUMERIC, {
        ...stats,
        final: (s) => {
          const value = decimalVariance(s, spread);
          return value === null ? null : sqrtToScale(value, value.scale);
        },
      });
    }
  }
}

function integerStats(): Omit<Steps<DecimalStats>, 'final'> {
  return {
    ...DECIMAL_STATS,
    step: (state, value, second) =>
      DECIMAL_STATS.step(state, decimalOfBigint(BigInt(value as number | bigint)), second),
  };
}

define('count', [], INT8, COUNT);
define('count', ['any'], INT8, COUNT);
defineSums();
defineExtremes();
defineBooleans();
defineBits();
defineStringAggregates();
defineVariances();
