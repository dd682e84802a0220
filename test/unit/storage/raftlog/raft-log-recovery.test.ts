/** What recovery makes of damage, crashes while segments are let go, and full disks. */
import { describe, expect, it } from 'vitest';
import { rangeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import type { LogAppend, OpenedLog } from '../../../../storage/raftlog/raft-log-store.ts';
import { RaftLogStore } from '../../../../storage/raftlog/raft-log-store.ts';
import { crc32 } from '../../../../storage/codec/checksum.ts';
import { RecordWriter } from '../../../../storage/raftlog/record.ts';
import { LogCorruption } from '../../../../storage/raftlog/recovery.ts';
import {
  LogVersionError,
  SEGMENT_HEADER_BYTES,
  encodeSegmentHeader,
} from '../../../../storage/raftlog/segment-header.ts';
import { SimDisk } from '../../../../src/sim/disk.ts';
import { seededRandom, silentLogger } from '../../../../src/sim/world.ts';

const RANGE = rangeId(1);
const FIRST = 'log-0000000001';
const ports = {
  scheduler: {
    after: () => ({ cancel: () => undefined }),
    defer: (fn: () => void) => void setImmediate(fn),
    deferLast: (fn: () => void) => void setImmediate(fn),
    sleep: () => Promise.resolve(),
  },
  log: silentLogger,
};

function open(disk: SimDisk, segmentBytes = 2048): Promise<OpenedLog> {
  return RaftLogStore.open(disk, { segmentBytes, segmentsMax: 3 }, ports);
}

function entry(index: number, size = 10): LogAppend {
  const data = Buffer.alloc(size, index & 255);
  return {
    rangeId: RANGE,
    truncateFrom: undefined,
    entries: [{ index, term: 1, data }],
    hardState: undefined,
  };
}

function indexes(opened: OpenedLog): number[] {
  return (opened.ranges.get(RANGE)?.entries ?? []).map(({ index }) => index);
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** Lets everything that was begun in the background end. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A log of six syncs of two records each; where the bytes in use end. */
async function written(): Promise<{ disk: SimDisk; end: number }> {
  const disk = new SimDisk();
  const { store } = await open(disk);
  for (let index = 1; index <= 11; index += 2) {
    await store.append({ ranges: [entry(index), entry(index + 1)] });
  }
  const bytes = await disk.readAll(FIRST);
  let end = bytes!.length;
  while (bytes![end - 1] === 0) end--;
  return { disk, end };
}

describe('damage', () => {
  it('of any one bit is refused, or was in the last batch and only that is cut', async () => {
    const { end } = await written();
    const kept = new Set<number>();
    for (let bit = 0; bit < end * 8; bit += 3) {
      const { disk } = await written();
      disk.flipBit(FIRST, bit >> 3, bit & 7);
      const result = await open(disk).then(indexes, (error: unknown) => error);
      if (Array.isArray(result)) {
        expect(result, `bit ${bit}`).toEqual(upTo(result.length));
        kept.add(result.length);
      } else expect(result, `bit ${bit}`).toBeInstanceOf(LogCorruption);
    }
    expect([...kept].sort((a, b) => a - b)).toEqual([10, 11]);
  });

  it('by zeros is refused as well: they are not the end where later batches follow', async () => {
    const { end } = await written();
    for (let offset = 0; offset + 24 < end / 2; offset += 7) {
      const { disk } = await written();
      disk.erase(FIRST, offset, 24);
      await expect(open(disk), `offset ${offset}`).rejects.toBeInstanceOf(LogCorruption);
    }
  });

  it('at the beginning of an old segment is seen, however many batches it is behind', async () => {
    const disk = new SimDisk();
    const writer = new RecordWriter();
    writer.beginSegment(1);
    for (let batch = 5_000_000; batch < 5_000_004; batch++) {
      writer.beginBatch(batch);
      writer.entry(RANGE, { index: batch, term: 1, data: Buffer.from('x') });
    }
    const start = { syncBatch: 5_000_000, place: 0, previousCount: 0 };
    const header = encodeSegmentHeader(1, start);
    await disk.replace(FIRST, Buffer.concat([header, writer.take(), Buffer.alloc(1000)]));
    expect(indexes(await open(disk))).toHaveLength(4);
    disk.flipBit(FIRST, SEGMENT_HEADER_BYTES + 12);
    await expect(open(disk)).rejects.toBeInstanceOf(LogCorruption);
  });

  it('to a segment that has others behind it is refused', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let index = 1; index <= 30; index++) await store.append({ ranges: [entry(index, 200)] });
    expect(store.segmentCount()).toBeGreaterThan(3);
    disk.erase(FIRST, 1000, 1048);
    await expect(open(disk)).rejects.toBeInstanceOf(LogCorruption);
  });

  it('that leaves nothing of the oldest segment is refused', async () => {
    for (const from of [0, SEGMENT_HEADER_BYTES]) {
      for (const length of [8, 2048 - from]) {
        const disk = new SimDisk();
        const { store } = await open(disk);
        for (let i = 1; i <= 30; i++) await store.append({ ranges: [entry(i, 200)] });
        disk.erase(FIRST, from, length);
        await expect(open(disk), `${from}, ${length}`).rejects.toBeInstanceOf(LogCorruption);
      }
    }
  });

  it('to all that a segment before the last one holds is seen by where the last one begins', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let i = 1; store.segmentCount() < 3; i++) await store.append({ ranges: [entry(i, 200)] });
    disk.erase('log-0000000002', SEGMENT_HEADER_BYTES, 2048 - SEGMENT_HEADER_BYTES);
    disk.erase('log-0000000003', SEGMENT_HEADER_BYTES, 2048 - SEGMENT_HEADER_BYTES);
    await expect(open(disk)).rejects.toBeInstanceOf(LogCorruption);
  });

  it('is refused with its file and offset, and nothing is removed', async () => {
    const { disk } = await written();
    disk.flipBit(FIRST, SEGMENT_HEADER_BYTES + 12);
    const names = await disk.list();
    await expect(open(disk)).rejects.toThrow(`${FIRST}, offset ${SEGMENT_HEADER_BYTES}:`);
    expect(await disk.list()).toEqual(names);
  });

  it('is told from another version, and from what is not a log at all', async () => {
    const { disk } = await written();
    const bytes = Buffer.from((await disk.readAll(FIRST))!);
    bytes.writeUInt32BE(2, 4);
    bytes.writeUInt32BE(crc32(bytes, 0, SEGMENT_HEADER_BYTES - 4), SEGMENT_HEADER_BYTES - 4);
    await disk.replace(FIRST, bytes);
    await expect(open(disk)).rejects.toBeInstanceOf(LogVersionError);
    await disk.replace(FIRST, Buffer.alloc(2048, 0xaa));
    await expect(open(disk)).rejects.toBeInstanceOf(LogCorruption);
    expect(await disk.list()).toContain(FIRST);
  });

  it('by exchange of two segments is refused', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let i = 1; i <= 30; i++) await store.append({ ranges: [entry(i, 200)] });
    await disk.rename(FIRST, 'x');
    await disk.rename('log-0000000002', FIRST);
    await disk.rename('x', 'log-0000000002');
    await expect(open(disk)).rejects.toBeInstanceOf(LogCorruption);
  });
});

