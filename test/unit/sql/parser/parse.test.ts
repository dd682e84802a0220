import { describe, expect, it } from 'vitest';
import { SqlError } from '../../../../sql/errors/sql-error.ts';
import type { Expr } from '../../../../sql/parser/ast.ts';
import { NESTING_MAX, TREE_HEIGHT_MAX } from '../../../../sql/parser/grammar-base.ts';
import { Grammar } from '../../../../sql/parser/grammar.ts';
import { parseExpression, parseStatements } from '../../../../sql/parser/parse.ts';

function errorOf(text: string): SqlError {
  try {
    parseStatements(text);
  } catch (error) {
    if (error instanceof SqlError) return error;
    throw error;
  }
  throw new Error(`parsed: ${text.slice(0, 50)}`);
}

describe('the grammar', () => {
  it('has no ambiguities but those it names', () => {
    expect(new Grammar({ validates: true })).toBeDefined();
  });
});

describe('statements of one text', () => {
  it('have their slices, without semicolons, comments and blanks around', () => {
    const text = '  begin ; /* ; */ select 1 + $2 -- x\n; ;\tcommit;';
    const found = parseStatements(text);
    expect(found.map(({ start, end }) => text.slice(start, end))).toEqual([
      'begin',
      'select 1 + $2',
      'commit',
    ]);
    expect(found.map((each) => each.parameterCount)).toEqual([0, 2, 0]);
  });

  it('are none in an empty text', () => {
    for (const text of ['', ' ', ';', ' ; ;; ', '-- x', '/* x */;']) {
      expect(parseStatements(text)).toEqual([]);
    }
  });

  it('all fail when one does', () => {
    expect(errorOf('select 1; selct 2').position).toBe(11);
  });

  it('keep the slice of what PREPARE prepares', () => {
    const text = 'select 1; prepare p as select $1 ;';
    const [, prepare] = parseStatements(text);
    const statement = prepare?.statement;
    if (statement?.kind !== 'prepare') throw new Error('not prepared');
    expect(text.slice(statement.statementStart, statement.statementEnd)).toBe('select $1');
  });
});

describe('positions', () => {
  const cases: readonly [text: string, kind: Expr['kind'], position: number][] = [
    ['a + b', 'binary', 2],
    ['a and b', 'and', 2],
    ['not a', 'not', 0],
    ['a is null', 'is null', 2],
    ['a not in (1)', 'in list', 2],
    ['a::int', 'cast', 1],
    ['cast(a as int)', 'cast', 0],
    ["date '2020-01-01'", 'cast', 0],
    ['s.f(1)', 'function call', 0],
    ['( t.a)', 'column ref', 2],
    ['a at time zone b', 'function call', 2],
    ['a = any (b)', 'quantified', 2],
    ['- a', 'unary', 0],
  ];
  it.each(cases)('%s is %s at %i', (text, kind, position) => {
    const expr = parseExpression(text);
    expect([expr.kind, expr.position]).toEqual([kind, position]);
  });

  it('of errors count characters, not UTF-16 units', () => {
    // PostgreSQL 15 says 16 for the first and 13 for the second.
    expect(errorOf("select 'ä' from from").position).toBe(17);
    expect(errorOf("select '\u{1f600}' +").position).toBe(13);
  });
});

describe('names', () => {
  const nameOf = (text: string): unknown => {
    const expr = parseExpression(text);
    return expr.kind === 'column ref' ? expr.parts[0] : expr.kind;
  };

  it('fold ASCII letters only', () => {
    expect(nameOf('ABC')).toBe('abc');
    expect(nameOf('ÄBC')).toBe('Äbc');
    expect(nameOf('"ABC"')).toBe('ABC');
  });

  it('are cut to 63 bytes at a character', () => {
    expect(nameOf('x'.repeat(70))).toBe('x'.repeat(63));
    expect(nameOf(`"${'ä'.repeat(40)}"`)).toBe('ä'.repeat(31));
  });
});

describe('bounds', () => {
  const nest = (open: string, close: string, depth: number): string =>
    `select ${open.repeat(depth)}1${close.repeat(depth)}`;
  const shapes: readonly [string, string][] = [
    ['(', ')'],
    ['(select ', ')'],
    ['f(', ')'],
    ['case when ', ' then 1 end'],
    ['- (', ')'],
    ['not (', ')'],
    ['not ', ''],
    ['(select * from (select ', ') x)'],
    ['array[', ']'],
    ['1 in (', ')'],
  ];

  it.each(shapes)('%s nested 10,000 deep is refused with 54001', (open, close) => {
    const error = errorOf(nest(open, close, 10_000));
    expect([error.sqlState, error.message]).toEqual(['54001', 'stack depth limit exceeded']);
  });

  it.each(shapes)('%s nested 20 deep is not', (open, close) => {
    expect(parseStatements(nest(open, close, 20))).toHaveLength(1);
  });

  it('refuse joins, chains and FROM in parentheses that are too high', () => {
    const joins = `select 1 from t${' cross join t'.repeat(2_000)}`;
    const nested = `select 1 from t ${'join t '.repeat(2_000)}`;
    const sums = `select 1${' + 1'.repeat(TREE_HEIGHT_MAX + 1)}`;
    const from = `select 1 from ${'('.repeat(NESTING_MAX + 1)}t`;
    const unions = `select 1${' union select 1'.repeat(2_000)}`;
    for (const text of [joins, nested, sums, from, unions]) {
      expect(errorOf(text).sqlState).toBe('54001');
    }
  });

  it('cannot be evaded by what follows a high operand', () => {
    // Each sum stays below the bound; only together are they too high.
    const sum = (inner: string): string => `(${inner}${' + 1'.repeat(100)})`;
    const tree = Array.from({ length: 6 }).reduce<string>((inner) => sum(inner), '1');
    expect(errorOf(`select f(${tree}, 1), 2`).sqlState).toBe('54001');
  });

  it('do not count flat lists', () => {
    const conditions = `select 1 where a = 1${' and a = 1'.repeat(20_000)}`;
    const values = `insert into t values (1)${', (1)'.repeat(20_000)}`;
    for (const text of [conditions, values]) expect(parseStatements(text)).toHaveLength(1);
  });

  it('leave nothing behind after an error', () => {
    for (let i = 0; i < 1000; i++) errorOf('select ((((1 from');
    expect(parseStatements(nest('(', ')', 20))).toHaveLength(1);
  });

  it('take a megabyte, or refuse it', () => {
    expect(parseStatements(`select '${'x'.repeat(1 << 20)}'`)).toHaveLength(1);
    expect(errorOf(`select '${'x'.repeat(1 << 20)}`).sqlState).toBe('42601');
    expect(errorOf('/*'.repeat(1 << 19)).sqlState).toBe('42601');
    expect(errorOf(`select ${'$'.repeat(1 << 20)}a`).sqlState).toBe('42601');
    expect(errorOf('+'.repeat(1 << 20)).sqlState).toBe('42601');
  });
});
