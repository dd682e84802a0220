/**
 * Every version of a span in order, merged from memory tables, heads and history: for Raft snapshots, dumps and
 * tests. The engine is read under one snapshot, the tables are held by reference; so the stream has every version that
 * was applied when it began. Versions applied later may be among them: a receiver at an older index applies those
 * entries again, and the same version twice is one version.
 */
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter } from '../../src/base/span.ts';
import type { Engine, EngineCursor, EngineSnapshot } from '../engine/engine.ts';
import type { MemoryTable } from './memory-table.ts';
import {
  decodeHead,
  decodeHistoryKey,
  decodeHistoryValue,
  headSpan,
  historySpan,
  isNewer,
  keyOfHead,
} from './mvcc-key.ts';
import type { VersionRecord, VersionStream } from './mvcc-types.ts';

const ENTRIES_MAX = 256;
const BATCH_RECORDS = 1_000;
const BATCH_BYTES = 256 << 10;

/** Records in order, some at a time. An empty answer is the end. */
interface Source {
  fill(): Promise<readonly VersionRecord[]>;
}

interface Buffered {
  readonly source: Source;
  records: readonly VersionRecord[];
  next: number;
  isDone: boolean;
}

export class MergedVersionStream implements VersionStream {
  readonly #snapshot: EngineSnapshot;
  readonly #cursors: readonly EngineCursor[];
  readonly #sources: readonly Buffered[];
  readonly #afterTs: number;
  #last: VersionRecord | undefined;

  constructor(tables: readonly MemoryTable[], engine: Engine, span: Span, afterTs: number) {
    this.#snapshot = engine.snapshot();
    const heads = open(engine, headSpan(span), this.#snapshot);
    const history = open(engine, historySpan(span), this.#snapshot);
    this.#cursors = [heads, history];
    this.#afterTs = afterTs;
    this.#sources = [
      ...tables.map((table) => new TableSource(table, span)),
      new EngineSource(heads, headRecord),
      new EngineSource(history, historyRecord),
    ].map((source) => ({ source, records: [], next: 0, isDone: false }));
  }

  async next(): Promise<readonly VersionRecord[] | undefined> {
    const out: VersionRecord[] = [];
    let bytes = 0;
    while (out.length < BATCH_RECORDS && bytes < BATCH_BYTES) {
      const record = await this.#take();
      if (record === undefined) break;
      if (record.ts <= this.#afterTs) continue;
      out.push(record);
      bytes += record.key.length + (record.value?.length ?? 0);
    }
    return out.length === 0 ? undefined : out;
  }

  async close(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.close();
    await this.#snapshot.close();
  }

  /** The next record that is not the same version as the last. */
  async #take(): Promise<VersionRecord | undefined> {
    for (;;) {
      let best: Buffered | undefined;
      let bestRecord: VersionRecord | undefined;
      for (const buffered of this.#sources) {
        if (buffered.next >= buffered.records.length && !buffered.isDone) await refill(buffered);
        const record = buffered.records[buffered.next];
        if (record === undefined) continue;
        if (bestRecord !== undefined && !comesBefore(record, bestRecord)) continue;
        best = buffered;
        bestRecord = record;
      }
      if (best === undefined || bestRecord === undefined) return undefined;
      best.next++;
      const last = this.#last;
      if (last !== undefined && !comesBefore(last, bestRecord)) continue;
      this.#last = bestRecord;
      return bestRecord;
    }
  }
}

class TableSource implements Source {
  readonly #table: MemoryTable;
  readonly #end: Key;
  #position: Key;

  constructor(table: MemoryTable, span: Span) {
    this.#table = table;
    this.#position = span.start;
    this.#end = span.end;
  }

  fill(): Promise<readonly VersionRecord[]> {
    const records: VersionRecord[] = [];
    const cursor = this.#table.cursorFrom(this.#position);
    while (records.length < ENTRIES_MAX) {
      const { key } = cursor;
      if (key === undefined || key >= this.#end) break;
      for (let at = cursor.newest(); at !== undefined; at = at.older) {
        records.push({ key, ...at.info() });
      }
      this.#position = keyAfter(key);
      cursor.move();
    }
    return Promise.resolve(records);
  }
}

class EngineSource implements Source {
  readonly #cursor: EngineCursor;
  readonly #decode: (engineKey: string, value: Buffer) => VersionRecord;

  constructor(cursor: EngineCursor, decode: (engineKey: string, value: Buffer) => VersionRecord) {
    this.#cursor = cursor;
    this.#decode = decode;
  }

  async fill(): Promise<readonly VersionRecord[]> {
    const entries = await this.#cursor.nextBatch(ENTRIES_MAX);
    return entries.map(([engineKey, value]) => this.#decode(engineKey, value));
  }
}

function open(
  engine: Engine,
  { start, end }: { start: string; end: string },
  snapshot: EngineSnapshot,
): EngineCursor {
  return engine.iterate(start, end, { snapshot });
}

function headRecord(engineKey: string, value: Buffer): VersionRecord {
  return { key: keyOfHead(engineKey), ...decodeHead(value) };
}

function historyRecord(engineKey: string, value: Buffer): VersionRecord {
  return { ...decodeHistoryKey(engineKey), value: decodeHistoryValue(value) };
}

async function refill(buffered: Buffered): Promise<void> {
  buffered.records = await buffered.source.fill();
  buffered.next = 0;
  buffered.isDone = buffered.records.length === 0;
}

function comesBefore(a: VersionRecord, b: VersionRecord): boolean {
  if (a.key !== b.key) return a.key < b.key;
  return isNewer(a.ts, a.txnId, b.ts, b.txnId);
}
