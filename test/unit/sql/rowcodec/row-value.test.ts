/** Row values come back as they were written, and a reader of some columns touches nothing else. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteDecodeError } from '../../../../src/base/bytes.ts';
import type { ValueColumn } from '../../../../sql/rowcodec/row-value.ts';
import { compileRowDecoder, compileRowEncoder } from '../../../../sql/rowcodec/row-value.ts';
import type { Datum } from '../../../../sql/types/datum.ts';
import { padCharacters } from '../../../../sql/types/characters.ts';
import { BOOL, FLOAT8, INT4, INT8, TEXT, bpcharOf } from '../../../../sql/types/sql-type.ts';

const KINDS: readonly { readonly type: ValueColumn['type']; readonly of: fc.Arbitrary<Datum> }[] = [
  { type: INT4, of: fc.integer() },
  { type: INT8, of: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  { type: TEXT, of: fc.string({ maxLength: 300 }) },
  // Characters of one to four bytes, and blanks, which are not stored at the end.
  {
    type: bpcharOf(40),
    of: fc
      .string({ unit: fc.constantFrom('a', ' ', 'é', '\u{20ac}', '\u{1f600}'), maxLength: 40 })
      .map((text) => padCharacters(text, 40)),
  },
  { type: BOOL, of: fc.boolean() },
  { type: FLOAT8, of: fc.double({ noNaN: true }) },
];

interface Case {
  readonly columns: readonly ValueColumn[];
  readonly row: readonly Datum[];
  readonly wanted: readonly boolean[];
}

/** Columns with rising ids and gaps between them, a value or null in each, and which of them are wanted. */
const cases: fc.Arbitrary<Case> = fc
  .array(
    fc.constantFrom(...KINDS).chain(({ type, of }) =>
      fc.record({
        type: fc.constant(type),
        gap: fc.integer({ min: 1, max: 300 }),
        datum: fc.option(of),
        isWanted: fc.boolean(),
      }),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((parts) => {
    let id = 0;
    const columns = parts.map(({ type, gap }) => ({ id: (id += gap), type }));
    return { columns, row: parts.map((p) => p.datum), wanted: parts.map((p) => p.isWanted) };
  });

describe('row values', () => {
  it('come back as they were, and what is not wanted is left alone', () => {
    fc.assert(
      fc.property(cases, ({ columns, row, wanted }) => {
        const value = compileRowEncoder(columns, [...row.keys()])(row);
        const decode = compileRowDecoder(
          columns,
          wanted.map((isWanted, i) => (isWanted ? i : -1)),
        );
        const untouched = Symbol('untouched') as unknown as Datum;
        const out = new Array<Datum>(row.length).fill(untouched);
        decode(value, out);
        expect(out).toEqual(row.map((datum, i) => (wanted[i] === true ? datum : untouched)));
        // NB: a place of -1 would be a property of the array, which makes it slow besides.
        expect(Object.keys(out)).toHaveLength(row.length);
      }),
    );
  });

  it('hold what a column had before it was added where they lack it', () => {
    const before: ValueColumn = { id: 1, type: INT4 };
    const value = compileRowEncoder([before], [0])([7]);
    const out: Datum[] = [null, null];
    compileRowDecoder([before, { id: 2, type: TEXT, missing: 'x' }], [0, 1])(value, out);
    expect(out).toEqual([7, 'x']);
  });

  it('cut off are an error, or lack their last columns', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ columns, row }, at) => {
        const ordinals = [...row.keys()];
        const value = compileRowEncoder(columns, ordinals)(row);
        const out: Datum[] = [];
        try {
          compileRowDecoder(columns, ordinals)(value.subarray(0, at % value.length), out);
          expect(out.map((datum, i) => datum ?? row[i])).toEqual(row);
        } catch (error) {
          expect(error).toBeInstanceOf(ByteDecodeError);
        }
      }),
    );
  });
});
