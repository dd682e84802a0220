/**
 * The parser as a whole: text of any kind is parsed or refused with `SqlError`; printed expressions parse back to
 * themselves; a lifted statement with its values put back is the statement.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SqlError } from '../../../sql/errors/sql-error.ts';
import { KEYWORD_CLASSES } from '../../../sql/parser/keywords.ts';
import { liftLiterals } from '../../../sql/parser/literals.ts';
import type { LiftedStatement } from '../../../sql/parser/literals.ts';
import { parseExpression, parseStatements } from '../../../sql/parser/parse.ts';
import { printExpression } from '../../../sql/parser/print.ts';
import { scan } from '../../../sql/parser/scanner.ts';

const RUNS = { numRuns: 1000 };

const words = [...KEYWORD_CLASSES.keys()];
const symbols =
  '( ) [ ] , ; . .. : :: := => + - * / % ^ < > = <= >= <> != || ~ -> @> ? $1 $2'.split(' ');
const literals = [
  "'a'",
  "'it''s'",
  '1',
  '1.5',
  '.5',
  '1e5',
  "E'\\n'",
  "b'1'",
  '$$x$$',
  '"Q"',
  'a',
  'b',
  't',
];
const broken = [
  "'",
  '"',
  '/*',
  '*/',
  '--',
  '$a$',
  '\\',
  '{',
  '1a',
  "E'\\u00",
  'U&"x"',
  '""',
  '@',
  '\u{1f600}',
];
const token = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...words) },
  { weight: 4, arbitrary: fc.constantFrom(...symbols) },
  { weight: 3, arbitrary: fc.constantFrom(...literals) },
  { weight: 1, arbitrary: fc.constantFrom(...broken) },
);
const starts = fc.constantFrom(
  'select ',
  'select a from ',
  'insert into t ',
  'update t set a = ',
  'delete from t ',
  'create table t (a ',
  'create index ',
  'alter table t ',
  'alter ',
  'drop ',
  'set ',
  'show ',
  'copy ',
  'explain ',
  'with a as ',
  'begin ',
  'fetch ',
  'declare c ',
  'vacuum ',
  'prepare p ',
  'comment on ',
  'select 1 from t where ',
  '',
);

function parseOrRefuse(text: string): void {
  try {
    parseStatements(text);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const characters = Array.from(text).length;
    if (error.position !== undefined) {
      expect(error.position).toBeGreaterThanOrEqual(1);
      expect(error.position).toBeLessThanOrEqual(characters + 1);
    }
  }
}

describe('any text', () => {
  it('of tokens is parsed or refused', () => {
    const soup = fc.tuple(starts, fc.array(token, { maxLength: 25 }));
    fc.assert(
      fc.property(soup, ([start, tokens]) => parseOrRefuse(start + tokens.join(' '))),
      RUNS,
    );
  });

  it('of characters is parsed or refused, and not lifted wrongly', () => {
    const character = fc.constantFrom(
      ...'abceEuUx$\'"\\/*-+.:;,()[]&= \n019\u00e4\u0000'.split(''),
    );
    const text = fc.oneof(fc.string(), fc.string({ unit: character, maxLength: 60 }));
    fc.assert(
      fc.property(starts, text, (start, rest) => {
        parseOrRefuse(start + rest);
        liftLiterals(start + rest);
      }),
      RUNS,
    );
  });

  it('has tokens in order that do not overlap', () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 25 }), (tokens) => {
        const text = tokens.join('');
        let end = -1;
        for (const { startOffset, endOffset, image } of scan(text)) {
          expect(startOffset).toBeGreaterThan(end);
          end = endOffset ?? NaN;
          expect(text.slice(startOffset, end + 1)).toBe(image);
        }
      }),
      RUNS,
    );
  });
});

const constant = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '7',
    '2147483647',
    '2147483648',
    '99999999999999999999',
    '1.50',
    '1e5',
    '-5',
    '-2.5',
  ),
  fc.constantFrom("'x'", "'it''s'", "''", "'a b(c'", "'--'"),
  fc.constantFrom(
    'null',
    'true',
    "date '2020-01-01'",
    "interval '1' day",
    "'5'::int",
    '5::text',
    "e'x'",
  ),
);
const column = fc.constantFrom(
  'a',
  'b',
  't.a',
  '"Q"',
  'u."order"',
  'position',
  'ordinality',
  '"limit"',
);

