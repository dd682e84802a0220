/** A workload whose table is split into ranges of equal size once it is loaded. Integers from 0 are its keys. */
import type { Client, Random, Session, Workload } from '../workload.ts';

const TABLE = 'bench_kv';

export class SplitTable implements Workload {
  readonly name: string;
  readonly summary: string;
  readonly #inner: Workload;
  readonly #rows: number;
  readonly #ranges: number;

  constructor(inner: Workload, rows: number, ranges: number) {
    this.name = inner.name;
    this.summary = inner.summary;
    this.#inner = inner;
    this.#rows = rows;
    this.#ranges = ranges;
  }

  async load(session: Session): Promise<void> {
    await this.#inner.load(session);
    for (let i = 1; i < this.#ranges; i++) {
      const at = Math.floor((this.#rows / this.#ranges) * i);
      await session.query(`ALTER TABLE ${TABLE} SPLIT AT VALUES (${at})`);
    }
  }

  client(index: number, count: number, random: Random): Client {
    return this.#inner.client(index, count, random);
  }

  check(session: Session): Promise<readonly string[]> {
    return this.#inner.check(session);
  }
}
