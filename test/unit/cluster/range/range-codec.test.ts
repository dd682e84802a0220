/** Requests and answers come back from their bytes as they were, and no bytes do harm. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RANGE_CODEC } from '../../../../cluster/range/range-codec.ts';
import type { RangeReply, RangeRequest } from '../../../../cluster/range/requests.ts';
import { ByteDecodeError, ByteReader, ByteWriter } from '../../../../src/base/bytes.ts';
import type { BodyCodec } from '../../../../cluster/transport/body-codec.ts';

const latin1 = (max = 12): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: max }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const list = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(of, { maxLength: 4 });
const number = fc.maxSafeNat();
const key = latin1();
const span = fc.record({ start: key, end: key });
const fence = fc.record({ tableId: number, version: number });
const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value));
const grant = fc.record({ rangeId: number, generation: number, term: number, stay: number });
const route = { rangeId: number, generation: number };

const requests = fc.oneof(
  fc.record({
    kind: fc.constant('get'),
    ...route,
    keys: list(key),
    ts: number,
    fences: list(fence),
  }),
  fc.record({
    ...{ kind: fc.constant('lock'), ...route, lockId: latin1(13), keys: list(key) },
    ...{
      strength: fc.constantFrom('update', 'share'),
      wait: fc.constantFrom('block', 'nowait', 'skip'),
    },
    ...{ timeoutMs: fc.nat(), readTs: number, revalidate: list(span) },
    ...{ isOpening: fc.boolean(), fences: list(fence), fenceLocks: list(number) },
  }),
  fc.record({
    ...{ kind: fc.constant('prepare'), ...route, txnId: latin1(13), lockId: latin1(13) },
    ...{ onePhase: fc.boolean(), readTs: number, reads: list(span), fences: list(number) },
    ...{ planned: list(fence), fenceWrites: list(fence), lockedKeys: list(key) },
    writes: list(fc.record({ key, value: fc.option(bytes) })),
    changes: list(fc.record({ key, run: fc.constant(undefined), bytes })),
    ...{ grant: fc.option(grant, { nil: undefined }), stagedParts: number, anchor: key },
    ...{ participants: fc.option(list(span), { nil: undefined }), span, isFirstSend: fc.boolean() },
  }),
  fc.record({ kind: fc.constant('release'), ...route, lockId: latin1(13) }),
  fc.record({
    ...{ kind: fc.constant('scan'), ...route, span, ts: number, reverse: fc.boolean() },
    ...{ limitRows: number, limitBytes: number, fences: list(fence) },
  }),
  fc.record({
    ...{ kind: fc.constant('revalidate'), ...route, spans: list(span) },
    ...{ fromTs: number, toTs: number },
  }),
  fc.record({
    ...{ kind: fc.constant('resolve'), ...route, txnId: latin1(13), anchor: key },
    ...{ span, commitTs: number },
  }),
  fc.record({ kind: fc.constant('describe'), ...route }),
) as fc.Arbitrary<unknown> as fc.Arbitrary<RangeRequest>;

const position = fc.record({ index: fc.integer({ min: 1 }), term: number });
const settled = fc.option(position, { nil: undefined });
const value = fc.option(bytes, { nil: undefined });
const replies = fc.oneof(
  fc.record({ kind: fc.constant('values'), values: list(value), settled }),
  fc.record({
    ...{ kind: fc.constant('locked'), rows: list(fc.record({ value, isGranted: fc.boolean() })) },
    ...{ grant, newestTs: number, hlc: number, isRevalidated: fc.boolean() },
    isGather: fc.boolean(),
    hasWaited: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('prepared'), ts: number, isPublished: fc.boolean() }),
  fc.record({ kind: fc.constant('committed'), ts: number }),
  fc.record({ kind: fc.constant('done') }),
  fc.record({
    ...{ kind: fc.constant('rows'), rows: list(fc.record({ key, value: bytes })) },
    resume: fc.option(key, { nil: undefined }),
    settled,
  }),
  fc.record({ kind: fc.constant('revalidated'), isUnchanged: fc.boolean() }),
  fc.record({ kind: fc.constant('unavailable'), reason: fc.string() }),
) as fc.Arbitrary<unknown> as fc.Arbitrary<RangeReply>;

function encode(codec: BodyCodec, body: unknown): Buffer {
  const out = new ByteWriter();
  codec.write(out, body);
  return out.copy();
}

describe.each([
  ['requests', RANGE_CODEC.request, requests],
  ['answers', RANGE_CODEC.answer, replies],
] as const)('%s', (_name, codec, bodies) => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(bodies, (body) => {
        const reader = new ByteReader(encode(codec, body));
        expect(codec.read(reader)).toEqual(body);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('cut off or changed are another body, or a decoding error', () => {
    fc.assert(
      fc.property(bodies, fc.nat(), fc.nat(255), fc.boolean(), (body, at, byte, isCut) => {
        const encoded = encode(codec, body);
        const place = at % encoded.length;
        if (!isCut) encoded[place] = byte;
        try {
          codec.read(new ByteReader(isCut ? encoded.subarray(0, place) : encoded));
        } catch (error) {
          expect(error).toBeInstanceOf(ByteDecodeError);
        }
      }),
    );
  });
});
