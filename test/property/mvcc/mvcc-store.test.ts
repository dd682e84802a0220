/**
 * `MvccStore` against the naive model: random applies, checkpoints in the background, crashes at any batch with loss
 * of what was unsynced, restarts with replay, and every kind of read in between, at random timestamps.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeTxnId, nodeId } from '../../../src/base/ids.ts';
import type { Key, Span } from '../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, pointSpan } from '../../../src/base/span.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';
import { MvccStore } from '../../../storage/mvcc/mvcc-store.ts';
import type { ScanRow, Thresholds } from '../../../storage/mvcc/mvcc-types.ts';
import { CrashEngine } from '../../../src/sim/crash-engine.ts';
import { settle, TurnScheduler } from '../../support/turn-scheduler.ts';
import type { ModelVersion } from './mvcc-model.ts';
import { MvccModel } from './mvcc-model.ts';

const ALL: Span = { start: KEY_MIN, end: KEY_MAX };
/** Prefixes of each other, with zero and high bytes: what escaping must keep in order. */
const KEYS = [
  'a',
  'a\0',
  'a\0\x01',
  'a\0\xff',
  'a\x01',
  'a\x01\0',
  'ab',
  'b',
  'b\xfe',
  'c',
] as Key[];
const APPLIED = 'local/1/applied' as Key;

interface Entry {
  readonly writes: readonly { key: Key; value: string | null }[];
  readonly ts: Timestamp;
  readonly isHistorical: boolean;
}

type Command =
  | { kind: 'apply'; writes: { key: number; value: string | null }[]; step: number }
  | { kind: 'backfill'; key: number; value: string; ts: number }
  | { kind: 'checkpoint' }
  | { kind: 'raise'; side: 'left' | 'right'; lag: number }
  | { kind: 'turn' }
  | { kind: 'crash'; after: number; coin: boolean[] }
  | { kind: 'read'; key: number; ts: number }
  | { kind: 'scan'; from: number; to: number; ts: number; reverse: boolean; limit: number }
  | { kind: 'newer'; from: number; to: number; ts: number }
  | { kind: 'dump' };

const keyIndex = fc.nat(KEYS.length - 1);
const moment = fc.nat(200);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('apply' as const),
      writes: fc.array(
        fc.record({ key: keyIndex, value: fc.option(fc.string({ maxLength: 3 })) }),
        { minLength: 1, maxLength: 6 },
      ),
      step: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('backfill' as const),
      key: keyIndex,
      value: fc.string({ maxLength: 3 }),
      ts: moment,
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: 'turn' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('crash' as const),
      after: fc.nat(6),
      coin: fc.array(fc.boolean(), { maxLength: 4 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('read' as const), key: keyIndex, ts: moment }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('scan' as const),
      from: fc.nat(KEYS.length),
      to: fc.nat(KEYS.length),
      ts: moment,
      reverse: fc.boolean(),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('newer' as const),
      from: fc.nat(KEYS.length),
      to: fc.nat(KEYS.length),
      ts: moment,
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'dump' as const }) },
);

const raise: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('raise' as const),
  side: fc.constantFrom('left' as const, 'right' as const),
  lag: fc.nat(30),
});

/** A node with one range: a log that never loses anything, the store, and the model. */
class Bench {
  readonly model = new MvccModel();
  readonly log: Entry[] = [];
  readonly scheduler = new TurnScheduler('manual');
  engine = new CrashEngine();
  applied = 0;
  now = 0;
  /** Below which nobody reads: of keys below 'ab', and of the others. */
  readonly thresholds = { left: 0, right: 0 };
  #store: MvccStore | undefined;
  #running: Promise<void> | undefined;

