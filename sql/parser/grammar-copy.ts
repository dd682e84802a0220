/**
 * COPY, with its options in the syntax of today, `WITH (FORMAT csv, HEADER)`, and in that of before 9.0, `WITH CSV
 * HEADER`.
 */
import type { Delete, Identifier, Insert, QualifiedName, Query, Update } from './ast.ts';
import type { Copy, CopyOptions, Statement } from './ast-statement.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import { errorPosition, SqlError } from '../errors/sql-error.ts';
import { SessionGrammar } from './grammar-session.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

type Options = { -readonly [Name in keyof CopyOptions]: CopyOptions[Name] };
/** A star is the string '*'. */
type OptionValue = string | readonly Identifier[] | undefined;

interface CopySubject {
  readonly table: QualifiedName | undefined;
  readonly columns: readonly Identifier[];
  readonly query: Query | Insert | Update | Delete | undefined;
}

export abstract class CopyGrammar extends SessionGrammar {
  protected readonly copy: Rule<Statement> = this.RULE('copy', (): Statement => {
    const position = this.CONSUME(K.copy).startOffset;
    this.OPTION(() => this.CONSUME(K.binary));
    const subject = this.SUBRULE(this.copySubject);
    const direction = this.OR<'from' | 'to'>([
      { ALT: () => (this.CONSUME(K.from), 'from') },
      { ALT: () => (this.CONSUME(K.to), 'to') },
    ]);
    if (!this.RECORDING_PHASE && direction === 'from' && subject.table === undefined) {
      throw this.syntaxErrorAt(this.LA(0));
    }
    const target = this.SUBRULE(this.copyTarget);
    const options = this.SUBRULE(this.copyOptions);
    const where = this.OPTION2({
      GATE: () => direction === 'from',
      DEF: () => this.SUBRULE(this.whereClause),
    });
    return { kind: 'copy', direction, ...subject, target, options, where, position };
  });

  protected readonly copySubject: Rule<CopySubject> = this.RULE('copySubject', (): CopySubject =>
    this.OR<CopySubject>([
      {
        ALT: () => {
          this.CONSUME(T.LeftParen);
          const query = this.SUBRULE(this.dataStatement);
          this.CONSUME(T.RightParen);
          return { table: undefined, columns: [], query };
        },
      },
      {
        ALT: () => {
          const table = this.SUBRULE(this.qualifiedName);
          const columns = this.OPTION(() => this.SUBRULE(this.parenthesizedNames)) ?? [];
          return { table, columns, query: undefined };
        },
      },
    ]),
  );

  protected readonly copyTarget: Rule<Copy['target']> = this.RULE(
    'copyTarget',
    (): Copy['target'] =>
      this.OR<Copy['target']>([
        { ALT: () => (this.CONSUME(K.stdin), 'stdio') },
        { ALT: () => (this.CONSUME(K.stdout), 'stdio') },
        { ALT: () => (this.CONSUME(T.StringLiteral), 'file') },
        {
          ALT: () => {
            this.CONSUME(K.program);
            this.CONSUME1(T.StringLiteral);
            return 'program';
          },
        },
      ]),
  );

  protected readonly copyOptions: Rule<CopyOptions> = this.RULE('copyOptions', (): CopyOptions => {
    const options = noOptions();
    // `DELIMITERS ','` stood before WITH in the oldest syntax.
    this.OPTION(() => {
      this.OPTION1(() => this.CONSUME(K.using));
      this.CONSUME(K.delimiters);
      options.delimiter = valueOf(this.CONSUME(T.StringLiteral));
    });
    this.OPTION2(() => this.CONSUME(K.with));
    this.OR([
      {
        GATE: () => this.isNext(T.LeftParen),
        ALT: () => this.SUBRULE(this.listedOptions, { ARGS: [options] }),
      },
      { ALT: () => this.SUBRULE(this.oldOptions, { ARGS: [options] }) },
    ]);
    return options;
  });

