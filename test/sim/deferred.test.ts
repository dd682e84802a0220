/** Changes that are put off until the commit (TXN-17), through the sessions of a cluster of three nodes. */
import { describe, expect, it } from 'vitest';
import type { Client } from './setting.ts';
import { Setting } from './setting.ts';

const CREATE = [
  'CREATE TABLE t (k int PRIMARY KEY, v int NOT NULL CHECK (v < 100))',
  'INSERT INTO t VALUES (1, 0), (2, 0), (3, 0)',
];
const add = (k: number, n: number): string => `UPDATE t SET v = v + ${n} WHERE k = ${k}`;
const read = (k: number): string => `SELECT v FROM t WHERE k = ${k}`;

interface Three {
  readonly at: Setting;
  /** At the leader's node, and at the two others. */
  readonly clients: readonly [Client, Client, Client];
}

/** All tables count as fought over; every node has the plans. */
async function start(seed: number): Promise<Three> {
  const at = await Setting.start(seed, { deferAfterWaits: 0 });
  const ids = [at.leader, ...at.others];
  const clients: Client[] = [];
  for (const id of ids) clients.push(await at.world.settle(at.connect(id)));
  const [here, one, two] = clients as [Client, Client, Client];
  await at.all(here, CREATE);
  for (const client of clients) {
    await at.all(client, [add(3, 1), add(3, 1), read(3), read(3), `${read(3)} FOR UPDATE`]);
  }
  return { at, clients: [here, one, two] };
}

