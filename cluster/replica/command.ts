/**
 * What a Raft entry of a range says, and its encoding: one byte of kind, the entry's timestamp, the fields. Commands
 * are evaluated above Raft and applied blindly below it. Every command carries a timestamp at or above all that its
 * leader had given out when it was proposed, where the highest timestamp a range has ever used must be known to the
 * next leader; a `ceiling` command's timestamp is the new ceiling itself, so that a replica which has it only in its
 * log starts above it all the same (RANGE-1).
 */
import type { LockId, TxnId } from '../../src/base/ids.ts';
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { assert } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Write } from '../range/requests.ts';

/** The first entry of a leader's term: its floor. */
export interface NoopCommand {
  readonly kind: 'noop';
  readonly ts: Timestamp;
}
/** A one-phase commit (TXN-8), or the part of a prepare that all share. */
export interface CommitCommand {
  readonly kind: 'commit';
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly writes: readonly Write[];
  /** Parts staged before under this attempt, which commit with it. */
  readonly stagedParts: number;
}
/** TXN-7: a vote, with writes and read set, until the decision. */
export interface PrepareCommand {
  readonly kind: 'prepare';
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly lockId: LockId;
  readonly writes: readonly Write[];
  readonly stagedParts: number;
  readonly reads: readonly Span[];
  readonly lockedKeys: readonly Key[];
  readonly anchor: Key;
  /** The participant's span; the record belongs to every range that overlaps it. */
  readonly span: Span;
  /** At the anchor: all participants. */
  readonly participants: readonly Span[] | undefined;
}
/** The decision; `commitTs` 0 aborts, and makes an abort marker where there is no record. */
export interface ResolveCommand {
  readonly kind: 'resolve';
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly commitTs: Timestamp;
}
/** The ceiling rises to `ts`. */
export interface CeilingCommand {
  readonly kind: 'ceiling';
  readonly ts: Timestamp;
}
/** The leader hands over: the ceiling is set to `ts`, the leader's HLC. */
export interface HandoverCommand {
  readonly kind: 'handover';
  readonly ts: Timestamp;
}
export interface SplitCommand {
  readonly kind: 'split';
  readonly ts: Timestamp;
  readonly at: Key;
  readonly rightId: number;
}
export interface StageCommand {
  readonly kind: 'stage';
  readonly ts: Timestamp;
  readonly txnId: TxnId;
  readonly part: number;
  readonly chunk: Uint8Array;
}
/** TXN-12: the outcome may go once below the horizon. */
export interface ForgetCommand {
  readonly kind: 'forget';
  readonly ts: Timestamp;
  readonly txnId: TxnId;
}
/** Versions that no reader at or above `threshold` can see may be collected. */
export interface CollectCommand {
  readonly kind: 'collect';
  readonly ts: Timestamp;
  readonly threshold: Timestamp;
}

export type Command =
  | NoopCommand
  | CommitCommand
  | PrepareCommand
  | ResolveCommand
  | CeilingCommand
  | HandoverCommand
  | SplitCommand
  | StageCommand
  | ForgetCommand
  | CollectCommand;

const KINDS = [
  'noop',
  'commit',
  'prepare',
  'resolve',
  'ceiling',
  'handover',
  'split',
  'stage',
  'forget',
  'collect',
] as const satisfies readonly Command['kind'][];
const CEILING = KINDS.indexOf('ceiling');

const writer = new ByteWriter(4096);

/** The bytes of a command, owned by the caller. */
export function encodeCommand(command: Command): Buffer {
  writer.reset();
  writer.u8(KINDS.indexOf(command.kind));
  writer.f64(command.ts);
  encodeFields(writer, command);
  return writer.copy();
}

/** The timestamp alone. */
export function commandTimestamp(data: Uint8Array): Timestamp {
  if (data.length < 9) return 0 as Timestamp;
  return new DataView(data.buffer, data.byteOffset, data.byteLength).getFloat64(1) as Timestamp;
}

/**
 * What an appending replica forwards its clock to: the timestamp, but for a ceiling's, which lies ahead of all clocks
 * on purpose. Clocks that followed it would need the next ceiling at once, and run away with it.
 */
export function clockTimestamp(data: Uint8Array): Timestamp {
  return data[0] === CEILING ? (0 as Timestamp) : commandTimestamp(data);
}

/** Throws `ByteDecodeError`: a committed entry that cannot be read stops the replica. */
export function decodeCommand(data: Uint8Array): Command {
  const reader = new ByteReader(data);
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw new ByteDecodeError('unknown command');
  const ts = reader.f64() as Timestamp;
  return decodeFields(reader, kind, ts);
}

