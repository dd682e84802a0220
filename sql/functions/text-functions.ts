/**
 * Functions of text and bytea. Positions and lengths count characters (code points), 1-based.
 */
import { SqlError } from '../errors/sql-error.ts';
import { assert } from '../../src/base/assert.ts';
import { characterCount, offsetOfCharacter } from '../types/characters.ts';
import { trimBlanks } from '../types/compare.ts';
import type { Datum } from '../types/datum.ts';
import { BOOL, BPCHAR, BYTEA, INT4, INT8, NAME, TEXT } from '../types/sql-type.ts';
import type { SqlType } from '../types/sql-type.ts';
import { decodeHex, encodeBytea, decodeBytea, encodeText } from '../types/text-format.ts';
import type { EvalContext } from './eval-context.ts';
import { entry, typedEntry } from './function-entry.ts';
import type { FunctionEntry } from './function-entry.ts';
import { md5Hex } from './md5.ts';
import { matchesLike, regexFor } from './patterns.ts';

/** As Postgres' limit on one value. */
const MAX_TEXT_LENGTH = 1 << 28;

function text(name: string, compute: (value: string) => string): FunctionEntry {
  return entry(name, [TEXT], TEXT, (args) => compute(args[0] as string));
}

function lengthLimit(length: number): void {
  if (length > MAX_TEXT_LENGTH) throw new SqlError('54000', 'requested length too large');
}

/** Characters `from` to `to` (0-based, exclusive), clamped to the text. */
function characters(value: string, from: number, to: number): string {
  const start = offsetOfCharacter(value, Math.max(0, from));
  if (to >= value.length) return start === 0 ? value : value.slice(start);
  return value.slice(start, offsetOfCharacter(value, Math.max(0, to)));
}

export function substring(value: string, start: number, length?: number): string {
  if (length === undefined) return characters(value, start - 1, value.length);
  if (length < 0) throw new SqlError('22011', 'negative substring length not allowed');
  const end = start - 1 + length;
  return end <= 0 ? '' : characters(value, start - 1, end);
}

function leftOf(value: string, count: number): string {
  return characters(value, 0, count >= 0 ? count : Math.max(0, characterCount(value) + count));
}

function rightOf(value: string, count: number): string {
  const from = count >= 0 ? Math.max(0, characterCount(value) - count) : -count;
  return characters(value, from, value.length);
}

function pad(value: string, length: number, fill: string, isLeft: boolean): string {
  lengthLimit(length);
  if (length <= 0) return '';
  const count = characterCount(value);
  if (count >= length) return characters(value, 0, length);
  if (fill === '') return value;
  const missing = length - count;
  const units = Array.from(fill);
  const whole = fill.repeat(Math.floor(missing / units.length));
  const padding = whole + units.slice(0, missing % units.length).join('');
  return isLeft ? padding + value : value + padding;
}

type Side = 'both' | 'left' | 'right';

function trimSet(value: string, set: string, side: Side): string {
  const members = new Set(Array.from(set));
  const units = Array.from(value);
  let start = 0;
  let end = units.length;
  if (side !== 'right') while (start < end && members.has(units[start] ?? '')) start++;
  if (side !== 'left') while (end > start && members.has(units[end - 1] ?? '')) end--;
  return units.slice(start, end).join('');
}

function position(value: string, part: string): number {
  const index = value.indexOf(part);
  return index < 0 ? 0 : characterCount(value.slice(0, index)) + 1;
}

function splitPart(value: string, delimiter: string, field: number): string {
  if (field === 0) throw new SqlError('22023', 'field position must not be zero');
  if (delimiter === '') return field === 1 || field === -1 ? value : '';
  const parts = value.split(delimiter);
  return (field > 0 ? parts[field - 1] : parts[parts.length + field]) ?? '';
}

/** Character by character: what would become two (ß) stays. */
function upper(value: string): string {
  const whole = value.toUpperCase();
  if (whole.length === value.length) return whole;
  return Array.from(value, (unit) => {
    const raised = unit.toUpperCase();
    return characterCount(raised) === 1 ? raised : unit;
  }).join('');
}

