import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TxnId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { TS_MAX } from '../../../../src/base/timestamp.ts';
import type { VersionId } from '../../../../storage/mvcc/version-rows.ts';
import { MemVersion, NO_ROW, VersionRows } from '../../../../storage/mvcc/version-rows.ts';

const txnIds = fc
  .uint8Array({ minLength: 13, maxLength: 13 })
  .map((bytes) => Buffer.from(bytes).latin1Slice() as TxnId);
const ids: fc.Arbitrary<VersionId> = fc.record({
  ts: fc.nat({ max: TS_MAX }).map((ts) => ts as Timestamp),
  txnId: txnIds,
});
const values = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(0, 1, 16_384, 16_385, 300_000).map((size) => new Uint8Array(size).fill(size)),
  ),
);

describe('VersionRows', () => {
  it('gives back what was added', () => {
    const version = fc.record({ value: values, id: ids, isHistorical: fc.boolean() });
    fc.assert(
      fc.property(fc.array(version, { maxLength: 60 }), (added) => {
        const rows = new VersionRows();
        added.forEach(({ value, id, isHistorical }, i) => {
          expect(rows.add(value, id, isHistorical, i - 1)).toBe(i);
        });
        added.forEach(({ value, id, isHistorical }, i) => {
          const found = MemVersion.at(rows, i);
          expect(found?.info()).toEqual({
            ...id,
            value: value === null ? undefined : Buffer.from(value),
          });
          expect(found?.isHistorical).toBe(isHistorical);
          expect(found?.older?.row ?? NO_ROW).toBe(i - 1);
        });
      }),
      { numRuns: 50 },
    );
  });

  it('goes on over many pages and chunks', () => {
    const rows = new VersionRows();
    const idOf = (i: number): VersionId => ({
      ts: (i * 3) as Timestamp,
      txnId: String(i).padStart(13, '0') as TxnId,
    });
    const count = 20_000;
    for (let i = 0; i < count; i++) rows.add(Buffer.from(`value ${i}`), idOf(i), false, i - 1);
    for (let i = 0; i < count; i++) {
      const found = MemVersion.at(rows, i)?.info();
      expect(found).toEqual({ ...idOf(i), value: Buffer.from(`value ${i}`) });
    }
    // Down the whole chain.
    expect(rows.visible(count - 1, 300 as Timestamp)).toBe(100);
    expect(rows.visible(count - 1, 299 as Timestamp)).toBe(99);
  });

  it('orders versions of one timestamp by their attempts, as keys of the engine do', () => {
    fc.assert(
      fc.property(ids, txnIds, ({ ts, txnId }, other) => {
        const rows = new VersionRows();
        const row = rows.add(null, { ts, txnId }, false, NO_ROW);
        expect(rows.isOlder(row, { ts, txnId: other })).toBe(other < txnId);
        expect(rows.is(row, { ts, txnId: other })).toBe(other === txnId);
        expect(rows.isOlder(row, { ts, txnId })).toBe(false);
        expect(rows.is(row, { ts, txnId })).toBe(true);
      }),
    );
  });

  it('refuses what is no id of an attempt', () => {
    const id = { ts: 1 as Timestamp, txnId: 'x' as TxnId };
    expect(() => new VersionRows().add(null, id, false, NO_ROW)).toThrow(/attempt id/);
  });
});
