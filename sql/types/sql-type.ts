/**
 * SQL types as values. `oid` is Postgres'. Only what the type itself says: names, modifiers, category, width; casts,
 * comparison and text forms live beside. Types are compared with `sameType`, or by `name` where the modifier does
 * not matter.
 */
import { assert } from '../../src/base/assert.ts';
import { SqlError } from '../errors/sql-error.ts';

export type TypeName =
  | 'bool'
  | 'int2'
  | 'int4'
  | 'int8'
  | 'numeric'
  | 'float4'
  | 'float8'
  | 'text'
  | 'varchar'
  | 'bpchar'
  | 'name'
  | 'bytea'
  | 'uuid'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'interval'
  | 'oid'
  | 'unknown'
  | 'void';

export interface SqlType {
  readonly name: TypeName;
  readonly oid: number;
  /**
   * As in pg_attribute.atttypmod: length + 4 for varchar/bpchar, ((precision << 16) | scale) + 4 for numeric,
   * precision for time, timestamp and timestamptz, -1 without.
   */
  readonly modifier: number;
}

export const BOOL: SqlType = { name: 'bool', oid: 16, modifier: -1 };
export const BYTEA: SqlType = { name: 'bytea', oid: 17, modifier: -1 };
export const NAME: SqlType = { name: 'name', oid: 19, modifier: -1 };
export const INT8: SqlType = { name: 'int8', oid: 20, modifier: -1 };
export const INT2: SqlType = { name: 'int2', oid: 21, modifier: -1 };
export const INT4: SqlType = { name: 'int4', oid: 23, modifier: -1 };
export const TEXT: SqlType = { name: 'text', oid: 25, modifier: -1 };
export const OID: SqlType = { name: 'oid', oid: 26, modifier: -1 };
export const FLOAT4: SqlType = { name: 'float4', oid: 700, modifier: -1 };
export const FLOAT8: SqlType = { name: 'float8', oid: 701, modifier: -1 };
export const UNKNOWN: SqlType = { name: 'unknown', oid: 705, modifier: -1 };
export const BPCHAR: SqlType = { name: 'bpchar', oid: 1042, modifier: -1 };
export const VARCHAR: SqlType = { name: 'varchar', oid: 1043, modifier: -1 };
export const DATE: SqlType = { name: 'date', oid: 1082, modifier: -1 };
export const TIME: SqlType = { name: 'time', oid: 1083, modifier: -1 };
export const TIMESTAMP: SqlType = { name: 'timestamp', oid: 1114, modifier: -1 };
export const TIMESTAMPTZ: SqlType = { name: 'timestamptz', oid: 1184, modifier: -1 };
export const INTERVAL: SqlType = { name: 'interval', oid: 1186, modifier: -1 };
export const NUMERIC: SqlType = { name: 'numeric', oid: 1700, modifier: -1 };
export const VOID: SqlType = { name: 'void', oid: 2278, modifier: -1 };
export const UUID: SqlType = { name: 'uuid', oid: 2950, modifier: -1 };

export const ALL_TYPES: readonly SqlType[] = [
  BOOL,
  BYTEA,
  NAME,
  INT8,
  INT2,
  INT4,
  TEXT,
  OID,
  FLOAT4,
  FLOAT8,
  UNKNOWN,
  BPCHAR,
  VARCHAR,
  DATE,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  INTERVAL,
  NUMERIC,
  VOID,
  UUID,
];

/** As pg_type.typcategory. */
export type TypeCategory = 'B' | 'N' | 'S' | 'D' | 'T' | 'U' | 'X' | 'P';

interface TypeFacts {
  readonly category: TypeCategory;
  /** pg_type.typispreferred. */
  readonly isPreferred: boolean;
  /** pg_type.typlen: bytes, or -1 for variable, -2 for a C string. */
  readonly length: number;
  readonly display: string;
}

