/**
 * The core workloads of YCSB, A to F (Cooper et al., SoCC 2010, table 2; the benchmark's own `workloads/` files say the
 * rest): records of ten fields of 100 bytes, keys `user...` in hashed order, every operation one autocommit statement,
 * except F's read-modify-write, which is two. Popularity is zipfian (scrambled), in D the newest are read most.
 *
 * How it can mislead: the paper's databases had far more records than memory; `rows` is what fits a quick run. A read
 * fetches all fields and an update writes one, YCSB's defaults.
 *
 * Checks: what is read belongs to its key; in the end every field holds a last write, every acknowledged insert is
 * there and nothing that was never inserted.
 */
import type { Client, Field, Random, Session, Statement, Workload } from '../workload.ts';
import type { Definition } from './definition.ts';
import { define } from './definition.ts';
import { Zipfian, scatter, scrambled } from './distributions.ts';
import { FIRST, LastWrites } from './last-writes.ts';
import { Violations, allRows, copyRows, isUnknown, padded } from './support.ts';

const TABLE = 'usertable';
const FIELDS = 10;
const SCAN_MAX = 100;
const COLUMNS = Array.from({ length: FIELDS }, (_, i) => `field${i}`);
const ALL = ['ycsb_key', ...COLUMNS].join(', ');

type Kind = 'read' | 'update' | 'insert' | 'scan' | 'read-modify-write';

interface Mix {
  readonly letter: string;
  readonly summary: string;
  /** Percent, together 100. */
  readonly shares: readonly (readonly [Kind, number])[];
  readonly isLatest?: boolean;
}

const MIXES: readonly Mix[] = [
  {
    letter: 'a',
    summary: 'half reads, half updates',
    shares: [
      ['read', 50],
      ['update', 50],
    ],
  },
  {
    letter: 'b',
    summary: '95 % reads, 5 % updates',
    shares: [
      ['read', 95],
      ['update', 5],
    ],
  },
  { letter: 'c', summary: 'reads only', shares: [['read', 100]] },
  {
    ...{ letter: 'd', summary: '95 % reads of the latest records, 5 % inserts', isLatest: true },
    shares: [
      ['read', 95],
      ['insert', 5],
    ],
  },
  {
    ...{ letter: 'e', summary: '95 % scans of up to 100 records, 5 % inserts' },
    shares: [
      ['scan', 95],
      ['insert', 5],
    ],
  },
  {
    ...{ letter: 'f', summary: 'half reads, half read-modify-writes' },
    shares: [
      ['read', 50],
      ['read-modify-write', 50],
    ],
  },
];

export const ycsbWorkloads: readonly Definition[] = MIXES.map((mix) =>
  define({
    name: `ycsb-${mix.letter}`,
    summary: `YCSB ${mix.letter.toUpperCase()}: ${mix.summary}.`,
    parameters: {
      rows: { default: 100_000, min: 2, max: 50_000_000, meaning: 'records at the start' },
      bytes: { default: 100, min: 30, max: 100_000, meaning: 'bytes of each of ten fields' },
    },
    make: (shape) => new Ycsb(mix, shape),
  }),
);

const READ: Statement = {
  name: 'ycsb_read',
  text: `SELECT ${ALL} FROM ${TABLE} WHERE ycsb_key = $1`,
};
const SCAN: Statement = {
  name: 'ycsb_scan',
  text: `SELECT ${ALL} FROM ${TABLE} WHERE ycsb_key >= $1 ORDER BY ycsb_key LIMIT $2`,
};
const INSERT: Statement = {
  name: 'ycsb_insert',
  text: `INSERT INTO ${TABLE} (${ALL}) VALUES (${COLUMNS.map((_, i) => `$${i + 2}`).reduce(
    (all, each) => `${all}, ${each}`,
    '$1',
  )})`,
};
const UPDATES: readonly Statement[] = COLUMNS.map((column) => ({
  name: `ycsb_update_${column}`,
  text: `UPDATE ${TABLE} SET ${column} = $2 WHERE ycsb_key = $1`,
}));

