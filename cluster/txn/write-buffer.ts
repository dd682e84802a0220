/**
 * The writes of a transaction before it commits, in key order, each with a sequence number, so that ROLLBACK TO and a
 * restarted statement can drop those above theirs. Recent writes live in a sorted map; when that has grown it is frozen
 * into a *run*: one byte string outside the JavaScript heap with an index of offsets, so that a million small rows cost
 * their bytes and little more.
 *
 * Of several writes of a key the one with the highest sequence number counts. Bounded by the caller (`sizeBytes`).
 */
import { assert, must } from '../../src/base/assert.ts';
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { SortedMap, entryAt, moveNext, positionOf } from '../../storage/engine/sorted-map.ts';
import type { Write } from '../range/requests.ts';

/** Bytes of recent writes beyond which they are frozen. */
const ACTIVE_BYTES_MAX = 4 << 20;
/** What an entry of the sorted map costs beside its key and value. */
const ENTRY_OVERHEAD_BYTES = 120;

interface Version {
  readonly seq: number;
  readonly value: Uint8Array | null;
}

export class WriteBuffer {
  /** Versions of a key, oldest first. */
  #active = new SortedMap<readonly Version[]>();
  #activeBytes = 0;
  #activeCount = 0;
  #runs: Run[] = [];
  #seq = 0;

  /** The sequence number of the newest write: a mark. */
  get seq(): number {
    return this.#seq;
  }

  /** Takes a number for something that is ordered among the writes and is none. */
  takeSeq(): number {
    return ++this.#seq;
  }

  get isEmpty(): boolean {
    return this.#activeCount === 0 && this.#runs.length === 0;
  }

