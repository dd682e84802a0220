import { describe, expect, it } from 'vitest';
import { run } from '../../../../src/base/steps.ts';
import type { Steps } from '../../../../src/base/steps.ts';
import { EvaluationWait } from '../../../../sql/exec/evaluation-wait.ts';
import type { ExecPorts, Operator } from '../../../../sql/exec/operator.ts';
import { drain } from '../../../../sql/exec/operator.ts';
import {
  AggregateOperator,
  DistinctOperator,
  SetOperator,
} from '../../../../sql/exec/operators/hash-operators.ts';
import type { JoinKind } from '../../../../sql/exec/operators/join-operators.ts';
import {
  HashJoinOperator,
  LoopJoinOperator,
  LookupJoinOperator,
} from '../../../../sql/exec/operators/join-operators.ts';
import {
  AppendOperator,
  FilterOperator,
  IterableOperator,
  LimitOperator,
  ProjectOperator,
  RowsOperator,
  onlyRow,
} from '../../../../sql/exec/operators/row-operators.ts';
import { SortOperator } from '../../../../sql/exec/operators/sort-operator.ts';
import { rowKeyFor } from '../../../../sql/exec/row-keys.ts';
import { resolveAggregate } from '../../../../sql/functions/aggregates.ts';
import { comparatorFor } from '../../../../sql/types/compare.ts';
import type { Datum, Row } from '../../../../sql/types/datum.ts';
import { INT4, TEXT } from '../../../../sql/types/sql-type.ts';

const PORTS: ExecPorts = {
  signal: new AbortController().signal,
  workMemBytes: 1e6,
  pause: () => undefined,
};
const rows = (...list: Datum[][]): Operator => new RowsOperator(list);
const column = (i: number) => (row: Row) => row[i] ?? null;
const all = async (operator: Operator): Promise<Row[]> => run(drain(operator));
const ascending = (i: number) => ({
  evaluate: column(i),
  compare: comparatorFor(INT4),
  isDescending: false,
  isNullsFirst: false,
});

