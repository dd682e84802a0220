/**
 * All versions of one node, for all its ranges, and the range-local state: memory tables over an engine that holds
 * exactly the last checkpoint.
 *
 *        apply --> [ active table ] --freeze--> [ frozen table ] --checkpoint--> [ engine ]
 *                   newest versions              kept until the                   head per key,
 *                                                next freeze                      history, local state
 *
 * Reads look at the active table, then the frozen one, then the engine. In the engine the newest version of a key is
 * under a fixed key, its *head*, so a read at a recent timestamp is one synchronous point read; only a snapshot older
 * than the head goes to the history, asynchronously. Scans go over heads kept in memory (head-cache.ts), where those
 * reach. (Layout: mvcc-key.ts; argument for half-written checkpoints: mvcc-checkpoint.ts; for snapshots:
 * mvcc-install.ts; for scans beside writers: mvcc-scan.ts.)
 *
 * The frozen table stays after it is flushed, so the window of section 4.4 never starts empty: all versions above
 * `windowFloor()` are in memory.
 *
 * Concurrency: reads and `apply` are synchronous steps. Whatever writes the engine (checkpoint, install, clear,
 * collect) does so under one writer lock, first come, first served. A failed engine write ends the store: every later
 * call that would write rejects with the same error, and nothing is retried.
 *
 * Bounds: at most two tables of `tableBytesMax`, each with a quarter more if writers had to be held back (`isFull`) while
 * it filled, and `headCacheBytes`.
 * It does not: decide when to checkpoint, know locks or undecided writes, check that timestamps are allowed.
 */
import { assert } from '../../src/base/assert.ts';
import type { TxnId } from '../../src/base/ids.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp, TS_ZERO } from '../../src/base/timestamp.ts';
import type { Scheduler } from '../../src/env/env.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';
import { BatchWriter, turn } from './batch-writer.ts';
import { CheckpointPace } from './checkpoint-pace.ts';
import { GarbageLists } from './garbage-list.ts';
import { HeadCache } from './head-cache.ts';
import { isPoint, MemoryTable } from './memory-table.ts';
import { writeTable } from './mvcc-checkpoint.ts';
import { collectStep } from './mvcc-gc.ts';
import { clearEngineSpan, localWrites, SpanInstallation } from './mvcc-install.ts';
import {
  decodeHead,
  decodeTimestamp,
  encodeTimestamp,
  headKey,
  headSpan,
  headTimestamp,
  headValue,
  HIGHEST_TS_KEY,
  historySpan,
  LOCAL_SPAN,
  localFromEngine,
  stagedToEngine,
} from './mvcc-key.ts';
import { hasNewerHead, newerMem, newerOf, readHistory, scanLayers } from './mvcc-scan.ts';
import type {
  ApplyOptions,
  CollectCursor,
  CollectStep,
  Installation,
  LocalWrite,
  MvccOptions,
  MvccScanOptions,
  MvccScanResult,
  MvccWrite,
  Thresholds,
  VersionInfo,
  VersionStream,
} from './mvcc-types.ts';
import type { Mvcc } from './mvcc.ts';
import type { MemVersion } from './version-rows.ts';
import { MergedVersionStream } from './version-stream.ts';
import { WriterLock } from './writer-lock.ts';

export const MVCC_DEFAULTS: MvccOptions = {
  tableBytesMax: 48 << 20,
  // Each batch is made in one step and synced: the event loop, and the log's own syncs, wait for it (bench/README.md).
  batchBytesMax: 256 << 10,
  batchWritesMax: 500,
  headCacheBytes: 32 << 20,
  spreadMs: 0,
  nextFill: () => 1,
};

/** Writes of `applyBulk` in one turn. */
const BULK_SLICE = 500;
/** Local state read at a time. */
const LOCAL_ENTRIES = 1_000;