const { expression } = fc.letrec<{ expression: string; leaf: string }>((tie) => ({
  leaf: fc.oneof(constant, column),
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(
        tie('expression'),
        fc.constantFrom(
          '+',
          '-',
          '*',
          '/',
          '^',
          '||',
          '=',
          '<>',
          '<',
          'and',
          'or',
          '->',
          '=-',
          '@>',
        ),
        tie('expression'),
      )
      .map(([left, operator, right]) => `(${left}) ${operator} (${right})`),
    fc
      .tuple(tie('leaf'), fc.constantFrom('+', '-', '*', '<', '= -', '=-'), tie('leaf'))
      .map(([l, o, r]) => `${l} ${o} ${r}`),
    tie('expression').map((operand) => `- (${operand})`),
    tie('expression').map((operand) => `not (${operand})`),
    tie('expression').map((operand) => `(${operand}) is not null`),
    tie('expression').map((operand) => `(${operand})::numeric(10,2)`),
    tie('expression').map((operand) => `cast(${operand} as varchar(3))`),
    fc.tuple(tie('leaf'), tie('leaf')).map(([low, high]) => `a between ${low} and ${high}`),
    fc
      .array(tie('expression'), { minLength: 1, maxLength: 3 })
      .map((items) => `a in (${items.join(', ')})`),
    fc.array(tie('expression'), { maxLength: 3 }).map((items) => `f(${items.join(',')})`),
    fc
      .array(tie('expression'), { minLength: 1, maxLength: 3 })
      .map((items) => `coalesce(${items.join(',')})`),
    fc
      .tuple(tie('expression'), tie('leaf'))
      .map(([when, then]) => `case when ${when} then ${then} else 5 end`),
    fc
      .tuple(tie('leaf'), tie('leaf'))
      .map(([pattern, escape]) => `a not like ${pattern} escape ${escape}`),
    tie('leaf').map((leaf) => `substring(a from ${leaf} for 5)`),
    tie('leaf').map((leaf) => `a at time zone ${leaf}`),
    tie('leaf').map((leaf) => `row(${leaf}, 5)`),
    tie('leaf').map((leaf) => `a = any (array[${leaf}, 5])`),
    tie('leaf').map((leaf) => `(${leaf}) is distinct from 5`),
  ),
}));

/** Without positions. */
function unplaced(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, field: unknown) => (key === 'position' ? undefined : field)),
  );
}

/** Without positions, and with signs as part of their numbers, as lifting has them. */
function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'position');
  const node = Object.fromEntries(entries.map(([key, child]) => [key, normal(child)]));
  const operand = node['operand'] as Record<string, unknown> | undefined;
  if (node['kind'] === 'unary' && node['operator'] === '-' && operand?.['kind'] === 'number') {
    return { ...operand, text: negated(String(operand['text'])) };
  }
  return node;
}

function negated(text: string): string {
  return text.startsWith('-') ? text.slice(1) : `-${text}`;
}

describe('printing', () => {
  it('keeps the tree', () => {
    fc.assert(
      fc.property(expression, (text) => {
        const tree = parseExpression(text);
        const printed = printExpression(tree);
        expect(unplaced(parseExpression(printed)), printed).toEqual(unplaced(tree));
      }),
      RUNS,
    );
  });
});

/** The lifted statement's tree with its values where the parameters are. */
function putBack(lifted: LiftedStatement): unknown {
  const trees = parseStatements(lifted.text).map((each) => each.statement);
  return JSON.parse(
    JSON.stringify(trees, (_key, value: unknown) => {
      const node = value as { kind?: unknown; index?: number } | null;
      if (node?.kind !== 'parameter' || node.index === undefined) return value;
      const content = lifted.values[node.index - 1];
      const kind = lifted.kinds.charAt(node.index - 1);
      if (kind === 's') return { kind: 'string', value: content };
      return { kind: 'number', text: String(content), isInteger: !/[.e]/u.test(String(content)) };
    }),
  );
}

describe('lifting', () => {
  const statement = fc.oneof(
    fc
      .tuple(expression, expression)
      .map(
        ([item, filter]) =>
          `select ${item} x, 5 from t where ${filter} order by 1, ${item} limit 5`,
      ),
    fc
      .tuple(expression, expression)
      .map(([value, filter]) => `update t set a = ${value}, b = 5 where ${filter};`),
    fc
      .tuple(expression, expression)
      .map(
        ([left, right]) =>
          `insert into t (a, b) values (${left}, 5), (5, ${right}) on conflict (a) where a > 5 do update set a = ${right}`,
      ),
    fc
      .tuple(expression, expression)
      .map(
        ([filter, inner]) =>
          `delete from t where ${filter} and exists (select 5 from u where ${inner} limit 5) and a = -5`,
      ),
    fc
      .tuple(expression, expression)
      .map(
        ([on, sub]) =>
          `select (select 5 order by 5), t.b from t left join u on ${on} join (values (5, 'x')) v (a, b) on ${sub}`,
      ),
  );

  it('keeps the meaning', () => {
    let liftedCount = 0;
    fc.assert(
      fc.property(statement, (text) => {
        const lifted = liftLiterals(text);
        if (lifted === undefined) return;
        liftedCount++;
        const original = JSON.parse(
          JSON.stringify(parseStatements(text).map((each) => each.statement)),
        );
        expect(normal(putBack(lifted)), lifted.text).toEqual(normal(original));
        expect(lifted.kinds).toHaveLength(lifted.values.length);
      }),
      RUNS,
    );
    expect(liftedCount).toBeGreaterThan(RUNS.numRuns / 2);
  });

  it('keeps what tokens could be: a lifted soup is the original', () => {
    const dml = fc.constantFrom(
      'select ',
      'select a from t where ',
      'update t set a = ',
      'insert into t values ',
    );
    const soup = fc.tuple(dml, fc.array(token, { maxLength: 12 }));
    fc.assert(
      fc.property(soup, ([start, tokens]) => {
        const text = start + tokens.join(' ');
        const lifted = liftLiterals(text);
        if (lifted === undefined) return;
        let original: unknown;
        try {
          original = parseStatements(text).map((each) => each.statement);
        } catch {
          return;
        }
        expect(normal(putBack(lifted)), lifted.text).toEqual(
          normal(JSON.parse(JSON.stringify(original))),
        );
      }),
      { numRuns: 20_000 },
    );
  });
});
