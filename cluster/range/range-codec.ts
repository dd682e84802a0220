/**
 * Requests and answers of ranges as bytes. Those of every transaction's way (reads, locks, prepare, resolution, and
 * what answers them) field by field; the rest by MessagePack, behind the tag `OTHER`.
 */
import { assert } from '../../src/base/assert.ts';
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { KvRow, LockStrength, LockWait, TableFence } from '../../src/kv/kv-client.ts';
import type { BodyCodec, MethodCodec } from '../transport/body-codec.ts';
import { msgpackCodec } from '../transport/body-codec.ts';
import type {
  ChangeRequest,
  GetRequest,
  LockGrant,
  LockRequest,
  LockedReply,
  LogPosition,
  PrepareRequest,
  RangeReply,
  RangeRequest,
  ReleaseRequest,
  ResolveRequest,
  RevalidateRequest,
  RowsReply,
  ScanRequest,
  Write,
} from './requests.ts';

const OTHER = 0;
const GET = 1;
const LOCK = 2;
const PREPARE = 3;
const RELEASE = 4;
const CHANGE = 5;
const SCAN = 6;
const REVALIDATE = 7;
const RESOLVE = 8;

const VALUES = 1;
const LOCKED = 2;
const PREPARED = 3;
const COMMITTED = 4;
const DONE = 5;
const ROWS = 6;
const REVALIDATED = 7;

const STRENGTHS: readonly LockStrength[] = ['update', 'share'];
const WAITS: readonly LockWait[] = ['block', 'nowait', 'skip'];

const requestCodec: BodyCodec = {
  write: (out, body) => writeRequest(out, body as RangeRequest),
  read: readRequest,
};

const answerCodec: BodyCodec = {
  write: (out, body) => writeReply(out, body as RangeReply),
  read: readReply,
};

export const RANGE_CODEC: MethodCodec = { request: requestCodec, answer: answerCodec };

/* ---------- requests ---------- */

function writeRequest(out: ByteWriter, request: RangeRequest): void {
  switch (request.kind) {
    case 'get':
      out.u8(GET);
      writeRoute(out, request);
      out.f64(request.ts);
      writeKeys(out, request.keys);
      writeFences(out, request.fences);
      return;
    case 'lock':
      out.u8(LOCK);
      writeRoute(out, request);
      writeLock(out, request);
      return;
    case 'prepare':
      out.u8(PREPARE);
      writeRoute(out, request);
      writePrepare(out, request);
      return;
    case 'change':
      out.u8(CHANGE);
      writeRoute(out, request);
      writeChange(out, request);
      return;
    case 'release':
      out.u8(RELEASE);
      writeRoute(out, request);
      out.key(request.lockId);
      return;
    case 'scan':
      out.u8(SCAN);
      writeRoute(out, request);
      writeScan(out, request);
      return;
    case 'revalidate':
      out.u8(REVALIDATE);
      writeRoute(out, request);
      writeSpans(out, request.spans);
      out.f64(request.fromTs);
      out.f64(request.toTs);
      return;
    case 'resolve':
      out.u8(RESOLVE);
      writeRoute(out, request);
      out.key(request.txnId);
      out.key(request.anchor);
      writeSpan(out, request.span);
      out.f64(request.commitTs);
      return;
    default:
      out.u8(OTHER);
      msgpackCodec.write(out, request);
  }
}

function readRequest(reader: ByteReader): RangeRequest {
  const tag = reader.u8();
  if (tag === OTHER) return msgpackCodec.read(reader) as RangeRequest;
  const rangeId = reader.varint();
  const generation = reader.varint();
  switch (tag) {
    case GET: {
      const ts = readTs(reader);
      const keys = readKeys(reader);
      const fences = readFences(reader);
      return { kind: 'get', rangeId, generation, ts, keys, fences } satisfies GetRequest;
    }
    case LOCK:
      return readLock(reader, rangeId, generation);
    case PREPARE:
      return readPrepare(reader, rangeId, generation);
    case CHANGE:
      return readChange(reader, rangeId, generation);
    case RELEASE: {
      const lockId = reader.key() as string as LockId;
      return { kind: 'release', rangeId, generation, lockId } satisfies ReleaseRequest;
    }
    case SCAN:
      return readScan(reader, rangeId, generation);
    case REVALIDATE: {
      const spans = readSpans(reader);
      const fromTs = readTs(reader);
      const toTs = readTs(reader);
      const body: RevalidateRequest = {
        kind: 'revalidate',
        rangeId,
        generation,
        spans,
        fromTs,
        toTs,
      };
      return body;
    }
    case RESOLVE:
      return readResolve(reader, rangeId, generation);
    default:
      throw new ByteDecodeError(`no request with tag ${tag}`);
  }
}

