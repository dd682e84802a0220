/**
 * Errors about names that mean nothing where they stand, with what the writer may have meant: a table that is there but
 * out of reach, a table's alias, a column of nearly the same name.
 */
import type { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { BindContext } from './bind-context.ts';
import type { ScopeTable } from './scope.ts';

/** What a place knows: `visible` can be named there, `hidden` belongs to the statement but cannot. */
export interface KnownTables {
  readonly visible: readonly ScopeTable[];
  readonly hidden: readonly ScopeTable[];
}

/** More edits than this make another name. */
const EDITS_MAX = 3;

export function missingTable(
  ctx: BindContext,
  alias: string,
  { visible, hidden }: KnownTables,
  position: number,
): SqlError {
  const renamed = visible.find((table) => table.alias !== alias && table.relation === alias);
  const isHidden = hidden.some((table) => table.alias === alias);
  if (renamed === undefined && !isHidden) {
    const message = `missing FROM-clause entry for table "${alias}"`;
    return ctx.error(SQLSTATE.UNDEFINED_TABLE, message, position);
  }
  const message = `invalid reference to FROM-clause entry for table "${alias}"`;
  const hint =
    renamed === undefined
      ? `There is an entry for table "${alias}", but it cannot be referenced from this part of the query.`
      : `Perhaps you meant to reference the table alias "${renamed.alias}".`;
  return ctx.error(SQLSTATE.UNDEFINED_TABLE, message, position, { hint });
}

export function missingColumn(
  ctx: BindContext,
  { table, name }: { readonly table?: ScopeTable; readonly name: string },
  { visible, hidden }: KnownTables,
  position: number,
): SqlError {
  const shown = table === undefined ? `"${name}"` : `${table.alias}.${name}`;
  const hint =
    hiddenHint(name, table === undefined ? hidden : []) ?? nearHint(name, table, visible);
  const fields = hint === undefined ? {} : { hint };
  return ctx.error(SQLSTATE.UNDEFINED_COLUMN, `column ${shown} does not exist`, position, fields);
}

function hiddenHint(name: string, hidden: readonly ScopeTable[]): string | undefined {
  const found = hidden.find((table) => table.columns.some((column) => column.name === name));
  if (found === undefined) return undefined;
  return (
    `There is a column named "${name}" in table "${found.alias}", ` +
    'but it cannot be referenced from this part of the query.'
  );
}

/** One or two columns that are nearest; more than two would be guessing. */
function nearHint(
  name: string,
  wanted: ScopeTable | undefined,
  tables: readonly ScopeTable[],
): string | undefined {
  let best = EDITS_MAX + 1;
  let found: string[] = [];
  for (const table of tables) {
    const elsewhere = wanted === undefined ? 0 : editDistance(wanted.alias, table.alias);
    for (const column of table.columns) {
      const own = editDistance(name, column.name);
      if (own > Array.from(name).length / 2) continue;
      const distance = own + elsewhere;
      if (distance > best || distance > EDITS_MAX) continue;
      if (distance < best) found = [];
      best = distance;
      found.push(`"${table.alias}.${column.name}"`);
    }
  }
  if (found.length === 0 || found.length > 2) return undefined;
  return `Perhaps you meant to reference the column ${found.join(' or the column ')}.`;
}

/** Insertions, deletions and replacements of characters (Levenshtein). */
function editDistance(from: string, to: string): number {
  const a = Array.from(from);
  const b = Array.from(to);
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  a.forEach((left, i) => {
    const next = [i + 1];
    b.forEach((right, j) => {
      const replaced = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    });
    row = next;
  });
  return row[b.length] ?? 0;
}
