/** The leader's side of a range: reads, locks, votes and decisions, one replica at a time. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { PrepareRequest, RangeReply } from '../../../../cluster/range/requests.ts';
import type { LockId, TxnId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, key, keyAfter, pointSpan } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { TS_ZERO, addMs } from '../../../../src/base/timestamp.ts';
import { tablePrefix } from '../../../../src/kv/keyspace.ts';
import { ReplicaBench } from '../../../support/replica-bench.ts';

const a = key('\x10\x01\x05a');
const b = key('\x10\x01\x05b');
const value = (text: string): Uint8Array => Buffer.from(text);
let bench: ReplicaBench;
let counter = 0;

beforeEach(async () => {
  bench = await ReplicaBench.open();
  await bench.lead();
});

function newTxn(): TxnId {
  return makeTxnId(bench.hlc.read(), nodeId(1), ++counter);
}

function prepare(over: Partial<PrepareRequest>): Promise<RangeReply> {
  return bench.ask({
    kind: 'prepare',
    txnId: newTxn(),
    lockId: 'lock' as LockId,
    onePhase: true,
    readTs: bench.hlc.read(),
    reads: [],
    fences: [],
    planned: [],
    writes: [],
    fenceWrites: [],
    changes: [],
    lockedKeys: [],
    grant: undefined,
    stagedParts: 0,
    anchor: a,
    participants: undefined,
    span: { start: KEY_MIN, end: KEY_MAX },
    isFirstSend: true,
    ...over,
  });
}

async function write(k: Key, text: string | null): Promise<RangeReply> {
  const reply = prepare({ writes: [{ key: k, value: text === null ? null : value(text) }] });
  await bench.settle();
  await bench.commit();
  return reply;
}

function read(k: Key, ts: Timestamp = TS_ZERO): Promise<RangeReply> {
  return bench.ask({ kind: 'get', keys: [k], ts, fences: [] });
}

async function settled(reply: Promise<RangeReply>): Promise<RangeReply | undefined> {
  let found: RangeReply | undefined;
  void reply.then((value) => (found = value));
  await bench.settle();
  return found;
}

describe('replica', () => {
  it('commits in one phase and reads it back', async () => {
    expect(await write(a, 'one')).toMatchObject({ kind: 'committed' });
    expect(await read(a)).toMatchObject({ kind: 'values', values: [value('one')] });
    expect(await read(b)).toMatchObject({ kind: 'values', values: [undefined] });
  });

  it('TXN-3: a latest read waits for a write in flight', async () => {
    void prepare({ writes: [{ key: a, value: value('x') }] });
    await bench.settle();
    const reading = read(a);
    expect(await settled(reading)).toBeUndefined();
    expect(await settled(read(b))).toMatchObject({ kind: 'values' });
    await bench.commit();
    expect(await reading).toMatchObject({ kind: 'values', values: [value('x')] });
  });

  it('TXN-3: a latest read needs the lease, a snapshot read does not', async () => {
    await write(a, 'one');
    bench.hasLease = false;
    expect(await read(a)).toMatchObject({ kind: 'unavailable' });
    const snapshot = read(a, bench.hlc.read());
    await bench.commit();
    expect(await snapshot).toMatchObject({ kind: 'values', values: [value('one')] });
  });

  it('RANGE-1: a snapshot above the ceiling waits until the ceiling is replicated', async () => {
    const reading = read(a, bench.hlc.read());
    expect(await settled(reading)).toBeUndefined();
    await bench.commit();
    expect(await settled(reading)).toMatchObject({ kind: 'values' });
    expect(await settled(read(a, bench.hlc.read()))).toMatchObject({ kind: 'values' });
  });

  it('TXN-4: a write after a snapshot read lies above it', async () => {
    const readTs = (bench.hlc.read() + 1000) as Timestamp;
    const reading = read(a, readTs);
    await bench.commit();
    await reading;
    const reply = await write(a, 'later');
    expect(reply.kind === 'committed' && reply.ts > readTs).toBe(true);
    expect(await read(a, readTs)).toMatchObject({ kind: 'values', values: [undefined] });
  });

  it('TXN-5: a write over keys read as latest gathers first, and later latest reads wait', async () => {
    await read(a);
    const writing = prepare({ writes: [{ key: a, value: value('x') }] });
    const reading = read(a);
    expect(bench.log).toHaveLength(0);
    await bench.settle();
    expect(bench.log).toHaveLength(1);
    expect(await settled(reading)).toBeUndefined();
    await bench.commit();
    expect(await writing).toMatchObject({ kind: 'committed' });
    expect(await reading).toMatchObject({ kind: 'values', values: [value('x')] });
  });

  it('TXN-7: refuses what was overwritten since it was read, phantoms included', async () => {
    const readTs = bench.hlc.read();
    await write(a, 'new');
    const span = { start: tablePrefix(5), end: KEY_MAX };
    for (const reads of [[pointSpan(a)], [span]]) {
      const reply = await prepare({ readTs, reads, writes: [{ key: b, value: value('x') }] });
      expect(reply).toMatchObject({ kind: 'refused', reason: 'conflict' });
    }
    expect(bench.log).toHaveLength(0);
  });

  it('TXN-7: a prepared read blocks writers until the decision', async () => {
    const txnId = newTxn();
    const preparing = prepare({
      txnId,
      onePhase: false,
      reads: [pointSpan(a)],
      writes: [{ key: b, value: value('b') }],
    });
    await bench.commit();
    expect(await preparing).toMatchObject({ kind: 'prepared' });
    const writing = prepare({ writes: [{ key: a, value: value('a') }] });
    expect(await settled(writing)).toBeUndefined();
    const readTs = bench.hlc.read();
    const span = { start: KEY_MIN, end: KEY_MAX };
    const deciding = bench.ask({ kind: 'resolve', txnId, anchor: a, span, commitTs: readTs });
    await bench.commit();
    expect(await deciding).toMatchObject({ kind: 'committed', ts: readTs });
    await bench.commit();
    expect(await writing).toMatchObject({ kind: 'committed' });
    expect(await read(b)).toMatchObject({ kind: 'values', values: [value('b')] });
  });

  it('TXN-10: a vote without a record makes an abort durable, and a late prepare meets it', async () => {
    const txnId = newTxn();
    const span = { start: KEY_MIN, end: KEY_MAX };
    const voting = bench.ask({ kind: 'vote', txnId, anchor: a, span });
    await bench.commit();
    expect(await voting).toMatchObject({ kind: 'vote', vote: 'aborted' });
    const late = await prepare({ txnId, writes: [{ key: a, value: value('x') }] });
    expect(late).toEqual({ kind: 'aborted' });
    expect(await read(a)).toMatchObject({ kind: 'values', values: [undefined] });
  });

  it('TXN-11: a repeated commit is answered with its outcome, also after a change of leader', async () => {
    const txnId = newTxn();
    const request = { txnId, writes: [{ key: a, value: value('x') }] };
    const first = prepare(request);
    await bench.settle();
    await bench.commit();
    const answer = await first;
    expect(await prepare(request)).toEqual(answer);
    await bench.lead();
    expect(await prepare(request)).toEqual(answer);
  });

  it('what was in flight when leadership ended is lost sight of', async () => {
    const writing = prepare({ writes: [{ key: a, value: value('x') }] });
    await bench.settle();
    bench.replica.onFollower();
    expect(await writing).toEqual({ kind: 'lost' });
    expect(await read(a)).toMatchObject({ kind: 'notLeader' });
  });

  it('TXN-6: locks queue, and the next holder reads what the one before has committed', async () => {
    const lock = (lockId: string, readTs: Timestamp): Promise<RangeReply> =>
      bench.ask({
        kind: 'lock',
        lockId: lockId as LockId,
        keys: [a],
        strength: 'update',
        wait: 'block',
        timeoutMs: 0,
        readTs,
        isOpening: false,
        revalidate: [],
        fences: [],
        fenceLocks: [],
      });
    const readTs = bench.hlc.read();
    const first = await lock('one', readTs);
    expect(first).toMatchObject({ kind: 'locked', newestTs: 0 });
    const second = lock('two', readTs);
    expect(await settled(second)).toBeUndefined();
    void prepare({
      lockId: 'one' as LockId,
      grant: first.kind === 'locked' ? first.grant : undefined,
      reads: [pointSpan(a)],
      writes: [{ key: a, value: value('x') }],
    });
    await bench.settle();
    await bench.commit();
    await bench.commit();
    const got = await second;
    expect(got).toMatchObject({ kind: 'locked', isRevalidated: true });
    expect(got.kind === 'locked' && got.rows[0]?.value).toEqual(value('x'));
    expect(got.kind === 'locked' && got.newestTs > readTs && got.hlc >= got.newestTs).toBe(true);
  });

  it('TXN-6: a grant does not outlive its office', async () => {
    const grant = { rangeId: 1, generation: 0, term: 1, stay: 1 };
    await bench.lead();
    const reply = await prepare({ grant, writes: [{ key: a, value: value('x') }] });
    expect(reply).toMatchObject({ kind: 'refused', reason: 'lockLost' });
  });

  it('refuses a read of which a version may have been collected while it was read from disk', async () => {
    await write(a, 'one');
    const old = bench.hlc.read();
    await write(a, 'two');
    for (let i = 0; i < 2; i++) await bench.mvcc.checkpoint(() => []);
    const get = (): Promise<RangeReply> => read(a, old);
    const scan = (): Promise<RangeReply> => {
      const limits = { limitRows: 9, limitBytes: 999 };
      const span = pointSpan(a);
      return bench.ask({ kind: 'scan', span, ts: old, reverse: false, fences: [], ...limits });
    };
    const first = get();
    await bench.settle();
    await bench.commit();
    expect(await first).toMatchObject({ kind: 'values', values: [value('one')] });
    expect(await scan()).toMatchObject({ kind: 'rows', rows: [{ key: a, value: value('one') }] });
    const both = [get(), scan()];
    bench.replica.state.threshold = bench.hlc.read();
    expect(await Promise.all(both)).toEqual([{ kind: 'tooOld' }, { kind: 'tooOld' }]);
  });

  it('raises its threshold to shortly below what open transactions read, or by age', async () => {
    const thresholds = async (): Promise<number> => {
      bench.replica.tick();
      await bench.commit();
      return bench.replica.state.threshold;
    };
    const secondsLater = (ts: Timestamp, seconds: number): Timestamp => addMs(ts, seconds * 1000);
    await write(a, 'one');
    const began = bench.hlc.read();
    expect(await thresholds()).toBe(TS_ZERO);
    bench.advance(60_000);
    bench.snapshotFloor = secondsLater(began, 10);
    await write(a, 'two');
    expect(await thresholds()).toBe(secondsLater(began, 9));
    // Not for less than two seconds.
    bench.snapshotFloor = secondsLater(began, 11.9);
    expect(await thresholds()).toBe(secondsLater(began, 9));
    bench.snapshotFloor = secondsLater(began, 12);
    expect(await thresholds()).toBe(secondsLater(began, 11));
    bench.snapshotFloor = undefined;
    bench.advance(3_600_000);
    await write(a, 'three');
    expect(await thresholds()).toBeGreaterThan(secondsLater(began, 50));
    expect(bench.replica.state.threshold).toBeLessThan(secondsLater(began, 62));
  });

  it('takes nothing for old because the clock of the cluster has jumped', async () => {
    bench.advance(10_000);
    await write(a, 'one');
    bench.replica.tick();
    bench.advance(10_000);
    bench.hlc.forward(addMs(bench.hlc.read(), 365 * 86_400_000));
    await write(a, 'two');
    bench.replica.tick();
    await bench.commit();
    expect(bench.replica.state.threshold).toBe(TS_ZERO);
    bench.advance(3_600_000);
    bench.replica.tick();
    await bench.commit();
    expect(bench.replica.state.threshold).toBeGreaterThan(TS_ZERO);
  });

  it('RANGE-2: a split keeps records on both sides and moves the fence', async () => {
    const table = tablePrefix(5);
    void prepare({ fenceWrites: [{ tableId: 5, version: 3 }], writes: [] });
    await bench.settle();
    await bench.commit();
    const splitting = bench.ask({ kind: 'split', at: b, rightId: 9 });
    const during = read(a);
    expect(await settled(during)).toBeUndefined();
    await bench.commit();
    expect(await splitting).toEqual({ kind: 'done' });
    expect(await during).toMatchObject({ kind: 'moved' });
    expect(bench.replica.state.descriptor).toMatchObject({ end: b, generation: 1 });
    expect(bench.mvcc.newest(b)?.value).toEqual(bench.mvcc.newest(table)?.value);
    expect(await prepare({ writes: [{ key: b, value: value('x') }] })).toMatchObject({
      kind: 'refused',
      reason: 'moved',
    });
  });

  it('RANGE-2: a scan from where a range begins gives rows, and not the fence', async () => {
    bench = await ReplicaBench.open(b);
    await bench.lead();
    const row = keyAfter(b);
    const span = { start: b, end: KEY_MAX };
    void prepare({
      ...{ fenceWrites: [{ tableId: 5, version: 3 }], anchor: row, span },
      writes: [{ key: row, value: value('row') }],
    });
    await bench.settle();
    await bench.commit();
    expect(bench.mvcc.newest(b)).toBeDefined();
    for (const reverse of [false, true]) {
      const reply = await bench.ask({
        ...{ kind: 'scan', span, ts: TS_ZERO, reverse, limitRows: 9, limitBytes: 999 },
        fences: [{ tableId: 5, version: 3 }],
      });
      expect(reply).toMatchObject({ kind: 'rows', rows: [{ key: row }] });
    }
  });

  it('answers a request planned with another schema with the fence found', async () => {
    void prepare({ fenceWrites: [{ tableId: 5, version: 3 }] });
    await bench.settle();
    await bench.commit();
    const ask = (version: number): Promise<RangeReply> =>
      bench.ask({ kind: 'get', keys: [a], ts: TS_ZERO, fences: [{ tableId: 5, version }] });
    expect(await ask(3)).toMatchObject({ kind: 'values' });
    expect(await ask(2)).toEqual({ kind: 'schemaMismatch', tableId: 5, foundVersion: 3 });
    // A blind write meets the fence when it is prepared.
    const blind = (version: number): Promise<RangeReply> =>
      prepare({ planned: [{ tableId: 5, version }], writes: [{ key: a, value: value('x') }] });
    expect(await blind(2)).toEqual({ kind: 'schemaMismatch', tableId: 5, foundVersion: 3 });
    const good = blind(3);
    await bench.settle();
    await bench.commit();
    expect(await good).toMatchObject({ kind: 'committed' });
  });
});