/** Each word's first letter upper case, the others lower; words are runs of letters and digits. */
function initcap(value: string): string {
  return value.toLowerCase().replace(/[\p{L}\p{N}]+/gu, (word) => {
    const [first = ''] = word;
    return first.toUpperCase() + word.slice(first.length);
  });
}

function translate(value: string, from: string, to: string): string {
  const sources = Array.from(from);
  const targets = Array.from(to);
  let out = '';
  for (const unit of value) {
    const index = sources.indexOf(unit);
    out += index < 0 ? unit : (targets[index] ?? '');
  }
  return out;
}

function chr(code: number): string {
  if (code === 0) throw new SqlError('54000', 'null character not permitted');
  if (code < 0) throw new SqlError('22023', 'character number must be positive');
  const isValid = code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
  if (!isValid) throw new SqlError('54000', `requested character too large for encoding: ${code}`);
  return String.fromCodePoint(code);
}

function repeat(value: string, count: number): string {
  if (count <= 0) return '';
  lengthLimit(value.length * count);
  return value.repeat(count);
}

export function quoteIdent(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) && !RESERVED.has(name)
    ? name
    : `"${name.replaceAll('"', '""')}"`;
}

/** The reserved words that an identifier must not be without quotes. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case ' +
    'cast char character check coalesce collate collation column concurrently constraint create cross ' +
    'current_catalog current_date current_role current_schema current_time current_timestamp current_user dec ' +
    'decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign ' +
    'freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect ' +
    'interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural ' +
    'nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay ' +
    'placing position precision primary real references returning right row select session_user setof similar ' +
    'smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union ' +
    'unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement ' +
    'xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable'
  ).split(' '),
);

export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`;
  return value.includes('\\') ? ` E${quoted}`.trimStart() : quoted;
}

/** format(): %s, %I, %L, %% with positions (`%1$s`) and widths. */
function formatText(
  args: readonly Datum[],
  types: readonly SqlType[],
  ctx: EvalContext,
): string | null {
  const [template] = args;
  if (template === null || template === undefined) return null;
  let next = 1;
  const specifier = /%(?:(\d+)\$)?(-)?(\d+|\*)?([a-zA-Z%]?)/g;
  return (template as string).replace(
    specifier,
    (_all, at?: string, minus?: string, widthText?: string, kind?: string) => {
      if (kind === '%') return '%';
      if (kind === undefined || kind === '') {
        throw new SqlError('22023', 'unterminated format() type specifier', {
          hint: 'For a single "%" use "%%".',
        });
      }
      if (!/[sIL]/.test(kind)) {
        throw new SqlError('22023', `unrecognized format() type specifier "${kind}"`, {
          hint: 'For a single "%" use "%%".',
        });
      }
      const width = widthText === '*' ? Number(args[next++] ?? 0) : Number(widthText ?? 0);
      const index = at === undefined ? next++ : Number(at);
      if (at !== undefined) next = index + 1;
      const type = types[index];
      if (index >= args.length || type === undefined) {
        throw new SqlError('22023', 'too few arguments for format()');
      }
      const datum = args[index] ?? null;
      const value = formatArgument(datum, type, kind, ctx);
      const isLeft = minus !== undefined || width < 0;
      const blanks = ' '.repeat(Math.max(0, Math.abs(width) - characterCount(value)));
      return isLeft ? value + blanks : blanks + value;
    },
  );
}

function formatArgument(datum: Datum, type: SqlType, kind: string, ctx: EvalContext): string {
  if (datum === null) {
    if (kind === 'L') return 'NULL';
    if (kind === 'I') {
      throw new SqlError('22004', 'null values cannot be formatted as an SQL identifier');
    }
    return '';
  }
  const value = encodeText(type, datum, ctx);
  if (kind === 'I') return quoteIdent(value);
  return kind === 'L' ? quoteLiteral(value) : value;
}

