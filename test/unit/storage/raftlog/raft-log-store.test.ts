/** The store's contract with its callers: when appends resolve, what they cost, and how the log ends. */
import { describe, expect, it } from 'vitest';
import { rangeId } from '../../../../src/base/ids.ts';
import type { RangeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import type {
  LogAppend,
  LogOptions,
  OpenedLog,
} from '../../../../storage/raftlog/raft-log-store.ts';
import { RaftLogStore } from '../../../../storage/raftlog/raft-log-store.ts';
import { ChecksumIndex } from '../../../../storage/codec/checksum-index.ts';
import { crc32 } from '../../../../storage/codec/checksum.ts';
import { SimDisk } from '../../../../src/sim/disk.ts';
import { seededRandom, silentLogger } from '../../../../src/sim/world.ts';
import { TurnScheduler, settle } from '../../../support/turn-scheduler.ts';

const A = rangeId(1);
const B = rangeId(2);

function open(disk: SimDisk, options: Partial<LogOptions> = {}): Promise<OpenedLog> {
  const ports = { scheduler: new TurnScheduler('automatic'), log: silentLogger };
  return RaftLogStore.open(disk, { segmentBytes: 2048, segmentsMax: 3, ...options }, ports);
}

function entry(index: number, range: RangeId = A, size = 10): LogAppend {
  const entries = [{ index, term: 1, data: Buffer.alloc(size, index & 255) }];
  return { rangeId: range, truncateFrom: undefined, entries, hardState: undefined };
}

const NOTHING = { ranges: [] };

/** Syncs wait until they are let go, one at a time. */
function holdSyncs(disk: SimDisk): { readonly held: () => number; readonly release: () => void } {
  const waiting: (() => void)[] = [];
  disk.beforeSync = () => new Promise((resolve) => waiting.push(resolve));
  return { held: () => waiting.length, release: () => waiting.shift()?.() };
}

/** The names of the promises that have resolved, in order. */
function watch(named: Readonly<Record<string, Promise<unknown>>>): string[] {
  const done: string[] = [];
  for (const [name, promise] of Object.entries(named)) {
    promise.then(
      () => done.push(name),
      () => done.push(`${name} failed`),
    );
  }
  return done;
}

describe('an append', () => {
  it('of an idle store is written and begins its sync without waiting for a turn', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1)] });
    const syncs = holdSyncs(disk);
    void store.append({ ranges: [entry(2)] });
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(syncs.held()).toBe(1);
  });

  it('resolves with its sync, not with an earlier one; what waits shares the next', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1)] });
    const before = { ...store.stats() };
    const syncs = holdSyncs(disk);
    const two = store.append({ ranges: [entry(2)] });
    await settle();
    const three = store.append({ ranges: [entry(3)] });
    const four = store.append({ ranges: [entry(1, B)], clockCeiling: 9 as Timestamp });
    const done = watch({ two, three, four });
    await settle();
    expect(done).toEqual([]);
    syncs.release();
    await settle();
    expect(done).toEqual(['two']);
    syncs.release();
    await settle();
    expect(done).toEqual(['two', 'three', 'four']);
    const { syncs: count, entries, batches, bytes } = store.stats();
    expect([count - before.syncs, entries - before.entries, batches - before.batches]).toEqual([
      2, 3, 2,
    ]);
    expect(bytes).toBeGreaterThan(before.bytes);
  });

  it('that says nothing waits for what was queued before it, and costs no sync', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append(NOTHING);
    expect(disk.syncs).toBe(0);
    await store.append({ ranges: [entry(1)] });
    const syncs = holdSyncs(disk);
    const two = store.append({ ranges: [entry(2)] });
    await settle();
    const done = watch({ two, nothing: store.append(NOTHING), idle: store.whenIdle() });
    await settle();
    expect(done).toEqual([]);
    syncs.release();
    await settle();
    expect(done).toEqual(['two', 'nothing', 'idle']);
    expect(syncs.held()).toBe(0);
  });

  it('has a sync of its own when group commit is off', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk, { isGroupCommit: false });
    await store.append({ ranges: [entry(1)] });
    const before = disk.syncs;
    await Promise.all([2, 3, 4, 5].map((index) => store.append({ ranges: [entry(index)] })));
    expect(disk.syncs - before).toBe(4);
    const { ranges } = await open(disk);
    expect(ranges.get(A)?.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
  });

  it('shares a sync with others of its range up to a limit, and with other ranges', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk, { syncEntriesMax: 2 });
    await store.append({ ranges: [entry(1)] });
    const syncs = holdSyncs(disk);
    const append = (index: number, range = A): Promise<void> =>
      store.append({ ranges: [entry(index, range)] });
    const done = watch({
      first: append(2),
      second: append(3),
      third: append(4),
      other: append(1, B),
      fourth: append(5),
    });
    await settle();
    syncs.release();
    await settle();
    expect(done).toEqual(['first']);
    syncs.release();
    await settle();
    expect(done).toEqual(['first', 'second', 'third', 'other']);
    syncs.release();
    await settle();
    expect(done).toEqual(['first', 'second', 'third', 'other', 'fourth']);
  });

  it('of more entries than the limit is written whole', async () => {
    const { store } = await open(new SimDisk(), { syncEntriesMax: 2 });
    const many = [1, 2, 3].flatMap((index) => entry(index).entries);
    await store.append({ ranges: [{ ...entry(1), entries: many }] });
    await store.append({ ranges: [entry(4)] });
    expect(store.stats().entries).toBe(4);
  });

  it('that fills a segment syncs that one first, and only then', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1, A, 1200)] });
    const syncs = holdSyncs(disk);
    const segments = store.segmentCount();
    const filling = watch({ two: store.append({ ranges: [entry(2, A, 700), entry(3, A, 700)] }) });
    const before = store.stats().syncs;
    while (filling.length === 0) {
      expect(syncs.held()).toBeLessThanOrEqual(1);
      syncs.release();
      await settle();
    }
    expect(store.segmentCount()).toBe(segments + 1);
    expect(store.stats().syncs - before).toBe(2);
    const next = watch({ four: store.append({ ranges: [entry(4)] }) });
    await settle();
    syncs.release();
    await settle();
    expect(next).toEqual(['four']);
    expect(store.stats().syncs - before).toBe(3);
  });

  it('truncates before it adds, and the vote stands with it', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (const index of [1, 2, 3, 4]) await store.append({ ranges: [entry(index)] });
    const data = Buffer.from('new');
    const hardState = { term: 2, vote: 3 };
    const entries = [{ index: 3, term: 2, data }];
    await store.append({ ranges: [{ rangeId: A, truncateFrom: 3, entries, hardState }] });
    disk.crash(seededRandom(1), 0);
    const { ranges } = await open(disk);
    expect(ranges.get(A)?.hardState).toEqual(hardState);
    expect(ranges.get(A)?.entries.map(({ index, term }) => [index, term])).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
    ]);
    expect(ranges.get(A)?.entries[2]?.data).toEqual(data);
  });
});

