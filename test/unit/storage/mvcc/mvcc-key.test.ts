import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TxnId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import { prefixEnd } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { TS_MAX } from '../../../../src/base/timestamp.ts';
import {
  decodeHead,
  decodeHistoryKey,
  decodeTimestamp,
  encodeHead,
  encodeTimestamp,
  historyAtOrBelow,
  historyKey,
  historySpan,
  isNewer,
  listKey,
  listNumber,
  LISTS_SPAN,
} from '../../../../storage/mvcc/mvcc-key.ts';

/** Few different bytes, so that prefixes, zeros and 0xff meet often. */
const key = fc
  .array(fc.constantFrom('\x00', '\x01', 'a', '\xfe', '\xff'), { maxLength: 5 })
  .map((parts) => parts.join('') as Key);
const ts = fc.oneof(fc.nat(3), fc.maxSafeNat()).map((value) => value as Timestamp);
const txnId = fc.nat(3).map((n) => makeTxnId(n as Timestamp, nodeId(1), n));
const version = fc.record({ key, ts, txnId });

describe('history keys', () => {
  it('order by key, then newest first, then by attempt', () => {
    fc.assert(
      fc.property(version, version, (a, b) => {
        const first = historyKey(a.key, a.ts, a.txnId);
        const second = historyKey(b.key, b.ts, b.txnId);
        const isBefore =
          a.key < b.key || (a.key === b.key && isNewer(a.ts, a.txnId, b.ts, b.txnId));
        expect(first < second).toBe(isBefore);
      }),
    );
  });

  it('round trip', () => {
    fc.assert(
      fc.property(version, (v) => {
        expect(decodeHistoryKey(historyKey(v.key, v.ts, v.txnId))).toEqual(v);
      }),
    );
  });

  it('lie in the span of their key and in no other', () => {
    fc.assert(
      fc.property(version, key, key, (v, start, end) => {
        const bounds = historySpan({ start, end });
        const at = historyKey(v.key, v.ts, v.txnId);
        expect(bounds.start <= at && at < bounds.end).toBe(start <= v.key && v.key < end);
      }),
    );
  });

  it('are found at or below a timestamp', () => {
    fc.assert(
      fc.property(version, key, ts, (v, other, at) => {
        const { start, end } = historyAtOrBelow(other, at);
        const found = historyKey(v.key, v.ts, v.txnId);
        expect(start <= found && found < end).toBe(v.key === other && v.ts <= at);
      }),
    );
  });

  it('end below the next prefix', () => {
    expect(historySpan({ start: 'a' as Key, end: prefixEnd('a' as Key) }).end).toBe('\x02b');
  });
});

describe('keys of lists', () => {
  const number = fc.oneof(fc.nat(3), fc.maxSafeNat());

  it('order by number, in their span', () => {
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(listKey(a) < listKey(b)).toBe(a < b);
        expect(LISTS_SPAN.start <= listKey(a) && listKey(a) < LISTS_SPAN.end).toBe(true);
      }),
    );
  });

  it('round trip', () => {
    fc.assert(
      fc.property(number, (n) => {
        expect(listNumber(listKey(n))).toBe(n);
      }),
    );
  });

  it('are written as data directories have them', () => {
    expect(listKey(2 ** 40 + 258)).toBe('\x05\0\x01\0\0\0\x01\x02');
  });
});

describe('heads', () => {
  it('round trip, with a value, an empty one and a tombstone', () => {
    for (const value of [Buffer.from('row'), Buffer.alloc(0), undefined]) {
      const head = { ts: TS_MAX, txnId: '\xff0123456789\0a' as TxnId, value };
      expect(decodeHead(encodeHead(head))).toEqual(head);
    }
  });

  it('keep every bit of a timestamp', () => {
    fc.assert(
      fc.property(ts, (value) => {
        expect(decodeTimestamp(encodeTimestamp(value))).toBe(value);
      }),
    );
  });
});
