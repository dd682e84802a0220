/**
 * Literal lifting for the plan cache: `UPDATE t SET a = a + -5 WHERE id = 7` becomes `UPDATE t SET a = a + $1 WHERE
 * id = $2` with the values -5 and 7, so that statements of the simple protocol that differ in constants alone share
 * one parsed and planned statement. One pass over the characters, far cheaper than scanning for the parser.
 *
 * When the lifted form means the same. The caller must
 * - use `kinds` as part of the cache key, and give parameter n the type that its kind says: 'i' int4, 'l' int8, 'n'
 *   numeric (what the literal would have had), 's' unspecified (a string literal is of type unknown until its context
 *   types it, exactly as a parameter without type);
 * - fall back to the original text whenever the lifted form cannot be parsed, bound, or given its values: only that
 *   has the right error, or the right error position.
 *
 * What is lifted: a number or plain string that directly follows an operator, a comma, an opening parenthesis or a
 * word after which only an expression can begin, in one SELECT, INSERT, UPDATE or DELETE. A minus directly before a
 * number belongs to it where it can only be a sign. Everything else stays as written, which is always right:
 * - what is typed or converted in place (`date '...'`, `'...'::type`, `interval '1' day`);
 * - arguments of functions and of types (`varchar(10)`, `nextval('s')`), and all that follows ORDER, LIMIT, OFFSET,
 *   FETCH or FOR in its query (ordinals, row counts), or stands between CONFLICT and SET (which index is meant).
 * Refused altogether, because equal constants must stay visibly equal or untyped ones are typed by other rules:
 * GROUP BY, DISTINCT, set operations, WINDOW, INSERT ... SELECT; and whatever needs a real scanner: comments, E'' and
 * its like, dollar quotes, parameters, brackets, several statements.
 */

/** int4 a number, int8 a bigint, numeric its text, string its content. */
export type LiftedValue = number | bigint | string;

export interface LiftedStatement {
  readonly text: string;
  /** One letter per value. */
  readonly kinds: string;
  readonly values: readonly LiftedValue[];
}

/** Longer texts are bulk work, which does not come again. */
const TEXT_LENGTH_MAX = 8192;
const VALUES_MAX = 64;

// What a character is.
const OTHER = 0;
const BLANK = 1;
const WORD = 2;
const DIGIT = 3;
const SYMBOL = 4;

const CLASSES = new Uint8Array(128);
for (const c of ' \t\n\r\f\v') CLASSES[c.charCodeAt(0)] = BLANK;
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_')
  CLASSES[c.charCodeAt(0)] = WORD;
for (const c of '0123456789') CLASSES[c.charCodeAt(0)] = DIGIT;
for (const c of '~!@#^&|`?+-*/%<>=') CLASSES[c.charCodeAt(0)] = SYMBOL;

// What stands before: decides whether a literal here is an expression, and what a parenthesis here opens.
/** A value, a name, anything that ends an operand. */
const BEFORE_NAME = 0;
/** An expression begins here. */
const BEFORE_EXPRESSION = 1;
/** Only a parenthesis with expressions or a query inside can follow. */
const BEFORE_LIST = 2;
/** A NOT behind an operand: LIKE, IN or BETWEEN must follow. */
const BEFORE_MATCH = 3;

// What a word does.
const EXPRESSION_WORD = 1;
const LIST_WORD = 2;
const STOP_WORD = 3;
const REFUSED_WORD = 4;
const CONFLICT_WORD = 5;
const SET_WORD = 6;
const SELECT_WORD = 7;
const NOT_WORD = 8;
const MATCH_WORD = 9;

