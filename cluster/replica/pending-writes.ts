/**
 * Everything that holds keys at a leader now: writes of records prepared and undecided, and of entries proposed and
 * not yet applied and published (TXN-3, TXN-4, TXN-7, TXN-9). Leader memory: rebuilt from the prepared records when a
 * leader takes office. Synchronous.
 *
 * A `Holder` is one transaction's hold. `waitFor` gives a promise that resolves when it lets go; whoever waits looks
 * at everything again afterwards.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter, spansOverlap } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { Write } from '../range/requests.ts';

export interface Holder {
  readonly txnId: TxnId;
  readonly lockId: LockId | undefined;
  /** Its prepareTs, or the timestamp of its one-phase commit. */
  readonly ts: Timestamp;
  /** A record that waits for a decision; false for a one-phase commit in flight. */
  readonly isPrepare: boolean;
  readonly anchor: Key | undefined;
  /** Ascending keys written, values or not. */
  readonly keys: readonly Key[];
  /** Of a one-phase commit in flight, in ascending order, if they say all of what it writes. */
  readonly writes: readonly Write[] | undefined;
  /** What staged parts cover. */
  readonly spans: readonly Span[];
  /** Of a prepare: its read set, which blocks writers. */
  readonly reads: readonly Span[];
  /** Monotonic milliseconds at which it began to hold. */
  readonly sinceMs: number;
  waiters: (() => void)[];
}

/** What a key will hold when its holders are done: the value that the last one gives it, or as a decision will have it. */
export type InFlight = { readonly value: Uint8Array | null } | { readonly holder: Holder };

export class PendingWrites {
  readonly #byKey = new ChurnMap<Key, Holder[]>();
  readonly #all = new ChurnMap<TxnId, Holder>();
  /** Holders with spans: few, looked through one by one. */
  readonly #withSpans = new Set<Holder>();
  /** Prepares with a read set: looked through by writers. */
  readonly #withReads = new ChurnMap<Holder, true>();

  get size(): number {
    return this.#all.size;
  }

  values(): IterableIterator<Holder> {
    return this.#all.values();
  }

  get(txnId: TxnId): Holder | undefined {
    return this.#all.get(txnId);
  }

  add(holder: Holder): void {
    this.#all.set(holder.txnId, holder);
    for (const key of holder.keys) {
      const list = this.#byKey.get(key);
      if (list === undefined) this.#byKey.set(key, [holder]);
      else list.push(holder);
    }
    if (holder.spans.length > 0) this.#withSpans.add(holder);
    if (holder.reads.length > 0) this.#withReads.set(holder, true);
  }

  /** Lets go, and wakes who waits. */
  remove(holder: Holder): void {
    if (this.#all.get(holder.txnId) === holder) this.#all.delete(holder.txnId);
    for (const key of holder.keys) {
      const list = this.#byKey.get(key);
      if (list === undefined) continue;
      const rest = list.filter((each) => each !== holder);
      if (rest.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, rest);
    }
    this.#withSpans.delete(holder);
    this.#withReads.delete(holder);
    const waiters = holder.waiters;
    holder.waiters = [];
    for (const wake of waiters) wake();
  }

  /** Everyone lets go: the leader's memory ends. */
  clear(): void {
    const all = [...this.#all.values()];
    this.#byKey.clear();
    this.#all.clear();
    this.#withSpans.clear();
    this.#withReads.clear();
    for (const holder of all) {
      const waiters = holder.waiters;
      holder.waiters = [];
      for (const wake of waiters) wake();
    }
  }

  /** A holder, other than `except`, of a write to the key at or below `upTo`. */
  writerOfKey(key: Key, upTo: Timestamp, except?: TxnId): Holder | undefined {
    if (this.#all.size === 0) return undefined;
    const list = this.#byKey.get(key);
    if (list !== undefined) {
      for (const holder of list) {
        if (holder.ts <= upTo && holder.txnId !== except) return holder;
      }
    }
    return this.#spanWriter({ start: key, end: keyAfter(key) }, upTo, except);
  }

  /** The same for any key of a span. */
  writerOfSpan(span: Span, upTo: Timestamp, except?: TxnId): Holder | undefined {
    if (this.#all.size === 0) return undefined;
    if (isPoint(span)) return this.writerOfKey(span.start, upTo, except);
    for (const holder of this.#all.values()) {
      if (holder.ts > upTo || holder.txnId === except) continue;
      const first = holder.keys[lowerBound(holder.keys, span.start)];
      if (first !== undefined && first < span.end) return holder;
    }
    return this.#spanWriter(span, upTo, except);
  }

  /** Whether anyone holds anything at or below `upTo`. */
  hasAtOrBelow(upTo: Timestamp): boolean {
    for (const { ts } of this.#all.values()) if (ts <= upTo) return true;
    return false;
  }

  /** What is in flight for the key; undefined: nothing that writes it. */
  inFlight(key: Key): InFlight | undefined {
    if (this.#withSpans.size > 0) {
      const holder = this.#spanWriter({ start: key, end: keyAfter(key) }, TS_MAX);
      if (holder !== undefined) return { holder };
    }
    const list = this.#byKey.get(key);
    if (list === undefined) return undefined;
    let last: Write | undefined;
    for (const holder of list) {
      if (holder.writes === undefined) return { holder };
      // A key that was locked for update only is none of its writes.
      last = writeOf(holder.writes, key) ?? last;
    }
    return last;
  }

  /** A prepared record, other than `except`, that has read the key. */
  readerOfKey(key: Key, except?: TxnId): Holder | undefined {
    for (const holder of this.#withReads.keys()) {
      if (holder.txnId === except) continue;
      for (const span of holder.reads) {
        if (span.start <= key && key < span.end) return holder;
      }
    }
    return undefined;
  }

  readerOfSpan(span: Span, except: TxnId): Holder | undefined {
    for (const holder of this.#withReads.keys()) {
      if (holder.txnId !== except && holder.reads.some((each) => spansOverlap(each, span))) {
        return holder;
      }
    }
    return undefined;
  }

  #spanWriter(span: Span, upTo: Timestamp, except?: TxnId): Holder | undefined {
    for (const holder of this.#withSpans) {
      if (holder.ts > upTo || holder.txnId === except) continue;
      if (holder.spans.some((each) => spansOverlap(each, span))) return holder;
    }
    return undefined;
  }
}

function isPoint(span: Span): boolean {
  return span.end.length === span.start.length + 1 && span.end === keyAfter(span.start);
}

function writeOf(writes: readonly Write[], key: Key): Write | undefined {
  let low = 0;
  let high = writes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = writes[middle];
    if (at !== undefined && at.key < key) low = middle + 1;
    else high = middle;
  }
  return writes[low]?.key === key ? writes[low] : undefined;
}

/** The index of the first key at or above `key`. */
function lowerBound(keys: readonly Key[], key: Key): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = keys[middle];
    if (at !== undefined && at < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
