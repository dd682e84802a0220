/** Statements that are run where their range is led, through the sessions of a cluster of three nodes. */
import { describe, expect, it } from 'vitest';
import { must } from '../../src/base/assert.ts';
import { CollectingSink } from '../../src/sim/collecting-sink.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { BoundStatement, Session } from '../../sql/session/session-api.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { Client } from './setting.ts';
import { Setting } from './setting.ts';

/** The tags, or SQLSTATEs, of statements that were sent without waiting for answers. */
async function pipelined(session: Session, units: readonly BoundStatement[]): Promise<string[]> {
  const said: string[] = [];
  let sink = new CollectingSink(() => session.format());
  await session.pipeline(units, {
    begin: () => (sink = new CollectingSink(() => session.format())),
    end: (error) => {
      const tags = sink.results.map(({ tag }) => tag).join();
      said.push(error instanceof SqlError ? error.sqlState : tags);
      return true;
    },
  });
  return said;
}

const CREATE = "CREATE TABLE t (k int PRIMARY KEY, v text CHECK (v <> 'no'))";
const upsert = (k: number, v: string): string =>
  `INSERT INTO t VALUES (${k}, '${v}') ON CONFLICT (k) DO UPDATE SET v = t.v || excluded.v`;

describe('a statement on one row', () => {
  it('is one request to another node, and no round of the clock', async () => {
    const at = await Setting.start(1);
    const client = await at.world.settle(at.connect(at.others[0]));
    // The leader's node makes the plan while the first ones are run as transactions.
    const first = [CREATE, ...['a', 'b', 'c', 'd', 'e'].map((v) => upsert(1, v))];
    expect((await at.all(client, first)).slice(1)).toEqual(Array(5).fill('INSERT 0 1'));
    const counted = await at.counted(at.others[0], () => client.run(upsert(1, 'f')));
    expect(counted).toMatchObject({ rangePreparesRemote: 1, rangeLocksRemote: 0, clockRounds: 0 });
    expect(counted).toMatchObject({ txnsBegun: 1, txnsEnded: 1, txnsOnePhase: 1 });
    expect(await at.all(client, ['SELECT v FROM t WHERE k = 1'])).toEqual(['SELECT 1 abcdef']);
  });

  it('says what it would say as a transaction', async () => {
    const at = await Setting.start(2);
    for (const id of [at.leader, at.others[0]]) {
      const client = await at.world.settle(at.connect(id));
      const texts = [
        'CREATE TABLE t (k int PRIMARY KEY, v int NOT NULL CHECK (v < 100))',
        ...Array.from({ length: 8 }, (_, i) => `INSERT INTO t VALUES (${i}, ${10 * i})`),
        'INSERT INTO t VALUES (3, 0)',
        'UPDATE t SET v = v + 90 WHERE k = 0',
        'UPDATE t SET v = v + 90 WHERE k = 1',
        'UPDATE t SET v = NULL WHERE k = 2',
        'UPDATE t SET v = 10 / (v - 20) WHERE k = 2',
        'UPDATE t SET v = 1 WHERE k = 99',
        'DELETE FROM t WHERE k = 3',
        'DELETE FROM t WHERE k = 3',
        'SELECT k, v FROM t ORDER BY k',
      ];
      expect((await at.all(client, texts)).slice(9)).toEqual([
        ...['23505', 'UPDATE 1', '23514', '23502', '22012', 'UPDATE 0', 'DELETE 1', 'DELETE 0'],
        'SELECT 7 0 90 1 10 2 20 4 40 5 50 6 60 7 70',
      ]);
      await at.all(client, ['DROP TABLE t']);
    }
  });

  it('many of one row are replicated at the same time, and none is lost', async () => {
    const at = await Setting.start(3);
    const clients: Client[] = [];
    for (let i = 0; i < 30; i++) {
      clients.push(await at.world.settle(at.connect(i % 2 === 0 ? at.leader : at.others[0])));
    }
    await at.all(must(clients[0]), [CREATE, upsert(1, '-'), upsert(1, '-')]);
    await at.all(must(clients[1]), [
      upsert(1, '-'),
      upsert(1, '-'),
      upsert(1, '-'),
      upsert(1, '-'),
    ]);
    const counted = await at.counted(at.leader, () =>
      Promise.all(clients.map((client) => client.run(upsert(1, 'x')))),
    );
    expect(counted['raftProposed']).toBeGreaterThanOrEqual(clients.length);
    // One after the other there would be no more than one append out to a follower.
    const { raftAppends = 0, raftInflightSum = 0 } = counted;
    expect(raftInflightSum / raftAppends).toBeGreaterThan(1);
    expect(await at.all(must(clients[1]), ['SELECT length(v) FROM t'])).toEqual(['SELECT 1 36']);
  });

  it('is done together with those that its client has sent before it, in their order', async () => {
    const at = await Setting.start(6);
    for (const id of [at.leader, at.others[0]]) {
      const client = await at.world.settle(at.connect(id));
      await at.all(client, [CREATE]);
      const text = 'INSERT INTO t VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = t.v || $2';
      await at.world.settle((async () => client.session.parse('put', text, []))());
      const put = (k: number, v: string): { statement: string; parameters: readonly Datum[] } => ({
        ...{ statement: 'put', parameters: [k, v] },
      });
      // The leader's node makes the plan, and all know the range.
      for (let i = 0; i < 6; i++) await at.world.settle(pipelined(client.session, [put(0, 'x')]));
      const units = [put(1, 'a'), put(2, 'b'), put(1, 'c'), put(3, 'no')];
      for (const v of ['d', 'e', 'f', 'g']) units.push(put(2, v));
      let said: readonly string[] = [];
      const counted = await at.counted(id, async () => {
        said = await pipelined(client.session, units);
      });
      const done = 'INSERT 0 1';
      expect(said).toEqual([done, done, done, '23514', done, done, done, done]);
      // Each but the first of those before the one that failed; of those behind it the first is not tried at once.
      expect(counted['sqlPipelined']).toBe(2 + 2);
      const rows = 'SELECT 3 0 xxxxxx 1 ac 2 bdefg';
      expect(await at.all(client, ['SELECT * FROM t ORDER BY k'])).toEqual([rows]);
      await at.all(client, ['DROP TABLE t']);
    }
  });

  it('waits for whoever has locked its row, and ends when it is cancelled', async () => {
    const at = await Setting.start(4);
    const holder = await at.world.settle(at.connect(at.leader));
    const waiter = await at.world.settle(at.connect(at.others[0]));
    await at.all(waiter, [CREATE, ...Array.from({ length: 6 }, () => upsert(1, 'a'))]);
    await at.all(holder, ['BEGIN', "UPDATE t SET v = 'h' WHERE k = 1"]);
    const cancelled = waiter.run(upsert(1, 'x'));
    await at.world.run(1000);
    waiter.session.cancel();
    expect(await at.world.settle(cancelled)).toBe('57014');
    const waiting = waiter.run(upsert(1, 'y'));
    // Longer than it stands in the queue before it becomes a transaction.
    await at.world.run(7000);
    await at.all(holder, ['COMMIT']);
    expect(await at.world.settle(waiting)).toBe('INSERT 0 1');
    expect(await at.all(holder, ['SELECT v FROM t WHERE k = 1'])).toEqual(['SELECT 1 hy']);
  });

  it('is never run with another schema than its own', async () => {
    const at = await Setting.start(5);
    const client = await at.world.settle(at.connect(at.others[0]));
    const other = await at.world.settle(at.connect(at.others[1]));
    await at.all(client, [CREATE, ...Array.from({ length: 6 }, () => upsert(1, 'a'))]);
    await at.all(other, ['ALTER TABLE t ADD COLUMN w int DEFAULT 7']);
    expect(await at.all(client, [upsert(2, 'b'), 'SELECT w FROM t WHERE k = 2'])).toEqual([
      'INSERT 0 1',
      'SELECT 1 7',
    ]);
  });
});
