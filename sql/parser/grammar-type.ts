/**
 * Type names: those with words of their own, which are resolved to their catalog names here (chapter 8), and the
 * general `[schema.]name[(modifiers)][[]]`.
 */
import type { IToken } from 'chevrotain';
import type { Expr, TypeName } from './ast.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { errorPosition, SqlError } from '../errors/sql-error.ts';
import { GrammarBase, valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type SimpleType = Omit<TypeName, 'arrayDimensions'>;

export abstract class TypeGrammar extends GrammarBase {
  /** `a, b`: at least one. */
  protected abstract readonly expressionList: Rule<Expr[]>;

  protected readonly typeName: Rule<TypeName> = this.RULE('typeName', (): TypeName => {
    this.OPTION(() => {
      this.refuse(this.CONSUME(K.setof).startOffset, 'SETOF');
    });
    const type = this.SUBRULE(this.simpleType);
    let arrayDimensions = 0;
    let hasWord = false;
    // `int array[3]`, or `int[3][3]`.
    this.OPTION1(() => {
      this.CONSUME(K.array);
      arrayDimensions = 1;
      hasWord = true;
    });
    this.MANY(() => {
      this.CONSUME(T.LeftBracket);
      this.OPTION2(() => this.CONSUME(T.IntegerLiteral));
      this.CONSUME(T.RightBracket);
      if (!hasWord) arrayDimensions++;
    });
    return { ...type, arrayDimensions };
  });

  protected readonly simpleType: Rule<SimpleType> = this.RULE('simpleType', (): SimpleType =>
    this.OR([
      {
        // A lone DOUBLE is a name like any other.
        GATE: () => !this.isNext(K.double) || this.isSecond(K.precision),
        ALT: () => this.SUBRULE(this.keywordType),
      },
      { ALT: () => this.SUBRULE(this.genericType) },
    ]),
  );

  /** The types with words of their own. */
  protected readonly keywordType: Rule<SimpleType> = this.RULE('keywordType', (): SimpleType =>
    this.OR([
      {
        ALT: () => {
          const token = this.CONSUME(T.PlainTypeKeyword);
          return builtIn(T.PLAIN_TYPE_NAMES.get(valueOf(token)) ?? '', token, []);
        },
      },
      { ALT: () => this.SUBRULE(this.floatType) },
      { ALT: () => this.SUBRULE(this.doubleType) },
      { ALT: () => this.SUBRULE(this.numericType) },
      { ALT: () => this.SUBRULE(this.bitType) },
      { ALT: () => this.SUBRULE(this.characterType) },
      { ALT: () => this.SUBRULE(this.timeType) },
      { ALT: () => this.SUBRULE(this.intervalType) },
    ]),
  );

  protected readonly typeModifiers: Rule<Expr[]> = this.RULE('typeModifiers', (): Expr[] => {
    this.CONSUME(T.LeftParen);
    const modifiers = this.SUBRULE(this.expressionList);
    this.CONSUME(T.RightParen);
    return modifiers;
  });

  protected readonly floatType: Rule<SimpleType> = this.RULE('floatType', (): SimpleType => {
    const token = this.CONSUME(K.float);
    let bits: number | undefined;
    let position = 0;
    this.OPTION(() => {
      this.CONSUME(T.LeftParen);
      const digits = this.CONSUME(T.IntegerLiteral);
      bits = Number(digits.image);
      position = digits.startOffset;
      this.CONSUME(T.RightParen);
    });
    if (this.RECORDING_PHASE || bits === undefined) return builtIn('float8', token, []);
    if (bits < 1 || bits > 53) {
      const limit = bits < 1 ? 'at least 1 bit' : 'less than 54 bits';
      const message = `precision for type float must be ${limit}`;
      throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message, {
        position: errorPosition(this.source, position),
      });
    }
    return builtIn(bits <= 24 ? 'float4' : 'float8', token, []);
  });

  protected readonly doubleType: Rule<SimpleType> = this.RULE('doubleType', (): SimpleType => {
    const token = this.CONSUME(K.double);
    this.CONSUME(K.precision);
    return builtIn('float8', token, []);
  });

  protected readonly numericType: Rule<SimpleType> = this.RULE('numericType', (): SimpleType => {
    const token = this.OR([
      { ALT: () => this.CONSUME(K.numeric) },
      { ALT: () => this.CONSUME(K.decimal) },
      { ALT: () => this.CONSUME(K.dec) },
    ]);
    const modifiers = this.OPTION(() => this.SUBRULE(this.typeModifiers)) ?? [];
    return builtIn('numeric', token, modifiers);
  });

  protected readonly bitType: Rule<SimpleType> = this.RULE('bitType', (): SimpleType => {
    const token = this.CONSUME(K.bit);
    const varying = this.OPTION(() => this.CONSUME(K.varying));
    const modifiers = this.OPTION1(() => this.SUBRULE(this.typeModifiers));
    if (varying !== undefined) return builtIn('varbit', token, modifiers ?? []);
    return builtIn('bit', token, modifiers ?? [one(token)]);
  });

  protected readonly characterType: Rule<SimpleType> = this.RULE(
    'characterType',
    (): SimpleType => {
      const position = this.here();
      this.OPTION(() => this.CONSUME(K.national));
      let isVarying = false as boolean;
      const token = this.OR([
        { ALT: () => this.CONSUME(K.character) },
        { ALT: () => this.CONSUME(K.char) },
        { ALT: () => this.CONSUME(K.nchar) },
        {
          ALT: () => {
            isVarying = true;
            return this.CONSUME(K.varchar);
          },
        },
      ]);
      this.OPTION1({
        GATE: () => !isVarying,
        DEF: () => {
          this.CONSUME(K.varying);
          isVarying = true;
        },
      });
      const modifiers = this.OPTION2(() => this.SUBRULE(this.typeModifiers));
      const type = isVarying
        ? builtIn('varchar', token, modifiers ?? [])
        : builtIn('bpchar', token, modifiers ?? [one(token)]);
      return { ...type, position };
    },
  );

  protected readonly timeType: Rule<SimpleType> = this.RULE('timeType', (): SimpleType => {
    const token = this.OR([
      { ALT: () => this.CONSUME(K.timestamp) },
      { ALT: () => this.CONSUME(K.time) },
    ]);
    const modifiers = this.OPTION(() => this.SUBRULE(this.typeModifiers)) ?? [];
    let withZone = false as boolean;
    // WITH and WITHOUT may also begin what follows the type.
    this.OPTION1({
      GATE: () => this.isSecond(K.time),
      DEF: () => {
        withZone = this.OR1([
          {
            ALT: () => {
              this.CONSUME(K.with);
              return true;
            },
          },
          {
            ALT: () => {
              this.CONSUME(K.without);
              return false;
            },
          },
        ]);
        this.CONSUME1(K.time);
        this.CONSUME(K.zone);
      },
    });
    return builtIn(valueOf(token) + (withZone ? 'tz' : ''), token, modifiers);
  });

  protected readonly intervalType: Rule<SimpleType> = this.RULE('intervalType', (): SimpleType => {
    const token = this.CONSUME(K.interval);
    const modifiers = this.OPTION(() => this.SUBRULE(this.typeModifiers)) ?? [];
    const intervalFields = this.OPTION1(() => this.SUBRULE(this.intervalFields));
    return { ...builtIn('interval', token, modifiers), intervalFields };
  });

  /** `DAY TO SECOND(3)` and its like, as words. */
  protected readonly intervalFields: Rule<string> = this.RULE('intervalFields', (): string => {
    let words = this.SUBRULE(this.intervalField);
    this.OPTION(() => {
      this.CONSUME(K.to);
      words += ` to ${this.SUBRULE1(this.intervalField)}`;
    });
    return words;
  });

  protected readonly intervalField: Rule<string> = this.RULE('intervalField', (): string =>
    this.OR([
      { ALT: () => valueOf(this.CONSUME(K.year)) },
      { ALT: () => valueOf(this.CONSUME(K.month)) },
      { ALT: () => valueOf(this.CONSUME(K.day)) },
      { ALT: () => valueOf(this.CONSUME(K.hour)) },
      { ALT: () => valueOf(this.CONSUME(K.minute)) },
      {
        ALT: () => {
          let field = valueOf(this.CONSUME(K.second));
          this.OPTION(() => {
            this.CONSUME(T.LeftParen);
            field += `(${this.CONSUME(T.IntegerLiteral).image})`;
            this.CONSUME(T.RightParen);
          });
          return field;
        },
      },
    ]),
  );

  protected readonly genericType: Rule<SimpleType> = this.RULE('genericType', (): SimpleType => {
    const token = this.CONSUME(T.TypeFunctionName);
    const parts = [valueOf(token)];
    this.MANY(() => {
      this.CONSUME(T.Dot);
      parts.push(valueOf(this.CONSUME(T.ColumnLabel)));
    });
    const modifiers = this.OPTION(() => this.SUBRULE(this.typeModifiers)) ?? [];
    const { schema, name, position } = this.toQualifiedName(parts, token.startOffset);
    return { schema, name, modifiers, intervalFields: undefined, position };
  });
}

function builtIn(name: string, token: IToken, modifiers: readonly Expr[]): SimpleType {
  const position = token.startOffset;
  return { schema: 'pg_catalog', name, modifiers, intervalFields: undefined, position };
}

/** `char` and `bit` without length have length 1. */
function one(token: IToken): Expr {
  return { kind: 'number', text: '1', isInteger: true, position: token.startOffset };
}
