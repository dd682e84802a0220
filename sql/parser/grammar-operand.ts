/**
 * What operators stand between: literals, parameters, names, parentheses, CASE, ARRAY, and the prefix operators
 * themselves (their operand is their own, whatever stands around them).
 */
import type { IToken } from 'chevrotain';
import type {
  CaseBranch,
  Expr,
  Query,
  QueryBody,
  SqlValueFunction,
  TypeName,
  WithClause,
} from './ast.ts';
import { CallGrammar } from './grammar-call.ts';
import { POWER } from './grammar-expression.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

/** What may follow a query in parentheses that turns out to be the first operand of a larger one. */
const QUERY_CONTINUATIONS: ReadonlySet<unknown> = new Set([
  K.union,
  K.intersect,
  K.except,
  K.order,
  K.limit,
  K.offset,
  K.fetch,
  K.for,
]);

/** For the recording of rules, which have no arguments then. */
const NO_TOKEN: IToken = {
  image: '',
  startOffset: 0,
  tokenType: T.Identifier,
  tokenTypeIdx: T.Identifier.tokenTypeIdx ?? 0,
};

export abstract class OperandGrammar extends CallGrammar {
  /** What follows the first operand of a query: set operations, ORDER BY, LIMIT and the rest. */
  protected abstract readonly queryAfter: Rule<
    Query,
    [first: QueryBody, withClause: WithClause | undefined, position: number]
  >;

  protected readonly operand: Rule<Expr, [isRestricted: boolean]> = this.RULE(
    'operand',
    (isRestricted: boolean): Expr =>
      this.OR<Expr>([
        { ALT: () => this.SUBRULE(this.literal) },
        { ALT: () => this.SUBRULE(this.parameter) },
        // Words of these two are names as well, for `nameOperand`: the first alternative takes them.
        { ALT: () => this.SUBRULE(this.special), IGNORE_AMBIGUITIES: true },
        { ALT: () => this.SUBRULE(this.typedLiteral), IGNORE_AMBIGUITIES: true },
        { ALT: () => this.SUBRULE(this.valueFunction) },
        { ALT: () => this.SUBRULE(this.nameOperand) },
        { ALT: () => this.SUBRULE(this.parenthesized) },
        { ALT: () => this.SUBRULE(this.sign, { ARGS: [isRestricted] }) },
        { ALT: () => this.SUBRULE(this.not, { ARGS: [isRestricted] }) },
        { ALT: () => this.SUBRULE(this.caseExpression) },
        { ALT: () => this.SUBRULE(this.castCall) },
        { ALT: () => this.SUBRULE(this.arrayOperand) },
        { ALT: () => ({ kind: 'default', position: this.CONSUME(K.default).startOffset }) },
      ]),
  );

  protected readonly literal: Rule<Expr> = this.RULE('literal', (): Expr =>
    this.OR<Expr>([
      {
        ALT: () => {
          const { image: text, startOffset: position } = this.CONSUME(T.IntegerLiteral);
          return { kind: 'number', text, isInteger: true, position };
        },
      },
      {
        ALT: () => {
          const { image: text, startOffset: position } = this.CONSUME(T.DecimalLiteral);
          return { kind: 'number', text, isInteger: false, position };
        },
      },
      {
        ALT: () => {
          const token = this.CONSUME(T.StringLiteral);
          return { kind: 'string', value: valueOf(token), position: token.startOffset };
        },
      },
      { ALT: () => ({ kind: 'null', position: this.CONSUME(K.null).startOffset }) },
      {
        ALT: () => ({
          kind: 'boolean',
          value: true,
          position: this.CONSUME(K.true).startOffset,
        }),
      },
      {
        ALT: () => ({
          kind: 'boolean',
          value: false,
          position: this.CONSUME(K.false).startOffset,
        }),
      },
      {
        ALT: () => {
          const token = this.CONSUME(T.BitStringLiteral);
          const base = token.image.startsWith('b') || token.image.startsWith('B') ? 'b' : 'x';
          const position = token.startOffset;
          return { kind: 'bit string', base, digits: valueOf(token), position };
        },
      },
    ]),
  );

  protected readonly parameter: Rule<Expr> = this.RULE('parameter', (): Expr => {
    const token = this.CONSUME(T.Parameter);
    const position = token.startOffset;
    const expr: Expr = { kind: 'parameter', index: this.parameterIndex(token), position };
    return this.SUBRULE(this.indirection, { ARGS: [expr] });
  });

