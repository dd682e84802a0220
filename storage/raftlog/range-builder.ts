/**
 * One range's share of the log while it is read back: its records in their order, made into what was in force at the
 * end. Copies (of entries whose first record's segment has gone) may come after entries that follow them; they are kept
 * apart and put in front at the end.
 */
import type { EntryPlace } from './log-index.ts';
import { LogIndex } from './log-index.ts';
import type { HardStateRecord } from './record.ts';

export interface RecoveredEntry {
  readonly index: number;
  readonly term: number;
  /** Empty where a checkpoint holds the entry. */
  readonly data: Buffer;
}

export interface RecoveredRange {
  readonly hardState: HardStateRecord;
  /** The segment that holds its last record; 0 when there is none. */
  readonly hardStateIn: number;
  /** Contiguous, ascending. */
  readonly entries: RecoveredEntry[];
}

interface Placed {
  readonly entry: RecoveredEntry;
  readonly place: EntryPlace;
}

export class RangeBuilder {
  #hardState: HardStateRecord = { term: 0, vote: 0 };
  #hardStateIn = 0;
  #entries: Placed[] = [];
  readonly #copies = new Map<number, Placed>();

  setHardState(hardState: HardStateRecord, segment: number): void {
    this.#hardState = hardState;
    this.#hardStateIn = segment;
  }

  append({ index, term, data }: RecoveredEntry, place: EntryPlace): void {
    const last = this.#entries.at(-1)?.entry.index;
    // An entry that leaves a gap was written after the ones before it had been let go.
    if (last !== undefined && index > last + 1) this.#entries = [];
    else this.truncate(index);
    this.#entries.push({ entry: { index, term, data }, place });
  }

  truncate(from: number): void {
    const first = this.#entries[0]?.entry.index ?? from;
    if (from < first + this.#entries.length) this.#entries.length = Math.max(0, from - first);
    for (const index of this.#copies.keys()) if (index >= from) this.#copies.delete(index);
  }

  copy({ index, term, data }: RecoveredEntry, place: EntryPlace): void {
    const first = this.#entries[0]?.entry.index;
    // Its own record may still be there; the copy is where it will be looked for from now on.
    if (first !== undefined && index >= first) {
      const at = index - first;
      if (at < this.#entries.length) this.#entries[at] = { entry: { index, term, data }, place };
    } else this.#copies.set(index, { entry: { index, term, data }, place });
  }

  finish(): { readonly recovered: RecoveredRange; readonly index: LogIndex } {
    let first = this.#entries[0]?.entry.index ?? Math.max(0, ...this.#copies.keys()) + 1;
    const front: Placed[] = [];
    for (
      let copy = this.#copies.get(--first);
      copy !== undefined;
      copy = this.#copies.get(--first)
    ) {
      front.push(copy);
    }
    const all = [...front.reverse(), ...this.#entries];
    const index = new LogIndex();
    for (const { entry, place } of all) index.append(entry.index, place.segment, place.offset);
    const entries = all.map(({ entry }) => entry);
    const recovered = { hardState: this.#hardState, hardStateIn: this.#hardStateIn, entries };
    return { recovered, index };
  }
}
