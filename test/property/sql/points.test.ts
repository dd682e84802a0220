import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Session } from '../../../sql/session/session-api.ts';
import { SqlError } from '../../../sql/errors/sql-error.ts';
import { CollectingSink } from '../../../src/sim/collecting-sink.ts';
import { makeHarness } from '../../support/sql-harness.ts';

/**
 * Statements on one row run as plain calls, but not under a statement timeout: two sessions, of which one has a timeout,
 * have to answer the same to the same, errors and all.
 */
const SCHEMA =
  'CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text, CHECK (a < 90));' +
  'CREATE TABLE u (id int PRIMARY KEY, a int, b text);' +
  'CREATE INDEX u_a ON u (a); CREATE UNIQUE INDEX u_b ON u (b);' +
  'CREATE TABLE w (a int, b text)';

const value = fc.oneof(
  fc.integer({ min: -3, max: 99 }).map(String),
  fc.constantFrom('NULL', '2147483648', "'x'", '1.5', '1/0', '$'),
);
const id = fc.oneof(fc.integer({ min: 1, max: 5 }).map(String), fc.constantFrom('NULL', '99999'));
const text = fc.constantFrom("'p'", "'q'", 'NULL', "'it''s'");
const table = fc.constantFrom('t', 'u');

const statement = fc.oneof(
  fc.tuple(table, id).map(([t, i]) => `SELECT a, b FROM ${t} WHERE id = ${i}`),
  fc.tuple(table, id).map(([t, i]) => `SELECT b, id + a AS s FROM ${t} WHERE id = ${i} AND a > 3`),
  fc.tuple(table, id).map(([t, i]) => `SELECT a FROM ${t} WHERE id = ${i} FOR UPDATE`),
  fc.tuple(table, value, id).map(([t, v, i]) => `UPDATE ${t} SET a = a + ${v} WHERE id = ${i}`),
  fc.tuple(table, text, id).map(([t, s, i]) => `UPDATE ${t} SET b = ${s} WHERE id = ${i}`),
  fc.tuple(table, id, id).map(([t, i, j]) => `UPDATE ${t} SET id = ${i} WHERE id = ${j}`),
  fc.tuple(table, id).map(([t, i]) => `DELETE FROM ${t} WHERE id = ${i}`),
  fc.tuple(table, id, value, text).map(([t, ...v]) => `INSERT INTO ${t} VALUES (${v.join(', ')})`),
  fc.tuple(value, text).map((v) => `INSERT INTO w VALUES (${v.join(', ')})`),
  fc
    .tuple(table, id, value)
    .map(([t, i, v]) => `INSERT INTO ${t} VALUES (${i}, ${v}) ON CONFLICT (id) DO NOTHING`),
  fc
    .tuple(table, id, value)
    .map(
      ([t, i, v]) =>
        `INSERT INTO ${t} VALUES (${i}, ${v}) ON CONFLICT (id) DO UPDATE SET a = ${t}.a + excluded.a WHERE ${t}.a < 50`,
    ),
  fc.constantFrom('BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'ROLLBACK TO s'),
  fc.constantFrom(
    'SELECT * FROM t ORDER BY id',
    'SELECT * FROM u ORDER BY b',
    'SELECT * FROM w ORDER BY a',
  ),
);

async function answer(session: Session, sql: string): Promise<unknown> {
  const sink = new CollectingSink(() => session.format());
  try {
    await session.simpleQuery(sql, sink);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const { sqlState, message, detail, hint, position } = error;
    return { sqlState, message, detail, hint, position, status: session.status };
  }
  const results = sink.results.map(({ columns, rows, tag }) => ({
    columns: columns?.map(({ name, type }) => [name, type.name]),
    ...{ rows, tag },
  }));
  return { results, notices: sink.notices, status: session.status };
}

async function prepared(session: Session, sql: string): Promise<unknown> {
  const sink = new CollectingSink(() => session.format());
  try {
    await session.parse('', sql, []);
    await session.bind('', '', []);
    sink.useColumns(await session.describePortal(''));
    await session.execute('', 0, true, sink);
    await session.sync();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    session.fail();
    await session.sync();
    return { sqlState: error.sqlState, message: error.message, status: session.status };
  }
  return { rows: sink.results.map(({ rows, tag }) => [rows, tag]), status: session.status };
}

describe('a statement on one row', () => {
  for (const isAsync of [false, true]) {
    it(`answers as it would the general way (async: ${isAsync})`, async () => {
      const script = fc.array(fc.tuple(statement, fc.boolean()), { minLength: 1, maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(script, async (steps) => {
          const sessions = await Promise.all(
            [undefined, '1h'].map(async (timeout) => {
              const session = await makeHarness({ isAsync }).open();
              await answer(session, SCHEMA);
              if (timeout !== undefined)
                await answer(session, `SET statement_timeout = '${timeout}'`);
              return session;
            }),
          );
          for (const [sql, isPrepared] of steps) {
            const [fast, general] = await Promise.all(
              sessions.map((session) => (isPrepared ? prepared : answer)(session, sql)),
            );
            expect(fast, sql).toEqual(general);
          }
          for (const session of sessions) session.close();
        }),
        { numRuns: 150 },
      );
    });
  }
});
