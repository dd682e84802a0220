/**
 * How versions and local state are laid out in the engine. The first byte says what an entry is:
 *
 *   0x00 name                                            range-local state, names made by `localKey`
 *   0x01 user key                                        head: the newest version of a key
 *        value: flag, 7 bytes timestamp, 13 bytes attempt id, data
 *   0x02 escaped user key, 0x00 0x01, 7 bytes inverted timestamp, 13 bytes attempt id      an older version
 *        value: flag, data
 *   0x03 name                                            a staged part of a large transaction
 *   0x04                                                 the highest timestamp ever applied (7 bytes)
 *   0x05 7 bytes number                                  a list of what will be garbage (garbage-list.ts)
 *
 * flag: 0 tombstone, 1 value. Escaping turns 0x00 into 0x00 0xff, so that with the terminator no escaped key is a
 * prefix of another, and escaped keys order like keys, those that are prefixes of others included. Versions of one
 * key with the same timestamp (which conflicting transactions never have) order by attempt id, ascending.
 */
import { assert } from '../../src/base/assert.ts';
import { TXN_ID_LENGTH } from '../../src/base/ids.ts';
import type { RangeId, TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { prefixSpan } from '../../src/base/span.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { VersionInfo } from './mvcc-types.ts';

const HEAD = '\x01';
const HISTORY = '\x02';
const LIST = '\x05';
const TERMINATOR = '\x00\x01';
const TS_BYTES = 7;
const HEAD_PREFIX_BYTES = 1 + TS_BYTES + TXN_ID_LENGTH;
const VERSION_SUFFIX_BYTES = TS_BYTES + TXN_ID_LENGTH;
/** Numbers of lists are written as timestamps are. */
const LIST_KEY_BYTES = 1 + TS_BYTES;

export const LOCAL_SPAN: Span = { start: '\x00' as Key, end: '\x01' as Key };
export const HIGHEST_TS_KEY = '\x04';
/** All lists of garbage, oldest first. */
export const LISTS_SPAN: Span = { start: LIST as Key, end: '\x06' as Key };

/** The name of a piece of range-local state. */
export function localKey(range: RangeId, name: string): Key {
  return `local/${range}/${name}` as Key;
}

/** The name of part `index` of a large transaction staged in a range. */
export function stagedKey(range: RangeId, txnId: TxnId, index: number): Key {
  return `${range}/${txnId}${index}` as Key;
}

export function localToEngine(name: Key): string {
  return '\x00' + name;
}

export function localFromEngine(engineKey: string): Key {
  return engineKey.slice(1) as Key;
}

export function stagedToEngine(name: Key): string {
  return '\x03' + name;
}

export function headKey(key: Key): string {
  return HEAD + key;
}

export function isHeadKey(engineKey: string): boolean {
  return engineKey.startsWith(HEAD);
}

export function keyOfHead(engineKey: string): Key {
  return engineKey.slice(1) as Key;
}

export function headSpan(span: Span): { start: string; end: string } {
  return { start: HEAD + span.start, end: HEAD + span.end };
}

export function historyKey(key: Key, ts: Timestamp, txnId: TxnId): string {
  return historyPrefix(key) + timestampBytes(TS_MAX - ts) + txnId;
}

/** All older versions of `key` at or below `ts`, newest first. */
export function historyAtOrBelow(key: Key, ts: Timestamp): { start: string; end: string } {
  const prefix = historyPrefix(key);
  return { start: prefix + timestampBytes(TS_MAX - ts), end: prefixSpan(prefix as Key).end };
}

/** All older versions of the keys of a span. */
export function historySpan(span: Span): { start: string; end: string } {
  return { start: HISTORY + escape(span.start), end: HISTORY + escape(span.end) };
}

export function historyPrefix(key: Key): string {
  return HISTORY + escape(key) + TERMINATOR;
}

export interface HistoryKeyParts {
  readonly key: Key;
  readonly ts: Timestamp;
  readonly txnId: TxnId;
}

export function decodeHistoryKey(engineKey: string): HistoryKeyParts {
  const suffix = engineKey.length - VERSION_SUFFIX_BYTES;
  const escaped = engineKey.slice(1, suffix - TERMINATOR.length);
  const key = escaped.includes('\0') ? escaped.replaceAll('\0\xff', '\0') : escaped;
  return {
    key: key as Key,
    ts: (TS_MAX - readTimestamp(engineKey, suffix)) as Timestamp,
    txnId: engineKey.slice(suffix + TS_BYTES) as TxnId,
  };
}

/** A list of garbage: they order by number. */
export function listKey(number: number): string {
  return LIST + timestampBytes(number);
}

export function listNumber(engineKey: string): number {
  assert(engineKey.length === LIST_KEY_BYTES, 'the key of a list has another length');
  return readTimestamp(engineKey, 1);
}

export function encodeHead(version: VersionInfo): Buffer {
  const data = version.value;
  const out = Buffer.allocUnsafe(HEAD_PREFIX_BYTES + (data?.length ?? 0));
  out[0] = data === undefined ? 0 : 1;
  writeTimestamp(out, 1, version.ts);
  assert(version.txnId.length === TXN_ID_LENGTH, 'attempt id has another length');
  out.write(version.txnId, 1 + TS_BYTES, 'latin1');
  if (data !== undefined) out.set(data, HEAD_PREFIX_BYTES);
  return out;
}

export function decodeHead(value: Buffer): VersionInfo {
  return {
    ts: headTimestamp(value),
    txnId: value.toString('latin1', 1 + TS_BYTES, HEAD_PREFIX_BYTES) as TxnId,
    value: headValue(value),
  };
}

/** The parts of a head, for those who need only one. */
export function headTimestamp(value: Buffer): Timestamp {
  return (value.readUIntBE(1, 3) * 0x100000000 + value.readUInt32BE(4)) as Timestamp;
}

export function headValue(value: Buffer): Buffer | undefined {
  return value[0] === 1 ? value.subarray(HEAD_PREFIX_BYTES) : undefined;
}

export function encodeHistoryValue(data: Uint8Array | undefined): Buffer {
  const out = Buffer.allocUnsafe(1 + (data?.length ?? 0));
  out[0] = data === undefined ? 0 : 1;
  if (data !== undefined) out.set(data, 1);
  return out;
}

export function decodeHistoryValue(value: Buffer): Buffer | undefined {
  return value[0] === 1 ? value.subarray(1) : undefined;
}

export function encodeTimestamp(ts: Timestamp): Buffer {
  const out = Buffer.allocUnsafe(TS_BYTES);
  writeTimestamp(out, 0, ts);
  return out;
}

export function decodeTimestamp(bytes: Buffer): Timestamp {
  return (bytes.readUIntBE(0, 3) * 0x100000000 + bytes.readUInt32BE(3)) as Timestamp;
}

/** Whether version (aTs, aId) comes before (bTs, bId): newer first, then by attempt id. */
export function isNewer(aTs: Timestamp, aId: TxnId, bTs: Timestamp, bId: TxnId): boolean {
  return aTs > bTs || (aTs === bTs && aId < bId);
}

function escape(key: string): string {
  return key.includes('\0') ? key.replaceAll('\0', '\0\xff') : key;
}

function timestampBytes(value: number): string {
  const high = Math.floor(value / 0x100000000);
  const low = value % 0x100000000;
  return String.fromCharCode(
    (high >>> 16) & 255,
    (high >>> 8) & 255,
    high & 255,
    (low >>> 24) & 255,
    (low >>> 16) & 255,
    (low >>> 8) & 255,
    low & 255,
  );
}

function readTimestamp(text: string, offset: number): number {
  let value = 0;
  for (let i = offset; i < offset + TS_BYTES; i++) value = value * 256 + text.charCodeAt(i);
  return value;
}

function writeTimestamp(out: Buffer, offset: number, ts: Timestamp): void {
  out.writeUIntBE(Math.floor(ts / 0x100000000), offset, 3);
  out.writeUInt32BE(ts % 0x100000000, offset + 3);
}
