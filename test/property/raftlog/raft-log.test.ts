/** The log over a disk that crashes: what was acknowledged is back, exactly; nothing else is half there. */
import { describe, expect, it } from 'vitest';
import type { RangeId } from '../../../src/base/ids.ts';
import { rangeId } from '../../../src/base/ids.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';
import type { Random } from '../../../src/env/env.ts';
import type { LogAppend, LogOptions } from '../../../storage/raftlog/raft-log-store.ts';
import { RaftLogStore } from '../../../storage/raftlog/raft-log-store.ts';
import { LogCorruption } from '../../../storage/raftlog/recovery.ts';
import { SEGMENT_HEADER_BYTES } from '../../../storage/raftlog/segment-header.ts';
import { SimDisk } from '../../../src/sim/disk.ts';
import { seededRandom, silentLogger } from '../../../src/sim/world.ts';

const OPTIONS: Partial<LogOptions> = { segmentBytes: 2048, segmentsMax: 3 };
const ports = {
  scheduler: {
    after: () => ({ cancel: () => undefined }),
    defer: (fn: () => void) => void setImmediate(fn),
    deferLast: (fn: () => void) => void setImmediate(fn),
    sleep: () => Promise.resolve(),
  },
  log: silentLogger,
};
const open = (disk: SimDisk): ReturnType<typeof RaftLogStore.open> =>
  RaftLogStore.open(disk, OPTIONS, ports);

interface Model {
  hardState: { term: number; vote: number };
  /** By index, from `first` on. */
  entries: Map<number, string>;
  first: number;
}

/** Applies an append to the model of one range. */
function applyTo(model: Model, append: LogAppend): void {
  if (append.hardState !== undefined) model.hardState = append.hardState;
  const from = append.truncateFrom;
  if (from !== undefined)
    for (const i of [...model.entries.keys()]) if (i >= from) model.entries.delete(i);
  for (const { index, data } of append.entries)
    model.entries.set(index, Buffer.from(data).toString());
}

async function runRandom(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const disk = new SimDisk();
  let { store } = await open(disk);
  /** What is certain, and what was sent after it and not acknowledged: it may be back, as a prefix. */
  let models = new Map<RangeId, Model>();
  let ceiling = 0;
  const modelOf = (range: RangeId, from = models): Model => {
    let model = from.get(range);
    if (model === undefined) {
      model = { hardState: { term: 0, vote: 0 }, entries: new Map(), first: 1 };
      from.set(range, model);
    }
    return model;
  };
  for (let round = 0; round < 12; round++) {
    let pending: { appends: LogAppend[]; ceiling: number }[] = [];
    const next = structuredClone(models);
    let isHeld = false;
    disk.beforeSync = () => (isHeld ? new Promise<void>(() => undefined) : Promise.resolve());
    for (let step = 0; step < 30; step++) {
      const appends: LogAppend[] = [];
      for (let n = random.int(0, 3); n > 0; n--) {
        const range = rangeId(random.int(1, 4));
        if (appends.some((each) => each.rangeId === range)) continue;
        const model = modelOf(range, next);
        const last = Math.max(model.first - 1, ...model.entries.keys());
        const truncates = random.next() < 0.1 && last >= model.first;
        const truncateFrom = truncates ? random.int(model.first, last) : undefined;
        const start = truncateFrom ?? last + 1;
        const entries = Array.from({ length: random.int(0, 4) }, (_, i) => ({
          index: start + i,
          term: round + 1,
          data: Buffer.from(`${range}/${start + i}/${step}${'x'.repeat(random.int(0, 90))}`),
        }));
        const hardState =
          random.next() < 0.2 ? { term: round + 1, vote: random.int(0, 3) } : undefined;
        const append = { rangeId: range, truncateFrom, entries, hardState };
        applyTo(model, append);
        appends.push(append);
      }
      const ts = random.next() < 0.2 ? random.int(1, 1000) : 0;
      const batch = { appends, ceiling: ts };
      pending.push(batch);
      const appended = store.append({
        ranges: appends,
        ...(ts > 0 ? { clockCeiling: ts as Timestamp } : {}),
      });
      if (!isHeld && random.next() < 0.02) isHeld = true;
      if (random.next() < 0.7 && !isHeld) {
        await appended;
        for (const done of pending) {
          for (const append of done.appends) applyTo(modelOf(append.rangeId), append);
          ceiling = Math.max(ceiling, done.ceiling);
        }
        pending = [];
        if (random.next() < 0.2) await checkRead(store, models, random, seed);
        if (random.next() < 0.3) {
          const range = rangeId(random.int(1, 4));
          const model = modelOf(range);
          const keep = random.int(model.first, Math.max(model.first, ...model.entries.keys()));
          for (const each of [model, modelOf(range, next)]) {
            each.first = Math.max(each.first, keep);
            for (const index of [...each.entries.keys()])
              if (index < keep) each.entries.delete(index);
          }
          store.compact(range, keep);
        }
      } else appended.catch(() => undefined);
      for (let i = random.int(0, 2); i > 0; i--) await new Promise((done) => setImmediate(done));
    }
    await new Promise((done) => setImmediate(done));
    disk.crash(random, random.next() < 0.5 ? 0 : 0.6);
    disk.beforeSync = () => Promise.resolve();
    const reopened = await open(disk);
    store = reopened.store;
    models = matchModels(models, pending, reopened, seed);
    expect(reopened.clockCeiling, `seed ${seed}: ceiling`).toBeGreaterThanOrEqual(ceiling);
    ceiling = reopened.clockCeiling;
  }
  const reached = store.segmentCount();
  expect(reached, `seed ${seed}: segments are freed`).toBeLessThan(60);
}

