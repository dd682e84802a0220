/**
 * Plans by statement and parameter types, shared by the sessions of a node. A plan is used as long as the tables it
 * was made with are the newest the node knows; a request that meets another version drops what is known, and with it
 * the plan. Bounded by count, and few of those whose texts are long: a plan takes many times its text.
 */
import type { CatalogCache } from '../catalog/catalog-cache.ts';
import type { SqlType } from '../types/sql-type.ts';
import { typeOfOid } from '../types/sql-type.ts';
import { LruCache } from './lru-cache.ts';
import type { Plan } from '../plan/statement-planner.ts';

const PLANS_MAX = 4096;
const SHORT_TEXT_MAX = 2048;
const LONG_PLANS_MAX = 32;
const LONG_TEXT_MAX = 256 * 1024;

interface Cached {
  readonly plan: Plan;
  /** Generation of the catalog cache at which the plan was last seen to hold. */
  generation: number;
}

export class PlanCache {
  readonly #short = new LruCache<string, Cached>(PLANS_MAX);
  readonly #long = new LruCache<string, Cached>(LONG_PLANS_MAX);
  readonly #catalog: CatalogCache;

  constructor(catalog: CatalogCache) {
    this.#catalog = catalog;
  }

  get(key: string): Plan | undefined {
    const cached = this.#cacheOf(key).get(key);
    if (cached === undefined) return undefined;
    const { generation } = this.#catalog;
    if (cached.generation !== generation) {
      const holds = cached.plan.tables.every((table) => this.#catalog.byId(table.id) === table);
      if (!holds) {
        this.delete(key);
        return undefined;
      }
      cached.generation = generation;
    }
    return cached.plan;
  }

  set(key: string, plan: Plan): void {
    if (key.length <= LONG_TEXT_MAX) this.#cacheOf(key).set(key, { plan, generation: -1 });
  }

  delete(key: string): void {
    this.#cacheOf(key).delete(key);
  }

  #cacheOf(key: string): LruCache<string, Cached> {
    return key.length <= SHORT_TEXT_MAX ? this.#short : this.#long;
  }
}

/** What a plan depends on besides the catalog. */
export function planKey(
  source: {
    readonly text: string;
    readonly start?: number | undefined;
    readonly declaredTypes: readonly (SqlType | undefined)[];
  },
  searchPath: readonly string[],
): string {
  const { text, start = 0, declaredTypes } = source;
  const types = declaredTypes.map((t) => (t === undefined ? '0' : `${t.oid}.${t.modifier}`));
  // NB: a text may hold several statements, whose errors name positions in the whole of it.
  return `${searchPath.join(',')}\0${types.join(',')}\0${start}\0${text}`;
}

/** What `planKey` was made of, where it can be told, and the statement is all of its text. */
export function sourceOfKey(key: string):
  | {
      readonly searchPath: readonly string[];
      readonly declaredTypes: readonly (SqlType | undefined)[];
      readonly text: string;
    }
  | undefined {
  const [path = '', types = '', start, ...rest] = key.split('\0');
  const text = rest.join('\0');
  const searchPath = path.split(',');
  const declaredTypes = types === '' ? [] : types.split(',').map((type) => typeOfPiece(type));
  const isSame = start === '0' && planKey({ text, declaredTypes }, searchPath) === key;
  return isSame ? { searchPath, declaredTypes, text } : undefined;
}

function typeOfPiece(piece: string): SqlType | undefined {
  const [oid, modifier] = piece.split('.').map(Number);
  const type = oid === undefined || oid === 0 ? undefined : typeOfOid(oid);
  return type === undefined ? undefined : { ...type, modifier: modifier ?? type.modifier };
}
