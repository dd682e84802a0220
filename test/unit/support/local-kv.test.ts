import { describe, expect, it } from 'vitest';
import type { Key } from '../../../src/base/span.ts';
import { prefixSpan } from '../../../src/base/span.ts';
import type { KvTxn, LockOptions } from '../../../src/kv/kv-client.ts';
import { SchemaMismatch } from '../../../src/kv/kv-errors.ts';
import { LocalKv } from '../../support/local-kv.ts';

const WAIT: LockOptions = { strength: 'update', wait: 'block', timeoutMs: 0 };
const NONE = undefined;
const k = (text: string): Key => text as Key;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

function begin(kv: LocalKv, txnMaxBytes = 1e6): KvTxn {
  return kv.begin({ txnMaxBytes, signal: new AbortController().signal });
}

async function put(kv: LocalKv, ...pairs: (readonly [string, string])[]): Promise<void> {
  const txn = begin(kv);
  for (const [key, value] of pairs) await txn.put(k(key), bytes(value), NONE);
  await txn.commit();
}

async function scan(txn: KvTxn, prefix: string, reverse = false): Promise<string[]> {
  const cursor = txn.scan(prefixSpan(k(prefix)), NONE, { reverse });
  const found: string[] = [];
  for (let rows = await cursor.next(); rows !== undefined; rows = await cursor.next()) {
    found.push(...rows.map((row) => `${row.key}=${text(row.value) ?? ''}`));
  }
  return found;
}

describe.each([{ isAsync: false }, { isAsync: true }])('local kv %o', (options) => {
  const make = (): LocalKv => new LocalKv({ ...options, batchRows: 2 });

  it('reads a snapshot with its own writes laid over it', async () => {
    const kv = make();
    await put(kv, ['a1', '1'], ['a3', '3'], ['a5', '5'], ['b', 'x']);
    const txn = begin(kv);
    await txn.readTs();
    await put(kv, ['a1', 'later']);
    await txn.put(k('a2'), bytes('2'), NONE);
    await txn.put(k('a6'), bytes('6'), NONE);
    await txn.delete(k('a3'), NONE);
    expect(await scan(txn, 'a')).toEqual(['a1=1', 'a2=2', 'a5=5', 'a6=6']);
    expect(await scan(txn, 'a', true)).toEqual(['a6=6', 'a5=5', 'a2=2', 'a1=1']);
    expect(text(await txn.get(k('a1'), NONE))).toBe('1');
    await expect((async () => txn.commit())()).rejects.toMatchObject({ code: 'conflict' });
  });

  it('refuses a phantom in a span that was read, and only there', async () => {
    const kv = make();
    await put(kv, ['a1', '1']);
    const one = begin(kv);
    await scan(one, 'a');
    const two = begin(kv);
    await scan(two, 'b');
    await put(kv, ['a9', '9']);
    await one.put(k('z1'), bytes(''), NONE);
    await two.put(k('z2'), bytes(''), NONE);
    await expect((async () => one.commit())()).rejects.toMatchObject({ code: 'conflict' });
    await two.commit();
  });

  it('moves the snapshot for a locked row, if what was read is unchanged', async () => {
    const kv = make();
    await put(kv, ['a', '1'], ['b', '1']);
    const txn = begin(kv);
    await txn.get(k('b'), NONE);
    await put(kv, ['a', '2']);
    const [row] = await txn.lock([k('a')], NONE, WAIT);
    expect(text(row?.value)).toBe('2');
    await txn.put(k('a'), bytes('3'), NONE);
    await txn.commit();
  });

  it('says snapshot_moved for reads of the statement, conflict for older ones', async () => {
    const kv = make();
    await put(kv, ['a', '1'], ['b', '1']);
    const txn = begin(kv);
    const mark = txn.mark();
    await txn.get(k('a'), NONE);
    await put(kv, ['a', '2']);
    const lock = async (): Promise<unknown> => txn.lock([k('a')], NONE, WAIT);
    await expect(lock()).rejects.toMatchObject({ code: 'snapshot_moved' });
    await txn.restart(mark);
    expect(text(await txn.get(k('a'), NONE))).toBe('2');
    await put(kv, ['a', '3']);
    txn.mark();
    await expect(lock()).rejects.toMatchObject({ code: 'conflict' });
  });

  it('queues for locks in order and finds a deadlock', async () => {
    const kv = make();
    await put(kv, ['a', '1'], ['b', '1']);
    const [one, two] = [begin(kv), begin(kv)];
    await one.lock([k('a')], NONE, WAIT);
    await two.lock([k('b')], NONE, WAIT);
    const waits = Promise.resolve(one.lock([k('b')], NONE, WAIT));
    const victim = (async () => two.lock([k('a')], NONE, WAIT))();
    await expect(victim).rejects.toMatchObject({ code: 'deadlock' });
    two.rollback();
    expect((await waits)[0]?.isGranted).toBe(true);
    const nowait = async (): Promise<unknown> =>
      begin(kv).lock([k('b')], NONE, { ...WAIT, wait: 'nowait' });
    await expect(nowait()).rejects.toMatchObject({ code: 'lock_not_available' });
    const skipped = await begin(kv).lock([k('b')], NONE, { ...WAIT, wait: 'skip' });
    expect(skipped[0]?.isGranted).toBe(false);
  });

  it('goes back to a mark', async () => {
    const kv = make();
    const txn = begin(kv);
    await txn.put(k('a'), bytes('1'), NONE);
    const mark = txn.mark();
    await txn.put(k('a'), bytes('2'), NONE);
    await txn.put(k('b'), bytes('2'), NONE);
    txn.rollbackTo(mark);
    expect(await scan(txn, '')).toEqual(['a=1']);
  });

  it('answers a request planned with another schema by the version found', async () => {
    const kv = make();
    const table = { tableId: 7, version: 1 };
    const ddl = begin(kv);
    await ddl.bumpFence(7, 1, WAIT);
    await ddl.commit();
    const old = begin(kv);
    await old.get(k('a'), table);
    const change = begin(kv);
    await change.bumpFence(7, 2, WAIT);
    await change.get(k('a'), table);
    await old.put(k('a'), bytes('1'), table);
    const waiting = Promise.resolve(old.commit());
    await change.commit();
    await expect(waiting).rejects.toMatchObject({ code: 'conflict' });
    const late = begin(kv);
    const read = async (): Promise<unknown> => late.get(k('a'), table);
    await expect(read()).rejects.toThrow(SchemaMismatch);
    await expect(read()).rejects.toMatchObject({ foundVersion: 2 });
  });

  it('bounds a transaction', async () => {
    const txn = begin(make(), 10);
    const write = async (): Promise<void> => txn.put(k('a'), bytes('0123456789'), NONE);
    await expect(write()).rejects.toMatchObject({ code: 'too_large' });
  });
});
