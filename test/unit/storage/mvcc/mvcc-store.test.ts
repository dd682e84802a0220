/** The cases of `MvccStore` that a random walk seldom meets: what is synchronous, bounds, snapshots, staged parts. */
import { beforeEach, describe, expect, it } from 'vitest';
import { makeTxnId, nodeId, rangeId } from '../../../../src/base/ids.ts';
import type { Key, Span } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, pointSpan, prefixSpan } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { localKey, stagedKey } from '../../../../storage/mvcc/mvcc-key.ts';
import { MvccStore } from '../../../../storage/mvcc/mvcc-store.ts';
import type { MvccOptions, VersionRecord } from '../../../../storage/mvcc/mvcc-types.ts';
import { CrashEngine } from '../../../../src/sim/crash-engine.ts';
import { TurnScheduler } from '../../../support/turn-scheduler.ts';

const ALL: Span = { start: KEY_MIN, end: KEY_MAX };
const MARK = localKey(rangeId(1), 'installing');
const APPLIED = localKey(rangeId(1), 'applied');

let engine: CrashEngine;
let store: MvccStore;

async function start(options: Partial<MvccOptions> = {}): Promise<void> {
  await engine.open();
  store = await MvccStore.open(new TurnScheduler('automatic'), engine, options);
}

beforeEach(async () => {
  engine = new CrashEngine();
  await start();
});

function put(key: string, value: string | null, ts: number, isHistorical = false): void {
  const writes = [{ key: key as Key, value: value === null ? null : Buffer.from(value) }];
  store.apply(writes, ts as Timestamp, txn(ts), { isHistorical });
}

function txn(ts: number): ReturnType<typeof makeTxnId> {
  return makeTxnId(ts as Timestamp, nodeId(1), 0);
}

async function get(key: string, ts: number): Promise<string | undefined> {
  const value = await store.get(key as Key, ts as Timestamp);
  return value === undefined ? undefined : Buffer.from(value).toString();
}

async function dump(span: Span, afterTs?: number): Promise<string[]> {
  const stream = store.versions(span, afterTs as Timestamp | undefined);
  const found: string[] = [];
  for (;;) {
    const records = await stream.next();
    if (records === undefined) break;
    for (const { key, ts, value } of records) {
      found.push(`${key}@${ts}=${value === undefined ? '-' : Buffer.from(value).toString()}`);
    }
  }
  await stream.close();
  return found;
}

async function checkpoint(): Promise<void> {
  await store.checkpoint(() => []);
}

async function local(key: Key): Promise<string | undefined> {
  return (await store.readLocal()).find((entry) => entry.key === key)?.value.toString();
}

function restart(): Promise<void> {
  engine = engine.crash(() => false);
  return start();
}

describe('checkpoints', () => {
  it('write of a key what lies above its threshold, and one version at or below it', async () => {
    for (const ts of [10, 20, 30, 40]) put('a', String(ts), ts);
    for (const ts of [10, 20]) put('b', String(ts), ts);
    await store.checkpoint(
      () => [],
      () => 30 as Timestamp,
    );
    await restart();
    expect(await dump(ALL)).toEqual(['a@40=40', 'a@30=30', 'b@20=20']);
  });
});

