/** Rounds of the quorum clock and their answers as bytes: both are a number and a timestamp. */
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { BodyCodec, MethodCodec } from '../transport/body-codec.ts';
import type { RoundAnswer, RoundRequest } from './quorum-clock.ts';

const codec: BodyCodec = {
  write: (out: ByteWriter, body: unknown) => {
    const { round, ts } = body as RoundRequest | RoundAnswer;
    out.varint(round);
    out.f64(ts);
  },
  read: (reader: ByteReader): RoundRequest & RoundAnswer => {
    const round = reader.varint();
    return { round, ts: reader.f64() as Timestamp };
  },
};

export const ROUND_CODEC: MethodCodec = { request: codec, answer: codec };
