/**
 * The replicated state of one range besides its versions: what every replica has after applying the same prefix of
 * the log, and what a checkpoint, a snapshot and a split carry. `applyToState` is the deterministic half of apply;
 * versions go to the `MvccStore` by `apply.ts`. Nothing here reads a clock or decides anything.
 *
 * Invariants:
 * - An attempt is in at most one of `prepared` and `outcomes`; once it has an outcome the outcome never changes.
 * - `maxTs` is at or above the timestamp of every entry applied but ceilings; `ceiling` only falls by a `handover`.
 * - TXN-12: an outcome goes once it is `free` and its attempt's time lies below `horizon`, which follows the entries'
 *   timestamps at a fixed distance, so that all replicas forget in the same entry.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import { assert } from '../../src/base/assert.ts';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { RangeId, TxnId } from '../../src/base/ids.ts';
import { nodeId, rangeId, txnIdTime } from '../../src/base/ids.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TICKS_PER_MS, TS_ZERO, addMs, maxTimestamp } from '../../src/base/timestamp.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { PrepareCommand } from './command.ts';
import { decodePrepare, decodeSpans, encodePrepare, encodeSpans } from './command.ts';
import type { Outcome } from './outcome-table.ts';
import { OutcomeTable } from './outcome-table.ts';

/** How far the horizon lies behind the newest entry: longer than any coordinator goes on asking. */
export const HORIZON_MS = 60_000;

/** Old outcomes go a second's worth at a time: when, is a function of the horizon alone, and so the same everywhere. */
const FORGET_TICKS = 1000 * TICKS_PER_MS;
/** The horizon while TXN-12 is broken. */
const FORGET_EARLY_MS = 2000;
/**
 * Parts of a large transaction, waiting for its commit; dropped with its abort marker or below the horizon. The parts
 * themselves lie in the `MvccStore`, by `stagedKey`.
 */
export interface StagedParts {
  readonly spans: Span[];
  sizeBytes: number;
}

export interface DroppedParts {
  readonly txnId: TxnId;
  readonly count: number;
}

export class RangeState {
  descriptor: RangeDescriptor;
  appliedIndex = 0;
  appliedTerm = 0;
  ceiling: Timestamp = TS_ZERO;
  maxTs: Timestamp = TS_ZERO;
  horizon: Timestamp = TS_ZERO;
  /** Nothing at a timestamp below this may be read or validated: its versions may be collected. */
  threshold: Timestamp = TS_ZERO;
  readonly prepared = new ChurnMap<TxnId, PrepareCommand>();
  readonly outcomes = new OutcomeTable();
  readonly staged = new Map<TxnId, StagedParts>();
  stagedBytes = 0;
  /** Staged parts that this entry made garbage: apply.ts empties it. */
  dropped: DroppedParts[] = [];

  constructor(descriptor: RangeDescriptor) {
    this.descriptor = descriptor;
  }

  get rangeId(): RangeId {
    return this.descriptor.rangeId;
  }

  /** What every entry does that happened at a timestamp, whatever it says. */
  noteEntry(ts: Timestamp): void {
    this.maxTs = maxTimestamp(this.maxTs, ts);
    const horizon = addMs(ts, isBroken('TXN-12') ? -FORGET_EARLY_MS : -HORIZON_MS);
    if (horizon <= this.horizon) return;
    const isDue = Math.floor(horizon / FORGET_TICKS) > Math.floor(this.horizon / FORGET_TICKS);
    this.horizon = horizon;
    if (isDue) this.#forget();
  }

  decide(txnId: TxnId, outcome: Outcome): void {
    this.prepared.delete(txnId);
    this.outcomes.decide(txnId, outcome);
    this.dropStaged(txnId);
  }

  /** False when an earlier part is missing; a part that is there already changes nothing. */
  stage(txnId: TxnId, part: number, what: { span: Span; sizeBytes: number }): boolean {
    const staged = this.staged.get(txnId) ?? { spans: [], sizeBytes: 0 };
    if (part !== staged.spans.length) return false;
    staged.spans.push(what.span);
    staged.sizeBytes += what.sizeBytes;
    this.stagedBytes += what.sizeBytes;
    this.staged.set(txnId, staged);
    return true;
  }

  dropStaged(txnId: TxnId): void {
    const staged = this.staged.get(txnId);
    if (staged === undefined) return;
    this.stagedBytes -= staged.sizeBytes;
    this.staged.delete(txnId);
    this.dropped.push({ txnId, count: staged.spans.length });
  }

