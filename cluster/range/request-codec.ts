/**
 * Requests to ranges as bytes: those of every transaction's way (reads, locks, prepare, resolution) field by field; the
 * rest by MessagePack, behind the tag `OTHER`.
 */
import { assert } from '../../src/base/assert.ts';
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import type { LockStrength, LockWait } from '../../src/kv/kv-client.ts';
import { msgpackCodec } from '../transport/body-codec.ts';
import {
  oneOf,
  readFences,
  readGrant,
  readKeys,
  readList,
  readNumbers,
  readSpan,
  readSpans,
  readTs,
  readWrites,
  writeFences,
  writeGrant,
  writeKeys,
  writeNumbers,
  writeRoute,
  writeSpan,
  writeSpans,
  writeWrites,
} from './codec-parts.ts';
import type {
  ChangeRequest,
  DeferredChange,
  GetRequest,
  LockRequest,
  PrepareRequest,
  RangeRequest,
  ReleaseRequest,
  ResolveRequest,
  RevalidateRequest,
  ScanRequest,
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

const STRENGTHS: readonly LockStrength[] = ['update', 'share'];
const WAITS: readonly LockWait[] = ['block', 'nowait', 'skip'];

export function writeRequest(out: ByteWriter, request: RangeRequest): void {
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

export function readRequest(reader: ByteReader): RangeRequest {
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
const HAS_CHANGES = 16;

function writePrepare(out: ByteWriter, request: PrepareRequest): void {
  const { grant, participants } = request;
  out.u8(
    (request.onePhase ? ONE_PHASE : 0) |
      (request.isFirstSend ? FIRST_SEND : 0) |
      (grant === undefined ? 0 : HAS_GRANT) |
      (participants === undefined ? 0 : HAS_PARTICIPANTS) |
      (request.changes.length === 0 ? 0 : HAS_CHANGES),
  );
  out.key(request.txnId);
  out.key(request.lockId);
  out.f64(request.readTs);
  writeSpans(out, request.reads);
  writeNumbers(out, request.fences);
  writeFences(out, request.planned);
  writeWrites(out, request.writes);
  if (request.changes.length > 0) writeChanges(out, request.changes);
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
    changes: (flags & HAS_CHANGES) === 0 ? [] : readList(reader, readDeferred),
    fenceWrites: readFences(reader),
    lockedKeys: readKeys(reader),
    grant: (flags & HAS_GRANT) === 0 ? undefined : readGrant(reader),
    stagedParts: reader.varint(),
    anchor: reader.key(),
    participants: (flags & HAS_PARTICIPANTS) === 0 ? undefined : readSpans(reader),
    span: readSpan(reader),
  };
}

function writeChanges(out: ByteWriter, changes: readonly DeferredChange[]): void {
  out.varint(changes.length);
  for (const { key, bytes } of changes) {
    out.key(key);
    out.bytes(bytes);
  }
}

function readDeferred(reader: ByteReader): DeferredChange {
  return { key: reader.key(), run: undefined, bytes: reader.bytes() };
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
