/** FOR UPDATE and FOR SHARE: which scans' rows are locked, and how. */
import { unreachable } from '../../src/base/assert.ts';
import type { LockTarget, Rel, ScanRel } from '../algebra/rel.ts';
import { outputIds } from '../algebra/rel.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { LockingClause } from '../parser/ast.ts';
import type { BindContext } from './bind-context.ts';
import type { BoundFrom } from './from.ts';

export function lockTargets(
  ctx: BindContext,
  clauses: readonly LockingClause[],
  from: BoundFrom,
  query: { readonly isGrouped: boolean; readonly isDistinct: boolean },
): LockTarget[] {
  const targets = new Map<number, LockTarget>();
  for (const clause of clauses) {
    const what = phraseOf(clause);
    const { position } = clause;
    if (query.isGrouped) {
      throw ctx.refused(`${what} is not allowed with GROUP BY or aggregates`, position);
    }
    if (query.isDistinct)
      throw ctx.refused(`${what} is not allowed with DISTINCT clause`, position);
    for (const { scan, isNullable } of chosenScans(ctx, clause, from)) {
      if (isNullable) {
        throw ctx.refused(
          `${what} cannot be applied to the nullable side of an outer join`,
          position,
        );
      }
      const known = targets.get(scan.keyColumn.id);
      const strength =
        known?.strength === 'update' || clause.strength.endsWith('update') ? 'update' : 'share';
      const wait = clause.wait === 'skip locked' ? 'skip' : clause.wait;
      const { table, keyColumn } = scan;
      targets.set(keyColumn.id, { table, keyColumn, strength, wait });
    }
  }
  return [...targets.values()];
}

interface FoundScan {
  readonly scan: ScanRel;
  readonly isNullable: boolean;
}

function chosenScans(ctx: BindContext, clause: LockingClause, from: BoundFrom): FoundScan[] {
  const found = [...scansIn(from.rel, false)];
  const what = phraseOf(clause);
  if (clause.of.length === 0) {
    if (from.tables.length > found.length) {
      throw ctx.refused(
        `${what} of a subquery is not supported`,
        clause.position,
        'Name the tables with OF.',
      );
    }
    return found;
  }
  return clause.of.map((name) => {
    const scan = found.find((candidate) => candidate.scan.alias === name.name);
    if (scan !== undefined) return scan;
    if (from.tables.some((table) => table.alias === name.name)) {
      throw ctx.refused(`${what} of a subquery is not supported`, name.position);
    }
    throw ctx.error(
      SQLSTATE.UNDEFINED_TABLE,
      `relation "${name.name}" in ${what} clause not found in FROM clause`,
      name.position,
    );
  });
}

/** Scans of this level: below projections of JOIN USING, but not within subqueries' other shapes. */
function* scansIn(rel: Rel, isNullable: boolean): Iterable<FoundScan> {
  switch (rel.kind) {
    case 'scan':
      yield { scan: rel, isNullable };
      return;
    case 'filter':
      yield* scansIn(rel.input, isNullable);
      return;
    case 'project': {
      const ids = outputIds(rel);
      for (const found of scansIn(rel.input, isNullable)) {
        if (ids.has(found.scan.keyColumn.id)) yield found;
      }
      return;
    }
    case 'join': {
      const { joinKind } = rel;
      const isFull = joinKind === 'full';
      yield* scansIn(rel.left, isNullable || isFull || joinKind === 'right');
      yield* scansIn(rel.right, isNullable || isFull || joinKind === 'left');
      return;
    }
    case 'values':
    case 'function':
    case 'aggregate':
    case 'sort':
    case 'limit':
    case 'distinct':
    case 'set operation':
    case 'lock':
      return;
    default:
      unreachable(rel);
  }
}

function phraseOf(clause: LockingClause): string {
  return `FOR ${clause.strength.toUpperCase()}`;
}
