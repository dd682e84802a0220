/**
 * What several statements share: IF EXISTS, storage parameters, signed numbers, and the options of sequences.
 */
import type { SequenceOption, StorageParameter } from './ast-schema.ts';
import { ChangeGrammar } from './grammar-change.ts';
import { valueOf } from './grammar-base.ts';
import type { Rule } from './grammar-base.ts';
import * as T from './tokens.ts';
import { K } from './tokens.ts';

export abstract class OptionGrammar extends ChangeGrammar {
  protected readonly ifNotExists: Rule<boolean> = this.RULE('ifNotExists', (): boolean => {
    let found = false;
    this.OPTION({
      GATE: () => this.isSecond(K.not),
      DEF: () => {
        this.CONSUME(K.if);
        this.CONSUME(K.not);
        this.CONSUME(K.exists);
        found = true;
      },
    });
    return found;
  });

  protected readonly ifExists: Rule<boolean> = this.RULE('ifExists', (): boolean => {
    let found = false;
    this.OPTION({
      GATE: () => this.isSecond(K.exists),
      DEF: () => {
        this.CONSUME(K.if);
        this.CONSUME(K.exists);
        found = true;
      },
    });
    return found;
  });

  /** `(a = 1, b, toast.c = off)` */
  protected readonly storageParameters: Rule<StorageParameter[]> = this.RULE(
    'storageParameters',
    (): StorageParameter[] => {
      this.CONSUME(T.LeftParen);
      const parameters: StorageParameter[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          parameters.push(this.SUBRULE(this.storageParameter));
        },
      });
      this.CONSUME(T.RightParen);
      return parameters;
    },
  );

  protected readonly storageParameter: Rule<StorageParameter> = this.RULE(
    'storageParameter',
    (): StorageParameter => {
      const token = this.CONSUME(T.ColumnLabel);
      let name = valueOf(token);
      this.OPTION(() => {
        this.CONSUME(T.Dot);
        name += `.${valueOf(this.CONSUME1(T.ColumnLabel))}`;
      });
      const value = this.OPTION1(() => {
        this.CONSUME(T.Equals);
        return this.SUBRULE(this.plainValue);
      });
      return { name, value, position: token.startOffset };
    },
  );

  /** A word, string or signed number as text. */
  protected readonly plainValue: Rule<string> = this.RULE('plainValue', (): string =>
    this.OR([
      { ALT: () => valueOf(this.CONSUME(T.ColumnLabel)) },
      { ALT: () => valueOf(this.CONSUME(T.StringLiteral)) },
      { ALT: () => this.SUBRULE(this.signedNumber) },
    ]),
  );

  protected readonly signedNumber: Rule<string> = this.RULE('signedNumber', (): string => {
    let sign = '';
    this.OPTION(() => {
      this.OR([
        { ALT: () => this.CONSUME(T.Plus) },
        {
          ALT: () => {
            this.CONSUME(T.Minus);
            sign = '-';
          },
        },
      ]);
    });
    const digits = this.OR1([
      { ALT: () => valueOf(this.CONSUME(T.IntegerLiteral)) },
      { ALT: () => valueOf(this.CONSUME(T.DecimalLiteral)) },
    ]);
    return sign + digits;
  });

  protected readonly sequenceOptions: Rule<SequenceOption[]> = this.RULE(
    'sequenceOptions',
    (): SequenceOption[] => {
      const options: SequenceOption[] = [];
      this.MANY(() => {
        options.push(this.SUBRULE(this.sequenceOption));
      });
      return options;
    },
  );

  protected readonly sequenceOption: Rule<SequenceOption> = this.RULE(
    'sequenceOption',
    (): SequenceOption => {
      const position = this.here();
      let name = '';
      let value: string | undefined;
      this.OR([
        { ALT: () => (name = valueOf(this.CONSUME(K.cycle))) },
        {
          ALT: () => {
            const no = valueOf(this.CONSUME(K.no));
            const word = this.OR1([
              { ALT: () => this.CONSUME(K.minvalue) },
              { ALT: () => this.CONSUME(K.maxvalue) },
              { ALT: () => this.CONSUME1(K.cycle) },
            ]);
            name = `${no} ${valueOf(word)}`;
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.owned);
            this.CONSUME(K.by);
            name = 'owned by';
            const parts = this.SUBRULE(this.dottedName);
            if (!this.RECORDING_PHASE) value = parts.join('.');
          },
        },
        {
          ALT: () => {
            name = valueOf(this.SUBRULE(this.numericOptionWord));
            this.OPTION(() =>
              this.OR2([{ ALT: () => this.CONSUME(K.with) }, { ALT: () => this.CONSUME1(K.by) }]),
            );
            value = this.OPTION1(() => this.SUBRULE(this.signedNumber));
            if (value === undefined && name !== 'restart') throw this.syntaxErrorAt(this.LA(1));
          },
        },
      ]);
      return { name, value, position };
    },
  );

  protected readonly numericOptionWord: Rule<ReturnType<typeof this.LA>> = this.RULE(
    'numericOptionWord',
    (): ReturnType<typeof this.LA> =>
      this.OR([
        { ALT: () => this.CONSUME(K.start) },
        { ALT: () => this.CONSUME(K.restart) },
        { ALT: () => this.CONSUME(K.increment) },
        { ALT: () => this.CONSUME(K.minvalue) },
        { ALT: () => this.CONSUME(K.maxvalue) },
        { ALT: () => this.CONSUME(K.cache) },
      ]),
  );
}