describe('what a segment held before', () => {
  it('is passed over in one go, however much of it looks like long records', async () => {
    const disk = new SimDisk();
    const opened = await open(disk, 1 << 21);
    await opened.store.append({ ranges: [entry(1)] });
    const bytes = await disk.readAll(FIRST);
    const file = await disk.open(FIRST);
    // Half a megabyte to read at every second offset: summing up each would take hours.
    const record = [0, 9, 1, 9, 1, 9, 1, 9, 1, 9];
    const from = 4096;
    file.write(from, Buffer.alloc((bytes?.length ?? 0) - from, Buffer.from(record)));
    await file.sync();
    expect(indexes(await open(disk, 1 << 21))).toEqual([1]);
  });
});

describe('a flush that ends in the next segment', () => {
  /** What survives of the write to each of the two files, then a start, more appends, and another start. */
  it('is cut wherever it was torn, and what follows is not taken for damage', async () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const disk = new SimDisk();
      let { store } = await open(disk);
      let index = 0;
      // Recycled segments, so that old bytes lie behind what is written.
      for (let i = 0; i < 30; i++) {
        await store.append({ ranges: [entry(++index, random.int(50, 300))] });
        store.compact(RANGE, index);
        await settle();
      }
      for (let round = 0; round < 4; round++) {
        const burst = Array.from({ length: 14 }, (_, i) =>
          entry(index + i + 1, random.int(50, 300)),
        );
        // Making a segment syncs its header, too.
        let allowed = random.int(0, 4);
        disk.beforeSync = () =>
          allowed-- > 0 ? Promise.resolve() : new Promise<void>(() => undefined);
        void store.append({ ranges: burst });
        await settle();
        disk.crash(random, random.next());
        disk.beforeSync = () => Promise.resolve();
        const opened = await open(disk).catch((error: unknown) => {
          throw new Error(`seed ${seed}, round ${round}: ${String(error)}`);
        });
        store = opened.store;
        const found = indexes(opened);
        expect(found.at(-1) ?? 0, `seed ${seed}`).toBeGreaterThanOrEqual(index);
        index = found.at(-1) ?? index;
        for (let i = random.int(0, 12); i > 0; i--) {
          await store.append({ ranges: [entry(++index, random.int(50, 300))] });
          if (random.next() < 0.5) store.compact(RANGE, index);
          await settle();
        }
      }
    }
  });
});

