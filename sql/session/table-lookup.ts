/** Names in statements that are not planned: COPY, SHOW RANGES, SPLIT AT. And the planner's view of the catalog. */
import { SqlError, undefinedTable } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Steps } from '../../src/base/steps.ts';
import type { Descriptor, TableDescriptor } from '../catalog/descriptors.ts';
import type { CatalogNames } from '../catalog/catalog-names.ts';
import { CatalogMiss } from '../catalog/catalog-names.ts';
import { TxnCatalog } from '../catalog/txn-catalog.ts';
import type { QualifiedName } from '../parser/ast.ts';
import type { SequenceInfo } from './sequence-allocator.ts';
import type { SessionContext } from './session-context.ts';
import type { SequenceNames } from './sequence-state.ts';
import { parseExpression } from '../parser/parse.ts';

const LOOKUP_BYTES = 1 << 20;

/** The catalog of the block, or of the moment outside one. */
export function* withCatalog<T>(
  ctx: SessionContext,
  use: (catalog: TxnCatalog) => Steps<T>,
): Steps<T> {
  if (ctx.block !== undefined) return yield* use(ctx.block.catalog);
  const { kv, catalogCache } = ctx.shared;
  const txn = kv.begin({ txnMaxBytes: LOOKUP_BYTES, signal: ctx.signal });
  try {
    return yield* use(new TxnCatalog(txn, kv, catalogCache, ctx.signal));
  } finally {
    txn.rollback();
  }
}

export function* findRelation(
  ctx: SessionContext,
  schema: string | undefined,
  name: string,
): Steps<Descriptor | undefined> {
  const schemas = schema === undefined ? ctx.settings.config.searchPath : [schema];
  return yield* withCatalog(ctx, function* (catalog): Steps<Descriptor | undefined> {
    for (const candidate of schemas) {
      const found = yield* catalog.byName(candidate, name);
      if (found !== undefined && found.kind !== 'index') return found.descriptor;
    }
    return undefined;
  });
}

export function* findTable(ctx: SessionContext, name: QualifiedName): Steps<TableDescriptor> {
  const shown = name.schema === undefined ? name.name : `${name.schema}.${name.name}`;
  const found = yield* findRelation(ctx, name.schema, name.name);
  if (found === undefined) throw undefinedTable(shown);
  if (found.kind === 'table') return found;
  throw new SqlError(SQLSTATE.WRONG_OBJECT_TYPE, `"${name.name}" is not a table`);
}

/** The planner's names for one statement: what the node's cache knows, and what was looked up for this statement. */
export class StatementNames implements CatalogNames {
  readonly #ctx: SessionContext;
  readonly #found = new Map<string, Descriptor | undefined>();
  /** What the node's cache has answered. */
  readonly #taken = new Set<Descriptor>();

  constructor(ctx: SessionContext) {
    this.#ctx = ctx;
  }

  relation(schema: string | undefined, name: string): Descriptor | undefined {
    const key = `${schema ?? ''}\0${name}`;
    if (this.#found.has(key)) return this.#found.get(key);
    if (this.#ctx.block?.catalog.isPrivate !== true) {
      const known = this.#cached(schema, name);
      if (known !== undefined) {
        this.#taken.add(known);
        return known;
      }
    }
    throw new CatalogMiss(schema, name);
  }

  /**
   * Compares what the cache has answered with what is in force, since a statement that cannot be planned is never told
   * by a fence that the node's knowledge is old. True: something was, and planning is to be tried again.
   */
  *renew(): Steps<boolean> {
    const { catalogCache } = this.#ctx.shared;
    let isOld = false;
    for (const known of this.#taken) {
      const { schema, name } = known;
      const now = yield* withCatalog(this.#ctx, (catalog) => catalog.newestByName(schema, name));
      if (now?.descriptor.id === known.id && now.descriptor.version === known.version) continue;
      isOld = true;
      catalogCache.forget(known.id);
      if (now !== undefined) catalogCache.put(now.descriptor);
    }
    this.#taken.clear();
    return isOld;
  }

  *lookUp(miss: CatalogMiss): Steps<void> {
    const { schema, relation } = miss;
    const found = yield* findRelation(this.#ctx, schema, relation);
    this.#found.set(`${schema ?? ''}\0${relation}`, found);
  }

  #cached(schema: string | undefined, name: string): Descriptor | undefined {
    const { catalogCache } = this.#ctx.shared;
    if (schema !== undefined) return catalogCache.byName(schema, name);
    // Only the first schema that may hold tables can be trusted: of the others we do not know what comes before.
    for (const candidate of this.#ctx.settings.config.searchPath) {
      const known = catalogCache.byName(candidate, name);
      if (known !== undefined) return known;
    }
    return undefined;
  }
}

/** Sequences by the names that nextval and its kin are given: SQL identifiers in a string. */
export function sequenceNames(ctx: SessionContext): SequenceNames {
  return {
    *sequence(name: string): Steps<SequenceInfo> {
      const [schema, relation] = splitName(name);
      const found = yield* findRelation(ctx, schema, relation);
      if (found === undefined) throw undefinedTable(name);
      if (found.kind === 'sequence') return found;
      throw new SqlError(SQLSTATE.WRONG_OBJECT_TYPE, `"${relation}" is not a sequence`);
    },
    *serialSequence(table: string, column: string): Steps<string | null> {
      const [schema, relation] = splitName(table);
      const found = yield* findRelation(ctx, schema, relation);
      if (found?.kind !== 'table') throw undefinedTable(table);
      const owned = found.columns.find((c) => c.name === column && !c.isHidden);
      if (owned === undefined) {
        throw new SqlError(
          SQLSTATE.UNDEFINED_COLUMN,
          `column "${column}" of relation "${relation}" does not exist`,
        );
      }
      const id = owned.ownedSequenceId;
      if (id === undefined) return null;
      const sequence = yield* withCatalog(ctx, (catalog) => catalog.byId(id));
      return sequence === undefined ? null : `${sequence.schema}.${sequence.name}`;
    },
  };
}

function splitName(text: string): readonly [string | undefined, string] {
  const expr = parseExpression(text);
  if (expr.kind === 'column ref') {
    const parts = expr.parts.slice(-2);
    if (parts.length === 2) return [parts[0], parts[1] ?? ''];
    return [undefined, parts[0] ?? ''];
  }
  throw new SqlError(SQLSTATE.INVALID_NAME, 'invalid name syntax');
}
