/**
 * Point reads, point writes and range scans of one table of integers and texts: the shortest statements there are.
 *
 * Question: what does one statement cost, read or written, alone or `pipeline` at a time in one round trip? Keys are
 * uniform, so that clients hardly meet; for contention see hot-row, for skew YCSB. How it can mislead: with `pipeline`
 * above 1 the statements before one Sync are one transaction, so writes share its commit.
 *
 * Checks: every row read is the row asked for, with the bytes it was given; in the end every row holds a value that was
 * written last to it, or may have been.
 */
import type { Client, Field, Random, Result, Session, Statement, Workload } from '../workload.ts';
import type { Parameters } from './definition.ts';
import { define } from './definition.ts';
import { FIRST, LastWrites } from './last-writes.ts';
import type { Write } from './last-writes.ts';
import { Violations, allRows, copyRows, isUnknown, padded, scalar } from './support.ts';

const TABLE = 'bench_kv';

const READ: Statement = { name: 'kv_read', text: `SELECT value FROM ${TABLE} WHERE id = $1` };
const WRITE: Statement = {
  name: 'kv_write',
  text:
    `INSERT INTO ${TABLE} (id, value) VALUES ($1, $2) ` +
    'ON CONFLICT (id) DO UPDATE SET value = excluded.value',
};
const SCAN: Statement = {
  name: 'kv_scan',
  text: `SELECT id, value FROM ${TABLE} WHERE id >= $1 ORDER BY id LIMIT $2`,
};

const ROWS = { default: 100_000, min: 1, max: 100_000_000, meaning: 'rows of the table' } as const;
const BYTES = { default: 256, min: 24, max: 1_000_000, meaning: 'bytes of a value' } as const;
const PIPELINE = {
  ...{ default: 1, min: 1, max: 1000 },
  meaning: 'statements before one Sync, in one round trip and one transaction',
} as const;
const LOCAL = { rows: ROWS, bytes: BYTES, pipeline: PIPELINE } as const satisfies Parameters;

export const pointRead = define({
  name: 'point-read',
  summary: 'SELECT of one row by its primary key, autocommit.',
  parameters: LOCAL,
  make: (values) => new KeyValue('point-read', values, (table) => new Reader(table)),
  units: ({ pipeline }) => statements(pipeline),
});

export const pointWrite = define({
  name: 'point-write',
  summary: 'Upsert of one row by its primary key (INSERT ... ON CONFLICT DO UPDATE), autocommit.',
  parameters: LOCAL,
  make: (values) => new KeyValue('point-write', values, (table) => new Writer(table)),
  units: ({ pipeline }) => statements(pipeline),
});

export const rangeScan = define({
  name: 'range-scan',
  summary: 'SELECT of consecutive rows in the order of the primary key.',
  parameters: {
    ...{ rows: ROWS, bytes: BYTES },
    length: { default: 100, min: 1, max: 1_000_000, meaning: 'rows of one scan' },
  },
  make: (values) =>
    new KeyValue('range-scan', values, (table) => new Scanner(table, values.length)),
  units: ({ length, rows }) => ({ name: 'rows', perOperation: Math.min(length, rows) }),
});

function statements(pipeline: number): { name: string; perOperation: number } | undefined {
  return pipeline === 1 ? undefined : { name: 'statements', perOperation: pipeline };
}

interface Shape {
  readonly rows: number;
  readonly bytes: number;
  readonly pipeline?: number;
}

class KeyValue implements Workload {
  readonly name: string;
  readonly summary = 'One table of integers and texts.';
  readonly shape: Shape;
  readonly writes = new LastWrites();
  readonly violations = new Violations();
  readonly #clientOf: (table: KeyValue) => { run(s: Session, r: Random): Promise<string> };
  #lastValue = 0;

  constructor(
    name: string,
    shape: Shape,
    clientOf: (table: KeyValue) => { run(s: Session, r: Random): Promise<string> },
  ) {
    this.name = name;
    this.shape = shape;
    this.#clientOf = clientOf;
  }

  async load(session: Session): Promise<void> {
    const { rows, bytes } = this.shape;
    this.writes.clear();
    await session.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await session.query(`CREATE TABLE ${TABLE} (id bigint PRIMARY KEY, value text NOT NULL)`);
    await copyRows(session, TABLE, rowsOf(rows, bytes));
  }

  client(_index: number, _count: number, random: Random): Client {
    const client = this.#clientOf(this);
    return { run: (session) => client.run(session, random) };
  }

