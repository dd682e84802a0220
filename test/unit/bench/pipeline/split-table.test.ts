/** Splitting a loaded table and placing its leaders, by what is said to the database. */
import { describe, expect, it } from 'vitest';
import { SplitTable } from '../../../../bench/pipeline/split-table.ts';
import type { Result, Session, Workload } from '../../../../bench/workload.ts';
import { SqlFailure } from '../../../../bench/workload.ts';

const INNER: Workload = {
  name: 'inner',
  summary: 'Nothing.',
  load: async (session) => {
    await session.query('LOAD');
  },
  client: () => ({ run: () => Promise.resolve('write') }),
  check: () => Promise.resolve(['wrong']),
};

/** Ranges by their leaders; the first hand-over is refused. */
function database(leaders: number[]): { session: Session; said: string[] } {
  const said: string[] = [];
  let refusals = 1;
  const query = (text: string): Promise<Result[]> => {
    said.push(text);
    const [, range, node] = /^ALTER RANGE (\d+) TRANSFER LEADER TO (\d+)$/.exec(text) ?? [];
    if (range !== undefined && refusals-- > 0) {
      return Promise.reject(new SqlFailure('58000', 'not now'));
    }
    if (range !== undefined) leaders[Number(range) - 10] = Number(node);
    const rows = leaders.map((leader, i) => [String(10 + i), 'a', 'b', String(leader)]);
    return Promise.resolve([{ rows, tag: '' }]);
  };
  const unused = (): never => {
    throw new Error('not expected');
  };
  return { session: { query, execute: unused, pipeline: unused, copyIn: unused }, said };
}

describe('a split table', () => {
  it('is loaded, then split into equal ranges, whose leaders are spread', async () => {
    const leaders = [2, 2, 2, 2];
    const { session, said } = database(leaders);
    await new SplitTable(INNER, { rows: 100, ranges: 4, nodes: 3, retryMs: 0 }).load(session);
    expect(said.slice(0, 4)).toEqual([
      'LOAD',
      'ALTER TABLE bench_kv SPLIT AT VALUES (25)',
      'ALTER TABLE bench_kv SPLIT AT VALUES (50)',
      'ALTER TABLE bench_kv SPLIT AT VALUES (75)',
    ]);
    expect(leaders).toEqual([1, 2, 3, 1]);
    expect(said.filter((text) => text.startsWith('ALTER RANGE 11'))).toEqual([]);
  });

  it('is the workload otherwise', async () => {
    const { session } = database([1]);
    const table = new SplitTable(INNER, { rows: 1, ranges: 1, nodes: 3, retryMs: 0 });
    expect(table.name).toBe('inner');
    expect(await table.check(session)).toEqual(['wrong']);
  });
});
