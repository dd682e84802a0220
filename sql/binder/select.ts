/** One SELECT: from FROM to DISTINCT and ORDER BY. LIMIT and set operations are the query's (query.ts). */
import { must } from '../../src/base/assert.ts';
import type { ColumnId, Scalar } from '../algebra/scalar.ts';
import type { LockTarget, ProjectItem, Rel, RelColumn, SortKeyRel } from '../algebra/rel.ts';
import { outputColumns, outputIds } from '../algebra/rel.ts';
import { scalarKey } from '../algebra/scalar-key.ts';
import { columnsIn, isVolatile, mayWait } from '../algebra/walk.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { isSetFunctionName, resolveSetFunction } from '../functions/scalar-functions.ts';
import type { Expr, FunctionCall, LockingClause, Select, SortItem } from '../parser/ast.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import { coerceArgument, finishUnknown } from './coerce.ts';
import { bindSortItem } from './expr-binder.ts';
import { ExpressionBinder } from './expression-binder.ts';
import type { BoundFrom } from './from.ts';
import { bindFrom } from './from.ts';
import { groupRows } from './grouping.ts';
import { lockTargets } from './locking.ts';
import { outputName } from './output-name.ts';
import type { ScopeColumn } from './scope.ts';
import { AggregateCollector, Scope } from './scope.ts';
import { startOf } from './start-of.ts';

export interface SelectClauses {
  readonly orderBy: readonly SortItem[];
  readonly locking: readonly LockingClause[];
  /** Leaves bare literals and parameters untyped, for whoever puts the rows somewhere: INSERT, UNION. */
  readonly keepsUnknown: boolean;
}

/** A select list item with its place. `source` is set for a plain column. */
interface Item {
  readonly name: string;
  readonly expr: Scalar;
  readonly position: number;
  readonly source: ScopeColumn | undefined;
}

export interface BoundSelect {
  readonly rel: Rel;
  readonly columns: readonly RelColumn[];
  /** Beside `columns`: the table's column that each one plainly is. */
  readonly sources: readonly (ScopeColumn | undefined)[];
  /** Where the expression of each one begins in the text. */
  readonly positions: readonly number[];
}

export function bindSelect(
  ctx: BindContext,
  select: Select,
  outer: Scope,
  clauses: SelectClauses,
): BoundSelect {
  return new SelectBinder(ctx, select, outer, clauses).bind();
}

class SelectBinder {
  readonly #ctx: BindContext;
  readonly #select: Select;
  readonly #clauses: SelectClauses;
  readonly #from: BoundFrom;
  readonly #scope: Scope;
  readonly #collector = new AggregateCollector();
  /** Of the select list: joined once the rows have been filtered. */
  readonly #setFunctions: Rel[] = [];
  #rel: Rel;

  constructor(ctx: BindContext, select: Select, outer: Scope, clauses: SelectClauses) {
    this.#ctx = ctx;
    this.#select = select;
    this.#clauses = clauses;
    this.#from = bindFrom(ctx, select.from, outer);
    const { tables, columns } = this.#from;
    this.#scope = new Scope({ parent: outer, tables, columns });
    this.#rel = this.#from.rel;
  }

