/**
 * pgbench's three built-in transactions through our driver: the same tables, the same statements one round trip each, so
 * that figures can stand beside those of the program itself. `protocol` simple sends texts with the values in them.
 *
 * Loading is by COPY, as pgbench does it. Checks are the invariant of TPC-B: branches, tellers and accounts agree with
 * the history, as far as the transaction touches them, and the history has a row for every acknowledged transaction.
 */
import type { Client, Field, Random, Session, Statement, Workload } from '../workload.ts';
import type { Definition } from './definition.ts';
import { define } from './definition.ts';
import { measureByProgram } from './pgbench-program.ts';
import { BEGIN, COMMIT, Promised, Violations, copyRows, scalar } from './support.ts';

const TELLERS = 10;
const ACCOUNTS = 100_000;
const DELTA_MAX = 5000;

export type Script = 'tpcb' | 'simple-update' | 'select-only';

const STATEMENTS = {
  account: {
    name: 'pgbench_account',
    text: 'UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2',
  },
  select: {
    name: 'pgbench_select',
    text: 'SELECT abalance FROM pgbench_accounts WHERE aid = $1',
  },
  teller: {
    name: 'pgbench_teller',
    text: 'UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2',
  },
  branch: {
    name: 'pgbench_branch',
    text: 'UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2',
  },
  history: {
    name: 'pgbench_history',
    text:
      'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) ' +
      'VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)',
  },
} as const satisfies Readonly<Record<string, Statement>>;

interface Shape {
  readonly scale: number;
  readonly protocol: string;
}

const SUMMARIES: Readonly<Record<Script, string>> = {
  tpcb: "pgbench's TPC-B: three updates, a select and an insert in a block; branches are hot.",
  'simple-update': 'pgbench -N: one update, a select and an insert in a block; nothing is hot.',
  'select-only': 'pgbench -S: a select by primary key.',
};

export const pgbenchWorkloads: readonly Definition[] = (
  ['tpcb', 'simple-update', 'select-only'] as const
).map((script) =>
  define({
    name: `pgbench-${script}`,
    summary: SUMMARIES[script],
    parameters: {
      scale: { default: 10, min: 1, max: 10_000, meaning: '100,000 accounts each' },
      protocol: { default: 'prepared', choices: ['prepared', 'simple'], meaning: "pgbench's -M" },
      through: {
        ...{ default: 'driver', choices: ['driver', 'pgbench'] },
        meaning: 'our driver, or the program itself where it is installed, one process a node',
      },
    },
    make: (shape) => new Pgbench(script, shape),
    measureBy: ({ through }) => (through === 'pgbench' ? measureByProgram : undefined),
  }),
);

export class Pgbench implements Workload {
  readonly name: string;
  readonly summary: string;
  readonly script: Script;
  readonly shape: Shape;
  readonly #violations = new Violations();
  #promised = new Promised();

  constructor(script: Script, shape: Shape) {
    this.name = `pgbench-${script}`;
    this.summary = SUMMARIES[script];
    this.script = script;
    this.shape = shape;
  }

  async load(session: Session): Promise<void> {
    this.#promised = new Promised();
    await makeTables(session);
    const { scale } = this.shape;
    await copyRows(
      session,
      'pgbench_branches',
      numbered(scale, (bid) => `${bid}\t0\t\\N`),
    );
    await copyRows(
      session,
      'pgbench_tellers',
      numbered(scale * TELLERS, (tid) => `${tid}\t${Math.ceil(tid / TELLERS)}\t0\t\\N`),
    );
    const filler = ' '.repeat(84);
    await copyRows(
      session,
      'pgbench_accounts',
      numbered(scale * ACCOUNTS, (aid) => `${aid}\t${Math.ceil(aid / ACCOUNTS)}\t0\t${filler}`),
    );
  }

  /** Transactions that another program has run. */
  credit(acknowledged: number, unknown: number): void {
    if (this.script === 'select-only') return;
    this.#promised.acknowledged += acknowledged;
    this.#promised.unknown += unknown;
  }

