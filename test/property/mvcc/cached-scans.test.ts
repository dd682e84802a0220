/**
 * Scans over cached heads against the naive model, with writers in the engine at any point: checkpoints, collections,
 * spans that are cleared or replaced by a snapshot. Scans begin before, while and after a batch is written, and end
 * whenever. And the cache alone: what it says is what the engine holds, within its bounds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeTxnId, nodeId } from '../../../src/base/ids.ts';
import { isPromise } from '../../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../../src/base/span.ts';
import { KEY_MAX } from '../../../src/base/span.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';
import type { Head } from '../../../storage/mvcc/head-cache.ts';
import { HeadCache } from '../../../storage/mvcc/head-cache.ts';
import { headKey } from '../../../storage/mvcc/mvcc-key.ts';
import { MvccStore } from '../../../storage/mvcc/mvcc-store.ts';
import type { MvccScanResult } from '../../../storage/mvcc/mvcc-types.ts';
import { SlowEngine } from '../../support/slow-engine.ts';
import { TurnScheduler } from '../../support/turn-scheduler.ts';
import { MvccModel } from './mvcc-model.ts';

const KEY_COUNT = 24;

type Command =
  | { kind: 'apply'; writes: [key: number, value: string | null][]; isHistorical: boolean }
  | { kind: 'checkpoint' }
  | { kind: 'collect'; age: number }
  | { kind: 'clear' | 'install'; from: number; to: number; values: string[] }
  | { kind: 'scan'; from: number; to: number; age: number; reverse: boolean; limit: number }
  | { kind: 'release'; which: number };

const place = fc.nat(KEY_COUNT);
const letters = fc.string({ maxLength: 2 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      writes: fc.array(fc.tuple(place, fc.option(letters)), { minLength: 1, maxLength: 8 }),
      isHistorical: fc.nat(5).map((n) => n === 0),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('collect' as const), age: fc.nat(4) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('clear' as const, 'install' as const),
      from: place,
      to: place,
      values: fc.array(letters, { maxLength: 6 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      from: place,
      to: place,
      age: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(6)),
      reverse: fc.boolean(),
      limit: fc.constantFrom(1, 2, 3, 100),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat(5) }),
  },
);

interface Running {
  readonly ts: number;
  readonly done: Promise<unknown>;
}

class Bench {
  readonly model = new MvccModel();
  readonly engine = new SlowEngine();
  readonly #store: MvccStore;
  now = 1;
  threshold = 0;
  /** Scans answered in the turn in which they were asked. */
  syncScans = 0;
  #scans = new Set<Running>();
  #writer: Promise<unknown> | undefined;

  private constructor(store: MvccStore, engine: SlowEngine) {
    this.#store = store;
    this.engine = engine;
  }

  static async start(headCacheBytes: number): Promise<Bench> {
    const engine = new SlowEngine();
    await engine.open();
    const opening = MvccStore.open(new TurnScheduler('automatic'), engine, {
      ...{ batchWritesMax: 3, tableBytesMax: 1 << 20, headCacheBytes },
    });
    await Promise.resolve();
    while (!engine.isIdle) await engine.release(0);
    return new Bench(await opening, engine);
  }

  async run(step: Command): Promise<void> {
    switch (step.kind) {
      case 'apply':
        this.#apply(step.writes, step.isHistorical);
        return;
      case 'checkpoint':
        this.#write(() => this.#store.checkpoint(() => []));
        return;
      case 'collect': {
        const oldest = Math.min(this.now, ...[...this.#scans].map(({ ts }) => ts));
        this.threshold = Math.max(this.threshold, oldest - step.age);
        this.#write(() => this.#collect(this.threshold as Timestamp));
        return;
      }
      case 'clear':
      case 'install':
        await this.#replace(spanOf(step.from, step.to), step.kind === 'clear' ? [] : step.values);
        return;
      case 'scan':
        this.#scan(spanOf(step.from, step.to), step);
        return;
      case 'release':
        await this.engine.release(step.which);
    }
  }

  async finish(): Promise<void> {
    for (;;) {
      while (!this.engine.isIdle) await this.engine.release(0);
      const [scan] = this.#scans;
      const waiting = this.#writer ?? scan?.done;
      if (waiting === undefined) return;
      let isDone = false;
      const done = waiting.then(() => (isDone = true));
      while (!isDone) await this.engine.release(0);
      await done;
    }
  }

  #apply(writes: readonly [number, string | null][], isHistorical: boolean): void {
    const given = new Map(writes);
    // What is backfilled lies in the past, above what has been collected and read.
    const ts = ++this.now as Timestamp;
    const id = txn(ts);
    for (const [key, value] of given) {
      this.model.apply({ key: keyAt(key), ts, txnId: id, value: value ?? undefined });
    }
    this.#store.apply(
      [...given].map(([key, value]) => ({
        key: keyAt(key),
        value: value === null ? null : Buffer.from(value),
      })),
      ts,
      id,
      { isHistorical },
    );
  }

  #write(step: () => Promise<unknown>): void {
    if (this.#writer !== undefined) return;
    this.#writer = step().finally(() => (this.#writer = undefined));
  }

  async #collect(threshold: Timestamp): Promise<void> {
    for (let from; ;) {
      const { resume } = await this.#store.collect(
        { highest: threshold, of: () => threshold },
        from,
      );
      if (resume === undefined) return;
      from = resume;
    }
  }

  /** Nothing is read or applied in the span meanwhile. */
  async #replace(span: Span, values: readonly string[]): Promise<void> {
    await this.finish();
    const installing = this.#store.install(span, []);
    this.#write(async () => {
      const installation = await installing;
      const ts = ++this.now as Timestamp;
      const records = values.flatMap((value, i) => {
        const key = (span.start + String(i)) as Key;
        return key < span.end ? [{ key, ts, txnId: txn(ts), value: Buffer.from(value) }] : [];
      });
      await installation.write(records);
      await installation.finish([]);
      this.model.clear(span);
      for (const { key, txnId, value } of records) {
        this.model.apply({ key, ts, txnId, value: value.toString() });
      }
    });
    await this.finish();
  }

  #scan(span: Span, options: { age: number; reverse: boolean; limit: number }): void {
    const ts = Math.max(this.threshold, this.now - options.age) as Timestamp;
    // RANGE-1: what is applied from now on is above it.
    this.now = Math.max(this.now, ts);
    const { reverse, limit } = options;
    const rows = this.model.rows(span, ts);
    if (reverse) rows.reverse();
    const answer = this.#store.scan(span, ts, { reverse, limitRows: limit });
    const check = (result: MvccScanResult): void => {
      const found = result.rows.map(({ key, value }) => ({
        key,
        value: Buffer.from(value).toString(),
      }));
      // A row looked up in vain counts against the limit.
      expect(found).toEqual(rows.slice(0, result.resume === undefined ? limit : found.length));
    };
    if (!isPromise(answer)) {
      this.syncScans++;
      check(answer);
      return;
    }
    const scan: Running = {
      ts,
      done: answer.then(check).finally(() => this.#scans.delete(scan)),
    };
    scan.done.catch(() => undefined);
    this.#failures.push(scan.done);
    this.#scans.add(scan);
  }

  readonly #failures: Promise<unknown>[] = [];

  /** Rejects with the first scan that was wrong. */
  async verify(): Promise<void> {
    await Promise.all(this.#failures);
  }
}