describe('a read', () => {
  it('that an append has overtaken reads again what it has too old', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (const index of [1, 2]) await store.append({ ranges: [entry(index)] });
    let release = (): void => undefined;
    disk.afterRead = () => new Promise((resolve) => (release = resolve));
    const read = store.read(A, { from: 1, to: 4, bytesMax: 1000 });
    await settle();
    disk.afterRead = () => Promise.resolve();
    await store.append({ ranges: [entry(3)] });
    release();
    expect((await read).map(({ index }) => index)).toEqual([1, 2, 3]);
  });
});

describe('the end of a log', () => {
  it('by a failed sync takes what waited with it, and writes nothing more', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1)] });
    const syncs = holdSyncs(disk);
    const two = store.append({ ranges: [entry(2)] });
    await settle();
    const done = watch({ two, three: store.append({ ranges: [entry(3)] }) });
    disk.failSyncs = true;
    syncs.release();
    await settle();
    expect(done).toEqual(['two failed', 'three failed']);
    disk.failSyncs = false;
    await expect(store.append(NOTHING)).rejects.toMatchObject({ code: 'log_failed' });
    expect(syncs.held()).toBe(0);
    await store.whenIdle();
  });

  it('by a failed write is the same', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1)] });
    disk.failWrites = true;
    await expect(store.append({ ranges: [entry(2)] })).rejects.toMatchObject({
      code: 'log_failed',
    });
    disk.failWrites = false;
    const before = disk.syncs;
    await expect(store.append({ ranges: [entry(3)] })).rejects.toMatchObject({
      code: 'log_failed',
    });
    expect(disk.syncs).toBe(before);
  });

  it('by closing comes after what was queued', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    const done = watch({ one: store.append({ ranges: [entry(1)] }), closed: store.close() });
    await settle();
    await settle();
    expect(done).toEqual(['one', 'closed']);
    await expect(store.append(NOTHING)).rejects.toMatchObject({ code: 'log_failed' });
  });
});

