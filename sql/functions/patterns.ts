/**
 * LIKE, ILIKE and POSIX regular expressions, compiled to JavaScript's and cached in bounded maps (patterns are few
 * and repeat over rows). POSIX classes and word boundaries are translated; what JavaScript cannot say the same way
 * (collating elements, back-matching of the longest alternative) keeps JavaScript's meaning.
 */
import { SqlError } from '../errors/sql-error.ts';

const MAX_CACHED = 512;
type Matcher = (text: string) => boolean;

const likeCache = new Map<string, Matcher>();
const regexCache = new Map<string, RegExp>();

/** `escape` is one character, or empty for none. */
export function matchesLike(
  text: string,
  pattern: string,
  isCaseFolded = false,
  escape = '\\',
): boolean {
  const key = `${isCaseFolded ? 'i' : 'c'}${escape}\0${pattern}`;
  let matcher = likeCache.get(key);
  if (matcher === undefined) {
    matcher = compileLike(pattern, isCaseFolded, escape);
    if (likeCache.size >= MAX_CACHED) likeCache.clear();
    likeCache.set(key, matcher);
  }
  return matcher(text);
}

function compileLike(pattern: string, isCaseFolded: boolean, escape: string): Matcher {
  if (!isCaseFolded) {
    const simple = compileSimpleLike(pattern, escape);
    if (simple !== undefined) return simple;
  }
  let source = '';
  const units = Array.from(pattern);
  for (let i = 0; i < units.length; i++) {
    const unit = units[i] ?? '';
    if (unit === escape && escape !== '') {
      const next = units[++i];
      if (next === undefined) {
        throw new SqlError('22025', 'LIKE pattern must not end with escape character');
      }
      source += quote(next);
    } else if (unit === '%') source += '.*';
    else if (unit === '_') source += '.';
    else source += quote(unit);
  }
  const regex = new RegExp(`^${source}$`, isCaseFolded ? 'sui' : 'su');
  return (text) => regex.test(text);
}

/** `abc`, `abc%`, `%abc`, `%abc%` without further wildcards: string methods do. */
function compileSimpleLike(pattern: string, escape: string): Matcher | undefined {
  if (escape !== '' && pattern.includes(escape)) return undefined;
  const startsOpen = pattern.startsWith('%');
  const endsOpen = pattern.length > 1 && pattern.endsWith('%');
  const core = pattern.slice(startsOpen ? 1 : 0, endsOpen ? -1 : undefined);
  if (core.includes('%') || core.includes('_')) return undefined;
  if (startsOpen && endsOpen) return (text) => text.includes(core);
  if (startsOpen) return (text) => text.endsWith(core);
  if (endsOpen) return (text) => text.startsWith(core);
  return (text) => text === core;
}

/** The constant text that every match of a LIKE pattern begins with: for index ranges. */
export function likePrefix(pattern: string, escape = '\\'): string {
  let prefix = '';
  for (let i = 0; i < pattern.length; i++) {
    const unit = pattern[i] ?? '';
    if (unit === '%' || unit === '_') break;
    if (unit === escape) {
      i++;
      prefix += pattern[i] ?? '';
    } else {
      prefix += unit;
    }
  }
  return prefix;
}

export function matchesRegex(text: string, pattern: string, isCaseFolded: boolean): boolean {
  return regexFor(pattern, isCaseFolded ? 'i' : '').test(text);
}

/** `flags` are Postgres': i, c, g (not kept), n, s, x, w; 2201B for a bad pattern, 22023 for a bad flag. */
export function regexFor(pattern: string, flags: string): RegExp {
  const key = `${flags}\0${pattern}`;
  let regex = regexCache.get(key);
  if (regex === undefined) {
    regex = compileRegex(pattern, flags);
    if (regexCache.size >= MAX_CACHED) regexCache.clear();
    regexCache.set(key, regex);
  }
  regex.lastIndex = 0;
  return regex;
}