  async check(session: Session): Promise<readonly string[]> {
    const { rows, bytes } = this.shape;
    const found = new Violations();
    const text = `SELECT id, value FROM ${TABLE} WHERE id > $1 ORDER BY id LIMIT $2`;
    let expected = 0;
    for await (const [id, value] of allRows(session, 'kv_check', text, '-1')) {
      const version = /^\d+:(\d+):/.exec(value ?? '')?.[1] ?? '';
      const isWhole = value === valueOf(expected, version, bytes);
      if (id !== String(expected)) found.add(`row ${expected} is missing or out of order`);
      else if (!isWhole) found.add(`row ${id} holds bytes that nobody wrote`);
      else if (!this.writes.mayHold(id, version)) {
        const may = this.writes.describe(id);
        found.add(`row ${id} holds write ${version}, but the last was ${may}`);
      }
      expected = Number(id) + 1;
    }
    const count = Number(await scalar(session, `SELECT count(*) FROM ${TABLE}`));
    if (count !== rows) found.add(`the table has ${count} rows instead of ${rows}`);
    return [...this.violations.list, ...found.list];
  }

  /** A number no write has had yet. */
  nextVersion(): string {
    return String(++this.#lastValue);
  }
}

function* rowsOf(rows: number, bytes: number): Generator<string> {
  for (let id = 0; id < rows; id++) yield `${id}\t${valueOf(id, FIRST, bytes)}`;
}

/** A value tells whose it is and which write made it. */
function valueOf(id: number, version: string, bytes: number): string {
  return padded(`${id}:${version}:`, bytes);
}

class Reader {
  readonly #table: KeyValue;

  constructor(table: KeyValue) {
    this.#table = table;
  }

  async run(session: Session, random: Random): Promise<string> {
    const { rows, pipeline = 1 } = this.#table.shape;
    if (pipeline === 1) {
      const id = random.between(0, rows - 1);
      this.#verify(id, await session.execute(READ, [String(id)]));
      return 'read';
    }
    const ids = Array.from({ length: pipeline }, () => random.between(0, rows - 1));
    const results = await session.pipeline(ids.map((id) => [READ, [String(id)]] as const));
    for (const [i, id] of ids.entries()) this.#verify(id, results[i]);
    return 'read';
  }

  #verify(id: number, result: Result | undefined): void {
    const { bytes } = this.#table.shape;
    const value = result?.rows[0]?.[0] ?? '';
    if (result?.rows.length === 1 && value.startsWith(`${id}:`) && value.length >= bytes) return;
    this.#table.violations.add(`a read of row ${id} returned "${value.slice(0, 40)}"`);
  }
}

class Writer {
  readonly #table: KeyValue;

  constructor(table: KeyValue) {
    this.#table = table;
  }

  async run(session: Session, random: Random): Promise<string> {
    const { rows, pipeline = 1 } = this.#table.shape;
    const ids = new Set<number>();
    while (ids.size < Math.min(pipeline, rows)) ids.add(random.between(0, rows - 1));
    // In one order everywhere: transactions of several writes do not deadlock.
    const sorted = pipeline === 1 ? [...ids] : [...ids].sort((a, b) => a - b);
    const writes = sorted.map((id) => this.#begin(id));
    try {
      const calls = writes.map(({ values }) => [WRITE, values] as const);
      if (calls.length === 1) await session.execute(...(calls[0] ?? [WRITE, []]));
      else await session.pipeline(calls);
      for (const { write } of writes) this.#table.writes.acknowledged(write);
      return 'write';
    } catch (error) {
      if (!isUnknown(error)) for (const { write } of writes) this.#table.writes.failed(write);
      throw error;
    }
  }

  #begin(id: number): { write: Write; values: readonly Field[] } {
    const version = this.#table.nextVersion();
    const write = this.#table.writes.begin(String(id), version);
    return { write, values: [String(id), valueOf(id, version, this.#table.shape.bytes)] };
  }
}

class Scanner {
  readonly #table: KeyValue;
  readonly #length: number;

  constructor(table: KeyValue, length: number) {
    this.#table = table;
    this.#length = length;
  }

  async run(session: Session, random: Random): Promise<string> {
    const { rows } = this.#table.shape;
    const length = Math.min(this.#length, rows);
    const first = random.between(0, rows - length);
    const result = await session.execute(SCAN, [String(first), String(length)]);
    const isRight =
      result.rows.length === length &&
      result.rows.every(([id], i) => id === String(first + i)) &&
      result.rows.every(([id, value]) => value?.startsWith(`${id ?? ''}:`));
    if (!isRight) {
      this.#table.violations.add(`a scan of ${length} rows from ${first} returned other rows`);
    }
    return 'scan';
  }
}