describe('entries that nobody needs', () => {
  it('can be read as long as there is room for them, and go with their segment', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    let index = 0;
    const write = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await store.append({ ranges: [entry(++index, A, 200)] });
      store.compact(A, index);
      await settle();
    };
    await write(12);
    expect(store.segmentCount()).toBe(2);
    const all = { from: 1, to: 100, bytesMax: 1e6 };
    expect(await store.read(A, all)).toHaveLength(12);
    expect(store.firstIndex(A)).toBe(1);
    await write(40);
    expect(store.segmentCount()).toBeLessThanOrEqual(4);
    const first = store.firstIndex(A) ?? 0;
    expect(first).toBeGreaterThan(20);
    expect(first).toBeLessThan(index);
    expect(await store.read(A, all)).toEqual([]);
    expect(await store.read(A, { ...all, from: first })).toHaveLength(index - first + 1);
  });
});

describe('entries that a checkpoint holds', () => {
  it('are not kept in memory at a start, can be read, and hold no segment', async () => {
    const disk = new SimDisk();
    const before = await open(disk);
    for (let i = 1; i <= 60; i++) await before.store.append({ ranges: [entry(i, A, 200)] });
    const count = before.store.segmentCount();
    await before.store.close();
    const ports = { scheduler: new TurnScheduler('automatic'), log: silentLogger };
    const options = { segmentBytes: 2048, segmentsMax: 3 };
    const { store, ranges } = await RaftLogStore.open(disk, options, ports, new Map([[A, 58]]));
    const sizes = ranges.get(A)?.entries.map(({ data }) => data.length) ?? [];
    expect(sizes).toEqual([...Array.from({ length: 58 }, () => 0), 200, 200]);
    const [first] = await store.read(A, { from: 55, to: 60, bytesMax: 1 });
    expect(first).toEqual({ index: 55, term: 1, data: Buffer.alloc(200, 55) });
    store.compact(A, 60);
    await store.append({ ranges: [entry(61, A, 200)] });
    await settle();
    expect(store.segmentCount()).toBeLessThan(count - 3);
  });
});

describe('a range that is removed', () => {
  it('holds no segment any more', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let index = 1; index <= 40; index++) {
      await store.append({ ranges: [entry(index, B, 200)] });
    }
    expect(store.segmentCount()).toBeGreaterThan(4);
    store.removeRange(B);
    await store.append({ ranges: [entry(1)] });
    await settle();
    expect(store.segmentCount()).toBe(1);
    const { ranges } = await open(disk);
    expect(ranges.get(A)?.entries).toHaveLength(1);
  });
});

describe('what is synced at start', () => {
  it('is every segment that was read, before anything is answered', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let index = 1; index <= 30; index++)
      await store.append({ ranges: [entry(index, A, 200)] });
    const count = store.segmentCount();
    const syncs = holdSyncs(disk);
    const done = watch({ opened: open(disk) });
    for (let i = 0; i < count; i++) {
      await settle();
      expect(done).toEqual([]);
      expect(syncs.held()).toBe(1);
      syncs.release();
    }
    await settle();
    expect(done).toEqual(['opened']);
    disk.beforeSync = () => Promise.resolve();
    disk.failSyncs = true;
    await expect(open(disk)).rejects.toMatchObject({ code: 'disk_io' });
  });
});

describe('checksums', () => {
  it('are CRC-32, whatever the length and the place', () => {
    const check = Buffer.from('123456789');
    expect(crc32(check, 0, 9)).toBe(0xcbf43926);
    expect(crc32(check, 0, 0)).toBe(0);
    const random = seededRandom(1);
    const bytes = Buffer.from(random.bytes(67));
    for (let start = 0; start < 9; start++) {
      for (let end = start; end <= bytes.length; end++) {
        let crc = 0xffffffff;
        for (const byte of bytes.subarray(start, end)) {
          crc ^= byte;
          for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
        }
        expect(crc32(bytes, start, end)).toBe(~crc >>> 0);
        const middle = random.int(start, end);
        expect(crc32(bytes, middle, end, crc32(bytes, start, middle))).toBe(~crc >>> 0);
      }
    }
  });

  it('are known of any part once the whole was read', () => {
    const random = seededRandom(2);
    const bytes = Buffer.from(random.bytes(3000));
    const index = new ChecksumIndex(bytes);
    for (let i = 0; i < 2000; i++) {
      const start = random.int(0, bytes.length);
      const end = random.int(start, bytes.length);
      const seed = random.int(0, 3) * 0x3fffffff;
      expect(index.of(start, end, seed)).toBe(crc32(bytes, start, end, seed));
    }
  });
});
