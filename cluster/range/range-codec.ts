/** Requests and answers of ranges as bytes (request-codec.ts, reply-codec.ts), for the transport. */
import type { BodyCodec, MethodCodec } from '../transport/body-codec.ts';
import { readReply, writeReply } from './reply-codec.ts';
import { readRequest, writeRequest } from './request-codec.ts';
import type { RangeReply, RangeRequest } from './requests.ts';

const requestCodec: BodyCodec = {
  write: (out, body) => writeRequest(out, body as RangeRequest),
  read: readRequest,
};

const answerCodec: BodyCodec = {
  write: (out, body) => writeReply(out, body as RangeReply),
  read: readReply,
};

export const RANGE_CODEC: MethodCodec = { request: requestCodec, answer: answerCodec };
