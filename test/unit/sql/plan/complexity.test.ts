/** Statements that are short to write and long to plan: bounded, or refused with 54001. */
import { describe, expect, it } from 'vitest';
import { replay } from '../../../support/sql-golden.ts';

const SCHEMA =
  '> create table t (id int primary key, n int)\n> insert into t values (1, 10), (2, 20)\n';

async function answers(query: string): Promise<string> {
  const output = await replay(`${SCHEMA}> ${query}\n---\n`, {});
  return output.slice(output.indexOf('---'));
}

describe('many relations', () => {
  it('WITH queries that double 30 times are refused', async () => {
    const ctes = Array.from(
      { length: 30 },
      (_, i) => `q${i + 1} as (select a.id from q${i} a, q${i} b)`,
    );
    const text = await answers(
      `with q0 as (select id from t), ${ctes.join(', ')} select count(*) from q30`,
    );
    expect(text).toContain('54001');
    expect(text).toContain('too many tables and subqueries');
  });

  it('a chain of 200 WITH queries runs', async () => {
    const ctes = Array.from(
      { length: 200 },
      (_, i) => `q${i + 1} as (select id + 1 as id from q${i})`,
    );
    expect(
      await answers(`with q0 as (select id from t), ${ctes.join(', ')} select max(id) from q200`),
    ).toContain('202');
  });

  it.each([
    ['comma', (i: number) => `, t t${i}`, (n: number) => ` where ${conditions(n).join(' and ')}`],
    ['join', (i: number) => ` join t t${i} on t${i}.id = t${i - 1}.id`, () => ''],
    ['left join', (i: number) => ` left join t t${i} on t${i}.n = t${i - 1}.n`, () => ''],
  ] as const)('joins of many tables: %s', async (_name, item, where) => {
    for (const n of [12, 60, 300]) {
      const items = Array.from({ length: n - 1 }, (_, i) => item(i + 1)).join('');
      expect(await answers(`select count(*) from t t0${items}${where(n)}`)).toContain('2');
    }
  });

  it('queries nested in FROM and joined at every level', async () => {
    let query = 'select id, n from t';
    for (let i = 0; i < 40; i++)
      query = `select a.id, a.n from (${query}) a join t b on a.id = b.id order by 1`;
    expect(await answers(query)).toContain('20');
  });
});

function conditions(n: number): string[] {
  return Array.from({ length: n - 1 }, (_, i) => `t${i + 1}.id = t${i}.id`);
}
