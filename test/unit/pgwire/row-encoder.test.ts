/** Rows in binary: what is written without the general encoder is what that would have written. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { BackendEncoder } from '../../../src/pgwire/backend-encoder.ts';
import { RowEncoder } from '../../../src/pgwire/row-encoder.ts';
import { encodeBinary } from '../../../sql/types/binary-format.ts';
import type { Datum } from '../../../sql/types/datum.ts';
import { DEFAULT_FORMAT } from '../../../sql/types/format-context.ts';
import type { SqlType } from '../../../sql/types/sql-type.ts';
import { BPCHAR, INT4, INT8, TEXT, VARCHAR } from '../../../sql/types/sql-type.ts';

const BINARY = [1];
/** Type, length, number of columns, length of the value. */
const HEAD_BYTES = 1 + 4 + 2 + 4;

/** Blanks at the end are part of a value. */
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 100 }),
  fc.string({ unit: fc.constantFrom('a', ' ', 'é', '\u{1f600}'), maxLength: 40 }),
);

const values: fc.Arbitrary<readonly [SqlType, Datum]> = fc.oneof(
  fc.tuple(fc.constant(INT4), fc.integer()),
  fc.tuple(fc.constant(INT8), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  fc.tuple(fc.constantFrom(TEXT, VARCHAR, BPCHAR), texts),
);

describe('a row in binary', () => {
  it('holds each value behind its length', () => {
    fc.assert(
      fc.property(values, ([type, datum]) => {
        const out = new BackendEncoder();
        RowEncoder.of([{ type }], BINARY, DEFAULT_FORMAT).write(out, [datum]);
        const row = Buffer.from(out.take());
        const expected = new ByteWriter();
        encodeBinary(type, datum, expected);
        expect(row.subarray(HEAD_BYTES)).toEqual(Buffer.from(expected.view()));
        expect(row.readInt32BE(HEAD_BYTES - 4)).toBe(expected.length);
        expect(row.readInt32BE(1)).toBe(row.length - 1);
      }),
    );
  });
});