  bind(): BoundSelect {
    const { where, having, distinct } = this.#select;
    // First, so that of two mistakes the one that Postgres finds is reported.
    let items = this.#items();
    if (where !== undefined) {
      const condition = this.#binder('WHERE').condition(where, 'WHERE');
      this.#rel = { kind: 'filter', input: this.#rel, condition };
    }
    for (const right of this.#setFunctions) {
      const parts = { kind: 'join', joinKind: 'inner', condition: undefined } as const;
      this.#rel = { ...parts, left: this.#rel, right };
    }
    const groupBy = this.#groupBy(items);
    let filter =
      having === undefined
        ? undefined
        : {
            position: having.position,
            scalar: this.#aggregating('HAVING').condition(having, 'HAVING'),
          };
    let distinctOn = distinct === undefined || distinct === 'all' ? [] : this.#distinctOn(items);
    let keys = this.#sortKeys(items);
    const isGrouped =
      groupBy.length > 0 || having !== undefined || this.#collector.calls.length > 0;
    const targets = lockTargets(this.#ctx, this.#clauses.locking, this.#from, {
      isGrouped,
      isDistinct: distinct !== undefined,
    });
    if (isGrouped) {
      const parts = { scope: this.#scope, groupBy, collector: this.#collector };
      const grouped = groupRows(this.#ctx, this.#rel, parts);
      const above = (expr: Scalar, position: number): Scalar => grouped.above(expr, position);
      this.#rel = grouped.rel;
      items = items.map((item) => ({ ...item, expr: above(item.expr, item.position) }));
      keys = keys.map((key) => ({ ...key, expr: above(key.expr, this.#select.position) }));
      distinctOn = distinctOn.map((expr) => above(expr, this.#select.position));
      if (filter !== undefined)
        filter = { ...filter, scalar: above(filter.scalar, filter.position) };
    }
    if (filter !== undefined) {
      this.#rel = { kind: 'filter', input: this.#rel, condition: filter.scalar };
    }
    return this.#finish(items, { keys, distinctOn, targets });
  }

  #binder(clause: string): ExpressionBinder {
    return new ExpressionBinder(this.#ctx, this.#scope.in(clause));
  }

  #aggregating(clause: string): ExpressionBinder {
    return new ExpressionBinder(this.#ctx, this.#scope.in(clause, this.#collector));
  }

  // -- the select list ----------------------------------------------------------------------------------------

  #items(): Item[] {
    const binder = this.#aggregating('SELECT');
    return this.#select.items.flatMap((item): Item[] => {
      const { position } = item;
      if (item.kind === 'select star') return this.#star(item.qualifier, position);
      const { expr } = item;
      const name = item.alias ?? outputName(expr);
      const placed = { scalar: this.#itemValue(binder, expr), position: startOf(expr) };
      const value = this.#clauses.keepsUnknown ? placed.scalar : finishUnknown(this.#ctx, placed);
      const source = expr.kind === 'column ref' ? this.#scope.find(this.#ctx, expr) : undefined;
      return [{ name, expr: value, position: placed.position, source }];
    });
  }

  #itemValue(binder: ExpressionBinder, expr: Expr): Scalar {
    if (expr.kind === 'function call' && isSetFunctionName(expr.name)) return this.#rowsOf(expr);
    return binder.bind(expr);
  }

  /** A set-returning function in the select list: joined to the rows as if it stood in FROM, laterally. */
  #rowsOf(call: FunctionCall): Scalar {
    const ctx = this.#ctx;
    const { groupBy, having } = this.#select;
    if (groupBy.length > 0 || having !== undefined || this.#collector.calls.length > 0) {
      throw ctx.refused(
        'set-returning functions beside aggregates are not supported',
        call.position,
        'Call it in FROM.',
      );
    }
    const binder = this.#binder('set-returning functions');
    const args = call.args.map((arg) => binder.placed(arg));
    const types = args.map(({ scalar }) => scalar.type);
    const fn = must(ctx.at(call.position, () => resolveSetFunction(call.name, types)));
    const column = ctx.newColumn(call.name, fn.resultType);
    this.#setFunctions.push({
      ...{ kind: 'function', fn, column, ordinality: undefined },
      args: args.map((arg, i) => coerceArgument(ctx, arg, fn.argTypes[i] ?? arg.scalar.type)),
    });
    return columnScalar(column);
  }

  #star(qualifier: readonly string[], position: number): Item[] {
    const ctx = this.#ctx;
    const isAll = qualifier.length === 0;
    if (isAll && this.#select.from.length === 0) {
      const message = 'SELECT * with no tables specified is not valid';
      throw ctx.error(SQLSTATE.SYNTAX_ERROR, message, position);
    }
    const columns = isAll
      ? this.#scope.columns
      : this.#scope.table(ctx, qualifier, position).columns;
    return columns.map((source) => ({
      ...{ name: source.name, position, source },
      expr: { ...columnScalar(source.column), position },
    }));
  }

  // -- clauses that may mean an item ---------------------------------------------------------------------------

