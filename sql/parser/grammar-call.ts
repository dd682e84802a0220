/**
 * Function calls, and the calls with words of their own (EXTRACT, TRIM, ...), which become what Postgres makes of
 * them: see `FunctionCall` in `ast.ts`.
 */
import type { IToken } from 'chevrotain';
import type { Expr, FunctionCall, SortItem, WindowSpec } from './ast.ts';
import { builtInCall, ExpressionGrammar, POWER } from './grammar-expression.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type Arguments = Pick<
  FunctionCall,
  'args' | 'argNames' | 'isStar' | 'isDistinct' | 'isVariadic' | 'orderBy'
>;

const NO_ARGUMENTS: Arguments = {
  args: [],
  argNames: [],
  isStar: false,
  isDistinct: false,
  isVariadic: false,
  orderBy: [],
};

export abstract class CallGrammar extends ExpressionGrammar {
  protected readonly sortItem: Rule<SortItem> = this.RULE('sortItem', (): SortItem => {
    const position = this.here();
    const expr = this.SUBRULE(this.expr);
    let descending = false;
    let usingOperator: string | undefined;
    this.OPTION(() => {
      this.OR([
        { ALT: () => this.CONSUME(K.asc) },
        {
          ALT: () => {
            this.CONSUME(K.desc);
            descending = true;
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.using);
            usingOperator = valueOf(this.CONSUME(T.InfixOperator));
          },
        },
      ]);
    });
    const nullsFirst = this.OPTION1(() => this.SUBRULE(this.nullsOrder));
    return { expr, descending, nullsFirst, usingOperator, position };
  });

  /** True for NULLS FIRST. */
  protected readonly nullsOrder: Rule<boolean> = this.RULE('nullsOrder', (): boolean => {
    this.CONSUME(K.nulls);
    return this.OR([
      { ALT: () => (this.CONSUME(K.first), true) },
      { ALT: () => (this.CONSUME(K.last), false) },
    ]);
  });

  protected readonly orderBy: Rule<SortItem[]> = this.RULE('orderBy', (): SortItem[] => {
    this.CONSUME(K.order);
    this.CONSUME(K.by);
    const items: SortItem[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => {
        items.push(this.SUBRULE(this.sortItem));
      },
    });
    return items;
  });

  /** From the opening parenthesis of a call to its OVER. */
  protected readonly callTail: Rule<FunctionCall, [parts: readonly string[], position: number]> =
    this.RULE('callTail', (parts: readonly string[], position: number): FunctionCall => {
      this.CONSUME(T.LeftParen);
      const args = this.OPTION(() => this.SUBRULE(this.callArguments)) ?? NO_ARGUMENTS;
      this.CONSUME(T.RightParen);
      const withinGroup = this.OPTION1(() => this.SUBRULE(this.withinGroup)) ?? [];
      const filter = this.OPTION2({
        GATE: () => this.isSecond(T.LeftParen),
        DEF: () => this.SUBRULE(this.filterClause),
      });
      const over = this.OPTION3(() => this.SUBRULE(this.overClause));
      const { schema, name } = this.toQualifiedName(parts, position);
      return {
        kind: 'function call',
        schema,
        name,
        args: args.args,
        argNames: args.argNames,
        isStar: args.isStar,
        isDistinct: args.isDistinct,
        isVariadic: args.isVariadic,
        orderBy: args.orderBy,
        withinGroup,
        filter,
        over,
        position,
      };
    });

  protected readonly callArguments: Rule<Arguments> = this.RULE('callArguments', (): Arguments =>
    this.OR<Arguments>([
      {
        ALT: () => {
          this.CONSUME(T.Star);
          return { ...NO_ARGUMENTS, isStar: true };
        },
      },
      {
        ALT: () => {
          let isDistinct = false;
          this.OPTION(() => {
            isDistinct = this.OR1([
              { ALT: () => (this.CONSUME(K.distinct), true) },
              { ALT: () => (this.CONSUME(K.all), false) },
            ]);
          });
          const list = this.SUBRULE(this.argumentList);
          const orderBy = this.OPTION1(() => this.SUBRULE(this.orderBy)) ?? [];
          return { ...list, isStar: false, isDistinct, orderBy };
        },
      },
    ]),
  );

  protected readonly argumentList: Rule<Pick<FunctionCall, 'args' | 'argNames' | 'isVariadic'>> =
    this.RULE('argumentList', () => {
      const args: Expr[] = [];
      const names: (string | undefined)[] = [];
      let isVariadic = false;
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          this.OPTION({
            GATE: () => !isVariadic,
            DEF: () => {
              this.CONSUME(K.variadic);
              isVariadic = true;
            },
          });
          const name = this.OPTION1({
            GATE: () => this.isSecond(T.ColonEquals) || this.isSecond(T.EqualsGreater),
            DEF: () => this.SUBRULE(this.argumentName),
          });
          names.push(name);
          args.push(this.SUBRULE(this.expr));
        },
      });
      const isNamed = names.some((name) => name !== undefined);
      return { args, argNames: isNamed ? names : [], isVariadic };
    });

  protected readonly argumentName: Rule<string> = this.RULE('argumentName', (): string => {
    const name = valueOf(this.CONSUME(T.TypeFunctionName));
    this.OR([
      { ALT: () => this.CONSUME(T.ColonEquals) },
      { ALT: () => this.CONSUME(T.EqualsGreater) },
    ]);
    return name;
  });

  protected readonly withinGroup: Rule<SortItem[]> = this.RULE('withinGroup', (): SortItem[] => {
    this.CONSUME(K.within);
    this.CONSUME(K.group);
    this.CONSUME(T.LeftParen);
    const items = this.SUBRULE(this.orderBy);
    this.CONSUME(T.RightParen);
    return items;
  });

  protected readonly filterClause: Rule<Expr> = this.RULE('filterClause', (): Expr => {
    this.CONSUME(K.filter);
    this.CONSUME(T.LeftParen);
    this.CONSUME(K.where);
    const filter = this.SUBRULE(this.expr);
    this.CONSUME(T.RightParen);
    return filter;
  });

  protected readonly overClause: Rule<WindowSpec> = this.RULE('overClause', (): WindowSpec => {
    const position = this.CONSUME(K.over).startOffset;
    return this.OR<WindowSpec>([
      {
        ALT: () => {
          const name = valueOf(this.CONSUME(T.ColumnName));
          return { name, partitionBy: [], orderBy: [], hasFrame: false, position };
        },
      },
      { ALT: () => this.SUBRULE(this.windowSpec, { ARGS: [position] }) },
    ]);
  });

  protected readonly windowSpec: Rule<WindowSpec, [position: number]> = this.RULE(
    'windowSpec',
    (position: number): WindowSpec => {
      this.CONSUME(T.LeftParen);
      const partitionBy = this.OPTION(() => {
        this.CONSUME(K.partition);
        this.CONSUME(K.by);
        return this.SUBRULE(this.expressionList);
      });
      const orderBy = this.OPTION1(() => this.SUBRULE(this.orderBy));
      let hasFrame = false;
      this.OPTION2(() => {
        const token = this.OR([
          { ALT: () => this.CONSUME(K.rows) },
          { ALT: () => this.CONSUME(K.range) },
          { ALT: () => this.CONSUME(K.groups) },
        ]);
        hasFrame = true;
        this.refuse(token.startOffset, 'a window frame');
      });
      this.CONSUME(T.RightParen);
      return {
        name: undefined,
        partitionBy: partitionBy ?? [],
        orderBy: orderBy ?? [],
        hasFrame,
        position,
      };
    },
  );

  /** COALESCE, EXTRACT, TRIM and the others; the word is followed by a parenthesis. */
  protected readonly specialCall: Rule<Expr> = this.RULE('specialCall', (): Expr =>
    this.OR<Expr>([
      { ALT: () => this.SUBRULE(this.listCall) },
      { ALT: () => this.SUBRULE(this.nullIfCall) },
      { ALT: () => this.SUBRULE(this.existsCall) },
      { ALT: () => this.SUBRULE(this.rowCall) },
      { ALT: () => this.SUBRULE(this.extractCall) },
      { ALT: () => this.SUBRULE(this.positionCall) },
      { ALT: () => this.SUBRULE(this.substringCall) },
      { ALT: () => this.SUBRULE(this.overlayCall) },
      { ALT: () => this.SUBRULE(this.trimCall) },
      { ALT: () => this.SUBRULE(this.refusedCall) },
    ]),
  );

  protected readonly listCall: Rule<Expr> = this.RULE('listCall', (): Expr => {
    const position = this.here();
    const kind = this.OR<'coalesce' | 'greatest' | 'least'>([
      { ALT: () => (this.CONSUME(K.coalesce), 'coalesce') },
      { ALT: () => (this.CONSUME(K.greatest), 'greatest') },
      { ALT: () => (this.CONSUME(K.least), 'least') },
    ]);
    this.CONSUME(T.LeftParen);
    const operands = this.SUBRULE(this.expressionList);
    this.CONSUME(T.RightParen);
    return { kind, operands, position };
  });

  protected readonly nullIfCall: Rule<Expr> = this.RULE('nullIfCall', (): Expr => {
    const position = this.CONSUME(K.nullif).startOffset;
    this.CONSUME(T.LeftParen);
    const left = this.SUBRULE(this.expr);
    this.CONSUME(T.Comma);
    const right = this.SUBRULE1(this.expr);
    this.CONSUME(T.RightParen);
    return { kind: 'nullif', left, right, position };
  });

  protected readonly existsCall: Rule<Expr> = this.RULE('existsCall', (): Expr => {
    const position = this.CONSUME(K.exists).startOffset;
    this.CONSUME(T.LeftParen);
    const query = this.SUBRULE(this.query);
    this.CONSUME(T.RightParen);
    return { kind: 'exists', query, position };
  });

  protected readonly rowCall: Rule<Expr> = this.RULE('rowCall', (): Expr => {
    const position = this.CONSUME(K.row).startOffset;
    this.CONSUME(T.LeftParen);
    const fields = this.OPTION(() => this.SUBRULE(this.expressionList)) ?? [];
    this.CONSUME(T.RightParen);
    return { kind: 'row', fields, position };
  });

  protected readonly extractCall: Rule<Expr> = this.RULE('extractCall', (): Expr => {
    const position = this.CONSUME(K.extract).startOffset;
    this.CONSUME(T.LeftParen);
    const field = this.OR([
      { ALT: () => this.CONSUME(T.Identifier) },
      { ALT: () => this.CONSUME(T.StringLiteral) },
      { ALT: () => this.CONSUME(K.year) },
      { ALT: () => this.CONSUME(K.month) },
      { ALT: () => this.CONSUME(K.day) },
      { ALT: () => this.CONSUME(K.hour) },
      { ALT: () => this.CONSUME(K.minute) },
      { ALT: () => this.CONSUME(K.second) },
    ]);
    this.CONSUME(K.from);
    const source = this.SUBRULE(this.expr);
    this.CONSUME(T.RightParen);
    const name: Expr = { kind: 'string', value: valueOf(field), position: field.startOffset };
    return builtInCall('extract', [name, source], position);
  });

  /** `POSITION(a IN b)` has its arguments the other way round. */
  protected readonly positionCall: Rule<Expr> = this.RULE('positionCall', (): Expr => {
    const position = this.CONSUME(K.position).startOffset;
    this.CONSUME(T.LeftParen);
    const part = this.SUBRULE(this.expression, { ARGS: [POWER.is, true] });
    this.CONSUME(K.in);
    const whole = this.SUBRULE1(this.expression, { ARGS: [POWER.is, true] });
    this.CONSUME(T.RightParen);
    return builtInCall('position', [whole, part], position);
  });

  protected readonly substringCall: Rule<Expr> = this.RULE('substringCall', (): Expr => {
    const token = this.CONSUME(K.substring);
    this.CONSUME(T.LeftParen);
    const args = [this.SUBRULE(this.expr)];
    let from: Expr | undefined;
    let length: Expr | undefined;
    let isPlain = false as boolean;
    // FROM and FOR come in either order.
    this.MANY(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.from);
            from = this.SUBRULE1(this.expr);
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.for);
            length = this.SUBRULE2(this.expr);
          },
        },
        {
          ALT: () => {
            this.CONSUME(T.Comma);
            isPlain = true;
            args.push(this.SUBRULE3(this.expr));
          },
        },
        { ALT: () => this.refuse(this.CONSUME(K.similar).startOffset, 'SUBSTRING ... SIMILAR') },
      ]);
    });
    this.CONSUME(T.RightParen);
    if (isPlain || (from ?? length) === undefined) return plainCall('substring', args, token);
    if (length !== undefined) args.push(from ?? one(token));
    else if (from !== undefined) args.push(from);
    if (length !== undefined) args.push(length);
    return builtInCall('substring', args, token.startOffset);
  });

  protected readonly overlayCall: Rule<Expr> = this.RULE('overlayCall', (): Expr => {
    const token = this.CONSUME(K.overlay);
    this.CONSUME(T.LeftParen);
    const args = [this.SUBRULE(this.expr)];
    let isPlain = false as boolean;
    this.OR([
      {
        ALT: () => {
          this.CONSUME(K.placing);
          args.push(this.SUBRULE1(this.expr));
          this.CONSUME(K.from);
          args.push(this.SUBRULE2(this.expr));
          this.OPTION(() => {
            this.CONSUME(K.for);
            args.push(this.SUBRULE3(this.expr));
          });
        },
      },
      {
        ALT: () => {
          this.CONSUME(T.Comma);
          isPlain = true;
          args.push(...this.list(this.SUBRULE(this.expressionList)));
        },
      },
    ]);
    this.CONSUME(T.RightParen);
    return isPlain
      ? plainCall('overlay', args, token)
      : builtInCall('overlay', args, token.startOffset);
  });

  protected readonly trimCall: Rule<Expr> = this.RULE('trimCall', (): Expr => {
    const position = this.CONSUME(K.trim).startOffset;
    this.CONSUME(T.LeftParen);
    let name = 'btrim';
    this.OPTION(() => {
      name = this.OR([
        { ALT: () => (this.CONSUME(K.both), 'btrim') },
        { ALT: () => (this.CONSUME(K.leading), 'ltrim') },
        { ALT: () => (this.CONSUME(K.trailing), 'rtrim') },
      ]);
    });
    let args: Expr[] = [];
    this.OPTION1(() => {
      args = this.SUBRULE(this.expressionList);
    });
    this.OPTION2(() => {
      this.CONSUME(K.from);
      const source = this.SUBRULE1(this.expressionList);
      args = [...this.list(source), ...this.list(args)];
    });
    this.CONSUME(T.RightParen);
    return builtInCall(name, args, position);
  });

  protected readonly refusedCall: Rule<Expr> = this.RULE('refusedCall', (): Expr => {
    const token = this.OR([
      { ALT: () => this.CONSUME(K.grouping) },
      { ALT: () => this.CONSUME(K.normalize) },
      { ALT: () => this.CONSUME(K.treat) },
      { ALT: () => this.CONSUME(K.xmlconcat) },
      { ALT: () => this.CONSUME(K.xmlelement) },
      { ALT: () => this.CONSUME(K.xmlexists) },
      { ALT: () => this.CONSUME(K.xmlforest) },
      { ALT: () => this.CONSUME(K.xmlparse) },
      { ALT: () => this.CONSUME(K.xmlpi) },
      { ALT: () => this.CONSUME(K.xmlroot) },
      { ALT: () => this.CONSUME(K.xmlserialize) },
    ]);
    this.refuse(token.startOffset, valueOf(token).toUpperCase());
    return { kind: 'null', position: token.startOffset };
  });

  /** A list that may be a recording dummy. */
  protected list<Element>(list: readonly Element[]): readonly Element[] {
    return this.RECORDING_PHASE ? [] : list;
  }
}

/** A word with a syntax of its own, called like any function: the name is searched for, not `pg_catalog`. */
function plainCall(name: string, args: readonly Expr[], token: IToken): Expr {
  return { ...(builtInCall(name, args, token.startOffset) as FunctionCall), schema: undefined };
}

function one(token: IToken): Expr {
  return { kind: 'number', text: '1', isInteger: true, position: token.startOffset };
}
