/**
 * The Raft log of a node: one append-only log for all its ranges, in preallocated segments (segment.ts). An append is
 * durable when its promise resolves; everything that arrives while a flush runs becomes the next one: one write, one
 * fdatasync, no timer.
 *
 * Invariants:
 * - LOG-1: a promise resolves only after an fdatasync that began after its records were written.
 * - LOG-2: after a failed write or sync nothing is acknowledged any more, and nothing is retried.
 * - LOG-3: what a record says is in force until a later record of its range says otherwise; a segment is freed only
 *   when no record in it is in force. What little holds an old segment is copied forward first. Freeing waits for the
 *   flush that runs: what it has written is in force only once it is synced.
 *
 * In memory: per segment and range, the highest index it holds; the newest hard state of each range; the ceiling. The
 * entries themselves are handed over at start and then are Raft's to keep. Recovery is in recovery.ts.
 */
import { assert, must } from '../../src/base/assert.ts';
import { QuorateError } from '../../src/base/errors.ts';
import type { RangeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type { Disk } from '../../src/env/disk.ts';
import type { Logger, Scheduler } from '../../src/env/env.ts';
import { RecordWriter } from './record.ts';
import type { HardStateRecord } from './record.ts';
import { recoverLog } from './recovery.ts';
import type { RecoveredRange } from './recovery.ts';
import { SegmentPool } from './segment.ts';
import type { Segment } from './segment.ts';

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface LogAppend {
  readonly rangeId: RangeId;
  /** Entries from here on are replaced. */
  readonly truncateFrom: number | undefined;
  readonly entries: readonly LogEntry[];
  readonly hardState: HardStateRecord | undefined;
}

export interface LogBatch {
  readonly ranges: readonly LogAppend[];
  /** CLOCK-1: the clock starts from here after a restart; the highest one counts. */
  readonly clockCeiling?: Timestamp;
}

export interface LogOptions {
  readonly segmentBytes: number;
  /** Off: every append has a sync of its own. */
  readonly isGroupCommit: boolean;
  /** Segments beyond which what holds the oldest is copied forward. */
  readonly segmentsSoftMax: number;
}

export interface LogStats {
  readonly syncs: number;
  readonly bytes: number;
  readonly entries: number;
  readonly batches: number;
}

export class LogError extends QuorateError<'log_failed' | 'log_closed'> {
  override readonly name = 'LogError';
}

const DEFAULTS: LogOptions = {
  segmentBytes: 64 << 20,
  isGroupCommit: true,
  segmentsSoftMax: 4,
};

interface Queued {
  readonly batch: LogBatch;
  /** Hard states to be written again, as they are when the flush comes to them: never an older one. */
  readonly refresh: readonly RangeId[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the store knows of one range. */
interface RangeLog {
  hardState: HardStateRecord | undefined;
  /** Where the record of `hardState` lies. */
  hardStateIn: number;
  /** Entries below are not needed any more. */
  first: number;
}

export interface OpenedLog {
  readonly store: RaftLogStore;
  readonly ranges: Map<RangeId, RecoveredRange>;
  readonly clockCeiling: Timestamp;
}

export class RaftLogStore {
  readonly #options: LogOptions;
  readonly #log: Logger;
  readonly #scheduler: Scheduler;
  readonly #segments: SegmentPool;
  readonly #ranges = new Map<RangeId, RangeLog>();
  readonly #writer = new RecordWriter();
  /** Of the flush that runs: the segment written to, and those written to so far. */
  #segment: Segment | undefined;
  readonly #unsynced = new Set<Segment>();
  #ceiling: Timestamp = TS_ZERO;
  #ceilingIn = 0;
  #queue: Queued[] = [];
  #isFlushing = false;
  #isCleaning = false;
  /** Something may be freed once the flush that runs has ended. */
  #isFreeDue = false;
  #syncBatch: number;
  #failure: unknown;
  #idleWaiters: (() => void)[] = [];
  #stats = { syncs: 0, bytes: 0, entries: 0, batches: 0 };

  /** Rejects with `LogCorruption`, or `DiskError`. */
  static async open(
    disk: Disk,
    options: Partial<LogOptions>,
    ports: { scheduler: Scheduler; log: Logger },
  ): Promise<OpenedLog> {
    const full = { ...DEFAULTS, ...options };
    const recovered = await recoverLog(disk);
    const segments = await SegmentPool.open(disk, full.segmentBytes, recovered.segments);
    const store = new RaftLogStore(full, segments, ports, recovered.syncBatch + 1);
    store.#ceiling = recovered.clockCeiling;
    store.#ceilingIn = recovered.ceilingIn;
    store.#writer.count = recovered.lastCount;
    for (const [range, { hardState, hardStateIn }] of recovered.ranges) {
      store.#ranges.set(range, { hardState, hardStateIn, first: 0 });
    }
    return { store, ranges: recovered.ranges, clockCeiling: recovered.clockCeiling };
  }

  private constructor(
    options: LogOptions,
    segments: SegmentPool,
    ports: { scheduler: Scheduler; log: Logger },
    syncBatch: number,
  ) {
    this.#options = options;
    this.#segments = segments;
    this.#scheduler = ports.scheduler;
    this.#log = ports.log;
    this.#syncBatch = syncBatch;
  }

  /** Queues the batch; resolves when it is durable. Nothing of it is to be changed meanwhile. */
  append(batch: LogBatch): Promise<void> {
    return this.#enqueue(batch, []);
  }

  #enqueue(batch: LogBatch, refresh: readonly RangeId[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failed());
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, refresh, resolve, reject });
      if (!this.#isFlushing) void this.#flushAll();
    });
  }

  /** Entries of the range below `firstToKeep` may go. */
  compact(rangeId: RangeId, firstToKeep: number): void {
    const range = this.#ranges.get(rangeId);
    if (range === undefined || firstToKeep <= range.first) return;
    range.first = firstToKeep;
    this.#maybeFree();
  }

  /** The range has left this node: nothing of it is needed. */
  removeRange(rangeId: RangeId): void {
    this.#ranges.delete(rangeId);
    this.#maybeFree();
  }

  /** Resolves when nothing is queued or being flushed. */
  async whenIdle(): Promise<void> {
    while (this.#isFlushing || this.#queue.length > 0) {
      await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
    }
  }

  async close(): Promise<void> {
    await this.whenIdle();
    this.#failure ??= new LogError('log_closed', 'the log is closed');
    await this.#segments.close();
  }

  stats(): LogStats {
    return this.#stats;
  }

  segmentCount(): number {
    return this.#segments.count;
  }

  /* ---------- flushing ---------- */

  async #flushAll(): Promise<void> {
    this.#isFlushing = true;
    while (this.#queue.length > 0 && this.#failure === undefined) {
      const taken = this.#options.isGroupCommit ? this.#queue : this.#queue.slice(0, 1);
      this.#queue = this.#options.isGroupCommit ? [] : this.#queue.slice(1);
      try {
        await this.#flush(taken);
      } catch (error) {
        this.#failure = error;
        this.#log.error({ error: String(error) }, 'log: failed for good');
        for (const { reject } of [...taken, ...this.#queue]) reject(this.#failed());
        this.#queue = [];
        break;
      }
      if (this.#isFreeDue) this.#freeSegments();
      for (const { resolve } of taken) resolve();
    }
    this.#isFlushing = false;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wake of waiters) wake();
  }

  #failed(): LogError {
    return new LogError('log_failed', 'the log cannot be written', {}, this.#failure);
  }

  /** One sync for all; more than one write only where a segment ends. */
  async #flush(taken: readonly Queued[]): Promise<void> {
    // What was queued before is durable: one that says nothing has only waited for that. Batches have no gaps.
    if (!taken.some((each) => this.#saysSomething(each))) return;
    this.#segment = await this.#segments.current();
    this.#writer.beginBatch(this.#syncBatch++);
    this.#writer.beginSegment(this.#segment.number);
    for (const each of taken) {
      for (const rangeId of each.refresh) {
        const range = this.#ranges.get(rangeId);
        if (range?.hardState === undefined) continue;
        await this.#writeHardState(rangeId, range, range.hardState);
      }
      await this.#writeCeiling(each.batch.clockCeiling);
      for (const append of each.batch.ranges) await this.#writeAppend(append);
    }
    this.#writeOut();
    for (const segment of this.#unsynced) {
      await segment.sync();
      this.#stats.syncs++;
    }
    this.#unsynced.clear();
    this.#stats.batches++;
    this.#segments.prepareNext();
    this.#maybeClean();
  }

  #saysSomething({ batch, refresh }: Queued): boolean {
    if (refresh.some((range) => this.#ranges.get(range)?.hardState !== undefined)) return true;
    if ((batch.clockCeiling ?? 0) > this.#ceiling) return true;
    return batch.ranges.some(
      ({ entries, hardState, truncateFrom }) =>
        entries.length > 0 || hardState !== undefined || truncateFrom !== undefined,
    );
  }

  async #writeCeiling(ceiling: Timestamp | undefined): Promise<void> {
    if (ceiling === undefined || ceiling <= this.#ceiling) return;
    if (!this.#hasRoom(this.#writer.smallBytes)) await this.#nextSegment(this.#writer.smallBytes);
    this.#ceiling = ceiling;
    this.#ceilingIn = must(this.#segment).number;
    this.#writer.ceiling(ceiling);
  }

  async #writeHardState(id: RangeId, range: RangeLog, hardState: HardStateRecord): Promise<void> {
    if (!this.#hasRoom(this.#writer.smallBytes)) await this.#nextSegment(this.#writer.smallBytes);
    range.hardState = hardState;
    range.hardStateIn = must(this.#segment).number;
    this.#writer.hardState(id, hardState);
  }

  /** Waits only where a segment ends: most batches are written in one go. */
  async #writeAppend(append: LogAppend): Promise<void> {
    const { rangeId, hardState, truncateFrom, entries } = append;
    const range = this.#rangeOf(rangeId);
    if (hardState !== undefined) await this.#writeHardState(rangeId, range, hardState);
    if (truncateFrom !== undefined) {
      if (!this.#hasRoom(this.#writer.smallBytes)) await this.#nextSegment(this.#writer.smallBytes);
      this.#writer.truncate(rangeId, truncateFrom);
      must(this.#segment).noteEntry(rangeId, truncateFrom);
    }
    for (const entry of entries) {
      const bytes = this.#writer.entryBytes(entry);
      if (!this.#hasRoom(bytes)) await this.#nextSegment(bytes);
      this.#writer.entry(rangeId, entry);
      must(this.#segment).noteEntry(rangeId, entry.index);
    }
    this.#stats.entries += entries.length;
  }

  #hasRoom(bytes: number): boolean {
    const { position, sizeBytes } = must(this.#segment);
    return position + this.#writer.length + bytes <= sizeBytes;
  }

  async #nextSegment(bytes: number): Promise<void> {
    const ended = must(this.#segment);
    this.#writeOut();
    // What a recycled file held before may follow: the end has to be said.
    if (ended.end()) this.#unsynced.add(ended);
    this.#segment = await this.#segments.next(bytes);
    this.#writer.beginSegment(this.#segment.number);
  }

  #writeOut(): void {
    const segment = must(this.#segment);
    const bytes = this.#writer.take();
    if (bytes.length === 0) return;
    segment.write(bytes);
    this.#unsynced.add(segment);
    this.#stats.bytes += bytes.length;
  }

  #rangeOf(rangeId: RangeId): RangeLog {
    let range = this.#ranges.get(rangeId);
    if (range === undefined) {
      range = { hardState: undefined, hardStateIn: 0, first: 0 };
      this.#ranges.set(rangeId, range);
    }
    return range;
  }

  /* ---------- freeing ---------- */

  #maybeFree(): void {
    this.#isFreeDue = true;
    if (!this.#isFlushing && this.#failure === undefined) this.#freeSegments();
  }

  /** Frees the oldest segments as long as nothing in them is in force. Never during a flush. */
  #freeSegments(): void {
    this.#isFreeDue = false;
    for (;;) {
      const oldest = this.#segments.oldest();
      if (oldest === undefined || this.#holds(oldest)) return;
      this.#segments.freeOldest();
    }
  }

  #holds(segment: Segment): boolean {
    if (this.#ceilingIn === segment.number) return true;
    for (const range of this.#ranges.values()) {
      if (range.hardState !== undefined && range.hardStateIn === segment.number) return true;
    }
    for (const [rangeId, highest] of segment.highestIndexes) {
      const range = this.#ranges.get(rangeId);
      if (range !== undefined && highest >= range.first) return true;
    }
    return false;
  }

  /**
   * A quiet range's hard state, or the ceiling, may hold an old segment alone: they are written again. Entries are not
   * copied: a range that still needs old ones keeps its segment until its next checkpoint.
   */
  #maybeClean(): void {
    if (this.#isCleaning || this.#segments.count <= this.#options.segmentsSoftMax) return;
    const oldest = must(this.#segments.oldest());
    const refresh: RangeId[] = [];
    for (const [rangeId, { hardState, hardStateIn }] of this.#ranges) {
      if (hardState !== undefined && hardStateIn === oldest.number) refresh.push(rangeId);
    }
    const holdsCeiling = this.#ceilingIn === oldest.number;
    if (refresh.length === 0 && !holdsCeiling) return;
    // A record must say something new to be written: one tick more is as good a ceiling.
    const clockCeiling = (this.#ceiling + 1) as Timestamp;
    assert(!this.#isCleaning, 'one cleaning at a time');
    this.#isCleaning = true;
    this.#scheduler.defer(() => {
      this.#enqueue({ ranges: [], ...(holdsCeiling ? { clockCeiling } : {}) }, refresh).then(
        () => {
          this.#isCleaning = false;
          this.#maybeFree();
        },
        () => undefined,
      );
    });
  }
}
