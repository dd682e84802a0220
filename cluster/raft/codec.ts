/**
 * Messages between replicas as bytes: one byte of kind, the varint fields, entries as they are stored. The receiver's
 * entries are copies, so that a frame is not kept alive by one of its entries. Hostile bytes: `ByteDecodeError`.
 */
import { ByteDecodeError, ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { Append, Entry, Message } from './messages.ts';

const KINDS = [
  'append',
  'appendReply',
  'heartbeat',
  'heartbeatReply',
  'vote',
  'voteReply',
  'prevote',
  'prevoteReply',
  'timeoutNow',
] as const satisfies readonly Message['kind'][];

const writer = new ByteWriter(64 * 1024);

/** The bytes of a message, owned by the caller. */
export function encodeMessage(message: Message): Buffer {
  const out = writer;
  out.reset();
  out.u8(KINDS.indexOf(message.kind));
  out.varint(message.from);
  out.varint(message.to);
  out.varint(message.term);
  switch (message.kind) {
    case 'append':
      out.varint(message.prevIndex);
      out.varint(message.prevTerm);
      out.varint(message.commit);
      out.f64(message.sentAt);
      out.varint(message.entries.length);
      for (const entry of message.entries) {
        out.varint(entry.term);
        out.bytes(entry.data);
      }
      break;
    case 'appendReply':
      out.u8(message.isOk ? 1 : 0);
      out.varint(message.index);
      out.varint(message.hintIndex);
      out.varint(message.hintTerm);
      out.f64(message.sentAt);
      break;
    case 'heartbeat':
      out.varint(message.commit);
      out.f64(message.sentAt);
      break;
    case 'heartbeatReply':
      out.f64(message.sentAt);
      break;
    case 'vote':
    case 'prevote':
      out.varint(message.lastIndex);
      out.varint(message.lastTerm);
      out.u8(message.isForced ? 1 : 0);
      break;
    case 'voteReply':
    case 'prevoteReply':
      out.u8(message.isGranted ? 1 : 0);
      break;
    case 'timeoutNow':
      break;
  }
  return out.copy();
}

export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new ByteReader(bytes);
  const kind = KINDS[reader.u8()];
  if (kind === undefined) throw new ByteDecodeError('unknown raft message');
  const from = reader.varint() as NodeId;
  const to = reader.varint() as NodeId;
  const term = reader.varint();
  switch (kind) {
    case 'append':
      return decodeAppend(reader, from, to, term);
    case 'appendReply': {
      const isOk = reader.u8() === 1;
      const index = reader.varint();
      const hintIndex = reader.varint();
      const hintTerm = reader.varint();
      return { kind, from, to, term, isOk, index, hintIndex, hintTerm, sentAt: reader.f64() };
    }
    case 'heartbeat': {
      const commit = reader.varint();
      return { kind, from, to, term, commit, sentAt: reader.f64() };
    }
    case 'heartbeatReply':
      return { kind, from, to, term, sentAt: reader.f64() };
    case 'vote':
    case 'prevote': {
      const lastIndex = reader.varint();
      const lastTerm = reader.varint();
      return { kind, from, to, term, lastIndex, lastTerm, isForced: reader.u8() === 1 };
    }
    case 'voteReply':
    case 'prevoteReply':
      return { kind, from, to, term, isGranted: reader.u8() === 1 };
    case 'timeoutNow':
      return { kind, from, to, term };
  }
}

function decodeAppend(reader: ByteReader, from: NodeId, to: NodeId, term: number): Append {
  const prevIndex = reader.varint();
  const prevTerm = reader.varint();
  const commit = reader.varint();
  const sentAt = reader.f64();
  const entries: Entry[] = [];
  const count = reader.varint();
  for (let i = 1; i <= count; i++) {
    const entryTerm = reader.varint();
    const data = Buffer.from(reader.bytes());
    entries.push({ index: prevIndex + i, term: entryTerm, data });
  }
  return { kind: 'append', from, to, term, prevIndex, prevTerm, commit, sentAt, entries };
}
