/**
 * Joins that look up the rows of one side by keys, some left rows together, against the same joins over tables without
 * any key, where every pair is compared. And that they do look up, and together.
 */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../../../sql/session/session-api.ts';
import { CollectingSink } from '../../../src/sim/collecting-sink.ts';
import { LocalTxn } from '../../support/local-kv-txn.ts';
import { makeHarness } from '../../support/sql-harness.ts';

const SCHEMA =
  'CREATE TABLE l (g int, id int, a int, c text, PRIMARY KEY (g, id));' +
  'CREATE TABLE r (a int PRIMARY KEY, c text UNIQUE, v int);' +
  'CREATE TABLE r2 (a int, c text, v int, PRIMARY KEY (a, v));' +
  'CREATE TABLE heap_r (a int, c text, v int); CREATE TABLE heap_r2 (a int, c text, v int);';

const CONDITIONS = [
  'R.a = l.a',
  'R.c = l.c',
  'R.a = l.a AND R.v > 2',
  'R.a = l.a + 1 AND l.id > 3',
  'R.c = l.c AND R.a = l.a',
  'R.a = l.a AND R.v = 3',
  'R.a = l.a AND R.v IN (1, 2, 3, 4)',
  'R.a = l.a AND (R.v > l.id OR l.c IS NULL)',
];

/** Few enough for the planner to look up the rest. */
const FEW = 'l.g = 1';

const JOINS = [
  (r: string, on: string) => `SELECT l.id, R.a, R.c, R.v FROM l JOIN ${r} R ON ${on} WHERE ${FEW}`,
  (r: string, on: string) =>
    `SELECT l.id, R.a, R.c, R.v FROM l LEFT JOIN ${r} R ON ${on} WHERE ${FEW}`,
  (r: string, on: string) =>
    `SELECT l.id FROM l WHERE ${FEW} AND EXISTS (SELECT 1 FROM ${r} R WHERE ${on})`,
  (r: string, on: string) =>
    `SELECT l.id FROM l WHERE ${FEW} AND NOT EXISTS (SELECT 1 FROM ${r} R WHERE ${on})`,
];

const small = fc.option(fc.integer({ min: 0, max: 30 }));
const code = fc.option(fc.integer({ min: 0, max: 30 }).map((n) => `c${n}`));
const leftRows = fc.array(fc.tuple(small, code), { maxLength: 60 });
const rightRows = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 0, max: 30 }), code, fc.integer({ min: 0, max: 5 })),
  { selector: ([a]) => a, maxLength: 30 },
);

async function ask(session: Session, sql: string): Promise<string[]> {
  const sink = new CollectingSink(() => session.format());
  await session.simpleQuery(sql, sink);
  return sink.results.flatMap(({ rows }) => rows.map((row) => row.join('|')));
}

function literal(value: string | number | null): string {
  return value === null ? 'NULL' : typeof value === 'number' ? String(value) : `'${value}'`;
}

async function fill(
  session: Session,
  table: string,
  rows: readonly (readonly (string | number | null)[])[],
): Promise<void> {
  if (rows.length === 0) return;
  const values = rows.map((row) => `(${row.map(literal).join(', ')})`).join(', ');
  await ask(session, `INSERT INTO ${table} VALUES ${values}`);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a lookup join', () => {
  for (const isAsync of [false, true]) {
    it(`finds what comparing every pair finds (async: ${isAsync})`, async () => {
      await fc.assert(
        fc.asyncProperty(leftRows, rightRows, fc.boolean(), async (lefts, rights, isOpen) => {
          const session = await makeHarness({ isAsync }).open();
          await ask(session, SCHEMA);
          // A code only once.
          const known = new Set<string>();
          const unique = rights.map(([a, c, v]) => {
            const isNew = c !== null && !known.has(c);
            if (isNew) known.add(c);
            return [a, isNew ? c : null, v] as const;
          });
          const left = lefts.map(([a, c], id) => [1, id, a, c] as const);
          if (isOpen) await ask(session, 'BEGIN');
          await fill(session, 'l', left);
          for (const table of ['r', 'heap_r', 'r2', 'heap_r2']) await fill(session, table, unique);
          for (const on of CONDITIONS) {
            for (const join of JOINS) {
              for (const table of ['r', 'r2']) {
                const found = await ask(session, join(table, on));
                const expected = await ask(session, join(`heap_${table}`, on));
                expect(found.toSorted(), join(table, on)).toEqual(expected.toSorted());
              }
            }
          }
          session.close();
        }),
        { numRuns: 25 },
      );
    });
  }

  it('keeps the order of the left rows, and asks for many keys together', async () => {
    const session = await makeHarness().open();
    await ask(session, SCHEMA);
    const ids = Array.from({ length: 500 }, (_, i) => i);
    await fill(
      session,
      'l',
      ids.map((i) => [1, i, (i * 7) % 500, `c${i}`]),
    );
    await fill(
      session,
      'r',
      ids.map((i) => [i, `c${i}`, i]),
    );
    const sql = `SELECT l.id, R.v FROM l JOIN r R ON R.a = l.a WHERE ${FEW} ORDER BY l.id`;
    expect((await ask(session, `EXPLAIN ${sql}`)).join('\n')).toContain('Lookup Join');
    const getMany = vi.spyOn(LocalTxn.prototype, 'getMany');
    const get = vi.spyOn(LocalTxn.prototype, 'get');
    expect(await ask(session, sql)).toEqual(ids.map((i) => `${i}|${(i * 7) % 500}`));
    expect(getMany.mock.calls.map(([keys]) => keys.length)).toEqual([128, 128, 128, 116]);
    expect(get).not.toHaveBeenCalled();
    session.close();
  });
});
