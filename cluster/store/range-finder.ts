/** Finds the ranges of keys that are asked for in key order, or nearly. */
import type { Key, Span } from '../../src/base/span.ts';
import { spanContains } from '../../src/base/span.ts';

interface Located {
  readonly state: { readonly descriptor: Span };
}

export class RangeFinder<R extends Located> {
  readonly #ranges: () => Iterable<R>;
  #last: R | undefined;

  /** `ranges`: all there are at that moment. */
  constructor(ranges: () => Iterable<R>) {
    this.#ranges = ranges;
  }

  at(key: Key): R | undefined {
    if (this.#last === undefined || !spanContains(this.#last.state.descriptor, key)) {
      this.#last = this.#find(key);
    }
    return this.#last;
  }

  #find(key: Key): R | undefined {
    for (const range of this.#ranges()) {
      if (spanContains(range.state.descriptor, key)) return range;
    }
    return undefined;
  }
}
