/**
 * Text to tokens, by Postgres' rules (chapter 4.1): one pass over the character codes, no regular expressions, linear
 * in the text. It never throws: where the text is no token, an `Invalid` token carries the error and scanning ends;
 * the parser raises it when it gets there, so that an earlier syntax error wins, as in Postgres.
 *
 * `standard_conforming_strings` is taken to be on. Unicode escapes (U&) are refused with 0A000.
 */
import type { TokenType } from 'chevrotain';
import { errorPosition, notSupported, SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { decodeEscapes } from './string-escapes.ts';
import * as T from './tokens.ts';
import type { SqlToken } from './tokens.ts';

/** Identifiers are cut to this many bytes, as in Postgres (NAMEDATALEN - 1). */
const IDENTIFIER_BYTES_MAX = 63;

const WHITESPACE = 1;
const IDENTIFIER_START = 2;
const DIGIT = 4;
const OPERATOR = 8;

/** What each ASCII character can begin or continue. */
const CLASSES = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') CLASSES[c.charCodeAt(0)] = WHITESPACE;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') {
  CLASSES[c.charCodeAt(0)] = IDENTIFIER_START;
}
for (const c of '0123456789') CLASSES[c.charCodeAt(0)] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') CLASSES[c.charCodeAt(0)] = OPERATOR;

const PUNCTUATION: ReadonlyMap<string, TokenType> = new Map([
  ['(', T.LeftParen],
  [')', T.RightParen],
  ['[', T.LeftBracket],
  [']', T.RightBracket],
  [',', T.Comma],
  [';', T.Semicolon],
]);
const OPERATORS: ReadonlyMap<string, TokenType> = new Map([
  ['+', T.Plus],
  ['-', T.Minus],
  ['*', T.Star],
  ['/', T.Slash],
  ['%', T.Percent],
  ['^', T.Caret],
  ['<', T.Less],
  ['>', T.Greater],
  ['=', T.Equals],
  ['<=', T.LessEquals],
  ['>=', T.GreaterEquals],
  ['<>', T.NotEquals],
  ['!=', T.NotEquals],
  ['=>', T.EqualsGreater],
]);

function classOf(code: number): number {
  return code < 128 ? (CLASSES[code] ?? 0) : code > 127 ? IDENTIFIER_START : 0;
}

export function scan(text: string): SqlToken[] {
  const scanner = new Scanner(text);
  scanner.run();
  return scanner.tokens;
}

class Scanner {
  readonly tokens: SqlToken[] = [];
  readonly #text: string;
  #at = 0;
  /** The end of a run of operator characters read already, none of them special, and where its signs begin. */
  #plainRunEnd = 0;
  #plainRunStop = 0;

  constructor(text: string) {
    this.#text = text;
  }

  run(): void {
    while (this.#skipBlanks() && this.#next());
  }

  /** Whitespace and comments; false at the end of the text and after an unterminated comment. */
  #skipBlanks(): boolean {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (classOf(code) === WHITESPACE) this.#at++;
      else if (code === 45 && text.charCodeAt(this.#at + 1) === 45) this.#skipLine();
      else if (code === 47 && text.charCodeAt(this.#at + 1) === 42) {
        if (!this.#skipComment()) return false;
      } else return this.#at < text.length;
    }
  }

  #skipLine(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === 10 || code === 13) return;
      this.#at++;
    }
  }

  /** Comments nest. */
  #skipComment(): boolean {
    const text = this.#text;
    const start = this.#at;
    let depth = 0;
    for (let i = start; i < text.length; i++) {
      const code = text.charCodeAt(i);
      const following = text.charCodeAt(i + 1);
      if (code === 47 && following === 42) {
        depth++;
        i++;
      } else if (code === 42 && following === 47) {
        i++;
        if (--depth === 0) {
          this.#at = i + 1;
          return true;
        }
      }
    }
    return this.#invalid(start, text.length, 'unterminated /* comment');
  }