  get store(): MvccStore {
    if (this.#store === undefined) throw new Error('not started');
    return this.#store;
  }

  async start(): Promise<void> {
    await this.engine.open();
    this.#store = await MvccStore.open(this.scheduler, this.engine, {
      batchWritesMax: 2,
      tableBytesMax: 1 << 20,
    });
    const local = await this.store.readLocal();
    this.applied = Number(local.find(({ key }) => key === APPLIED)?.value.toString() ?? 0);
    while (this.applied < this.log.length) this.#applyNext();
  }

  propose(entry: Entry): void {
    const { ts } = entry;
    const index = this.log.push(entry);
    for (const { key, value } of entry.writes) {
      this.model.apply({ key, ts, txnId: txn(index), value: value ?? undefined });
    }
    this.#applyNext();
  }

  checkpoint(): void {
    if (this.#running !== undefined) return;
    this.#running = this.store
      .checkpoint(
        () => [{ key: APPLIED, value: Buffer.from(String(this.applied)) }],
        (key) => this.thresholdOf(key),
      )
      .catch(() => undefined)
      .finally(() => (this.#running = undefined));
  }

  thresholdOf(key: Key): Timestamp {
    return (key < 'ab' ? this.thresholds.left : this.thresholds.right) as Timestamp;
  }

  /** The earliest moment at or above a given one that everyone may still read. */
  readable(ts: number): Timestamp {
    return Math.max(ts, this.thresholds.left, this.thresholds.right) as Timestamp;
  }

  async finishCheckpoint(): Promise<void> {
    while (this.#running !== undefined) await this.scheduler.turn();
  }

  /** Dies at some batch of a checkpoint, loses what the coin says, and comes back. */
  async crash(after: number, coin: readonly boolean[]): Promise<void> {
    this.engine.dieAfter(after);
    this.checkpoint();
    for (let i = 0; i <= after; i++) await this.scheduler.turn();
    let tosses = 0;
    this.engine = this.engine.crash(() => coin[tosses++] ?? false);
    await this.finishCheckpoint();
    await this.start();
  }

  #applyNext(): void {
    const entry = this.log[this.applied];
    if (entry === undefined) return;
    this.applied++;
    const writes = entry.writes.map(({ key, value }) => ({
      key,
      value: value === null ? null : Buffer.from(value),
    }));
    const { isHistorical } = entry;
    this.store.apply(writes, entry.ts, txn(this.applied), { isHistorical });
  }
}

async function run(bench: Bench, step: Command): Promise<void> {
  const { store, model } = bench;
  switch (step.kind) {
    case 'apply': {
      bench.now += step.step;
      const writes = new Map(step.writes.map(({ key, value }) => [KEYS[key] ?? KEY_MIN, value]));
      bench.propose({
        writes: [...writes].map(([key, value]) => ({ key, value })),
        ts: bench.now as Timestamp,
        isHistorical: false,
      });
      return;
    }
    case 'backfill': {
      // A backfill lies in the past: whatever is written later is above it.
      bench.now = Math.max(bench.now, 1);
      const ts = Math.max(1, Math.min(step.ts, bench.now)) as Timestamp;
      const key = KEYS[step.key] ?? KEY_MIN;
      bench.propose({ writes: [{ key, value: step.value }], ts, isHistorical: true });
      return;
    }
    case 'checkpoint':
      bench.checkpoint();
      return;
    case 'raise':
      bench.thresholds[step.side] = Math.max(bench.thresholds[step.side], bench.now - step.lag);
      return;
    case 'turn':
      await bench.scheduler.turn();
      return;
    case 'crash':
      await bench.crash(step.after, step.coin);
      return;
    case 'read': {
      const key = KEYS[step.key] ?? KEY_MIN;
      const ts = bench.readable(step.ts);
      expect(text(await store.get(key, ts))).toBe(model.at(key, ts)?.value);
      expect((await store.versionAt(key, ts))?.ts).toBe(model.at(key, ts)?.ts);
      expect(store.newest(key)?.ts ?? 0).toBe(model.newestTs(key));
      return;
    }
    case 'scan':
      await checkScan(bench, spanOf(step.from, step.to), step);
      return;
    case 'newer': {
      for (const span of [spanOf(step.from, step.to), pointSpan(KEYS[step.from] ?? KEY_MIN)]) {
        const after = bench.readable(step.ts);
        const answer = store.hasNewer(span, after);
        if (after >= store.windowFloor()) expect(typeof answer).toBe('boolean');
        expect(await answer).toBe(model.hasNewer(span, after));
      }
      return;
    }
    case 'dump':
      expect(await dump(store, ALL)).toEqual(model.dump(ALL));
  }
}

async function checkScan(
  bench: Bench,
  whole: Span,
  options: { ts: number; reverse: boolean; limit: number },
): Promise<void> {
  const ts = bench.readable(options.ts);
  const expected = bench.model.rows(whole, ts);
  if (options.reverse) expected.reverse();
  const rows: ScanRow[] = [];
  for (let span = whole; ;) {
    const pending = bench.store.scan(span, ts, {
      reverse: options.reverse,
      limitRows: options.limit,
    });
    // Applied while the scan is under way, above its snapshot: it must not be seen.
    bench.now = Math.max(bench.now, ts) + 1;
    bench.propose({
      writes: [{ key: 'ab' as Key, value: null }],
      ts: bench.now as Timestamp,
      isHistorical: false,
    });
    const batch = await pending;
    expect(batch.rows.length).toBeLessThanOrEqual(options.limit);
    rows.push(...batch.rows);
    if (batch.resume === undefined) break;
    span = options.reverse
      ? { start: span.start, end: batch.resume }
      : { start: batch.resume, end: span.end };
  }
  expect(rows.map(({ key, value }) => ({ key, value: text(value) }))).toEqual(expected);
}

describe('MvccStore against the model', () => {
  it('reads, scans and validates alike over checkpoints, crashes and replay', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async (commands) => {
        const bench = new Bench();
        await bench.start();
        for (const step of commands) await run(bench, step);
        await bench.finishCheckpoint();
        await bench.crash(1000, []);
        expect(await dump(bench.store, ALL)).toEqual(bench.model.dump(ALL));
        for (const key of KEYS) {
          for (let ts = 0; ts <= bench.now; ts += 7) {
            expect(text(await bench.store.get(key, ts as Timestamp))).toBe(
              bench.model.at(key, ts as Timestamp)?.value,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out of checkpoints only what no reader at or above the threshold of its key sees', async () => {
    const steps = fc.oneof({ weight: 8, arbitrary: command }, { weight: 2, arbitrary: raise });
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 60 }), async (commands) => {
        const bench = new Bench();
        await bench.start();
        for (const step of commands) if (step.kind !== 'dump') await run(bench, step);
        await bench.finishCheckpoint();
        await bench.crash(1000, []);
        const of = (key: Key): Timestamp => bench.thresholdOf(key);
        await expectReadable(bench, { highest: bench.readable(0), of });
        for (const key of KEYS) {
          expect(bench.store.newest(key)?.ts ?? 0).toBe(bench.model.newestTs(key));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('collects only what no reader at or above the threshold of its key sees, and in the end all of that', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 10, maxLength: 40 }),
        fc.tuple(moment, moment),
        fc.nat(8),
        async (commands, [left, right], diesAfter) => {
          const bench = new Bench();
          await bench.start();
          for (const step of commands) await run(bench, step);
          await bench.finishCheckpoint();
          bench.checkpoint();
          await bench.finishCheckpoint();
          const thresholds: Thresholds = {
            highest: Math.max(left, right) as Timestamp,
            of: (key) => (key < 'ab' ? left : right) as Timestamp,
          };
          bench.engine.dieAfter(diesAfter);
          await collect(bench, thresholds).catch(() => undefined);
          await bench.crash(1000, []);
          for (let pass = 0; pass < 2; pass++) {
            await collect(bench, thresholds);
            await settle();
            await expectReadable(bench, thresholds);
          }
          bench.checkpoint();
          await bench.finishCheckpoint();
          bench.checkpoint();
          await bench.finishCheckpoint();
          const all = (bench.now + 1) as Timestamp;
          // Twice: what was backfilled below a tombstone may be listed behind it.
          await collect(bench, { highest: all, of: () => all });
          await collect(bench, { highest: all, of: () => all });
          const rows = bench.model.rows(ALL, all);
          expect((await dump(bench.store, ALL)).map(({ key, value }) => ({ key, value }))).toEqual(
            rows,
          );
          expect(await listsIn(bench.engine)).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** One pass. */
async function collect(bench: Bench, thresholds: Thresholds): Promise<void> {
  for (let from; ;) {
    const pending = bench.store.collect(thresholds, from);
    await turnUntil(bench, pending);
    from = (await pending).resume;
    if (from === undefined) return;
  }
}

/** Every key, at every timestamp that its threshold allows. */
async function expectReadable(bench: Bench, thresholds: Thresholds): Promise<void> {
  for (const key of KEYS) {
    for (let ts: number = thresholds.of(key); ts <= bench.now + 1; ts += 3) {
      const { rows } = await bench.store.scan(pointSpan(key), ts as Timestamp);
      const expected = bench.model.rows(pointSpan(key), ts as Timestamp);
      expect(rows.map((row) => ({ key: row.key, value: text(row.value) }))).toEqual(expected);
      expect(text(await bench.store.get(key, ts as Timestamp))).toBe(expected[0]?.value);
    }
  }
}

async function listsIn(engine: CrashEngine): Promise<number> {
  const cursor = engine.iterate('\x05', '\x06');
  const lists = await cursor.nextBatch(1000);
  await cursor.close();
  return lists.length;
}

async function turnUntil(bench: Bench, pending: Promise<unknown>): Promise<void> {
  let isDone = false;
  const done = (): boolean => (isDone = true);
  void pending.then(done, done);
  while (!isDone) await bench.scheduler.turn();
}

async function dump(store: MvccStore, span: Span): Promise<ModelVersion[]> {
  const stream = store.versions(span);
  const found: ModelVersion[] = [];
  for (;;) {
    const records = await stream.next();
    if (records === undefined) break;
    for (const { key, ts, txnId, value } of records)
      found.push({ key, ts, txnId, value: text(value) });
  }
  await stream.close();
  return found;
}

function spanOf(from: number, to: number): Span {
  const bounds = [...KEYS, KEY_MAX];
  const [low, high] = from <= to ? [from, to] : [to, from];
  return { start: bounds[low] ?? KEY_MIN, end: bounds[high] ?? KEY_MAX };
}

function txn(index: number): ReturnType<typeof makeTxnId> {
  return makeTxnId(index as Timestamp, nodeId(1), index);
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString();
}
