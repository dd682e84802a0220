/**
 * Garbage collection of versions: one bounded step at a time, engine only, under the store's writer lock, so that
 * no checkpoint moves versions meanwhile. A version is deleted when a newer one at or below the threshold exists
 * (every reader allowed sees that one), and a tombstone at or below the threshold when nothing older is left.
 *
 * Two phases over the span: the history, then heads that are tombstones. A tombstone stays while a memory table knows
 * its key: a backfilled version there may lie below it, and must not come to light.
 */
import { must } from '../../src/base/assert.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { prefixEnd } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { Engine, EngineEntry } from '../engine/engine.ts';
import type { BatchWriter } from './batch-writer.ts';
import {
  decodeHistoryKey,
  headKey,
  headSpan,
  headTimestamp,
  headValue,
  historyPrefix,
  historySpan,
  keyOfHead,
} from './mvcc-key.ts';
import type { CollectCursor, CollectStep } from './mvcc-types.ts';

const STEP_ENTRIES = 1_000;

export interface CollectInput {
  readonly span: Span;
  readonly threshold: Timestamp;
  readonly isInMemory: (key: Key) => boolean;
}

export async function collectStep(
  engine: Engine,
  out: BatchWriter,
  input: CollectInput,
  from: CollectCursor | undefined,
): Promise<CollectStep> {
  const at = from ?? { phase: 'history', from: historySpan(input.span).start };
  return at.phase === 'history'
    ? collectHistory(engine, out, input, at.from)
    : collectTombstones(engine, out, input, at.from);
}

async function collectHistory(
  engine: Engine,
  out: BatchWriter,
  { span, threshold }: CollectInput,
  from: string,
): Promise<CollectStep> {
  const entries = await readSome(engine, from, historySpan(span).end);
  if (entries.length === 0) {
    return { deletedCount: 0, resume: { phase: 'heads', from: headSpan(span).start } };
  }
  const parsed = entries.map(([engineKey]) => ({ engineKey, ...decodeHistoryKey(engineKey) }));
  const keys = [...new Set(parsed.map(({ key }) => key))];
  const heads = await engine.getMany(keys.map(headKey));
  const headTs = new Map<Key, Timestamp>();
  keys.forEach((key, index) => {
    const head = heads[index];
    if (head !== undefined) headTs.set(key, headTimestamp(head));
  });
  let deletedCount = 0;
  /** The entry of the present key that a reader at the threshold sees. */
  let seen: { readonly key: Key; readonly engineKey: string } | undefined;
  for (const { engineKey, key, ts } of parsed) {
    if (ts > threshold) continue;
    const head = headTs.get(key);
    const isShadowed = head !== undefined && head >= ts && head <= threshold;
    if (isShadowed || seen?.key === key) {
      out.delete(engineKey);
      deletedCount++;
      if (out.isFull) await out.flush();
    } else {
      seen = { key, engineKey };
    }
  }
  await out.flush();
  const last = must(parsed[parsed.length - 1]);
  // A key that goes on behind this step is read again from what its readers see, so that the rest is known as older.
  const again = seen !== undefined && seen.key === last.key && parsed.length > 1 ? seen : undefined;
  const resume = again?.engineKey ?? last.engineKey + '\0';
  return { deletedCount, resume: { phase: 'history', from: resume } };
}

async function collectTombstones(
  engine: Engine,
  out: BatchWriter,
  { span, threshold, isInMemory }: CollectInput,
  from: string,
): Promise<CollectStep> {
  const entries = await readSome(engine, from, headSpan(span).end);
  const last = entries[entries.length - 1];
  if (last === undefined) return { deletedCount: 0 };
  let deletedCount = 0;
  for (const [engineKey, value] of entries) {
    if (headValue(value) !== undefined || headTimestamp(value) > threshold) continue;
    const key = keyOfHead(engineKey);
    if (isInMemory(key)) continue;
    const prefix = historyPrefix(key);
    if ((await readSome(engine, prefix, prefixEnd(prefix as Key), 1)).length > 0) continue;
    out.delete(engineKey);
    deletedCount++;
    if (out.isFull) await out.flush();
  }
  await out.flush();
  return { deletedCount, resume: { phase: 'heads', from: last[0] + '\0' } };
}

async function readSome(
  engine: Engine,
  start: string,
  end: string,
  limit = STEP_ENTRIES,
): Promise<readonly EngineEntry[]> {
  const cursor = engine.iterate(start, end, { limit });
  try {
    return await cursor.nextBatch(limit);
  } finally {
    await cursor.close();
  }
}
