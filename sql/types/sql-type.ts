/**
 * SQL types as values. `oid` is Postgres'. Only what the type itself says: casts, comparison and text forms live beside.
 */
export type TypeName =
  | 'bool' | 'int2' | 'int4' | 'int8' | 'numeric' | 'float4' | 'float8'
  | 'text' | 'varchar' | 'bpchar' | 'name' | 'bytea' | 'uuid'
  | 'date' | 'time' | 'timestamp' | 'timestamptz' | 'interval' | 'oid'
  | 'unknown' | 'void';

export interface SqlType {
  readonly name: TypeName;
  readonly oid: number;
  /** As in pg_attribute.atttypmod: length + 4 for varchar/bpchar, ((precision << 16) | scale) + 4 for numeric, -1 without. */
  readonly modifier: number;
}
