/**
 * The Raft log of a node: one append-only log for all its ranges, in preallocated segments (segment.ts). An append is
 * durable when its promise resolves; everything that arrives while a flush runs becomes the next one: one durable write,
 * no timer.
 *
 * Invariants:
 * - LOG-1: a promise resolves only after its records were written durably, and those before them.
 * - LOG-2: after a failed write or sync nothing is acknowledged any more, and nothing is retried.
 * - LOG-3: what a record says is in force until a later record of its range says otherwise; a segment is freed only
 *   when nothing in it that is in force is needed. What little holds an old segment is copied forward first. Freeing
 *   waits for the flush that runs: what it has written is in force only once it is synced.
 *
 * Entries that nobody needs stay readable, for peers that lag, as long as `segmentsMax` segments have room for them.
 *
 * In memory: where each entry lies (log-index.ts), the newest hard state of each range, the ceiling. The entries
 * themselves are handed over at start and then are Raft's to keep; older ones can be read back. Recovery is in
 * recovery.ts.
 */
import { must } from '../../src/base/assert.ts';
import { QuorateError } from '../../src/base/errors.ts';
import type { RangeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type { Disk } from '../../src/env/disk.ts';
import type { Logger, Scheduler } from '../../src/env/env.ts';
import { LogIndex } from './log-index.ts';
import type { EntryPlace } from './log-index.ts';
import { readEntries } from './log-reader.ts';
import type { ReadEntry, ReadSpan } from './log-reader.ts';
import { RecordWriter } from './record.ts';
import type { HardStateRecord } from './record.ts';
import { recoverLog } from './recovery.ts';
import type { Checkpointed } from './recovery.ts';
import type { RecoveredRange } from './range-builder.ts';
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
  /** Off: every append has a write and a sync of its own. */
  readonly isGroupCommit: boolean;
  /** Of one range in one sync, at most, but where an append holds more. */
  readonly syncEntriesMax: number;
  /** Kept for peers that lag; beyond, the oldest go, and what holds them is copied forward. */
  readonly segmentsMax: number;
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
  syncEntriesMax: Number.POSITIVE_INFINITY,
  segmentsMax: 4,
};

/** What is copied forward in one flush, to let one segment go: others wait for it. */
const COPY_BYTES_MAX = 1 << 20;

/** What is to be written again, as far as it is still in force when the flush comes to it. */
interface Refresh {
  readonly hardStates: readonly RangeId[];
  /** Of one range after the other, ascending. */
  readonly entries: readonly EntryCopy[];
}

interface EntryCopy {
  readonly rangeId: RangeId;
  readonly entry: LogEntry;
  readonly place: EntryPlace;
}

interface Move {
  readonly copy: EntryCopy;
  readonly segment: Segment;
  readonly offset: number;
}

const NOTHING: Refresh = { hardStates: [], entries: [] };

interface Queued {
  readonly batch: LogBatch;
  readonly refresh: Refresh;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What the store knows of one range. */
interface RangeLog {
  hardState: HardStateRecord | undefined;
  /** Where the record of `hardState` lies. */
  hardStateIn: number;
  /** Entries below are not needed any more, */
  needed: number;
  /** and below this one they cannot be read either. */
  first: number;
  readonly index: LogIndex;
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
  /** Of the flush that runs: the segment written to. */
  #segment: Segment | undefined;
  /** Copies in the writer: they lie elsewhere once they are written, so that what is read is always there. */
  #moves: Move[] = [];
  #ceiling: Timestamp = TS_ZERO;
  #ceilingIn = 0;
  #queue: Queued[] = [];
  #isFlushing = false;
  #isCleaning = false;
  /** What still holds this one is too much to be copied: checkpoints will let it go. */
  #uncleanable: Segment | undefined;
  /** Something may be freed once the flush that runs has ended. */
  #isFreeDue = false;
  #syncBatch: number;
  #failure: unknown;
  #idleWaiters: (() => void)[] = [];
  #stats = { syncs: 0, bytes: 0, entries: 0, batches: 0 };

