/** Walking and rewriting bound trees. Nothing here knows what a tree means beyond which columns it uses. */
import { unreachable } from '../../src/base/assert.ts';
import type { ColumnId, Scalar } from './scalar.ts';
import type { AggregateCallRel, Rel, SortKeyRel } from './rel.ts';
import { outputColumns } from './rel.ts';

/** Direct operands; the query of a subquery is not among them. */
export function operandsOf(scalar: Scalar): readonly Scalar[] {
  switch (scalar.kind) {
    case 'constant':
    case 'parameter':
    case 'column':
      return [];
    case 'cast':
    case 'unary':
    case 'not':
    case 'is null':
    case 'is boolean':
      return [scalar.operand];
    case 'binary':
    case 'is distinct':
      return [scalar.left, scalar.right];
    case 'nullif':
      return [scalar.value, scalar.left, scalar.right];
    case 'call':
      return scalar.args;
    case 'and':
    case 'or':
    case 'coalesce':
    case 'greatest':
    case 'least':
      return scalar.operands;
    case 'subquery':
      return scalar.comparisons.map((comparison) => comparison.left);
    case 'case':
      return [...scalar.branches.flatMap(({ when, then }) => [when, then]), scalar.otherwise];
    case 'in':
      return [scalar.operand, ...scalar.items];
    default:
      return unreachable(scalar);
  }
}

/**
 * Rewrites from the top: `rewrite` gives a replacement, which is not looked into again, or undefined to go on into the
 * operands. Trees without change stay the same objects. `inQuery` rewrites the query of a subquery.
 */
export function rewriteScalar(
  scalar: Scalar,
  rewrite: (scalar: Scalar) => Scalar | undefined,
  inQuery: (query: Rel) => Rel = (query) => query,
): Scalar {
  const replaced = rewrite(scalar);
  if (replaced !== undefined) return replaced;
  const go = (operand: Scalar): Scalar => rewriteScalar(operand, rewrite, inQuery);
  switch (scalar.kind) {
    case 'constant':
    case 'parameter':
    case 'column':
      return scalar;
    case 'cast':
    case 'unary':
    case 'not':
    case 'is null':
    case 'is boolean': {
      const operand = go(scalar.operand);
      return operand === scalar.operand ? scalar : { ...scalar, operand };
    }
    case 'binary':
    case 'is distinct': {
      const left = go(scalar.left);
      const right = go(scalar.right);
      return left === scalar.left && right === scalar.right ? scalar : { ...scalar, left, right };
    }
    case 'nullif':
      return {
        ...scalar,
        value: go(scalar.value),
        left: go(scalar.left),
        right: go(scalar.right),
      };
    case 'call':
      return { ...scalar, args: mapSame(scalar.args, go) };
    case 'and':
    case 'or':
    case 'coalesce':
    case 'greatest':
    case 'least': {
      const operands = mapSame(scalar.operands, go);
      return operands === scalar.operands ? scalar : { ...scalar, operands };
    }
    case 'case':
      return {
        ...scalar,
        branches: scalar.branches.map(({ when, then }) => ({ when: go(when), then: go(then) })),
        otherwise: go(scalar.otherwise),
      };
    case 'in':
      return { ...scalar, operand: go(scalar.operand), items: mapSame(scalar.items, go) };
    case 'subquery':
      return {
        ...scalar,
        query: inQuery(scalar.query),
        comparisons: scalar.comparisons.map((c) => ({ ...c, left: go(c.left) })),
      };
    default:
      return unreachable(scalar);
  }
}

function mapSame<T>(items: readonly T[], change: (item: T) => T): readonly T[] {
  const mapped = items.map(change);
  return mapped.every((item, i) => item === items[i]) ? items : mapped;
}

/** True if the test holds for the expression or any operand, not looking into the queries of subqueries. */
export function someScalar(scalar: Scalar, test: (scalar: Scalar) => boolean): boolean {
  return test(scalar) || operandsOf(scalar).some((operand) => someScalar(operand, test));
}

export function hasSubquery(scalar: Scalar): boolean {
  return someScalar(scalar, (s) => s.kind === 'subquery');
}

/** Its evaluation may ask to wait: a subquery, a sequence, a sleep. */
export function mayWait(scalar: Scalar): boolean {
  return someScalar(
    scalar,
    (s) => s.kind === 'subquery' || (s.kind === 'call' && WAITING_FUNCTIONS.has(s.fn.name)),
  );
}

const WAITING_FUNCTIONS = new Set([
  'nextval',
  'currval',
  'lastval',
  'setval',
  'pg_get_serial_sequence',
  'pg_sleep',
]);
const WRITING_FUNCTIONS = new Set(['nextval', 'setval']);

export function writesState(scalar: Scalar): boolean {
  return someScalar(scalar, (s) => s.kind === 'call' && WRITING_FUNCTIONS.has(s.fn.name));
}

export function isVolatile(scalar: Scalar): boolean {
  return someScalar(scalar, (s) => {
    switch (s.kind) {
      case 'call':
        return s.fn.volatility === 'volatile';
      case 'subquery':
        return someInRel(s.query, isVolatile);
      default:
        return false;
    }
  });
}

/** The columns an expression uses, with those that its subqueries take from outside. */
export function columnsIn(scalar: Scalar, into: Set<ColumnId> = new Set()): Set<ColumnId> {
  if (scalar.kind === 'column') into.add(scalar.id);
  if (scalar.kind === 'subquery') for (const id of freeColumns(scalar.query)) into.add(id);
  for (const operand of operandsOf(scalar)) columnsIn(operand, into);
  return into;
}

