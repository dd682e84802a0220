/**
 * What names mean at one place of a statement: tables of FROM by alias, columns, common table expressions; and what
 * is allowed there (aggregates). Immutable, but for `Cte.unused`; an inner query's scope has the outer one as `parent`, which is how
 * correlated names are found.
 */
import { ambiguousColumn } from '../errors/sql-error.ts';
import type { ColumnScalar, ColumnId, Scalar } from '../algebra/scalar.ts';
import type { AggregateCallRel, Rel, RelColumn } from '../algebra/rel.ts';
import type { ColumnRef, CommonTableExpr } from '../parser/ast.ts';
import type { BindContext } from './bind-context.ts';
import { columnScalar } from './bind-context.ts';
import { missingColumn, missingTable } from './missing-name.ts';
import type { KnownTables } from './missing-name.ts';

export interface ScopeColumn {
  readonly name: string;
  readonly column: RelColumn;
  /** For RowDescription; 0 when it is no plain column of a table. */
  readonly tableId: number;
  readonly columnNumber: number;
}

export interface ScopeTable {
  readonly alias: string;
  /** Of a table that has no alias of its own. */
  readonly schema: string | undefined;
  /** The table's own name, where an alias stands for it. */
  readonly relation?: string | undefined;
  /** Without hidden ones. */
  readonly columns: readonly ScopeColumn[];
}

export interface Cte {
  readonly definition: CommonTableExpr;
  /** Where its query is bound. */
  readonly scope: Scope;
  /** WITH RECURSIVE: its own name within itself, which is refused. */
  readonly isSelf: boolean;
  /** As it was first bound, until something uses it. Later uses need columns of their own, and bind it anew. */
  unused: { readonly rel: Rel; readonly columns: readonly RelColumn[] } | undefined;
}

/** Gathers the aggregates of one query level. */
export class AggregateCollector {
  readonly calls: AggregateCallRel[] = [];
  /** Position of the first, for messages. */
  readonly positions: number[] = [];
  readonly #byKey = new Map<string, ColumnScalar>();

  /** The column of a call that was seen before. */
  find(key: string): ColumnScalar | undefined {
    return this.#byKey.get(key);
  }

  add(key: string, call: AggregateCallRel, position: number): ColumnScalar {
    this.calls.push(call);
    this.positions.push(position);
    const column = columnScalar(call.column);
    this.#byKey.set(key, column);
    return column;
  }
}

interface ScopeParts {
  readonly parent?: Scope | undefined;
  readonly tables?: readonly ScopeTable[];
  /** What unqualified names and `*` see; joined columns of USING once. */
  readonly columns?: readonly ScopeColumn[];
  /** Tables of the statement that cannot be named here; only errors know them. */
  readonly hidden?: readonly ScopeTable[] | undefined;
  readonly ctes?: ReadonlyMap<string, Cte>;
  /** For messages: `WHERE`, `JOIN conditions`. */
  readonly clause?: string;
  readonly aggregates?: AggregateCollector | undefined;
}

export class Scope {
  readonly parent: Scope | undefined;
  readonly tables: readonly ScopeTable[];
  readonly columns: readonly ScopeColumn[];
  readonly hidden: readonly ScopeTable[];
  readonly ctes: ReadonlyMap<string, Cte>;
  readonly clause: string;
  /** Undefined: aggregates are not allowed in this clause. */
  readonly aggregates: AggregateCollector | undefined;

  constructor(parts: ScopeParts = {}) {
    this.parent = parts.parent;
    this.tables = parts.tables ?? [];
    this.columns = parts.columns ?? [];
    this.hidden = parts.hidden ?? [];
    this.ctes = parts.ctes ?? parts.parent?.ctes ?? new Map<string, Cte>();
    this.clause = parts.clause ?? 'this clause';
    this.aggregates = parts.aggregates;
  }

  /** The same names in another clause. */
  in(clause: string, aggregates?: AggregateCollector): Scope {
    const { parent, tables, columns, hidden, ctes } = this;
    return new Scope({ parent, tables, columns, hidden, ctes, clause, aggregates });
  }

  /** True when a column is one of this level's. */
  gives(id: ColumnId): boolean {
    return this.tables.some((table) => table.columns.some((c) => c.column.id === id));
  }

  resolve(ctx: BindContext, ref: ColumnRef): Scalar {
    return { ...columnScalar(this.find(ctx, ref).column), position: ref.position };
  }

  find(ctx: BindContext, ref: ColumnRef): ScopeColumn {
    const { parts, position } = ref;
    const name = parts.at(-1) ?? '';
    const found =
      parts.length === 1
        ? this.#unqualified(ctx, name, position)
        : this.#qualified(ctx, parts, position);
    if (found !== undefined) return found;
    if (parts.length === 1 && this.hasTable(name)) {
      throw ctx.refused('whole-row references are not supported', position, 'Name the columns.');
    }
    throw missingColumn(ctx, { name }, this.#known(), position);
  }

  hasTable(alias: string): boolean {
    if (this.tables.some((table) => table.alias === alias)) return true;
    return this.parent?.hasTable(alias) ?? false;
  }

  /** The table that `qualifier.*` or `qualifier.column` means; 42P01 if there is none. */
  table(ctx: BindContext, qualifier: readonly string[], position: number): ScopeTable {
    const alias = qualifier.at(-1) ?? '';
    const schema = qualifier.at(-2);
    const found = this.#findTable(alias, schema);
    if (found !== undefined) return found;
    throw missingTable(ctx, alias, this.#known(), position);
  }

  /** From here outwards. */
  #known(): KnownTables {
    const { parent } = this;
    const outer = parent === undefined ? { visible: [], hidden: [] } : parent.#known();
    return {
      visible: [...this.tables, ...outer.visible],
      hidden: [...this.hidden, ...outer.hidden],
    };
  }

  #findTable(alias: string, schema: string | undefined): ScopeTable | undefined {
    const found = this.tables.find(
      (table) => table.alias === alias && (schema === undefined || table.schema === schema),
    );
    if (found !== undefined || this.parent === undefined) return found;
    return this.parent.#findTable(alias, schema);
  }

  #qualified(
    ctx: BindContext,
    parts: readonly string[],
    position: number,
  ): ScopeColumn | undefined {
    const name = parts.at(-1) ?? '';
    const table = this.table(ctx, parts.slice(0, -1), position);
    const found = table.columns.filter((column) => column.name === name);
    if (found.length > 1) throw ambiguousColumn(name).at(ctx.text, position);
    if (found[0] !== undefined) return found[0];
    throw missingColumn(ctx, { table, name }, this.#known(), position);
  }

  #unqualified(ctx: BindContext, name: string, position: number): ScopeColumn | undefined {
    const found = this.columns.filter((column) => column.name === name);
    if (found.length > 1) throw ambiguousColumn(name).at(ctx.text, position);
    if (found[0] !== undefined || this.parent === undefined) return found[0];
    return this.parent.#unqualified(ctx, name, position);
  }
}