  get sizeBytes(): number {
    let bytes = this.#activeBytes;
    for (const run of this.#runs) bytes += run.sizeBytes;
    return bytes;
  }

  /** True when it is too large for one prepare: parts are to be staged. */
  get isLarge(): boolean {
    return this.#runs.length > 0 || this.#activeBytes > 1 << 20;
  }

  set(key: Key, value: Uint8Array | null): void {
    const version: Version = { seq: ++this.#seq, value };
    const known = this.#active.get(key);
    this.#active.set(key, known === undefined ? [version] : [...known, version]);
    this.#activeBytes += key.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
    this.#activeCount++;
    if (this.#activeBytes > ACTIVE_BYTES_MAX) this.#freeze();
  }

  /** undefined: not written; null: deleted. */
  get(key: Key): Uint8Array | null | undefined {
    const newest = this.#active.get(key)?.at(-1);
    if (newest !== undefined) return newest.value;
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const found = must(this.#runs[i]).get(key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Is anything written in the span? */
  touches(span: Span): boolean {
    return this.iterate(span).next().done !== true;
  }

  /** Drops every write above the mark. */
  rollbackTo(seq: number): void {
    if (seq === this.#seq) return;
    const kept = new SortedMap<readonly Version[]>();
    let bytes = 0;
    let count = 0;
    for (const [key, versions] of entriesOf(this.#active)) {
      const rest = versions.filter((version) => version.seq <= seq);
      if (rest.length === 0) continue;
      kept.set(key, rest);
      count += rest.length;
      for (const { value } of rest)
        bytes += key.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
    }
    this.#active = kept;
    this.#activeBytes = bytes;
    this.#activeCount = count;
    this.#runs = this.#runs.map((run) => run.upTo(seq)).filter((run) => run.count > 0);
  }

  /** All of them, ascending, where they are few (not `isLarge`). */
  list(): Write[] {
    assert(!this.isLarge, 'a large transaction is not listed');
    const writes: Write[] = [];
    for (const { keys, values } of this.#active.state()) {
      for (let i = 0; i < keys.length; i++) {
        writes.push({ key: keys[i] as Key, value: must(values[i]?.at(-1)).value });
      }
    }
    return writes;
  }

  /** The newest write of each key of the span, ascending. Not to be changed meanwhile. */
  *iterate(span: Span): Generator<Write, void> {
    const sources: Source[] = this.#runs.map((run) => run.source(span));
    sources.push(activeSource(this.#active, span));
    for (;;) {
      let lowest: Key | undefined;
      for (const { key } of sources) {
        if (key !== undefined && (lowest === undefined || key < lowest)) lowest = key;
      }
      if (lowest === undefined) return;
      let value: Uint8Array | null = null;
      // Later sources hold later writes.
      for (const source of sources) {
        if (source.key !== lowest) continue;
        value = source.value();
        source.advance();
      }
      yield { key: lowest, value };
    }
  }

  #freeze(): void {
    this.#runs.push(Run.of(entriesOf(this.#active)));
    this.#active = new SortedMap();
    this.#activeBytes = 0;
    this.#activeCount = 0;
  }
}

function* entriesOf(
  map: SortedMap<readonly Version[]>,
): Generator<[Key, readonly Version[]], void> {
  const state = map.state();
  const position = { leaf: 0, index: 0 };
  for (;;) {
    const entry = entryAt(state, position);
    if (entry === undefined) return;
    yield [entry[0] as Key, entry[1]];
    moveNext(state, position);
  }
}

/** A position in one sorted source; `key` undefined at the end. */
interface Source {
  key: Key | undefined;
  value(): Uint8Array | null;
  advance(): void;
}

function activeSource(map: SortedMap<readonly Version[]>, span: Span): Source {
  const state = map.state();
  const position = positionOf(state, span.start);
  const at = (): Key | undefined => {
    const key = entryAt(state, position)?.[0] as Key | undefined;
    return key !== undefined && key < span.end ? key : undefined;
  };
  const source: Source = {
    key: at(),
    value: () => entryAt(state, position)?.[1].at(-1)?.value ?? null,
    advance: () => {
      moveNext(state, position);
      source.key = at();
    },
  };
  return source;
}

/** Frozen writes: per entry the key, the sequence number and the value, with an index of where each begins. */
class Run {
  readonly #bytes: Buffer;
  readonly #offsets: Uint32Array;
  readonly #seqMax: number;

  private constructor(bytes: Buffer, offsets: Uint32Array, seqMax: number) {
    this.#bytes = bytes;
    this.#offsets = offsets;
    this.#seqMax = seqMax;
  }

  /** Every version of a key is kept, oldest first, so that a rollback finds the one before. */
  static of(entries: Iterable<readonly [Key, readonly Version[]]>): Run {
    const out = new ByteWriter(ACTIVE_BYTES_MAX);
    const offsets: number[] = [];
    let seqMax = 0;
    for (const [key, versions] of entries) {
      for (const { seq, value } of versions) {
        offsets.push(out.length);
        out.key(key);
        out.varint(seq);
        out.varint(value === null ? 0 : value.length + 1);
        if (value !== null) out.raw(value);
        if (seq > seqMax) seqMax = seq;
      }
    }
    return new Run(out.copy(), Uint32Array.from(offsets), seqMax);
  }

  get count(): number {
    return this.#offsets.length;
  }

  get sizeBytes(): number {
    return this.#bytes.length + this.#offsets.length * 4;
  }

  upTo(seq: number): Run {
    if (this.#seqMax <= seq) return this;
    return Run.of(this.#versionsUpTo(seq));
  }

  *#versionsUpTo(seq: number): Generator<[Key, Version[]], void> {
    for (let i = 0; i < this.count; i++) {
      const entry = this.#entry(i);
      if (entry.seq <= seq) yield [entry.key, [entry]];
    }
  }

  get(key: Key): Uint8Array | null | undefined {
    const index = this.#lastOf(this.#lowerBound(key));
    if (index >= this.count || this.#key(index) !== key) return undefined;
    return this.#entry(index).value;
  }

  source(span: Span): Source {
    let index = this.#lastOf(this.#lowerBound(span.start));
    const at = (): Key | undefined => {
      const key = index < this.count ? this.#key(index) : undefined;
      return key !== undefined && key < span.end ? key : undefined;
    };
    const source: Source = {
      key: at(),
      value: () => this.#entry(index).value,
      advance: () => {
        index = this.#lastOf(index + 1);
        source.key = at();
      },
    };
    return source;
  }

  /** The last version of the key at `index`. */
  #lastOf(index: number): number {
    if (index >= this.count) return index;
    const key = this.#key(index);
    let last = index;
    while (last + 1 < this.count && this.#key(last + 1) === key) last++;
    return last;
  }

  #key(index: number): Key {
    return new ByteReader(this.#bytes, must(this.#offsets[index])).key();
  }

  #entry(index: number): Version & { key: Key } {
    const reader = new ByteReader(this.#bytes, must(this.#offsets[index]));
    const key = reader.key();
    const seq = reader.varint();
    const size = reader.varint();
    return { key, seq, value: size === 0 ? null : reader.raw(size - 1) };
  }

  #lowerBound(key: Key): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#key(middle) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