/** Postgres' `\1` and `\&` in the replacement become JavaScript's. */
function regexReplace(value: string, pattern: string, replacement: string, flags: string): string {
  const isGlobal = flags.includes('g');
  const regex = regexFor(pattern, flags.replaceAll('g', ''));
  const expand = (groups: readonly (string | undefined)[]): string =>
    replacement.replace(/\\([0-9&\\])/g, (_all, unit: string) => {
      if (unit === '\\') return '\\';
      return groups[unit === '&' ? 0 : Number(unit)] ?? '';
    });
  const all = isGlobal ? new RegExp(regex.source, `${regex.flags}g`) : regex;
  return value.replace(all, (...parts: unknown[]) => {
    const offsetAt = parts.findIndex((part) => typeof part === 'number');
    assert(offsetAt > 0, 'replace gives the offset behind the groups');
    return expand(parts.slice(0, offsetAt) as (string | undefined)[]);
  });
}

function regexSubstring(value: string, pattern: string): Datum {
  const match = regexFor(pattern, '').exec(value);
  if (match === null) return null;
  return match.length > 1 ? (match[1] ?? null) : match[0];
}

function encodeBytes(bytes: Uint8Array, format: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (format.toLowerCase()) {
    case 'hex':
      return buffer.toString('hex');
    case 'base64':
      return buffer.toString('base64').replace(/.{76}(?=.)/g, '$&\n');
    case 'escape':
      return encodeBytea(bytes, 'escape');
    default:
      throw new SqlError('22023', `unrecognized encoding: "${format}"`);
  }
}

function decodeBytes(value: string, format: string): Uint8Array {
  switch (format.toLowerCase()) {
    case 'hex':
      return decodeHex(value);
    case 'base64': {
      const digits = value.replace(/\s+/g, '');
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits) || digits.length % 4 !== 0) {
        throw new SqlError('22023', 'invalid base64 end sequence');
      }
      return Buffer.from(digits, 'base64');
    }
    case 'escape':
      return decodeBytea(value);
    default:
      throw new SqlError('22023', `unrecognized encoding: "${format}"`);
  }
}

const LENGTHS: readonly FunctionEntry[] = [
  ...['length', 'char_length', 'character_length'].flatMap((name) => [
    entry(name, [TEXT], INT4, (args) => characterCount(args[0] as string)),
    entry(name, [BPCHAR], INT4, (args) => characterCount(trimBlanks(args[0] as string))),
  ]),
  entry('length', [BYTEA], INT4, (args) => (args[0] as Uint8Array).length),
  entry('octet_length', [TEXT], INT4, (args) => Buffer.byteLength(args[0] as string, 'utf8')),
  entry('octet_length', [BPCHAR], INT4, (args) => Buffer.byteLength(args[0] as string, 'utf8')),
  entry('octet_length', [BYTEA], INT4, (args) => (args[0] as Uint8Array).length),
  entry('bit_length', [TEXT], INT4, (args) => Buffer.byteLength(args[0] as string, 'utf8') * 8),
  entry('bit_length', [BYTEA], INT4, (args) => (args[0] as Uint8Array).length * 8),
];

const SLICES: readonly FunctionEntry[] = [
  ...['substr', 'substring'].flatMap((name) => [
    entry(name, [TEXT, INT4], TEXT, (args) => substring(args[0] as string, args[1] as number)),
    entry(name, [TEXT, INT4, INT4], TEXT, (args) =>
      substring(args[0] as string, args[1] as number, args[2] as number),
    ),
    entry(name, [BYTEA, INT4], BYTEA, (args) => {
      const start = (args[1] as number) - 1;
      return (args[0] as Uint8Array).subarray(Math.max(0, start));
    }),
    entry(name, [BYTEA, INT4, INT4], BYTEA, (args) => {
      const start = (args[1] as number) - 1;
      const length = args[2] as number;
      if (length < 0) throw new SqlError('22011', 'negative substring length not allowed');
      return (args[0] as Uint8Array).subarray(Math.max(0, start), Math.max(0, start + length));
    }),
  ]),
  entry('substring', [TEXT, TEXT], TEXT, (args) =>
    regexSubstring(args[0] as string, args[1] as string),
  ),
  entry('left', [TEXT, INT4], TEXT, (args) => leftOf(args[0] as string, args[1] as number)),
  entry('right', [TEXT, INT4], TEXT, (args) => rightOf(args[0] as string, args[1] as number)),
  entry('split_part', [TEXT, TEXT, INT4], TEXT, (args) =>
    splitPart(args[0] as string, args[1] as string, args[2] as number),
  ),
  ...['strpos', 'position'].map((name) =>
    entry(name, [TEXT, TEXT], INT4, (args) => position(args[0] as string, args[1] as string)),
  ),
  entry('overlay', [TEXT, TEXT, INT4], TEXT, (args) =>
    overlay(args[0] as string, args[1] as string, args[2] as number),
  ),
  entry('overlay', [TEXT, TEXT, INT4, INT4], TEXT, (args) =>
    overlay(args[0] as string, args[1] as string, args[2] as number, args[3] as number),
  ),
];