const FACTS: Readonly<Record<TypeName, TypeFacts>> = {
  bool: { category: 'B', isPreferred: true, length: 1, display: 'boolean' },
  int2: { category: 'N', isPreferred: false, length: 2, display: 'smallint' },
  int4: { category: 'N', isPreferred: false, length: 4, display: 'integer' },
  int8: { category: 'N', isPreferred: false, length: 8, display: 'bigint' },
  numeric: { category: 'N', isPreferred: false, length: -1, display: 'numeric' },
  float4: { category: 'N', isPreferred: false, length: 4, display: 'real' },
  float8: { category: 'N', isPreferred: true, length: 8, display: 'double precision' },
  oid: { category: 'N', isPreferred: true, length: 4, display: 'oid' },
  text: { category: 'S', isPreferred: true, length: -1, display: 'text' },
  varchar: { category: 'S', isPreferred: false, length: -1, display: 'character varying' },
  bpchar: { category: 'S', isPreferred: false, length: -1, display: 'character' },
  name: { category: 'S', isPreferred: false, length: 64, display: 'name' },
  bytea: { category: 'U', isPreferred: false, length: -1, display: 'bytea' },
  uuid: { category: 'U', isPreferred: false, length: 16, display: 'uuid' },
  date: { category: 'D', isPreferred: false, length: 4, display: 'date' },
  time: { category: 'D', isPreferred: false, length: 8, display: 'time without time zone' },
  timestamp: {
    category: 'D',
    isPreferred: false,
    length: 8,
    display: 'timestamp without time zone',
  },
  timestamptz: { category: 'D', isPreferred: true, length: 8, display: 'timestamp with time zone' },
  interval: { category: 'T', isPreferred: true, length: 16, display: 'interval' },
  unknown: { category: 'X', isPreferred: false, length: -2, display: 'unknown' },
  void: { category: 'P', isPreferred: false, length: 4, display: 'void' },
};

const BY_OID = new Map(ALL_TYPES.map((type) => [type.oid, type]));

const BY_NAME = new Map<string, SqlType>([
  ...ALL_TYPES.map((type) => [type.name, type] as const),
  ['boolean', BOOL],
  ['smallint', INT2],
  ['int', INT4],
  ['integer', INT4],
  ['bigint', INT8],
  ['decimal', NUMERIC],
  ['dec', NUMERIC],
  ['real', FLOAT4],
  ['float', FLOAT8],
  ['double precision', FLOAT8],
  ['character varying', VARCHAR],
  ['char varying', VARCHAR],
  ['character', BPCHAR],
  ['char', BPCHAR],
  ['nchar', BPCHAR],
  ['national character', BPCHAR],
  ['national character varying', VARCHAR],
  ['time without time zone', TIME],
  ['timestamp without time zone', TIMESTAMP],
  ['timestamp with time zone', TIMESTAMPTZ],
]);

const MAX_CHARACTER_LENGTH = 10485760;
const MAX_NUMERIC_PRECISION = 1000;
const MAX_TIME_PRECISION = 6;

export function withModifier(type: SqlType, modifier: number): SqlType {
  return type.modifier === modifier ? type : { name: type.name, oid: type.oid, modifier };
}

export function varcharOf(length: number): SqlType {
  return withModifier(VARCHAR, length + 4);
}

export function bpcharOf(length: number): SqlType {
  return withModifier(BPCHAR, length + 4);
}

export function numericOf(precision: number, scale: number): SqlType {
  return withModifier(NUMERIC, ((precision << 16) | (scale & 0x7ff)) + 4);
}

/** The type of an oid, or undefined when Quorate has no such type. */
export function typeOfOid(oid: number, modifier = -1): SqlType | undefined {
  const type = BY_OID.get(oid);
  return type === undefined ? undefined : withModifier(type, modifier);
}

/**
 * The type that a name written in SQL means (lower case, words separated by one blank, without a `pg_catalog.`
 * prefix), with its modifiers applied. Undefined for an unknown name; throws 22023 for bad modifiers. `char` and
 * `character` without a length are character(1); `bpchar` and `varchar` without one are unlimited.
 */
export function typeByName(name: string, modifiers: readonly number[] = []): SqlType | undefined {
  const type = BY_NAME.get(name);
  if (type === undefined) return undefined;
  if (name === 'float') return floatOf(modifiers);
  if (modifiers.length === 0) {
    return type === BPCHAR && name !== 'bpchar' ? bpcharOf(1) : type;
  }
  switch (type.name) {
    case 'varchar':
    case 'bpchar':
      return withModifier(type, characterLength(name, modifiers) + 4);
    case 'numeric':
      return numericWith(modifiers);
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return withModifier(type, timePrecision(type, modifiers));
    case 'interval':
      return withModifier(type, 0x7fff0000 + timePrecision(type, modifiers));
    default:
      throw new SqlError('42601', `type modifier is not allowed for type "${type.name}"`);
  }
}

function floatOf(modifiers: readonly number[]): SqlType {
  const bits = modifiers[0];
  if (bits === undefined) return FLOAT8;
  if (bits < 1) throw new SqlError('22023', 'precision for type float must be at least 1 bit');
  if (bits > 53) throw new SqlError('22023', 'precision for type float must be less than 54 bits');
  return bits <= 24 ? FLOAT4 : FLOAT8;
}

