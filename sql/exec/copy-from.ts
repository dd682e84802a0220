/**
 * COPY ... FROM STDIN: records are decoded to rows, completed by defaults, and inserted in batches without row locks.
 * Memory is bounded by the batch and by the transaction's own buffer; a slow transaction makes the client wait, since
 * the next chunk is asked for only when the last is written. An error says where: `COPY t, line 3, column a: "x"`.
 */
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Datum } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import { decodeText } from '../types/text-format.ts';
import type { CopyFormat } from './copy-options.ts';
import type { CopyRecord } from './copy-reader.ts';
import { CopyReader } from './copy-reader.ts';
import { evaluating } from './evaluation-wait.ts';
import type { ExecPorts, Predicate } from './operator.ts';
import { Breather } from './operator.ts';
import type { TableWriter } from './table-writer.ts';
import { emptyRow } from './table-writer.ts';

export interface CopyTarget {
  readonly writer: TableWriter;
  /** Ordinals of the columns that the data has, in its order. */
  readonly ordinals: readonly number[];
  /** Ordinals that are filled by a default. */
  readonly defaults: readonly { readonly ordinal: number; readonly evaluate: () => Datum }[];
  readonly where: Predicate | undefined;
}

const BATCH_ROWS = 500;
const SHOWN_LENGTH_MAX = 100;

/** Returns the number of rows inserted. */
export function* copyFrom(
  target: CopyTarget,
  input: AsyncIterable<Uint8Array>,
  format: CopyFormat,
  ports: ExecPorts & { readonly format: FormatContext },
): Steps<number> {
  const { table } = target.writer;
  const names = target.ordinals.map((ordinal) => table.columns[ordinal]?.name ?? '');
  const reader = new CopyReader(format, names);
  const chunks = input[Symbol.asyncIterator]();
  const breather = new Breather(ports);
  const inserter = new Inserter(target, names, ports.format);
  try {
    for (;;) {
      const chunk = yield* wait(chunks.next());
      if (chunk.done === true) break;
      yield* inserter.add(withContext(table.name, reader, () => reader.push(chunk.value)));
      yield* breather.after(inserter.takeProgress());
    }
    yield* inserter.add(withContext(table.name, reader, () => reader.finish()));
    yield* inserter.flush();
    return inserter.count;
  } finally {
    // NB: also after an error, so that the rest of the client's data is not waited for.
    if (chunks.return !== undefined) yield* wait(chunks.return());
  }
}

class Inserter {
  readonly #target: CopyTarget;
  readonly #names: readonly string[];
  readonly #format: FormatContext;
  #rows: Datum[][] = [];
  #lines: number[] = [];
  #progress = 0;
  count = 0;

  constructor(target: CopyTarget, names: readonly string[], format: FormatContext) {
    this.#target = target;
    this.#names = names;
    this.#format = format;
  }

  *add(records: readonly CopyRecord[]): Steps<void> {
    for (const record of records) {
      const row = this.#decode(record);
      for (const { ordinal, evaluate } of this.#target.defaults) {
        row[ordinal] = yield* evaluating(evaluate);
      }
      const { where } = this.#target;
      if (where !== undefined && !(yield* evaluating(() => where(row)))) continue;
      this.#rows.push(row);
      this.#lines.push(record.line);
      if (this.#rows.length >= BATCH_ROWS) yield* this.flush();
    }
    this.#progress += records.length;
  }

  *flush(): Steps<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    const lines = this.#lines;
    this.#rows = [];
    this.#lines = [];
    const { writer } = this.#target;
    try {
      yield* writer.insert(rows, false);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      const line = lines[writer.failedRow] ?? 0;
      throw addContext(error, `COPY ${writer.table.name}, line ${line}`);
    }
    this.count += rows.length;
  }

  takeProgress(): number {
    const rows = this.#progress;
    this.#progress = 0;
    return rows;
  }

  #decode(record: CopyRecord): Datum[] {
    const { writer, ordinals } = this.#target;
    const { table } = writer;
    const { fields, line } = record;
    const where = `COPY ${table.name}, line ${line}`;
    if (fields.length > ordinals.length) {
      throw badFormat('extra data after last expected column', where);
    }
    const row = emptyRow(table);
    for (let i = 0; i < ordinals.length; i++) {
      const ordinal = ordinals[i] ?? 0;
      const column = table.columns[ordinal];
      if (i >= fields.length) {
        throw badFormat(`missing data for column "${this.#names[i] ?? ''}"`, where);
      }
      const field = fields[i] ?? null;
      if (field === null || column === undefined) continue;
      try {
        row[ordinal] = decodeText(column.type, field, this.#format);
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        const shown =
          field.length > SHOWN_LENGTH_MAX ? `${field.slice(0, SHOWN_LENGTH_MAX)}...` : field;
        throw addContext(error, `${where}, column ${column.name}: "${shown}"`);
      }
    }
    return row;
  }
}

function withContext<T>(table: string, reader: CopyReader, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw addContext(error, `COPY ${table}, line ${Math.max(reader.line, 1)}`);
  }
}

function badFormat(message: string, where: string): SqlError {
  return new SqlError(SQLSTATE.BAD_COPY_FILE_FORMAT, message, { context: where });
}

function addContext(error: SqlError, context: string): SqlError {
  return new SqlError(error.sqlState, error.message, {
    detail: error.detail,
    hint: error.hint,
    schema: error.schema,
    table: error.table,
    column: error.column,
    dataType: error.dataType,
    constraint: error.constraint,
    context,
    cause: error,
  });
}