export class MvccStore implements Mvcc {
  readonly #scheduler: Scheduler;
  readonly #engine: Engine;
  readonly #options: MvccOptions;
  readonly #lock = new WriterLock();
  /** What scans have read from the engine. */
  readonly #heads: HeadCache;
  readonly #lists: GarbageLists;
  /** Takes all versions that are applied. */
  #active: MemoryTable;
  /** Being flushed, or flushed and kept for validation. Never changes, but for spans that are cleared. */
  #frozen: MemoryTable | undefined;
  /** The frozen table is in the engine as a whole, its local state included. */
  #isFrozenFlushed = true;
  #isCheckpointing = false;
  /** Soon to be closed: checkpoints do not rest. */
  #isHurried = false;
  /** No version was ever written to the engine: it need not be asked. */
  #isEngineEmpty: boolean;
  /** The highest timestamp applied or installed. */
  #highestTs: Timestamp;
  /** Versions up to here came in past the memory tables. */
  #installedTs = TS_ZERO;
  /** The active table has grown up at this size. */
  #wantedBytes: number;
  /** The active table has been announced as grown up. */
  #isAnnounced = false;
  #waiters: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** The engine is open, and belongs to this store from now on. */
  static async open(
    scheduler: Scheduler,
    engine: Engine,
    options: Partial<MvccOptions> = {},
  ): Promise<MvccStore> {
    const highest = engine.getSync(HIGHEST_TS_KEY);
    const { start, end } = headSpan({ start: KEY_MIN, end: KEY_MAX });
    const cursor = engine.iterate(start, end, { limit: 1 });
    const first = await cursor.nextBatch(1);
    await cursor.close();
    return new MvccStore(scheduler, engine, {
      options: { ...MVCC_DEFAULTS, ...options },
      highestTs: highest === undefined ? TS_ZERO : decodeTimestamp(highest),
      isEngineEmpty: first.length === 0,
      lists: await GarbageLists.open(engine),
    });
  }

  private constructor(
    scheduler: Scheduler,
    engine: Engine,
    start: {
      options: MvccOptions;
      highestTs: Timestamp;
      isEngineEmpty: boolean;
      lists: GarbageLists;
    },
  ) {
    this.#scheduler = scheduler;
    this.#engine = engine;
    this.#options = start.options;
    this.#heads = new HeadCache(start.options.headCacheBytes);
    this.#lists = start.lists;
    this.#highestTs = start.highestTs;
    this.#isEngineEmpty = start.isEngineEmpty;
    this.#active = new MemoryTable(start.highestTs);
    this.#wantedBytes = this.#options.tableBytesMax * this.#options.nextFill();
  }

