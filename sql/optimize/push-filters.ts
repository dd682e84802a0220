/**
 * Moves each condition as far down as it can go: to the table it is about, where an index may serve it, or into the
 * join that first has all its columns. On the way right joins become left joins, and outer joins whose filled-in rows
 * a condition would drop become inner ones.
 */
import type { BinaryScalar, ColumnId, Scalar } from '../algebra/scalar.ts';
import type { JoinRel, ProjectRel, Rel, SetRel } from '../algebra/rel.ts';
import { outputColumns, outputIds } from '../algebra/rel.ts';
import {
  columnsIn,
  hasSubquery,
  isVolatile,
  mapInputs,
  mayWait,
  rewriteScalar,
} from '../algebra/walk.ts';
import { columnScalar } from '../binder/bind-context.ts';
import { and } from '../binder/predicates.ts';
import { unreachable } from '../../src/base/assert.ts';

export function pushFilters(rel: Rel): Rel {
  return push(rel, []);
}

/** The operands of nested ANDs. */
export function conjunctsOf(condition: Scalar | undefined): readonly Scalar[] {
  if (condition === undefined) return [];
  return condition.kind === 'and' ? condition.operands.flatMap(conjunctsOf) : [condition];
}

export function filtered(input: Rel, conjuncts: readonly Scalar[]): Rel {
  return conjuncts.length === 0 ? input : { kind: 'filter', input, condition: and(conjuncts) };
}

function push(rel: Rel, conjuncts: readonly Scalar[]): Rel {
  switch (rel.kind) {
    case 'filter':
      return push(rel.input, [...conjunctsOf(rel.condition), ...conjuncts]);
    case 'project':
      return pushThroughProject(rel, conjuncts);
    case 'join':
      return pushIntoJoin(rel, conjuncts);
    case 'sort':
    case 'lock':
      return { ...rel, input: push(rel.input, conjuncts) };
    case 'aggregate': {
      const grouped = new Set(rel.groupBy.map((item) => item.column.id));
      const substitute = substitution(rel.groupBy);
      const { yes, no } = split(
        conjuncts,
        (c) => grouped.size > 0 && !mayWait(c) && isWithin(columnsIn(c), grouped),
      );
      return filtered({ ...rel, input: push(rel.input, yes.map(substitute)) }, no);
    }
    case 'distinct': {
      if (rel.on !== undefined) return filtered({ ...rel, input: push(rel.input, []) }, conjuncts);
      return { ...rel, input: push(rel.input, conjuncts) };
    }
    case 'set operation':
      return pushIntoSet(rel, conjuncts);
    case 'limit':
      return filtered({ ...rel, input: push(rel.input, []) }, conjuncts);
    case 'scan':
    case 'values':
    case 'function':
      return filtered(mapInputs(rel, pushFilters), conjuncts);
    default:
      return unreachable(rel);
  }
}

function pushThroughProject(rel: ProjectRel, conjuncts: readonly Scalar[]): Rel {
  const fixed = new Set(
    rel.items.filter(({ expr }) => isVolatile(expr) || mayWait(expr)).map((i) => i.column.id),
  );
  // NB: within the query of a subquery nothing is replaced: it may only use columns that keep their ids.
  const changed = new Set(
    rel.items
      .filter(({ column, expr }) => expr.kind !== 'column' || expr.id !== column.id)
      .map((item) => item.column.id),
  );
  const { yes, no } = split(conjuncts, (c) => {
    if (isVolatile(c)) return false;
    const blocked = hasSubquery(c) ? changed : fixed;
    return ![...columnsIn(c)].some((id) => blocked.has(id));
  });
  const substitute = substitution(rel.items);
  return filtered({ ...rel, input: push(rel.input, yes.map(substitute)) }, no);
}

function substitution(items: ProjectRel['items']): (scalar: Scalar) => Scalar {
  const byId = new Map(items.map((item) => [item.column.id, item.expr]));
  return (scalar) =>
    rewriteScalar(scalar, (part) => (part.kind === 'column' ? byId.get(part.id) : undefined));
}

