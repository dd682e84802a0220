/** The DETAIL lines of constraint violations, as Postgres prints them. */
import type { IndexDescriptor, TableDescriptor } from '../catalog/descriptors.ts';
import type { Row } from '../types/datum.ts';
import type { FormatContext } from '../types/format-context.ts';
import { encodeText } from '../types/text-format.ts';
import { ordinalsOf } from './table-codec.ts';

/** Postgres cuts values of a row at so many characters. */
const VALUE_LENGTH_MAX = 64;

/** `Key (a, b)=(1, x) already exists.` */
export function keyDetail(
  table: TableDescriptor,
  index: IndexDescriptor,
  row: Row,
  format: FormatContext,
): string {
  const ordinals = ordinalsOf(table, index);
  const names = ordinals.map((ordinal) => table.columns[ordinal]?.name ?? '');
  const values = ordinals.map((ordinal) => shown(table, row, ordinal, format));
  return `Key (${names.join(', ')})=(${values.join(', ')}) already exists.`;
}

/** `Failing row contains (1, null, x).` */
export function rowDetail(table: TableDescriptor, row: Row, format: FormatContext): string {
  const values = table.columns.flatMap((column, ordinal) => {
    if (column.isHidden) return [];
    const text = shown(table, row, ordinal, format);
    return [text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}...` : text];
  });
  return `Failing row contains (${values.join(', ')}).`;
}

function shown(table: TableDescriptor, row: Row, ordinal: number, format: FormatContext): string {
  const column = table.columns[ordinal];
  const value = row[ordinal] ?? null;
  return column === undefined || value === null ? 'null' : encodeText(column.type, value, format);
}
