/**
 * An ordered map from strings whose past states stay readable: the content of `MemEngine`. Leaves are never changed
 * but replaced; taking a state is free, and the first change after it copies the list of leaves. Synchronous.
 */
const LEAF_MAX = 128;

interface Leaf<V> {
  readonly keys: readonly string[];
  readonly values: readonly V[];
}

/** A state of a map: never changes. */
export type SortedMapState<V> = readonly Leaf<V>[];

export interface SortedMapPosition {
  leaf: number;
  index: number;
}

export class SortedMap<V> {
  /** Leaves in key order, none empty. */
  #leaves: Leaf<V>[] = [];
  /** Someone may hold `#leaves`: the next change copies it first. */
  #isShared = false;

  /** The present state, readable for as long as it is held. */
  state(): SortedMapState<V> {
    this.#isShared = true;
    return this.#leaves;
  }

  get(key: string): V | undefined {
    return getIn(this.#leaves, key);
  }

  set(key: string, value: V): void {
    const leaves = this.#own();
    if (leaves.length === 0) {
      leaves.push({ keys: [key], values: [value] });
      return;
    }
    const at = leafFor(leaves, key);
    const leaf = leaves[at];
    if (leaf === undefined) return;
    const index = lowerBound(leaf.keys, key);
    const keys = leaf.keys.slice();
    const values = leaf.values.slice();
    const isPresent = keys[index] === key;
    keys.splice(index, isPresent ? 1 : 0, key);
    values.splice(index, isPresent ? 1 : 0, value);
    if (keys.length <= LEAF_MAX) {
      leaves[at] = { keys, values };
      return;
    }
    const half = keys.length >>> 1;
    leaves.splice(
      at,
      1,
      { keys: keys.slice(0, half), values: values.slice(0, half) },
      { keys: keys.slice(half), values: values.slice(half) },
    );
  }

  delete(key: string): void {
    const leaves = this.#own();
    const at = leafFor(leaves, key);
    const leaf = leaves[at];
    if (leaf === undefined) return;
    const index = lowerBound(leaf.keys, key);
    if (leaf.keys[index] !== key) return;
    if (leaf.keys.length === 1) {
      leaves.splice(at, 1);
      return;
    }
    leaves[at] = { keys: leaf.keys.toSpliced(index, 1), values: leaf.values.toSpliced(index, 1) };
  }

  #own(): Leaf<V>[] {
    if (this.#isShared) {
      this.#leaves = this.#leaves.slice();
      this.#isShared = false;
    }
    return this.#leaves;
  }
}

export function getIn<V>(leaves: SortedMapState<V>, key: string): V | undefined {
  const leaf = leaves[leafFor(leaves, key)];
  if (leaf === undefined) return undefined;
  const index = lowerBound(leaf.keys, key);
  return leaf.keys[index] === key ? leaf.values[index] : undefined;
}

/** The entry at a position, or undefined outside. */
export function entryAt<V>(
  leaves: SortedMapState<V>,
  position: SortedMapPosition,
): readonly [string, V] | undefined {
  const leaf = leaves[position.leaf];
  const key = leaf?.keys[position.index];
  return leaf === undefined || key === undefined
    ? undefined
    : [key, leaf.values[position.index] as V];
}

/** The position of the first entry at or above `key`. */
export function positionOf<V>(leaves: SortedMapState<V>, key: string): SortedMapPosition {
  const leaf = leafFor(leaves, key);
  const found = leaves[leaf];
  if (found === undefined) return { leaf: 0, index: 0 };
  const index = lowerBound(found.keys, key);
  return index < found.keys.length ? { leaf, index } : { leaf: leaf + 1, index: 0 };
}

export function moveNext<V>(leaves: SortedMapState<V>, position: SortedMapPosition): void {
  position.index++;
  if (position.index < (leaves[position.leaf]?.keys.length ?? 0)) return;
  position.leaf++;
  position.index = 0;
}

export function movePrevious<V>(leaves: SortedMapState<V>, position: SortedMapPosition): void {
  position.index--;
  if (position.index >= 0) return;
  position.leaf--;
  position.index = (leaves[position.leaf]?.keys.length ?? 0) - 1;
}

/** The last leaf whose first key is at or below `key`, or the first one. */
function leafFor<V>(leaves: SortedMapState<V>, key: string): number {
  let low = 0;
  let high = leaves.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    const first = leaves[middle]?.keys[0];
    if (first !== undefined && first <= key) low = middle;
    else high = middle - 1;
  }
  return low;
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = keys[middle];
    if (at !== undefined && at < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
