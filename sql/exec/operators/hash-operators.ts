/** Operators that keep rows by key in memory: aggregate, distinct, and the set operations. */
import type { Datum, Row } from '../../types/datum.ts';
import type { ResolvedAggregate } from '../../functions/function-types.ts';
import { MemoryBudget } from '../memory-budget.ts';
import type { Batch, Evaluate, ExecPorts, Operator, Predicate } from '../operator.ts';
import { BATCH_ROWS, Breather } from '../operator.ts';
import type { RowKey, RowKeyOf } from '../row-keys.ts';
import type { Steps } from '../../../src/base/steps.ts';
import { compareKeys } from './sort-operator.ts';
import type { SortKey } from './sort-operator.ts';

export interface AggregateCall {
  readonly aggregate: ResolvedAggregate;
  /** Already cast to the aggregate's argument types. */
  readonly args: readonly Evaluate[];
  readonly filter: Predicate | undefined;
  /** DISTINCT: the key of the arguments. */
  readonly distinct: RowKeyOf | undefined;
  readonly orderBy: readonly SortKey[];
}

interface CallState {
  state: unknown;
  seen: Set<RowKey> | undefined;
  /** Arguments kept back until their order is known. */
  held: { readonly keys: readonly Datum[]; readonly args: readonly Datum[] }[] | undefined;
}

interface Group {
  readonly values: readonly Datum[];
  readonly calls: CallState[];
}

/** Rows of group values followed by aggregate results. Without `groupBy` there is always exactly one row. */
export class AggregateOperator implements Operator {
  readonly #input: Operator;
  readonly #groupBy: readonly Evaluate[];
  readonly #keyOf: RowKeyOf;
  readonly #calls: readonly AggregateCall[];
  readonly #budget: MemoryBudget;
  readonly #breather: Breather;
  #result: Iterator<Group> | undefined;

  constructor(
    input: Operator,
    groupBy: { readonly values: readonly Evaluate[]; readonly keyOf: RowKeyOf },
    calls: readonly AggregateCall[],
    ports: ExecPorts,
  ) {
    this.#input = input;
    this.#groupBy = groupBy.values;
    this.#keyOf = groupBy.keyOf;
    this.#calls = calls;
    this.#budget = new MemoryBudget('aggregate', ports.workMemBytes);
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    this.#result ??= (yield* this.#aggregate())[Symbol.iterator]();
    const batch: Batch = [];
    while (batch.length < BATCH_ROWS) {
      const group = this.#result.next();
      if (group.done === true) break;
      batch.push(this.#finish(group.value));
    }
    return batch.length === 0 ? undefined : batch;
  }

  close(): void {
    this.#input.close();
    this.#result = [][Symbol.iterator]();
  }

  *#aggregate(): Steps<Iterable<Group>> {
    if (this.#groupBy.length === 0) {
      const only = this.#newGroup([]);
      for (let b = yield* this.#input.next(); b !== undefined; b = yield* this.#input.next()) {
        for (const row of b) this.#add(only, row);
        yield* this.#breather.after(b.length);
      }
      return [only];
    }
    const groups = new Map<RowKey, Group>();
    for (let b = yield* this.#input.next(); b !== undefined; b = yield* this.#input.next()) {
      for (const row of b) {
        const values = this.#groupBy.map((evaluate) => evaluate(row));
        const key = this.#keyOf(values);
        let group = groups.get(key);
        if (group === undefined) {
          group = this.#newGroup(values);
          groups.set(key, group);
          this.#budget.addRow(values);
          this.#budget.add(this.#calls.length * 64);
        }
        this.#add(group, row);
      }
      yield* this.#breather.after(b.length);
    }
    return groups.values();
  }

