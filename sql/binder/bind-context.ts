/** What the binding of one statement shares: its text for error positions, the catalog, parameters, column ids. */
import type { TableDescriptor } from '../catalog/descriptors.ts';
import type { CatalogNames } from '../catalog/catalog-names.ts';
import { SqlError, undefinedTable } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { EvalContext } from '../functions/eval-context.ts';
import type { QualifiedName, Query } from '../parser/ast.ts';
import type { ColumnScalar, ColumnId } from '../algebra/scalar.ts';
import type { Rel, RelColumn } from '../algebra/rel.ts';
import type { SqlType } from '../types/sql-type.ts';
import type { ParameterTypes } from './parameters.ts';
import type { Scope } from './scope.ts';

/** A query as another part of the statement sees it. */
export interface BoundQuery {
  readonly rel: Rel;
  /** In order; `*` of it. */
  readonly columns: readonly RelColumn[];
}

export interface BindOptions {
  readonly text: string;
  readonly catalog: CatalogNames;
  readonly parameters: ParameterTypes;
  readonly evalContext: EvalContext;
  /** A query within the statement: the query binder, which the expression binder must not import. */
  readonly bindQuery: (ctx: BindContext, query: Query, outer: Scope) => BoundQuery;
}

/** Items of FROM that a statement may have in all. */
const RELATIONS_MAX = 1000;

export class BindContext {
  readonly text: string;
  readonly catalog: CatalogNames;
  readonly parameters: ParameterTypes;
  readonly evalContext: EvalContext;
  readonly #bindQuery: BindOptions['bindQuery'];
  #lastId = 0;
  #relations = 0;

  constructor(options: BindOptions) {
    this.text = options.text;
    this.catalog = options.catalog;
    this.parameters = options.parameters;
    this.evalContext = options.evalContext;
    this.#bindQuery = options.bindQuery;
  }

  newColumn(name: string, type: SqlType): RelColumn {
    return { id: this.newId(), name, type };
  }

  newId(): ColumnId {
    return ++this.#lastId;
  }

  /** Each item of FROM passes here: queries named by WITH are bound anew wherever they are used, and so may explode. */
  countRelation(position: number): void {
    if (++this.#relations <= RELATIONS_MAX) return;
    throw this.error(
      SQLSTATE.STATEMENT_TOO_COMPLEX,
      'the statement uses too many tables and subqueries',
      position,
      { hint: 'A query in WITH counts again for each time it is used.' },
    );
  }

  bindQuery(query: Query, outer: Scope): BoundQuery {
    return this.#bindQuery(this, query, outer);
  }

  /** Runs a check; an error that it throws points at `position`. */
  at<T>(position: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof SqlError ? error.at(this.text, position) : error;
    }
  }

  error(
    sqlState: SqlError['sqlState'],
    message: string,
    position: number,
    fields: { readonly hint?: string; readonly detail?: string } = {},
  ): SqlError {
    return new SqlError(sqlState, message, fields).at(this.text, position);
  }

  refused(message: string, position: number, hint?: string): SqlError {
    const fields = hint === undefined ? {} : { hint };
    return this.error(SQLSTATE.FEATURE_NOT_SUPPORTED, message, position, fields);
  }

  table(name: QualifiedName): TableDescriptor {
    const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
    if (name.catalog !== undefined) {
      throw this.refused(
        `cross-database references are not implemented: "${name.catalog}.${shown}"`,
        name.position,
      );
    }
    if (name.schema === 'pg_catalog' || name.schema === 'information_schema') {
      throw this.refused(
        `relation "${shown}" is not supported`,
        name.position,
        'The system catalogs are not there yet.',
      );
    }
    const found = this.catalog.relation(name.schema, name.name);
    if (found === undefined) throw undefinedTable(shown).at(this.text, name.position);
    if (found.kind === 'table') return found;
    throw this.error(
      SQLSTATE.WRONG_OBJECT_TYPE,
      `cannot open relation "${name.name}"`,
      name.position,
      { detail: 'This operation is not supported for sequences.' },
    );
  }
}

export function columnScalar(column: RelColumn): ColumnScalar {
  return { kind: 'column', type: column.type, id: column.id, name: column.name, position: -1 };
}