/** Expressions that a relation itself holds, its inputs' not. */
export function scalarsOf(rel: Rel): readonly Scalar[] {
  switch (rel.kind) {
    case 'scan':
    case 'set operation':
    case 'lock':
      return [];
    case 'values':
      return rel.rows.flat();
    case 'function':
      return rel.args;
    case 'filter':
      return [rel.condition];
    case 'project':
      return rel.items.map((item) => item.expr);
    case 'join':
      return rel.condition === undefined ? [] : [rel.condition];
    case 'aggregate':
      return [...rel.groupBy.map((item) => item.expr), ...rel.calls.flatMap(scalarsOfCall)];
    case 'sort':
      return rel.keys.map((key) => key.expr);
    case 'limit':
      return [rel.limit, rel.offset].filter((s) => s !== undefined);
    case 'distinct':
      return rel.on ?? [];
    default:
      return unreachable(rel);
  }
}

function scalarsOfCall(call: AggregateCallRel): readonly Scalar[] {
  const filter = call.filter === undefined ? [] : [call.filter];
  return [...call.args, ...filter, ...call.orderBy.map((key) => key.expr)];
}

export function inputsOf(rel: Rel): readonly Rel[] {
  switch (rel.kind) {
    case 'scan':
    case 'values':
    case 'function':
      return [];
    case 'join':
    case 'set operation':
      return [rel.left, rel.right];
    default:
      return [rel.input];
  }
}

/** Rewrites the inputs of a relation; the same object when nothing changes. */
export function mapInputs(rel: Rel, change: (input: Rel) => Rel): Rel {
  switch (rel.kind) {
    case 'scan':
    case 'values':
    case 'function':
      return rel;
    case 'join':
    case 'set operation': {
      const left = change(rel.left);
      const right = change(rel.right);
      return left === rel.left && right === rel.right ? rel : { ...rel, left, right };
    }
    default: {
      const input = change(rel.input);
      return input === rel.input ? rel : { ...rel, input };
    }
  }
}

/** Rewrites the expressions that a relation itself holds. */
export function mapScalars(rel: Rel, change: (scalar: Scalar) => Scalar): Rel {
  switch (rel.kind) {
    case 'scan':
    case 'set operation':
    case 'lock':
      return rel;
    case 'values':
      return { ...rel, rows: rel.rows.map((row) => row.map(change)) };
    case 'function':
      return { ...rel, args: rel.args.map(change) };
    case 'filter':
      return { ...rel, condition: change(rel.condition) };
    case 'project':
      return { ...rel, items: rel.items.map((item) => ({ ...item, expr: change(item.expr) })) };
    case 'join':
      return rel.condition === undefined ? rel : { ...rel, condition: change(rel.condition) };
    case 'aggregate':
      return {
        ...rel,
        groupBy: rel.groupBy.map((item) => ({ ...item, expr: change(item.expr) })),
        calls: rel.calls.map((call) => ({
          ...call,
          args: call.args.map(change),
          filter: call.filter === undefined ? undefined : change(call.filter),
          orderBy: mapKeys(call.orderBy, change),
        })),
      };
    case 'sort':
      return { ...rel, keys: mapKeys(rel.keys, change) };
    case 'limit':
      return {
        ...rel,
        limit: rel.limit === undefined ? undefined : change(rel.limit),
        offset: rel.offset === undefined ? undefined : change(rel.offset),
      };
    case 'distinct':
      return rel.on === undefined ? rel : { ...rel, on: rel.on.map(change) };
    default:
      return unreachable(rel);
  }
}

function mapKeys(keys: readonly SortKeyRel[], change: (scalar: Scalar) => Scalar): SortKeyRel[] {
  return keys.map((key) => ({ ...key, expr: change(key.expr) }));
}

/** True if the test holds for an expression anywhere in the relation, its inputs, and its subqueries. */
export function someInRel(rel: Rel, test: (scalar: Scalar) => boolean): boolean {
  return (
    scalarsOf(rel).some((scalar) => test(scalar) || subqueriesIn(scalar, test)) ||
    inputsOf(rel).some((input) => someInRel(input, test))
  );
}

function subqueriesIn(scalar: Scalar, test: (scalar: Scalar) => boolean): boolean {
  return someScalar(scalar, (s) => s.kind === 'subquery' && someInRel(s.query, test));
}

/** All relations of a tree, with those of the subqueries in its expressions. */
export function* relsIn(rel: Rel): Iterable<Rel> {
  yield rel;
  for (const input of inputsOf(rel)) yield* relsIn(input);
  for (const scalar of scalarsOf(rel)) yield* relsInScalar(scalar);
}

function* relsInScalar(scalar: Scalar): Iterable<Rel> {
  if (scalar.kind === 'subquery') yield* relsIn(scalar.query);
  for (const operand of operandsOf(scalar)) yield* relsInScalar(operand);
}

/** Columns that a relation uses and that none of its inputs gives: correlation. */
export function freeColumns(rel: Rel): ReadonlySet<ColumnId> {
  const used = new Set<ColumnId>();
  const given = new Set<ColumnId>();
  collect(rel, used, given);
  for (const id of given) used.delete(id);
  return used;
}

function collect(rel: Rel, used: Set<ColumnId>, given: Set<ColumnId>): void {
  for (const scalar of scalarsOf(rel)) columnsIn(scalar, used);
  if (rel.kind === 'lock') for (const target of rel.targets) used.add(target.keyColumn.id);
  for (const column of outputColumns(rel)) given.add(column.id);
  for (const input of inputsOf(rel)) collect(input, used, given);
}
