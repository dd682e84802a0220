/**
 * How the one ordered key space is laid out. First byte: 0x01 system (the directory of ranges, node registry), 0x02
 * catalog rows, 0x10 tables; everything below 0xff.
 *
 *   0x10 <table id> <index id> <order-preserving columns> 0x01      a row or index entry
 *
 * Ids are a length byte and that many big-endian bytes, so they order numerically and few bytes are zero. Every row
 * key ends in ROW_END, which split keys lack: so the start of a range is never a row's key, and the schema fence of
 * the table that the range begins in can live exactly there (see `fenceKey`).
 */
import type { Key, Span } from '../base/span.ts';
import { prefixSpan } from '../base/span.ts';

export const SYSTEM_SPAN: Span = { start: '\x01' as Key, end: '\x02' as Key };
export const CATALOG_SPAN: Span = { start: '\x02' as Key, end: '\x03' as Key };
export const TABLES_SPAN: Span = { start: '\x10' as Key, end: '\x11' as Key };
export const ROW_END = '\x01';

/** A length byte and minimal big-endian bytes: orders like the number. */
export function encodeId(id: number): string {
  let text = '';
  for (let rest = id; rest > 0; rest = Math.floor(rest / 256)) {
    text = String.fromCharCode(rest % 256) + text;
  }
  return String.fromCharCode(text.length) + text;
}

export function tablePrefix(tableId: number): Key {
  return tableSpan(tableId).start;
}

/** Every request asks for it: the spans of so many tables are kept. */
const SPANS_MAX = 4096;
const spans = new Map<number, Span>();

export function tableSpan(tableId: number): Span {
  let span = spans.get(tableId);
  if (span === undefined) {
    span = prefixSpan(('\x10' + encodeId(tableId)) as Key);
    if (spans.size >= SPANS_MAX) spans.clear();
    spans.set(tableId, span);
  }
  return span;
}

export function indexPrefix(tableId: number, indexId: number): Key {
  return (tablePrefix(tableId) + encodeId(indexId)) as Key;
}

/**
 * Where a range that begins at `rangeStart` keeps the schema fence of a table: at the table's start, or at the
 * range's own start when the table began in an earlier range. Never the key of a row.
 */
export function fenceKey(tableId: number, rangeStart: Key): Key {
  const prefix = tablePrefix(tableId);
  return rangeStart > prefix ? rangeStart : prefix;
}
