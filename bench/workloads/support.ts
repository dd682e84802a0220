/** What several workloads share: filling tables, padding, reading a table back in pages, counting what was promised. */
import type { Field, Session, Statement } from '../workload.ts';
import { SqlFailure } from '../workload.ts';

/** Rows of one page when a table is read back. */
const PAGE_ROWS = 2000;
/** A check that fails says so this often at most: the rest looks the same. */
const VIOLATIONS_MAX = 10;

/** Text with exactly this many characters, if it is not longer already. */
export function padded(text: string, characters: number): string {
  return text.padEnd(characters, 'x');
}

/** Fills a table by COPY: one string of tab-separated values per row, without its line end. */
export async function copyRows(
  session: Session,
  table: string,
  rows: Iterable<string>,
): Promise<void> {
  await session.copyIn(`COPY ${table} FROM STDIN`, lines(rows));
}

function* lines(rows: Iterable<string>): Generator<string> {
  for (const row of rows) yield `${row}\n`;
}

/**
 * All rows in order of their key, in pages. `text` takes the key after which a page begins as $1 and ends in
 * `LIMIT $2`; the key is the first column.
 */
export async function* allRows(
  session: Session,
  name: string,
  text: string,
  before: string,
): AsyncGenerator<readonly Field[]> {
  const statement: Statement = { name, text };
  let after = before;
  for (;;) {
    const { rows } = await session.execute(statement, [after, String(PAGE_ROWS)]);
    yield* rows;
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)?.[0] ?? '';
  }
}

/** The one value of the one row of a query. */
export async function scalar(session: Session, text: string): Promise<string> {
  const [result] = await session.query(text);
  return result?.rows[0]?.[0] ?? '';
}

export const BEGIN: Statement = { name: 'begin', text: 'BEGIN' };
export const COMMIT: Statement = { name: 'commit', text: 'COMMIT' };

/** A COMMIT that rolls back says so in its tag and in no other way. */
export async function commit(session: Session, violations: Violations): Promise<void> {
  const { tag } = await session.execute(COMMIT, []);
  if (tag !== 'COMMIT') violations.add(`a COMMIT was answered with ${tag}`);
}

/** The server may have done what it did not acknowledge: 40003, or the connection was lost. */
export function isUnknown(error: unknown): boolean {
  if (!(error instanceof SqlFailure)) return false;
  return error.sqlState === '40003' || error.sqlState.startsWith('08');
}

/** Sentences of a check, not more than a reader reads. */
export class Violations {
  readonly #found: string[] = [];
  #count = 0;

  add(sentence: string): void {
    if (this.#count++ < VIOLATIONS_MAX) this.#found.push(sentence);
  }

  get list(): readonly string[] {
    const left = this.#count - this.#found.length;
    return left === 0 ? [...this.#found] : [...this.#found, `and ${left} more of the kind`];
  }
}

/**
 * How much acknowledged operations have added, and how much those of unknown outcome may have: a sum in the database
 * is between the two.
 */
export class Promised {
  acknowledged = 0;
  unknown = 0;

  /** Runs an operation that adds `amount` if it succeeds, all or nothing. */
  async add<T>(amount: number, operation: () => Promise<T>): Promise<T> {
    try {
      const result = await operation();
      this.acknowledged += amount;
      return result;
    } catch (error) {
      if (isUnknown(error)) this.unknown += amount;
      throw error;
    }
  }

  /** A sentence if `found` is not what was promised. */
  check(what: string, found: number): readonly string[] {
    const max = this.acknowledged + this.unknown;
    if (found >= this.acknowledged && found <= max) return [];
    const bounds = this.unknown === 0 ? `${max}` : `${this.acknowledged} to ${max}`;
    return [`${what}: ${found}, but what was acknowledged makes ${bounds}`];
  }
}
