/**
 * Joins. Rows of both sides are concatenated, left first. The condition sees the concatenated row. A semi or anti
 * join gives left rows only. What has no partner in an outer join is filled with NULLs.
 *
 * `HashJoin` keeps the right side by key; `LoopJoin` keeps the right side as a list (or asks for it anew per left row
 * when it depends on it: `LookupJoin`, for some left rows together where they find theirs by keys).
 */
import { must } from '../../../src/base/assert.ts';
import type { Datum, Row } from '../../types/datum.ts';
import { evaluating } from '../evaluation-wait.ts';
import { MemoryBudget } from '../memory-budget.ts';
import type { Batch, ExecPorts, Operator, Predicate } from '../operator.ts';
import { BATCH_ROWS, Breather } from '../operator.ts';
import type { RowKey } from '../row-keys.ts';
import type { Steps } from '../../../src/base/steps.ts';

export type JoinKind = 'inner' | 'left' | 'right' | 'full' | 'semi' | 'anti';

export interface JoinShape {
  readonly kind: JoinKind;
  readonly leftWidth: number;
  readonly rightWidth: number;
  /** Undefined: all pairs match. */
  readonly condition: Predicate | undefined;
  /** The condition may ask to wait: it has a subquery. */
  readonly mayWait?: boolean;
}

/** Undefined key: NULL somewhere, which equals nothing. */
export type JoinKeyOf = (row: Row) => RowKey | undefined;

interface RightRow {
  readonly row: Row;
  isMatched: boolean;
}

abstract class JoinBase implements Operator {
  protected readonly shape: JoinShape;
  protected readonly left: Operator;
  protected readonly breather: Breather;
  #pending: Batch | undefined;
  #at = 0;
  #isLeftDone = false;
  #unmatched: Iterator<RightRow> | undefined;

  protected constructor(left: Operator, shape: JoinShape, ports: ExecPorts) {
    this.left = left;
    this.shape = shape;
    this.breather = new Breather(ports);
  }

  protected abstract prepare(): Steps<void>;
  /** Right rows that may match. */
  protected abstract candidates(left: Row): Steps<readonly RightRow[]>;
  protected abstract allRight(): Iterable<RightRow>;
  abstract close(): void;

  *next(): Steps<Batch | undefined> {
    yield* this.prepare();
    const out: Batch = [];
    while (out.length < BATCH_ROWS && !this.#isLeftDone) {
      if (this.#pending === undefined || this.#at >= this.#pending.length) {
        this.#pending = yield* this.left.next();
        this.#at = 0;
        if (this.#pending === undefined) {
          this.#isLeftDone = true;
          break;
        }
      }
      const left = this.#pending[this.#at++];
      if (left !== undefined) yield* this.#joinRow(left, out);
    }
    if (this.#isLeftDone && (this.shape.kind === 'right' || this.shape.kind === 'full')) {
      this.#addUnmatched(out);
    }
    return out.length === 0 ? undefined : out;
  }

  /** The left row that candidates are asked for, and those known to come after it. */
  protected upcoming(count: number): readonly Row[] {
    return this.#pending?.slice(this.#at - 1, this.#at - 1 + count) ?? [];
  }

  *#joinRow(left: Row, out: Batch): Steps<void> {
    const { kind, condition, mayWait } = this.shape;
    const candidates = yield* this.candidates(left);
    let isMatched = false;
    for (const right of candidates) {
      const row = kind === 'semi' && condition === undefined ? left : [...left, ...right.row];
      if (condition !== undefined) {
        const holds = mayWait === true ? yield* evaluating(() => condition(row)) : condition(row);
        if (!holds) continue;
      }
      isMatched = true;
      if (kind === 'semi' || kind === 'anti') break;
      right.isMatched = true;
      out.push(row);
    }
    yield* this.breather.after(candidates.length + 1);
    if (kind === 'semi' ? isMatched : kind === 'anti' && !isMatched) out.push(left);
    else if (!isMatched && (kind === 'left' || kind === 'full')) {
      out.push([...left, ...nulls(this.shape.rightWidth)]);
    }
  }

  #addUnmatched(out: Batch): void {
    this.#unmatched ??= this.allRight()[Symbol.iterator]();
    while (out.length < BATCH_ROWS) {
      const right = this.#unmatched.next();
      if (right.done === true) return;
      if (right.value.isMatched) continue;
      out.push([...nulls(this.shape.leftWidth), ...right.value.row]);
    }
  }
}

export class HashJoinOperator extends JoinBase {
  readonly #right: Operator;
  readonly #leftKey: JoinKeyOf;
  readonly #rightKey: JoinKeyOf;
  readonly #budget: MemoryBudget;
  #table: Map<RowKey, RightRow[]> | undefined;
  /** Rows whose key has a NULL: they match nothing, and an outer join still gives them. */
  readonly #keyless: RightRow[] = [];

