/**
 * Items with spans that do not overlap, in key order, found by key. Two levels of short arrays, so that putting one in
 * or taking one out moves little. Synchronous; no bound of its own.
 */
import { assert } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';

const BLOCK_MAX = 128;

export class SpanList<T extends Span> {
  /** None empty. */
  #blocks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#blocks[0]?.[0];
  }

  /** The first item whose end is above `key`: it holds `key`, or comes after it. */
  endingAbove(key: Key): T | undefined {
    const at = this.#blockFor(key);
    const block = this.#blocks[at] ?? [];
    let low = 0;
    let high = block.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const item = block[middle];
      if (item !== undefined && item.end <= key) low = middle + 1;
      else high = middle;
    }
    return block[low] ?? this.#blocks[at + 1]?.[0];
  }

  /** The first item whose end is at or above `key`: it holds what comes right below `key`, or comes after that. */
  endingFrom(key: Key): T | undefined {
    const at = this.#blockFor(key);
    // NB: the first item of a block begins at or below `key`; one that ends there may be the last of the block before.
    const before = this.#blocks[at - 1];
    const last = before?.[before.length - 1];
    if (last !== undefined && last.end >= key) return last;
    const block = this.#blocks[at] ?? [];
    let low = 0;
    let high = block.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const item = block[middle];
      if (item !== undefined && item.end < key) low = middle + 1;
      else high = middle;
    }
    return block[low] ?? this.#blocks[at + 1]?.[0];
  }

  insert(item: T): void {
    this.#size++;
    const at = this.#blockFor(item.start);
    const block = this.#blocks[at];
    if (block === undefined) {
      this.#blocks.push([item]);
      return;
    }
    const index = firstStartingFrom(block, item.start);
    block.splice(index, 0, item);
    if (block.length > BLOCK_MAX) this.#blocks.splice(at + 1, 0, block.splice(BLOCK_MAX >>> 1));
  }

  remove(item: T): void {
    const at = this.#blockFor(item.start);
    const block = this.#blocks[at] ?? [];
    const index = firstStartingFrom(block, item.start);
    assert(block[index] === item, 'an item is not where it was put');
    this.#size--;
    block.splice(index, 1);
    if (block.length === 0) this.#blocks.splice(at, 1);
  }

  /** The last block whose first item begins at or below `key`, or the first one. */
  #blockFor(key: Key): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#blocks[middle]?.[0];
      if (first !== undefined && first.start <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function firstStartingFrom(block: readonly Span[], key: Key): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = block[middle];
    if (item !== undefined && item.start < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
