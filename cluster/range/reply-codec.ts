/** Answers of ranges as bytes: what answers the requests of every transaction's way field by field; the rest by MessagePack. */
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { Key } from '../../src/base/span.ts';
import type { KvRow } from '../../src/kv/kv-client.ts';
import { msgpackCodec } from '../transport/body-codec.ts';
import {
  readGrant,
  readList,
  readPosition,
  readTs,
  readValue,
  writeGrant,
  writePosition,
  writeValue,
} from './codec-parts.ts';
import type { LockedReply, RangeReply, RowsReply } from './requests.ts';

const OTHER = 0;
const VALUES = 1;
const LOCKED = 2;
const PREPARED = 3;
const COMMITTED = 4;
const DONE = 5;
const ROWS = 6;
const REVALIDATED = 7;

export function writeReply(out: ByteWriter, reply: RangeReply): void {
  switch (reply.kind) {
    case 'values':
      out.u8(VALUES);
      writePosition(out, reply.settled);
      out.varint(reply.values.length);
      for (const value of reply.values) writeValue(out, value);
      return;
    case 'locked':
      out.u8(LOCKED);
      writeLocked(out, reply);
      return;
    case 'prepared':
      out.u8(PREPARED);
      out.f64(reply.ts);
      out.u8(reply.isPublished ? 1 : 0);
      return;
    case 'committed':
      out.u8(COMMITTED);
      out.f64(reply.ts);
      return;
    case 'done':
      out.u8(DONE);
      return;
    case 'rows':
      out.u8(ROWS);
      writeRows(out, reply);
      return;
    case 'revalidated':
      out.u8(REVALIDATED);
      out.u8(reply.isUnchanged ? 1 : 0);
      return;
    default:
      out.u8(OTHER);
      msgpackCodec.write(out, reply);
  }
}

export function readReply(reader: ByteReader): RangeReply {
  const tag = reader.u8();
  switch (tag) {
    case OTHER:
      return msgpackCodec.read(reader) as RangeReply;
    case VALUES: {
      const settled = readPosition(reader);
      return { kind: 'values', values: readList(reader, readValue), settled };
    }
    case LOCKED:
      return readLocked(reader);
    case PREPARED: {
      const ts = readTs(reader);
      return { kind: 'prepared', ts, isPublished: reader.u8() === 1 };
    }
    case COMMITTED:
      return { kind: 'committed', ts: readTs(reader) };
    case DONE:
      return { kind: 'done' };
    case ROWS:
      return readRows(reader);
    case REVALIDATED:
      return { kind: 'revalidated', isUnchanged: reader.u8() === 1 };
    default:
      throw new ByteDecodeError(`no answer with tag ${tag}`);
  }
}

const READS_HOLD = 1;
const GATHER = 2;
const WAITED = 4;

function writeLocked(out: ByteWriter, reply: LockedReply): void {
  out.varint(reply.rows.length);
  for (const { value, isGranted } of reply.rows) {
    out.u8(isGranted ? 1 : 0);
    writeValue(out, value);
  }
  writeGrant(out, reply.grant);
  out.f64(reply.newestTs);
  out.f64(reply.hlc);
  out.u8(
    (reply.isRevalidated ? READS_HOLD : 0) |
      (reply.isGather ? GATHER : 0) |
      (reply.hasWaited ? WAITED : 0),
  );
}

function readLocked(reader: ByteReader): LockedReply {
  const rows = readList(reader, (from) => {
    const isGranted = from.u8() === 1;
    return { value: readValue(from), isGranted };
  });
  const grant = readGrant(reader);
  const newestTs = readTs(reader);
  const hlc = readTs(reader);
  const flags = reader.u8();
  const isRevalidated = (flags & READS_HOLD) !== 0;
  return {
    kind: 'locked',
    rows,
    grant,
    newestTs,
    hlc,
    isRevalidated,
    isGather: (flags & GATHER) !== 0,
    hasWaited: (flags & WAITED) !== 0,
  };
}

/** The keys as one string, which the reader slices: it asks the buffer once, and not for each. */
function writeRows(out: ByteWriter, { rows, resume, settled }: RowsReply): void {
  writePosition(out, settled);
  out.u8(resume === undefined ? 0 : 1);
  if (resume !== undefined) out.key(resume);
  let keys = '';
  for (const { key } of rows) keys += key;
  out.key(keys);
  out.varint(rows.length);
  for (const { key, value } of rows) {
    out.varint(key.length);
    out.bytes(value);
  }
}

function readRows(reader: ByteReader): RowsReply {
  const settled = readPosition(reader);
  const resume = reader.u8() === 1 ? reader.key() : undefined;
  const keys: string = reader.key();
  let at = 0;
  const rows = readList(reader, (from): KvRow => {
    const start = at;
    at += from.varint();
    if (at > keys.length) throw new ByteDecodeError('a row without its key');
    return { key: keys.slice(start, at) as Key, value: from.bytes() };
  });
  return { kind: 'rows', rows, resume, settled };
}