function overlay(value: string, part: string, start: number, length?: number): string {
  if (start <= 0) throw new SqlError('22011', 'negative substring length not allowed');
  const count = length ?? characterCount(part);
  return substring(value, 1, start - 1) + part + substring(value, start + count);
}

function trims(name: string, side: Side): FunctionEntry[] {
  return [
    entry(name, [TEXT], TEXT, (args) => trimSet(args[0] as string, ' ', side)),
    entry(name, [TEXT, TEXT], TEXT, (args) => trimSet(args[0] as string, args[1] as string, side)),
  ];
}

const CHANGES: readonly FunctionEntry[] = [
  text('lower', (value) => value.toLowerCase()),
  text('upper', upper),
  text('initcap', initcap),
  text('reverse', (value) => Array.from(value).reverse().join('')),
  text('quote_ident', quoteIdent),
  text('quote_literal', quoteLiteral),
  ...trims('btrim', 'both'),
  ...trims('ltrim', 'left'),
  ...trims('rtrim', 'right'),
  entry('lpad', [TEXT, INT4], TEXT, (args) => pad(args[0] as string, args[1] as number, ' ', true)),
  entry('rpad', [TEXT, INT4], TEXT, (args) =>
    pad(args[0] as string, args[1] as number, ' ', false),
  ),
  entry('lpad', [TEXT, INT4, TEXT], TEXT, (args) =>
    pad(args[0] as string, args[1] as number, args[2] as string, true),
  ),
  entry('rpad', [TEXT, INT4, TEXT], TEXT, (args) =>
    pad(args[0] as string, args[1] as number, args[2] as string, false),
  ),
  entry('repeat', [TEXT, INT4], TEXT, (args) => repeat(args[0] as string, args[1] as number)),
  entry('replace', [TEXT, TEXT, TEXT], TEXT, (args) =>
    args[1] === ''
      ? (args[0] ?? null)
      : (args[0] as string).replaceAll(args[1] as string, () => args[2] as string),
  ),
  entry('translate', [TEXT, TEXT, TEXT], TEXT, (args) =>
    translate(args[0] as string, args[1] as string, args[2] as string),
  ),
  entry('regexp_replace', [TEXT, TEXT, TEXT], TEXT, (args) =>
    regexReplace(args[0] as string, args[1] as string, args[2] as string, ''),
  ),
  entry('regexp_replace', [TEXT, TEXT, TEXT, TEXT], TEXT, (args) =>
    regexReplace(args[0] as string, args[1] as string, args[2] as string, args[3] as string),
  ),
];

const CODES: readonly FunctionEntry[] = [
  entry('ascii', [TEXT], INT4, (args) => (args[0] as string).codePointAt(0) ?? 0),
  entry('chr', [INT4], TEXT, (args) => chr(args[0] as number)),
  text('md5', (value) => md5Hex(Buffer.from(value, 'utf8'))),
  entry('md5', [BYTEA], TEXT, (args) => md5Hex(args[0] as Uint8Array)),
  entry('encode', [BYTEA, TEXT], TEXT, (args) =>
    encodeBytes(args[0] as Uint8Array, args[1] as string),
  ),
  entry('decode', [TEXT, TEXT], BYTEA, (args) => decodeBytes(args[0] as string, args[1] as string)),
  entry('convert_to', [TEXT, NAME], BYTEA, (args) => Buffer.from(args[0] as string, 'utf8')),
  entry('convert_from', [BYTEA, NAME], TEXT, (args) =>
    Buffer.from(args[0] as Uint8Array).toString('utf8'),
  ),
];

