/**
 * Parsed statements by their text, shared by the sessions of a node. Bounded by count, and texts that are too long to
 * come again (bulk inserts) are not kept. A syntax error is not cached: it is found again.
 */
import type { ParsedStatement } from '../parser/ast-statement.ts';
import { parseStatements } from '../parser/parse.ts';
import { LruCache } from './lru-cache.ts';

const STATEMENTS_MAX = 4096;
const TEXT_LENGTH_MAX = 16 * 1024;

export class StatementCache {
  readonly #parsed = new LruCache<string, readonly ParsedStatement[]>(STATEMENTS_MAX);

  parse(text: string): readonly ParsedStatement[] {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    const parsed = parseStatements(text);
    if (text.length <= TEXT_LENGTH_MAX) this.#parsed.set(text, parsed);
    return parsed;
  }
}