  /** `+` and `-`, and other operators before an operand. A sign binds tighter than `^`, others as between operands. */
  protected readonly sign: Rule<Expr, [isRestricted: boolean]> = this.RULE(
    'sign',
    (isRestricted: boolean): Expr => {
      const token = this.CONSUME(T.PrefixOperator);
      const power = token.tokenType === T.Operator ? POWER.operator + 1 : POWER.sign;
      const operand = this.SUBRULE(this.expression, { ARGS: [power, isRestricted] });
      const position = token.startOffset;
      return { kind: 'unary', operator: valueOf(token), schema: undefined, operand, position };
    },
  );

  protected readonly not: Rule<Expr, [isRestricted: boolean]> = this.RULE(
    'not',
    (isRestricted: boolean): Expr => {
      if (isRestricted) throw this.syntaxErrorAt(this.LA(1));
      const position = this.CONSUME(K.not).startOffset;
      const operand = this.SUBRULE(this.expression, { ARGS: [POWER.not, false] });
      return { kind: 'not', operand, position };
    },
  );

  /** COALESCE and its like when a parenthesis follows; else the word is a name. */
  protected readonly special: Rule<Expr> = this.RULE('special', (): Expr =>
    this.OR<Expr>([
      { GATE: () => this.isSecond(T.LeftParen), ALT: () => this.SUBRULE(this.specialCall) },
      {
        ALT: () => {
          const token = this.CONSUME(T.CallKeyword);
          return this.SUBRULE(this.nameTail, { ARGS: [token] });
        },
      },
    ]),
  );

  /** `timestamp '...'`, `interval '1' day`; without a literal, these words are names. */
  protected readonly typedLiteral: Rule<Expr> = this.RULE('typedLiteral', (): Expr =>
    this.OR<Expr>([
      {
        GATE: () => this.#isTypedLiteralNext(),
        ALT: () => {
          const type = this.SUBRULE(this.keywordType);
          // `char 'abc'` keeps its length: only in a column is it `char(1)`.
          const modifiers = this.LA(0).tokenType === T.RightParen ? type.modifiers : [];
          const token = this.CONSUME(T.StringLiteral);
          const fields = this.OPTION({
            GATE: () => type.name === 'interval' && type.schema === 'pg_catalog',
            DEF: () => this.SUBRULE(this.intervalFields),
          });
          const intervalFields = fields ?? type.intervalFields;
          return toTypedLiteral(
            { ...type, modifiers, intervalFields, arrayDimensions: 0 },
            token.startOffset,
            valueOf(token),
          );
        },
      },
      {
        ALT: () => {
          const token = this.CONSUME(T.TypeKeyword);
          return this.SUBRULE(this.nameTail, { ARGS: [token] });
        },
      },
    ]),
  );