describe('segments', () => {
  it('are let go oldest first, so that a crash leaves no gap', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      const disk = new SimDisk();
      const { store } = await open(disk);
      for (let index = 1; index <= 40; index++) await store.append({ ranges: [entry(index, 200)] });
      // Changes of the directory take their time, each its own.
      disk.beforeChange = async () => {
        for (let i = random.int(0, 6); i > 0; i--) await new Promise((r) => setImmediate(r));
      };
      store.compact(RANGE, 38);
      for (let i = random.int(0, 20); i > 0; i--) await new Promise((r) => setImmediate(r));
      disk.crash(random, 0.5);
      disk.beforeChange = undefined;
      const found = indexes(await open(disk));
      expect(found.at(-1), `seed ${seed}`).toBe(40);
      expect(found, `seed ${seed}`).toEqual(upTo(40).slice(-found.length));
    }
  });

  it('are kept while what replaces their last records is not durable yet', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    const vote = (term: number): LogAppend => ({
      ...{ rangeId: RANGE, truncateFrom: undefined, entries: [] },
      hardState: { term, vote: 1 },
    });
    await store.append({ ranges: [vote(5)], clockCeiling: 50 as Timestamp });
    for (let index = 1; index <= 12; index++) await store.append({ ranges: [entry(index, 200)] });
    disk.beforeSync = () => new Promise(() => undefined);
    void store.append({ ranges: [vote(6)], clockCeiling: 60 as Timestamp });
    await settle();
    store.compact(RANGE, 13);
    await settle();
    disk.crash(seededRandom(1), 0);
    disk.beforeSync = () => Promise.resolve();
    const { ranges, clockCeiling } = await open(disk);
    expect(ranges.get(RANGE)?.hardState).toEqual({ term: 5, vote: 1 });
    expect(clockCeiling).toBe(50);
  });

  it('are not held by the few entries of a quiet range: these are copied forward', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    const quiet = rangeId(9);
    const of = (index: number, term: number, truncateFrom?: number): LogAppend => ({
      ...{ rangeId: quiet, truncateFrom, hardState: undefined },
      entries: [{ index, term, data: Buffer.from(`${index} of ${term}`) }],
    });
    for (const index of [1, 2, 3, 4, 5]) await store.append({ ranges: [of(index, 1)] });
    store.compact(quiet, 2);
    await store.append({ ranges: [of(4, 2, 4)] });
    let index = 0;
    const busy = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        index++;
        await store.append({ ranges: [entry(index, 200)] });
        store.compact(RANGE, index);
        await settle();
      }
    };
    await busy(60);
    expect(store.segmentCount()).toBeLessThan(8);
    const expected = [
      { index: 2, term: 1, data: Buffer.from('2 of 1') },
      { index: 3, term: 1, data: Buffer.from('3 of 1') },
      { index: 4, term: 2, data: Buffer.from('4 of 2') },
    ];
    const span = { from: 2, to: 100, bytesMax: 1000 };
    expect(await store.read(quiet, span)).toEqual(expected);
    disk.crash(seededRandom(1), 0);
    const opened = await open(disk);
    expect(opened.ranges.get(quiet)?.entries).toEqual(expected);
    expect(await opened.store.read(quiet, span)).toEqual(expected);
    // What follows the copies, and what replaces some of them, is as if they lay where they were.
    await opened.store.append({ ranges: [of(5, 3)] });
    await opened.store.append({ ranges: [of(3, 4, 3)] });
    const last = await open(disk);
    const terms = last.ranges.get(quiet)?.entries.map(({ index: at, term }) => [at, term]);
    expect(terms).toEqual([
      [2, 1],
      [3, 4],
    ]);
  });

  it('are used again, through restarts too, and what they held before never counts', async () => {
    const disk = new SimDisk();
    let { store } = await open(disk);
    let made = 0;
    const create = disk.create.bind(disk);
    disk.create = (name, size) => {
      made++;
      return create(name, size);
    };
    let index = 0;
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 60; i++) {
        index++;
        await store.append({ ranges: [entry(index, (index * 37) % 200)] });
        store.compact(RANGE, index);
        await settle();
      }
      disk.crash(seededRandom(round + 1), 0);
      const opened = await open(disk);
      expect(indexes(opened).at(-1)).toBe(index);
      store = opened.store;
    }
    // About 85 segments have been filled.
    expect(made).toBeLessThan(40);
    expect((await disk.list()).length).toBeLessThan(8);
  });

  it('of the size of one record are made for records that are larger', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1, 10), entry(2, 9000), entry(3, 10)] });
    const opened = await open(disk);
    expect(indexes(opened)).toEqual([1, 2, 3]);
    expect(opened.ranges.get(RANGE)?.entries[1]?.data).toHaveLength(9000);
  });

  it('are not asked for over and over where there is no room for them', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [entry(1)] });
    let attempts = 0;
    disk.create = () => {
      attempts++;
      return Promise.reject(new Error('no room'));
    };
    for (let index = 2; index <= 8; index++) {
      await store.append({ ranges: [entry(index, 150)] });
      await settle();
    }
    expect(attempts).toBeLessThanOrEqual(1);
    await expect(store.append({ ranges: [entry(9, 1500)] })).rejects.toThrow('cannot be written');
    await expect(store.append({ ranges: [entry(9)] })).rejects.toThrow('cannot be written');
  });
});
