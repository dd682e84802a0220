/** Sessions whose transactions lose to each other, in a cluster of three nodes. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { DEFER_NEVER } from '../../src/node/config.ts';
import type { Client } from './setting.ts';
import { Setting } from './setting.ts';

const ROWS = Array.from({ length: 20 }, (_, k) => `(${k}, 0)`).join();
const CREATE = ['CREATE TABLE t (k int PRIMARY KEY, v int)', `INSERT INTO t VALUES ${ROWS}`];

/** BEGIN, the statements, COMMIT, without what may be run again unseen. Says what COMMIT or the failure said. */
async function attempt(client: Client, texts: readonly string[]): Promise<string> {
  for (const text of ['BEGIN', ...texts]) {
    const said = await client.run(text);
    if (/^\d{5}$/.test(said) || said.startsWith('40')) {
      await client.run('ROLLBACK');
      return said;
    }
  }
  return client.run('COMMIT');
}

describe('a transaction that loses again and again', () => {
  const reads: readonly (readonly [string, string])[] = [
    ['a scan', 'SELECT sum(v) FROM t WHERE k < 10'],
    ['a row', 'SELECT v FROM t WHERE k = 3'],
  ];
  it.each(reads)('gets through in the end, having read %s', async (_, read) => {
    const at = await Setting.start(1);
    const client = await at.world.settle(at.connect(at.others[0]));
    const rival = await at.world.settle(at.connect(at.others[1]));
    await at.all(client, CREATE);
    const said: string[] = [];
    let updates = 0;
    for (let i = 0; i < 10; i++) {
      await at.all(client, ['BEGIN', read]);
      // Between its read and its commit someone overwrites what it has read, if that is possible.
      const update = rival.run('UPDATE t SET v = v + 1 WHERE k = 3').then(() => updates++);
      await at.world.run(500);
      const [updated] = await at.all(client, ['UPDATE t SET v = v + 100 WHERE k = 15']);
      const [committed] = await at.all(client, ['COMMIT']);
      said.push(updated === 'UPDATE 1' ? (committed ?? '') : (updated ?? ''));
      await at.world.settle(update);
    }
    // Once it has got through it is like any other that has lost once.
    expect(said).toEqual([...Array<string>(8).fill('40001'), 'COMMIT', '40001']);
    expect(updates).toBe(10);
    const sums = await at.all(rival, ['SELECT sum(v) FROM t', 'SELECT v FROM t WHERE k = 15']);
    expect(sums).toEqual(['SELECT 1 110', 'SELECT 1 100']);
  });
});

describe('sessions that lose to each other', () => {
  const READ = 'SELECT sum(v) FROM t';

  class Rivals {
    readonly clients: Client[] = [];
    readonly #at: Setting;
    readonly #node: number;

    constructor(at: Setting) {
      this.#at = at;
      this.#node = at.others[0];
    }

    async start(count: number): Promise<Client> {
      const [calm, ...clients] = await this.#at.world.settle(
        Promise.all(Array.from({ length: count + 1 }, () => this.#at.connect(this.#node))),
      );
      this.clients.push(...clients);
      await this.#at.all(must(calm), CREATE);
      return must(calm);
    }

    /** Each repeats its transaction until it has got through. How often they have tried, all together. */
    wave(texts: (i: number) => readonly string[]): Promise<number> {
      let tries = 0;
      const getThrough = async (client: Client, i: number): Promise<void> => {
        for (let said = ''; said !== 'COMMIT'; tries++) said = await attempt(client, texts(i));
      };
      const wave = Promise.all(this.clients.map(getThrough)).then(() => tries);
      return this.#at.world.settle(wave);
    }

    async heldBack(work: () => Promise<unknown>): Promise<number> {
      return (await this.#at.counted(this.#node, work))['txnsHeldBack'] ?? 0;
    }

    /** How many can begin and do nothing until one has to wait; at the end all have rolled back. */
    async room(whileFull: () => Promise<void> = () => Promise.resolve()): Promise<number> {
      const begun: [Client, Promise<unknown>][] = [];
      for (let isFull = false; !isFull;) {
        const client = must(this.clients[begun.length]);
        const begin = async (): Promise<void> => {
          begun.push([client, client.run('BEGIN').then(() => client.run(READ))]);
          await this.#at.world.run(3);
        };
        isFull = (await this.heldBack(begin)) > 0;
      }
      await whileFull();
      for (const [client, reading] of begun) {
        await this.#at.world.settle(reading);
        await this.#at.all(client, ['ROLLBACK']);
      }
      return begun.length - 1;
    }
  }

  it('are let in a few at a time, and neither are others held back nor what only reads', async () => {
    const at = await Setting.start(2);
    const rivals = new Rivals(at);
    const calm = await rivals.start(40);
    // All read before any of them updates: let in together, one of them gets through and all others begin again.
    const sumUp = [READ, 'UPDATE t SET v = v + 1 WHERE k = 7'];
    for (let i = 0; i < 3; i++) expect(await rivals.wave(() => sumUp)).toBeLessThan(150);
    expect(await at.all(calm, ['SELECT v FROM t WHERE k = 7'])).toEqual(['SELECT 1 120']);
    const last = must(rivals.clients.at(-1));
    const whileFull = async (): Promise<void> => {
      const heldBack = (client: Client, texts: readonly string[]): Promise<number> =>
        rivals.heldBack(() => at.all(client, texts));
      expect(await heldBack(calm, ['BEGIN', READ, 'END'])).toBe(0);
      expect(await heldBack(last, ['SELECT count(*) FROM t JOIN t AS s ON s.k = t.v'])).toBe(0);
      expect(await heldBack(last, ['BEGIN READ ONLY', READ, 'END'])).toBe(0);
      expect(await heldBack(last, ['BEGIN', READ, 'END'])).toBe(1);
    };
    expect(await rivals.room(whileFull)).toBeLessThanOrEqual(2);
    // What does not lose makes room again.
    const apart = (i: number): readonly string[] => [`UPDATE t SET v = v + 1 WHERE k = ${i % 20}`];
    for (let i = 0; i < 4; i++) expect(await rivals.wave(apart)).toBe(40);
    expect(await rivals.room()).toBeGreaterThan(4);
  });

  it('are let in a few at a time where they find themselves in deadlocks', async () => {
    // What is put off until the commit is part of none.
    const at = await Setting.start(3, { deferAfterWaits: DEFER_NEVER });
    const rivals = new Rivals(at);
    await rivals.start(40);
    const change = (k: number): string => `UPDATE t SET v = v + 1 WHERE k = ${k}`;
    const across = (i: number): readonly string[] => [change(i % 3), change((i + 1) % 3)];
    for (let i = 0; i < 3; i++) await rivals.wave(across);
    expect(await rivals.room()).toBeLessThan(8);
  });
});
