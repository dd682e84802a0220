/** Names that the server chooses, as Postgres chooses them: `t_a_key`, `t_pkey`, `t_a_b_idx1`. */
const NAME_LENGTH_MAX = 63;

/** `table_column_label`, shortened to fit, with a number when the name is taken. */
export function chooseName(
  parts: { readonly table: string; readonly columns: readonly string[]; readonly label: string },
  isTaken: (name: string) => boolean,
): string {
  for (let pass = 0; ; pass++) {
    const label = pass === 0 ? parts.label : `${parts.label}${pass}`;
    const name = fit(parts.table, parts.columns.join('_'), label);
    if (!isTaken(name)) return name;
  }
}

function fit(table: string, columns: string, label: string): string {
  const room = NAME_LENGTH_MAX - label.length - 1 - (columns === '' ? 0 : 1);
  let [a, b] = [table.length, columns.length];
  // Postgres takes from the longer of the two.
  while (a + b > room) {
    if (a > b) a--;
    else b--;
  }
  const head = columns === '' ? table.slice(0, a) : `${table.slice(0, a)}_${columns.slice(0, b)}`;
  return `${head}_${label}`;
}
