/**
 * The settings that exist: their defaults, what they accept, and how SHOW prints them. Settings that only tune
 * Postgres' own machinery are accepted and change nothing; those that would change results and are not done are
 * refused with 0A000.
 */
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { resolveTimeZone } from '../types/time-zone.ts';

export const SERVER_VERSION = '16.0 (Quorate 0.1)';
export const SERVER_VERSION_NUM = '160000';

export interface SettingDefinition {
  /** As SHOW and ParameterStatus spell it. */
  readonly name: string;
  readonly defaultValue: string;
  /** Sent to the client at start and whenever it changes. */
  readonly isReported?: boolean;
  readonly isReadOnly?: boolean;
  /** Checks a value and brings it into canonical form; throws 22023. */
  readonly parse: (text: string, name: string) => string;
  readonly description?: string;
}

const TRUE_WORDS = new Set(['on', 'true', 'yes', '1', 't', 'y', 'tr', 'tru', 'ye']);
const FALSE_WORDS = new Set(['off', 'false', 'no', '0', 'f', 'n', 'of', 'fa', 'fal', 'fals']);
const MS_UNITS = new Map([
  ['us', 0.001],
  ['ms', 1],
  ['s', 1000],
  ['min', 60000],
  ['h', 3600000],
  ['d', 86400000],
]);
const BYTE_UNITS = new Map([
  ['b', 1],
  ['kb', 1024],
  ['mb', 1024 ** 2],
  ['gb', 1024 ** 3],
  ['tb', 1024 ** 4],
]);
const STARTS_WITH_NUMBER = /^\s*[+-]?\d/;
/** From what is least worth telling. */
export const MESSAGE_LEVELS: readonly string[] = [
  ...['debug5', 'debug4', 'debug3', 'debug2', 'debug1'],
  ...['log', 'notice', 'warning', 'error'],
];

export const ISOLATION_LEVELS = [
  'serializable',
  'repeatable read',
  'read committed',
  'read uncommitted',
];

const DEFINITIONS: readonly SettingDefinition[] = [
  readOnly('server_version', SERVER_VERSION, true),
  readOnly('server_version_num', SERVER_VERSION_NUM),
  readOnly('server_encoding', 'UTF8', true),
  readOnly('integer_datetimes', 'on', true),
  readOnly('is_superuser', 'on', true),
  readOnly('in_hot_standby', 'off', true),
  readOnly('max_identifier_length', '63'),
  readOnly('max_index_keys', '32'),
  readOnly('block_size', '8192'),
  readOnly('lc_collate', 'C'),
  readOnly('lc_ctype', 'C'),
  text('application_name', '', true),
  { name: 'client_encoding', defaultValue: 'UTF8', isReported: true, parse: parseEncoding },
  { name: 'DateStyle', defaultValue: 'ISO, MDY', isReported: true, parse: parseDateStyle },
  { name: 'IntervalStyle', defaultValue: 'postgres', isReported: true, parse: parseIntervalStyle },
  { name: 'TimeZone', defaultValue: 'UTC', isReported: true, parse: parseTimeZone },
  {
    name: 'standard_conforming_strings',
    defaultValue: 'on',
    isReported: true,
    parse: parseStandardStrings,
  },
  enumerated('default_transaction_isolation', 'serializable', ISOLATION_LEVELS),
  enumerated('transaction_isolation', 'serializable', ISOLATION_LEVELS),
  { ...bool('default_transaction_read_only', 'off'), isReported: true },
  bool('transaction_read_only', 'off'),
  bool('default_transaction_deferrable', 'off'),
  bool('transaction_deferrable', 'off'),
  integer('extra_float_digits', '1', -15, 3),
  enumerated('bytea_output', 'hex', ['hex', 'escape']),
  text('search_path', '"$user", public'),
  milliseconds('statement_timeout'),
  milliseconds('lock_timeout'),
  milliseconds('idle_in_transaction_session_timeout'),
  milliseconds('idle_session_timeout'),
  bytes('txn_max_bytes', '256MB'),
  bytes('work_mem', '64MB'),
  enumerated('client_min_messages', 'notice', MESSAGE_LEVELS),
  enumerated('xmloption', 'content', ['content', 'document']),
  bool('check_function_bodies', 'on'),
  bool('row_security', 'on'),
  bool('synchronize_seqscans', 'on'),
  text('default_table_access_method', 'heap'),
  text('default_tablespace', ''),
  text('temp_tablespaces', ''),
  text('lc_messages', 'C'),
  text('lc_monetary', 'C'),
  text('lc_numeric', 'C'),
  text('lc_time', 'C'),
  text('session_authorization', '', true),
  text('role', 'none'),
  bool('escape_string_warning', 'on'),
  enumerated('backslash_quote', 'safe_encoding', ['safe_encoding', 'on', 'off']),
  bool('transform_null_equals', 'off'),
  bool('jit', 'off'),
  enumerated('synchronous_commit', 'on', ['on', 'off', 'local', 'remote_write', 'remote_apply']),
  enumerated('plan_cache_mode', 'auto', ['auto', 'force_generic_plan', 'force_custom_plan']),
  integer('geqo_threshold', '12', 2, 1000000),
  bool('geqo', 'on'),
  integer('from_collapse_limit', '8', 1, 1000000),
  integer('join_collapse_limit', '8', 1, 1000000),
  integer('max_parallel_workers_per_gather', '0', 0, 1024),
  bytes('maintenance_work_mem', '64MB'),
  bytes('temp_buffers', '8MB'),
  text('random_page_cost', '4'),
  text('seq_page_cost', '1'),
  text('effective_cache_size', '4GB'),
  enumerated('constraint_exclusion', 'partition', ['partition', 'on', 'off']),
  milliseconds('deadlock_timeout', '1s'),
  milliseconds('tcp_user_timeout'),
  text('log_statement', 'none'),
  text('log_min_messages', 'warning'),
  ...[
    'bitmapscan',
    'gathermerge',
    'hashagg',
    'hashjoin',
    'incremental_sort',
    'indexonlyscan',
    'indexscan',
    'material',
    'memoize',
    'mergejoin',
    'nestloop',
    'parallel_append',
    'parallel_hash',
    'partition_pruning',
    'seqscan',
    'sort',
    'tidscan',
  ].map((what) => bool(`enable_${what}`, 'on')),
];