/** What is durable can be read back, from anywhere, in parts. */
async function checkRead(
  store: RaftLogStore,
  models: ReadonlyMap<RangeId, Model>,
  random: Random,
  seed: number,
): Promise<void> {
  for (const [range, model] of models) {
    const last = Math.max(model.first - 1, ...model.entries.keys());
    const from = random.int(model.first, last + 1);
    const to = random.int(from, last + 2);
    const bytesMax = random.int(1, 300);
    const read = await store.read(range, { from, to, bytesMax });
    const hasAny = from <= last && from < to;
    expect(read.length > 0, `seed ${seed}: range ${range} from ${from} to ${to}`).toBe(hasAny);
    let bytes = 0;
    read.forEach(({ index, data }, i) => {
      expect(index).toBe(from + i);
      expect(data.toString()).toBe(model.entries.get(index));
      bytes += data.length;
    });
    const end = from + read.length;
    if (hasAny) expect(end > last || end >= to || bytes >= bytesMax).toBe(true);
  }
}

/** What is back must be what is certain plus some prefix of the records that were under way. */
function matchModels(
  certain: Map<RangeId, Model>,
  pending: readonly { appends: LogAppend[] }[],
  reopened: Awaited<ReturnType<typeof open>>,
  seed: number,
): Map<RangeId, Model> {
  const result = new Map<RangeId, Model>();
  const ranges = new Set([...certain.keys(), ...reopened.ranges.keys()]);
  for (const range of ranges) {
    const base = certain.get(range) ?? {
      hardState: { term: 0, vote: 0 },
      entries: new Map<number, string>(),
      first: 1,
    };
    const found = reopened.ranges.get(range);
    const entries = new Map(
      (found?.entries ?? [])
        .filter((entry) => entry.index >= base.first)
        .map((entry) => [entry.index, entry.data.toString()]),
    );
    const hardState = found?.hardState ?? { term: 0, vote: 0 };
    const steps = pending.flatMap((batch) =>
      batch.appends.filter((each) => each.rangeId === range),
    );
    const candidates = prefixesOf(base, steps);
    const match = candidates.find(
      (each) =>
        JSON.stringify(each.hardState) === JSON.stringify(hardState) &&
        JSON.stringify([...each.entries].sort((a, b) => a[0] - b[0])) ===
          JSON.stringify([...entries].sort((a, b) => a[0] - b[0])),
    );
    expect(match, `seed ${seed}: range ${range} came back as it never was`).toBeDefined();
    result.set(range, { hardState, entries, first: base.first });
  }
  return result;
}

