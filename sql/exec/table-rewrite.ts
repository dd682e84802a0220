/**
 * Rows that change with a schema, within the transaction of the change: index entries are filled, rows rewritten,
 * constraints verified. Everything streams: a batch of rows is read, written and let go; what bounds it is
 * `txn_max_bytes`, which the buffer of the transaction enforces.
 */
import type { Key } from '../../src/base/span.ts';
import { prefixSpan } from '../../src/base/span.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { indexPrefix } from '../../src/kv/keyspace.ts';
import type { KvRow, KvTxn, TableFence } from '../../src/kv/kv-client.ts';
import type {
  CheckDescriptor,
  ColumnDescriptor,
  IndexDescriptor,
  TableDescriptor,
} from '../catalog/descriptors.ts';
import type { SchemaRows } from '../catalog/schema-change.ts';
import { SqlError, uniqueViolation } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Datum, Row } from '../types/datum.ts';
import type { ExecPorts } from './operator.ts';
import { Breather } from './operator.ts';
import { keyDetail } from './constraint-details.ts';
import type { FormatContext } from '../types/format-context.ts';
import { codecOf, IndexCodec } from './table-codec.ts';

export interface RewritePorts extends ExecPorts {
  readonly txn: KvTxn;
  readonly format: FormatContext;
  /** Whether a row meets a check; NULL is yes. */
  checkPredicate(table: TableDescriptor, check: CheckDescriptor): (row: Row) => boolean;
}

export class TableRewrite implements SchemaRows {
  readonly #ports: RewritePorts;

  constructor(ports: RewritePorts) {
    this.#ports = ports;
  }

  *isEmpty(table: TableDescriptor): Steps<boolean> {
    const codec = codecOf(table);
    const cursor = this.#ports.txn.scan(codec.span, codec.fence, { limit: 1 });
    const rows = yield* wait(cursor.next());
    cursor.close();
    return rows === undefined;
  }

