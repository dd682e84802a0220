/**
 * New rows, many at a time: by INSERT with several rows, or by COPY. Question: how many rows a second go in, by the size
 * of the batch? How it can mislead: the table starts empty and grows with the speed of the database, and rows that all
 * go to its end (`order` end) meet in one range, however many nodes there are.
 *
 * Checks: of every acknowledged batch all rows are there; of every other one all or none, and none that was refused.
 */
import type { Client, Field, Session, Statement, Workload } from '../workload.ts';
import { define } from './definition.ts';
import { Violations, allRows, isUnknown, padded } from './support.ts';

const TABLE = 'bench_ingest';
/** With `order` own, a client's rows are this far from the next client's. */
const CLIENT_STRIDE = 1_000_000_000_000;

interface Shape {
  readonly batch: number;
  readonly bytes: number;
  readonly order: string;
}

const BYTES = { default: 100, min: 1, max: 1_000_000, meaning: 'bytes of a row beside its key' };
const ORDER = {
  ...{ default: 'own', choices: ['own', 'end'] },
  meaning: "keys that follow on the client's own last, or on the last of all",
} as const;

export const batchInsert = define({
  name: 'batch-insert',
  summary: 'INSERT of several new rows in one statement, autocommit.',
  parameters: {
    batch: { default: 100, min: 1, max: 10_000, meaning: 'rows of one INSERT' },
    bytes: BYTES,
    order: ORDER,
  },
  make: (shape) => new Ingest('batch-insert', shape, insertBatch),
  units: ({ batch }) => ({ name: 'rows', perOperation: batch }),
});

export const copyIn = define({
  name: 'copy',
  summary: 'COPY ... FROM STDIN of new rows, each COPY a transaction.',
  parameters: {
    batch: { default: 1000, min: 1, max: 1_000_000, meaning: 'rows of one COPY' },
    bytes: BYTES,
    order: ORDER,
  },
  make: (shape) => new Ingest('copy', shape, copyBatch),
  units: ({ batch }) => ({ name: 'rows', perOperation: batch }),
});

interface Batch {
  readonly number: number;
  readonly firstId: number;
  readonly rows: number;
  readonly value: string;
}

type Write = (session: Session, batch: Batch) => Promise<string>;

/** Statements by number of rows: the text is long. */
const statements = new Map<number, Statement>();

async function insertBatch(session: Session, batch: Batch): Promise<string> {
  const values: Field[] = [];
  for (let i = 0; i < batch.rows; i++) {
    values.push(String(batch.firstId + i), String(batch.number), batch.value);
  }
  const { tag } = await session.execute(insertOf(batch.rows), values);
  return tag;
}

function insertOf(rows: number): Statement {
  let found = statements.get(rows);
  if (found === undefined) {
    const places = Array.from({ length: rows }, (_, i) => {
      return `($${3 * i + 1}, $${3 * i + 2}, $${3 * i + 3})`;
    });
    const text = `INSERT INTO ${TABLE} (id, batch, value) VALUES ${places.join(', ')}`;
    found = { name: `ingest_${rows}`, text };
    statements.set(rows, found);
  }
  return found;
}

async function copyBatch(session: Session, batch: Batch): Promise<string> {
  const { tag } = await session.copyIn(`COPY ${TABLE} FROM STDIN`, linesOf(batch));
  return tag;
}

function* linesOf({ firstId, number, rows, value }: Batch): Generator<string> {
  for (let i = 0; i < rows; i++) yield `${firstId + i}\t${number}\t${value}\n`;
}

export class Ingest implements Workload {
  readonly name: string;
  readonly summary = 'Batches of new rows.';
  readonly #shape: Shape;
  readonly #write: Write;
  readonly #violations = new Violations();
  readonly #acknowledged = new Set<number>();
  readonly #unknown = new Set<number>();
  #lastNumber = 0;

  constructor(name: string, shape: Shape, write: Write) {
    this.name = name;
    this.#shape = shape;
    this.#write = write;
  }

  async load(session: Session): Promise<void> {
    this.#acknowledged.clear();
    this.#unknown.clear();
    await session.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await session.query(
      `CREATE TABLE ${TABLE} (id bigint PRIMARY KEY, batch bigint NOT NULL, value text NOT NULL)`,
    );
  }

  client(index: number): Client {
    return { run: (session) => this.#run(session, index) };
  }

  async #run(session: Session, index: number): Promise<string> {
    const { batch: rows, bytes, order } = this.#shape;
    // Numbers are never used twice, so neither are keys.
    const number = ++this.#lastNumber;
    const base = order === 'own' ? index * CLIENT_STRIDE : 0;
    const value = padded(`${number}`, bytes).slice(0, bytes);
    try {
      const tag = await this.#write(session, {
        number,
        firstId: base + number * rows,
        rows,
        value,
      });
      if (!tag.endsWith(` ${rows}`)) this.#violations.add(`a batch was answered with ${tag}`);
    } catch (error) {
      if (isUnknown(error)) this.#unknown.add(number);
      throw error;
    }
    this.#acknowledged.add(number);
    return this.name;
  }

  async check(session: Session): Promise<readonly string[]> {
    const found = new Violations();
    const missing = new Set(this.#acknowledged);
    const text = `SELECT id, batch FROM ${TABLE} WHERE id > $1 ORDER BY id LIMIT $2`;
    let current = -1;
    let count = 0;
    // The rows of a batch have consecutive keys.
    const close = (): void => {
      if (current < 0) return;
      missing.delete(current);
      const { batch } = this.#shape;
      if (count !== batch) found.add(`batch ${current} has ${count} rows instead of ${batch}`);
      if (!this.#acknowledged.has(current) && !this.#unknown.has(current)) {
        found.add(`batch ${current} is there, though it was refused`);
      }
    };
    for await (const [, batch] of allRows(session, 'ingest_check', text, '-1')) {
      if (Number(batch) !== current) {
        close();
        current = Number(batch);
        count = 0;
      }
      count++;
    }
    close();
    for (const number of missing) found.add(`batch ${number} was acknowledged and is not there`);
    return [...this.#violations.list, ...found.list];
  }
}
