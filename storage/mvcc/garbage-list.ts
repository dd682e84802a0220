/**
 * What will be garbage, in the order in which it was replaced. Whoever writes an older version into the history, or a
 * tombstone as a head, lists its engine key; the list becomes an entry of the same atomic batch. So whatever is in the
 * engine and may have to go one day is in a list, and collecting looks at nothing else (argument: mvcc-gc.ts).
 *
 *   key: its number (mvcc-key.ts); lists order by when they were written
 *   value: 7 bytes due, and for each entry 4 bytes length, engine key
 *
 * A list is *due* when all its entries were replaced at or below the threshold. An entry may be listed twice, or be
 * gone from the engine: a crash repeats batches, and spans are cleared.
 */
import { assert } from '../../src/base/assert.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp, TS_ZERO } from '../../src/base/timestamp.ts';
import type { Engine, EngineWrite } from '../engine/engine.ts';
import { decodeTimestamp, encodeTimestamp, listKey, listNumber, LISTS_SPAN } from './mvcc-key.ts';

const LENGTH_BYTES = 4;
const DUE_BYTES = 7;

export interface GarbageList {
  readonly number: number;
  readonly due: Timestamp;
  readonly engineKeys: readonly string[];
}

/** Gives out the numbers of lists, and reads them back. One for each engine. */
export class GarbageLists {
  readonly #engine: Engine;
  /** None below is in the engine. */
  #first = 0;
  #next: number;

  static async open(engine: Engine): Promise<GarbageLists> {
    const { start, end } = LISTS_SPAN;
    const cursor = engine.iterate(start, end, { reverse: true, limit: 1 });
    try {
      const [last] = await cursor.nextBatch(1);
      return new GarbageLists(engine, last === undefined ? 0 : listNumber(last[0]) + 1);
    } finally {
      await cursor.close();
    }
  }

  private constructor(engine: Engine, next: number) {
    this.#engine = engine;
    this.#next = next;
  }

  /** One more than the number of the newest list. */
  get end(): number {
    return this.#next;
  }

  add(entries: PendingGarbage): EngineWrite {
    return { key: listKey(this.#next++), value: entries.encode() };
  }

  /** The oldest list numbered `from` or more, below `end`. */
  async read(from: number, end: number): Promise<GarbageList | undefined> {
    const start = Math.max(from, this.#first);
    if (start >= end) return undefined;
    const cursor = this.#engine.iterate(listKey(start), listKey(end), { limit: 1 });
    try {
      const [found] = await cursor.nextBatch(1);
      if (from <= this.#first) this.#first = found === undefined ? end : listNumber(found[0]);
      return found === undefined ? undefined : decode(listNumber(found[0]), found[1]);
    } finally {
      await cursor.close();
    }
  }
}

/** The list of the batch that is being put together. */
export class PendingGarbage {
  readonly #engineKeys: string[] = [];
  #due = TS_ZERO;
  #bytes = DUE_BYTES;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#engineKeys.length === 0;
  }

  /** `due`: the timestamp of what replaced it, or of the tombstone. */
  add(engineKey: string, due: Timestamp): void {
    this.#engineKeys.push(engineKey);
    this.#due = maxTimestamp(this.#due, due);
    this.#bytes += LENGTH_BYTES + engineKey.length;
  }

  encode(): Buffer {
    const out = Buffer.allocUnsafe(this.#bytes);
    encodeTimestamp(this.#due).copy(out);
    let at = DUE_BYTES;
    for (const engineKey of this.#engineKeys) {
      at = out.writeUInt32BE(engineKey.length, at);
      at += out.write(engineKey, at, 'latin1');
    }
    assert(at === out.length, 'a list of garbage has another length');
    return out;
  }
}

function decode(number: number, value: Buffer): GarbageList {
  const engineKeys: string[] = [];
  for (let at = DUE_BYTES; at < value.length;) {
    const start = at + LENGTH_BYTES;
    const end = start + value.readUInt32BE(at);
    assert(end <= value.length, 'a list of garbage is cut off');
    engineKeys.push(value.toString('latin1', start, end));
    at = end;
  }
  return { number, due: decodeTimestamp(value), engineKeys };
}