function pushIntoSet(rel: SetRel, conjuncts: readonly Scalar[]): Rel {
  const { yes, no } = split(conjuncts, (c) => !mayWait(c) && !isVolatile(c));
  const side = (input: Rel): Rel => {
    const columns = outputColumns(input);
    const items = rel.columns.map((column, i) => {
      const given = columns[i];
      return { column, expr: columnScalar(given ?? column) };
    });
    return push(input, yes.map(substitution(items)));
  };
  return filtered({ ...rel, left: side(rel.left), right: side(rel.right) }, no);
}

// -- joins --------------------------------------------------------------------------------------------------------

function pushIntoJoin(join: JoinRel, conjuncts: readonly Scalar[]): Rel {
  const rel = normalized(join, conjuncts);
  const left = outputIds(rel.left);
  const right = outputIds(rel.right);
  const own = conjunctsOf(rel.condition);
  switch (rel.joinKind) {
    case 'inner': {
      const all = [...own, ...conjuncts];
      const { yes: simple, no: above } = split(all, (c) => !isVolatile(c) && !mayWait(c));
      const { yes: onLeft, no: rest } = split(simple, (c) => !uses(c, right));
      const { yes: onRight, no: both } = split(rest, (c) => !uses(c, left));
      return filtered(joined(rel, onLeft, onRight, both), above);
    }
    case 'left': {
      const { yes: onLeft, no: above } = split(conjuncts, (c) => !isVolatile(c) && !uses(c, right));
      const { yes: onRight, no: condition } = split(
        own,
        (c) => !isVolatile(c) && !mayWait(c) && !uses(c, left),
      );
      return filtered(joined(rel, onLeft, onRight, condition), above);
    }
    case 'semi':
    case 'anti': {
      const { yes: onRight, no: condition } = split(
        own,
        (c) => !isVolatile(c) && !mayWait(c) && !uses(c, left),
      );
      return joined(rel, conjuncts, onRight, condition);
    }
    case 'right':
    case 'full':
      return filtered(joined(rel, [], [], own), conjuncts);
    default:
      return unreachable(rel.joinKind);
  }
}

function joined(
  rel: JoinRel,
  onLeft: readonly Scalar[],
  onRight: readonly Scalar[],
  condition: readonly Scalar[],
): JoinRel {
  return {
    ...rel,
    left: push(rel.left, onLeft),
    right: push(rel.right, onRight),
    condition: condition.length === 0 ? undefined : and(condition),
  };
}

function normalized(rel: JoinRel, conjuncts: readonly Scalar[]): JoinRel {
  // Columns are known by id, so that the sides may be exchanged.
  const turned: JoinRel =
    rel.joinKind === 'right' ? { ...rel, joinKind: 'left', left: rel.right, right: rel.left } : rel;
  if (turned.joinKind !== 'left') return turned;
  const right = outputIds(turned.right);
  return conjuncts.some((c) => rejectsNull(c, right)) ? { ...turned, joinKind: 'inner' } : turned;
}

/** Not true for a row in which all the given columns are NULL; may miss cases. */
function rejectsNull(conjunct: Scalar, ids: ReadonlySet<ColumnId>): boolean {
  const isColumn = (scalar: Scalar): boolean =>
    (scalar.kind === 'column' && ids.has(scalar.id)) ||
    (scalar.kind === 'cast' && isColumn(scalar.operand));
  switch (conjunct.kind) {
    case 'binary':
      return conjunct.operator.isStrict && (isColumn(conjunct.left) || isColumn(conjunct.right));
    case 'in':
      return isColumn(conjunct.operand);
    case 'is null':
      return conjunct.negated && isColumn(conjunct.operand);
    default:
      return false;
  }
}

function uses(scalar: Scalar, ids: ReadonlySet<ColumnId>): boolean {
  for (const id of columnsIn(scalar)) if (ids.has(id)) return true;
  return false;
}

function isWithin(used: ReadonlySet<ColumnId>, given: ReadonlySet<ColumnId>): boolean {
  for (const id of used) if (!given.has(id)) return false;
  return true;
}

export function split<T>(
  items: readonly T[],
  test: (item: T) => boolean,
): { readonly yes: readonly T[]; readonly no: readonly T[] } {
  return { yes: items.filter(test), no: items.filter((item) => !test(item)) };
}

/** `a = b`, and nothing else. */
export function isEquality(scalar: Scalar): scalar is BinaryScalar {
  return scalar.kind === 'binary' && scalar.operator.symbol === '=';
}
