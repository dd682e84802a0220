/**
 * What has become of the attempts that a range has decided, until the horizon has passed them (TXN-12). At thousands of
 * commits a second these are hundreds of thousands, so those of which nothing is known but a timestamp, which is nearly
 * all, lie as numbers in one table for each second of their attempts' times: nothing for the garbage collector to walk,
 * a checkpoint copies them as they are, and a second is forgotten at once.
 *
 * Those that must be kept until their participants have confirmed, or that name participants, are *held*, as objects.
 *
 * Invariant: an attempt is in at most one of these, and once it is in one its outcome never changes. The order of all of
 * them is that in which they were decided or freed, at every replica the same, also after it was encoded and read back.
 */
import { assert } from '../../src/base/assert.ts';
import type { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { ByteDecodeError } from '../../src/base/bytes.ts';
import type { TxnId } from '../../src/base/ids.ts';
import { txnIdCounter, txnIdNode, txnIdTime } from '../../src/base/ids.ts';
import type { Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TICKS_PER_MS } from '../../src/base/timestamp.ts';
import { decodeSpans, encodeSpans } from './command.ts';

export interface Outcome {
  /** 0: aborted. */
  readonly commitTs: Timestamp;
  /** May be forgotten below the horizon. */
  readonly isFree: boolean;
  /** At the anchor, while participants have still to confirm. */
  readonly participants: readonly Span[] | undefined;
}

const SECOND_TICKS = 1000 * TICKS_PER_MS;
/** How many held outcomes that must stay the search for old ones steps over. */
const KEPT_SCAN_MAX = 4096;

export class OutcomeTable {
  #held = new Map<TxnId, Outcome>();
  /** By the second of the attempts' times. */
  #seconds = new Map<number, PlainOutcomes>();

  has(txnId: TxnId): boolean {
    return this.#plainTs(txnId) !== undefined || this.#held.has(txnId);
  }

  get(txnId: TxnId): Outcome | undefined {
    const commitTs = this.#plainTs(txnId);
    if (commitTs === undefined) return this.#held.get(txnId);
    return { commitTs, isFree: true, participants: undefined };
  }

  #plainTs(txnId: TxnId): Timestamp | undefined {
    return this.#seconds.get(secondOf(txnIdTime(txnId)))?.get(txnId);
  }

  decide(txnId: TxnId, outcome: Outcome): void {
    assert(!this.has(txnId), 'an outcome never changes');
    this.#put(txnId, outcome);
  }

  /** All participants have confirmed, or the anchor has. */
  free(txnId: TxnId): void {
    const outcome = this.#held.get(txnId);
    if (outcome === undefined || outcome.isFree) return;
    const { commitTs, participants } = outcome;
    if (participants === undefined) this.#held.delete(txnId);
    this.#put(txnId, { commitTs, isFree: true, participants });
  }

  #put(txnId: TxnId, outcome: Outcome): void {
    if (!outcome.isFree || outcome.participants !== undefined) {
      this.#held.set(txnId, outcome);
      return;
    }
    const second = secondOf(txnIdTime(txnId));
    let plain = this.#seconds.get(second);
    if (plain === undefined) this.#seconds.set(second, (plain = new PlainOutcomes()));
    plain.add(txnId, outcome.commitTs);
  }

  /**
   * Those that may go: of attempts in seconds before the horizon's, and of what is held the oldest. `isEarly`: what must
   * stay goes as well. Returns how many went.
   */
  forgetBelow(horizon: Timestamp, isEarly: boolean): number {
    let count = 0;
    for (const [second, plain] of this.#seconds) {
      if (second >= secondOf(horizon)) continue;
      count += plain.count;
      this.#seconds.delete(second);
    }
    let kept = 0;
    for (const [txnId, outcome] of this.#held) {
      if (txnIdTime(txnId) >= horizon) break;
      if (outcome.isFree || isEarly) {
        this.#held.delete(txnId);
        count++;
      } else if (++kept > KEPT_SCAN_MAX) break;
    }
    return count;
  }

  /** Becomes what the other is; nothing is shared afterwards. */
  copyFrom(other: OutcomeTable): void {
    this.#held = new Map(other.#held);
    this.#seconds = new Map([...other.#seconds].map(([second, plain]) => [second, plain.copy()]));
  }

  get encodedBytes(): number {
    let bytes = 64 * this.#held.size;
    for (const plain of this.#seconds.values()) bytes += plain.encodedBytes;
    return bytes;
  }

  encodeHeld(out: ByteWriter): void {
    out.varint(this.#held.size);
    for (const [txnId, outcome] of this.#held) {
      out.key(txnId);
      out.f64(outcome.commitTs);
      out.u8((outcome.isFree ? 1 : 0) + (outcome.participants === undefined ? 0 : 2));
      if (outcome.participants !== undefined) encodeSpans(out, outcome.participants);
    }
  }

  /** Data directories that were written before there were plain ones have them among these. */
  decodeHeld(reader: ByteReader): void {
    for (let count = reader.varint(); count > 0; count--) {
      const txnId = reader.key() as string as TxnId;
      const commitTs = reader.f64() as Timestamp;
      const flags = reader.u8();
      const participants = (flags & 2) === 0 ? undefined : decodeSpans(reader);
      this.#put(txnId, { commitTs, isFree: (flags & 1) !== 0, participants });
    }
  }

  encodePlain(out: ByteWriter): void {
    out.varint(this.#seconds.size);
    for (const [second, plain] of this.#seconds) {
      out.varint(second);
      plain.encode(out);
    }
  }

  decodePlain(reader: ByteReader): void {
    for (let count = reader.varint(); count > 0; count--) {
      this.#seconds.set(reader.varint(), PlainOutcomes.decode(reader));
    }
  }
}

function secondOf(time: Timestamp): number {
  return Math.floor(time / SECOND_TICKS);
}

/** Numbers of an attempt: the time and the rest of its id, and when it committed. */
const COLUMNS = 3;
const ROW_BYTES = COLUMNS * 8;
const ROWS_MIN = 8;
/** Node and counter of an id as one number: the node above 32 bits of counter. */
const COUNTERS = 2 ** 32;

/** Attempts and their commit timestamps, in the order in which they were added, with an index by hash. */
class PlainOutcomes {
  #rows: Float64Array;
  /** Open addressing with linear probes: one more than the number of a row, or 0. At most half full. */
  #index: Int32Array;
  count = 0;

  constructor(rowsMin = ROWS_MIN) {
    let capacity = ROWS_MIN;
    while (capacity < rowsMin) capacity *= 2;
    this.#rows = new Float64Array(capacity * COLUMNS);
    this.#index = new Int32Array(capacity * 2);
  }

  get(txnId: TxnId): Timestamp | undefined {
    const time = txnIdTime(txnId);
    const rest = restOf(txnId);
    const rows = this.#rows;
    const mask = this.#index.length - 1;
    for (let at = hashOf(rest) & mask; ; at = (at + 1) & mask) {
      const row = (this.#index[at] ?? 0) - 1;
      if (row < 0) return undefined;
      const start = row * COLUMNS;
      if (rows[start] === time && rows[start + 1] === rest) return rows[start + 2] as Timestamp;
    }
  }

  add(txnId: TxnId, commitTs: Timestamp): void {
    if (this.count * COLUMNS === this.#rows.length) this.#grow();
    const start = this.count * COLUMNS;
    this.#rows[start] = txnIdTime(txnId);
    this.#rows[start + 1] = restOf(txnId);
    this.#rows[start + 2] = commitTs;
    this.#indexRow(this.count++);
  }

  #indexRow(row: number): void {
    const mask = this.#index.length - 1;
    let at = hashOf(this.#rows[row * COLUMNS + 1] ?? 0) & mask;
    while (this.#index[at] !== 0) at = (at + 1) & mask;
    this.#index[at] = row + 1;
  }

  #grow(): void {
    const rows = new Float64Array(this.#rows.length * 2);
    rows.set(this.#rows);
    this.#rows = rows;
    this.#index = new Int32Array(this.#index.length * 2);
    for (let row = 0; row < this.count; row++) this.#indexRow(row);
  }

  copy(): PlainOutcomes {
    const copy = new PlainOutcomes(0);
    copy.#rows = this.#rows.slice();
    copy.#index = this.#index.slice();
    copy.count = this.count;
    return copy;
  }

  get encodedBytes(): number {
    return this.count * ROW_BYTES + 32;
  }

  /** As they lie in memory, which is little-endian wherever Node runs but on machines that nobody starts this on. */
  encode(out: ByteWriter): void {
    out.varint(this.count);
    out.raw(new Uint8Array(this.#rows.buffer, 0, this.count * ROW_BYTES));
  }

  static decode(reader: ByteReader): PlainOutcomes {
    const count = reader.varint();
    const bytes = reader.raw(count * ROW_BYTES);
    const plain = new PlainOutcomes(count);
    new Uint8Array(plain.#rows.buffer).set(bytes);
    for (let at = 0; at < count * COLUMNS; at++) {
      if (!Number.isSafeInteger(plain.#rows[at])) throw new ByteDecodeError('not an outcome');
    }
    for (let row = 0; row < count; row++) plain.#indexRow(row);
    plain.count = count;
    return plain;
  }
}

function restOf(txnId: TxnId): number {
  return txnIdNode(txnId) * COUNTERS + txnIdCounter(txnId);
}

function hashOf(rest: number): number {
  // Counters rise by one: what is added one behind the other must not lie so.
  const mixed = Math.imul(
    (rest >>> 0) ^ Math.imul(Math.floor(rest / COUNTERS), 0x9e3779b1),
    0x85ebca6b,
  );
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