  constructor(
    inputs: { readonly left: Operator; readonly right: Operator },
    keys: { readonly left: JoinKeyOf; readonly right: JoinKeyOf },
    shape: JoinShape,
    ports: ExecPorts,
  ) {
    super(inputs.left, shape, ports);
    this.#right = inputs.right;
    this.#leftKey = keys.left;
    this.#rightKey = keys.right;
    this.#budget = new MemoryBudget('hash join', ports.workMemBytes);
  }

  close(): void {
    this.left.close();
    this.#right.close();
    this.#table?.clear();
  }

  protected *prepare(): Steps<void> {
    if (this.#table !== undefined) return;
    const table = new Map<RowKey, RightRow[]>();
    this.#table = table;
    for (let b = yield* this.#right.next(); b !== undefined; b = yield* this.#right.next()) {
      for (const row of b) {
        this.#budget.addRow(row);
        const entry = { row, isMatched: false };
        const key = this.#rightKey(row);
        const bucket = key === undefined ? this.#keyless : table.get(key);
        if (bucket !== undefined) bucket.push(entry);
        else if (key !== undefined) table.set(key, [entry]);
      }
      yield* this.breather.after(b.length);
    }
  }

  protected *candidates(left: Row): Steps<readonly RightRow[]> {
    const key = this.#leftKey(left);
    return key === undefined ? [] : (this.#table?.get(key) ?? []);
  }

  protected *allRight(): Iterable<RightRow> {
    for (const bucket of this.#table?.values() ?? []) yield* bucket;
    yield* this.#keyless;
  }
}

export class LoopJoinOperator extends JoinBase {
  readonly #right: Operator;
  readonly #budget: MemoryBudget;
  #rows: RightRow[] | undefined;

  constructor(
    inputs: { readonly left: Operator; readonly right: Operator },
    shape: JoinShape,
    ports: ExecPorts,
  ) {
    super(inputs.left, shape, ports);
    this.#right = inputs.right;
    this.#budget = new MemoryBudget('nested loop join', ports.workMemBytes);
  }

  close(): void {
    this.left.close();
    this.#right.close();
    this.#rows = [];
  }

  protected *prepare(): Steps<void> {
    if (this.#rows !== undefined) return;
    const rows: RightRow[] = [];
    this.#rows = rows;
    for (let b = yield* this.#right.next(); b !== undefined; b = yield* this.#right.next()) {
      for (const row of b) {
        this.#budget.addRow(row);
        rows.push({ row, isMatched: false });
      }
    }
  }

  protected *candidates(): Steps<readonly RightRow[]> {
    return this.#rows ?? [];
  }

  protected allRight(): Iterable<RightRow> {
    return this.#rows ?? [];
  }
}

/** How right rows are found: for one left row, or for some together, of which the first at least are answered. */
export type LookUp =
  | { readonly kind: 'each'; readonly find: (left: Row) => Steps<readonly Row[]> }
  | {
      readonly kind: 'batch';
      readonly find: (lefts: readonly Row[]) => Steps<readonly (() => readonly Row[])[]>;
    };

/** Left rows looked up together. */
const LOOKUPS_MAX = 128;

/** The right side is made anew for each left row: index lookups, LATERAL. Never right or full. */
export class LookupJoinOperator extends JoinBase {
  readonly #lookUp: LookUp;
  /** Answers for the left rows that come next, with the next one last. */
  #ready: (() => readonly Row[])[] = [];

  constructor(left: Operator, lookUp: LookUp, shape: JoinShape, ports: ExecPorts) {
    super(left, shape, ports);
    this.#lookUp = lookUp;
  }

  close(): void {
    this.left.close();
    this.#ready = [];
  }

  protected *prepare(): Steps<void> {
    // Nothing is kept of the right side.
  }

  protected *candidates(left: Row): Steps<readonly RightRow[]> {
    const rows = yield* this.#find(left);
    return rows.map((row) => ({ row, isMatched: false }));
  }

  protected allRight(): Iterable<RightRow> {
    return [];
  }

  *#find(left: Row): Steps<readonly Row[]> {
    if (this.#lookUp.kind === 'each') return yield* this.#lookUp.find(left);
    let next = this.#ready.pop();
    if (next === undefined) {
      this.#ready = (yield* this.#lookUp.find(this.upcoming(LOOKUPS_MAX))).toReversed();
      next = must(this.#ready.pop());
    }
    return next();
  }
}

function nulls(width: number): Datum[] {
  return new Array<Datum>(width).fill(null);
}