  /** `checkpointed`: entries that nobody needs but peers that lag. Rejects with `LogCorruption`, or `DiskError`. */
  static async open(
    disk: Disk,
    options: Partial<LogOptions>,
    ports: { scheduler: Scheduler; log: Logger },
    checkpointed?: Checkpointed,
  ): Promise<OpenedLog> {
    const full = { ...DEFAULTS, ...options };
    const recovered = await recoverLog(disk, checkpointed);
    const segments = await SegmentPool.open(disk, full.segmentBytes, recovered.segments);
    const store = new RaftLogStore(full, segments, ports, recovered.syncBatch + 1);
    store.#ceiling = recovered.clockCeiling;
    store.#ceilingIn = recovered.ceilingIn;
    store.#writer.count = recovered.lastCount;
    for (const [range, { hardState, hardStateIn }] of recovered.ranges) {
      const index = recovered.indexes.get(range) ?? new LogIndex();
      const needed = (checkpointed?.get(range) ?? 0) + 1;
      store.#ranges.set(range, { hardState, hardStateIn, needed, first: 0, index });
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
    return this.#enqueue(batch, NOTHING);
  }

  #enqueue(batch: LogBatch, refresh: Refresh): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failed());
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, refresh, resolve, reject });
      if (!this.#isFlushing) void this.#flushAll();
    });
  }

  /** Entries of the range below `firstNeeded` may go when there is no room for them. */
  compact(rangeId: RangeId, firstNeeded: number): void {
    const range = this.#ranges.get(rangeId);
    if (range === undefined || firstNeeded <= range.needed) return;
    range.needed = firstNeeded;
    this.#uncleanable = undefined;
    this.#maybeFree();
  }

  /** The first entry of the range that can be read; undefined when there is none. */
  firstIndex(rangeId: RangeId): number | undefined {
    const range = this.#ranges.get(rangeId);
    const first = range?.index.firstIndex;
    return range === undefined || first === undefined ? undefined : Math.max(first, range.first);
  }

  /**
   * Durable entries from `from` on, contiguous, up to `to` (not included) and about `bytesMax` of data, but at least
   * one; none when the log does not hold `from` any more. What is not yet durable is not to be asked for.
   */
  async read(rangeId: RangeId, span: ReadSpan): Promise<ReadEntry[]> {
    const range = this.#ranges.get(rangeId);
    if (range === undefined || span.from < range.first) return [];
    return readEntries(rangeId, range.index, span);
  }

  /** The range has left this node: nothing of it is needed. */
  removeRange(rangeId: RangeId): void {
    this.#ranges.delete(rangeId);
    this.#uncleanable = undefined;
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

  /** Whether what belongs to different ranges is to be appended together. */
  get isGroupCommit(): boolean {
    return this.#options.isGroupCommit;
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
      const taken = this.#queue.splice(0, this.#countForOneSync());
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

  /** How many of those that wait may share the next sync. */
  #countForOneSync(): number {
    const { isGroupCommit, syncEntriesMax } = this.#options;
    if (!isGroupCommit) return 1;
    if (syncEntriesMax === Number.POSITIVE_INFINITY) return this.#queue.length;
    const counts = new Map<RangeId, number>();
    let taken = 0;
    for (const { batch } of this.#queue) {
      for (const { rangeId, entries } of batch.ranges) {
        const count = (counts.get(rangeId) ?? 0) + entries.length;
        if (count > syncEntriesMax && taken > 0) return taken;
        counts.set(rangeId, count);
      }
      taken++;
    }
    return taken;
  }

  #failed(): LogError {
    return new LogError('log_failed', 'the log cannot be written', {}, this.#failure);
  }

  /** One durable write for all; more only where a segment ends. */
  async #flush(taken: readonly Queued[]): Promise<void> {
    // What was queued before is durable: one that says nothing has only waited for that. Batches have no gaps.
    if (!taken.some((each) => this.#saysSomething(each))) return;
    this.#writer.beginBatch(this.#syncBatch++);
    this.#segment = await this.#segments.current(this.#writer.position);
    this.#writer.beginSegment(this.#segment.number);
    for (const each of taken) {
      await this.#writeAgain(each.refresh);
      await this.#writeCeiling(each.batch.clockCeiling);
      for (const append of each.batch.ranges) await this.#writeAppend(append);
    }
    await this.#writeDurably();
    this.#stats.batches++;
    this.#segments.prepareNext();
    this.#maybeClean();
  }

  #saysSomething({ batch, refresh }: Queued): boolean {
    if (refresh.hardStates.some((id) => this.#ranges.get(id)?.hardState !== undefined)) return true;
    if (refresh.entries.some((copy) => this.#isInForce(copy))) return true;
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
      range.index.truncate(truncateFrom);
    }
    for (const entry of entries) {
      const bytes = this.#writer.entryBytes(entry);
      if (!this.#hasRoom(bytes)) await this.#nextSegment(bytes);
      range.index.append(entry.index, must(this.#segment), this.#offset());
      this.#writer.entry(rangeId, entry);
    }
    this.#stats.entries += entries.length;
  }

  async #writeAgain({ hardStates, entries }: Refresh): Promise<void> {
    for (const id of hardStates) {
      const range = this.#ranges.get(id);
      if (range?.hardState === undefined) continue;
      await this.#writeHardState(id, range, range.hardState);
    }
    for (const copy of entries) {
      const { rangeId, entry } = copy;
      const bytes = this.#writer.entryBytes(entry);
      if (!this.#hasRoom(bytes)) await this.#nextSegment(bytes);
      if (!this.#isInForce(copy)) continue;
      this.#moves.push({ copy, segment: must(this.#segment), offset: this.#offset() });
      this.#writer.copy(rangeId, entry);
    }
  }

  #isInForce({ rangeId, entry, place }: EntryCopy): boolean {
    const range = this.#ranges.get(rangeId);
    if (range === undefined || entry.index < range.needed) return false;
    const now = range.index.find(entry.index);
    return now?.segment === place.segment && now.offset === place.offset;
  }

  /** Where the next record goes. */
  #offset(): number {
    return must(this.#segment).position + this.#writer.length;
  }

  #hasRoom(bytes: number): boolean {
    const { position, sizeBytes } = must(this.#segment);
    return position + this.#writer.length + bytes <= sizeBytes;
  }

  async #nextSegment(bytes: number): Promise<void> {
    await this.#writeDurably('end');
    this.#segment = await this.#segments.next(this.#writer.position, bytes);
    this.#writer.beginSegment(this.#segment.number);
  }

  /** What the writer holds, to the segment; `end`: nothing else will come there. */
  async #writeDurably(after?: 'end'): Promise<void> {
    const segment = must(this.#segment);
    const bytes = this.#writer.take();
    if (bytes.length === 0 && after === undefined) return;
    await (after === 'end' ? segment.end(bytes) : segment.append(bytes));
    this.#stats.syncs++;
    this.#stats.bytes += bytes.length;
    const moves = this.#moves;
    this.#moves = [];
    for (const { copy, segment: to, offset } of moves) {
      if (!this.#isInForce(copy)) continue;
      this.#ranges.get(copy.rangeId)?.index.move(copy.entry.index, to, offset);
    }
  }

  #rangeOf(rangeId: RangeId): RangeLog {
    let range = this.#ranges.get(rangeId);
    if (range === undefined) {
      const index = new LogIndex();
      range = { hardState: undefined, hardStateIn: 0, needed: 0, first: 0, index };
      this.#ranges.set(rangeId, range);
    }
    return range;
  }

  /* ---------- freeing ---------- */

  #maybeFree(): void {
    this.#isFreeDue = true;
    if (!this.#isFlushing && this.#failure === undefined) this.#freeSegments();
  }

  /** Frees the oldest segments as long as nothing in them is needed, or can be kept. Never during a flush. */
  #freeSegments(): void {
    this.#isFreeDue = false;
    for (;;) {
      const oldest = this.#segments.oldest();
      if (oldest === undefined || this.#isNeeded(oldest)) return;
      if (this.#segments.count <= this.#options.segmentsMax && this.#isReadable(oldest)) return;
      for (const range of this.#ranges.values()) forget(range, oldest);
      this.#segments.freeOldest();
    }
  }

  #isNeeded(segment: Segment): boolean {
    if (this.#ceilingIn === segment.number) return true;
    for (const { hardState, hardStateIn, index, needed } of this.#ranges.values()) {
      if (hardState !== undefined && hardStateIn === segment.number) return true;
      if (index.holds(segment, needed)) return true;
    }
    return false;
  }

  #isReadable(segment: Segment): boolean {
    return [...this.#ranges.values()].some(({ index, first }) => index.holds(segment, first));
  }

  /** A quiet range's vote and few entries, or the ceiling, may hold an old segment alone: they are written again. */
  #maybeClean(): void {
    if (this.#isCleaning || this.#segments.count <= this.#options.segmentsMax) return;
    const oldest = must(this.#segments.oldest());
    if (oldest === this.#uncleanable) return;
    this.#isCleaning = true;
    this.#scheduler.defer(() => {
      this.#clean(oldest)
        .then(() => (this.#isCleaning = false))
        // The log has failed, which is known, or an entry is damaged, which the next start will say.
        .catch((error: unknown) => this.#log.error({ error: String(error) }, 'log: not cleaned'));
    });
  }

  async #clean(oldest: Segment): Promise<void> {
    const entries = await this.#smallRest(oldest);
    if (entries === undefined) {
      this.#uncleanable = oldest;
      return;
    }
    const hardStates: RangeId[] = [];
    for (const [rangeId, { hardState, hardStateIn }] of this.#ranges) {
      if (hardState !== undefined && hardStateIn === oldest.number) hardStates.push(rangeId);
    }
    // A record must say something new to be written: one tick more is as good a ceiling.
    const isCeilingHere = this.#ceilingIn === oldest.number;
    const clockCeiling = isCeilingHere ? ((this.#ceiling + 1) as Timestamp) : undefined;
    await this.#enqueue(
      { ranges: [], ...(clockCeiling === undefined ? {} : { clockCeiling }) },
      { hardStates, entries },
    );
    this.#maybeFree();
  }

  /** The entries in force that lie in a segment; undefined when copying them would cost more than it frees. */
  async #smallRest(segment: Segment): Promise<EntryCopy[] | undefined> {
    const bytesMax = Math.min(segment.sizeBytes / 8, COPY_BYTES_MAX);
    const copies: EntryCopy[] = [];
    let bytes = 0;
    for (const [rangeId, { index, needed }] of this.#ranges) {
      for (const { from, to } of index.spansIn(segment, needed)) {
        bytes += (to - from) * this.#writer.smallBytes;
        if (bytes > bytesMax) return undefined;
        for (const entry of await readEntries(rangeId, index, { from, to, bytesMax })) {
          const place = index.find(entry.index);
          if (place?.segment !== segment) continue;
          copies.push({ rangeId, entry, place });
          bytes += entry.data.length;
        }
        if (bytes > bytesMax) return undefined;
      }
    }
    return copies;
  }
}

/** The segment goes, and with it the entries in it and all before them. */
function forget(range: RangeLog, segment: Segment): void {
  for (const { to } of range.index.spansIn(segment, range.first)) {
    range.first = Math.max(range.first, to);
  }
  range.index.compact(range.first);
}
