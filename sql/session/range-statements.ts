/** What SQL says of ranges: SHOW RANGES, ALTER TABLE ... SPLIT AT, ALTER RANGE ... TRANSFER LEADER. */
import { nodeId, rangeId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, formatKey } from '../../src/base/span.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import { tableSpan } from '../../src/kv/keyspace.ts';
import type { RangeInfo } from '../../src/kv/kv-client.ts';
import type { TableDescriptor } from '../catalog/descriptors.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { columnById, indexSpan, keyColumnsOf } from '../exec/table-codec.ts';
import { codecOf } from '../exec/table-codec.ts';
import { compileKeyDecoder } from '../rowcodec/row-key.ts';
import type { Datum } from '../types/datum.ts';
import { INT4, INT8, TEXT } from '../types/sql-type.ts';
import { encodeText } from '../types/text-format.ts';
import type { ResultColumn, ResultSink } from './session-api.ts';
import type { SessionContext } from './session-context.ts';

export const RANGE_COLUMNS: readonly ResultColumn[] = [
  { name: 'range_id', type: INT8, tableId: 0, columnNumber: 0 },
  { name: 'start_key', type: TEXT, tableId: 0, columnNumber: 0 },
  { name: 'end_key', type: TEXT, tableId: 0, columnNumber: 0 },
  { name: 'leader', type: INT4, tableId: 0, columnNumber: 0 },
  { name: 'replicas', type: TEXT, tableId: 0, columnNumber: 0 },
  { name: 'size_bytes', type: INT8, tableId: 0, columnNumber: 0 },
  { name: 'generation', type: INT8, tableId: 0, columnNumber: 0 },
];

/** `table` undefined: all ranges. */
export function* showRanges(
  ctx: SessionContext,
  table: TableDescriptor | undefined,
  sink: ResultSink,
): Steps<string> {
  const span: Span = table === undefined ? { start: KEY_MIN, end: KEY_MAX } : tableSpan(table.id);
  const ranges = yield* wait(ctx.shared.kv.listRanges(span, ctx.signal));
  sink.columns(RANGE_COLUMNS);
  for (const range of ranges) yield* wait(sink.row(rangeRow(ctx, range, table)));
  return 'SHOW';
}

export function* transferLeader(
  ctx: SessionContext,
  statement: { readonly rangeId: number; readonly nodeId: number },
): Steps<string> {
  const isNode = statement.nodeId > 0 && statement.nodeId < 65536;
  if (!isNode || statement.rangeId <= 0) {
    throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, 'ranges and nodes are numbered from 1');
  }
  const range = rangeId(statement.rangeId);
  const node = nodeId(statement.nodeId);
  const all = { start: KEY_MIN, end: KEY_MAX };
  const ranges = yield* wait(ctx.shared.kv.listRanges(all, ctx.signal));
  const found = ranges.find((each) => each.rangeId === range);
  if (found === undefined) {
    throw new SqlError(SQLSTATE.UNDEFINED_OBJECT, `range ${range} does not exist`);
  }
  if (!found.replicas.includes(node)) {
    const message = `node ${node} has no replica of range ${range}`;
    throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message);
  }
  yield* wait(ctx.shared.kv.transferLeader(range, node, ctx.signal));
  return 'ALTER RANGE';
}

/** Splits at values of the primary key's first columns. */
export function* splitTable(
  ctx: SessionContext,
  table: TableDescriptor,
  rows: readonly (readonly Datum[])[],
): Steps<string> {
  const codec = codecOf(table);
  const columns = keyColumnsOf(table, table.primary);
  for (const values of rows) {
    if (values.length > columns.length) {
      throw new SqlError(
        SQLSTATE.SYNTAX_ERROR,
        `SPLIT AT has ${values.length} values, but the primary key has ${columns.length} columns`,
      );
    }
    const { start } = indexSpan(codec.prefix, columns, { values, isInclusive: true }, undefined);
    yield* wait(ctx.shared.kv.splitAt(start, ctx.signal));
  }
  return 'ALTER TABLE';
}

function rangeRow(
  ctx: SessionContext,
  range: RangeInfo,
  table: TableDescriptor | undefined,
): Datum[] {
  return [
    BigInt(range.rangeId),
    shownKey(ctx, range.start, table),
    shownKey(ctx, range.end, table),
    range.leader ?? null,
    range.replicas.join(','),
    BigInt(range.sizeBytes),
    BigInt(range.generation),
  ];
}

/** Primary key values where the key has them, the two ends of the key space by name, bytes otherwise. */
function shownKey(ctx: SessionContext, key: Key, table: TableDescriptor | undefined): string {
  if (key === KEY_MIN) return '<min>';
  if (key === KEY_MAX) return '<max>';
  if (table === undefined) return formatKey(key);
  const codec = codecOf(table);
  if (!key.startsWith(codec.prefix)) {
    return key < codec.prefix ? '<before table>' : '<after table>';
  }
  const { format } = ctx.settings.config;
  const columns = keyColumnsOf(table, table.primary);
  const shown: string[] = [];
  let at = codec.prefix.length;
  for (const [i, column] of columns.entries()) {
    if (at >= key.length) break;
    const out: Datum[] = [null];
    try {
      at = compileKeyDecoder([column], [0])(key, at, out);
    } catch {
      return formatKey(key);
    }
    const value = out[0] ?? null;
    const type = columnById(table, table.primary.columns[i]?.columnId ?? 0).type;
    shown.push(value === null ? 'NULL' : encodeText(type, value, format));
  }
  return `(${shown.join(', ')})`;
}