  #groupBy(items: readonly Item[]): Scalar[] {
    const binder = this.#binder('GROUP BY');
    return this.#select.groupBy.map((expr) => {
      if (expr.kind === 'number' && expr.isInteger) {
        return this.#refuseAggregate(this.#ordinal(items, expr, 'GROUP BY'));
      }
      if (expr.kind === 'column ref' && expr.parts.length === 1) {
        const [name = ''] = expr.parts;
        const isInput = this.#scope.columns.some((column) => column.name === name);
        const item = isInput ? undefined : this.#named(items, name, 'GROUP BY', expr.position);
        if (item !== undefined) return this.#refuseAggregate(item);
      }
      return finishUnknown(this.#ctx, binder.placed(expr));
    });
  }

  #refuseAggregate({ expr }: Item): Scalar {
    const { calls, positions } = this.#collector;
    const used = columnsIn(expr);
    const at = calls.findIndex((call) => used.has(call.column.id));
    if (at < 0) return expr;
    throw this.#ctx.error(
      SQLSTATE.GROUPING_ERROR,
      'aggregate functions are not allowed in GROUP BY',
      positions[at] ?? 0,
    );
  }

  #sortKeys(items: readonly Item[]): SortKeyRel[] {
    const binder = this.#aggregating('ORDER BY');
    return this.#clauses.orderBy.map((item) => {
      const value = this.#outputOf(items, item.expr, 'ORDER BY');
      return bindSortItem(binder, item, value?.expr);
    });
  }

  #distinctOn(items: readonly Item[]): Scalar[] {
    const { distinct } = this.#select;
    if (distinct === undefined || distinct === 'all') return [];
    const binder = this.#aggregating('DISTINCT ON');
    return distinct.map((expr) => {
      const item = this.#outputOf(items, expr, 'DISTINCT ON');
      return item?.expr ?? finishUnknown(this.#ctx, binder.placed(expr));
    });
  }

  /** The item that an ordinal or an output name means. */
  #outputOf(items: readonly Item[], expr: Expr, clause: string): Item | undefined {
    if (expr.kind === 'number') return this.#ordinal(items, expr, clause);
    if (expr.kind === 'string') {
      const message = `non-integer constant in ${clause}`;
      throw this.#ctx.error(SQLSTATE.SYNTAX_ERROR, message, expr.position);
    }
    if (expr.kind !== 'column ref' || expr.parts.length !== 1) return undefined;
    return this.#named(items, expr.parts[0] ?? '', clause, expr.position);
  }

  #ordinal(items: readonly Item[], expr: Extract<Expr, { kind: 'number' }>, clause: string): Item {
    if (!expr.isInteger) {
      const message = `non-integer constant in ${clause}`;
      throw this.#ctx.error(SQLSTATE.SYNTAX_ERROR, message, expr.position);
    }
    const item = items[Number(expr.text) - 1];
    if (item !== undefined) return item;
    throw this.#ctx.error(
      SQLSTATE.INVALID_COLUMN_REFERENCE,
      `${clause} position ${expr.text} is not in select list`,
      expr.position,
    );
  }

  #named(items: readonly Item[], name: string, clause: string, position: number): Item | undefined {
    const found = items.filter((item) => item.name === name);
    const [first] = found;
    if (first === undefined) return undefined;
    const key = scalarKey(first.expr);
    if (found.every((item) => scalarKey(item.expr) === key)) return first;
    const message = `${clause} "${name}" is ambiguous`;
    throw this.#ctx.error(SQLSTATE.AMBIGUOUS_COLUMN, message, position);
  }

  // -- the top -------------------------------------------------------------------------------------------------

  #finish(
    items: readonly Item[],
    top: {
      readonly keys: readonly SortKeyRel[];
      readonly distinctOn: readonly Scalar[];
      readonly targets: readonly LockTarget[];
    },
  ): BoundSelect {
    const own = outputIds(this.#rel);
    const projected = items.map((item) => this.#projected(item, own));
    const columns = projected.map(({ column }) => column);
    const sources = items.map((item) => item.source);
    const positions = items.map((item) => item.position);
    const { distinct } = this.#select;
    if (distinct === 'all') {
      const rel: Rel = {
        ...{ kind: 'distinct', on: undefined },
        input: { kind: 'project', input: this.#rel, items: projected },
      };
      const keys = this.#keysOfOutput(projected, top.keys);
      return { rel: sorted(rel, keys), columns, sources, positions };
    }
    const { input, items: outputs, keys } = this.#precomputed(projected, top.keys);
    let rel = sorted(input, keys);
    if (distinct !== undefined) {
      this.#checkDistinctOn(top.distinctOn, top.keys);
      rel = { kind: 'distinct', input: rel, on: top.distinctOn };
    }
    if (top.targets.length > 0) rel = { kind: 'lock', input: rel, targets: top.targets };
    rel = { kind: 'project', input: rel, items: outputs };
    return { rel, columns, sources, positions };
  }

  /** A column of an outer query becomes a new one: it may come to stand beside the outer one. */
  #projected({ name, expr }: Item, own: ReadonlySet<ColumnId>): ProjectItem {
    const column =
      expr.kind === 'column' && own.has(expr.id)
        ? { id: expr.id, name, type: expr.type }
        : this.#ctx.newColumn(name, expr.type);
    return { column, expr };
  }

  /** Sort keys that must not be computed twice, or not while sorting, become columns below the sort. */
  #precomputed(
    items: readonly ProjectItem[],
    keys: readonly SortKeyRel[],
  ): {
    readonly input: Rel;
    readonly items: readonly ProjectItem[];
    readonly keys: readonly SortKeyRel[];
  } {
    const isDelicate = (expr: Scalar): boolean => isVolatile(expr) || mayWait(expr);
    if (!keys.some((key) => isDelicate(key.expr))) return { input: this.#rel, items, keys };
    const made = new Map<string, ProjectItem>();
    for (const expr of [...keys.map((key) => key.expr), ...items.map((item) => item.expr)]) {
      const key = scalarKey(expr);
      if (made.has(key) || !isDelicate(expr)) continue;
      made.set(key, { column: this.#ctx.newColumn('sort', expr.type), expr });
    }
    const replace = (expr: Scalar): Scalar => {
      const known = made.get(scalarKey(expr));
      return known === undefined ? expr : columnScalar(known.column);
    };
    return {
      input: passing(this.#rel, [...made.values()]),
      items: items.map((item) => ({ ...item, expr: replace(item.expr) })),
      keys: keys.map((key) => ({ ...key, expr: replace(key.expr) })),
    };
  }

  /** SELECT DISTINCT sorts its output: each key has to be one of its columns. */
  #keysOfOutput(items: readonly ProjectItem[], keys: readonly SortKeyRel[]): SortKeyRel[] {
    const byKey = new Map(items.map((item) => [scalarKey(item.expr), item.column]));
    return keys.map((key, i) => {
      const column = byKey.get(scalarKey(key.expr));
      if (column !== undefined) return { ...key, expr: columnScalar(column) };
      throw this.#ctx.error(
        SQLSTATE.INVALID_COLUMN_REFERENCE,
        'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
        this.#clauses.orderBy[i]?.expr.position ?? 0,
      );
    });
  }

  #checkDistinctOn(on: readonly Scalar[], keys: readonly SortKeyRel[]): void {
    const wanted = new Set(on.map(scalarKey));
    const leading = keys.slice(0, wanted.size);
    const at = leading.findIndex((key) => !wanted.has(scalarKey(key.expr)));
    if (at < 0) return;
    const { distinct } = this.#select;
    const [first] = distinct === undefined || distinct === 'all' ? [] : distinct;
    throw this.#ctx.error(
      SQLSTATE.INVALID_COLUMN_REFERENCE,
      'SELECT DISTINCT ON expressions must match initial ORDER BY expressions',
      first?.position ?? 0,
    );
  }
}

function sorted(input: Rel, keys: readonly SortKeyRel[]): Rel {
  return keys.length === 0 ? input : { kind: 'sort', input, keys };
}

/** The relation with some more columns. */
function passing(input: Rel, more: readonly ProjectItem[]): Rel {
  return {
    ...{ kind: 'project', input },
    items: [
      ...outputColumns(input).map((column) => ({ column, expr: columnScalar(column) })),
      ...more,
    ],
  };
}