const BY_NAME = new Map(
  DEFINITIONS.map((definition) => [definition.name.toLowerCase(), definition]),
);

export function settingDefinition(name: string): SettingDefinition | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** In the order of SHOW ALL. */
export function allSettings(): readonly SettingDefinition[] {
  return [...DEFINITIONS].sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** A canonical duration (`30s`, `0`) in milliseconds. */
export function durationMs(value: string): number {
  return quantity(value, MS_UNITS, 'ms') ?? 0;
}

/** A canonical size (`256MB`) in bytes. */
export function sizeBytes(value: string): number {
  return quantity(value, BYTE_UNITS, 'kb') ?? 0;
}

function readOnly(name: string, defaultValue: string, isReported = false): SettingDefinition {
  return { name, defaultValue, isReported, isReadOnly: true, parse: (value) => value };
}

function text(name: string, defaultValue: string, isReported = false): SettingDefinition {
  return { name, defaultValue, isReported, parse: (value) => value };
}

function bool(name: string, defaultValue: string): SettingDefinition {
  return { name, defaultValue, parse: parseBool };
}

function enumerated(
  name: string,
  defaultValue: string,
  values: readonly string[],
): SettingDefinition {
  return {
    name,
    defaultValue,
    parse: (value) => {
      const word = value.toLowerCase();
      if (values.includes(word)) return word;
      throw invalidValue(name, value, `Available values: ${values.join(', ')}.`);
    },
  };
}

function integer(name: string, defaultValue: string, min: number, max: number): SettingDefinition {
  return {
    name,
    defaultValue,
    parse: (value) => {
      const number = Number(value);
      if (value.trim() === '' || !Number.isInteger(number)) throw invalidValue(name, value);
      if (number >= min && number <= max) return String(number);
      throw new SqlError(
        SQLSTATE.INVALID_PARAMETER_VALUE,
        `${number} is outside the valid range for parameter "${name}" (${min} .. ${max})`,
      );
    },
  };
}

function milliseconds(name: string, defaultValue = '0'): SettingDefinition {
  return {
    name,
    defaultValue,
    parse: (value) => {
      const ms = quantity(value, MS_UNITS, 'ms');
      if (ms === undefined) {
        const hint = 'Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".';
        throw invalidValue(name, value, STARTS_WITH_NUMBER.test(value) ? hint : undefined);
      }
      if (ms < 0 || ms > 2147483647) {
        throw new SqlError(
          SQLSTATE.INVALID_PARAMETER_VALUE,
          `${ms} ms is outside the valid range for parameter "${name}" (0 ms .. 2147483647 ms)`,
        );
      }
      return showQuantity(Math.round(ms), [
        ['d', 86400000],
        ['h', 3600000],
        ['min', 60000],
        ['s', 1000],
        ['ms', 1],
      ]);
    },
  };
}

function bytes(name: string, defaultValue: string): SettingDefinition {
  return {
    name,
    defaultValue,
    parse: (value) => {
      const size = quantity(value, BYTE_UNITS, 'kb');
      if (size === undefined || size < 0) {
        const hint = 'Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".';
        throw invalidValue(name, value, STARTS_WITH_NUMBER.test(value) ? hint : undefined);
      }
      return showQuantity(Math.round(size), [
        ['TB', 1024 ** 4],
        ['GB', 1024 ** 3],
        ['MB', 1024 ** 2],
        ['kB', 1024],
        ['B', 1],
      ]);
    },
  };
}

function quantity(
  value: string,
  units: ReadonlyMap<string, number>,
  defaultUnit: string,
): number | undefined {
  const match = /^\s*([+-]?\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value);
  const factor = units.get((match?.[2] ?? '').toLowerCase() || defaultUnit);
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

function showQuantity(value: number, units: readonly (readonly [string, number])[]): string {
  if (value === 0) return '0';
  for (const [unit, factor] of units) {
    if (value % factor === 0) return `${value / factor}${unit}`;
  }
  return String(value);
}

function parseBool(value: string, name: string): string {
  const word = value.toLowerCase();
  if (TRUE_WORDS.has(word)) return 'on';
  if (FALSE_WORDS.has(word)) return 'off';
  throw new SqlError(
    SQLSTATE.INVALID_PARAMETER_VALUE,
    `parameter "${name}" requires a Boolean value`,
  );
}

function parseEncoding(value: string): string {
  const folded = value.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (folded === 'utf8' || folded === 'unicode') return 'UTF8';
  const known = /^(latin\d+|win\d+|sqlascii|euc\w+|iso\w+|sjis|big5|gbk|koi8\w*)$/.test(folded);
  if (known) throw notSupported(`client encoding "${value}" is not supported`, 'Use UTF8.');
  throw invalidValue('client_encoding', value);
}

function parseDateStyle(value: string): string {
  for (const part of value.toLowerCase().split(',')) {
    const word = part.trim();
    if (['iso', 'mdy', 'us', 'noneuro', 'noneuropean', 'default', ''].includes(word)) continue;
    if (['sql', 'postgres', 'german', 'dmy', 'ymd', 'euro', 'european'].includes(word)) {
      throw notSupported(`DateStyle "${value}" is not supported`, 'Use ISO, MDY.');
    }
    throw invalidValue('DateStyle', value);
  }
  return 'ISO, MDY';
}

function parseIntervalStyle(value: string): string {
  const word = value.toLowerCase();
  if (word === 'postgres') return word;
  if (['postgres_verbose', 'sql_standard', 'iso_8601'].includes(word)) {
    throw notSupported(`IntervalStyle "${value}" is not supported`, 'Use postgres.');
  }
  throw invalidValue('IntervalStyle', value);
}

function parseTimeZone(value: string): string {
  const zone = resolveTimeZone(value);
  if (zone === undefined) throw invalidValue('TimeZone', value);
  return zone.name;
}

function parseStandardStrings(value: string, name: string): string {
  if (parseBool(value, name) === 'on') return 'on';
  throw notSupported('standard_conforming_strings = off is not supported');
}

function invalidValue(name: string, value: string, hint?: string): SqlError {
  return new SqlError(
    SQLSTATE.INVALID_PARAMETER_VALUE,
    `invalid value for parameter "${name}": "${value}"`,
    { hint },
  );
}
