/**
 * Expressions: one rule that climbs Postgres' table of operator precedence (chapter 4.1.6), and the operands that
 * have a syntax of their own. Calls with special words are in `grammar-call.ts`.
 *
 * `expression(min, restricted)` parses operators that bind at least as tightly as `min`. The restricted form is
 * Postgres' b_expr: no AND, OR, NOT, IN, LIKE, BETWEEN or IS NULL at its top, for BETWEEN's lower bound, DEFAULT
 * and POSITION, where one of those words follows.
 */
import type { IToken } from 'chevrotain';
import type { Expr, Like, QualifiedName, Query } from './ast.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import { TypeGrammar } from './grammar-type.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

/** How tightly operators bind, from OR up; `POWER.not` is the prefix NOT. */
export const POWER = {
  or: 1,
  and: 2,
  not: 3,
  is: 4,
  comparison: 5,
  like: 6,
  operator: 8,
  sum: 9,
  product: 10,
  power: 11,
  at: 12,
  collate: 13,
  sign: 14,
  subscript: 15,
  cast: 16,
} as const;

/** By token type; 0 is no infix operator. */
const POWERS = new Map([
  [K.or, POWER.or],
  [K.and, POWER.and],
  [K.is, POWER.is],
  [K.isnull, POWER.is],
  [K.notnull, POWER.is],
  [T.Less, POWER.comparison],
  [T.Greater, POWER.comparison],
  [T.Equals, POWER.comparison],
  [T.LessEquals, POWER.comparison],
  [T.GreaterEquals, POWER.comparison],
  [T.NotEquals, POWER.comparison],
  [K.between, POWER.like],
  [K.in, POWER.like],
  [K.like, POWER.like],
  [K.ilike, POWER.like],
  [K.similar, POWER.like],
  [K.overlaps, POWER.operator],
  [T.Operator, POWER.operator],
  [T.Plus, POWER.sum],
  [T.Minus, POWER.sum],
  [T.Star, POWER.product],
  [T.Slash, POWER.product],
  [T.Percent, POWER.product],
  [T.Caret, POWER.power],
  [K.collate, POWER.collate],
  [T.TypeCast, POWER.cast],
]);
const POWER_BY_TYPE: number[] = [];
for (const [type, power] of POWERS) POWER_BY_TYPE[type.tokenTypeIdx ?? 0] = power;

/** After which NOT stands between operands. */
const NEGATABLE: ReadonlySet<unknown> = new Set([K.between, K.in, K.like, K.ilike, K.similar]);

const NO_POWER = 0;

/** For the recording of rules, which have no arguments then. */
const PLACEHOLDER: Expr = { kind: 'null', position: 0 };

export abstract class ExpressionGrammar extends TypeGrammar {
  protected abstract readonly query: Rule<Query>;
  protected abstract readonly operand: Rule<Expr, [isRestricted: boolean]>;

  protected readonly expression: Rule<Expr, [min: number, isRestricted: boolean]> = this.RULE(
    'expression',
    (min: number, isRestricted: boolean): Expr => {
      const outer = this.enter();
      let left = this.SUBRULE(this.operand, { ARGS: [isRestricted] });
      let forbidden = NO_POWER;
      this.MANY({
        GATE: () => {
          const power = this.#infixPower(isRestricted);
          if (power < min || power === NO_POWER) return false;
          if (power === forbidden) throw this.syntaxErrorAt(this.LA(1));
          return true;
        },
        DEF: () => {
          left = this.SUBRULE(this.infix, { ARGS: [left, isRestricted] });
          forbidden = nonAssociativePower(left);
          this.grow();
        },
      });
      this.leave(outer);
      return left;
    },
  );

  /** Any expression: what `a_expr` is in Postgres' grammar. */
  protected readonly expr: Rule<Expr> = this.RULE('expr', (): Expr =>
    this.SUBRULE(this.expression, { ARGS: [POWER.or, false] }),
  );