describe('reads', () => {
  it('are synchronous at recent timestamps, and asynchronous only below a head', async () => {
    put('a', '1', 10);
    await checkpoint();
    put('b', '2', 20);
    await checkpoint();
    put('a', '3', 30);
    await checkpoint();
    await checkpoint();
    expect(store.get('a' as Key, 30 as Timestamp)).toEqual(Buffer.from('3'));
    expect(store.get('b' as Key, 25 as Timestamp)).toEqual(Buffer.from('2'));
    expect(store.get('x' as Key, 25 as Timestamp)).toBeUndefined();
    expect(store.get('b' as Key, 5 as Timestamp)).toBeInstanceOf(Promise);
    expect(await get('a', 29)).toBe('1');
    expect(await get('a', 9)).toBeUndefined();
    expect(store.newest('a' as Key)).toMatchObject({ ts: 30, txnId: txn(30) });
  });

  it('scan without a promise while the engine holds no versions', async () => {
    put('a', '1', 10);
    put('b', null, 10);
    await store.checkpoint(() => [{ key: APPLIED, value: Buffer.from('7') }]);
    await restart();
    expect(await local(APPLIED)).toBe('7');
    engine = new CrashEngine();
    await start();
    put('a', '1', 10);
    put('b', null, 10);
    expect(store.scan(ALL, 10 as Timestamp)).toMatchObject({ rows: [{ key: 'a', ts: 10 }] });
  });

  it('see a backfilled version below a newer head, and above an older one', async () => {
    put('a', 'new', 30);
    put('b', 'old', 5);
    await checkpoint();
    put('a', 'fill', 10, true);
    put('b', 'fill', 10, true);
    for (let round = 0; round < 3; round++) {
      expect([await get('a', 30), await get('a', 20), await get('a', 9)]).toEqual([
        'new',
        'fill',
        undefined,
      ]);
      expect([await get('b', 30), await get('b', 9)]).toEqual(['fill', 'old']);
      const { rows } = await store.scan(ALL, 30 as Timestamp);
      expect(rows.map(({ value }) => Buffer.from(value).toString())).toEqual(['new', 'fill']);
      await checkpoint();
    }
  });

  it('end a batch by bytes', async () => {
    for (const key of ['a', 'b', 'c']) put(key, 'x'.repeat(100), 10);
    const batch = await store.scan(ALL, 10 as Timestamp, { limitBytes: 150 });
    expect(batch.rows.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(batch.resume).toBe('b\0');
  });
});

describe('validation window (section 4.4)', () => {
  it('keeps the frozen table until the next freeze', async () => {
    put('a', '1', 10);
    await checkpoint();
    expect(store.windowFloor()).toBe(0);
    put('b', '1', 20);
    await checkpoint();
    expect(store.windowFloor()).toBe(10);
    expect(store.newerInMemory(pointSpan('a' as Key), 5 as Timestamp)).toBe(false);
    expect(store.hasNewer(ALL, 10 as Timestamp)).toBe(true);
    expect(store.hasNewer(ALL, 20 as Timestamp)).toBe(false);
    expect(store.hasNewer(prefixSpan('a' as Key), 5 as Timestamp)).toBeInstanceOf(Promise);
    expect(await store.hasNewer(prefixSpan('a' as Key), 5 as Timestamp)).toBe(true);
    await restart();
    expect(store.windowFloor()).toBe(20);
    expect(store.highestTs()).toBe(20);
  });
});

describe('checkpoints', () => {
  it('write local state last: what came before it is not counted', async () => {
    await store.checkpoint(() => [{ key: APPLIED, value: Buffer.from('1') }]);
    put('a', '1', 10);
    engine.dieAfter(1);
    const dying = store.checkpoint(() => [{ key: APPLIED, value: Buffer.from('2') }]);
    await expect(dying).rejects.toMatchObject({ code: 'engine_io' });
    await expect(checkpoint()).rejects.toMatchObject({ code: 'engine_io' });
    await restart();
    expect(await local(APPLIED)).toBe('1');
    expect(await get('a', 10)).toBe('1');
  });

  it('announce a grown table once, hold writers back, and let them go on', async () => {
    let announced = 0;
    engine = new CrashEngine();
    await start({ tableBytesMax: 10_000, onCheckpointNeeded: () => announced++ });
    let ts = 0;
    while (!store.isFull()) put(`k${++ts}`, 'x'.repeat(100), ts);
    expect(announced).toBe(1);
    expect(store.needsCheckpoint()).toBe(true);
    let hasRoom = false;
    const room = store.whenRoom().then(() => (hasRoom = true));
    await Promise.resolve();
    expect(hasRoom).toBe(false);
    await checkpoint();
    await room;
    expect(store.isFull()).toBe(false);
    expect(store.memoryBytes()).toBeLessThan(2 * 12_500 + 500);
  });

  it('bound memory while a large commit is applied', async () => {
    engine = new CrashEngine();
    let running: Promise<void> | undefined;
    let peak = 0;
    await start({
      tableBytesMax: 200_000,
      onCheckpointNeeded: () => {
        running = Promise.resolve(running).then(checkpoint);
      },
    });
    let chunk = 0;
    const next = (): { key: Key; value: Buffer }[] | undefined => {
      peak = Math.max(peak, store.memoryBytes());
      if (chunk++ === 40) return undefined;
      return Array.from({ length: 250 }, (_, i) => ({
        key: `k${String(chunk * 1000 + i).padStart(9, '0')}` as Key,
        value: Buffer.alloc(60),
      }));
    };
    await store.applyBulk(next, 10 as Timestamp, txn(10));
    await running;
    expect(peak).toBeLessThan(2 * 200_000 * 1.25 + 250 * 400);
    expect(await dump(ALL)).toHaveLength(10_000);
  });
});

describe('staged parts', () => {
  const name = stagedKey(rangeId(7), txn(3), 0);

  it('survive with the checkpoint that held them, and go with the next', async () => {
    store.stage(name, Buffer.from('part'));
    expect(store.staged(name)).toEqual(Buffer.from('part'));
    await checkpoint();
    await restart();
    expect(store.staged(name)).toEqual(Buffer.from('part'));
    store.unstage(name);
    expect(store.staged(name)).toBeUndefined();
    engine.dieAfter(0);
    await expect(checkpoint()).rejects.toThrow();
    await restart();
    expect(store.staged(name)).toEqual(Buffer.from('part'));
    store.unstage(name);
    await checkpoint();
    await restart();
    expect(store.staged(name)).toBeUndefined();
  });
});

describe('snapshots (RANGE-2)', () => {
  const span = prefixSpan('m' as Key);
  const mark = [{ key: MARK, value: Buffer.from('1') }];
  const done = [
    { key: MARK, value: null },
    { key: APPLIED, value: Buffer.from('50') },
  ];

  async function source(): Promise<VersionRecord[]> {
    const stream = store.versions(span);
    const records = (await stream.next()) ?? [];
    await stream.close();
    return [...records];
  }

  beforeEach(async () => {
    put('a', 'outside', 1);
    put('m1', 'old', 10);
    await checkpoint();
    put('m1', 'new', 20);
    put('m2', null, 30);
    put('z', 'outside', 40);
  });

  it('replace the span and nothing else, through a restart', async () => {
    const records = await source();
    put('m1', 'gone', 50);
    put('m3', 'gone', 51);
    const installation = await store.install(span, mark);
    await installation.write(records.slice(0, 1));
    await installation.write(records.slice(1));
    let isDone = false;
    await installation.finish(done, () => (isDone = true));
    expect(isDone).toBe(true);
    const expected = ['a@1=outside', 'm1@20=new', 'm1@10=old', 'm2@30=-', 'z@40=outside'];
    expect(await dump(ALL)).toEqual(expected);
    expect(store.windowFloor()).toBe(30);
    await checkpoint();
    await restart();
    expect(await dump(ALL)).toEqual(expected);
    expect([await local(MARK), await local(APPLIED)]).toEqual([undefined, '50']);
  });

  it('leave the mark at whatever batch the power goes', async () => {
    const records = await source();
    for (let after = 0; ; after++) {
      engine.dieAfter(after);
      let isInstalled = false;
      try {
        const installation = await store.install(span, mark);
        await installation.write(records);
        await installation.finish(done);
        isInstalled = true;
      } catch {
        // The power went.
      }
      if (isInstalled) break;
      await restart();
      if (after > 0) expect(await local(MARK)).toBe('1');
      expect(await local(APPLIED)).toBeUndefined();
      expect(await get('a', 100)).toBe('outside');
    }
    expect(await local(MARK)).toBeUndefined();
  });

  it('clear a span for a replica that leaves', async () => {
    await store.clear(span, mark, [{ key: MARK, value: null }]);
    await checkpoint();
    await restart();
    expect(await dump(ALL)).toEqual(['a@1=outside', 'z@40=outside']);
  });
});

describe('collection', () => {
  it('keeps a tombstone while a backfilled version below it is in memory', async () => {
    put('a', 'x', 5);
    put('a', null, 20);
    await checkpoint();
    put('a', 'fill', 10, true);
    for (let round = 0; round < 2; round++) {
      await collect(30);
      expect(await get('a', 30)).toBeUndefined();
      const { rows } = await store.scan(ALL, 30 as Timestamp);
      expect(rows).toEqual([]);
      await checkpoint();
    }
  });

  it('keeps a tombstone while a version below it is in the history', async () => {
    put('a', null, 20);
    await checkpoint();
    put('a', 'fill', 10, true);
    put('later', 'x', 40);
    put('later', 'y', 41);
    await checkpoint();
    await restart();
    expect(await collect(30)).toBe(0);
    put('a', 'new', 50);
    await checkpoint();
    expect(await get('a', 35)).toBeUndefined();
  });

  it('keeps what was written where a tombstone had been', async () => {
    put('a', null, 20);
    put('later', 'x', 34);
    put('later', 'y', 35);
    await checkpoint();
    put('a', 'back', 30);
    await checkpoint();
    await restart();
    for (let pass = 0; pass < 3; pass++) await collect(35);
    expect(await dump(ALL)).toEqual(['a@30=back', 'later@35=y']);
  });

  it('keeps a tombstone above the threshold, whatever was listed of its key', async () => {
    put('a', null, 20);
    await checkpoint();
    await restart();
    const installation = await store.install(ALL, []);
    await installation.write([
      { key: 'a' as Key, ts: 40 as Timestamp, txnId: txn(40), value: undefined },
    ]);
    await installation.finish([]);
    expect(await collect(25)).toBe(0);
    expect(await dump(ALL)).toEqual(['a@40=-']);
    expect(await collect(40)).toBe(1);
  });

  it('ends at the first list that nobody is due for', async () => {
    put('a', 'old', 10);
    put('a', 'new', 20);
    await checkpoint();
    const nobody = (): never => expect.fail('asked for a key');
    expect(await collect(19, nobody)).toBe(0);
  });

  it('deletes what a list names once all of it was replaced long enough ago, and a tombstone', async () => {
    put('a', 'one', 10);
    put('gone', 'x', 11);
    await checkpoint();
    put('a', 'two', 20);
    put('gone', null, 21);
    await checkpoint();
    put('a', 'three', 30);
    await checkpoint();
    await restart();
    expect(await collect(20)).toBe(0);
    expect(await collect(21)).toBe(3);
    expect(await dump(ALL)).toEqual(['a@30=three', 'a@20=two']);
    expect(await collect(29)).toBe(0);
    await restart();
    expect(await collect(30)).toBe(1);
    expect(await collect(1000)).toBe(0);
    expect(await dump(ALL)).toEqual(['a@30=three']);
  });

  it('asks each key for its own threshold, and again for what had to stay', async () => {
    for (const key of ['a', 'b']) {
      put(key, 'old', 10);
      await checkpoint();
    }
    put('a', 'new', 20);
    put('b', null, 20);
    await checkpoint();
    await restart();
    const below = (key: string) => (key === 'a' ? 25 : 5) as Timestamp;
    expect(await collect(25, below)).toBe(1);
    expect(await dump(ALL)).toEqual(['a@20=new', 'b@20=-', 'b@10=old']);
    expect(await collect(25, below)).toBe(0);
    expect(await collect(25)).toBe(2);
    expect(await dump(ALL)).toEqual(['a@20=new']);
  });

  it('does not look again for versions of a span that was cleared', async () => {
    put('a', 'old', 10);
    put('a', 'new', 20);
    await checkpoint();
    await restart();
    await store.clear(ALL, [], []);
    const nowhere = () => 0 as Timestamp;
    expect(await collect(25, nowhere)).toBe(0);
    expect(await collect(25)).toBe(0);
    const lists = engine.iterate('\x05', '\x06');
    expect(await lists.nextBatch(10)).toEqual([]);
    await lists.close();
  });

  it('takes over the garbage of a snapshot', async () => {
    const installation = await store.install(ALL, []);
    const record = (key: string, value: string | undefined, ts: number) => ({
      key: key as Key,
      ts: ts as Timestamp,
      txnId: txn(ts),
      value: value === undefined ? undefined : Buffer.from(value),
    });
    await installation.write([
      record('a', 'new', 20),
      record('a', 'old', 10),
      record('b', undefined, 15),
    ]);
    await installation.finish([]);
    expect(await collect(19)).toBe(0);
    expect(await collect(20)).toBe(2);
    expect(await dump(ALL)).toEqual(['a@20=new']);
  });

  /** One pass; how many entries were deleted. */
  async function collect(highest: number, of?: (key: Key) => Timestamp): Promise<number> {
    const thresholds = { highest: highest as Timestamp, of: of ?? (() => highest as Timestamp) };
    let deleted = 0;
    for (let from; ;) {
      const step = await store.collect(thresholds, from);
      deleted += step.deletedCount;
      from = step.resume;
      if (from === undefined) return deleted;
    }
  }
});

describe('size', () => {
  it('counts memory and engine', async () => {
    put('a', 'x'.repeat(1000), 10);
    const inMemory = await store.sizeOf(ALL);
    expect(inMemory).toBeGreaterThan(1000);
    await checkpoint();
    expect(await store.sizeOf(ALL)).toBeGreaterThan(1000);
    expect(await store.sizeOf(prefixSpan('b' as Key))).toBe(0);
  });
});