describe('operators of single rows', () => {
  it('filter, project, limit and append', async () => {
    const numbers = Array.from({ length: 2500 }, (_, i): Datum[] => [i]);
    const even = new FilterOperator(rows(...numbers), (r) => Number(r[0]) % 2 === 0, PORTS);
    const doubled = new ProjectOperator(even, [(r) => Number(r[0]) * 10]);
    const some = new LimitOperator(doubled, 1200, 3);
    expect(await all(new AppendOperator([some, rows([-1])]))).toEqual([
      [24000],
      [24020],
      [24040],
      [-1],
    ]);
    expect(await all(new LimitOperator(rows([1], [2]), 0, 0))).toEqual([]);
    expect(await all(new LimitOperator(rows([1], [2]), 5, 5))).toEqual([]);
  });

  it('evaluates again after a wait, row by row', async () => {
    let number = 0;
    let isReady = false;
    const next = (): Datum => {
      if (!isReady) {
        throw new EvaluationWait(function* (): Steps<void> {
          isReady = true;
        });
      }
      isReady = false;
      return ++number;
    };
    expect(await all(new ProjectOperator(rows(['a'], ['b']), [column(0), next]))).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  it('reads an iterable lazily', async () => {
    let made = 0;
    const endless = {
      *[Symbol.iterator](): Generator<Row> {
        for (;;) yield [++made];
      },
    };
    expect(await all(new LimitOperator(new IterableOperator(endless, PORTS), 0, 2))).toHaveLength(
      2,
    );
    expect(made).toBeLessThan(5000);
  });

  it('a scalar subquery gives one row at most', async () => {
    expect(run(onlyRow(rows([7])))).toEqual([7]);
    expect(run(onlyRow(rows()))).toBeUndefined();
    const two = async (): Promise<unknown> => run(onlyRow(rows([1], [2])));
    await expect(two()).rejects.toMatchObject({ sqlState: '21000' });
  });

  it('stops when it is cancelled', async () => {
    const abort = new AbortController();
    abort.abort(new Error('cancelled'));
    const ports = { ...PORTS, signal: abort.signal };
    const filter = async (): Promise<unknown> =>
      run(drain(new FilterOperator(rows([1]), () => true, ports)));
    await expect(filter()).rejects.toThrow('cancelled');
  });
});

describe('sort', () => {
  const values = [3, null, 1, 2, null].map((v): Datum[] => [v]);
  it.each([
    [false, false, [1, 2, 3, null, null]],
    [false, true, [null, null, 1, 2, 3]],
    [true, true, [null, null, 3, 2, 1]],
    [true, false, [3, 2, 1, null, null]],
  ])('descending %s, nulls first %s', async (isDescending, isNullsFirst, expected) => {
    const key = { ...ascending(0), isDescending, isNullsFirst };
    const sorted = await all(new SortOperator(rows(...values), [key], PORTS));
    expect(sorted.map((row) => row[0])).toEqual(expected);
  });

  it('is stable, and keeps only what a limit asks for', async () => {
    const many = Array.from({ length: 20000 }, (_, i): Datum[] => [i % 7, i]);
    const small = { ...PORTS, workMemBytes: 300000 };
    const top = await all(new SortOperator(rows(...many), [ascending(0)], small, 3));
    expect(top).toEqual([
      [0, 0],
      [0, 7],
      [0, 14],
    ]);
    const whole = all(new SortOperator(rows(...many), [ascending(0)], small));
    await expect(whole).rejects.toMatchObject({ sqlState: '53200' });
  });
});

describe('grouping', () => {
  const sum = resolveAggregate('sum', [INT4]);
  const count = resolveAggregate('count', []);
  const call = (aggregate: typeof sum, args: number[], more = {}) => {
    const plain = { filter: undefined, distinct: undefined, orderBy: [] };
    return { ...plain, aggregate, args: args.map(column), ...more };
  };

  it('groups with NULL as a group of its own; one row without GROUP BY', async () => {
    const input = (): Operator => rows(['a', 1], [null, 2], ['a', 3], [null, null]);
    const groupBy = { values: [column(0)], keyOf: rowKeyFor([TEXT]) };
    const calls = [call(sum, [1]), call(count, [])];
    const grouped = await all(new AggregateOperator(input(), groupBy, calls, PORTS));
    expect(grouped).toEqual([
      ['a', 4n, 2n],
      [null, 2n, 2n],
    ]);
    const none = { values: [], keyOf: rowKeyFor([]) };
    expect(await all(new AggregateOperator(rows(), none, calls, PORTS))).toEqual([[null, 0n]]);
    expect(await all(new AggregateOperator(rows(), groupBy, calls, PORTS))).toEqual([]);
  });

  it('honours DISTINCT and FILTER', async () => {
    const none = { values: [], keyOf: rowKeyFor([]) };
    const calls = [
      call(sum, [0], { distinct: rowKeyFor([INT4]) }),
      call(sum, [0], { filter: (row: Row) => Number(row[0]) > 1 }),
    ];
    const result = await all(new AggregateOperator(rows([1], [1], [2], [2]), none, calls, PORTS));
    expect(result).toEqual([[3n, 4n]]);
  });

  it('distinct and set operations treat NULLs as equal', async () => {
    const key = rowKeyFor([INT4]);
    const input = (): Operator => rows([1], [null], [1], [null], [2]);
    expect(await all(new DistinctOperator(input(), key, PORTS))).toEqual([[1], [null], [2]]);
    const set = (kind: 'intersect' | 'except', isAll: boolean): Promise<Row[]> => {
      const inputs = { left: input(), right: rows([1], [null], [3]) };
      return all(new SetOperator(inputs, { kind, isAll }, key, PORTS));
    };
    expect(await set('intersect', false)).toEqual([[1], [null]]);
    expect(await set('intersect', true)).toEqual([[1], [null]]);
    expect(await set('except', false)).toEqual([[2]]);
    expect(await set('except', true)).toEqual([[1], [null], [2]]);
  });

  it('keys of several columns cannot be confused', () => {
    const key = rowKeyFor([TEXT, TEXT]);
    expect(key(['a', 'b1:c'])).not.toBe(key(['a1:b', 'c']));
    expect(key([null, 'n'])).not.toBe(key(['n', null]));
  });
});

describe('joins', () => {
  const left = (): Operator => rows([1, 'a'], [2, 'b'], [null, 'c']);
  const right = (): Operator => rows([1, 'x'], [1, 'y'], [3, 'z'], [null, 'w']);
  const expected: Record<JoinKind, Datum[][]> = {
    inner: [
      [1, 'a', 1, 'x'],
      [1, 'a', 1, 'y'],
    ],
    left: [
      [1, 'a', 1, 'x'],
      [1, 'a', 1, 'y'],
      [2, 'b', null, null],
      [null, 'c', null, null],
    ],
    right: [
      [1, 'a', 1, 'x'],
      [1, 'a', 1, 'y'],
      [null, null, 3, 'z'],
      [null, null, null, 'w'],
    ],
    full: [
      [1, 'a', 1, 'x'],
      [1, 'a', 1, 'y'],
      [2, 'b', null, null],
      [null, 'c', null, null],
      [null, null, 3, 'z'],
      [null, null, null, 'w'],
    ],
    semi: [[1, 'a']],
    anti: [
      [2, 'b'],
      [null, 'c'],
    ],
  };
  const kinds = Object.keys(expected) as JoinKind[];
  const shape = { leftWidth: 2, rightWidth: 2 };
  const equal = (row: Row): boolean => row[0] !== null && row[0] === row[2];
  const key = (row: Row): number | undefined => (row[0] as number | null) ?? undefined;

  it.each(kinds)('hash %s', async (kind) => {
    const inputs = { left: left(), right: right() };
    const whole = { ...shape, kind, condition: undefined };
    const join = new HashJoinOperator(inputs, { left: key, right: key }, whole, PORTS);
    expect(await all(join)).toEqual(expected[kind]);
  });

  it.each(kinds)('nested loop %s', async (kind) => {
    const inputs = { left: left(), right: right() };
    const join = new LoopJoinOperator(inputs, { ...shape, kind, condition: equal }, PORTS);
    expect(await all(join)).toEqual(expected[kind]);
  });

  const lookedUp = ['inner', 'left', 'semi', 'anti'] as const;
  const matches = (table: readonly Row[], row: Row): readonly Row[] =>
    table.filter((other) => row[0] !== null && other[0] === row[0]);

  it.each(lookedUp)('lookup %s', async (kind) => {
    const table = await all(right());
    const lookUp = function* (row: Row): Steps<readonly Row[]> {
      return matches(table, row);
    };
    const whole = { ...shape, kind, condition: undefined };
    const join = new LookupJoinOperator(left(), { kind: 'each', find: lookUp }, whole, PORTS);
    expect(await all(join)).toEqual(expected[kind]);
  });

  it.each(lookedUp)('lookup %s of several together, however many are answered', async (kind) => {
    const table = await all(right());
    for (const answered of [1, 2, 100]) {
      const lookUp = function* (some: readonly Row[]): Steps<readonly (() => readonly Row[])[]> {
        return some.slice(0, answered).map((row) => () => matches(table, row));
      };
      const whole = { ...shape, kind, condition: undefined };
      const join = new LookupJoinOperator(left(), { kind: 'batch', find: lookUp }, whole, PORTS);
      expect(await all(join)).toEqual(expected[kind]);
    }
  });

  it('lookups are asked for together, a bounded number at a time', async () => {
    const asked: number[] = [];
    const lookUp = function* (some: readonly Row[]): Steps<readonly (() => readonly Row[])[]> {
      asked.push(some.length);
      return some.map((row) => () => [row]);
    };
    const many = rows(...Array.from({ length: 1000 }, (_, i): Datum[] => [i]));
    const whole = { kind: 'inner', leftWidth: 1, rightWidth: 1, condition: undefined } as const;
    const join = new LookupJoinOperator(many, { kind: 'batch', find: lookUp }, whole, PORTS);
    expect(await all(join)).toEqual(Array.from({ length: 1000 }, (_, i) => [i, i]));
    expect(asked).toEqual([128, 128, 128, 128, 128, 128, 128, 104]);
  });
});
