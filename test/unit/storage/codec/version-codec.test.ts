import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteDecodeError } from '../../../../src/base/bytes.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { decodeVersions, encodeVersions } from '../../../../storage/codec/version-codec.ts';

const version = fc.record({
  key: fc.constantFrom('', 'a', 'a\0', '\xff').map((key) => key as Key),
  ts: fc.maxSafeNat().map((ts) => ts as Timestamp),
  txnId: fc.nat(5).map((n) => makeTxnId(n as Timestamp, nodeId(1), n)),
  value: fc.option(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
});

describe('version codec', () => {
  it('round trips', () => {
    fc.assert(
      fc.property(fc.array(version), (versions) => {
        expect(decodeVersions(encodeVersions(versions))).toEqual(versions);
      }),
    );
  });

  it('refuses every truncation, and bytes behind the end', () => {
    const bytes = encodeVersions(fc.sample(version, { numRuns: 5, seed: 1 }));
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeVersions(bytes.subarray(0, end))).toThrow(ByteDecodeError);
    }
    expect(() => decodeVersions(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(ByteDecodeError);
  });
});