/** Which records there are. Numbers are given out once; those up to `count` have all been answered. */
class Records {
  readonly #pending = new Set<number>();
  /** Refused, or of unknown outcome: they may be missing. */
  readonly absent = new Set<number>();
  readonly unknown = new Set<number>();
  #next: number;

  constructor(count: number) {
    this.#next = count;
  }

  get next(): number {
    return this.#next;
  }

  begin(): number {
    const id = this.#next++;
    this.#pending.add(id);
    return id;
  }

  ended(id: number, outcome: 'acknowledged' | 'refused' | 'unknown'): void {
    this.#pending.delete(id);
    if (outcome === 'refused') this.absent.add(id);
    if (outcome === 'unknown') this.unknown.add(id);
  }

  /** Below it every record has been answered. */
  get count(): number {
    let lowest = this.#next;
    for (const id of this.#pending) lowest = Math.min(lowest, id);
    return lowest;
  }

  isCertain(id: number): boolean {
    return !this.absent.has(id) && !this.unknown.has(id);
  }
}

export class Ycsb implements Workload {
  readonly name: string;
  readonly summary: string;
  readonly #mix: Mix;
  readonly #shape: { readonly rows: number; readonly bytes: number };
  readonly #violations = new Violations();
  readonly #writes = new LastWrites();
  #popularity: Zipfian;
  #records: Records;
  #lastVersion = 0;

  constructor(mix: Mix, shape: { readonly rows: number; readonly bytes: number }) {
    this.name = `ycsb-${mix.letter}`;
    this.summary = mix.summary;
    this.#mix = mix;
    this.#shape = shape;
    this.#popularity = new Zipfian(shape.rows);
    this.#records = new Records(shape.rows);
  }

  async load(session: Session): Promise<void> {
    const { rows, bytes } = this.#shape;
    this.#writes.clear();
    this.#popularity = new Zipfian(rows);
    this.#records = new Records(rows);
    const columns = COLUMNS.map((column) => `${column} text NOT NULL`).join(', ');
    await session.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await session.query(`CREATE TABLE ${TABLE} (ycsb_key text PRIMARY KEY, ${columns})`);
    await copyRows(session, TABLE, recordsOf(rows, bytes));
  }

  client(_index: number, _count: number, random: Random): Client {
    return { run: (session) => this.#run(session, random) };
  }

  async #run(session: Session, random: Random): Promise<string> {
    const kind = this.#draw(random);
    if (kind === 'insert') return this.#insert(session);
    const id = this.#choose(random);
    if (kind === 'scan') return this.#scan(session, id, random.between(1, SCAN_MAX));
    if (kind !== 'update') await this.#read(session, id);
    if (kind !== 'read') await this.#update(session, id, random.between(0, FIELDS - 1));
    return kind;
  }

  #draw(random: Random): Kind {
    let left = random.between(1, 100);
    for (const [kind, share] of this.#mix.shares) {
      left -= share;
      if (left <= 0) return kind;
    }
    return 'read';
  }

