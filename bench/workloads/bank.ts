/**
 * Transfers between accounts in several ranges, a chosen share of them between two ranges with leaders on different
 * nodes. Question: what does a transaction across ranges cost over one within a range?
 *
 * Accounts are locked in the order of their numbers, so that transfers do not deadlock. How it can mislead: with few
 * rows, clients meet at accounts, and what is measured is waiting.
 *
 * Checks: no money comes or goes; without transfers of unknown outcome, every account has exactly what the acknowledged
 * transfers gave it.
 */
import type { Client, Field, Random, Result, Session, Statement, Workload } from '../workload.ts';
import { define } from './definition.ts';
import { spreadTable } from './ranges.ts';
import { BEGIN, COMMIT, Violations, allRows, copyRows, isUnknown } from './support.ts';

const TABLE = 'bench_bank';
const START = 1000;
const AMOUNT_MAX = 100;

const ADD: Statement = {
  name: 'bank_add',
  text: `UPDATE ${TABLE} SET balance = balance + $2 WHERE id = $1`,
};

interface Shape {
  readonly rows: number;
  readonly ranges: number;
  readonly cross: number;
  readonly trips: string;
}

interface Transfer {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

export const bank = define({
  name: 'bank',
  summary: 'Transfers between two accounts; a share of them across ranges with different leaders.',
  parameters: {
    rows: { default: 30_000, min: 4, max: 10_000_000, meaning: 'accounts' },
    ranges: { default: 3, min: 1, max: 100, meaning: 'ranges of the table, led by nodes in turn' },
    cross: { default: 50, min: 0, max: 100, meaning: 'percent of transfers across two ranges' },
    trips: {
      ...{ default: 'each', choices: ['each', 'one'] },
      meaning: 'a round trip for each of four statements, or one for all',
    },
  },
  make: (shape) => new Bank(shape),
});

export class Bank implements Workload {
  readonly name = 'bank';
  readonly summary = 'Transfers between accounts.';
  readonly #shape: Shape;
  readonly #violations = new Violations();
  /** By account: what acknowledged transfers make of it. */
  #balances: number[] = [];
  #unknown = 0;

  /** At least two accounts a range; transfers across ranges only where there are two. */
  constructor(shape: Shape) {
    const ranges = Math.min(shape.ranges, shape.rows >> 1);
    this.#shape = { ...shape, ranges, cross: ranges === 1 ? 0 : shape.cross };
  }

  async load(session: Session): Promise<void> {
    const { rows, ranges } = this.#shape;
    this.#balances = new Array<number>(rows).fill(START);
    this.#unknown = 0;
    await session.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await session.query(`CREATE TABLE ${TABLE} (id integer PRIMARY KEY, balance bigint NOT NULL)`);
    await copyRows(session, TABLE, accountsOf(rows));
    const splits = Array.from({ length: ranges - 1 }, (_, i) => this.#startOf(i + 1));
    await spreadTable(session, TABLE, splits);
  }

  client(_index: number, _count: number, random: Random): Client {
    return { run: (session) => this.#run(session, this.#draw(random)) };
  }

  /** The first account of a range. */
  #startOf(range: number): number {
    return Math.floor((range * this.#shape.rows) / this.#shape.ranges);
  }

  #draw(random: Random): Transfer & { readonly kind: string } {
    const { ranges, cross } = this.#shape;
    const isCross = random.between(1, 100) <= cross;
    const first = random.between(0, ranges - 1);
    const second = isCross ? (first + random.between(1, ranges - 1)) % ranges : first;
    const from = random.between(this.#startOf(first), this.#startOf(first + 1) - 1);
    let to = random.between(this.#startOf(second), this.#startOf(second + 1) - 1);
    if (to === from) to = from > this.#startOf(first) ? from - 1 : from + 1;
    const amount = random.between(1, AMOUNT_MAX);
    return { from, to, amount, kind: isCross ? 'across ranges' : 'one range' };
  }

  async #run(session: Session, transfer: Transfer & { readonly kind: string }): Promise<string> {
    const { from, to, amount } = transfer;
    const adds = [
      [ADD, [String(from), String(-amount)]] as const,
      [ADD, [String(to), String(amount)]] as const,
    ];
    if (from > to) adds.reverse();
    try {
      const calls = [[BEGIN, []] as const, ...adds, [COMMIT, []] as const];
      this.#verify(await this.#send(session, calls));
    } catch (error) {
      if (isUnknown(error)) this.#unknown++;
      throw error;
    }
    this.#balances[from] = (this.#balances[from] ?? 0) - amount;
    this.#balances[to] = (this.#balances[to] ?? 0) + amount;
    return transfer.kind;
  }

  async #send(
    session: Session,
    calls: readonly (readonly [Statement, readonly Field[]])[],
  ): Promise<readonly Result[]> {
    if (this.#shape.trips === 'one') return session.pipeline(calls);
    const results: Result[] = [];
    for (const [statement, values] of calls) {
      results.push(await session.execute(statement, values));
    }
    return results;
  }

  #verify(results: readonly Result[]): void {
    const tags = results.map(({ tag }) => tag).join(', ');
    if (tags === 'BEGIN, UPDATE 1, UPDATE 1, COMMIT') return;
    this.#violations.add(`a transfer was answered with ${tags}`);
  }

  async check(session: Session): Promise<readonly string[]> {
    const { rows } = this.#shape;
    const found = new Violations();
    const text = `SELECT id, balance FROM ${TABLE} WHERE id > $1 ORDER BY id LIMIT $2`;
    let count = 0;
    let sum = 0;
    for await (const [id, balance] of allRows(session, 'bank_check', text, '-1')) {
      count++;
      sum += Number(balance);
      const expected = this.#balances[Number(id)];
      if (this.#unknown === 0 && Number(balance) !== expected) {
        found.add(`account ${id ?? ''} has ${balance ?? 'NULL'} instead of ${expected ?? 0}`);
      }
    }
    if (count !== rows) found.add(`there are ${count} accounts instead of ${rows}`);
    if (sum !== rows * START) found.add(`all accounts together have ${sum}, not ${rows * START}`);
    return [...this.#violations.list, ...found.list];
  }
}

function* accountsOf(rows: number): Generator<string> {
  for (let id = 0; id < rows; id++) yield `${id}\t${START}`;
}
