/** The B+ tree of sorted-btree, whose CommonJS default export Node and vitest present differently. */
import imported from 'sorted-btree';

type Tree = typeof imported.default;

const asClass: unknown = imported;
export const BTree: Tree = typeof asClass === 'function' ? (asClass as Tree) : imported.default;
