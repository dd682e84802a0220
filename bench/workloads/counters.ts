/**
 * Increments of counters, in two workloads. `hot-row`: a few rows that everybody wants, one UPDATE each. Question: does
 * throughput hold when clients queue for the same row? `read-modify-write`: many rows, read and then written in one
 * transaction of four round trips. Question: what does an interactive transaction cost, with locks or without?
 *
 * Checks: every counter stands at the increments that were acknowledged; those of unknown outcome may be there or not.
 */
import type { Client, Random, Session, Statement, Workload } from '../workload.ts';
import { define } from './definition.ts';
import { BEGIN, Violations, allRows, commit, copyRows, isUnknown } from './support.ts';

const TABLE = 'bench_counters';

const INCREMENT: Statement = {
  name: 'counter_increment',
  text: `UPDATE ${TABLE} SET n = n + 1 WHERE id = $1`,
};
const READ: Statement = { name: 'counter_read', text: `SELECT n FROM ${TABLE} WHERE id = $1` };
const LOCK: Statement = {
  name: 'counter_lock',
  text: `SELECT n FROM ${TABLE} WHERE id = $1 FOR UPDATE`,
};
const SET: Statement = { name: 'counter_set', text: `UPDATE ${TABLE} SET n = $2 WHERE id = $1` };

type Increment = (session: Session, id: string, violations: Violations) => Promise<void>;

export const hotRow = define({
  name: 'hot-row',
  summary: 'UPDATE ... SET n = n + 1 of one of a few rows that all clients share.',
  parameters: {
    hot: { default: 1, min: 1, max: 100_000, meaning: 'rows that are shared' },
    block: {
      ...{ default: 'no', choices: ['no', 'yes'] },
      meaning: 'BEGIN, UPDATE, COMMIT in three round trips instead of autocommit',
    },
  },
  make: ({ hot, block }) =>
    new Counters('hot-row', hot, 'increment', block === 'yes' ? incrementInBlock : increment),
});

export const readModifyWrite = define({
  name: 'read-modify-write',
  summary: 'BEGIN, SELECT, UPDATE, COMMIT of one row, each a round trip.',
  parameters: {
    rows: { default: 100_000, min: 1, max: 10_000_000, meaning: 'rows of the table' },
    lock: {
      ...{ default: 'yes', choices: ['yes', 'no'] },
      meaning: 'SELECT ... FOR UPDATE; without it, conflicts are failures at commit',
    },
  },
  make: ({ rows, lock }) => {
    const select = lock === 'yes' ? LOCK : READ;
    return new Counters('read-modify-write', rows, 'read-modify-write', (session, id, found) =>
      readAndWrite(session, id, select, found),
    );
  },
});

async function increment(session: Session, id: string, violations: Violations): Promise<void> {
  const { tag } = await session.execute(INCREMENT, [id]);
  if (tag !== 'UPDATE 1') violations.add(`an increment of row ${id} was answered with ${tag}`);
}

async function incrementInBlock(
  session: Session,
  id: string,
  violations: Violations,
): Promise<void> {
  await session.execute(BEGIN, []);
  await increment(session, id, violations);
  await commit(session, violations);
}

async function readAndWrite(
  session: Session,
  id: string,
  select: Statement,
  violations: Violations,
): Promise<void> {
  await session.execute(BEGIN, []);
  const { rows } = await session.execute(select, [id]);
  const { tag } = await session.execute(SET, [id, String(Number(rows[0]?.[0]) + 1)]);
  if (tag !== 'UPDATE 1') violations.add(`an update of row ${id} was answered with ${tag}`);
  await commit(session, violations);
}

class Counters implements Workload {
  readonly name: string;
  readonly summary = 'Counters that are incremented.';
  readonly #rows: number;
  readonly #kind: string;
  readonly #increment: Increment;
  readonly #violations = new Violations();
  /** By row. */
  #acknowledged: number[] = [];
  #unknown: number[] = [];

  constructor(name: string, rows: number, kind: string, increment: Increment) {
    this.name = name;
    this.#rows = rows;
    this.#kind = kind;
    this.#increment = increment;
  }

  async load(session: Session): Promise<void> {
    this.#acknowledged = new Array<number>(this.#rows).fill(0);
    this.#unknown = new Array<number>(this.#rows).fill(0);
    await session.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await session.query(`CREATE TABLE ${TABLE} (id integer PRIMARY KEY, n bigint NOT NULL)`);
    await copyRows(session, TABLE, rowsOf(this.#rows));
  }

  client(_index: number, _count: number, random: Random): Client {
    return { run: (session) => this.#run(session, random.between(0, this.#rows - 1)) };
  }

  async #run(session: Session, id: number): Promise<string> {
    try {
      await this.#increment(session, String(id), this.#violations);
      this.#acknowledged[id] = (this.#acknowledged[id] ?? 0) + 1;
      return this.#kind;
    } catch (error) {
      if (isUnknown(error)) this.#unknown[id] = (this.#unknown[id] ?? 0) + 1;
      throw error;
    }
  }

  async check(session: Session): Promise<readonly string[]> {
    const found = new Violations();
    const text = `SELECT id, n FROM ${TABLE} WHERE id > $1 ORDER BY id LIMIT $2`;
    let count = 0;
    for await (const [id, n] of allRows(session, 'counter_check', text, '-1')) {
      count++;
      const min = this.#acknowledged[Number(id)] ?? 0;
      const max = min + (this.#unknown[Number(id)] ?? 0);
      if (Number(n) >= min && Number(n) <= max) continue;
      const expected = min === max ? `${min}` : `${min} to ${max}`;
      found.add(`counter ${id ?? ''} stands at ${n ?? 'NULL'} after ${expected} increments`);
    }
    if (count !== this.#rows) found.add(`there are ${count} counters instead of ${this.#rows}`);
    return [...this.#violations.list, ...found.list];
  }
}

function* rowsOf(rows: number): Generator<string> {
  for (let id = 0; id < rows; id++) yield `${id}\t0`;
}