  #isTypedLiteralNext(): boolean {
    const second = this.LA(2).tokenType;
    if (this.isNext(K.double)) return second === K.precision;
    if (second === T.StringLiteral || second === T.LeftParen || second === K.varying) return true;
    if (second === K.with || second === K.without) return this.LA(3).tokenType === K.time;
    return this.isNext(K.national) && (second === K.character || second === K.char);
  }

  protected readonly valueFunction: Rule<Expr> = this.RULE('valueFunction', (): Expr => {
    const token = this.CONSUME(T.ValueFunctionKeyword);
    const position = token.startOffset;
    const word = valueOf(token);
    const name = (word === 'user' ? 'current_user' : word) as SqlValueFunction['name'];
    if (name === 'current_schema' && this.isNext(T.LeftParen)) {
      return this.SUBRULE(this.callTail, { ARGS: [[name], position] });
    }
    let precision: number | undefined;
    this.OPTION({
      GATE: () => name.includes('time'),
      DEF: () => {
        this.CONSUME(T.LeftParen);
        precision = Number(this.CONSUME(T.IntegerLiteral).image);
        this.CONSUME(T.RightParen);
      },
    });
    return { kind: 'sql value function', name, precision, position };
  });

  /** What begins with a name: a column, a call, or a literal of a type without words of its own. */
  protected readonly nameOperand: Rule<Expr> = this.RULE('nameOperand', (): Expr => {
    const token = this.OR([
      { ALT: () => this.CONSUME(T.ColumnName) },
      { ALT: () => this.CONSUME(T.TypeFunctionKeyword) },
    ]);
    // Words like LEFT are names of functions and types only.
    const isCallable = T.TYPE_FUNCTION_KEYWORDS.has(token.tokenType);
    if (isCallable && !this.isNext(T.LeftParen) && !this.isNext(T.StringLiteral)) {
      throw this.syntaxErrorAt(this.LA(1));
    }
    return this.SUBRULE(this.nameTail, { ARGS: [token] });
  });

  /** Words like TIMESTAMP or POSITION name columns, and functions only behind a schema. */
  protected readonly nameTail: Rule<Expr, [first: IToken]> = this.RULE(
    'nameTail',
    (first: IToken = NO_TOKEN): Expr => {
      const position = first.startOffset;
      const parts = [valueOf(first)];
      const isFunction = T.TYPE_FUNCTION_NAMES.has(first.tokenType);
      let isStar = false as boolean;
      this.MANY({
        GATE: () => !isStar,
        DEF: () => {
          this.CONSUME(T.Dot);
          this.OR([
            {
              ALT: () => {
                this.CONSUME(T.Star);
                isStar = true;
              },
            },
            { ALT: () => parts.push(valueOf(this.CONSUME(T.ColumnLabel))) },
          ]);
        },
      });
      const call = this.OPTION({
        GATE: () => !isStar && (isFunction || parts.length > 1),
        DEF: () => this.SUBRULE(this.callTail, { ARGS: [parts, position] }),
      });
      if (!this.RECORDING_PHASE && call !== undefined) return call;
      const literal = this.OPTION1({
        GATE: () => !isStar && (isFunction || parts.length > 1),
        DEF: () => this.CONSUME(T.StringLiteral),
      });
      if (!this.RECORDING_PHASE && literal !== undefined) {
        const { schema, name } = this.toQualifiedName(parts, position);
        const rest = { modifiers: [], intervalFields: undefined, arrayDimensions: 0, position };
        return toTypedLiteral({ schema, name, ...rest }, literal.startOffset, valueOf(literal));
      }
      const subscripted = this.OPTION2({
        GATE: () => !isStar,
        DEF: () =>
          this.SUBRULE(this.subscripts, { ARGS: [{ kind: 'column ref', parts, position }] }),
      });
      if (subscripted !== undefined) return subscripted;
      if (isStar) return { kind: 'star ref', qualifier: parts, position };
      return { kind: 'column ref', parts, position };
    },
  );

  /** `[1]`, `.field` and `.*` behind what is no plain name. */
  protected readonly indirection: Rule<Expr, [operand: Expr]> = this.RULE(
    'indirection',
    (operand: Expr): Expr => {
      let result = operand;
      this.MANY(() => {
        result = this.OR<Expr>([
          { ALT: () => this.SUBRULE(this.subscripts, { ARGS: [result] }) },
          { ALT: () => this.SUBRULE(this.fieldSuffix, { ARGS: [result] }) },
        ]);
        this.grow();
      });
      return result;
    },
  );

  protected readonly fieldSuffix: Rule<Expr, [operand: Expr]> = this.RULE(
    'fieldSuffix',
    (operand: Expr): Expr => {
      const position = this.CONSUME(T.Dot).startOffset;
      const name = this.OR([
        { ALT: () => (this.CONSUME(T.Star), undefined) },
        { ALT: () => valueOf(this.CONSUME(T.ColumnLabel)) },
      ]);
      return { kind: 'field', operand, name, position };
    },
  );

  /** `[i]` or `[i:j]`, once or more. */
  protected readonly subscripts: Rule<Expr, [operand: Expr]> = this.RULE(
    'subscripts',
    (operand: Expr): Expr => {
      let result = operand;
      this.AT_LEAST_ONE(() => {
        const position = this.CONSUME(T.LeftBracket).startOffset;
        const first = this.OPTION(() => this.SUBRULE(this.expr));
        const colon = this.OPTION1(() => this.CONSUME(T.Colon));
        const second = this.OPTION2({
          GATE: () => colon !== undefined,
          DEF: () => this.SUBRULE1(this.expr),
        });
        const isSlice = colon !== undefined;
        if (!isSlice && first === undefined) throw this.syntaxErrorAt(this.LA(1));
        this.CONSUME(T.RightBracket);
        const [lower, upper] = isSlice ? [first, second] : [undefined, first];
        result = { kind: 'subscript', operand: result, isSlice, lower, upper, position };
        this.grow();
      });
      return result;
    },
  );

  /** A subquery, an expression, or a row, and what may follow its parenthesis. */
  protected readonly parenthesized: Rule<Expr> = this.RULE('parenthesized', (): Expr => {
    const position = this.CONSUME(T.LeftParen).startOffset;
    const expr = this.OR<Expr>([
      {
        GATE: () => this.isQueryNext(),
        ALT: () => ({ kind: 'scalar subquery', query: this.SUBRULE(this.query), position }),
      },
      { ALT: () => this.SUBRULE(this.parenthesizedList, { ARGS: [position] }) },
    ]);
    this.CONSUME(T.RightParen);
    return this.SUBRULE(this.indirection, { ARGS: [expr] });
  });

  protected readonly parenthesizedList: Rule<Expr, [position: number]> = this.RULE(
    'parenthesizedList',
    (position: number): Expr => {
      const first = this.SUBRULE(this.expr);
      const query = this.OPTION({
        GATE: () => first.kind === 'scalar subquery' && this.#isQueryContinued(),
        DEF: () => {
          const inner = first as Extract<Expr, { kind: 'scalar subquery' }>;
          return this.SUBRULE(this.queryAfter, { ARGS: [inner.query, undefined, position] });
        },
      });
      if (!this.RECORDING_PHASE && query !== undefined) {
        return { kind: 'scalar subquery', query, position };
      }
      const rest = this.OPTION1(() => {
        this.CONSUME(T.Comma);
        return this.SUBRULE(this.expressionList);
      });
      if (rest === undefined) return first;
      return { kind: 'row', fields: [first, ...this.list(rest)], position };
    },
  );

  #isQueryContinued(): boolean {
    return QUERY_CONTINUATIONS.has(this.LA(1).tokenType);
  }

  protected readonly caseExpression: Rule<Expr> = this.RULE('caseExpression', (): Expr => {
    const position = this.CONSUME(K.case).startOffset;
    const operand = this.OPTION(() => this.SUBRULE(this.expr));
    const branches: CaseBranch[] = [];
    this.AT_LEAST_ONE(() => {
      this.CONSUME(K.when);
      const when = this.SUBRULE1(this.expr);
      this.CONSUME(K.then);
      branches.push({ when, then: this.SUBRULE2(this.expr) });
    });
    const otherwise = this.OPTION1(() => {
      this.CONSUME(K.else);
      return this.SUBRULE3(this.expr);
    });
    this.CONSUME(K.end);
    return { kind: 'case', operand, branches, otherwise, position };
  });

  protected readonly castCall: Rule<Expr> = this.RULE('castCall', (): Expr => {
    const position = this.CONSUME(K.cast).startOffset;
    this.CONSUME(T.LeftParen);
    const operand = this.SUBRULE(this.expr);
    this.CONSUME(K.as);
    const type = this.SUBRULE(this.typeName);
    this.CONSUME(T.RightParen);
    return { kind: 'cast', operand, type, position };
  });

  protected readonly arrayOperand: Rule<Expr> = this.RULE('arrayOperand', (): Expr => {
    const position = this.CONSUME(K.array).startOffset;
    return this.OR<Expr>([
      {
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const query = this.SUBRULE(this.query);
          this.CONSUME(T.RightParen);
          return { kind: 'array subquery', query, position };
        },
      },
      { ALT: () => this.SUBRULE(this.arrayElements, { ARGS: [position] }) },
    ]);
  });

  /** `[a, b]`, where elements may be further lists without the word ARRAY. */
  protected readonly arrayElements: Rule<Expr, [position: number]> = this.RULE(
    'arrayElements',
    (position: number): Expr => {
      const outer = this.enter();
      this.CONSUME(T.LeftBracket);
      const elements: Expr[] = [];
      this.MANY_SEP({
        SEP: T.Comma,
        DEF: () => {
          elements.push(
            this.OR<Expr>([
              { ALT: () => this.SUBRULE(this.arrayElements, { ARGS: [this.here()] }) },
              { ALT: () => this.SUBRULE(this.expr) },
            ]),
          );
        },
      });
      this.CONSUME(T.RightBracket);
      this.leave(outer);
      return { kind: 'array', elements, position };
    },
  );
}

function toTypedLiteral(type: TypeName, position: number, value: string): Expr {
  return {
    kind: 'cast',
    operand: { kind: 'string', value, position },
    type,
    position: type.position,
  };
}