  protected readonly expressionList: Rule<Expr[]> = this.RULE('expressionList', (): Expr[] => {
    const list: Expr[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        list.push(this.SUBRULE(this.expr));
      },
    });
    return list;
  });

  /** How tightly the next token binds to what stands left of it; 0 when it is no operator here. */
  #infixPower(isRestricted: boolean): number {
    const token = this.LA(1);
    const power = POWER_BY_TYPE[token.tokenTypeIdx];
    if (power === undefined) return this.#wordPower(token, isRestricted);
    if (!isRestricted) return power;
    if (power === POWER.is) return this.#isDistinctNext() ? power : NO_POWER;
    const isWord = power < POWER.is || power === POWER.like || power === POWER.collate;
    return isWord ? NO_POWER : power;
  }

  /** The power of words that are operators only together with the next one. */
  #wordPower(token: IToken, isRestricted: boolean): number {
    if (token.tokenType === K.operator) return this.isSecond(T.LeftParen) ? POWER.operator : 0;
    if (isRestricted) return NO_POWER;
    if (token.tokenType === K.not) return NEGATABLE.has(this.LA(2).tokenType) ? POWER.like : 0;
    return token.tokenType === K.at && this.isSecond(K.time) ? POWER.at : NO_POWER;
  }

  #isDistinctNext(): boolean {
    const second = this.isSecond(K.not) ? this.LA(3) : this.LA(2);
    return this.isNext(K.is) && second.tokenType === K.distinct;
  }

  /** One operator and what stands right of it. */
  protected readonly infix: Rule<Expr, [left: Expr, isRestricted: boolean]> = this.RULE(
    'infix',
    (left: Expr, isRestricted: boolean): Expr =>
      this.OR([
        { ALT: () => this.SUBRULE(this.symbolOperation, { ARGS: [left, isRestricted] }) },
        { ALT: () => this.SUBRULE(this.namedOperation, { ARGS: [left, isRestricted] }) },
        { ALT: () => this.SUBRULE(this.castSuffix, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.conjunction, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.disjunction, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.isTest, { ARGS: [left, isRestricted] }) },
        { ALT: () => this.SUBRULE(this.nullTestWord, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.membership, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.atTimeZone, { ARGS: [left] }) },
        { ALT: () => this.SUBRULE(this.collateSuffix, { ARGS: [left] }) },
        {
          ALT: () => {
            this.refuse(this.CONSUME(K.overlaps).startOffset, 'OVERLAPS');
            return left;
          },
        },
      ]),
  );

  protected readonly symbolOperation: Rule<Expr, [left: Expr, isRestricted: boolean]> = this.RULE(
    'symbolOperation',
    (left: Expr, isRestricted: boolean): Expr => {
      const token = this.CONSUME(T.InfixOperator);
      const power = POWER_BY_TYPE[token.tokenTypeIdx] ?? POWER.operator;
      return this.SUBRULE(this.operatorTail, {
        ARGS: [left, valueOf(token), undefined, token.startOffset, power, isRestricted],
      });
    },
  );

  /** `OPERATOR(schema.op)` */
  protected readonly namedOperation: Rule<Expr, [left: Expr, isRestricted: boolean]> = this.RULE(
    'namedOperation',
    (left: Expr, isRestricted: boolean): Expr => {
      const position = this.here();
      const { schema, symbol } = this.SUBRULE(this.operatorName);
      return this.SUBRULE(this.operatorTail, {
        ARGS: [left, symbol, schema, position, POWER.operator, isRestricted],
      });
    },
  );

  protected readonly operatorName: Rule<{ schema: string | undefined; symbol: string }> = this.RULE(
    'operatorName',
    (): { schema: string | undefined; symbol: string } => {
      this.CONSUME(K.operator);
      this.CONSUME(T.LeftParen);
      let schema: string | undefined;
      this.MANY(() => {
        schema = valueOf(this.CONSUME(T.ColumnName));
        this.CONSUME(T.Dot);
      });
      const symbol = valueOf(this.CONSUME(T.InfixOperator));
      this.CONSUME(T.RightParen);
      return { schema, symbol };
    },
  );

  /** The right side of an operator: an operand, or ANY, SOME, ALL and a subquery or array. */
  protected readonly operatorTail: Rule<
    Expr,
    [
      left: Expr,
      operator: string,
      schema: string | undefined,
      position: number,
      power: number,
      isRestricted: boolean,
    ]
  > = this.RULE(
    'operatorTail',
    (
      left: Expr,
      operator: string,
      schema: string | undefined,
      position: number,
      power: number,
      isRestricted: boolean,
    ): Expr =>
      this.OR<Expr>([
        {
          ALT: () => {
            const { quantifier, right } = this.SUBRULE(this.quantifiedOperand);
            return { kind: 'quantified', operator, schema, left, quantifier, right, position };
          },
        },
        {
          ALT: () => {
            const right = this.SUBRULE(this.expression, { ARGS: [power + 1, isRestricted] });
            return { kind: 'binary', operator, schema, left, right, position };
          },
        },
      ]),
  );

  protected readonly quantifiedOperand: Rule<{ quantifier: 'any' | 'all'; right: Expr | Query }> =
    this.RULE('quantifiedOperand', (): { quantifier: 'any' | 'all'; right: Expr | Query } => {
      const quantifier = this.OR<'any' | 'all'>([
        { ALT: () => (this.CONSUME(K.any), 'any') },
        { ALT: () => (this.CONSUME(K.some), 'any') },
        { ALT: () => (this.CONSUME(K.all), 'all') },
      ]);
      this.CONSUME(T.LeftParen);
      const right = this.SUBRULE(this.queryOrExpression);
      this.CONSUME(T.RightParen);
      return { quantifier, right };
    });

  /** Inside parentheses that may hold either. */
  protected readonly queryOrExpression: Rule<Expr | Query> = this.RULE(
    'queryOrExpression',
    (): Expr | Query =>
      this.OR<Expr | Query>([
        { GATE: () => this.isQueryNext(), ALT: () => this.SUBRULE(this.query) },
        {
          ALT: () => {
            const expr = this.SUBRULE(this.expr);
            // Doubled parentheses around a query.
            return expr.kind === 'scalar subquery' ? expr.query : expr;
          },
        },
      ]),
  );

  protected isQueryNext(): boolean {
    const type = this.LA(1).tokenType;
    return type === K.select || type === K.values || type === K.with || type === K.table;
  }

  protected readonly castSuffix: Rule<Expr, [operand: Expr]> = this.RULE(
    'castSuffix',
    (operand: Expr): Expr => {
      const position = this.CONSUME(T.TypeCast).startOffset;
      const type = this.SUBRULE(this.typeName);
      return { kind: 'cast', operand, type, position };
    },
  );

  protected readonly conjunction: Rule<Expr, [left: Expr]> = this.RULE(
    'conjunction',
    (left: Expr = PLACEHOLDER): Expr => {
      const position = this.here();
      const operands = left.kind === 'and' ? [...left.operands] : [left];
      this.AT_LEAST_ONE(() => {
        this.CONSUME(K.and);
        operands.push(this.SUBRULE(this.expression, { ARGS: [POWER.and + 1, false] }));
      });
      return { kind: 'and', operands, position };
    },
  );

  protected readonly disjunction: Rule<Expr, [left: Expr]> = this.RULE(
    'disjunction',
    (left: Expr = PLACEHOLDER): Expr => {
      const position = this.here();
      const operands = left.kind === 'or' ? [...left.operands] : [left];
      this.AT_LEAST_ONE(() => {
        this.CONSUME(K.or);
        operands.push(this.SUBRULE(this.expression, { ARGS: [POWER.or + 1, false] }));
      });
      return { kind: 'or', operands, position };
    },
  );

  protected readonly nullTestWord: Rule<Expr, [operand: Expr]> = this.RULE(
    'nullTestWord',
    (operand: Expr): Expr => {
      const position = this.here();
      const negated = this.OR([
        { ALT: () => (this.CONSUME(K.isnull), false) },
        { ALT: () => (this.CONSUME(K.notnull), true) },
      ]);
      return { kind: 'is null', operand, negated, position };
    },
  );

  protected readonly isTest: Rule<Expr, [operand: Expr, isRestricted: boolean]> = this.RULE(
    'isTest',
    (operand: Expr, isRestricted: boolean): Expr => {
      const position = this.CONSUME(K.is).startOffset;
      const negated = this.OPTION(() => this.CONSUME(K.not)) !== undefined;
      return this.OR<Expr>([
        {
          ALT: () => {
            this.CONSUME(K.null);
            return { kind: 'is null', operand, negated, position };
          },
        },
        {
          ALT: () => {
            const value = this.SUBRULE(this.truthValue);
            return { kind: 'is boolean', operand, value, negated, position };
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.distinct);
            this.CONSUME(K.from);
            const right = this.SUBRULE(this.expression, { ARGS: [POWER.is + 1, isRestricted] });
            return { kind: 'is distinct', left: operand, right, negated, position };
          },
        },
        { ALT: () => this.SUBRULE(this.refusedTest, { ARGS: [operand] }) },
      ]);
    },
  );

  protected readonly truthValue: Rule<boolean | undefined> = this.RULE(
    'truthValue',
    (): boolean | undefined =>
      this.OR([
        { ALT: () => (this.CONSUME(K.true), true) },
        { ALT: () => (this.CONSUME(K.false), false) },
        { ALT: () => (this.CONSUME(K.unknown), undefined) },
      ]),
  );

  protected readonly refusedTest: Rule<Expr, [operand: Expr]> = this.RULE(
    'refusedTest',
    (operand: Expr): Expr => {
      const token = this.OR([
        { ALT: () => this.CONSUME(K.document) },
        { ALT: () => this.CONSUME(K.normalized) },
      ]);
      this.refuse(token.startOffset, `IS ${valueOf(token).toUpperCase()}`);
      return operand;
    },
  );

  /** `[NOT] BETWEEN | IN | LIKE | ILIKE | SIMILAR TO` */
  protected readonly membership: Rule<Expr, [operand: Expr]> = this.RULE(
    'membership',
    (operand: Expr): Expr => {
      const position = this.here();
      const negated = this.OPTION(() => this.CONSUME(K.not)) !== undefined;
      return this.OR([
        { ALT: () => this.SUBRULE(this.between, { ARGS: [operand, negated, position] }) },
        { ALT: () => this.SUBRULE(this.inTail, { ARGS: [operand, negated, position] }) },
        { ALT: () => this.SUBRULE(this.likeTail, { ARGS: [operand, negated, position] }) },
        {
          ALT: () => {
            const token = this.CONSUME(K.similar);
            this.refuse(token.startOffset, 'SIMILAR TO', 'Use LIKE or the operator ~.');
            return operand;
          },
        },
      ]);
    },
  );

  protected readonly between: Rule<Expr, [operand: Expr, negated: boolean, position: number]> =
    this.RULE('between', (operand: Expr, negated: boolean, position: number): Expr => {
      this.CONSUME(K.between);
      let symmetric = false;
      this.OPTION(() => {
        symmetric = this.OR([
          { ALT: () => (this.CONSUME(K.symmetric), true) },
          { ALT: () => (this.CONSUME(K.asymmetric), false) },
        ]);
      });
      const low = this.SUBRULE(this.expression, { ARGS: [POWER.is, true] });
      this.CONSUME(K.and);
      const high = this.SUBRULE1(this.expression, { ARGS: [POWER.like + 1, false] });
      return { kind: 'between', operand, low, high, symmetric, negated, position };
    });

  protected readonly inTail: Rule<Expr, [operand: Expr, negated: boolean, position: number]> =
    this.RULE('inTail', (operand: Expr, negated: boolean, position: number): Expr => {
      this.CONSUME(K.in);
      this.CONSUME(T.LeftParen);
      const content = this.OR<Query | Expr[]>([
        { GATE: () => this.isQueryNext(), ALT: () => this.SUBRULE(this.query) },
        { ALT: () => this.SUBRULE(this.expressionList) },
      ]);
      this.CONSUME(T.RightParen);
      if (!Array.isArray(content)) {
        return { kind: 'in subquery', operand, query: content, negated, position };
      }
      const [first] = content;
      // Doubled parentheses around a query.
      if (content.length === 1 && first?.kind === 'scalar subquery') {
        return { kind: 'in subquery', operand, query: first.query, negated, position };
      }
      return { kind: 'in list', operand, items: content, negated, position };
    });

  protected readonly likeTail: Rule<Expr, [operand: Expr, negated: boolean, position: number]> =
    this.RULE('likeTail', (operand: Expr, negated: boolean, position: number): Expr => {
      const caseInsensitive = this.OR([
        { ALT: () => (this.CONSUME(K.like), false) },
        { ALT: () => (this.CONSUME(K.ilike), true) },
      ]);
      return this.OR1<Expr>([
        {
          ALT: () => {
            const { quantifier, right } = this.SUBRULE(this.quantifiedOperand);
            const operator = `${negated ? '!' : ''}~~${caseInsensitive ? '*' : ''}`;
            const schema = undefined;
            const left = operand;
            return { kind: 'quantified', operator, schema, left, quantifier, right, position };
          },
        },
        {
          ALT: (): Like => {
            const pattern = this.SUBRULE(this.expression, { ARGS: [POWER.like + 1, false] });
            const escape = this.OPTION(() => {
              this.CONSUME(K.escape);
              return this.SUBRULE1(this.expression, { ARGS: [POWER.like + 1, false] });
            });
            return { kind: 'like', operand, pattern, escape, caseInsensitive, negated, position };
          },
        },
      ]);
    });

  /** `x AT TIME ZONE z` is `timezone(z, x)`. */
  protected readonly atTimeZone: Rule<Expr, [operand: Expr]> = this.RULE(
    'atTimeZone',
    (operand: Expr): Expr => {
      const position = this.CONSUME(K.at).startOffset;
      this.CONSUME(K.time);
      this.CONSUME(K.zone);
      const zone = this.SUBRULE(this.expression, { ARGS: [POWER.at + 1, false] });
      return builtInCall('timezone', [zone, operand], position);
    },
  );

  protected readonly collateSuffix: Rule<Expr, [operand: Expr]> = this.RULE(
    'collateSuffix',
    (operand: Expr): Expr => {
      const position = this.CONSUME(K.collate).startOffset;
      const collation: QualifiedName = this.SUBRULE(this.qualifiedName);
      return { kind: 'collate', operand, collation, position };
    },
  );
}

/** The call that special syntax stands for. */
export function builtInCall(name: string, args: readonly Expr[], position: number): Expr {
  return {
    kind: 'function call',
    schema: 'pg_catalog',
    name,
    args,
    argNames: [],
    isStar: false,
    isDistinct: false,
    isVariadic: false,
    orderBy: [],
    withinGroup: [],
    filter: undefined,
    over: undefined,
    position,
  };
}

/** The power that may not follow `node` in a row: `a < b < c` is a syntax error. */
function nonAssociativePower(node: Expr): number {
  switch (node.kind) {
    case 'binary':
      return COMPARISONS.has(node.operator) && node.schema === undefined
        ? POWER.comparison
        : NO_POWER;
    case 'is distinct':
      return POWER.is;
    case 'between':
    case 'like':
      return POWER.like;
    default:
      return NO_POWER;
  }
}

const COMPARISONS: ReadonlySet<string> = new Set(['<', '>', '=', '<=', '>=', '<>']);