const WORD_ROLES: ReadonlyMap<string, number> = new Map([
  ...'and case else having on or returning then when where'
    .split(' ')
    .map((word) => [word, EXPRESSION_WORD] as const),
  ...'exists from in join values'.split(' ').map((word) => [word, LIST_WORD] as const),
  ...'fetch for limit offset order'.split(' ').map((word) => [word, STOP_WORD] as const),
  ...'distinct except group intersect union window'
    .split(' ')
    .map((word) => [word, REFUSED_WORD] as const),
  ['conflict', CONFLICT_WORD],
  ['set', SET_WORD],
  ['select', SELECT_WORD],
  ['not', NOT_WORD],
  ['between', MATCH_WORD],
  ['ilike', MATCH_WORD],
  ['like', MATCH_WORD],
]);

/** Words by the hash that `#word` computes on the way; a hit is compared in full. */
const HASH_SIZE = 1024;
const HASHED: (string | undefined)[] = new Array<string | undefined>(HASH_SIZE).fill(undefined);
const HASHED_ROLES = new Uint8Array(HASH_SIZE);
for (const [word, role] of WORD_ROLES) {
  let hash = 0;
  for (let i = 0; i < word.length; i++) hash = nextHash(hash, word.charCodeAt(i));
  while (HASHED[hash & (HASH_SIZE - 1)] !== undefined) hash++;
  HASHED[hash & (HASH_SIZE - 1)] = word;
  HASHED_ROLES[hash & (HASH_SIZE - 1)] = role;
}

function nextHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + (code | 32)) | 0;
}

function classOf(code: number): number {
  if (code < 128) return CLASSES[code] ?? OTHER;
  // Not a number at the end of the text: that is no character.
  return code >= 128 ? WORD : OTHER;
}

const QUOTE = 39;
const COLON = 58;
const MINUS = 45;

/** The lifted form of a statement, or undefined when there is none or nothing to lift. */
export function liftLiterals(text: string): LiftedStatement | undefined {
  if (text.length > TEXT_LENGTH_MAX) return undefined;
  const lifter = new Lifter(text);
  return lifter.run();
}

class Lifter {
  readonly #text: string;
  readonly #values: LiftedValue[] = [];
  #kinds = '';
  #out = '';
  /** Up to here the text is in `#out`. */
  #copied = 0;
  #at = 0;
  #before = BEFORE_NAME;
  /** Open parentheses. */
  #depth = 0;
  /** The depth of the outermost parenthesis whose content stays as it is; 0 without. */
  #keptDepth = 0;
  /** The depth of the query whose ORDER, LIMIT, ... has begun; -1 before. */
  #stopDepth = -1;
  #isInConflict = false;
  #isInsert = false;
  #isFirstWord = true;

  constructor(text: string) {
    this.#text = text;
  }

