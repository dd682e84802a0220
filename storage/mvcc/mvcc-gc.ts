/**
 * Garbage collection of versions: one list of garbage (garbage-list.ts) at a time, engine only, under the store's writer
 * lock, so that no checkpoint moves versions meanwhile. Of a list that is due at a key's threshold,
 *   - a version in the history goes: what replaced it lies at or below the threshold, and is there or was itself
 *     replaced by such a one, so every reader allowed sees something newer;
 *   - a head goes if it is a tombstone at or below the threshold still, nothing older is in the history, and no memory
 *     table knows its key: a backfilled version there may lie below it, and must not come to light.
 * What may not go yet is listed anew, if it is there; the same batch deletes the list. So a list costs its entries once,
 * and a pass ends at the first list that is due at nobody's threshold.
 */
import type { Key } from '../../src/base/span.ts';
import { prefixEnd } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Engine } from '../engine/engine.ts';
import type { BatchWriter } from './batch-writer.ts';
import type { GarbageList, GarbageLists } from './garbage-list.ts';
import {
  decodeHistoryKey,
  headTimestamp,
  headValue,
  historyPrefix,
  isHeadKey,
  keyOfHead,
  listKey,
} from './mvcc-key.ts';
import type { CollectCursor, CollectStep, Thresholds } from './mvcc-types.ts';

export interface CollectInput {
  readonly thresholds: Thresholds;
  readonly isInMemory: (key: Key) => boolean;
}

interface CollectTarget {
  readonly engine: Engine;
  readonly lists: GarbageLists;
  readonly out: BatchWriter;
}

export async function collectStep(
  { engine, lists, out }: CollectTarget,
  input: CollectInput,
  from: CollectCursor | undefined,
): Promise<CollectStep> {
  const { next, end } = from ?? { next: 0, end: lists.end };
  const list = await lists.read(next, end);
  if (list === undefined || list.due > input.thresholds.highest) return { deletedCount: 0 };
  const { replaced, tombstones, early } = sortOut(list, input.thresholds);
  // First, so that what lies under tombstones of the same list is gone.
  for (const engineKey of replaced) out.delete(engineKey);
  await out.flush();
  const bare: string[] = [];
  const kept = await present(engine, early);
  for (const engineKey of await stillTombstones(engine, tombstones, list.due)) {
    const key = keyOfHead(engineKey);
    const stays = input.isInMemory(key) || (await hasHistory(engine, key));
    (stays ? kept : bare).push(engineKey);
  }
  if (kept.length < list.engineKeys.length) {
    for (const engineKey of bare) out.delete(engineKey);
    for (const engineKey of kept) out.list(engineKey, list.due);
    out.delete(listKey(list.number));
    await out.flush();
  }
  const deletedCount = replaced.length + bare.length;
  return { deletedCount, resume: { next: list.number + 1, end } };
}

interface Sorted {
  /** Older versions. */
  readonly replaced: readonly string[];
  /** Heads that were tombstones when they were listed. */
  readonly tombstones: readonly string[];
  /** Not due yet. */
  readonly early: readonly string[];
}

function sortOut({ due, engineKeys }: GarbageList, thresholds: Thresholds): Sorted {
  const replaced: string[] = [];
  const tombstones: string[] = [];
  const early: string[] = [];
  for (const engineKey of engineKeys) {
    const isHead = isHeadKey(engineKey);
    const key = isHead ? keyOfHead(engineKey) : decodeHistoryKey(engineKey).key;
    if (due > thresholds.of(key)) early.push(engineKey);
    else if (isHead) tombstones.push(engineKey);
    else replaced.push(engineKey);
  }
  return { replaced, tombstones, early };
}

/** Without those above `due`: they are listed with the batch that wrote them. */
async function stillTombstones(
  engine: Engine,
  engineKeys: readonly string[],
  due: Timestamp,
): Promise<readonly string[]> {
  if (engineKeys.length === 0) return [];
  const found = await engine.getMany(engineKeys);
  return engineKeys.filter((_, index) => {
    const head = found[index];
    return head !== undefined && headValue(head) === undefined && headTimestamp(head) <= due;
  });
}

async function present(engine: Engine, engineKeys: readonly string[]): Promise<string[]> {
  if (engineKeys.length === 0) return [];
  const found = await engine.getMany(engineKeys);
  return engineKeys.filter((_, index) => found[index] !== undefined);
}

async function hasHistory(engine: Engine, key: Key): Promise<boolean> {
  const prefix = historyPrefix(key);
  const cursor = engine.iterate(prefix, prefixEnd(prefix as Key), { limit: 1 });
  try {
    return (await cursor.nextBatch(1)).length > 0;
  } finally {
    await cursor.close();
  }
}