  /**
   * RANGE-2: the right half gets everything, touched or not; this becomes the left half. A range is not split while
   * parts are staged in it: the leader waits.
   */
  splitOff(at: Key, rightId: RangeId): RangeState {
    const { descriptor } = this;
    assert(this.staged.size === 0, 'split while parts are staged');
    assert(descriptor.start < at && at < descriptor.end, 'split key outside the range');
    const generation = descriptor.generation + 1;
    const right = new RangeState({ ...descriptor, rangeId: rightId, start: at, generation });
    this.descriptor = { ...descriptor, end: at, generation };
    if (isBroken('RANGE-2')) return right;
    right.ceiling = this.ceiling;
    right.maxTs = this.maxTs;
    right.horizon = this.horizon;
    right.threshold = this.threshold;
    for (const [txnId, record] of this.prepared) right.prepared.set(txnId, record);
    right.outcomes.copyFrom(this.outcomes);
    return right;
  }

  /** A snapshot has been installed: this state becomes that one. */
  replaceBy(other: RangeState): void {
    this.descriptor = other.descriptor;
    this.appliedIndex = other.appliedIndex;
    this.appliedTerm = other.appliedTerm;
    this.ceiling = other.ceiling;
    this.maxTs = other.maxTs;
    this.horizon = other.horizon;
    this.threshold = other.threshold;
    this.stagedBytes = other.stagedBytes;
    this.dropped = [];
    this.outcomes.copyFrom(other.outcomes);
    for (const [mine, theirs] of [
      [this.prepared, other.prepared],
      [this.staged, other.staged],
    ] as const) {
      mine.clear();
      for (const [txnId, value] of theirs)
        (mine as Pick<Map<TxnId, unknown>, 'set'>).set(txnId, value);
    }
  }

  encode(): Buffer {
    const out = new ByteWriter(1024 + this.outcomes.encodedBytes);
    encodeDescriptor(out, this.descriptor);
    out.varint(this.appliedIndex);
    out.varint(this.appliedTerm);
    for (const ts of [this.ceiling, this.maxTs, this.horizon, this.threshold]) out.f64(ts);
    out.varint(this.prepared.size);
    for (const record of this.prepared.values()) {
      out.f64(record.ts);
      encodePrepare(out, record);
    }
    this.outcomes.encodeHeld(out);
    out.varint(this.staged.size);
    for (const [txnId, staged] of this.staged) {
      out.key(txnId);
      out.varint(staged.sizeBytes);
      encodeSpans(out, staged.spans);
    }
    this.outcomes.encodePlain(out);
    return out.copy();
  }

  static decode(bytes: Uint8Array): RangeState {
    const reader = new ByteReader(bytes);
    const state = new RangeState(decodeDescriptor(reader));
    state.appliedIndex = reader.varint();
    state.appliedTerm = reader.varint();
    state.ceiling = reader.f64() as Timestamp;
    state.maxTs = reader.f64() as Timestamp;
    state.horizon = reader.f64() as Timestamp;
    state.threshold = reader.f64() as Timestamp;
    for (let count = reader.varint(); count > 0; count--) {
      const ts = reader.f64() as Timestamp;
      const record = decodePrepare(reader, ts);
      state.prepared.set(record.txnId, record);
    }
    state.outcomes.decodeHeld(reader);
    for (let count = reader.varint(); count > 0; count--) {
      const txnId = reader.key() as string as TxnId;
      const sizeBytes = reader.varint();
      state.staged.set(txnId, { sizeBytes, spans: decodeSpans(reader) });
      state.stagedBytes += sizeBytes;
    }
    // NB: what was written before there were such ends here.
    if (reader.remaining > 0) state.outcomes.decodePlain(reader);
    return state;
  }

  #forget(): void {
    const forgotten = this.outcomes.forgetBelow(this.horizon, isBroken('TXN-12'));
    if (forgotten > 0) reached('outcome: forgotten');
    for (const txnId of this.staged.keys()) {
      if (txnIdTime(txnId) < this.horizon && !this.prepared.has(txnId)) this.dropStaged(txnId);
    }
  }
}

export function encodeDescriptor(out: ByteWriter, descriptor: RangeDescriptor): void {
  out.varint(descriptor.rangeId);
  out.varint(descriptor.generation);
  encodeSpans(out, [descriptor]);
  out.varint(descriptor.replicas.length);
  for (const replica of descriptor.replicas) out.varint(replica);
}

export function decodeDescriptor(reader: ByteReader): RangeDescriptor {
  const id = rangeId(reader.varint());
  const generation = reader.varint();
  const span = decodeSpans(reader)[0];
  assert(span !== undefined, 'descriptor without span');
  const replicas = Array.from({ length: reader.varint() }, () => nodeId(reader.varint()));
  return { rangeId: id, generation, start: span.start, end: span.end, replicas };
}