  run(): LiftedStatement | undefined {
    const text = this.#text;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      const charClass = classOf(code);
      if (charClass === BLANK) this.#at++;
      else if (this.#isFirstWord && charClass !== WORD) return undefined;
      else if (charClass === WORD) {
        if (!this.#word()) return undefined;
      } else if (charClass === DIGIT) {
        if (!this.#number(this.#at)) return undefined;
      } else if (charClass === SYMBOL) {
        if (!this.#symbol(code)) return undefined;
      } else if (!this.#punctuation(code)) return undefined;
    }
    if (this.#values.length === 0 || this.#depth !== 0) return undefined;
    const lifted = this.#out + text.slice(this.#copied);
    return { text: lifted, kinds: this.#kinds, values: this.#values };
  }

  #word(): boolean {
    const text = this.#text;
    const start = this.#at;
    let end = start;
    let hash = 0;
    for (;;) {
      const code = text.charCodeAt(end);
      const charClass = classOf(code);
      if (charClass !== WORD && charClass !== DIGIT) {
        // A dollar sign goes on with a name, an adjacent quote makes the word a prefix.
        if (code === 36 || code === QUOTE) return false;
        if (code === 38 && end === start + 1 && (text.charCodeAt(start) | 32) === 117) return false;
        break;
      }
      hash = nextHash(hash, code);
      end++;
    }
    this.#at = end;
    const before = this.#before;
    this.#before = BEFORE_NAME;
    if (start > 0 && text.charCodeAt(start - 1) === 46) return true;
    if (this.#isFirstWord) return this.#firstWord(text.slice(start, end).toLowerCase());
    return this.#role(this.#roleOf(hash, start, end), before);
  }

  /** What the word from `start` to `end` does; 0 for most. */
  #roleOf(hash: number, start: number, end: number): number {
    for (let slot = hash & (HASH_SIZE - 1); ; slot = (slot + 1) & (HASH_SIZE - 1)) {
      const word = HASHED[slot];
      if (word === undefined) return 0;
      if (word.length !== end - start) continue;
      if (this.#text.slice(start, end).toLowerCase() === word) return HASHED_ROLES[slot] ?? 0;
    }
  }

  #firstWord(word: string): boolean {
    this.#isFirstWord = false;
    if (word === 'select') this.#before = BEFORE_EXPRESSION;
    this.#isInsert = word === 'insert';
    return word === 'select' || word === 'insert' || word === 'update' || word === 'delete';
  }

  #role(role: number, before: number): boolean {
    switch (role) {
      case EXPRESSION_WORD:
        this.#before = BEFORE_EXPRESSION;
        return true;
      case NOT_WORD:
        this.#before = before === BEFORE_NAME ? BEFORE_MATCH : BEFORE_EXPRESSION;
        return true;
      case MATCH_WORD:
        // Without an operand before it, the word is the name of a type: `select like 'a'`.
        if (before === BEFORE_NAME || before === BEFORE_MATCH) this.#before = BEFORE_EXPRESSION;
        return true;
      case LIST_WORD:
        this.#before = BEFORE_LIST;
        return true;
      case STOP_WORD:
        if (this.#keptDepth === 0 && this.#stopDepth < 0) this.#stopDepth = this.#depth;
        return true;
      case REFUSED_WORD:
        return false;
      case CONFLICT_WORD:
        this.#isInConflict = true;
        return true;
      case SET_WORD:
        this.#isInConflict = false;
        return true;
      case SELECT_WORD:
        this.#before = BEFORE_EXPRESSION;
        return !this.#isInsert;
      default:
        return true;
    }
  }

  #isLiftable(): boolean {
    return (
      this.#before === BEFORE_EXPRESSION &&
      this.#keptDepth === 0 &&
      this.#stopDepth < 0 &&
      !this.#isInConflict
    );
  }

  /** A number from its sign or first digit. */
  #number(start: number): boolean {
    const text = this.#text;
    const digits = text.charCodeAt(start) === MINUS ? start + 1 : start;
    let end = this.#digits(digits);
    let isInteger = true;
    if (text.charCodeAt(end) === 46) {
      const fraction = this.#digits(end + 1);
      // `1.` and `1..2` are left to the real scanner.
      if (fraction === end + 1) return false;
      end = fraction;
      isInteger = false;
    }
    if ((text.charCodeAt(end) | 32) === 101) {
      const sign = text.charCodeAt(end + 1);
      const exponent = sign === 43 || sign === MINUS ? end + 2 : end + 1;
      const stop = this.#digits(exponent);
      if (stop === exponent) return false;
      end = stop;
      isInteger = false;
    }
    const next = text.charCodeAt(end);
    if (classOf(next) === WORD || next === 46 || next === 36) return false;
    const isLiftable = this.#isLiftable() && !this.#isCastNext(end);
    this.#at = end;
    this.#before = BEFORE_NAME;
    if (!isLiftable) return true;
    const written = text.slice(start, end);
    const value = isInteger ? Number(written) : 0;
    if (!isInteger) return this.#lift(start, end, 'n', written);
    if (value >= -2147483648 && value <= 2147483647) return this.#lift(start, end, 'i', value);
    // Beyond int8 a literal is numeric.
    if (digits + 18 >= end) return this.#lift(start, end, 'l', BigInt(written));
    const big = BigInt(written);
    const isInt8 = BigInt.asIntN(64, big) === big;
    return this.#lift(start, end, isInt8 ? 'l' : 'n', isInt8 ? big : written);
  }

  #digits(from: number): number {
    let end = from;
    while (classOf(this.#text.charCodeAt(end)) === DIGIT) end++;
    return end;
  }

  /** A string from its opening quote. */
  #string(start: number): boolean {
    const text = this.#text;
    let end = start + 1;
    let hasQuote = false;
    for (; ; end++) {
      const close = text.indexOf("'", end);
      if (close < 0) return false;
      end = close + 1;
      if (text.charCodeAt(end) !== QUOTE) break;
      hasQuote = true;
    }
    const next = this.#skipBlanks(end);
    // A string may go on on the next line.
    if (text.charCodeAt(next) === QUOTE) return false;
    const isLiftable = this.#isLiftable() && !this.#isCastNext(end);
    this.#at = end;
    this.#before = BEFORE_NAME;
    if (!isLiftable) return true;
    const content = text.slice(start + 1, end - 1);
    return this.#lift(start, end, 's', hasQuote ? content.replaceAll("''", "'") : content);
  }

  #skipBlanks(from: number): number {
    let at = from;
    while (classOf(this.#text.charCodeAt(at)) === BLANK) at++;
    return at;
  }

  #isCastNext(end: number): boolean {
    return this.#text.charCodeAt(this.#skipBlanks(end)) === COLON;
  }

  #lift(start: number, end: number, kind: string, value: LiftedValue): boolean {
    if (this.#values.length === VALUES_MAX) return false;
    this.#values.push(value);
    this.#kinds += kind;
    this.#out += `${this.#text.slice(this.#copied, start)}$${this.#values.length}`;
    this.#copied = end;
    return true;
  }

  /** An operator; a minus before a digit is a sign where only an operand can follow. */
  #symbol(first: number): boolean {
    const text = this.#text;
    const start = this.#at;
    let end = start + 1;
    while (classOf(text.charCodeAt(end)) === SYMBOL) end++;
    if (end - start > 1) {
      const symbol = text.slice(start, end);
      if (symbol.includes('--') || symbol.includes('/*')) return false;
      // `=-1` is two operators; about others that end in a sign the real scanner is asked.
      if (symbol.endsWith('-') && /^[*/<>=+]+-$/u.test(symbol)) end--;
      else if (symbol.endsWith('-') || symbol.endsWith('+')) return false;
    } else if (first === MINUS && classOf(text.charCodeAt(end)) === DIGIT) {
      if (this.#before === BEFORE_EXPRESSION) return this.#number(start);
    }
    this.#at = end;
    this.#before = BEFORE_EXPRESSION;
    return true;
  }

  #punctuation(code: number): boolean {
    const text = this.#text;
    const next = text.charCodeAt(this.#at + 1);
    switch (code) {
      case 40: // (
        this.#depth++;
        if (this.#before === BEFORE_NAME && this.#keptDepth === 0) this.#keptDepth = this.#depth;
        this.#before = BEFORE_EXPRESSION;
        break;
      case 41: // )
        if (this.#depth === this.#keptDepth) this.#keptDepth = 0;
        if (--this.#depth < 0) return false;
        if (this.#depth < this.#stopDepth) this.#stopDepth = -1;
        this.#before = BEFORE_NAME;
        break;
      case 44: // ,
        this.#before = BEFORE_EXPRESSION;
        break;
      case QUOTE:
        return this.#string(this.#at);
      case 34: // "
        return this.#quotedName();
      case 46: // .
        if (classOf(next) === DIGIT || next === 46) return false;
        this.#before = BEFORE_NAME;
        break;
      case COLON:
        if (next !== COLON) return false;
        this.#before = BEFORE_NAME;
        this.#at++;
        break;
      case 59: // ;
        if (this.#skipBlanks(this.#at + 1) !== text.length) return false;
        break;
      default:
        return false;
    }
    this.#at++;
    return true;
  }

  #quotedName(): boolean {
    const close = this.#text.indexOf('"', this.#at + 1);
    if (close < 0) return false;
    this.#at = close + 1;
    this.#before = BEFORE_NAME;
    return true;
  }
}