describe('scans over cached heads', () => {
  it.each([
    ['everything fits', 1 << 20, 1],
    ['nearly nothing fits', 4_000, 0],
    ['there is no cache', 0, 0],
  ])('give what the model gives, when %s', async (_, headCacheBytes, syncMin) => {
    let syncScans = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 20, maxLength: 120 }), async (commands) => {
        const bench = await Bench.start(headCacheBytes);
        for (const step of commands) await bench.run(step);
        await bench.finish();
        await bench.verify();
        syncScans += bench.syncScans;
      }),
      { numRuns: 250 },
    );
    expect(syncScans).toBeGreaterThanOrEqual(syncMin);
  });
});

type CacheStep =
  | { kind: 'read'; from: number; count: number; isLate: boolean }
  | { kind: 'write'; keys: number[] }
  | { kind: 'look'; at: number };

const GROUND = 600;
const cacheStep: fc.Arbitrary<CacheStep> = fc.oneof(
  fc.record({
    kind: fc.constant('read' as const),
    from: fc.nat(GROUND),
    count: fc.oneof(fc.nat(12), fc.nat(400)),
    isLate: fc.nat(9).map((n) => n === 0),
  }),
  fc.record({
    kind: fc.constant('write' as const),
    keys: fc.array(fc.nat(GROUND), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constant('look' as const), at: fc.nat(GROUND + 1) }),
);

describe('HeadCache', () => {
  it.each([
    ['a large budget', 1 << 20],
    ['a small budget', 40_000],
  ])('holds what the engine holds, with %s', (_, bytesMax) => {
    let found = 0;
    fc.assert(
      fc.property(fc.array(cacheStep, { minLength: 10, maxLength: 80 }), (steps) => {
        const cache = new HeadCache(bytesMax);
        /** Every third place has a head; writes put one, or take it away. */
        const engine = new Map<number, Head>();
        for (let i = 0; i < GROUND; i += 3) engine.set(i, headAt(i, 1));
        const headsIn = (from: Key, to: Key): Head[] =>
          [...engine.values()]
            .filter(({ key }) => key >= from && key < to)
            .sort((a, b) => (a.key < b.key ? -1 : 1));
        for (const [clock, step] of steps.entries()) {
          if (step.kind === 'read') {
            const span = { start: keyAt(step.from), end: keyAt(step.from + step.count) };
            if (span.start >= span.end) continue;
            const { generation } = cache;
            const heads = headsIn(span.start, span.end);
            if (step.isLate) {
              engine.set(step.from, headAt(step.from, clock));
              cache.forget([{ key: headKey(keyAt(step.from)), value: Buffer.alloc(0) }]);
            }
            cache.add(span, heads, generation);
          } else if (step.kind === 'write') {
            for (const i of step.keys) {
              if (engine.has(i) && i % 2 === 0) engine.delete(i);
              else engine.set(i, headAt(i, clock));
            }
            cache.forget(step.keys.map((i) => ({ key: headKey(keyAt(i)), value: undefined })));
          } else {
            const key = keyAt(step.at);
            const at = cache.at(key);
            const below = cache.below(key);
            for (const run of [at, below]) {
              if (run === undefined) continue;
              found++;
              expect(run.heads).toEqual(headsIn(run.start, run.end));
              expect(run.heads.length).toBeLessThanOrEqual(128);
            }
            if (at !== undefined) expect(at.start <= key && key < at.end).toBe(true);
            if (below !== undefined) expect(below.start < key && key <= below.end).toBe(true);
          }
          expect(cache.bytes).toBeLessThanOrEqual(bytesMax);
          expect(cache.bytes > 0).toBe(cache.runCount > 0);
        }
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(0);
  });

  it('joins neighbours, so that runs do not get ever smaller', () => {
    const cache = new HeadCache(1 << 20);
    for (const from of [0, 20, 10, 30, 15]) {
      const heads = Array.from({ length: 10 }, (_, i) => headAt(from + i, 1));
      cache.add({ start: keyAt(from), end: keyAt(from + 10) }, heads, cache.generation);
    }
    expect(cache.runCount).toBe(1);
    expect(cache.at(keyAt(7))?.heads.map(({ key }) => key)).toEqual(
      Array.from({ length: 40 }, (_, i) => keyAt(i)),
    );
  });

  it('evicts what nobody asked for first', () => {
    const cache = new HeadCache(20_000);
    const add = (from: number): void => {
      const heads = Array.from({ length: 8 }, (_, i) => headAt(from + i, 1));
      cache.add({ start: keyAt(from), end: keyAt(from + 8) }, heads, cache.generation);
    };
    add(0);
    for (let from = 20; from < 500; from += 20) {
      expect(cache.at(keyAt(0))).toBeDefined();
      add(from);
    }
    expect(cache.at(keyAt(20))).toBeUndefined();
  });
});

function headAt(i: number, ts: number): Head {
  return { key: keyAt(i), value: Buffer.from(`${i}@${ts}`), ts: ts as Timestamp };
}

function keyAt(i: number): Key {
  return `k${String(i).padStart(4, '0')}` as Key;
}

function spanOf(from: number, to: number): Span {
  const [low, high] = from <= to ? [from, to] : [to, from];
  return { start: keyAt(low), end: high === KEY_COUNT ? KEY_MAX : keyAt(high + 1) };
}

function txn(ts: Timestamp): ReturnType<typeof makeTxnId> {
  return makeTxnId(ts, nodeId(1), 1);
}
