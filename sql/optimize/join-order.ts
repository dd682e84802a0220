/**
 * The order of inner joins: greedily, first what gives the fewest rows, then what is tied to the rows so far and best
 * found by them. Outer, semi and lateral joins stay where they are; they are leaves of the order around them.
 */
import type { ColumnId, Scalar } from '../algebra/scalar.ts';
import type { JoinRel, Rel } from '../algebra/rel.ts';
import { outputIds } from '../algebra/rel.ts';
import { columnsIn, freeColumns, mapInputs } from '../algebra/walk.ts';
import { and } from '../binder/predicates.ts';
import { chooseAccess } from '../plan/access-path.ts';
import { conjunctsOf, filtered, split } from './push-filters.ts';

/** Beyond so many the order is left as it was written: looking for a better one takes their number cubed. */
const LEAVES_MAX = 50;

interface Leaf {
  readonly rel: Rel;
  readonly ids: ReadonlySet<ColumnId>;
  /** Columns it takes from beside it. */
  readonly free: ReadonlySet<ColumnId>;
}

export function orderJoins(rel: Rel): Rel {
  if (rel.kind !== 'join' || rel.joinKind !== 'inner') return mapInputs(rel, orderJoins);
  const inputs: Rel[] = [];
  const conditions: Scalar[] = [];
  flatten(rel, inputs, conditions);
  if (inputs.length < 3 || inputs.length > LEAVES_MAX) return mapInputs(rel, orderJoins);
  const leaves = inputs.map((input): Leaf => {
    const ordered = orderJoins(input);
    return { rel: ordered, ids: outputIds(ordered), free: freeColumns(ordered) };
  });
  return greedy(leaves, conditions);
}

function flatten(rel: Rel, inputs: Rel[], conditions: Scalar[]): void {
  if (rel.kind === 'join' && rel.joinKind === 'inner') {
    flatten(rel.left, inputs, conditions);
    flatten(rel.right, inputs, conditions);
    conditions.push(...conjunctsOf(rel.condition));
    return;
  }
  inputs.push(rel);
}

function greedy(leaves: readonly Leaf[], conditions: readonly Scalar[]): Rel {
  const all = new Set(leaves.flatMap((leaf) => [...leaf.ids]));
  const given = new Set<ColumnId>();
  let rest = [...leaves];
  let open = [...conditions];
  let rel: Rel | undefined;
  while (rest.length > 0) {
    const next = bestOf(rest, open, { given, all });
    rest = rest.filter((leaf) => leaf !== next);
    for (const id of next.ids) given.add(id);
    const { yes: ready, no } = split(open, (c) =>
      [...columnsIn(c)].every((id) => given.has(id) || !all.has(id)),
    );
    open = [...no];
    if (rel === undefined) {
      rel = filtered(next.rel, ready);
      continue;
    }
    const joined: JoinRel = {
      ...{ kind: 'join', joinKind: 'inner', left: rel, right: next.rel },
      condition: ready.length === 0 ? undefined : and(ready),
    };
    rel = joined;
  }
  return filtered(rel ?? { kind: 'values', columns: [], rows: [[]] }, open);
}

interface Progress {
  readonly given: ReadonlySet<ColumnId>;
  readonly all: ReadonlySet<ColumnId>;
}

/** Among those whose outside columns are there: tied ones before others, then by the rows they are found to give. */
function bestOf(leaves: readonly Leaf[], conditions: readonly Scalar[], progress: Progress): Leaf {
  const { given, all } = progress;
  let best: { readonly leaf: Leaf; readonly cost: number } | undefined;
  for (const leaf of leaves) {
    if ([...leaf.free].some((id) => all.has(id) && !given.has(id))) continue;
    const usable = conditions.filter((c) => {
      const used = [...columnsIn(c)];
      return used.every((id) => leaf.ids.has(id) || given.has(id) || !all.has(id));
    });
    const isTied = usable.some((c) => [...columnsIn(c)].some((id) => given.has(id)));
    const penalty = given.size === 0 || isTied ? 1 : 1e6;
    const cost = rowsOf(leaf.rel, usable) * penalty;
    if (best === undefined || cost < best.cost) best = { leaf, cost };
  }
  const [first] = leaves;
  if (best === undefined && first === undefined) throw new Error('no relation to join');
  return best?.leaf ?? (first as Leaf);
}

const OTHER_ROWS = 10000;

function rowsOf(rel: Rel, conditions: readonly Scalar[]): number {
  switch (rel.kind) {
    case 'scan':
      return chooseAccess(rel, conditions).rows;
    case 'filter':
      return rowsOf(rel.input, [...conditions, ...conjunctsOf(rel.condition)]);
    case 'project':
      return rowsOf(rel.input, conditions);
    case 'values':
      return rel.rows.length;
    default:
      return OTHER_ROWS;
  }
}
