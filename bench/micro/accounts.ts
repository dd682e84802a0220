/**
 * What the micro-benchmarks measure with: pgbench's accounts table, its rows at scale 10, and a stream of account
 * numbers that repeats, so that two runs do the same.
 */
import type { TableDescriptor } from '../../sql/catalog/descriptors.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { SqlType } from '../../sql/types/sql-type.ts';
import { INT4, bpcharOf } from '../../sql/types/sql-type.ts';

export const ACCOUNTS = 1_000_000;

function column(id: number, name: string, type: SqlType): TableDescriptor['columns'][number] {
  return {
    ...{ id, name, type, isNotNull: id === 1, defaultSql: undefined, missing: null },
    ...{ isHidden: false, identity: undefined, ownedSequenceId: undefined },
  };
}

/** As `pgbench -i` makes it. */
export const ACCOUNTS_TABLE: TableDescriptor = {
  ...{ kind: 'table', id: 104, schema: 'public', name: 'pgbench_accounts', version: 2 },
  columns: [
    column(1, 'aid', INT4),
    column(2, 'bid', INT4),
    column(3, 'abalance', INT4),
    column(4, 'filler', bpcharOf(84)),
  ],
  primary: {
    ...{ id: 1, name: 'pgbench_accounts_pkey', isUnique: true, isConstraint: true },
    columns: [{ columnId: 1, isDescending: false, isNullsFirst: false }],
  },
  ...{ hasPrimaryKey: true, indexes: [], checks: [], foreignKeys: [] },
  ...{ nextColumnId: 5, nextIndexId: 2 },
};

export function accountRow(aid: number): Datum[] {
  return [aid, Math.ceil(aid / 100_000), ((aid * 37) % 10_001) - 5_000, ' '.repeat(84)];
}

/** Account numbers in no order; as many as asked, from a generator of full period. */
export function accountNumbers(count: number): readonly number[] {
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 1 + (state % ACCOUNTS);
  });
}

/** Goes round the elements of a list, one a call. */
export function cycle<T>(list: readonly [T, ...T[]] | readonly T[]): () => T {
  let at = 0;
  return () => {
    const element = list[at] as T;
    at = at + 1 === list.length ? 0 : at + 1;
    return element;
  };
}
