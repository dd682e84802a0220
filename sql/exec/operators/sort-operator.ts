/**
 * Sort in memory, stable. With a limit it keeps little more than that many rows: whenever twice as many have gathered,
 * the worse half goes.
 */
import type { Datum, Row } from '../../types/datum.ts';
import type { Comparator } from '../../types/compare.ts';
import { MemoryBudget } from '../memory-budget.ts';
import type { Batch, Evaluate, ExecPorts, Operator } from '../operator.ts';
import { BATCH_ROWS, Breather } from '../operator.ts';
import type { Steps } from '../../../src/base/steps.ts';

export interface SortKey {
  readonly evaluate: Evaluate;
  /** Of two values that are not null. */
  readonly compare: Comparator;
  readonly isDescending: boolean;
  readonly isNullsFirst: boolean;
}

interface Entry {
  readonly row: Row;
  readonly keys: readonly Datum[];
  /** Place in the input: breaks ties, so that what is dropped is well defined. */
  readonly order: number;
}

const TOP_ROWS_MIN = 1000;

export class SortOperator implements Operator {
  readonly #input: Operator;
  readonly #keys: readonly SortKey[];
  readonly #limit: number;
  readonly #budget: MemoryBudget;
  readonly #breather: Breather;
  #sorted: Entry[] | undefined;
  #at = 0;

  constructor(input: Operator, keys: readonly SortKey[], ports: ExecPorts, limit = Infinity) {
    this.#input = input;
    this.#keys = keys;
    this.#limit = limit;
    this.#budget = new MemoryBudget('sort', ports.workMemBytes);
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    this.#sorted ??= yield* this.#sort();
    if (this.#at >= this.#sorted.length) return undefined;
    const part = this.#sorted.slice(this.#at, this.#at + BATCH_ROWS);
    this.#at += part.length;
    return part.map((entry) => entry.row);
  }

  close(): void {
    this.#input.close();
    this.#sorted = [];
  }

  *#sort(): Steps<Entry[]> {
    const compare = entryComparator(this.#keys);
    const keep = Math.max(this.#limit * 2, TOP_ROWS_MIN);
    let entries: Entry[] = [];
    let order = 0;
    for (;;) {
      const batch = yield* this.#input.next();
      if (batch === undefined) break;
      for (const row of batch) {
        entries.push({ row, keys: this.#keys.map((key) => key.evaluate(row)), order: order++ });
        this.#budget.addRow(row);
      }
      if (entries.length > keep) {
        entries = entries.sort(compare).slice(0, this.#limit);
        this.#budget.reset();
        for (const entry of entries) this.#budget.addRow(entry.row);
      }
      yield* this.#breather.after(batch.length);
    }
    entries.sort(compare);
    return entries.length > this.#limit ? entries.slice(0, this.#limit) : entries;
  }
}

/** Compares evaluated sort keys, nulls placed as the keys say. */
export function compareKeys(
  keys: readonly SortKey[],
  a: readonly Datum[],
  b: readonly Datum[],
): number {
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key === undefined) break;
    const x = a[i] ?? null;
    const y = b[i] ?? null;
    if (x === null || y === null) {
      if (x === y) continue;
      return (x === null) === key.isNullsFirst ? -1 : 1;
    }
    const order = key.compare(x, y);
    if (order !== 0) return key.isDescending ? -order : order;
  }
  return 0;
}

function entryComparator(keys: readonly SortKey[]): (a: Entry, b: Entry) => number {
  return (a, b) => compareKeys(keys, a.keys, b.keys) || a.order - b.order;
}