function encodeFields(out: ByteWriter, command: Command): void {
  switch (command.kind) {
    case 'noop':
    case 'ceiling':
    case 'handover':
      return;
    case 'commit':
      out.key(command.txnId);
      encodeWrites(out, command.writes);
      out.varint(command.stagedParts);
      return;
    case 'prepare':
      encodePrepare(out, command);
      return;
    case 'resolve':
      out.key(command.txnId);
      out.f64(command.commitTs);
      return;
    case 'split':
      out.key(command.at);
      out.varint(command.rightId);
      return;
    case 'stage':
      out.key(command.txnId);
      out.varint(command.part);
      out.bytes(command.chunk);
      return;
    case 'forget':
      out.key(command.txnId);
      return;
    case 'collect':
      out.f64(command.threshold);
  }
}

function decodeFields(reader: ByteReader, kind: Command['kind'], ts: Timestamp): Command {
  switch (kind) {
    case 'noop':
    case 'ceiling':
    case 'handover':
      return { kind, ts };
    case 'commit': {
      const txnId = reader.key() as string as TxnId;
      const writes = decodeWrites(reader);
      return { kind, ts, txnId, writes, stagedParts: reader.varint() };
    }
    case 'prepare':
      return decodePrepare(reader, ts);
    case 'resolve': {
      const txnId = reader.key() as string as TxnId;
      return { kind, ts, txnId, commitTs: reader.f64() as Timestamp };
    }
    case 'split':
      return { kind, ts, at: reader.key(), rightId: reader.varint() };
    case 'stage': {
      const txnId = reader.key() as string as TxnId;
      const part = reader.varint();
      return { kind, ts, txnId, part, chunk: reader.bytes() };
    }
    case 'forget':
      return { kind, ts, txnId: reader.key() as string as TxnId };
    case 'collect':
      return { kind, ts, threshold: reader.f64() as Timestamp };
  }
}

export function encodePrepare(out: ByteWriter, command: Omit<PrepareCommand, 'kind'>): void {
  out.key(command.txnId);
  out.key(command.lockId);
  encodeWrites(out, command.writes);
  out.varint(command.stagedParts);
  encodeSpans(out, command.reads);
  out.varint(command.lockedKeys.length);
  for (const k of command.lockedKeys) out.key(k);
  out.key(command.anchor);
  encodeSpans(out, [command.span]);
  out.u8(command.participants === undefined ? 0 : 1);
  if (command.participants !== undefined) encodeSpans(out, command.participants);
}

export function decodePrepare(reader: ByteReader, ts: Timestamp): PrepareCommand {
  const txnId = reader.key() as string as TxnId;
  const lockId = reader.key() as string as LockId;
  const writes = decodeWrites(reader);
  const stagedParts = reader.varint();
  const reads = decodeSpans(reader);
  const lockedKeys: Key[] = [];
  for (let count = reader.varint(); count > 0; count--) lockedKeys.push(reader.key());
  const anchor = reader.key();
  const span = decodeSpans(reader)[0];
  assert(span !== undefined, 'prepare without span');
  const participants = reader.u8() === 1 ? decodeSpans(reader) : undefined;
  return {
    kind: 'prepare',
    ts,
    txnId,
    lockId,
    writes,
    stagedParts,
    reads,
    lockedKeys,
    anchor,
    span,
    participants,
  };
}

export function encodeWrites(out: ByteWriter, writes: readonly Write[]): void {
  out.varint(writes.length);
  for (const { key, value } of writes) {
    out.key(key);
    if (value === null) out.varint(0);
    else {
      out.varint(value.length + 1);
      out.raw(value);
    }
  }
}

export function decodeWrites(reader: ByteReader): Write[] {
  const writes: Write[] = [];
  for (let count = reader.varint(); count > 0; count--) {
    const key = reader.key();
    const size = reader.varint();
    writes.push({ key, value: size === 0 ? null : reader.raw(size - 1) });
  }
  return writes;
}

export function encodeSpans(out: ByteWriter, spans: readonly Span[]): void {
  out.varint(spans.length);
  for (const span of spans) {
    out.key(span.start);
    out.key(span.end);
  }
}

export function decodeSpans(reader: ByteReader): Span[] {
  const spans: Span[] = [];
  for (let count = reader.varint(); count > 0; count--) {
    spans.push({ start: reader.key(), end: reader.key() });
  }
  return spans;
}
