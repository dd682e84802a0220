/**
 * How the bodies of a method's calls and casts are written. MessagePack serves anything; methods that carry the load
 * have a codec of their own, several times as fast.
 */
import { Packr } from 'msgpackr';
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';

export interface BodyCodec {
  write(out: ByteWriter, body: unknown): void;
  /** Reads to the end. Throws `ByteDecodeError`; what it returns may share the reader's memory. */
  read(reader: ByteReader): unknown;
}

export interface MethodCodec {
  readonly request: BodyCodec;
  readonly answer: BodyCodec;
}

const packr = new Packr({ useRecords: false });

export const msgpackCodec: BodyCodec = {
  write: (out, body) => {
    out.raw(packr.pack(body));
  },
  read: (reader) => {
    const bytes = reader.raw(reader.remaining);
    try {
      return packr.unpack(bytes) as unknown;
    } catch (error) {
      // What does not decode is the sender's fault, not a bug here.
      throw new ByteDecodeError(`not a body: ${String(error)}`);
    }
  },
};

export const MSGPACK: MethodCodec = { request: msgpackCodec, answer: msgpackCodec };
