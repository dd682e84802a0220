/** Statements that are run where their range is led: what they read, wait for and refuse. One replica, an acceptor of one. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type {
  ChangeRequest,
  PrepareRequest,
  RangeReply,
} from '../../../../cluster/range/requests.ts';
import type { LockId, TxnId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import { KEY_MAX, KEY_MIN, key } from '../../../../src/base/span.ts';
import type { Key } from '../../../../src/base/span.ts';
import { TS_ZERO } from '../../../../src/base/timestamp.ts';
import { thenMaybe } from '../../../../src/base/maybe-promise.ts';
import type { KvTxn } from '../../../../src/kv/kv-client.ts';
import { KvError } from '../../../../src/kv/kv-errors.ts';
import { ReplicaBench } from '../../../support/replica-bench.ts';

const a = key('\x10\x01\x05a');
const outside = key('\x10\x01\x04');
const b = key('\x10\x01\x05b');
const span = { start: KEY_MIN, end: KEY_MAX };
let bench: ReplicaBench;
let counter = 0;

beforeEach(async () => {
  bench = await ReplicaBench.open();
  await bench.lead();
});

function newTxn(): TxnId {
  return makeTxnId(bench.hlc.read(), nodeId(1), ++counter);
}

function change(
  run: ChangeRequest['program'],
  over: Partial<ChangeRequest> = {},
): Promise<RangeReply> {
  const txnId = newTxn();
  return bench.ask({
    ...{ kind: 'change', txnId, after: undefined, lockId: txnId as string as LockId, anchor: a },
    ...{ readTs: bench.hlc.read(), timeoutMs: 0, program: run, ...over },
  });
}

/** `UPDATE ... SET value = value || text`, of a row that need not be there. */
function append(k: Key, text: string): { run: (txn: KvTxn) => boolean | Promise<boolean> } {
  const options = { strength: 'update', wait: 'block', timeoutMs: 0 } as const;
  return {
    run: (txn) =>
      thenMaybe(txn.lock([k], undefined, options), ([row]) => {
        const before = row?.value === undefined ? '' : Buffer.from(row.value).toString();
        void txn.put(k, Buffer.from(before + text), undefined);
        return true;
      }),
  };
}

