/**
 * Writes a frozen memory table into the engine: for each key the newest version becomes its head, what it replaces
 * and every other version goes to the history. But for what nobody reads any more: where the table holds a version at or
 * below the threshold of its key, nothing older is kept, and the head need not even be looked up (ADR 0013).
 *
 * Any prefix of these batches may be all that survives a crash. It is harmless, because the old range-local state is
 * still there and replay applies the same versions again before anything is read:
 *   1. History is written before the head that replaces it, so no version is ever missing, at most twice there.
 *   2. A head may be newer than the applied index says. Merging is by version identity, so whatever of it a later
 *      table meets again, or has not met yet, ends in the same place.
 *   3. A history entry newer than its head (the head's batch was lost) is shadowed by the replayed version in memory,
 *      until that table's checkpoint writes the head.
 *   4. A head written without a look may be older than the one it replaces (a checkpoint before a crash had got further),
 *      but what it replaces will be replayed. Only versions that were applied out of order could put it back for good:
 *      for those it is looked up.
 * What was left out is below a threshold that was applied, hence committed: whoever comes to lead the range has applied
 * it, too, before it serves.
 * Every version written is of a committed entry, which this replica will apply in every future; so what must not be
 * there yet is never something that must not be there at all.
 */
import type { Engine } from '../engine/engine.ts';
import type { BatchWriter } from './batch-writer.ts';
import type { CheckpointPace } from './checkpoint-pace.ts';
import type { MemoryTable } from './memory-table.ts';
import type { Key } from '../../src/base/span.ts';
import { KEY_MIN, keyAfter } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp } from '../../src/base/timestamp.ts';
import { decodeHead, headKey, headSpan, isNewer, keyOfHead, stagedToEngine } from './mvcc-key.ts';
import type { VersionInfo } from './mvcc-types.ts';
import type { MemVersion } from './version-rows.ts';
import { NO_ROW } from './version-rows.ts';

const GROUP_KEYS = 256;
/** How many heads between the keys of a group are worth reading in order, per key. */
const DENSE_FACTOR = 2;
/** After a group whose heads lay far apart, this many are looked up one by one. */
const SPARSE_GROUPS = 15;

export interface TableWriteOptions {
  /** Nothing was ever written: no heads need to be looked up. */
  readonly isEngineEmpty: boolean;
  readonly pace: CheckpointPace;
  /** Below which nobody reads the key any more. It may rise while the table is written. */
  readonly thresholdOf: (key: Key) => Timestamp;
}

interface MemEntry {
  readonly key: Key;
  readonly newest: MemVersion;
}

/** Durable when it resolves. The table must not change meanwhile. */
export async function writeTable(
  engine: Engine,
  table: MemoryTable,
  out: BatchWriter,
  options: TableWriteOptions,
): Promise<void> {
  const heads = new HeadReader(engine, options.isEngineEmpty);
  const cursor = table.cursorFrom(KEY_MIN);
  for (let done = 0; ;) {
    const group: MemEntry[] = [];
    while (group.length < GROUP_KEYS) {
      const { key } = cursor;
      const newest = cursor.newest();
      if (key === undefined || newest === undefined) break;
      group.push({ key, newest });
      cursor.move();
    }
    if (group.length === 0) break;
    const last = group.map((entry) => lastNeeded(entry, options.thresholdOf(entry.key)));
    const found = await heads.read(group.filter((_, i) => last[i] === undefined));
    for (const [i, entry] of group.entries()) {
      await writeKey(entry, found.get(entry.key), last[i], out);
      done++;
      if (!out.isFull) continue;
      await out.flush();
      await options.pace.rest(done / table.size);
    }
  }
  for (const [name, bytes] of table.staged) {
    out.put(stagedToEngine(name), bytes);
    if (out.isFull) await out.flush();
  }
  await out.flush();
}

/** The version of a key below which none is read any more; undefined: it is not in the table, as far as one can tell. */
function lastNeeded({ newest }: MemEntry, threshold: Timestamp): MemVersion | undefined {
  let needed: MemVersion | undefined;
  for (
    let version: MemVersion | undefined = newest;
    version !== undefined;
    version = version.older
  ) {
    if (version.isHistorical) return undefined;
    if (needed === undefined && version.ts <= threshold) needed = version;
  }
  return needed;
}

/** `last`: nothing below it is to be kept, and the head is not known. */
async function writeKey(
  { key, newest }: MemEntry,
  head: VersionInfo | undefined,
  last: MemVersion | undefined,
  out: BatchWriter,
): Promise<void> {
  const isHeadStale = head !== undefined && isNewerThan(newest, head);
  // Some were replaced earlier than by the newest; that they stay a little longer saves looking.
  const due = head === undefined ? newest.ts : maxTimestamp(newest.ts, head.ts);
  if (isHeadStale) out.putHistory(key, head, due);
  const becomesHead = head === undefined || isHeadStale || isSame(newest, head);
  const end = last?.older?.row ?? NO_ROW;
  let version: MemVersion | undefined = becomesHead ? newest.older : newest;
  for (; version !== undefined && version.row !== end; version = version.older) {
    if (head !== undefined && isSame(version, head)) continue;
    out.putHistory(key, version.info(), due);
    if (out.isFull) await out.flush();
  }
  if (becomesHead) out.putHead(key, newest.info());
}

function isNewerThan(version: MemVersion, head: VersionInfo): boolean {
  return isNewer(version.ts, version.txnId, head.ts, head.txnId);
}

function isSame(version: MemVersion, head: VersionInfo): boolean {
  return version.ts === head.ts && version.txnId === head.txnId;
}

/**
 * Finds the heads that a group of keys in order replaces. Where the keys lie close together, or on empty ground, one
 * cursor is several times cheaper than look-ups; where they are scattered it would read the whole engine.
 */
class HeadReader {
  readonly #engine: Engine;
  readonly #isEmpty: boolean;
  #sparseGroupsLeft = 0;

  constructor(engine: Engine, isEmpty: boolean) {
    this.#engine = engine;
    this.#isEmpty = isEmpty;
  }

  async read(group: readonly MemEntry[]): Promise<Map<Key, VersionInfo>> {
    if (this.#isEmpty) return new Map();
    if (this.#sparseGroupsLeft > 0) {
      this.#sparseGroupsLeft--;
    } else {
      const dense = await this.#readDense(group);
      if (dense !== undefined) return dense;
      this.#sparseGroupsLeft = SPARSE_GROUPS;
    }
    const values = await this.#engine.getMany(group.map(({ key }) => headKey(key)));
    const found = new Map<Key, VersionInfo>();
    group.forEach(({ key }, index) => {
      const value = values[index];
      if (value !== undefined) found.set(key, decodeHead(value));
    });
    return found;
  }

  /** Undefined when too many other heads lie between. */
  async #readDense(group: readonly MemEntry[]): Promise<Map<Key, VersionInfo> | undefined> {
    const first = group[0];
    const last = group[group.length - 1];
    if (first === undefined || last === undefined) return new Map();
    const { start, end } = headSpan({ start: first.key, end: keyAfter(last.key) });
    const limit = group.length * DENSE_FACTOR + 1;
    const cursor = this.#engine.iterate(start, end, { limit });
    const found = new Map<Key, VersionInfo>();
    try {
      for (let count = 0; ;) {
        const heads = await cursor.nextBatch(limit);
        if (heads.length === 0) return found;
        count += heads.length;
        if (count >= limit) return undefined;
        for (const [engineKey, value] of heads) found.set(keyOfHead(engineKey), decodeHead(value));
      }
    } finally {
      await cursor.close();
    }
  }
}
