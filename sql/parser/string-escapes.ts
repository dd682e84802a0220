/**
 * The backslash escapes of E'' strings (chapter 4.1.2.2). Octal and hexadecimal escapes are bytes of UTF-8; `\u` and
 * `\U` are code points, where two surrogates written one after the other make one character.
 */
import { errorPosition, SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';

const SIMPLE: ReadonlyMap<string, number> = new Map([
  ['b', 8],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['v', 11],
]);

/** The string that `raw` stands for; the error when an escape is malformed. `from` is its place in `text`. */
export function decodeEscapes(raw: string, text: string, from: number): string | SqlError {
  if (!raw.includes('\\')) return raw;
  const bytes: Buffer[] = [];
  const byte = (value: number): number => bytes.push(Buffer.of(value));
  for (let i = 0; i < raw.length;) {
    if (raw.charAt(i) !== '\\') {
      const next = raw.indexOf('\\', i);
      const end = next < 0 ? raw.length : next;
      bytes.push(Buffer.from(raw.slice(i, end), 'utf8'));
      i = end;
      continue;
    }
    const rest = raw.slice(i + 1, i + 10);
    const octal = /^[0-7]{1,3}/u.exec(rest);
    const hex = /^x([0-9A-Fa-f]{1,2})/u.exec(rest);
    if (octal !== null) byte(parseInt(octal[0], 8) & 255);
    else if (hex !== null) byte(parseInt(hex[1] ?? '', 16));
    else if (rest.startsWith('u') || rest.startsWith('U')) {
      const found = unicodeEscape(raw, i);
      if (found === undefined) return invalidUnicode(text, from + i);
      bytes.push(Buffer.from(String.fromCodePoint(found.codePoint), 'utf8'));
      i += found.length;
      continue;
    } else {
      const character = String.fromCodePoint(rest.codePointAt(0) ?? 92);
      const simple = SIMPLE.get(character);
      bytes.push(Buffer.from(simple === undefined ? character : String.fromCharCode(simple)));
      i += 1 + character.length;
      continue;
    }
    i += 1 + (octal ?? hex ?? [''])[0].length;
  }
  return toText(Buffer.concat(bytes));
}

function unicodeEscape(
  raw: string,
  at: number,
): { readonly codePoint: number; readonly length: number } | undefined {
  const first = /^\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/u.exec(raw.slice(at, at + 10));
  if (first === null) return undefined;
  const codePoint = parseInt(first[1] ?? first[2] ?? '', 16);
  const length = first[0].length;
  if (codePoint === 0 || codePoint > 0x10ffff) return undefined;
  if (codePoint < 0xd800 || codePoint > 0xdfff) return { codePoint, length };
  const second = /^\\u([0-9A-Fa-f]{4})/u.exec(raw.slice(at + length, at + length + 6));
  const low = parseInt(second?.[1] ?? '0', 16);
  if (codePoint > 0xdbff || low < 0xdc00 || low > 0xdfff) return undefined;
  return { codePoint: (codePoint - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000, length: length + 6 };
}

function invalidUnicode(text: string, offset: number): SqlError {
  return new SqlError(SQLSTATE.INVALID_ESCAPE_SEQUENCE, 'invalid Unicode escape', {
    position: errorPosition(text, offset),
    hint: 'Unicode escapes must be \\uXXXX or \\UXXXXXXXX.',
  });
}

/** Text holds valid UTF-8 without zero bytes, whatever the escapes said. */
function toText(bytes: Buffer): string | SqlError {
  const zero = bytes.indexOf(0);
  const decoded = bytes.toString('utf8');
  const bad = zero >= 0 ? zero : bytes.equals(Buffer.from(decoded, 'utf8')) ? -1 : firstBad(bytes);
  if (bad < 0) return decoded;
  const value = (bytes[bad] ?? 0).toString(16).padStart(2, '0');
  return new SqlError(
    SQLSTATE.CHARACTER_NOT_IN_REPERTOIRE,
    `invalid byte sequence for encoding "UTF8": 0x${value}`,
  );
}

/** Where the bytes first differ from what decoding and encoding makes of them. */
function firstBad(bytes: Buffer): number {
  const again = Buffer.from(bytes.toString('utf8'), 'utf8');
  let at = 0;
  while (at < bytes.length && bytes[at] === again[at]) at++;
  return at;
}
