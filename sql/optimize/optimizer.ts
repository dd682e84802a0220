/** The optimizer: passes over the algebra, by name, in order. Each gives a relation with the same rows. */
import type { Rel } from '../algebra/rel.ts';
import { mapInputs, mapScalars, rewriteScalar } from '../algebra/walk.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import { foldConstants } from './fold.ts';
import { orderJoins } from './join-order.ts';
import { pushFilters } from './push-filters.ts';
import { makeSemiJoins } from './semi-joins.ts';

interface Pass {
  readonly name: string;
  run(rel: Rel, ctx: EvalContext): Rel;
}

const PASSES: readonly Pass[] = [
  { name: 'fold constants', run: foldConstants },
  { name: 'make semi joins', run: makeSemiJoins },
  { name: 'push filters', run: pushFilters },
  { name: 'order joins', run: orderJoins },
];

export function optimize(rel: Rel, ctx: EvalContext): Rel {
  let result = rel;
  for (const pass of PASSES) result = pass.run(result, ctx);
  return inSubqueries(result, ctx);
}

/** Queries within expressions are optimized on their own, once it is settled which of them remain. */
function inSubqueries(rel: Rel, ctx: EvalContext): Rel {
  const inputs = mapInputs(rel, (input) => inSubqueries(input, ctx));
  return mapScalars(inputs, (scalar) =>
    rewriteScalar(
      scalar,
      () => undefined,
      (query) => optimize(query, ctx),
    ),
  );
}
