/**
 * Versions as bytes, for the chunks of a Raft snapshot. A key is written once for the versions that follow each other
 * under it. The reader trusts nothing: damage throws `ByteDecodeError`.
 *
 *   count, then per version: flags (bit 0: has a value, bit 1: same key as the one before), [key], timestamp,
 *   attempt id, [value]
 */
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { TxnId } from '../../src/base/ids.ts';
import { TXN_ID_LENGTH } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { VersionRecord } from '../mvcc/mvcc-types.ts';

const HAS_VALUE = 1;
const SAME_KEY = 2;

export function encodeVersions(versions: readonly VersionRecord[]): Buffer {
  const writer = new ByteWriter(4096);
  writer.varint(versions.length);
  let last: Key | undefined;
  for (const { key, ts, txnId, value } of versions) {
    writer.u8((value === undefined ? 0 : HAS_VALUE) | (key === last ? SAME_KEY : 0));
    if (key !== last) writer.key(key);
    writer.varint(ts);
    writer.raw(Buffer.from(txnId, 'latin1'));
    if (value !== undefined) writer.bytes(value);
    last = key;
  }
  return writer.copy();
}

/** Values are views into `bytes`. */
export function decodeVersions(bytes: Uint8Array): VersionRecord[] {
  const reader = new ByteReader(bytes);
  const count = reader.varint();
  const versions: VersionRecord[] = [];
  let key: Key | undefined;
  for (let i = 0; i < count; i++) {
    const flags = reader.u8();
    if ((flags & SAME_KEY) === 0) key = reader.key();
    if (key === undefined || flags > (HAS_VALUE | SAME_KEY)) {
      throw new ByteDecodeError('bad version flags');
    }
    const ts = reader.varint() as Timestamp;
    const txnId = reader.raw(TXN_ID_LENGTH).toString('latin1') as TxnId;
    const value = (flags & HAS_VALUE) === 0 ? undefined : reader.bytes();
    versions.push({ key, ts, txnId, value });
  }
  if (reader.remaining !== 0) throw new ByteDecodeError('bytes behind the last version');
  return versions;
}