  /** Scans one token; false when there is none to follow. */
  #next(): boolean {
    const text = this.#text;
    const start = this.#at;
    const code = text.charCodeAt(start);
    const charClass = classOf(code);
    if (charClass === IDENTIFIER_START) return this.#word(start);
    if (charClass === DIGIT) return this.#number(start);
    if (charClass === OPERATOR) return this.#operator(start);
    switch (code) {
      case 39: // '
        return this.#string(start, start + 1, T.StringLiteral, false);
      case 34: // "
        return this.#quotedIdentifier(start);
      case 36: // $
        return this.#dollar(start);
      case 46: // .
        return this.#dot(start);
      case 58: // :
        return this.#colon(start);
      default:
        return this.#punctuation(start);
    }
  }

  #push(type: TokenType, start: number, end: number, value: string | undefined): true {
    const image = this.#text.slice(start, end);
    this.tokens.push({
      image,
      startOffset: start,
      endOffset: end - 1,
      tokenTypeIdx: type.tokenTypeIdx ?? 0,
      tokenType: type,
      value: value ?? image,
      error: undefined,
    });
    this.#at = end;
    return true;
  }

  #invalid(start: number, end: number, message: string): false {
    return this.#fail(start, end, SQLSTATE.SYNTAX_ERROR, message);
  }

  /** `message at or near "the text from start to end"`, as Postgres' scanner reports its errors. */
  #fail(start: number, end: number, state: typeof SQLSTATE.SYNTAX_ERROR, message: string): false {
    const image = this.#text.slice(start, end);
    const where = image === '' ? 'at end of input' : `at or near "${image}"`;
    const position = errorPosition(this.#text, start);
    return this.#failWith(start, new SqlError(state, `${message} ${where}`, { position }));
  }

  #failWith(start: number, error: SqlError): false {
    this.#push(T.Invalid, start, this.#text.length, undefined);
    const last = this.tokens.pop();
    if (last !== undefined) this.tokens.push({ ...last, error });
    return false;
  }

  #word(start: number): boolean {
    const text = this.#text;
    let end = start + 1;
    let isLower = text.charCodeAt(start) >= 97;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      const charClass = classOf(code);
      if (charClass !== IDENTIFIER_START && charClass !== DIGIT && code !== 36) break;
      if (code >= 65 && code <= 90) isLower = false;
    }
    if (end - start <= 2 && this.#isPrefixedLiteral(start, end)) return this.#prefixed(start, end);
    const written = text.slice(start, end);
    const word = isLower ? written : foldCase(written);
    const keyword = T.KEYWORDS_BY_WORD.get(word);
    if (keyword !== undefined) return this.#push(keyword, start, end, word);
    return this.#push(T.Identifier, start, end, truncateIdentifier(word));
  }

  #isPrefixedLiteral(start: number, end: number): boolean {
    const quote = this.#text.charCodeAt(end);
    const letter = this.#text.charCodeAt(start) | 32;
    if (end - start > 1) return false;
    if (quote === 39) return letter === 101 || letter === 98 || letter === 120 || letter === 110;
    const afterAmpersand = this.#text.charCodeAt(end + 1);
    return letter === 117 && quote === 38 && (afterAmpersand === 39 || afterAmpersand === 34);
  }

  /** E'', B'', X'', N'' and U&. */
  #prefixed(start: number, end: number): boolean {
    const text = this.#text;
    switch (text.charCodeAt(start) | 32) {
      case 101:
        return this.#string(start, end + 1, T.StringLiteral, true);
      case 110:
        return this.#string(start, end + 1, T.StringLiteral, false);
      case 117:
        return this.#failWith(
          start,
          notSupported(
            'Unicode escapes with U& are not supported',
            "Write the characters themselves, or use E'\\uXXXX'.",
            errorPosition(text, start),
          ),
        );
      default:
        return this.#bitString(start, end + 1);
    }
  }

  #bitString(start: number, from: number): boolean {
    const end = this.#text.indexOf("'", from);
    if (end < 0) {
      const isBit = (this.#text.charCodeAt(start) | 32) === 98;
      const what = isBit ? 'bit string' : 'hexadecimal string';
      return this.#invalid(start, this.#text.length, `unterminated ${what} literal`);
    }
    return this.#push(T.BitStringLiteral, start, end + 1, this.#text.slice(from, end));
  }

  /** A string from its first character after the quote, with the parts continued on further lines. */
  #string(start: number, from: number, type: TokenType, escapes: boolean): boolean {
    const text = this.#text;
    let value = '';
    let partStart = from;
    for (;;) {
      const partEnd = endOfQuoted(text, partStart, 39, escapes);
      if (partEnd < 0) return this.#invalid(start, text.length, 'unterminated quoted string');
      value += this.#stringPart(partStart, partEnd);
      const next = this.#continuedString(partEnd + 1);
      if (next < 0) {
        if (!escapes) return this.#push(type, start, partEnd + 1, value);
        const decoded = decodeEscapes(value, text, from);
        if (typeof decoded !== 'string') return this.#failWith(start, decoded);
        return this.#push(type, start, partEnd + 1, decoded);
      }
      partStart = next;
    }
  }

  #stringPart(start: number, end: number): string {
    const raw = this.#text.slice(start, end);
    return raw.includes("'") ? raw.replaceAll("''", "'") : raw;
  }

  /** Where a string goes on after a line break (SQL joins such literals), or -1. */
  #continuedString(from: number): number {
    const text = this.#text;
    let hasNewline = false;
    for (let i = from; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 10 || code === 13) hasNewline = true;
      else if (code === 45 && text.charCodeAt(i + 1) === 45 && hasNewline) {
        while (i + 1 < text.length && text.charCodeAt(i + 1) !== 10) i++;
      } else if (code === 39) return hasNewline ? i + 1 : -1;
      else if (classOf(code) !== WHITESPACE) return -1;
    }
    return -1;
  }

  #quotedIdentifier(start: number): boolean {
    const text = this.#text;
    const end = endOfQuoted(text, start + 1, 34, false);
    if (end < 0) return this.#invalid(start, text.length, 'unterminated quoted identifier');
    if (end === start + 1) return this.#invalid(start, end + 1, 'zero-length delimited identifier');
    const name = text.slice(start + 1, end).replaceAll('""', '"');
    return this.#push(T.Identifier, start, end + 1, truncateIdentifier(name));
  }

  /** `$1`, or the `$tag$` of a dollar-quoted string. */
  #dollar(start: number): boolean {
    const text = this.#text;
    let end = start + 1;
    if (classOf(text.charCodeAt(end)) === DIGIT) {
      while (classOf(text.charCodeAt(end)) === DIGIT) end++;
      if (classOf(text.charCodeAt(end)) === IDENTIFIER_START) {
        return this.#junk(start, end, 'trailing junk after parameter');
      }
      return this.#push(T.Parameter, start, end, text.slice(start + 1, end));
    }
    while (classOf(text.charCodeAt(end)) === IDENTIFIER_START || isDigitAfter(text, start, end)) {
      end++;
    }
    if (text.charCodeAt(end) !== 36) return this.#invalid(start, start + 1, 'syntax error');
    const tag = text.slice(start, end + 1);
    const close = text.indexOf(tag, end + 1);
    if (close < 0) return this.#invalid(start, text.length, 'unterminated dollar-quoted string');
    const value = text.slice(end + 1, close);
    return this.#push(T.StringLiteral, start, close + tag.length, value);
  }

  #dot(start: number): boolean {
    const following = this.#text.charCodeAt(start + 1);
    if (classOf(following) === DIGIT) return this.#number(start);
    if (following === 46) return this.#push(T.DotDot, start, start + 2, undefined);
    return this.#push(T.Dot, start, start + 1, undefined);
  }

  #colon(start: number): boolean {
    const following = this.#text.charCodeAt(start + 1);
    if (following === 58) return this.#push(T.TypeCast, start, start + 2, undefined);
    if (following === 61) return this.#push(T.ColonEquals, start, start + 2, undefined);
    return this.#push(T.Colon, start, start + 1, undefined);
  }

  #punctuation(start: number): boolean {
    const type = PUNCTUATION.get(this.#text.charAt(start));
    if (type !== undefined) return this.#push(type, start, start + 1, undefined);
    return this.#invalid(start, start + 1, 'syntax error');
  }

  #number(start: number): boolean {
    const text = this.#text;
    let end = skipDigits(text, start);
    let type = T.IntegerLiteral;
    // `1..10` is a number and two dots.
    if (text.charCodeAt(end) === 46 && text.charCodeAt(end + 1) !== 46) {
      type = T.DecimalLiteral;
      end = skipDigits(text, end + 1);
    }
    if ((text.charCodeAt(end) | 32) === 101) {
      const sign = text.charCodeAt(end + 1);
      const digits = sign === 43 || sign === 45 ? end + 2 : end + 1;
      const stop = skipDigits(text, digits);
      if (stop === digits) return this.#junk(start, digits, 'trailing junk after numeric literal');
      type = T.DecimalLiteral;
      end = stop;
    }
    if (classOf(text.charCodeAt(end)) === IDENTIFIER_START) {
      return this.#junk(start, end, 'trailing junk after numeric literal');
    }
    return this.#push(type, start, end, undefined);
  }

  /** A number with letters behind it: the error shows them all. */
  #junk(start: number, from: number, message: string): boolean {
    let end = from;
    while ((classOf(this.#text.charCodeAt(end)) & (IDENTIFIER_START | DIGIT)) !== 0) end++;
    return this.#invalid(start, end, message);
  }

  /** The longest run of operator characters that holds no comment and ends as Postgres lets operators end. */
  #operator(start: number): boolean {
    const text = this.#text;
    const end = start < this.#plainRunEnd ? this.#plainRunStop : this.#endOfOperator(start);
    return this.#pushOperator(text.slice(start, Math.max(end, start + 1)), start);
  }

  /** Also remembers what it found, so that a run of signs, each an operator, is not read once for each. */
  #endOfOperator(start: number): number {
    const text = this.#text;
    let end = start;
    let isSpecial = false;
    while (classOf(text.charCodeAt(end)) === OPERATOR && !isCommentStart(text, end, start)) {
      if (SPECIAL_OPERATOR_CODES.has(text.charCodeAt(end))) isSpecial = true;
      end++;
    }
    // Only an operator with a special character in it may end in + or -: `=-` is two.
    if (isSpecial) return end;
    this.#plainRunEnd = end;
    while (end > start && isSign(text.charCodeAt(end - 1))) end--;
    this.#plainRunStop = end;
    return end;
  }

  #pushOperator(symbol: string, start: number): true {
    const type = OPERATORS.get(symbol) ?? T.Operator;
    return this.#push(type, start, start + symbol.length, symbol === '!=' ? '<>' : symbol);
  }
}