  /** A record that has been answered for. */
  #choose(random: Random): number {
    const { count } = this.#records;
    this.#popularity.grow(count);
    const rank = this.#popularity.next(random);
    // The newest is the most popular, or any record is.
    return this.#mix.isLatest === true ? Math.max(0, count - 1 - rank) : scrambled(rank, count);
  }

  async #read(session: Session, id: number): Promise<void> {
    const { rows } = await session.execute(READ, [keyOf(id)]);
    const [row] = rows;
    if (row === undefined && !this.#records.isCertain(id)) return;
    if (row === undefined || rows.length !== 1 || !isWhole(row, id, this.#shape.bytes)) {
      this.#violations.add(`a read of record ${id} returned ${rows.length} rows, or other bytes`);
    }
  }

  async #scan(session: Session, id: number, length: number): Promise<string> {
    const first = keyOf(id);
    const { rows } = await session.execute(SCAN, [first, String(length)]);
    let before = '';
    for (const row of rows) {
      const key = row[0] ?? '';
      const number = ownerOf(row);
      if (key < first || key <= before || !isWhole(row, number, this.#shape.bytes)) {
        this.#violations.add(
          `a scan from ${first} returned ${key} after "${before}", or other bytes`,
        );
      }
      before = key;
    }
    if (rows.length > length) this.#violations.add(`a scan of ${length} gave ${rows.length} rows`);
    return 'scan';
  }

  async #update(session: Session, id: number, field: number): Promise<void> {
    const version = String(++this.#lastVersion);
    const write = this.#writes.begin(`${id}.${field}`, version);
    const value = fieldOf(id, field, version, this.#shape.bytes);
    const statement = UPDATES[field] ?? READ;
    try {
      const { tag } = await session.execute(statement, [keyOf(id), value]);
      if (tag === 'UPDATE 1') this.#writes.acknowledged(write);
      else this.#writes.failed(write);
      if (tag !== 'UPDATE 1' && this.#records.isCertain(id)) {
        this.#violations.add(`an update of record ${id} was answered with ${tag}`);
      }
    } catch (error) {
      if (!isUnknown(error)) this.#writes.failed(write);
      throw error;
    }
  }

  async #insert(session: Session): Promise<string> {
    const id = this.#records.begin();
    const fields = COLUMNS.map((_, i) => fieldOf(id, i, FIRST, this.#shape.bytes));
    try {
      await session.execute(INSERT, [keyOf(id), ...fields]);
    } catch (error) {
      this.#records.ended(id, isUnknown(error) ? 'unknown' : 'refused');
      throw error;
    }
    this.#records.ended(id, 'acknowledged');
    return 'insert';
  }

  async check(session: Session): Promise<readonly string[]> {
    const found = new Violations();
    const text = `SELECT ${ALL} FROM ${TABLE} WHERE ycsb_key > $1 ORDER BY ycsb_key LIMIT $2`;
    const seen = new Set<number>();
    for await (const row of allRows(session, 'ycsb_check', text, '')) {
      const id = ownerOf(row);
      seen.add(id);
      if (!isWhole(row, id, this.#shape.bytes)) {
        found.add(`record ${row[0] ?? ''} holds bytes that nobody wrote`);
        continue;
      }
      this.#checkFields(row, id, found);
    }
    const { next, absent } = this.#records;
    for (let id = 0; id < next; id++) {
      if (this.#records.isCertain(id) && !seen.has(id)) found.add(`record ${id} is missing`);
    }
    for (const id of seen) {
      if (id >= next || absent.has(id)) found.add(`record ${id} is there, but was never inserted`);
    }
    return [...this.#violations.list, ...found.list];
  }

  #checkFields(row: readonly Field[], id: number, found: Violations): void {
    for (let field = 0; field < FIELDS; field++) {
      const version = versionOf(row[field + 1] ?? '');
      const register = `${id}.${field}`;
      if (this.#writes.mayHold(register, version)) continue;
      const may = this.#writes.describe(register);
      found.add(`field ${field} of record ${id} holds write ${version}, the last was ${may}`);
    }
  }
}

function keyOf(id: number): string {
  return `user${String(scatter(id)).padStart(10, '0')}`;
}

/** A field tells whose it is and which write made it. */
function fieldOf(id: number, field: number, version: string, bytes: number): string {
  return padded(`${id}.${field}:${version}:`, bytes);
}

function versionOf(value: string): string {
  const start = value.indexOf(':') + 1;
  return value.slice(start, value.indexOf(':', start));
}

/** The number of the record that a row's first field says it belongs to; NaN if it says nothing. */
function ownerOf(row: readonly Field[]): number {
  return Number.parseInt(row[1] ?? '', 10);
}

function isWhole(row: readonly Field[], id: number, bytes: number): boolean {
  if (row.length !== FIELDS + 1 || row[0] !== keyOf(id)) return false;
  for (let field = 0; field < FIELDS; field++) {
    const value = row[field + 1] ?? '';
    if (value !== fieldOf(id, field, versionOf(value), bytes)) return false;
  }
  return true;
}

function* recordsOf(rows: number, bytes: number): Generator<string> {
  for (let id = 0; id < rows; id++) {
    const fields = COLUMNS.map((_, i) => fieldOf(id, i, FIRST, bytes));
    yield `${keyOf(id)}\t${fields.join('\t')}`;
  }
}
