/**
 * Casts between types: which exist, in which context they apply by themselves, and what they do. As in Postgres:
 *
 *   implicit     anywhere (int4 to int8, varchar to text, date to timestamp)
 *   assignment   also to a column (int8 to int4, anything to text)
 *   explicit     also where written (text to anything, bool to int4)
 *
 * A cast to the same type with another modifier changes its length or scale. UNKNOWN, the type of an untyped literal,
 * becomes anything, implicitly, by reading its text.
 */
import { SqlError } from '../errors/sql-error.ts';
import { IDENTITY, castFunction } from './cast-functions.ts';
import type { CastFunction } from './cast-functions.ts';
import { TEXT, UNKNOWN, categoryOf, formatType, isPreferredType, sameType } from './sql-type.ts';
import type { SqlType, TypeName } from './sql-type.ts';

export type CastContext = 'implicit' | 'assignment' | 'explicit';

export interface Cast {
  readonly from: SqlType;
  readonly to: SqlType;
  /** True when the value does not change and `apply` is the identity. */
  readonly isRelabel: boolean;
  /** False when the result depends on settings (time zone, 'now'): then it must not be folded at plan time. */
  readonly isImmutable: boolean;
  /** Never called with null. */
  readonly apply: CastFunction;
}

const RANK: Readonly<Record<CastContext, number>> = { implicit: 0, assignment: 1, explicit: 2 };

/** `from`: the types it casts to, by context. What is not listed goes through text, explicitly. */
const CASTS: Readonly<
  Partial<Record<TypeName, Readonly<Record<CastContext, readonly TypeName[]>>>>
> = {
  bool: { implicit: [], assignment: ['text', 'varchar', 'bpchar'], explicit: ['int4'] },
  int2: {
    implicit: ['int4', 'int8', 'numeric', 'float4', 'float8', 'oid'],
    assignment: [],
    explicit: [],
  },
  int4: {
    implicit: ['int8', 'numeric', 'float4', 'float8', 'oid'],
    assignment: ['int2'],
    explicit: ['bool'],
  },
  int8: {
    implicit: ['numeric', 'float4', 'float8', 'oid'],
    assignment: ['int2', 'int4'],
    explicit: [],
  },
  numeric: { implicit: ['float4', 'float8'], assignment: ['int2', 'int4', 'int8'], explicit: [] },
  float4: { implicit: ['float8'], assignment: ['int2', 'int4', 'int8', 'numeric'], explicit: [] },
  float8: { implicit: [], assignment: ['int2', 'int4', 'int8', 'numeric', 'float4'], explicit: [] },
  oid: { implicit: [], assignment: ['int4', 'int8'], explicit: [] },
  text: { implicit: ['varchar', 'bpchar', 'name'], assignment: [], explicit: [] },
  varchar: { implicit: ['text', 'bpchar', 'name'], assignment: [], explicit: [] },
  bpchar: { implicit: ['text', 'varchar', 'name'], assignment: [], explicit: [] },
  name: { implicit: ['text'], assignment: ['varchar', 'bpchar'], explicit: [] },
  date: { implicit: ['timestamp', 'timestamptz'], assignment: [], explicit: [] },
  time: { implicit: ['interval'], assignment: [], explicit: [] },
  timestamp: { implicit: ['timestamptz'], assignment: ['date', 'time'], explicit: [] },
  timestamptz: { implicit: [], assignment: ['date', 'time', 'timestamp'], explicit: [] },
  interval: { implicit: [], assignment: ['time'], explicit: [] },
};

const cache = new Map<string, Cast | undefined>();
const MAX_CACHED = 4096;

/** The cast, or undefined when the context does not allow one. Applies the target's modifier as the context says. */
export function findCast(from: SqlType, to: SqlType, context: CastContext): Cast | undefined {
  const key = `${from.oid},${from.modifier},${to.oid},${to.modifier},${context}`;
  const known = cache.get(key);
  if (known !== undefined || cache.has(key)) return known;
  const cast = makeCast(from, to, context);
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(key, cast);
  return cast;
}

/** As `findCast`, but throws 42846 `cannot cast type boolean to date` where there is none (explicit casts). */
export function mustFindCast(from: SqlType, to: SqlType, context: CastContext): Cast {
  const cast = findCast(from, to, context);
  if (cast === undefined) {
    throw new SqlError('42846', `cannot cast type ${formatBare(from)} to ${formatBare(to)}`);
  }
  return cast;
}