function writeScan(out: ByteWriter, request: ScanRequest): void {
  writeSpan(out, request.span);
  out.f64(request.ts);
  out.u8(request.reverse ? 1 : 0);
  out.varint(request.limitRows);
  out.varint(request.limitBytes);
  writeFences(out, request.fences);
}

function readScan(reader: ByteReader, rangeId: number, generation: number): ScanRequest {
  return {
    kind: 'scan',
    rangeId,
    generation,
    span: readSpan(reader),
    ts: readTs(reader),
    reverse: reader.u8() === 1,
    limitRows: reader.varint(),
    limitBytes: reader.varint(),
    fences: readFences(reader),
  };
}

function readResolve(reader: ByteReader, rangeId: number, generation: number): ResolveRequest {
  return {
    kind: 'resolve',
    rangeId,
    generation,
    txnId: reader.key() as string as TxnId,
    anchor: reader.key(),
    span: readSpan(reader),
    commitTs: readTs(reader),
  };
}

function writeLock(out: ByteWriter, request: LockRequest): void {
  out.key(request.lockId);
  writeKeys(out, request.keys);
  out.u8(STRENGTHS.indexOf(request.strength));
  out.u8(WAITS.indexOf(request.wait));
  out.u8(request.isOpening ? 1 : 0);
  out.varint(Math.ceil(request.timeoutMs));
  out.f64(request.readTs);
  writeSpans(out, request.revalidate);
  writeFences(out, request.fences);
  writeNumbers(out, request.fenceLocks);
}

function readLock(reader: ByteReader, rangeId: number, generation: number): LockRequest {
  return {
    kind: 'lock',
    rangeId,
    generation,
    lockId: reader.key() as string as LockId,
    keys: readKeys(reader),
    strength: oneOf(STRENGTHS, reader.u8()),
    wait: oneOf(WAITS, reader.u8()),
    isOpening: reader.u8() === 1,
    timeoutMs: reader.varint(),
    readTs: readTs(reader),
    revalidate: readSpans(reader),
    fences: readFences(reader),
    fenceLocks: readNumbers(reader),
  };
}

const ONE_PHASE = 1;
const FIRST_SEND = 2;
const HAS_GRANT = 4;
const HAS_PARTICIPANTS = 8;

function writePrepare(out: ByteWriter, request: PrepareRequest): void {
  const { grant, participants } = request;
  out.u8(
    (request.onePhase ? ONE_PHASE : 0) |
      (request.isFirstSend ? FIRST_SEND : 0) |
      (grant === undefined ? 0 : HAS_GRANT) |
      (participants === undefined ? 0 : HAS_PARTICIPANTS),
  );
  out.key(request.txnId);
  out.key(request.lockId);
  out.f64(request.readTs);
  writeSpans(out, request.reads);
  writeNumbers(out, request.fences);
  writeFences(out, request.planned);
  writeWrites(out, request.writes);
  writeFences(out, request.fenceWrites);
  writeKeys(out, request.lockedKeys);
  if (grant !== undefined) writeGrant(out, grant);
  out.varint(request.stagedParts);
  out.key(request.anchor);
  if (participants !== undefined) writeSpans(out, participants);
  writeSpan(out, request.span);
}

function readPrepare(reader: ByteReader, rangeId: number, generation: number): PrepareRequest {
  const flags = reader.u8();
  return {
    kind: 'prepare',
    rangeId,
    generation,
    onePhase: (flags & ONE_PHASE) !== 0,
    isFirstSend: (flags & FIRST_SEND) !== 0,
    txnId: reader.key() as string as TxnId,
    lockId: reader.key() as string as LockId,
    readTs: readTs(reader),
    reads: readSpans(reader),
    fences: readNumbers(reader),
    planned: readFences(reader),
    writes: readWrites(reader),
    fenceWrites: readFences(reader),
    lockedKeys: readKeys(reader),
    grant: (flags & HAS_GRANT) === 0 ? undefined : readGrant(reader),
    stagedParts: reader.varint(),
    anchor: reader.key(),
    participants: (flags & HAS_PARTICIPANTS) === 0 ? undefined : readSpans(reader),
    span: readSpan(reader),
  };
}

/** In place of an attempt's id. */
const NOTHING_BEFORE = '' as Key;

function writeChange(out: ByteWriter, request: ChangeRequest): void {
  const { program } = request;
  assert('bytes' in program, 'a statement of this process is not sent');
  out.key(request.txnId);
  out.key(request.after ?? NOTHING_BEFORE);
  out.key(request.anchor);
  out.f64(request.readTs);
  out.varint(Math.ceil(request.timeoutMs));
  out.bytes(program.bytes);
}

function readChange(reader: ByteReader, rangeId: number, generation: number): ChangeRequest {
  const id = reader.key();
  const after = reader.key();
  return {
    kind: 'change',
    rangeId,
    generation,
    txnId: id as string as TxnId,
    after: after === NOTHING_BEFORE ? undefined : (after as string as TxnId),
    lockId: id as string as LockId,
    anchor: reader.key(),
    readTs: readTs(reader),
    timeoutMs: reader.varint(),
    program: { bytes: reader.bytes() },
  };
}