describe('a change of a row that is fought over', () => {
  it('is no request until the commit, and holds up nobody', async () => {
    const { at, clients } = await start(1);
    const [here, one, two] = clients;
    for (const client of clients) {
      const node = [at.leader, ...at.others][clients.indexOf(client)] ?? 0;
      const counted = await at.counted(node, () => at.all(client, ['BEGIN', add(1, 1)]));
      expect(counted).toMatchObject({
        changesDeferred: 1,
        rangeLocksLocal: 0,
        rangeLocksRemote: 0,
      });
    }
    expect(await at.all(here, ['COMMIT'])).toEqual(['COMMIT']);
    const counted = await at.counted(at.others[0], () => at.all(one, ['COMMIT']));
    expect(counted).toMatchObject({ txnsOnePhase: 1, rangePreparesRemote: 1, deferralsUndone: 0 });
    // Nobody has seen what has not been committed.
    expect(await at.all(here, [read(1)])).toEqual(['SELECT 1 2']);
    expect(await at.all(two, ['COMMIT', read(1)])).toEqual(['COMMIT', 'SELECT 1 3']);
  });

  it('is seen by what follows in its transaction', async () => {
    const { at, clients } = await start(2);
    for (const client of clients) {
      const said = await at.all(client, ['BEGIN', add(1, 5), read(1), add(1, 5), 'COMMIT']);
      expect(said[2]).toBe(`SELECT 1 ${5 + 10 * clients.indexOf(client)}`);
    }
    const [here] = clients;
    const scan = await at.all(here, ['BEGIN', add(2, 7), 'SELECT sum(v) FROM t', 'ROLLBACK']);
    expect(scan[2]).toBe('SELECT 1 43');
    expect(await at.all(here, ['SELECT v FROM t ORDER BY k'])).toEqual(['SELECT 3 30 0 6']);
  });

  it('says what it would say at once', async () => {
    const { at, clients } = await start(3);
    for (const client of clients) {
      const texts = [add(9, 1), add(1, 100), 'UPDATE t SET v = v / 0 WHERE k = 1'];
      for (const [i, expected] of ['UPDATE 0', '23514', '22012'].entries()) {
        const said = await at.all(client, ['BEGIN', add(2, 1), texts[i] ?? '', 'ROLLBACK']);
        expect(said).toEqual(['BEGIN', 'UPDATE 1', expected, 'ROLLBACK']);
      }
    }
  });

  it('that comes otherwise than it was forecast fails the transaction', async () => {
    const { at, clients } = await start(4);
    const [here, one, two] = clients;
    expect(await at.all(one, ['BEGIN', add(1, 60)])).toEqual(['BEGIN', 'UPDATE 1']);
    await at.all(here, [add(1, 60)]);
    expect(await at.all(one, ['COMMIT'])).toEqual(['40001']);
    // Who tries again is told why.
    expect(await at.all(one, ['BEGIN', add(1, 60), 'ROLLBACK'])).toEqual([
      ...['BEGIN', '23514', 'ROLLBACK'],
    ]);
    await at.all(two, ['BEGIN', add(2, 1)]);
    await at.all(here, ['DELETE FROM t WHERE k = 2']);
    expect(await at.all(two, ['COMMIT'])).toEqual(['40001']);
    expect(await at.all(here, ['SELECT * FROM t ORDER BY k'])).toEqual(['SELECT 2 1 60 3 6']);
  });

  it('stays when a savepoint behind it is gone back to, though it has been run by then', async () => {
    const { at, clients } = await start(5);
    for (const client of clients) {
      const texts = ['BEGIN', add(1, 1), 'SAVEPOINT s', read(1), add(1, 1), 'ROLLBACK TO s'];
      await at.all(client, texts);
      const n = clients.indexOf(client) + 1;
      expect(await at.all(client, [read(1), 'COMMIT'])).toEqual([`SELECT 1 ${n}`, 'COMMIT']);
      expect(await at.all(client, [read(1)])).toEqual([`SELECT 1 ${n}`]);
      const behind = ['BEGIN', add(3, 1), 'SAVEPOINT s', read(3), 'ROLLBACK TO s', 'COMMIT'];
      const node = [at.leader, ...at.others][n - 1] ?? 0;
      const counted = await at.counted(node, () => at.all(client, behind));
      expect(counted).toMatchObject({ changesDeferred: 1, txnsOnePhase: 1, deferralsUndone: 0 });
      expect(await at.all(client, [read(3)])).toEqual([`SELECT 1 ${6 + n}`]);
      const dropped = ['BEGIN', 'SAVEPOINT s', add(2, 1), 'ROLLBACK TO s', 'COMMIT', read(2)];
      expect((await at.all(client, dropped)).at(-1)).toBe('SELECT 1 0');
    }
  });

  it('takes its lock before the locks of what follows', async () => {
    const { at, clients } = await start(6);
    const [, one, two] = clients;
    await at.all(one, ['BEGIN', add(1, 1), `${read(2)} FOR UPDATE`]);
    expect(await at.all(two, [`${read(1)} FOR UPDATE NOWAIT`])).toEqual(['55P03']);
    await at.all(one, ['COMMIT']);
    expect(await at.all(two, [read(1)])).toEqual(['SELECT 1 1']);
  });

  it('is not run because a row is inserted', async () => {
    const { at, clients } = await start(12);
    const [here, one] = clients;
    await at.all(here, ['CREATE TABLE log (id int PRIMARY KEY)']);
    await at.all(one, ['INSERT INTO log VALUES (1)', 'INSERT INTO log VALUES (2)']);
    await at.all(one, [add(3, 0), add(3, 0)]);
    const texts = ['BEGIN', add(1, 1), 'INSERT INTO log VALUES (3)', 'COMMIT'];
    const counted = await at.counted(at.others[0], () => at.all(one, texts));
    // The new row's.
    expect(counted).toMatchObject({ changesDeferred: 1, rangeLocksRemote: 1, deferralsUndone: 0 });
    expect(await at.all(one, [read(1)])).toEqual(['SELECT 1 1']);
    const same = ['BEGIN', add(1, 1), 'INSERT INTO t VALUES (7, 7)', 'COMMIT'];
    expect(await at.all(one, same)).toEqual(['BEGIN', 'UPDATE 1', 'INSERT 0 1', 'COMMIT']);
    expect(await at.all(one, ['SELECT k, v FROM t WHERE k IN (1, 7)'])).toEqual([
      'SELECT 2 1 2 7 7',
    ]);
  });

  it.each([100, 3000])('waits at the commit for who has locked its row for %i ms', async (ms) => {
    const { at, clients } = await start(7);
    const [, one, two] = clients;
    await at.all(two, ['BEGIN', `${read(1)} FOR UPDATE`, add(1, 10)]);
    expect(await at.all(one, ['BEGIN', add(1, 1)])).toEqual(['BEGIN', 'UPDATE 1']);
    const committing = one.run('COMMIT');
    await at.world.run(ms);
    expect(await at.all(two, ['COMMIT'])).toEqual(['COMMIT']);
    expect(await at.world.settle(committing)).toBe('COMMIT');
    expect(await at.all(two, [read(1), `${read(1)} FOR UPDATE NOWAIT`])).toEqual(
      Array(2).fill('SELECT 1 11'),
    );
  });

  it('is one of so many at most', async () => {
    const { at, clients } = await start(11);
    const [, one] = clients;
    const texts = ['BEGIN', ...Array<string>(40).fill(add(1, 1)), 'COMMIT'];
    const counted = await at.counted(at.others[0], () => at.all(one, texts));
    expect(counted).toMatchObject({ changesDeferred: 32 });
    expect(await at.all(one, [read(1)])).toEqual(['SELECT 1 40']);
    await at.all(one, [
      'CREATE TABLE u (k int PRIMARY KEY, v text)',
      "INSERT INTO u VALUES (1, '')",
    ]);
    const write = (length: number): string =>
      `UPDATE u SET v = '${'x'.repeat(length)}' WHERE k = 1`;
    await at.all(one, [write(1), write(1)]);
    // Until this node has applied the row.
    await at.world.run(100);
    for (const [length, changesDeferred] of [
      [3000, 1],
      [5000, 0],
    ] as const) {
      const large = await at.counted(at.others[0], () =>
        at.all(one, ['BEGIN', write(length), 'COMMIT']),
      );
      expect(large).toMatchObject({ changesDeferred });
    }
  });

  it('is part of no deadlock that nobody finds', async () => {
    const { at, clients } = await start(10);
    const [, one, two] = clients;
    await at.all(one, ['BEGIN', `${read(2)} FOR UPDATE`, add(1, 1)]);
    await at.all(two, ['BEGIN', `${read(1)} FOR UPDATE`]);
    const waiting = two.run(`${read(2)} FOR UPDATE`);
    const said = [await at.world.settle(one.run('COMMIT')), await at.world.settle(waiting)];
    // The youngest in the cycle is told.
    expect(said).toEqual(['COMMIT', '40P01']);
  });

  it('is run before the commit of a transaction over two ranges', async () => {
    const { at, clients } = await start(8);
    const [here, one] = clients;
    await at.all(here, ['ALTER TABLE t SPLIT AT VALUES (2)']);
    await at.world.run(1000);
    await at.all(one, [add(3, 0), add(3, 0)]);
    const texts = ['BEGIN', add(1, 1), add(2, 2), 'COMMIT'];
    const counted = await at.counted(at.others[0], () => at.all(one, texts));
    expect(counted).toMatchObject({ changesDeferred: 2, deferralsUndone: 1, txnsTwoPhase: 1 });
    expect(await at.all(here, [read(1), read(2)])).toEqual(['SELECT 1 1', 'SELECT 1 2']);
  });

  it('is one of few at first, and of many once sessions stand in queues', async () => {
    const at = await Setting.start(9);
    const clients: Client[] = [];
    for (let i = 0; i < 12; i++) clients.push(await at.world.settle(at.connect(at.others[0])));
    const [first] = clients;
    if (first === undefined) return;
    await at.all(first, [...CREATE, add(3, 1), add(3, 1)]);
    const transfer = async (client: Client): Promise<void> => {
      for (const text of ['BEGIN', add(1, 1), 'COMMIT']) await client.run(text);
    };
    const round = (): Promise<Readonly<Record<string, number>>> =>
      at.counted(at.others[0], () => Promise.all(clients.map(transfer)));
    expect(await round()).toMatchObject({ changesDeferred: 0 });
    await round();
    expect(await round()).toMatchObject({ changesDeferred: 12, rangeLocksRemote: 0 });
    await at.world.run(11_000);
    expect(await round()).toMatchObject({ changesDeferred: 0 });
    expect(await at.all(first, [read(1)])).toEqual(['SELECT 1 48']);
  });
});
