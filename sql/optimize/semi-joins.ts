/**
 * EXISTS and IN over a query become semi joins, NOT EXISTS an anti join, where the conditions that tie the query to
 * the outside can be pulled out of it. What cannot be turned stays a subquery, evaluated for each row. NOT IN stays
 * one too: a NULL among its rows makes it never true, which no join says.
 */
import type { ColumnId, Scalar, SubqueryScalar } from '../algebra/scalar.ts';
import type { Rel } from '../algebra/rel.ts';
import { outputColumns, outputIds } from '../algebra/rel.ts';
import {
  columnsIn,
  freeColumns,
  isVolatile,
  mapInputs,
  mapScalars,
  mayWait,
  rewriteScalar,
} from '../algebra/walk.ts';
import { columnScalar } from '../binder/bind-context.ts';
import { and } from '../binder/predicates.ts';
import { conjunctsOf, filtered, split } from './push-filters.ts';

export function makeSemiJoins(rel: Rel): Rel {
  const inside = mapScalars(mapInputs(rel, makeSemiJoins), (scalar) =>
    rewriteScalar(scalar, () => undefined, makeSemiJoins),
  );
  if (inside.kind !== 'filter') return inside;
  let { input } = inside;
  const kept: Scalar[] = [];
  for (const conjunct of conjunctsOf(inside.condition)) {
    const turned = semiJoin(input, conjunct);
    if (turned === undefined) kept.push(conjunct);
    else input = turned;
  }
  return filtered(input, kept);
}

function semiJoin(left: Rel, conjunct: Scalar): Rel | undefined {
  const isNegated = conjunct.kind === 'not';
  const subquery = isNegated ? conjunct.operand : conjunct;
  if (subquery.kind !== 'subquery' || isVolatile(subquery)) return undefined;
  switch (subquery.mode) {
    case 'exists':
      return join(left, subquery, isNegated ? 'anti' : 'semi', []);
    case 'any':
      return isNegated ? undefined : join(left, subquery, 'semi', subquery.comparisons);
    case 'scalar':
      return undefined;
  }
}

function join(
  left: Rel,
  { query }: SubqueryScalar,
  joinKind: 'semi' | 'anti',
  comparisons: readonly Scalar[],
): Rel | undefined {
  const outside = outputIds(left);
  const pulled = pullConditions(query, outside);
  if (pulled === undefined) return undefined;
  const conditions = [...comparisons, ...pulled.conditions];
  if (conditions.some(mayWait)) return undefined;
  const given = outputIds(pulled.rel);
  // What the conditions use has to be given by one of the sides, or come from further out.
  const known = (id: ColumnId): boolean => given.has(id) || !insideOnly(pulled.rel, id);
  if (!conditions.every((c) => [...columnsIn(c)].every(known))) return undefined;
  return {
    ...{ kind: 'join', joinKind, left, right: pulled.rel },
    condition: conditions.length === 0 ? undefined : and(conditions),
  };
}

/** A column that the relation makes somewhere inside and does not give. */
function insideOnly(rel: Rel, id: ColumnId): boolean {
  if (outputIds(rel).has(id)) return false;
  const inputs = 'input' in rel ? [rel.input] : 'left' in rel ? [rel.left, rel.right] : [];
  return inputs.some((input) => outputIds(input).has(id) || insideOnly(input, id));
}

interface Pulled {
  readonly rel: Rel;
  readonly conditions: readonly Scalar[];
}

/** The query without its ties to the outside, and these; undefined if they cannot be taken out. */
function pullConditions(rel: Rel, outside: ReadonlySet<ColumnId>): Pulled | undefined {
  if (!isTied(rel, outside)) return { rel, conditions: [] };
  switch (rel.kind) {
    case 'filter': {
      const { yes, no } = split(conjunctsOf(rel.condition), (c) => uses(c, outside));
      const inner = pullConditions(rel.input, outside);
      if (inner === undefined) return undefined;
      return { rel: filtered(inner.rel, no), conditions: [...yes, ...inner.conditions] };
    }
    case 'project': {
      if (rel.items.some(({ expr }) => uses(expr, outside))) return undefined;
      const inner = pullConditions(rel.input, outside);
      if (inner === undefined) return undefined;
      // The conditions may need columns that the projection drops.
      const made = new Set(rel.items.map((item) => item.column.id));
      const kept = [...inner.conditions.flatMap((c) => [...columnsIn(c)])];
      const given = outputIds(inner.rel);
      const more = [...new Set(kept)].filter((id) => given.has(id) && !made.has(id));
      const passing = more.map((id) => passThrough(inner.rel, id)).filter((i) => i !== undefined);
      return {
        rel: { ...rel, input: inner.rel, items: [...rel.items, ...passing] },
        conditions: inner.conditions,
      };
    }
    case 'sort':
      return pullConditions(rel.input, outside);
    default:
      return undefined;
  }
}

function passThrough(
  rel: Rel,
  id: ColumnId,
): Extract<Rel, { kind: 'project' }>['items'][number] | undefined {
  const column = outputColumns(rel).find((candidate) => candidate.id === id);
  return column === undefined ? undefined : { column, expr: columnScalar(column) };
}

function isTied(rel: Rel, outside: ReadonlySet<ColumnId>): boolean {
  for (const id of freeColumns(rel)) if (outside.has(id)) return true;
  return false;
}

function uses(scalar: Scalar, ids: ReadonlySet<ColumnId>): boolean {
  for (const id of columnsIn(scalar)) if (ids.has(id)) return true;
  return false;
}
