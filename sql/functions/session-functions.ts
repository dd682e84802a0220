/**
 * Functions that tell about the session and the server, sequences (through the context's hooks), and identifiers.
 */
import { SqlError } from '../errors/sql-error.ts';
import { formatUuid } from '../types/characters.ts';
import {
  BOOL,
  FLOAT8,
  INT4,
  INT8,
  NAME,
  OID,
  TEXT,
  UUID,
  VOID,
  displayName,
  formatType,
  typeOfOid,
} from '../types/sql-type.ts';
import type { EvalContext } from './eval-context.ts';
import { entry, typedEntry } from './function-entry.ts';
import type { FunctionEntry } from './function-entry.ts';

const STABLE = { volatility: 'stable' } as const;
const VOLATILE = { volatility: 'volatile' } as const;
const UTF8_ENCODING = 6;

function randomUuid(ctx: EvalContext): string {
  const bytes = Buffer.from(ctx.randomBytes(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return formatUuid(bytes);
}

function currentSetting(ctx: EvalContext, name: string, isMissingOk: boolean): string | null {
  const value = ctx.setting(name.toLowerCase());
  if (value !== undefined) return value;
  if (isMissingOk) return null;
  throw new SqlError('42704', `unrecognized configuration parameter "${name}"`);
}

/** pg_size_pretty, which rounds half up at each unit. */
function prettySize(bytes: bigint): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;
  let value = bytes;
  let unit = 0;
  while ((value >= 10240n || value <= -10240n) && unit < units.length - 1) {
    value = (value + (value >= 0n ? 512n : -512n)) / 1024n;
    unit++;
  }
  return `${value} ${units[unit] ?? ''}`;
}

const SEQUENCES: readonly FunctionEntry[] = [
  entry('nextval', [TEXT], INT8, (args, ctx) => ctx.sequences.nextval(args[0] as string), VOLATILE),
  entry('currval', [TEXT], INT8, (args, ctx) => ctx.sequences.currval(args[0] as string), VOLATILE),
  entry('lastval', [], INT8, (_args, ctx) => ctx.sequences.lastval(), VOLATILE),
  entry(
    'setval',
    [TEXT, INT8],
    INT8,
    (args, ctx) => ctx.sequences.setval(args[0] as string, args[1] as bigint, true),
    VOLATILE,
  ),
  entry(
    'setval',
    [TEXT, INT8, BOOL],
    INT8,
    (args, ctx) => ctx.sequences.setval(args[0] as string, args[1] as bigint, args[2] === true),
    VOLATILE,
  ),
  entry(
    'pg_get_serial_sequence',
    [TEXT, TEXT],
    TEXT,
    (args, ctx) => ctx.sequences.serialSequence(args[0] as string, args[1] as string),
    STABLE,
  ),
];

const SESSION: readonly FunctionEntry[] = [
  entry('version', [], TEXT, (_args, ctx) => ctx.versionText, STABLE),
  ...['current_database', 'current_catalog'].map((name) =>
    entry(name, [], NAME, (_args, ctx) => ctx.database, STABLE),
  ),
  entry('current_schema', [], NAME, (_args, ctx) => ctx.currentSchema, STABLE),
  ...['current_user', 'current_role', 'user'].map((name) =>
    entry(name, [], NAME, (_args, ctx) => ctx.currentUser, STABLE),
  ),
  entry('session_user', [], NAME, (_args, ctx) => ctx.sessionUser, STABLE),
  entry('pg_backend_pid', [], INT4, (_args, ctx) => ctx.backendPid, STABLE),
  entry('pg_is_in_recovery', [], BOOL, () => false, STABLE),
  entry('pg_client_encoding', [], NAME, () => 'UTF8', STABLE),
  entry(
    'pg_encoding_to_char',
    [INT4],
    NAME,
    (args) => (args[0] === UTF8_ENCODING ? 'UTF8' : ''),
    STABLE,
  ),
  entry('inet_server_port', [], INT4, () => null, STABLE),
  entry(
    'current_setting',
    [TEXT],
    TEXT,
    (args, ctx) => currentSetting(ctx, args[0] as string, false),
    STABLE,
  ),
  entry(
    'current_setting',
    [TEXT, BOOL],
    TEXT,
    (args, ctx) => currentSetting(ctx, args[0] as string, args[1] === true),
    STABLE,
  ),
];

const OTHERS: readonly FunctionEntry[] = [
  entry(
    'pg_sleep',
    [FLOAT8],
    VOID,
    (args, ctx) => {
      ctx.sleep(args[0] as number);
      return '';
    },
    VOLATILE,
  ),
  entry('gen_random_uuid', [], UUID, (_args, ctx) => randomUuid(ctx), VOLATILE),
  typedEntry(
    'pg_typeof',
    ['any'],
    TEXT,
    ([type = TEXT]) =>
      () =>
        displayName(type),
    {
      isStrict: false,
      volatility: 'stable',
    },
  ),
  entry('pg_size_pretty', [INT8], TEXT, (args) => prettySize(args[0] as bigint)),
  entry(
    'format_type',
    [OID, INT4],
    TEXT,
    (args) => {
      const [oid, modifier] = args;
      if (oid === null || oid === undefined) return null;
      const type = typeOfOid(oid as number, (modifier ?? -1) as number);
      return type === undefined ? '???' : formatType(type);
    },
    { isStrict: false, volatility: 'stable' },
  ),
];

export const SESSION_FUNCTIONS: readonly FunctionEntry[] = [...SEQUENCES, ...SESSION, ...OTHERS];