  protected readonly listedOptions: Rule<void, [options: Options]> = this.RULE(
    'listedOptions',
    (options: Options): void => {
      this.CONSUME(T.LeftParen);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          const token = this.CONSUME(T.ColumnLabel);
          const value = this.OPTION(() => this.SUBRULE(this.copyOptionValue));
          if (!this.RECORDING_PHASE) this.#set(options, valueOf(token), value, token.startOffset);
        },
      });
      this.CONSUME(T.RightParen);
    },
  );

  protected readonly copyOptionValue: Rule<OptionValue> = this.RULE(
    'copyOptionValue',
    (): OptionValue =>
      this.OR<OptionValue>([
        { ALT: () => this.SUBRULE(this.plainValue) },
        { ALT: () => (this.CONSUME(T.Star), '*') },
        { ALT: () => this.SUBRULE(this.parenthesizedNames) },
      ]),
  );

  #set(options: Options, name: string, value: OptionValue, offset: number): void {
    const text = typeof value === 'string' ? value : undefined;
    const columns = typeof value === 'object' ? value : undefined;
    switch (name) {
      case 'format':
        options.format = this.#format(text, offset);
        return;
      case 'delimiter':
      case 'null':
      case 'quote':
      case 'escape':
      case 'encoding':
        if (text === undefined) throw this.errorAt(offset, `${name} requires a parameter`);
        options[name] = text;
        return;
      case 'header':
        options.header = text === 'match' ? 'match' : this.#boolean(name, text, offset);
        return;
      case 'freeze':
        options.freeze = this.#boolean(name, text, offset);
        return;
      case 'force_quote':
        options.forceQuote = value === '*' ? '*' : this.#columns(name, columns, offset);
        return;
      case 'force_not_null':
        options.forceNotNull = this.#columns(name, columns, offset);
        return;
      case 'force_null':
        options.forceNull = this.#columns(name, columns, offset);
        return;
      default:
        throw this.errorAt(offset, `option "${name}" not recognized`);
    }
  }

  #format(text: string | undefined, offset: number): 'text' | 'csv' | 'binary' {
    if (text === 'text' || text === 'csv' || text === 'binary') return text;
    const message = `COPY format "${text ?? ''}" not recognized`;
    const position = errorPosition(this.source, offset);
    throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message, { position });
  }

  #boolean(name: string, text: string | undefined, offset: number): boolean {
    switch (text?.toLowerCase()) {
      case undefined:
      case 'true':
      case 'on':
      case '1':
        return true;
      case 'false':
      case 'off':
      case '0':
        return false;
      default:
        throw this.errorAt(offset, `${name} requires a Boolean value`);
    }
  }

  #columns(
    name: string,
    columns: readonly Identifier[] | undefined,
    offset: number,
  ): readonly Identifier[] {
    if (columns !== undefined) return columns;
    const message = `argument to option "${name}" must be a list of column names`;
    const position = errorPosition(this.source, offset);
    throw new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message, { position });
  }

  /** Words without parentheses, in any order. */
  protected readonly oldOptions: Rule<void, [options: Options]> = this.RULE(
    'oldOptions',
    (options: Options = noOptions()): void => {
      this.MANY(() => {
        this.OR([
          { ALT: () => (this.CONSUME(K.binary), (options.format = 'binary')) },
          { ALT: () => (this.CONSUME(K.csv), (options.format = 'csv')) },
          { ALT: () => (this.CONSUME(K.freeze), (options.freeze = true)) },
          { ALT: () => (this.CONSUME(K.header), (options.header = true)) },
          { ALT: () => this.SUBRULE(this.oldTexts, { ARGS: [options] }) },
          { ALT: () => this.SUBRULE(this.oldForce, { ARGS: [options] }) },
        ]);
      });
    },
  );

  /** DELIMITER, NULL, QUOTE, ESCAPE and ENCODING with their strings. */
  protected readonly oldTexts: Rule<void, [options: Options]> = this.RULE(
    'oldTexts',
    (options: Options = noOptions()): void => {
      const name = this.OR<'delimiter' | 'null' | 'quote' | 'escape' | 'encoding'>([
        { ALT: () => (this.CONSUME(K.delimiter), 'delimiter') },
        { ALT: () => (this.CONSUME(K.null), 'null') },
        { ALT: () => (this.CONSUME(K.quote), 'quote') },
        { ALT: () => (this.CONSUME(K.escape), 'escape') },
        { ALT: () => (this.CONSUME(K.encoding), 'encoding') },
      ]);
      this.OPTION(() => this.CONSUME(K.as));
      const text = valueOf(this.CONSUME(T.StringLiteral));
      if (!this.RECORDING_PHASE) options[name] = text;
    },
  );

  /** FORCE QUOTE, FORCE NOT NULL, FORCE NULL */
  protected readonly oldForce: Rule<void, [options: Options]> = this.RULE(
    'oldForce',
    (options: Options = noOptions()): void => {
      this.CONSUME(K.force);
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.quote);
            options.forceQuote = this.OR1<CopyOptions['forceQuote']>([
              { ALT: () => (this.CONSUME(T.Star), '*') },
              { ALT: () => this.SUBRULE(this.identifierList) },
            ]);
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.not);
            this.CONSUME(K.null);
            options.forceNotNull = this.SUBRULE1(this.identifierList);
          },
        },
        {
          ALT: () => {
            this.CONSUME1(K.null);
            options.forceNull = this.SUBRULE2(this.identifierList);
          },
        },
      ]);
    },
  );
}

function noOptions(): Options {
  return {
    format: undefined,
    delimiter: undefined,
    null: undefined,
    header: undefined,
    quote: undefined,
    escape: undefined,
    encoding: undefined,
    freeze: false,
    forceQuote: [],
    forceNotNull: [],
    forceNull: [],
  };
}