/** `--` or a slash and star inside an operator end it. */
function isCommentStart(text: string, at: number, operatorStart: number): boolean {
  if (at === operatorStart) return false;
  const code = text.charCodeAt(at);
  const following = text.charCodeAt(at + 1);
  return (code === 45 && following === 45) || (code === 47 && following === 42);
}

const SPECIAL_OPERATOR_CODES: ReadonlySet<number> = new Set(
  Array.from('~!@#^&|`?%', (c) => c.charCodeAt(0)),
);

function isSign(code: number): boolean {
  return code === 43 || code === 45;
}

function isDigitAfter(text: string, start: number, end: number): boolean {
  return end > start + 1 && classOf(text.charCodeAt(end)) === DIGIT;
}

function skipDigits(text: string, from: number): number {
  let end = from;
  while (classOf(text.charCodeAt(end)) === DIGIT) end++;
  return end;
}

/** The closing quote, where a doubled one is a character and a backslash escapes in E''; -1 when there is none. */
function endOfQuoted(text: string, from: number, quote: number, escapes: boolean): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quote) {
      if (text.charCodeAt(i + 1) !== quote) return i;
      i++;
    } else if (escapes && code === 92) i++;
  }
  return -1;
}

/** ASCII letters only: what lies beyond is folded by no Postgres with UTF-8. */
export function foldCase(word: string): string {
  if (/^[\0-\x7f]*$/u.test(word)) return word.toLowerCase();
  return word.replaceAll(/[A-Z]+/gu, (part) => part.toLowerCase());
}

function truncateIdentifier(name: string): string {
  // No character takes more than three bytes per UTF-16 unit.
  if (name.length * 3 <= IDENTIFIER_BYTES_MAX) return name;
  const bytes = Buffer.from(name, 'utf8');
  if (bytes.length <= IDENTIFIER_BYTES_MAX) return name;
  let end = IDENTIFIER_BYTES_MAX;
  // Not inside a character: continuation bytes are 10xxxxxx.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