function characterLength(name: string, modifiers: readonly number[]): number {
  const shown = name.includes('var') ? 'varchar' : 'char';
  const length = modifiers[0];
  if (length === undefined || modifiers.length > 1) {
    throw new SqlError('22023', 'invalid type modifier');
  }
  if (length < 1) throw new SqlError('22023', `length for type ${shown} must be at least 1`);
  if (length > MAX_CHARACTER_LENGTH) {
    throw new SqlError('22023', `length for type ${shown} cannot exceed ${MAX_CHARACTER_LENGTH}`);
  }
  return length;
}

function numericWith(modifiers: readonly number[]): SqlType {
  const [precision, scale = 0] = modifiers;
  if (precision === undefined || modifiers.length > 2) {
    throw new SqlError('22023', 'invalid NUMERIC type modifier');
  }
  if (precision < 1 || precision > MAX_NUMERIC_PRECISION) {
    throw new SqlError(
      '22023',
      `NUMERIC precision ${precision} must be between 1 and ${MAX_NUMERIC_PRECISION}`,
    );
  }
  if (scale < -1000 || scale > 1000) {
    throw new SqlError('22023', `NUMERIC scale ${scale} must be between -1000 and 1000`);
  }
  return numericOf(precision, scale);
}

/** As Postgres, a precision above 6 is taken as 6 (it warns; we do not). */
function timePrecision(type: SqlType, modifiers: readonly number[]): number {
  const precision = modifiers[0];
  if (precision === undefined || modifiers.length > 1) {
    throw new SqlError('22023', 'invalid type modifier');
  }
  if (precision < 0) {
    throw new SqlError(
      '22023',
      `${type.name.toUpperCase()}(${precision}) precision must not be negative`,
    );
  }
  return Math.min(precision, MAX_TIME_PRECISION);
}

/** As `format_type` prints it: `character varying(20)`, `numeric(10,2)`, `timestamp(3) without time zone`. */
export function formatType(type: SqlType): string {
  const display = FACTS[type.name].display;
  const modifier = type.modifier;
  if (type.name === 'bpchar' && modifier < 0) return 'bpchar';
  if (modifier < 0) return display;
  switch (type.name) {
    case 'varchar':
    case 'bpchar':
      return `${display}(${modifier - 4})`;
    case 'numeric':
      return `numeric(${numericPrecision(modifier)},${numericScale(modifier)})`;
    case 'time':
    case 'timestamp':
    case 'timestamptz': {
      const [head = '', ...tail] = display.split(' ');
      return `${head}(${modifier}) ${tail.join(' ')}`;
    }
    case 'interval': {
      const precision = modifier & 0xffff;
      return precision === 0xffff ? display : `interval(${precision})`;
    }
    default:
      return display;
  }
}

/** The name without its modifier, as in Postgres' error messages: `character`, `integer`. */
export function displayName(type: SqlType): string {
  return FACTS[type.name].display;
}

/** The declared length in characters of a varchar or bpchar, or -1. */
export function characterLimit(type: SqlType): number {
  return type.modifier < 4 ? -1 : type.modifier - 4;
}

export function numericPrecision(modifier: number): number {
  assert(modifier >= 4, 'numeric has no precision');
  return ((modifier - 4) >> 16) & 0xffff;
}

/** The declared scale, which may be negative: eleven bits, sign extended. */
export function numericScale(modifier: number): number {
  assert(modifier >= 4, 'numeric has no scale');
  return (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
}

export function categoryOf(type: SqlType): TypeCategory {
  return FACTS[type.name].category;
}

export function isPreferredType(type: SqlType): boolean {
  return FACTS[type.name].isPreferred;
}

/** pg_type.typlen, which RowDescription carries: bytes, -1 variable, -2 C string. */
export function typeLength(type: SqlType): number {
  return FACTS[type.name].length;
}

export function sameType(a: SqlType, b: SqlType): boolean {
  return a.oid === b.oid && a.modifier === b.modifier;
}

export function isUnknown(type: SqlType): boolean {
  return type.name === 'unknown';
}

export function isIntegerType(type: SqlType): boolean {
  return type.name === 'int4' || type.name === 'int8' || type.name === 'int2';
}

export function isNumericCategory(type: SqlType): boolean {
  return FACTS[type.name].category === 'N';
}

export function isStringCategory(type: SqlType): boolean {
  return FACTS[type.name].category === 'S';
}