async function read(k: Key): Promise<string | undefined> {
  const reply = await bench.ask({ kind: 'get', keys: [k], ts: TS_ZERO, fences: [] });
  const value = reply.kind === 'values' ? reply.values[0] : undefined;
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function prepare(over: Partial<PrepareRequest>): Promise<RangeReply> {
  return bench.ask({
    ...{ kind: 'prepare', txnId: newTxn(), lockId: 'rival' as LockId, onePhase: false, span },
    ...{ readTs: bench.hlc.read(), reads: [], fences: [], planned: [], writes: [] },
    ...{
      fenceWrites: [],
      changes: [],
      lockedKeys: [],
      grant: undefined,
      stagedParts: 0,
      anchor: a,
    },
    ...{ participants: [span], isFirstSend: true, ...over },
  });
}

function lock(lockId: string, k: Key): Promise<RangeReply> {
  return bench.ask({
    ...{ kind: 'lock', lockId: lockId as LockId, keys: [k], strength: 'update', wait: 'block' },
    ...{ timeoutMs: 0, readTs: bench.hlc.read(), isOpening: false },
    ...{ revalidate: [], fences: [], fenceLocks: [] },
  });
}

async function settled(reply: Promise<RangeReply>): Promise<RangeReply | undefined> {
  let found: RangeReply | undefined;
  void reply.then((value) => (found = value));
  await bench.settle();
  return found;
}

describe('a change at the leader', () => {
  it('reads, writes and commits in one entry', async () => {
    const done = change(append(a, 'x'));
    await bench.settle();
    expect(bench.log).toHaveLength(1);
    await bench.commit();
    expect(await done).toMatchObject({ kind: 'committed' });
    expect(await read(a)).toBe('x');
  });

  it('builds on what is in flight: many changes of a row go in one round', async () => {
    const all = ['1', '2', '3'].map((text) => change(append(a, text)));
    await bench.settle();
    expect(bench.log).toHaveLength(3);
    await bench.commit();
    const stamps = (await Promise.all(all)).map((reply) => reply.kind === 'committed' && reply.ts);
    expect([...stamps].sort()).toEqual(stamps);
    expect(await read(a)).toBe('123');
  });

  it('is lost with what it was built on', async () => {
    const all = [change(append(a, '1')), change(append(a, '2'))];
    await bench.settle();
    bench.replica.onFollower();
    expect(await Promise.all(all)).toEqual([{ kind: 'lost' }, { kind: 'lost' }]);
  });

  it('TXN-15: runs behind one that was proposed or has committed, and behind no other', async () => {
    const [first, second, third, waiting] = [newTxn(), newTxn(), newTxn(), newTxn()];
    const elsewhere = { kind: 'refused', reason: 'elsewhere' };
    expect(await change(append(a, '2'), { txnId: second, after: first })).toMatchObject(elsewhere);
    const one = change(append(a, '1'), { txnId: first });
    const two = change(append(b, '2'), { txnId: second, after: first });
    await bench.settle();
    expect(bench.log).toHaveLength(2);
    await bench.commit();
    const stamps = (await Promise.all([one, two])).map(
      (each) => each.kind === 'committed' && each.ts,
    );
    expect([...stamps].sort()).toEqual(stamps);
    const three = change(append(a, '3'), { txnId: third, after: second });
    await bench.settle();
    await bench.commit();
    expect(await three).toMatchObject({ kind: 'committed' });
    // One that waits for its row is not passed.
    await lock('holder', a);
    const late = change(append(a, '4'), { txnId: waiting });
    await bench.settle();
    expect(await change(append(b, '5'), { after: waiting })).toMatchObject(elsewhere);
    await bench.ask({ kind: 'release', lockId: 'holder' as LockId });
    await bench.settle();
    await bench.commit();
    expect(await late).toMatchObject({ kind: 'committed' });
    expect([await read(a), await read(b)]).toEqual(['134', '2']);
  });

  it('TXN-15: runs behind none that recovery has given up', async () => {
    const txnId = newTxn();
    const voting = bench.ask({ kind: 'vote', txnId, anchor: a, span });
    await bench.settle();
    await bench.commit();
    await voting;
    const behind = change(append(a, 'x'), { after: txnId });
    expect(await behind).toMatchObject({ kind: 'refused', reason: 'elsewhere' });
  });

  it('TXN-14: stands in the queue of a row lock, and those behind it wait for it', async () => {
    expect(await lock('one', a)).toMatchObject({ kind: 'locked' });
    const changing = change(append(a, 'x'));
    expect(await settled(changing)).toBeUndefined();
    const second = lock('two', a);
    await bench.ask({ kind: 'release', lockId: 'one' as LockId });
    await bench.settle();
    await bench.commit();
    await bench.commit();
    expect(await changing).toMatchObject({ kind: 'committed' });
    const got = await second;
    expect(got.kind === 'locked' && String(got.rows[0]?.value)).toBe('x');
  });

  it('gives up its place when its time-out is over, and leaves no lock', async () => {
    await lock('one', a);
    const changing = change(append(a, 'x'), { timeoutMs: 100 });
    await bench.settle();
    bench.advance(101);
    expect(await changing).toEqual({ kind: 'lockRefused', reason: 'timeout' });
    await bench.ask({ kind: 'release', lockId: 'one' as LockId });
    expect(await lock('two', a)).toMatchObject({ kind: 'locked' });
  });

  it('TXN-7: waits for a record that writes its row, and for one that has read it', async () => {
    const writes = [{ key: a, value: Buffer.from('w') }];
    for (const over of [{ writes }, { reads: [{ start: a, end: b }] }]) {
      const txnId = newTxn();
      const preparing = prepare({ txnId, ...over });
      await bench.settle();
      await bench.commit();
      const prepared = await preparing;
      const changing = change(append(a, 'x'));
      expect(await settled(changing)).toBeUndefined();
      const commitTs = prepared.kind === 'prepared' ? prepared.ts : TS_ZERO;
      const resolving = bench.ask({ kind: 'resolve', txnId, anchor: a, span, commitTs });
      await bench.settle();
      await bench.commit();
      await bench.commit();
      expect(await changing).toMatchObject({ kind: 'committed' });
      await resolving;
    }
    expect(await read(a)).toBe('wxx');
  });

  it('TXN-5: its key stands in the gate while it gathers after a latest read', async () => {
    await read(a);
    const changing = change(append(a, 'x'));
    const reading = read(a);
    await bench.settle();
    await bench.commit();
    expect(await changing).toMatchObject({ kind: 'committed' });
    expect(await reading).toBe('x');
  });

  it.each<[string, (txn: KvTxn) => void]>([
    ['a key of another range', (txn) => void txn.put(outside, Buffer.of(1), undefined)],
    ['a scan', (txn) => void txn.scan(span, undefined)],
    ['another schema', (txn) => void txn.put(a, Buffer.of(1), { tableId: 1, version: 9 })],
    ['nothing to write', () => undefined],
  ])('is refused, and has no effect: %s', async (_, run) => {
    bench = await ReplicaBench.open(a);
    await bench.lead();
    const guarded = (txn: KvTxn): boolean => {
      try {
        run(txn);
        return true;
      } catch (error) {
        if (error instanceof KvError) return false;
        throw error;
      }
    };
    expect(await change({ run: guarded })).toMatchObject({ reason: 'elsewhere' });
    expect(bench.log).toHaveLength(0);
  });

  it('is not run again under an id that recovery has given up', async () => {
    const txnId = newTxn();
    const voting = bench.ask({ kind: 'vote', txnId, anchor: a, span });
    await bench.settle();
    await bench.commit();
    expect(await voting).toMatchObject({ kind: 'vote', vote: 'aborted' });
    expect(await change(append(a, 'x'), { txnId })).toMatchObject({ reason: 'elsewhere' });
  });
});

describe('changes that were put off until the commit', () => {
  const commit = (
    changes: readonly (readonly [Key, string])[],
    over: Partial<PrepareRequest> = {},
  ): Promise<RangeReply> => {
    const txnId = newTxn();
    return prepare({
      ...{ txnId, lockId: txnId as string as LockId, onePhase: true, participants: undefined },
      changes: changes.map(([k, text]) => ({ key: k, ...append(k, text), bytes: Buffer.of() })),
      ...over,
    });
  };
  const elsewhere = { kind: 'refused', reason: 'elsewhere' };

  it('TXN-17: build on what is in flight, in one entry with the other writes', async () => {
    const written = { writes: [{ key: outside, value: Buffer.from('w') }] };
    const all = [
      commit([[a, '1']]),
      commit([
        [b, 'x'],
        [a, '2'],
        [a, '3'],
      ]),
      commit([[a, '4']], written),
      commit([[a, '5']]),
    ];
    await bench.settle();
    expect(bench.log).toHaveLength(4);
    await bench.commit();
    for (const each of all) expect(await each).toMatchObject({ kind: 'committed' });
    expect([await read(a), await read(b), await read(outside)]).toEqual(['12345', 'x', 'w']);
  });

  it('TXN-17: change just the rows that they were announced for, or nothing happens', async () => {
    const both = { run: (txn: KvTxn) => append(a, 'x').run(txn) && append(b, 'x').run(txn) };
    const none = { run: () => true };
    const refused = { run: () => false };
    const received = { run: undefined };
    for (const program of [both, none, refused, received]) {
      const changes = [{ key: a, bytes: Buffer.of(), ...program }];
      expect(await commit([], { changes })).toMatchObject(elsewhere);
    }
    expect(bench.log).toHaveLength(0);
  });

  it('TXN-7: with them, what was read is validated', async () => {
    const readTs = bench.hlc.read();
    const over = { readTs, reads: [{ start: b, end: key(`${b}\0`) }] };
    const first = commit([[b, 'x']]);
    await bench.settle();
    expect(await commit([[a, 'x']], over)).toMatchObject({ reason: 'conflict' });
    await bench.commit();
    await first;
    expect(await commit([[a, 'x']], over)).toMatchObject({ reason: 'conflict' });
  });

  it('are run again when what was read had to be looked for on disk', async () => {
    const asked = vi.spyOn(bench.mvcc, 'hasNewer');
    let answer: ((isNewer: boolean) => void) | undefined;
    // Whether it is on disk, and then what is there.
    asked.mockImplementationOnce(() => Promise.resolve(false));
    asked.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    const late = commit([[a, '2']], { reads: [{ start: b, end: key(`${b}\0`) }] });
    await bench.settle();
    const early = commit([[a, '1']]);
    await bench.settle();
    expect(bench.log).toHaveLength(1);
    answer?.(false);
    await bench.settle();
    await bench.commit();
    expect(await Promise.all([early, late])).toMatchObject(Array(2).fill({ kind: 'committed' }));
    expect(await read(a)).toBe('12');
  });

  it('TXN-14: stand in the queue of a row lock, and hold none meanwhile', async () => {
    await lock('holder', a);
    await lock('holder', b);
    const all = [
      commit([
        [a, '1'],
        [b, '1'],
      ]),
      commit([
        [b, '2'],
        [a, '2'],
      ]),
    ];
    await bench.settle();
    expect(bench.log).toHaveLength(0);
    await bench.ask({ kind: 'release', lockId: 'holder' as LockId });
    await bench.settle();
    expect(bench.log).toHaveLength(2);
    await bench.commit();
    for (const each of all) expect(await each).toMatchObject({ kind: 'committed' });
    for (const k of [a, b]) expect(((await read(k)) ?? '').split('').sort()).toEqual(['1', '2']);
    expect(await lock('two', a)).toMatchObject({ kind: 'locked', hasWaited: false });
  });

  it('leave no lock behind when the commit is refused', async () => {
    await lock('holder', a);
    const reads = [{ start: b, end: key(`${b}\0`) }];
    const waiting = commit([[a, 'x']], { reads });
    const overwriting = commit([[b, 'x']]);
    await bench.settle();
    await bench.commit();
    await overwriting;
    await bench.ask({ kind: 'release', lockId: 'holder' as LockId });
    expect(await waiting).toMatchObject({ reason: 'conflict' });
    expect(await lock('two', a)).toMatchObject({ kind: 'locked', hasWaited: false });
  });

  it('do not stand there for ever', async () => {
    await lock('holder', a);
    const waiting = commit([[a, 'x']]);
    await bench.settle();
    bench.advance(501);
    expect(await waiting).toMatchObject(elsewhere);
    await bench.ask({ kind: 'release', lockId: 'holder' as LockId });
    expect(await lock('two', a)).toMatchObject({ kind: 'locked', hasWaited: false });
  });

  it('TXN-5: their rows stand in the gate while the leader gathers after a latest read', async () => {
    await read(a);
    const changing = commit([[a, 'x']]);
    const reading = read(a);
    await bench.settle();
    await bench.commit();
    expect(await changing).toMatchObject({ kind: 'committed' });
    expect(await reading).toBe('x');
  });
});