  client(_index: number, _count: number, random: Random): Client {
    const call = this.shape.protocol === 'simple' ? callSimple : callPrepared;
    return { run: (session) => this.#run(session, random, call) };
  }

  async #run(session: Session, random: Random, call: Call): Promise<string> {
    const { scale } = this.shape;
    const aid = String(random.between(1, ACCOUNTS * scale));
    if (this.script === 'select-only') {
      this.#expect(await call(session, STATEMENTS.select, [aid]), 'SELECT 1');
      return this.script;
    }
    const bid = String(random.between(1, scale));
    const tid = String(random.between(1, TELLERS * scale));
    const delta = String(random.between(-DELTA_MAX, DELTA_MAX));
    const all = this.script === 'tpcb';
    await this.#promised.add(1, async () => {
      await call(session, BEGIN, []);
      this.#expect(await call(session, STATEMENTS.account, [delta, aid]), 'UPDATE 1');
      this.#expect(await call(session, STATEMENTS.select, [aid]), 'SELECT 1');
      if (all) this.#expect(await call(session, STATEMENTS.teller, [delta, tid]), 'UPDATE 1');
      if (all) this.#expect(await call(session, STATEMENTS.branch, [delta, bid]), 'UPDATE 1');
      const row = [tid, bid, aid, delta];
      this.#expect(await call(session, STATEMENTS.history, row), 'INSERT 0 1');
      this.#expect(await call(session, COMMIT, []), 'COMMIT');
    });
    return this.script;
  }

  #expect(tag: string, expected: string): void {
    if (tag !== expected) this.#violations.add(`${tag} was answered where ${expected} was due`);
  }

  async check(session: Session): Promise<readonly string[]> {
    const sums = async (text: string): Promise<number> => Number(await scalar(session, text));
    const accounts = await sums('SELECT sum(abalance) FROM pgbench_accounts');
    const tellers = await sums('SELECT sum(tbalance) FROM pgbench_tellers');
    const branches = await sums('SELECT sum(bbalance) FROM pgbench_branches');
    const history = await sums('SELECT coalesce(sum(delta), 0) FROM pgbench_history');
    const found = [...this.#violations.list];
    if (accounts !== history) found.push(`accounts add up to ${accounts}, history to ${history}`);
    const expected = this.script === 'tpcb' ? history : 0;
    if (tellers !== expected) found.push(`tellers add up to ${tellers} instead of ${expected}`);
    if (branches !== expected) found.push(`branches add up to ${branches} instead of ${expected}`);
    const rows = await sums('SELECT count(*) FROM pgbench_history');
    return [...found, ...this.#promised.check('rows of the history', rows)];
  }
}

/** The tables of `pgbench -i`, without its vacuum. */
async function makeTables(session: Session): Promise<void> {
  for (const [table, columns] of [
    ['history', 'tid int, bid int, aid int, delta int, mtime timestamp, filler char(22)'],
    ['accounts', 'aid int PRIMARY KEY, bid int, abalance int, filler char(84)'],
    ['tellers', 'tid int PRIMARY KEY, bid int, tbalance int, filler char(84)'],
    ['branches', 'bid int PRIMARY KEY, bbalance int, filler char(88)'],
  ] as const) {
    await session.query(`DROP TABLE IF EXISTS pgbench_${table}`);
    await session.query(`CREATE TABLE pgbench_${table} (${columns})`);
  }
}

function* numbered(count: number, row: (number: number) => string): Generator<string> {
  for (let number = 1; number <= count; number++) yield row(number);
}

/** Returns the tag. */
type Call = (session: Session, statement: Statement, values: readonly Field[]) => Promise<string>;

const callPrepared: Call = async (session, statement, values) => {
  const { tag } = await session.execute(statement, values);
  return tag;
};

/** The values are whole numbers: they go into the text as they are. */
const callSimple: Call = async (session, { text }, values) => {
  const whole = text.replace(/\$(\d+)/g, (_, place: string) => values[Number(place) - 1] ?? 'NULL');
  const [result] = await session.query(`${whole};`);
  return result?.tag ?? '';
};
