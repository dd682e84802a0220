/**
 * Values as the executor holds them. The static type decides how a datum is read; nothing inspects a datum to find
 * its type.
 *
 * | type                        | JavaScript                                                     |
 * | bool                        | boolean                                                        |
 * | int2, int4, oid             | number (integer)                                               |
 * | int8                        | bigint                                                         |
 * | float4, float8              | number                                                         |
 * | numeric                     | `Decimal`                                                      |
 * | text, varchar, bpchar, name | string (bpchar padded to its length)                           |
 * | bytea                       | Uint8Array                                                     |
 * | uuid                        | string, lower case with dashes                                 |
 * | date                        | number of days since 2000-01-01; +-Infinity                    |
 * | time                        | bigint microseconds since midnight                             |
 * | timestamp, timestamptz      | bigint microseconds since 2000-01-01 (UTC), or the two extremes |
 * | interval                    | `Interval`                                                     |
 * | any                         | null is SQL NULL                                               |
 */
import type { Decimal } from './decimal.ts';

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

export type Datum = null | boolean | number | bigint | string | Uint8Array | Decimal | Interval;
export type Row = readonly Datum[];

/** Microsecond extremes that stand for `infinity` and `-infinity`, as in Postgres' binary form. */
export const TIMESTAMP_INFINITY = 9223372036854775807n;
export const TIMESTAMP_MINUS_INFINITY = -9223372036854775808n;
