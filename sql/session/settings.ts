/**
 * The settings of one session. Two maps of values that differ from the default: what is in force now, and what the
 * session keeps after COMMIT (SET LOCAL changes only the first). Both are immutable and replaced, so that a block or
 * savepoint remembers them by reference and ROLLBACK restores them.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { FormatContext } from '../types/format-context.ts';
import { UTC_ZONE, resolveTimeZone } from '../types/time-zone.ts';
import { allSettings, durationMs, settingDefinition, sizeBytes } from './setting-definitions.ts';

type Values = ReadonlyMap<string, string>;

/** What ROLLBACK comes back to. */
export interface SettingsMark {
  readonly current: Values;
  readonly session: Values;
}

/** Settings that the session itself reads, resolved once per change. */
export interface SessionConfig {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  readonly txnMaxBytes: number;
  readonly workMemBytes: number;
  readonly format: FormatContext;
  readonly searchPath: readonly string[];
  readonly minMessageLevel: string;
  readonly isDefaultReadOnly: boolean;
}

const CUSTOM_NAME = /^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)+$/;
const CUSTOM_SETTINGS_MAX = 1000;
const BLOCK_SETTINGS = ['transaction_isolation', 'transaction_read_only', 'transaction_deferrable'];

export class Settings {
  readonly #user: string;
  #defaults: Values = new Map();
  #current: Values = new Map();
  #session: Values = new Map();
  #config: SessionConfig | undefined;
  /** Told of every change of a reported setting. */
  onReported: (name: string, value: string) => void = () => undefined;

  constructor(user: string) {
    this.#user = user;
  }

  /** Startup parameters become the session's defaults, to which RESET returns. */
  setDefaults(parameters: ReadonlyMap<string, string>): void {
    const defaults = new Map<string, string>([['session_authorization', this.#user]]);
    for (const [name, text] of parameters) {
      const definition = settingDefinition(name);
      if (definition === undefined || definition.isReadOnly === true) {
        if (name === 'options' || name === 'replication' || CUSTOM_NAME.test(name)) continue;
        throw unrecognized(name);
      }
      defaults.set(definition.name.toLowerCase(), definition.parse(text, definition.name));
    }
    this.#defaults = defaults;
    this.#config = undefined;
  }

  /** The value as SHOW prints it, or undefined for an unknown setting. */
  get(name: string): string | undefined {
    const key = name.toLowerCase();
    const own = this.#current.get(key) ?? this.#defaults.get(key);
    return own ?? settingDefinition(key)?.defaultValue;
  }

  show(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw unrecognized(name);
    return value;
  }

  all(): readonly (readonly [string, string])[] {
    return allSettings().map((definition) => [definition.name, this.show(definition.name)]);
  }

  reported(): readonly (readonly [string, string])[] {
    return allSettings()
      .filter((definition) => definition.isReported === true)
      .map((definition) => [definition.name, this.show(definition.name)]);
  }

  /** `text` undefined resets to the default. */
  set(name: string, text: string | undefined, isLocal: boolean): void {
    const key = name.toLowerCase();
    const value = text === undefined ? undefined : this.#parse(name, text);
    this.#change(changed(this.#current, key, value));
    if (!isLocal) this.#session = changed(this.#session, key, value);
  }

  resetAll(): void {
    this.#session = new Map();
    const kept = BLOCK_SETTINGS.flatMap((name) => {
      const value = this.#current.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    this.#change(new Map(kept));
  }

  mark(): SettingsMark {
    return { current: this.#current, session: this.#session };
  }

  rollbackTo(mark: SettingsMark): void {
    this.#session = mark.session;
    this.#change(mark.current);
  }

  /** The block has committed: what was local to it goes. */
  endBlock(): void {
    if (this.#current !== this.#session) this.#change(this.#session);
  }

  get config(): SessionConfig {
    this.#config ??= this.#resolve();
    return this.#config;
  }

  #parse(name: string, text: string): string {
    const definition = settingDefinition(name);
    if (definition !== undefined) {
      if (definition.isReadOnly === true) {
        throw new SqlError(
          SQLSTATE.CANT_CHANGE_RUNTIME_PARAM,
          `parameter "${definition.name}" cannot be changed`,
        );
      }
      return definition.parse(text, definition.name);
    }
    if (!CUSTOM_NAME.test(name.toLowerCase())) throw unrecognized(name);
    if (this.#current.size >= CUSTOM_SETTINGS_MAX) {
      throw new SqlError(SQLSTATE.CONFIGURATION_LIMIT_EXCEEDED, 'too many settings');
    }
    return text;
  }

  #change(next: Values): void {
    const before = this.#current;
    if (before === next) return;
    const beforeValues = new Map(this.reported());
    this.#current = next;
    this.#config = undefined;
    for (const [name, value] of this.reported()) {
      if (beforeValues.get(name) !== value) this.onReported(name, value);
    }
  }

  #resolve(): SessionConfig {
    return {
      statementTimeoutMs: durationMs(this.show('statement_timeout')),
      lockTimeoutMs: durationMs(this.show('lock_timeout')),
      idleInTransactionTimeoutMs: durationMs(this.show('idle_in_transaction_session_timeout')),
      txnMaxBytes: sizeBytes(this.show('txn_max_bytes')),
      workMemBytes: sizeBytes(this.show('work_mem')),
      format: sharedFormat({
        timeZone: resolveTimeZone(this.show('TimeZone')) ?? UTC_ZONE,
        transactionMicros: 0n,
        extraFloatDigits: Number(this.show('extra_float_digits')),
        byteaOutput: this.show('bytea_output') === 'escape' ? 'escape' : 'hex',
      }),
      searchPath: sharedPath(parseSearchPath(this.show('search_path'), this.#user)),
      minMessageLevel: this.show('client_min_messages'),
      isDefaultReadOnly: this.show('default_transaction_read_only') === 'on',
    };
  }
}

let lastFormat: FormatContext | undefined;

/** One object for sessions that format alike, as nearly all of a node do: row encoders are made for each once. */
function sharedFormat(format: FormatContext): FormatContext {
  const isSame =
    lastFormat?.timeZone === format.timeZone &&
    lastFormat.transactionMicros === format.transactionMicros &&
    lastFormat.extraFloatDigits === format.extraFloatDigits &&
    lastFormat.byteaOutput === format.byteaOutput;
  if (!isSame || lastFormat === undefined) lastFormat = format;
  return lastFormat;
}

const SHARED_PATHS_MAX = 1000;
const sharedPaths = new Map<string, readonly string[]>();

/** One object for equal paths: plans that sessions share are kept with the path they were made with. */
function sharedPath(path: readonly string[]): readonly string[] {
  const key = path.join('\0');
  const known = sharedPaths.get(key);
  if (known !== undefined) return known;
  if (sharedPaths.size >= SHARED_PATHS_MAX) sharedPaths.clear();
  sharedPaths.set(key, path);
  return path;
}

function changed(values: Values, key: string, value: string | undefined): Values {
  if (values.get(key) === value) return values;
  const next = new Map(values);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  return next;
}

/** `"$user", public, "My Schema"` as names. */
function parseSearchPath(text: string, user: string): readonly string[] {
  const names: string[] = [];
  for (const match of text.matchAll(/"((?:[^"]|"")*)"|([^\s,]+)/g)) {
    const name = match[1]?.replaceAll('""', '"') ?? (match[2] ?? '').toLowerCase();
    names.push(name === '$user' ? user : name);
  }
  return names;
}

function unrecognized(name: string): SqlError {
  return new SqlError(SQLSTATE.UNDEFINED_OBJECT, `unrecognized configuration parameter "${name}"`);
}