export function canCoerce(from: SqlType, to: SqlType, context: CastContext): boolean {
  if (from.oid === to.oid || from.name === 'unknown') return true;
  return RANK[context] >= neededRank(from, to);
}

/**
 * The one type for the branches of CASE, COALESCE, UNION, VALUES, IN, GREATEST (`what` for the message). All UNKNOWN
 * gives text. Throws 42804 `CASE types text and integer cannot be matched`.
 */
export function commonType(
  types: readonly SqlType[],
  what: string,
  onMisfit: (index: number) => void = () => undefined,
): SqlType {
  let chosen: SqlType | undefined;
  for (const [i, type] of types.entries()) {
    if (type.name === 'unknown') continue;
    if (chosen === undefined || sameType(chosen, type)) {
      chosen = type;
      continue;
    }
    if (chosen.oid === type.oid) {
      chosen = { name: type.name, oid: type.oid, modifier: -1 };
      continue;
    }
    if (categoryOf(chosen) !== categoryOf(type)) {
      onMisfit(i);
      throw new SqlError(
        '42804',
        `${what} types ${formatBare(chosen)} and ${formatBare(type)} cannot be matched`,
      );
    }
    if (isPreferredType(chosen)) continue;
    if (canCoerce(chosen, type, 'implicit') && !canCoerce(type, chosen, 'implicit')) {
      chosen = { name: type.name, oid: type.oid, modifier: -1 };
    } else {
      chosen = { name: chosen.name, oid: chosen.oid, modifier: -1 };
    }
  }
  if (chosen === undefined) return TEXT;
  return requireCoercible(types, chosen, what, onMisfit);
}

function requireCoercible(
  types: readonly SqlType[],
  chosen: SqlType,
  what: string,
  onMisfit: (index: number) => void,
): SqlType {
  for (const [i, type] of types.entries()) {
    if (!canCoerce(type, chosen, 'implicit')) {
      onMisfit(i);
      throw new SqlError(
        '42846',
        `${what} could not convert type ${formatBare(type)} to ${formatBare(chosen)}`,
      );
    }
  }
  const same = types.every((type) => type.oid === chosen.oid && type.modifier === chosen.modifier);
  return same || chosen.modifier < 0
    ? chosen
    : { name: chosen.name, oid: chosen.oid, modifier: sharedModifier(types, chosen) };
}

/** The modifier survives only where every typed branch has it (an untyped literal has none to lose). */
function sharedModifier(types: readonly SqlType[], chosen: SqlType): number {
  const isShared = types.every(
    (type) => type.oid === chosen.oid && type.modifier === chosen.modifier,
  );
  return isShared ? chosen.modifier : -1;
}

function formatBare(type: SqlType): string {
  return formatType({ name: type.name, oid: type.oid, modifier: -1 }).replace(
    /^bpchar$/,
    'character',
  );
}

/** The least context in which the types convert: 0 to 2, or 3 for never. */
function neededRank(from: SqlType, to: SqlType): number {
  const row = CASTS[from.name];
  if (row !== undefined) {
    if (row.implicit.includes(to.name)) return 0;
    if (row.assignment.includes(to.name)) return 1;
    if (row.explicit.includes(to.name)) return 2;
  }
  if (from.name === 'void' || to.name === 'void' || to.name === 'unknown') return 3;
  // Through text: to a string type by assignment, from one explicitly.
  if (categoryOf(to) === 'S') return 1;
  return categoryOf(from) === 'S' ? 2 : 3;
}

function makeCast(from: SqlType, to: SqlType, context: CastContext): Cast | undefined {
  if (!canCoerce(from, to, context)) return undefined;
  const apply = castFunction(from, to, context === 'explicit');
  return {
    from,
    to,
    isRelabel: apply === IDENTITY,
    isImmutable: isImmutableCast(from, to),
    apply,
  };
}

/** Zones, 'now' and output settings make a conversion depend on the session. */
function isImmutableCast(from: SqlType, to: SqlType): boolean {
  if (from.oid === to.oid) return true;
  const readsText = categoryOf(from) === 'S' || from.name === UNKNOWN.name;
  const writesText = categoryOf(to) === 'S';
  if (readsText && (categoryOf(to) === 'D' || to.name === 'time')) return false;
  if (writesText && (from.name === 'timestamptz' || from.name === 'bytea')) return false;
  if (writesText && (from.name === 'float4' || from.name === 'float8')) return false;
  const isZoned = from.name === 'timestamptz' || to.name === 'timestamptz';
  return !isZoned;
}
