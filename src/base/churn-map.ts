/**
 * A map for entries that come and go within milliseconds, among few that are there at any time.
 *
 * A `Map` of V8 moves to another table whenever removed entries have filled the one it has, and links the old table to
 * its successor. Once such a dead table has reached the old generation it keeps all that come after it, and through them
 * what lay in each when it was left, until the next full collection: what a request needs for a millisecond is copied
 * twice and promoted. So the map itself is replaced now and then, to which no link leads.
 *
 * An iteration that is under way when an entry is added may miss it and later changes: nobody adds or removes others
 * while iterating.
 */
const CHANGES_MAX = 64;

export class ChurnMap<K, V> {
  #map = new Map<K, V>();
  /** Entries added since the map was replaced. */
  #changes = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    // To copy costs as much as there are entries: it is to be paid by as many changes.
    if (++this.#changes > CHANGES_MAX + this.#map.size) {
      this.#changes = 0;
      this.#map = new Map(this.#map);
    }
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map = new Map();
    this.#changes = 0;
  }

  keys(): IterableIterator<K> {
    return this.#map.keys();
  }

  values(): IterableIterator<V> {
    return this.#map.values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#map[Symbol.iterator]();
  }
}
