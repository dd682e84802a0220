/** Question: what do the requests of a remote statement cost as bytes: a point read, a lock, a one-phase commit? */
import { bench, describe } from 'vitest';
import { RANGE_CODEC } from '../../cluster/range/range-codec.ts';
import type { RangeReply, RangeRequest } from '../../cluster/range/requests.ts';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { LockId } from '../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../src/base/ids.ts';
import { pointSpan } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { codecOf } from '../../sql/exec/table-codec.ts';
import { ACCOUNTS_TABLE, accountRow } from './accounts.ts';

const codec = codecOf(ACCOUNTS_TABLE);
const row = accountRow(654_321);
const key = codec.primaryKey(row);
const value = codec.encodeValue(row);
const ts = 200_000_000_000_000 as Timestamp;
const txnId = makeTxnId(ts, nodeId(2), 77);
const lockId = txnId as string as LockId;
const route = { rangeId: 4, generation: 2 };
const grant = { ...route, term: 3, stay: 12_345 };

const requests: Readonly<Record<string, RangeRequest>> = {
  'point read': { kind: 'get', ...route, keys: [key], ts, fences: [codec.fence] },
  lock: {
    ...{ kind: 'lock', ...route, lockId, keys: [key], strength: 'update', wait: 'block' },
    ...{
      timeoutMs: 0,
      readTs: ts,
      isOpening: false,
      revalidate: [],
      fences: [codec.fence],
      fenceLocks: [],
    },
  },
  commit: {
    ...{ kind: 'prepare', ...route, txnId, lockId, onePhase: true, readTs: ts, grant },
    ...{ reads: [pointSpan(key)], fences: [], planned: [codec.fence], fenceWrites: [] },
    ...{ writes: [{ key, value }], changes: [], lockedKeys: [], stagedParts: 0, anchor: key },
    ...{ participants: undefined, span: pointSpan(key), isFirstSend: true },
  },
};

describe('requests between nodes', () => {
  const out = new ByteWriter(4096);
  for (const [name, request] of Object.entries(requests)) {
    bench(`${name}: encode`, () => {
      out.reset();
      RANGE_CODEC.request.write(out, request);
    });
    out.reset();
    RANGE_CODEC.request.write(out, request);
    const bytes = out.copy();
    bench(`${name}: decode`, () => {
      RANGE_CODEC.request.read(new ByteReader(bytes));
    });
  }
  const reply: RangeReply = { kind: 'values', values: [value], settled: { index: 7, term: 2 } };
  bench('values: encode', () => {
    out.reset();
    RANGE_CODEC.answer.write(out, reply);
  });
});
