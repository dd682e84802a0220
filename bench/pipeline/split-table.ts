/**
 * A workload whose table, once it is loaded, is split into ranges of equal size with their leaders spread over the
 * nodes. The first range is led by node 1, where the first client is connected: so a client alone is always where the
 * leader is, and not there by chance. Integers from 0 are the keys.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../src/base/errors.ts';
import type { Client, Random, Session, Workload } from '../workload.ts';
import { SqlFailure } from '../workload.ts';

const TABLE = 'bench_kv';
const TRIES_MAX = 20;

export interface Placement {
  readonly rows: number;
  readonly ranges: number;
  readonly nodes: number;
  /** Before leaders are looked at again. */
  readonly retryMs: number;
}

export class SplitTable implements Workload {
  readonly name: string;
  readonly summary: string;
  readonly #inner: Workload;
  readonly #placement: Placement;

  constructor(inner: Workload, placement: Placement) {
    this.name = inner.name;
    this.summary = inner.summary;
    this.#inner = inner;
    this.#placement = placement;
  }

  async load(session: Session): Promise<void> {
    await this.#inner.load(session);
    const { rows, ranges } = this.#placement;
    for (let i = 1; i < ranges; i++) {
      const at = Math.floor((rows / ranges) * i);
      await session.query(`ALTER TABLE ${TABLE} SPLIT AT VALUES (${at})`);
    }
    await this.#placeLeaders(session);
  }

  /** A range that has just been split, or whose leader has just begun, may refuse to hand over: it is asked again. */
  async #placeLeaders(session: Session): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const misplaced = await this.#misplaced(session);
      if (misplaced.length === 0) return;
      for (const { range, node } of misplaced) {
        try {
          await session.query(`ALTER RANGE ${range} TRANSFER LEADER TO ${node}`);
        } catch (error) {
          if (!(error instanceof SqlFailure)) throw error;
        }
      }
      await sleep(this.#placement.retryMs);
    }
    throw new QuorateError('bench', 'the leaders of the ranges could not be placed');
  }

  /** `range_id` is the first column of SHOW RANGES, `leader` the fourth; ranges come in the order of their keys. */
  async #misplaced(session: Session): Promise<{ range: string; node: number }[]> {
    const [result] = await session.query(`SHOW RANGES FROM TABLE ${TABLE}`);
    return (result?.rows ?? []).flatMap(([range, , , leader], i) => {
      const node = (i % this.#placement.nodes) + 1;
      return typeof range !== 'string' || leader === String(node) ? [] : [{ range, node }];
    });
  }

  client(index: number, count: number, random: Random): Client {
    return this.#inner.client(index, count, random);
  }

  check(session: Session): Promise<readonly string[]> {
    return this.#inner.check(session);
  }
}
