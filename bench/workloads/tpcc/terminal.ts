/**
 * What the five transactions share: the terminal they are entered at, and how statements that do not need each other's
 * results are sent: together, in one round trip, or one by one.
 */
import type { Field, Random, Result, Session, Statement } from '../../workload.ts';
import { drawCustomer, drawLastName } from './draw.ts';
import type { Scale } from './scale.ts';

export type Call = readonly [Statement, readonly Field[]];

export interface Terminal {
  readonly scale: Scale;
  readonly random: Random;
  /** Home warehouse, and the district whose stock this terminal watches (clause 2.8.1.1). */
  readonly warehouse: number;
  readonly district: number;
  readonly isPipelined: boolean;
}

export const BEGIN: Statement = { name: 'tpcc_begin', text: 'begin' };
export const BEGIN_READ_ONLY: Statement = { name: 'tpcc_begin_ro', text: 'begin read only' };
export const COMMIT: Statement = { name: 'tpcc_commit', text: 'commit' };
export const ROLLBACK: Statement = { name: 'tpcc_rollback', text: 'rollback' };

export async function sendAll(
  { isPipelined }: Terminal,
  session: Session,
  calls: readonly Call[],
): Promise<Result[]> {
  if (isPipelined) return session.pipeline(calls);
  const results: Result[] = [];
  for (const [statement, values] of calls) results.push(await session.execute(statement, values));
  return results;
}

/** The only row, or the first. Throws when there is none: the data is not what was loaded. */
export function firstRow(result: Result | undefined, what: string): readonly Field[] {
  const row = result?.rows[0];
  if (row === undefined) throw new Error(`tpcc: there is no ${what}`);
  return row;
}

export function drawDistrict({ scale, random }: Terminal): number {
  return random.between(1, scale.districtsPerWarehouse);
}

/** Another warehouse than the home one, if there is another. */
export function drawRemoteWarehouse({ scale, random, warehouse }: Terminal): number {
  if (scale.warehouses === 1) return warehouse;
  const other = random.between(1, scale.warehouses - 1);
  return other < warehouse ? other : other + 1;
}

/** A customer as typed in: by number in 40 of 100 cases, else by last name (clauses 2.5.1.2, 2.6.1.2). */
export type TypedCustomer =
  | { readonly kind: 'number'; readonly id: number }
  | { readonly kind: 'name'; readonly last: string };

export function drawTypedCustomer({ scale, random }: Terminal): TypedCustomer {
  const { customersPerDistrict } = scale;
  if (random.between(1, 100) > 60) {
    return { kind: 'number', id: drawCustomer(random, customersPerDistrict) };
  }
  return { kind: 'name', last: drawLastName(random, customersPerDistrict) };
}

export const CUSTOMERS_BY_NAME: Statement = {
  name: 'tpcc_customers_by_name',
  text: `select c_id from customer where c_w_id = $1 and c_d_id = $2 and c_last = $3
         order by c_first`,
};

/** Of those of a name the middle one, in order of first names, rounded up (clause 2.5.2.2). */
export function middleOf(result: Result | undefined): number {
  const rows = result?.rows ?? [];
  return Number(firstRow({ rows: rows.slice(Math.ceil(rows.length / 2) - 1), tag: '' }, 'name')[0]);
}