/** The states of a range after every prefix of records: hard state, truncation, entries one by one. */
function prefixesOf(base: Model, steps: readonly LogAppend[]): Model[] {
  const states = [structuredClone(base)];
  const advance = (append: LogAppend): void => {
    const model = structuredClone(states.at(-1)!);
    applyTo(model, append);
    states.push(model);
  };
  for (const { rangeId: id, hardState, truncateFrom, entries } of steps) {
    const nothing = { rangeId: id, truncateFrom: undefined, entries: [], hardState: undefined };
    if (hardState !== undefined) advance({ ...nothing, hardState });
    if (truncateFrom !== undefined) advance({ ...nothing, truncateFrom });
    for (const entry of entries) advance({ ...nothing, entries: [entry] });
  }
  return states;
}

describe('raft log', () => {
  it('brings back what was acknowledged, after any crash', async () => {
    for (let seed = 1; seed <= 150; seed++) await runRandom(seed);
  });

  const one = (index: number): LogAppend => ({
    rangeId: rangeId(1),
    truncateFrom: undefined,
    entries: [{ index, term: 1, data: Buffer.from(`entry ${index}`) }],
    hardState: undefined,
  });

  /** Where the record of the entry `place + 1` begins. */
  const recordOffset = (place: number): number => SEGMENT_HEADER_BYTES + place * 22;

  it('refuses to start where an acknowledged record is damaged', async () => {
    for (const damaged of [0, 1, 2]) {
      const disk = new SimDisk();
      const { store } = await open(disk);
      for (let index = 1; index <= 4; index++) await store.append({ ranges: [one(index)] });
      disk.flipBit('log-0000000001', recordOffset(damaged) + 16);
      await expect(open(disk), `record ${damaged}`).rejects.toThrow(LogCorruption);
    }
  });

  it('cuts a damaged last record: it may not have been acknowledged', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    for (let index = 1; index <= 4; index++) await store.append({ ranges: [one(index)] });
    disk.flipBit('log-0000000001', recordOffset(3) + 16);
    const { ranges, store: again } = await open(disk);
    expect(ranges.get(rangeId(1))?.entries.map((entry) => entry.index)).toEqual([1, 2, 3]);
    await again.append({ ranges: [one(4)] });
    const reopened = await open(disk);
    expect(reopened.ranges.get(rangeId(1))?.entries).toHaveLength(4);
  });

  it('acknowledges nothing after a failed sync, and does not try again', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [one(1)] });
    disk.failSyncs = true;
    await expect(store.append({ ranges: [one(2)] })).rejects.toThrow('cannot be written');
    disk.failSyncs = false;
    await expect(store.append({ ranges: [one(3)] })).rejects.toThrow('cannot be written');
  });

  it('shares one sync among all that arrives while another runs', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    await store.append({ ranges: [one(1)] });
    const before = disk.syncs;
    await Promise.all([2, 3, 4, 5].map((index) => store.append({ ranges: [one(index)] })));
    expect(disk.syncs - before).toBe(2);
  });

  it('keeps hard states and the ceiling while segments come and go', async () => {
    const disk = new SimDisk();
    const { store } = await open(disk);
    const hardState = { term: 7, vote: 2 };
    const quiet = { rangeId: rangeId(9), truncateFrom: undefined, entries: [], hardState };
    await store.append({ ranges: [quiet], clockCeiling: 77 as Timestamp });
    for (let index = 1; index <= 400; index++) {
      await store.append({ ranges: [one(index)] });
      store.compact(rangeId(1), index);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(store.segmentCount()).toBeLessThan(8);
    const { ranges, clockCeiling } = await open(disk);
    expect(ranges.get(rangeId(9))?.hardState).toEqual(hardState);
    expect(clockCeiling).toBeGreaterThanOrEqual(77);
  });
});
