/** `SpanList` against a sorted array, with enough items for several blocks. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Key, Span } from '../../../src/base/span.ts';
import { SpanList } from '../../../storage/mvcc/span-list.ts';

const PLACES = 1200;

function keyAt(i: number): Key {
  return String(i).padStart(5, '0') as Key;
}

it('finds by key what a sorted array finds', () => {
  const places = fc.array(
    fc.record({
      at: fc.nat(PLACES),
      isWide: fc.boolean(),
      isRemoval: fc.nat(3).map((n) => n === 0),
    }),
    { minLength: 200, maxLength: 1500 },
  );
  fc.assert(
    fc.property(places, fc.array(fc.nat(PLACES + 2)), (steps, looks) => {
      const list = new SpanList<Span>();
      let naive: Span[] = [];
      for (const { at, isWide, isRemoval } of steps) {
        const span = { start: keyAt(at), end: keyAt(at + (isWide ? 2 : 1)) };
        const there = naive.find(({ start, end }) => start < span.end && end > span.start);
        if (there === undefined) {
          list.insert(span);
          naive.push(span);
        } else if (isRemoval) {
          list.remove(there);
          naive = naive.filter((other) => other !== there);
        }
      }
      naive.sort((a, b) => (a.start < b.start ? -1 : 1));
      expect(list.size).toBe(naive.length);
      expect(list.first).toBe(naive[0]);
      for (const key of looks.map(keyAt)) {
        expect(list.endingAbove(key)).toBe(naive.find(({ end }) => end > key));
        expect(list.endingFrom(key)).toBe(naive.find(({ end }) => end >= key));
      }
    }),
    { numRuns: 60 },
  );
});