function compileRegex(pattern: string, flags: string): RegExp {
  let jsFlags = 'u';
  let isNewlineSensitive = false;
  let isFolded = false;
  let source = pattern;
  // The prefix ***: says "advanced", ***= a literal; (?i) and the like set flags.
  if (source.startsWith('***=')) source = quote(source.slice(4));
  else if (source.startsWith('***:')) source = source.slice(4);
  const embedded = /^\(\?([a-z]+)\)/.exec(source);
  if (embedded !== null) source = source.slice(embedded[0].length);
  for (const flag of flags + (embedded?.[1] ?? '')) {
    if (flag === 'i') isFolded = true;
    else if (flag === 'c') isFolded = false;
    else if (flag === 'n' || flag === 'm') isNewlineSensitive = true;
    else if (flag === 'x')
      source = source.replace(/\\.|\s+|#.*$/gm, (m) => (m[0] === '\\' ? m : ''));
    else if (!'gsetpwbq'.includes(flag)) {
      throw new SqlError('22023', `invalid regular expression option: "${flag}"`);
    }
  }
  if (isFolded) jsFlags += 'i';
  jsFlags += isNewlineSensitive ? 'm' : 's';
  try {
    return new RegExp(translate(source), jsFlags);
  } catch (error) {
    throw new SqlError('2201B', `invalid regular expression: ${reasonOf(pattern)}`, {
      cause: error,
    });
  }
}

function reasonOf(pattern: string): string {
  const opens = pattern.replace(/\\./g, '').replace(/\[[^\]]*\]/g, '');
  if (/\[[^\]]*$/.test(pattern)) return 'brackets [] not balanced';
  if (opens.split('(').length !== opens.split(')').length) return 'parentheses () not balanced';
  if (/(^|[(|])[*+?]/.test(opens) || /[*+?]{2,}/.test(opens)) {
    return 'quantifier operand invalid';
  }
  return 'invalid escape \\ sequence';
}

const CLASSES: Readonly<Record<string, string>> = {
  alpha: '\\p{L}',
  digit: '0-9',
  alnum: '\\p{L}\\p{N}',
  upper: '\\p{Lu}',
  lower: '\\p{Ll}',
  space: '\\s',
  blank: ' \\t',
  punct: '!-\\/:-@\\[-`\\{-~',
  print: '\\x20-\\x7e\\u00a0-\\u{10ffff}',
  graph: '\\x21-\\x7e\\u00a1-\\u{10ffff}',
  cntrl: '\\x00-\\x1f\\x7f',
  xdigit: '0-9A-Fa-f',
  word: '\\w',
};

const ESCAPES: Readonly<Record<string, string>> = {
  m: '\\b(?=\\w)',
  M: '\\b(?<=\\w)',
  y: '\\b',
  Y: '\\B',
  A: '^',
  Z: '$',
  a: '\\x07',
  b: '\\x08',
  B: '\\\\',
  e: '\\x1b',
};

/** From Postgres' advanced regular expressions to JavaScript's, unicode mode. */
function translate(pattern: string): string {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const unit = pattern[i] ?? '';
    if (unit === '\\') {
      const next = pattern[++i] ?? '';
      if (next === '') throw new SyntaxError('ends with a backslash');
      out += ESCAPES[next] ?? escapeOf(next);
    } else if (unit === '[') {
      const end = bracketEnd(pattern, i);
      const inner = pattern.slice(i + 1, end);
      if (inner === '[:<:]') out += '\\b(?=\\w)';
      else if (inner === '[:>:]') out += '\\b(?<=\\w)';
      else out += bracket(inner);
      i = end;
    } else if (unit === '{' && !/^\{\d+(,\d*)?\}/.test(pattern.slice(i))) {
      out += '\\{';
    } else if (unit === '}' && !/\{\d+(,\d*)?$/.test(pattern.slice(0, i))) {
      out += '\\}';
    } else if (unit === ']') {
      out += '\\]';
    } else {
      out += unit;
    }
  }
  return out;
}

function escapeOf(unit: string): string {
  if (/[dDwWsSnrtvf0-9xuc]/.test(unit)) return `\\${unit}`;
  return quote(unit);
}

/** The index of the `]` that ends the bracket expression at `start`. */
function bracketEnd(pattern: string, start: number): number {
  let i = start + 1;
  if (pattern[i] === '^') i++;
  if (pattern[i] === ']') i++;
  for (; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === '[' && /[:.=]/.test(pattern[i + 1] ?? '')) {
      const end = pattern.indexOf(`${pattern[i + 1] ?? ''}]`, i + 2);
      if (end < 0) break;
      i = end + 1;
    } else if (pattern[i] === ']') return i;
  }
  throw new SyntaxError('brackets not balanced');
}

function bracket(inner: string): string {
  const isNegated = inner.startsWith('^');
  const body = (isNegated ? inner.slice(1) : inner)
    .replace(
      /\[:(\w+):\]|\[[.=](.)[.=]\]|\\(.)|[[\]]/gu,
      (all, name?: string, element?: string, escaped?: string) => {
        if (name !== undefined) {
          const set = CLASSES[name];
          if (set === undefined) throw new SyntaxError('invalid character class');
          return set;
        }
        if (element !== undefined) return quote(element);
        if (escaped !== undefined) return /[dwsnrtvf0xu]/i.test(escaped) ? all : quote(escaped);
        return `\\${all}`;
      },
    )
    // Characters that unicode mode wants quoted inside a class.
    .replace(/^-|-$/g, '\\-')
    .replace(/\(|\)|\{(?!10ffff)|(?<!10ffff)\}|\/|\|/g, (unit, offset: number, whole: string) =>
      whole[offset - 1] === '\\' || /\\p\{\w*$|\\u\{\w*$|\\[pu]$/.test(whole.slice(0, offset))
        ? unit
        : `\\${unit}`,
    );
  return `[${isNegated ? '^' : ''}${body}]`;
}

function quote(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