  *fillIndex(table: TableDescriptor, index: IndexDescriptor): Steps<void> {
    const { txn } = this.#ports;
    const codec = codecOf(table);
    const indexCodec = new IndexCodec(table, index);
    yield* this.#eachBatch(table, codec.fence, function* (rows): Steps<void> {
      for (const kvRow of rows) {
        const entry = indexCodec.entry(codec.readRow(kvRow), codec.piecesOfKey(kvRow.key));
        yield* wait(txn.put(entry.key, entry.value, codec.fence));
      }
    });
    if (index.isUnique) yield* this.#verifyUnique(table, indexCodec);
  }

  *rewrite(
    from: TableDescriptor,
    to: TableDescriptor,
    change: (row: readonly Datum[]) => Datum[],
  ): Steps<void> {
    const { txn } = this.#ports;
    const reader = codecOf(from);
    const writer = codecOf(to);
    const notNull = to.columns.flatMap((column, i) => (column.isNotNull ? [{ column, i }] : []));
    const isMoved = from.primary.id !== to.primary.id;
    let count = 0;
    // Keys that only rise are all different; else what was written is counted afterwards.
    const keys = { last: '', areRising: true };
    yield* this.#eachBatch(from, writer.fence, function* (rows): Steps<void> {
      for (const kvRow of rows) {
        const row = change(reader.readRow(kvRow));
        for (const { column, i } of notNull) {
          if ((row[i] ?? null) === null) throw containsNull(to, column);
        }
        const pieces = writer.primaryPieces(row);
        keys.areRising &&= pieces > keys.last;
        keys.last = pieces;
        yield* wait(txn.put(writer.keyOfPieces(pieces), writer.encodeValue(row), writer.fence));
        for (const index of writer.indexes) {
          const entry = index.entry(row, pieces);
          yield* wait(txn.put(entry.key, entry.value, writer.fence));
        }
      }
      count += rows.length;
    });
    if (isMoved && !keys.areRising) {
      const written = yield* this.#count(to, writer.prefix);
      if (written !== count) throw yield* this.#duplicateIn(from, to, change);
    }
    for (const index of writer.indexes) {
      if (index.index.isUnique) yield* this.#verifyUnique(to, index);
    }
  }

  *verifyNotNull(table: TableDescriptor, column: ColumnDescriptor): Steps<void> {
    const codec = codecOf(table);
    const ordinal = table.columns.findIndex((other) => other.id === column.id);
    const read = codec.readerOf([ordinal]);

    yield* this.#eachBatch(table, codec.fence, function* (rows): Steps<void> {
      for (const row of rows) if (read(row)[ordinal] === null) throw containsNull(table, column);
    });
  }

  *verifyCheck(table: TableDescriptor, check: CheckDescriptor): Steps<void> {
    const codec = codecOf(table);
    const holds = this.#ports.checkPredicate(table, check);

    yield* this.#eachBatch(table, codec.fence, function* (rows): Steps<void> {
      for (const row of rows) {
        if (holds(codec.readRow(row))) continue;
        throw new SqlError(
          SQLSTATE.CHECK_VIOLATION,
          `check constraint "${check.name}" of relation "${table.name}" is violated by some row`,
          { schema: table.schema, table: table.name, constraint: check.name },
        );
      }
    });
  }

  /** As many entries as there are rows without NULL in the index: else two of them had the same key. */
  *#verifyUnique(table: TableDescriptor, index: IndexCodec): Steps<void> {
    const codec = codecOf(table);
    const { txn, format } = this.#ports;
    yield* this.#eachBatch(table, codec.fence, function* (rows): Steps<void> {
      const read = rows.map((kvRow) => ({ row: codec.readRow(kvRow), key: kvRow.key }));
      const checked = read.filter(({ row }) => index.isExclusive(row));
      const keys = checked.map(({ row, key }) => index.entry(row, codec.piecesOfKey(key)).key);
      const values = yield* wait(txn.getMany(keys, codec.fence));
      for (const [i, { row, key }] of checked.entries()) {
        const value = values[i];
        const owner = value === undefined ? '' : Buffer.from(value).latin1Slice();
        if (owner === codec.piecesOfKey(key)) continue;
        throw couldNotCreate(table, index.index, keyDetail(table, index.index, row, format));
      }
    });
  }

  *#count(table: TableDescriptor, prefix: Key): Steps<number> {
    let count = 0;
    const codec = codecOf(table);
    const cursor = this.#ports.txn.scan(prefixSpan(prefix), codec.fence);
    const breather = new Breather(this.#ports);
    for (let rows = yield* wait(cursor.next()); rows; rows = yield* wait(cursor.next())) {
      count += rows.length;
      yield* breather.after(rows.length);
    }
    return count;
  }

  /** Some rows have got the same primary key: finds which, by reading again until a written row is not its own. */
  *#duplicateIn(
    from: TableDescriptor,
    to: TableDescriptor,
    change: (row: readonly Datum[]) => Datum[],
  ): Steps<SqlError> {
    const reader = codecOf(from);
    const writer = codecOf(to);
    const { format } = this.#ports;
    const seen = new Set<string>();
    let found: SqlError | undefined;

    yield* this.#eachBatch(from, writer.fence, function* (rows): Steps<void> {
      for (const kvRow of rows) {
        if (found !== undefined) return;
        const row = change(reader.readRow(kvRow));
        const pieces = writer.primaryPieces(row);
        if (seen.has(pieces)) {
          found = couldNotCreate(to, to.primary, keyDetail(to, to.primary, row, format));
        }
        seen.add(pieces);
      }
    });
    return found ?? uniqueViolation(to, to.primary.name);
  }

  *#eachBatch(
    table: TableDescriptor,
    fence: TableFence,
    visit: (rows: readonly KvRow[]) => Steps<void>,
  ): Steps<void> {
    const span = prefixSpan(indexPrefix(table.id, table.primary.id));
    const cursor = this.#ports.txn.scan(span, fence);
    const breather = new Breather(this.#ports);
    try {
      for (let rows = yield* wait(cursor.next()); rows; rows = yield* wait(cursor.next())) {
        yield* visit(rows);
        yield* breather.after(rows.length);
      }
    } finally {
      cursor.close();
    }
  }
}

function containsNull(table: TableDescriptor, column: ColumnDescriptor): SqlError {
  return new SqlError(
    SQLSTATE.NOT_NULL_VIOLATION,
    `column "${column.name}" of relation "${table.name}" contains null values`,
    { schema: table.schema, table: table.name, column: column.name },
  );
}

function couldNotCreate(table: TableDescriptor, index: IndexDescriptor, detail: string): SqlError {
  return new SqlError(SQLSTATE.UNIQUE_VIOLATION, `could not create unique index "${index.name}"`, {
    schema: table.schema,
    table: table.name,
    constraint: index.name,
    detail: detail.replace(/already exists\.$/, 'is duplicated.'),
  });
}
