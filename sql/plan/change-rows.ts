/**
 * INSERT, UPDATE and DELETE at work. What is to be changed is read to its end before anything is written, wherever
 * writes could be seen by the reading: a row is never met twice. RETURNING rows are kept until all is done.
 */
import type { Key } from '../../src/base/span.ts';
import { must } from '../../src/base/assert.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { KvTxn } from '../../src/kv/kv-client.ts';
import { SqlError, internalError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { evaluating } from '../exec/evaluation-wait.ts';
import { MemoryBudget } from '../exec/memory-budget.ts';
import type { Operator } from '../exec/operator.ts';
import { Breather } from '../exec/operator.ts';
import type { RowConflict, TableWriter } from '../exec/table-writer.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { Compiled, Frame } from './frame.ts';

/** A change that is done. */
export interface Changed {
  readonly count: number;
  /** Rows of RETURNING; empty without. */
  readonly rows: readonly Row[];
}

/** RETURNING: rows as the clause makes them, kept within work_mem. */
class Returned {
  readonly rows: Row[] = [];
  readonly #items: readonly Compiled[] | undefined;
  readonly #frame: Frame;
  readonly #budget: MemoryBudget;

  constructor(items: readonly Compiled[] | undefined, frame: Frame) {
    this.#items = items;
    this.#frame = frame;
    this.#budget = new MemoryBudget('RETURNING', frame.execution.workMemBytes);
  }

  *add(row: Row): Steps<void> {
    const items = this.#items;
    if (items === undefined) return;
    const out = yield* evaluating(() => items.map((item) => item(row, this.#frame)));
    this.#budget.addRow(out);
    this.rows.push(out);
  }
}

// -- INSERT ---------------------------------------------------------------------------------------------------------

export interface InsertWork {
  /** For each column; undefined: the hidden row id. */
  readonly values: readonly (Compiled | undefined)[];
  readonly conflict: ConflictWork | undefined;
  readonly returning: readonly Compiled[] | undefined;
  /** The source reads what is written: it is read to its end first. */
  readonly isSelfReading: boolean;
}

export interface ConflictWork {
  readonly arbiters: ReadonlySet<number> | undefined;
  /** Over the row that is there, followed by the new one. Undefined: DO NOTHING. */
  readonly update:
    { readonly set: readonly SetWork[]; readonly where: Compiled | undefined } | undefined;
}

export interface SetWork {
  readonly ordinal: number;
  readonly value: Compiled;
}

/** Rows are written in batches; one alone is locked, so that a rival for its key is waited for. */
const BATCH_ROWS = 500;

export function* insertRows(
  source: Operator,
  work: InsertWork,
  writer: TableWriter,
  frame: Frame,
): Steps<Changed> {
  const { execution } = frame;
  const inserter = new Inserter(work, writer, frame);
  const breather = new Breather(execution);
  const budget = new MemoryBudget('INSERT', execution.workMemBytes);
  const held: Row[] = [];
  try {
    for (let batch = yield* source.next(); batch !== undefined; batch = yield* source.next()) {
      for (const given of batch) {
        const row = yield* inserter.rowOf(given);
        if (!work.isSelfReading) yield* inserter.add(row);
        else {
          budget.addRow(row);
          held.push(row);
        }
      }
      yield* breather.after(batch.length);
    }
    for (const row of held) yield* inserter.add(row);
    yield* inserter.flush();
  } finally {
    source.close();
  }
  return inserter.result();
}

class Inserter {
  readonly #work: InsertWork;
  readonly #writer: TableWriter;
  readonly #frame: Frame;
  readonly #txn: KvTxn;
  readonly #returned: Returned;
  #batch: Row[] = [];
  #count = 0;
  /** Rows that this statement has inserted or updated: ON CONFLICT DO UPDATE must not meet them again. */
  readonly #touched = new Set<Key>();

  constructor(work: InsertWork, writer: TableWriter, frame: Frame) {
    this.#work = work;
    this.#writer = writer;
    this.#frame = frame;
    this.#txn = transactionOf(frame);
    this.#returned = new Returned(work.returning, frame);
  }

  *rowOf(given: Row): Steps<Row> {
    const { values } = this.#work;
    const { execution } = this.#frame;
    return yield* evaluating(() =>
      values.map((value) =>
        value === undefined ? execution.kv.uniqueInt() : value(given, this.#frame),
      ),
    );
  }

  *add(row: Row): Steps<void> {
    if (this.#work.conflict !== undefined) {
      yield* this.#insertOr(row, this.#work.conflict);
      return;
    }
    this.#batch.push(row);
    if (this.#batch.length >= BATCH_ROWS) yield* this.flush();
  }

  *flush(): Steps<void> {
    const rows = this.#batch;
    if (rows.length === 0) return;
    this.#batch = [];
    const isAlone = rows.length === 1 && this.#count === 0;
    yield* this.#writer.insert(rows, isAlone);
    this.#count += rows.length;
    if (this.#work.returning === undefined) return;
    for (const row of rows) yield* this.#returned.add(row);
  }

  result(): Changed {
    return { count: this.#count, rows: this.#returned.rows };
  }

  *#insertOr(row: Row, conflict: ConflictWork): Steps<void> {
    const writer = this.#writer;
    writer.checkRow(row);
    const found = yield* writer.conflictOf(row, conflict.arbiters, true);
    if (found === undefined) {
      yield* wait(writer.insertChecked(row));
      this.#touched.add(writer.codec.primaryKey(row));
      this.#count++;
      yield* this.#returned.add(row);
      return;
    }
    if (conflict.update !== undefined) yield* this.#update(found, row, conflict.update);
  }

  *#update(
    { key, value: known }: RowConflict,
    row: Row,
    update: NonNullable<ConflictWork['update']>,
  ): Steps<void> {
    const { codec } = this.#writer;
    const frame = this.#frame;
    if (this.#touched.has(key)) {
      throw new SqlError(
        SQLSTATE.CARDINALITY_VIOLATION,
        'ON CONFLICT DO UPDATE command cannot affect row a second time',
        {
          hint:
            'Ensure that no rows proposed for insertion within the same command have ' +
            'duplicate constrained values.',
        },
      );
    }
    // NB: a row that was met by its own key is locked already.
    const value = known ?? (yield* this.#lockedValue(key));
    const before = codec.readRow({ key, value });
    const both = [...before, ...row];
    const { where } = update;
    if (where !== undefined && !(yield* evaluating(() => where(both, frame) === true))) return;
    const after = yield* evaluating(() => assigned(before, update.set, both, frame));
    yield* this.#writer.update(key, before, after);
    this.#touched.add(codec.primaryKey(after));
    this.#count++;
    yield* this.#returned.add(after);
  }

  *#lockedValue(key: Key): Steps<Uint8Array> {
    const { lock } = this.#frame.execution;
    const [locked] = yield* wait(this.#txn.lock([key], this.#writer.codec.fence, lock));
    if (locked?.value !== undefined) return locked.value;
    throw internalError('the row in conflict is not there');
  }
}

export function assigned(before: Row, set: readonly SetWork[], seen: Row, frame: Frame): Row {
  const after = [...before];
  for (const { ordinal, value } of set) after[ordinal] = value(seen, frame);
  return after;
}

// -- UPDATE and DELETE ------------------------------------------------------------------------------------------------

/** Where the table's row and its key stand in the rows of the source. */
export interface TargetSlots {
  readonly columns: readonly number[];
  readonly key: number;
}

export interface UpdateWork {
  readonly target: TargetSlots;
  readonly set: readonly SetWork[];
  /** Over the source's rows, with the new values in place of the old ones. */
  readonly returning: readonly Compiled[] | undefined;
}

export function* updateRows(
  source: Operator,
  work: UpdateWork,
  writer: TableWriter,
  frame: Frame,
): Steps<Changed> {
  const { target } = work;
  const rows = yield* targetRows(source, target, frame);
  const returned = new Returned(work.returning, frame);
  const breather = new Breather(frame.execution);
  for (const row of rows) {
    const before = target.columns.map((slot) => row[slot] ?? null);
    const after = yield* evaluating(() => assigned(before, work.set, row, frame));
    yield* writer.update(row[target.key] as Key, before, after);
    if (work.returning !== undefined) yield* returned.add(replaced(row, target, after));
    yield* breather.after(1);
  }
  return { count: rows.length, rows: returned.rows };
}

function replaced(row: Row, target: TargetSlots, after: Row): Row {
  const out: Datum[] = [...row];
  target.columns.forEach((slot, ordinal) => {
    out[slot] = after[ordinal] ?? null;
  });
  return out;
}

export interface DeleteWork {
  readonly target: TargetSlots;
  readonly returning: readonly Compiled[] | undefined;
}

export function* deleteRows(
  source: Operator,
  work: DeleteWork,
  writer: TableWriter,
  frame: Frame,
): Steps<Changed> {
  const { target } = work;
  const rows = yield* targetRows(source, target, frame);
  const returned = new Returned(work.returning, frame);
  const breather = new Breather(frame.execution);
  for (const row of rows) {
    const before = target.columns.map((slot) => row[slot] ?? null);
    yield* wait(writer.remove(row[target.key] as Key, before));
    yield* returned.add(row);
    yield* breather.after(1);
  }
  return { count: rows.length, rows: returned.rows };
}

/** All rows to change, each of them once: a join may give one several times, and then the first counts. */
function* targetRows(source: Operator, target: TargetSlots, frame: Frame): Steps<readonly Row[]> {
  const { execution } = frame;
  const budget = new MemoryBudget('UPDATE or DELETE', execution.workMemBytes);
  const breather = new Breather(execution);
  const rows = new Map<Datum, Row>();
  try {
    for (let batch = yield* source.next(); batch !== undefined; batch = yield* source.next()) {
      for (const row of batch) {
        const key = must(row[target.key], 'a row without key');
        if (rows.has(key)) continue;
        rows.set(key, row);
        budget.addRow(row);
      }
      yield* breather.after(batch.length);
    }
  } finally {
    source.close();
  }
  return [...rows.values()];
}

function transactionOf({ execution }: Frame): KvTxn {
  return must(execution.txn, 'a change of rows has a transaction');
}