/* ---------- answers ---------- */

function writeReply(out: ByteWriter, reply: RangeReply): void {
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

function readReply(reader: ByteReader): RangeReply {
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

function writeLocked(out: ByteWriter, reply: LockedReply): void {
  out.varint(reply.rows.length);
  for (const { value, isGranted } of reply.rows) {
    out.u8(isGranted ? 1 : 0);
    writeValue(out, value);
  }
  writeGrant(out, reply.grant);
  out.f64(reply.newestTs);
  out.f64(reply.hlc);
  out.u8((reply.isRevalidated ? READS_HOLD : 0) | (reply.isGather ? GATHER : 0));
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

/* ---------- parts ---------- */

function writeRoute(out: ByteWriter, request: RangeRequest): void {
  out.varint(request.rangeId);
  out.varint(request.generation);
}

/** Entries are numbered from 1; 0: there is none. */
function writePosition(out: ByteWriter, position: LogPosition | undefined): void {
  out.varint(position?.index ?? 0);
  if (position !== undefined) out.varint(position.term);
}

function readPosition(reader: ByteReader): LogPosition | undefined {
  const index = reader.varint();
  return index === 0 ? undefined : { index, term: reader.varint() };
}

function readTs(reader: ByteReader): Timestamp {
  const ts = reader.f64();
  if (!Number.isSafeInteger(ts) || ts < 0) throw new ByteDecodeError('not a timestamp');
  return ts as Timestamp;
}

/** Every item takes a byte at least, so that a count beyond that is an error before anything is made. */
function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const count = reader.varint();
  if (count > reader.remaining) throw new ByteDecodeError('a list longer than its bytes');
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read(reader));
  return items;
}

function writeKeys(out: ByteWriter, keys: readonly Key[]): void {
  out.varint(keys.length);
  for (const key of keys) out.key(key);
}

const readKeys = (reader: ByteReader): Key[] => readList(reader, readKey);
const readKey = (reader: ByteReader): Key => reader.key();

function writeSpans(out: ByteWriter, spans: readonly Span[]): void {
  out.varint(spans.length);
  for (const span of spans) writeSpan(out, span);
}

const readSpans = (reader: ByteReader): Span[] => readList(reader, readSpan);

function writeSpan(out: ByteWriter, { start, end }: Span): void {
  out.key(start);
  out.key(end);
}

function readSpan(reader: ByteReader): Span {
  const start = reader.key();
  return { start, end: reader.key() };
}

function writeNumbers(out: ByteWriter, numbers: readonly number[]): void {
  out.varint(numbers.length);
  for (const number of numbers) out.varint(number);
}

const readNumbers = (reader: ByteReader): number[] => readList(reader, readNumber);
const readNumber = (reader: ByteReader): number => reader.varint();

function writeFences(out: ByteWriter, fences: readonly TableFence[]): void {
  out.varint(fences.length);
  for (const { tableId, version } of fences) {
    out.varint(tableId);
    out.varint(version);
  }
}

const readFences = (reader: ByteReader): TableFence[] => readList(reader, readFence);

function readFence(reader: ByteReader): TableFence {
  const tableId = reader.varint();
  return { tableId, version: reader.varint() };
}

function writeGrant(out: ByteWriter, grant: LockGrant): void {
  out.varint(grant.rangeId);
  out.varint(grant.generation);
  out.varint(grant.term);
  out.varint(grant.stay);
}

function readGrant(reader: ByteReader): LockGrant {
  return {
    rangeId: reader.varint(),
    generation: reader.varint(),
    term: reader.varint(),
    stay: reader.varint(),
  };
}

function writeWrites(out: ByteWriter, writes: readonly Write[]): void {
  out.varint(writes.length);
  for (const { key, value } of writes) {
    out.key(key);
    writeValue(out, value ?? undefined);
  }
}

const readWrites = (reader: ByteReader): Write[] => readList(reader, readWrite);

function readWrite(reader: ByteReader): Write {
  const key = reader.key();
  return { key, value: readValue(reader) ?? null };
}

/** One more than the length, then the bytes; 0: there is none. */
function writeValue(out: ByteWriter, value: Uint8Array | undefined): void {
  if (value === undefined) {
    out.varint(0);
    return;
  }
  out.varint(value.length + 1);
  out.raw(value);
}

function readValue(reader: ByteReader): Uint8Array | undefined {
  const length = reader.varint();
  return length === 0 ? undefined : reader.raw(length - 1);
}

function oneOf<T>(all: readonly T[], index: number): T {
  const value = all[index];
  if (value === undefined) throw new ByteDecodeError('no such choice');
  return value;
}
