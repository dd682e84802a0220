/** Names to descriptors without waiting: what the planner sees of the catalog. */
import type { Descriptor } from './descriptors.ts';

export interface CatalogNames {
  /** The relation of a name: undefined when there is none. Throws `CatalogMiss` when that is not known yet. */
  relation(schema: string | undefined, name: string): Descriptor | undefined;
}

/** The catalog has to be read before the statement can be planned. */
export class CatalogMiss extends Error {
  override readonly name = 'CatalogMiss';
  readonly schema: string | undefined;
  readonly relation: string;

  constructor(schema: string | undefined, relation: string) {
    super(`relation "${relation}" has to be looked up`);
    this.schema = schema;
    this.relation = relation;
  }
}
