/** The order of texts is that of their bytes in UTF-8, and sorting by keys made once is sorting by comparison. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparatorFor, sortOrderFor } from '../../../../sql/types/compare.ts';
import { BPCHAR, TEXT } from '../../../../sql/types/sql-type.ts';

/** Few characters, so that many texts begin alike: below and above the blank, of two units, above the surrogates. */
const texts = fc.string({
  unit: fc.constantFrom('\t', ' ', 'a', 'b', 'é', '\u{1f600}', '\uffee'),
  maxLength: 6,
});

describe('the order of texts', () => {
  it('is that of their bytes', () => {
    const compare = comparatorFor(TEXT);
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        expect(Math.sign(compare(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      }),
    );
  });

  it.each([TEXT, BPCHAR])('is the same by keys made once for each: $name', (type) => {
    const compare = comparatorFor(type);
    const order = sortOrderFor(type);
    fc.assert(
      fc.property(texts, texts, (a, b) => {
        const byKeys = order.compare(order.keyOf(a), order.keyOf(b));
        expect(Math.sign(byKeys)).toBe(Math.sign(compare(a, b)));
      }),
    );
    expect(order.keyOf(null)).toBeNull();
  });
});
