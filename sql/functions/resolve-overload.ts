/**
 * The choice among overloads, by Postgres' rules (chapter 10.2 and 10.3): exact match; else what is reachable by
 * implicit casts; then most exact matches, most preferred types, and for untyped arguments the string category, the
 * shared category, or the type of the other arguments.
 */
import { canCoerce } from '../types/casts.ts';
import { categoryOf, isPreferredType } from '../types/sql-type.ts';
import type { SqlType, TypeCategory } from '../types/sql-type.ts';

export interface Overload {
  readonly argTypes: readonly (SqlType | 'any')[];
  readonly variadicType?: SqlType | 'any';
}

export type Choice<T> =
  | { readonly kind: 'found'; readonly overload: T; readonly argTypes: readonly SqlType[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'ambiguous' };

interface Candidate<T> {
  readonly overload: T;
  readonly argTypes: readonly SqlType[];
}

const NONE = { kind: 'none' } as const;

export function chooseOverload<T extends Overload>(
  overloads: readonly T[],
  given: readonly SqlType[],
): Choice<T> {
  let candidates: Candidate<T>[] = [];
  for (const overload of overloads) {
    const argTypes = expandArguments(overload, given);
    if (argTypes !== undefined) candidates.push({ overload, argTypes });
  }
  const exact = candidates.find(({ argTypes }) =>
    argTypes.every((t, i) => t.oid === given[i]?.oid),
  );
  if (exact !== undefined) return { kind: 'found', ...exact };

  candidates = candidates.filter(({ argTypes }) =>
    argTypes.every((type, i) => canCoerce(given[i] ?? type, type, 'implicit')),
  );
  if (candidates.length === 0) return NONE;
  candidates = keepBest(candidates, ({ argTypes }) => countExact(argTypes, given));
  candidates = keepBest(candidates, ({ argTypes }) => countPreferred(argTypes, given));
  if (candidates.length > 1) candidates = resolveUnknowns(candidates, given);
  const [chosen] = candidates;
  return chosen === undefined || candidates.length > 1
    ? { kind: 'ambiguous' }
    : { kind: 'found', ...chosen };
}

/** The types each given argument has to become, or undefined when the number does not fit. */
function expandArguments(
  overload: Overload,
  given: readonly SqlType[],
): readonly SqlType[] | undefined {
  const fixed = overload.argTypes.length;
  const { variadicType } = overload;
  if (variadicType === undefined ? given.length !== fixed : given.length <= fixed) return undefined;
  return given.map((type, i) => {
    const wanted = i < fixed ? overload.argTypes[i] : variadicType;
    return wanted === undefined || wanted === 'any' ? type : wanted;
  });
}

function keepBest<T>(candidates: T[], score: (candidate: T) => number): T[] {
  if (candidates.length < 2) return candidates;
  const scores = candidates.map(score);
  const best = Math.max(...scores);
  return candidates.filter((_candidate, i) => scores[i] === best);
}

function countExact(argTypes: readonly SqlType[], given: readonly SqlType[]): number {
  let count = 0;
  argTypes.forEach((type, i) => {
    if (given[i]?.oid === type.oid && type.name !== 'unknown') count++;
  });
  return count;
}

function countPreferred(argTypes: readonly SqlType[], given: readonly SqlType[]): number {
  let count = 0;
  argTypes.forEach((type, i) => {
    const from = given[i];
    if (from === undefined || from.name === 'unknown') return;
    const isSameCategory = categoryOf(from) === categoryOf(type);
    if (from.oid === type.oid || (isSameCategory && isPreferredType(type))) count++;
  });
  return count;
}

function resolveUnknowns<T>(candidates: Candidate<T>[], given: readonly SqlType[]): Candidate<T>[] {
  const unknowns = given.flatMap((type, i) => (type.name === 'unknown' ? [i] : []));
  if (unknowns.length === 0) return candidates;
  const byCategory = resolveByCategory(candidates, unknowns);
  if (byCategory.length === 1) return byCategory;

  // If all typed arguments have one type, try it for the untyped ones.
  const known = given.find((type) => type.name !== 'unknown');
  if (known === undefined || given.some((t) => t.name !== 'unknown' && t.oid !== known.oid)) {
    return byCategory;
  }
  const fitting = byCategory.filter(({ argTypes }) =>
    argTypes.every((type) => canCoerce(known, type, 'implicit')),
  );
  return fitting.length === 1 ? fitting : byCategory;
}

function resolveByCategory<T>(
  candidates: Candidate<T>[],
  unknowns: readonly number[],
): Candidate<T>[] {
  const categories = new Map<number, TypeCategory>();
  for (const i of unknowns) {
    const category = unknownCategory(candidates, i);
    if (category === undefined) return candidates;
    categories.set(i, category);
  }
  const preferred = new Set(
    unknowns.filter((i) =>
      candidates.some(({ argTypes }) => {
        const type = argTypes[i];
        return (
          type !== undefined && categoryOf(type) === categories.get(i) && isPreferredType(type)
        );
      }),
    ),
  );
  const kept = candidates.filter(({ argTypes }) =>
    unknowns.every((i) => {
      const type = argTypes[i];
      if (type === undefined || categoryOf(type) !== categories.get(i)) return false;
      return !preferred.has(i) || isPreferredType(type);
    }),
  );
  return kept.length > 0 ? kept : candidates;
}

/** String if any candidate takes one here, else the category that all share. */
function unknownCategory<T>(candidates: Candidate<T>[], i: number): TypeCategory | undefined {
  const categories = new Set<TypeCategory>();
  for (const { argTypes } of candidates) {
    const type = argTypes[i];
    if (type !== undefined) categories.add(categoryOf(type));
  }
  if (categories.has('S')) return 'S';
  return categories.size === 1 ? [...categories][0] : undefined;
}
