/**
 * The registry of scalar and set-returning functions, and the choice of an overload for a call. Names are lower case,
 * without schema. What the grammar makes of special syntax: EXTRACT(f FROM x) is extract('f', x), x AT TIME ZONE z is
 * timezone(z, x), SUBSTRING(x FROM a FOR b) is substring(x, a, b), POSITION(a IN b) is position(b, a), TRIM is btrim,
 * ltrim or rtrim, OVERLAY is overlay, LIKE with ESCAPE is like_escape. COALESCE, NULLIF, GREATEST and LEAST are the
 * binder's.
 */
import { SqlError, undefinedFunction } from '../errors/sql-error.ts';
import { displayName } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { canCoerce, findCast } from '../types/casts.ts';
import { castOrNone } from './operators.ts';
import { chooseOverload } from './resolve-overload.ts';
import type { FunctionEntry } from './function-entry.ts';
import type { ResolvedFunction, ResolvedSetFunction } from './function-types.ts';
import { MATH_FUNCTIONS } from './math-functions.ts';
import { SESSION_FUNCTIONS } from './session-functions.ts';
import { SET_FUNCTIONS } from './set-functions.ts';
import { TEMPORAL_FUNCTIONS } from './temporal-functions.ts';
import { TEXT_FUNCTIONS } from './text-functions.ts';

const SCALARS = byName<FunctionEntry>([
  ...MATH_FUNCTIONS,
  ...TEXT_FUNCTIONS,
  ...TEMPORAL_FUNCTIONS,
  ...SESSION_FUNCTIONS,
]);
const SETS = byName(SET_FUNCTIONS);

function byName<T extends { readonly name: string }>(entries: readonly T[]): Map<string, T[]> {
  const map = new Map<string, T[]>();
  for (const item of entries) {
    const list = map.get(item.name);
    if (list === undefined) map.set(item.name, [item]);
    else list.push(item);
  }
  return map;
}

export function isSetFunctionName(name: string): boolean {
  return SETS.has(name);
}

export function isScalarFunctionName(name: string): boolean {
  return SCALARS.has(name);
}

/** The overload for a call; undefined when no function has this name; throws 42883/42725 when none fits. */
export function resolveFunction(
  name: string,
  argTypes: readonly SqlType[],
): ResolvedFunction | undefined {
  const entries = SCALARS.get(name);
  if (entries === undefined) return undefined;
  const { overload, argTypes: wanted } = choose(name, entries, argTypes);
  return {
    name,
    argTypes: wanted,
    argCasts: argTypes.map((type, i) => castOrNone(type, wanted[i] ?? type)),
    resultType: overload.resultType,
    isStrict: overload.isStrict,
    volatility: overload.volatility,
    impl: overload.implFor(wanted),
  };
}

/** As `resolveFunction`, for functions that return rows. */
export function resolveSetFunction(
  name: string,
  argTypes: readonly SqlType[],
): ResolvedSetFunction | undefined {
  const entries = SETS.get(name);
  if (entries === undefined) return undefined;
  const { overload, argTypes: wanted } = choose(name, entries, argTypes);
  const { rows } = overload;
  return {
    name,
    argTypes: wanted,
    argCasts: argTypes.map((type, i) => castOrNone(type, wanted[i] ?? type)),
    resultType: overload.resultType,
    volatility: overload.volatility,
    rows: (args, ctx) => (args.includes(null) ? [] : rows(args, ctx)),
  };
}

/** Casts for a call written like a type: `int4('5')`, `text(1)`, `date('2024-01-01')`; undefined when there is none. */
export function castCall(to: SqlType, argTypes: readonly SqlType[]): boolean {
  const [from] = argTypes;
  return argTypes.length === 1 && from !== undefined && canCoerce(from, to, 'explicit')
    ? findCast(from, to, 'explicit') !== undefined
    : false;
}

interface Chosen<T> {
  readonly overload: T;
  readonly argTypes: readonly SqlType[];
}

function choose<T extends FunctionEntry | (typeof SET_FUNCTIONS)[number]>(
  name: string,
  entries: readonly T[],
  argTypes: readonly SqlType[],
): Chosen<T> {
  const choice = chooseOverload(entries, argTypes);
  if (choice.kind === 'found') return choice;
  const signature = `${name}(${argTypes.map(displayName).join(', ')})`;
  if (choice.kind === 'none') throw undefinedFunction(signature);
  throw new SqlError('42725', `function ${signature} is not unique`, {
    hint:
      'Could not choose a best candidate function. ' + 'You might need to add explicit type casts.',
  });
}