  #newGroup(values: readonly Datum[]): Group {
    const calls = this.#calls.map((call) => ({
      state: call.aggregate.init(),
      seen: call.distinct === undefined ? undefined : new Set<RowKey>(),
      held: call.orderBy.length === 0 ? undefined : [],
    }));
    return { values, calls };
  }

  #add(group: Group, row: Row): void {
    for (let i = 0; i < this.#calls.length; i++) {
      const call = this.#calls[i];
      const state = group.calls[i];
      if (call === undefined || state === undefined) break;
      if (call.filter !== undefined && !call.filter(row)) continue;
      const args = call.args.map((evaluate) => evaluate(row));
      if (call.aggregate.isStrict && args.includes(null)) continue;
      if (state.seen !== undefined && call.distinct !== undefined) {
        const key = call.distinct(args);
        if (state.seen.has(key)) continue;
        state.seen.add(key);
        this.#budget.addRow(args);
      }
      if (state.held === undefined) state.state = call.aggregate.step(state.state, args);
      else {
        state.held.push({ keys: call.orderBy.map((key) => key.evaluate(row)), args });
        this.#budget.addRow(args);
      }
    }
  }

  #finish(group: Group): Row {
    const results = this.#calls.map((call, i): Datum => {
      const state = group.calls[i];
      if (state === undefined) return null;
      if (state.held !== undefined) {
        state.held.sort((a, b) => compareKeys(call.orderBy, a.keys, b.keys));
        for (const { args } of state.held) state.state = call.aggregate.step(state.state, args);
        state.held = undefined;
      }
      return call.aggregate.final(state.state);
    });
    return [...group.values, ...results];
  }
}

/** The first row of each key, in the order of the input. */
export class DistinctOperator implements Operator {
  readonly #input: Operator;
  readonly #keyOf: (row: Row) => RowKey;
  readonly #seen = new Set<RowKey>();
  readonly #budget: MemoryBudget;
  readonly #breather: Breather;

  constructor(input: Operator, keyOf: (row: Row) => RowKey, ports: ExecPorts) {
    this.#input = input;
    this.#keyOf = keyOf;
    this.#budget = new MemoryBudget('distinct', ports.workMemBytes);
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    for (;;) {
      const batch = yield* this.#input.next();
      if (batch === undefined) return undefined;
      const kept = batch.filter((row) => {
        const key = this.#keyOf(row);
        if (this.#seen.has(key)) return false;
        this.#seen.add(key);
        this.#budget.addRow(row);
        return true;
      });
      yield* this.#breather.after(batch.length);
      if (kept.length > 0) return kept;
    }
  }

  close(): void {
    this.#input.close();
    this.#seen.clear();
  }
}

/** INTERSECT and EXCEPT, with ALL counting how often a row occurs. */
export class SetOperator implements Operator {
  readonly #left: Operator;
  readonly #right: Operator;
  readonly #kind: 'intersect' | 'except';
  readonly #isAll: boolean;
  readonly #keyOf: (row: Row) => RowKey;
  readonly #budget: MemoryBudget;
  readonly #breather: Breather;
  #counts: Map<RowKey, number> | undefined;
  readonly #given = new Set<RowKey>();

  constructor(
    inputs: { readonly left: Operator; readonly right: Operator },
    operation: { readonly kind: 'intersect' | 'except'; readonly isAll: boolean },
    keyOf: (row: Row) => RowKey,
    ports: ExecPorts,
  ) {
    this.#left = inputs.left;
    this.#right = inputs.right;
    this.#kind = operation.kind;
    this.#isAll = operation.isAll;
    this.#keyOf = keyOf;
    this.#budget = new MemoryBudget(operation.kind, ports.workMemBytes);
    this.#breather = new Breather(ports);
  }

  *next(): Steps<Batch | undefined> {
    const counts = (this.#counts ??= yield* this.#countRight());
    for (;;) {
      const batch = yield* this.#left.next();
      if (batch === undefined) return undefined;
      const kept = batch.filter((row) => this.#keeps(this.#keyOf(row), counts));
      yield* this.#breather.after(batch.length);
      if (kept.length > 0) return kept;
    }
  }

  close(): void {
    this.#left.close();
    this.#right.close();
  }

  *#countRight(): Steps<Map<RowKey, number>> {
    const counts = new Map<RowKey, number>();
    for (let b = yield* this.#right.next(); b !== undefined; b = yield* this.#right.next()) {
      for (const row of b) {
        const key = this.#keyOf(row);
        const count = counts.get(key) ?? 0;
        if (count === 0) this.#budget.addRow(row);
        counts.set(key, count + 1);
      }
      yield* this.#breather.after(b.length);
    }
    return counts;
  }

  #keeps(key: RowKey, counts: Map<RowKey, number>): boolean {
    const count = counts.get(key) ?? 0;
    if (this.#isAll) {
      if (count > 0) counts.set(key, count - 1);
      return this.#kind === 'intersect' ? count > 0 : count === 0;
    }
    if (this.#given.has(key)) return false;
    if (count > 0 !== (this.#kind === 'intersect')) return false;
    this.#given.add(key);
    return true;
  }
}