  get(key: Key, ts: Timestamp): MaybePromise<Uint8Array | undefined> {
    const best = this.#inMemory(key, ts);
    if (this.#isAnswer(best)) return best?.value;
    const head = this.#engine.getSync(headKey(key));
    if (best === undefined && (head === undefined || headTimestamp(head) <= ts)) {
      return head === undefined ? undefined : headValue(head);
    }
    const version = this.#belowHead(key, ts, best, head);
    return isPromise(version) ? version.then((found) => found?.value) : version?.value;
  }

  versionAt(key: Key, ts: Timestamp): MaybePromise<VersionInfo | undefined> {
    const best = this.#inMemory(key, ts);
    if (this.#isAnswer(best)) return best?.info();
    return this.#belowHead(key, ts, best, this.#engine.getSync(headKey(key)));
  }

  newest(key: Key): VersionInfo | undefined {
    const best = newerMem(this.#active.newest(key), this.#frozen?.newest(key));
    if (this.#isAnswer(best)) return best?.info();
    const head = this.#engine.getSync(headKey(key));
    return newerOf(best, head === undefined ? undefined : decodeHead(head));
  }

  scan(span: Span, ts: Timestamp, options: MvccScanOptions = {}): MaybePromise<MvccScanResult> {
    const disk = this.#isEngineEmpty ? undefined : { engine: this.#engine, heads: this.#heads };
    return scanLayers(this.#tables(), disk, span, ts, options);
  }

  hasNewer(span: Span, afterTs: Timestamp): MaybePromise<boolean> {
    if (this.newerInMemory(span, afterTs)) return true;
    if (afterTs >= this.windowFloor() || this.#isEngineEmpty) return false;
    if (!isPoint(span)) return hasNewerHead(this.#engine, span, afterTs);
    const head = this.#engine.getSync(headKey(span.start));
    return head !== undefined && headTimestamp(head) > afterTs;
  }

  newerInMemory(span: Span, afterTs: Timestamp): boolean {
    return this.#active.hasNewer(span, afterTs) || this.#frozen?.hasNewer(span, afterTs) === true;
  }

  windowFloor(): Timestamp {
    return maxTimestamp((this.#frozen ?? this.#active).floorTs, this.#installedTs);
  }

  highestTs(): Timestamp {
    return this.#highestTs;
  }

  apply(
    writes: readonly MvccWrite[],
    ts: Timestamp,
    txnId: TxnId,
    options: ApplyOptions = {},
  ): void {
    const id = { ts, txnId };
    const isHistorical = options.isHistorical === true;
    for (const { key, value } of writes) this.#active.put(key, value, id, isHistorical);
    this.#highestTs = maxTimestamp(this.#highestTs, ts);
    this.#maybeAnnounce();
  }

  async applyBulk(
    next: () => MaybePromise<readonly MvccWrite[] | undefined>,
    ts: Timestamp,
    txnId: TxnId,
  ): Promise<void> {
    for (;;) {
      const writes = await next();
      if (writes === undefined) return;
      for (let from = 0; from < writes.length; from += BULK_SLICE) {
        if (this.isFull()) await this.whenRoom();
        this.apply(writes.slice(from, from + BULK_SLICE), ts, txnId);
        await turn(this.#scheduler);
      }
    }
  }

  isFull(): boolean {
    return this.#active.bytes >= this.#options.tableBytesMax * 1.25;
  }

  whenRoom(): Promise<void> {
    if (!this.isFull()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  memoryBytes(): number {
    return this.#active.bytes + (this.#frozen?.bytes ?? 0);
  }

  stage(name: Key, bytes: Uint8Array): void {
    this.#active.stage(name, bytes);
    this.#maybeAnnounce();
  }

  staged(name: Key): Uint8Array | undefined {
    for (const table of this.#tables()) {
      const bytes = table.staged.get(name);
      if (bytes !== undefined) return bytes;
      if (table.unstaged.has(name)) return undefined;
    }
    return this.#engine.getSync(stagedToEngine(name));
  }

  unstage(name: Key): void {
    this.#active.unstage(name);
  }

  needsCheckpoint(): boolean {
    return !this.#isCheckpointing && this.#isGrown();
  }

  async checkpoint(
    collectLocal: () => readonly LocalWrite[],
    thresholdOf: (key: Key) => Timestamp = () => TS_ZERO,
  ): Promise<void> {
    assert(!this.#isCheckpointing, 'a checkpoint is running');
    this.#isCheckpointing = true;
    try {
      await this.#exclusive(async () => {
        const table = this.#freeze();
        const local = collectLocal();
        const highestTs = this.#highestTs;
        const out = this.#newWriter();
        const options = {
          isEngineEmpty: this.#isEngineEmpty,
          pace: this.#paceOf(table),
          thresholdOf,
        };
        await writeTable(this.#engine, table, out, options);
        if (table.size > 0) this.#isEngineEmpty = false;
        const unstaged = [...table.unstaged].map((name) => stagedToEngine(name));
        const last = this.#localBatch(local, highestTs);
        for (const key of unstaged) last.push({ key, value: undefined });
        await this.#engine.batch(last, { sync: true });
        this.#isFrozenFlushed = true;
      });
    } finally {
      this.#isCheckpointing = false;
    }
    if (this.#isGrown()) this.#announce();
  }

  hurry(): void {
    this.#isHurried = true;
  }

  async readLocal(): Promise<readonly { readonly key: Key; readonly value: Buffer }[]> {
    const cursor = this.#engine.iterate(LOCAL_SPAN.start, LOCAL_SPAN.end);
    const found: { readonly key: Key; readonly value: Buffer }[] = [];
    try {
      for (;;) {
        const entries = await cursor.nextBatch(LOCAL_ENTRIES);
        if (entries.length === 0) return found;
        for (const [key, value] of entries) found.push({ key: localFromEngine(key), value });
      }
    } finally {
      await cursor.close();
    }
  }

  writeLocal(writes: readonly LocalWrite[]): Promise<void> {
    return this.#exclusive(() => this.#engine.batch(localWrites(writes), { sync: true }));
  }

  versions(span: Span, afterTs?: Timestamp): VersionStream {
    return new MergedVersionStream(this.#tables(), this.#engine, span, afterTs ?? -1);
  }

  async install(span: Span, mark: readonly LocalWrite[]): Promise<Installation> {
    await this.clear(span, mark, []);
    this.#isEngineEmpty = false;
    return new SpanInstallation(
      {
        engine: this.#engine,
        exclusive: (step) => this.#exclusive(step),
        newWriter: () => this.#newWriter(),
        raiseFloor: (ts) => {
          this.#installedTs = maxTimestamp(this.#installedTs, ts);
          this.#highestTs = maxTimestamp(this.#highestTs, ts);
        },
        localBatch: (local) => this.#localBatch(local, this.#highestTs),
      },
      span,
    );
  }

  clear(span: Span, before: readonly LocalWrite[], after: readonly LocalWrite[]): Promise<void> {
    return this.#exclusive(async () => {
      if (before.length > 0) await this.#engine.batch(localWrites(before), { sync: true });
      this.#active.removeSpan(span);
      this.#frozen?.removeSpan(span);
      await clearEngineSpan(this.#engine, this.#newWriter(), span);
      if (after.length > 0) await this.#engine.batch(localWrites(after), { sync: true });
      this.#wakeWaiters();
    });
  }

  collect(thresholds: Thresholds, from?: CollectCursor): Promise<CollectStep> {
    const isInMemory = (key: Key): boolean =>
      this.#tables().some((table) => table.newest(key) !== undefined);
    return this.#exclusive(() => {
      const target = { engine: this.#engine, lists: this.#lists, out: this.#newWriter() };
      return collectStep(target, { thresholds, isInMemory }, from);
    });
  }

  async sizeOf(span: Span): Promise<number> {
    const heads = headSpan(span);
    const history = historySpan(span);
    const unflushed = this.#isFrozenFlushed ? 0 : (this.#frozen?.bytesIn(span) ?? 0);
    const inMemory = this.#active.bytesIn(span) + unflushed;
    if (this.#isEngineEmpty) return inMemory;
    const headBytes = await this.#engine.approximateSize(heads.start, heads.end);
    const historyBytes = await this.#engine.approximateSize(history.start, history.end);
    return inMemory + headBytes + historyBytes;
  }

  /** Newest first. */
  #tables(): MemoryTable[] {
    return this.#frozen === undefined ? [this.#active] : [this.#active, this.#frozen];
  }

  #inMemory(key: Key, ts: Timestamp): MemVersion | undefined {
    const active = this.#active.at(key, ts);
    const frozen = this.#frozen?.at(key, ts);
    return newerMem(active, frozen);
  }

  /** Whether what memory found needs no look into the engine. */
  #isAnswer(best: MemVersion | undefined): boolean {
    return this.#isEngineEmpty || (best !== undefined && !best.isHistorical);
  }

  #belowHead(
    key: Key,
    ts: Timestamp,
    best: MemVersion | undefined,
    head: Buffer | undefined,
  ): MaybePromise<VersionInfo | undefined> {
    if (head === undefined) return newerOf(best, undefined);
    const newest = decodeHead(head);
    if (newest.ts <= ts) return newerOf(best, newest);
    return readHistory(this.#engine, key, ts).then((older) => newerOf(best, older));
  }

  #freeze(): MemoryTable {
    const table = this.#active;
    this.#frozen = table;
    this.#isFrozenFlushed = false;
    this.#active = new MemoryTable(this.#highestTs);
    this.#wantedBytes = this.#options.tableBytesMax * this.#options.nextFill();
    this.#isAnnounced = false;
    this.#wakeWaiters();
    return table;
  }

  #paceOf(table: MemoryTable): CheckpointPace {
    const { tableBytesMax, spreadMs } = this.#options;
    const share = Math.min(1, table.bytes / tableBytesMax);
    return new CheckpointPace(this.#scheduler, spreadMs * share, () =>
      this.#isHurried || this.#lock.isAwaited ? 0 : tableBytesMax - this.#active.bytes,
    );
  }

  #localBatch(local: readonly LocalWrite[], highestTs: Timestamp): EngineWrite[] {
    const writes = localWrites(local);
    writes.push({ key: HIGHEST_TS_KEY, value: encodeTimestamp(highestTs) });
    return writes;
  }

  #newWriter(): BatchWriter {
    const target = { engine: this.#engine, heads: this.#heads, lists: this.#lists };
    return new BatchWriter(target, this.#scheduler, this.#options);
  }

  async #exclusive<T>(step: () => Promise<T>): Promise<T> {
    try {
      return await this.#lock.run(step);
    } catch (error) {
      const waiters = this.#waiters;
      this.#waiters = [];
      for (const { reject } of waiters) reject(error);
      throw error;
    }
  }

  #maybeAnnounce(): void {
    if (this.#isAnnounced || !this.#isGrown()) return;
    if (!this.#isCheckpointing) this.#announce();
  }

  #isGrown(): boolean {
    return this.#active.bytes >= this.#wantedBytes;
  }

  #announce(): void {
    this.#isAnnounced = true;
    this.#options.onCheckpointNeeded?.();
  }

  #wakeWaiters(): void {
    if (this.isFull()) return;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve } of waiters) resolve();
  }
}