const TESTS: readonly FunctionEntry[] = [
  entry('starts_with', [TEXT, TEXT], BOOL, (args) =>
    (args[0] as string).startsWith(args[1] as string),
  ),
  entry('like', [TEXT, TEXT], BOOL, (args) => matchesLike(args[0] as string, args[1] as string)),
  // LIKE ... ESCAPE: the binder calls these with the escape as the third argument.
  entry('like_escape', [TEXT, TEXT, TEXT], BOOL, (args) =>
    matchesLike(args[0] as string, args[1] as string, false, escapeOf(args[2] as string)),
  ),
  entry('ilike_escape', [TEXT, TEXT, TEXT], BOOL, (args) =>
    matchesLike(args[0] as string, args[1] as string, true, escapeOf(args[2] as string)),
  ),
  entry('regexp_like', [TEXT, TEXT], BOOL, (args) =>
    regexFor(args[1] as string, '').test(args[0] as string),
  ),
  entry('regexp_like', [TEXT, TEXT, TEXT], BOOL, (args) =>
    regexFor(args[1] as string, args[2] as string).test(args[0] as string),
  ),
  entry('regexp_count', [TEXT, TEXT], INT4, (args) => {
    const regex = regexFor(args[1] as string, '');
    const all = new RegExp(regex.source, `${regex.flags}g`);
    return [...(args[0] as string).matchAll(all)].length;
  }),
];

function escapeOf(value: string): string {
  if (characterCount(value) > 1) {
    throw new SqlError('22025', 'invalid escape string', {
      hint: 'Escape string must be empty or one character.',
    });
  }
  return value;
}

const VARIADIC: readonly FunctionEntry[] = [
  typedEntry(
    'concat',
    [],
    TEXT,
    (types) => (args, ctx) =>
      args
        .map((datum, i) => (datum === null ? '' : encodeText(types[i] ?? TEXT, datum, ctx)))
        .join(''),
    { variadicType: 'any', isStrict: false, volatility: 'stable' },
  ),
  typedEntry(
    'concat_ws',
    [TEXT],
    TEXT,
    (types) => (args, ctx) => {
      const [separator] = args;
      if (separator === null || separator === undefined) return null;
      const parts: string[] = [];
      for (let i = 1; i < args.length; i++) {
        const datum = args[i] ?? null;
        if (datum !== null) parts.push(encodeText(types[i] ?? TEXT, datum, ctx));
      }
      return parts.join(separator as string);
    },
    { variadicType: 'any', isStrict: false, volatility: 'stable' },
  ),
  typedEntry('format', [TEXT], TEXT, (types) => (args, ctx) => formatText(args, types, ctx), {
    variadicType: 'any',
    isStrict: false,
    volatility: 'stable',
  }),
  typedEntry('format', [TEXT], TEXT, (types) => (args, ctx) => formatText(args, types, ctx), {
    isStrict: false,
    volatility: 'stable',
  }),
  typedEntry(
    'quote_nullable',
    ['any'],
    TEXT,
    ([type = TEXT]) =>
      ([value = null], ctx) =>
        value === null ? 'NULL' : quoteLiteral(encodeText(type, value, ctx)),
    { isStrict: false, volatility: 'stable' },
  ),
  typedEntry('num_nulls', [], INT4, () => (args) => args.filter((a) => a === null).length, {
    variadicType: 'any',
    isStrict: false,
  }),
  typedEntry('num_nonnulls', [], INT4, () => (args) => args.filter((a) => a !== null).length, {
    variadicType: 'any',
    isStrict: false,
  }),
  entry('hashtext', [TEXT], INT4, (args) => hashText(args[0] as string)),
  entry('hashtextextended', [TEXT, INT8], INT8, (args) =>
    BigInt.asIntN(
      64,
      BigInt(hashText(args[0] as string)) * 0x9e3779b97f4a7c15n + (args[1] as bigint),
    ),
  ),
];

/** FNV-1a over UTF-16 units: stable, for advisory lock keys; not Postgres' own hash. */
function hashText(value: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < value.length; i++) {
    hash = Math.imul(hash ^ value.charCodeAt(i), 0x01000193);
  }
  return hash | 0;
}

export const TEXT_FUNCTIONS: readonly FunctionEntry[] = [
  ...LENGTHS,
  ...SLICES,
  ...CHANGES,
  ...CODES,
  ...TESTS,
  ...VARIADIC,
];
