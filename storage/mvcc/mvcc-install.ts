/**
 * Replaces or removes the contents of a whole span, crash-safely, although no engine batch is large enough for it.
 *
 * Versions are keyed without the range, so received data cannot be moved under its final keys in one batch. Instead:
 *   1. one synced batch writes the caller's mark ("installing") into the range-local state;
 *   2. everything in the span is deleted, from memory and engine, in synced batches;
 *   3. the received versions are written, in synced batches;
 *   4. one synced batch removes the mark and writes the range-local state of the snapshot, applied index included.
 * A restart that finds the mark treats the replica as empty (term and vote kept) and asks for a snapshot again.
 *
 * Why that is as good as keeping the old state until step 4 (RANGE-2): a snapshot at index S is only taken when S is
 * beyond this replica's log, and only sent once S is committed, hence acknowledged by a quorum that this replica was
 * not part of. What the replica forgets lies below S, so each of that quorum's members has it; any election needs one
 * of them, and it refuses candidates that lack it. Before step 4 the replica counts for nothing at or above its old
 * index, and acknowledges S only after it. So no acknowledged entry loses its quorum; only the replica's own catching
 * up starts again. With the mark durable before the first deletion, half a span is never taken for a whole one.
 *
 * Each step holds the store's writer lock, so a checkpoint falls between steps, never inside one; and checkpoints
 * carry nothing of the span, because nothing is applied there meanwhile.
 */
import type { Span } from '../../src/base/span.ts';
import { spanContains } from '../../src/base/span.ts';
import { assert } from '../../src/base/assert.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp, TS_ZERO } from '../../src/base/timestamp.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';
import type { BatchWriter } from './batch-writer.ts';
import { headSpan, historySpan, isNewer, localToEngine } from './mvcc-key.ts';
import type { Installation, LocalWrite, VersionRecord } from './mvcc-types.ts';

const DELETE_ENTRIES = 1_000;

/** What an installation needs of its store. */
export interface InstallHost {
  readonly engine: Engine;
  /** Runs one step while no other writer does. */
  exclusive<T>(step: () => Promise<T>): Promise<T>;
  newWriter(): BatchWriter;
  /** After data up to `ts` came in past the memory tables. */
  raiseFloor(ts: Timestamp): void;
  /** The local writes with what the store itself keeps beside them. */
  localBatch(local: readonly LocalWrite[]): readonly EngineWrite[];
}

export class SpanInstallation implements Installation {
  readonly span: Span;
  readonly #host: InstallHost;
  #highestTs = TS_ZERO;
  #last: VersionRecord | undefined;

  constructor(host: InstallHost, span: Span) {
    this.#host = host;
    this.span = span;
  }

  write(versions: readonly VersionRecord[]): Promise<void> {
    return this.#host.exclusive(async () => {
      const out = this.#host.newWriter();
      for (const version of versions) {
        this.#put(out, version);
        if (out.isFull) await out.flush();
      }
      await out.flush();
    });
  }

  finish(local: readonly LocalWrite[], onDone?: () => void): Promise<void> {
    return this.#host.exclusive(async () => {
      this.#host.raiseFloor(this.#highestTs);
      await this.#host.engine.batch(this.#host.localBatch(local), { sync: true });
      onDone?.();
    });
  }

  /** The first version of a key is its head, the others follow from newest to oldest. */
  #put(out: BatchWriter, version: VersionRecord): void {
    const { key, ts, txnId } = version;
    const last = this.#last;
    assert(spanContains(this.span, key), 'a version lies outside the snapshot');
    assert(
      last === undefined ||
        last.key < key ||
        (last.key === key && isNewer(last.ts, last.txnId, ts, txnId)),
      'versions of a snapshot are out of order',
    );
    if (last?.key === key) out.putHistory(key, version, last.ts);
    else out.putHead(key, version);
    this.#last = version;
    this.#highestTs = maxTimestamp(this.#highestTs, ts);
  }
}

/** Deletes all versions of a span from the engine, in bounded synced batches. */
export async function clearEngineSpan(engine: Engine, out: BatchWriter, span: Span): Promise<void> {
  for (const { start, end } of [historySpan(span), headSpan(span)]) {
    const cursor = engine.iterate(start, end);
    try {
      for (;;) {
        const entries = await cursor.nextBatch(DELETE_ENTRIES);
        if (entries.length === 0) break;
        for (const [engineKey] of entries) {
          out.delete(engineKey);
          if (out.isFull) await out.flush();
        }
      }
    } finally {
      await cursor.close();
    }
    await out.flush();
  }
}

export function localWrites(local: readonly LocalWrite[]): EngineWrite[] {
  return local.map(({ key, value }) => ({ key: localToEngine(key), value: value ?? undefined }));
}
