import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReadSet } from '../../../../cluster/txn/read-set.ts';
import type { Key } from '../../../../src/base/span.ts';
import { keyAfter, spanContains } from '../../../../src/base/span.ts';

const keyOf = (n: number): Key => String(n).padStart(6, '0') as Key;

describe('the read set', () => {
  it('keeps some thousand points apart: what lies between them was not read', () => {
    const reads = new ReadSet();
    for (let n = 0; n < 4000; n += 2) reads.addPoint(keyOf(n));
    const spans = reads.spans();
    expect(spans).toHaveLength(2000);
    expect(spans.some((span) => spanContains(span, keyOf(1001)))).toBe(false);
  });

  it('covers everything that was read, however much it is', () => {
    const reads = new ReadSet();
    for (let n = 0; n < 12_000; n++) reads.addPoint(keyOf((n * 7919) % 12_000));
    const spans = reads.spans();
    expect(spans.length).toBeLessThanOrEqual(5000);
    for (let n = 0; n < 12_000; n += 97) {
      expect(spans.some((span) => spanContains(span, keyOf(n)))).toBe(true);
    }
  });

  it('has each point once, few or many, and drops what came after a mark', () => {
    const numbers = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 120 });
    fc.assert(
      fc.property(numbers, numbers, (before, after) => {
        const reads = new ReadSet();
        for (const n of before) reads.addPoint(keyOf(n));
        const mark = reads.count;
        for (const n of after) reads.addPoint(keyOf(n));
        expect(reads.spans()).toHaveLength(new Set([...before, ...after]).size);
        reads.dropSince(mark);
        expect(reads.spans()).toHaveLength(new Set(before).size);
        // What was dropped can be read again.
        for (const n of after) reads.addPoint(keyOf(n));
        expect(reads.spans()).toHaveLength(new Set([...before, ...after]).size);
      }),
    );
  });

  it('joins the batches of one scan, and does not take a scan for a point', () => {
    const reads = new ReadSet();
    reads.addSpan({ start: keyOf(1), end: keyOf(5) });
    reads.addSpan({ start: keyOf(5), end: keyOf(9) });
    expect(reads.spans()).toEqual([{ start: keyOf(1), end: keyOf(9) }]);
    reads.addPoint(keyOf(9));
    reads.addPoint(keyOf(1));
    expect(reads.spans().at(-1)).toMatchObject({ end: keyAfter(keyOf(1)) });
  });
});
