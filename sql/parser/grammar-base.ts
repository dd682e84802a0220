/**
 * What all parts of the grammar share: the chevrotain parser set up for this grammar, errors worded as Postgres words
 * them, the bound on nesting, and names.
 *
 * The grammar is LL(1) except where a GATE looks further, so a mismatch is found exactly at the first token that
 * cannot continue the statement: the token that Postgres' LALR(1) parser reports. Chevrotain's three ways of
 * reporting are overridden to throw `SqlError` at once; nothing is recovered, and its messages are never computed.
 *
 * Rules run once with dummy tokens when the parser is made (chevrotain records them), so their actions must bear
 * dummies and change nothing outside the rule but the counters that `open` resets.
 */
import { EmbeddedActionsParser, EOF } from 'chevrotain';
import type { IToken, ParserMethod, TokenType } from 'chevrotain';
import {
  errorPosition,
  notSupported,
  SqlError,
  statementTooComplex,
  syntaxError,
} from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { Identifier, QualifiedName } from './ast.ts';
import { ALL_TOKENS, ColumnLabel, ColumnName, Comma, Dot, Invalid, LeftParen } from './tokens.ts';
import { RightParen } from './tokens.ts';
import type { SqlToken } from './tokens.ts';

/** A rule of the grammar. */
export type Rule<Result, Args extends unknown[] = []> = ParserMethod<Args, Result>;

/** Levels of the tree, so that whoever walks it recursively has stack enough. Flat lists of AND, OR do not count. */
export const TREE_HEIGHT_MAX = 500;
/** Nested constructs being parsed at once: each takes several frames of the JavaScript stack. */
export const NESTING_MAX = 200;
/** The protocol counts parameters in 16 bits. */
const PARAMETER_INDEX_MAX = 65535;

export interface GrammarOptions {
  /** Checks the grammar for ambiguities when it is made: slow, for tests. */
  readonly validates: boolean;
}

/** What a token stands for; empty while rules are recorded. */
export function valueOf(token: IToken): string {
  return (token as Partial<SqlToken>).value ?? '';
}

export class GrammarBase extends EmbeddedActionsParser {
  #source = '';
  #nesting = 0;
  #height = 0;
  /** The highest `$n` since `beginStatement`. */
  #parameterCount = 0;

  constructor(options: GrammarOptions) {
    super(ALL_TOKENS, { maxLookahead: 1, skipValidations: !options.validates });
  }

  /** Makes `text`, scanned into `tokens`, the input. */
  protected open(text: string, tokens: SqlToken[]): void {
    this.input = tokens;
    this.#source = text;
    this.#nesting = 0;
    this.#height = 0;
  }

  /** Lets go of the text, so that an idle parser holds no memory. */
  protected close(): void {
    this.input = [];
    this.#source = '';
  }

  protected beginStatement(): void {
    this.#parameterCount = 0;
  }

  protected get parameterCount(): number {
    return this.#parameterCount;
  }

  protected get source(): string {
    return this.#source;
  }

  // -- Errors ---------------------------------------------------------------------------------------------------

  /** Overrides chevrotain: no alternative of an OR fits. */
  protected raiseNoAltException(): never {
    throw this.syntaxErrorAt(this.LA(1));
  }

  /** Overrides chevrotain: a list that needs an element has none. */
  protected raiseEarlyExitException(): never {
    throw this.syntaxErrorAt(this.LA(1));
  }

  /** Overrides chevrotain: another token was expected. */
  protected consumeInternalError(_expected: TokenType, actual: IToken): never {
    throw this.syntaxErrorAt(actual);
  }

  protected syntaxErrorAt(token: IToken): SqlError {
    if (token.tokenType === Invalid) {
      const { error } = token as SqlToken;
      if (error !== undefined) return error;
    }
    if (token.tokenType === EOF) {
      const position = errorPosition(this.#source, this.#source.length);
      return syntaxError('syntax error at end of input', position);
    }
    const position = errorPosition(this.#source, token.startOffset);
    return syntaxError(`syntax error at or near "${token.image}"`, position);
  }

  /** 42601 with a message of its own. */
  protected errorAt(offset: number, message: string, hint?: string): SqlError {
    return syntaxError(message, errorPosition(this.#source, offset), hint);
  }

  /** 0A000 at a token or offset. Throws, except while the grammar is recorded. */
  protected refuse(offset: number, what: string, hint?: string): void {
    if (this.RECORDING_PHASE) return;
    throw notSupported(`${what} is not supported`, hint, errorPosition(this.#source, offset));
  }

  // -- Bounds ---------------------------------------------------------------------------------------------------

  /** Begins a nested construct; `leave` takes what this returns. */
  protected enter(): number {
    if (++this.#nesting > NESTING_MAX) throw statementTooComplex();
    const outer = this.#height;
    this.#height = 0;
    return outer;
  }

  protected leave(outer: number): void {
    this.#nesting--;
    this.grow();
    if (outer > this.#height) this.#height = outer;
  }

  /** One more level above everything parsed since the last `enter`. */
  protected grow(): void {
    if (++this.#height > TREE_HEIGHT_MAX) throw statementTooComplex();
  }

  /** The index of a parameter token. */
  protected parameterIndex(token: IToken): number {
    if (this.RECORDING_PHASE) return 0;
    const index = Number(valueOf(token));
    if (index < 1 || index > PARAMETER_INDEX_MAX) {
      const position = errorPosition(this.#source, token.startOffset);
      const message = `there is no parameter ${token.image}`;
      throw new SqlError(SQLSTATE.UNDEFINED_PARAMETER, message, { position });
    }
    if (index > this.#parameterCount) this.#parameterCount = index;
    return index;
  }

  // -- Looking ahead --------------------------------------------------------------------------------------------

  protected isNext(type: TokenType): boolean {
    return this.LA(1).tokenType === type;
  }

  protected isSecond(type: TokenType): boolean {
    return this.LA(2).tokenType === type;
  }

  /** The offset of the next token: where the node begun now stands. */
  protected here(): number {
    return this.LA(1).startOffset;
  }

  /** The offset just behind the last token consumed. */
  protected behind(): number {
    return (this.LA(0).endOffset ?? -1) + 1;
  }

  // -- Names ----------------------------------------------------------------------------------------------------

  /** A name of a column, table, cursor, ... */
  protected readonly identifier: Rule<Identifier> = this.RULE('identifier', (): Identifier => {
    const token = this.CONSUME(ColumnName);
    return { name: valueOf(token), position: token.startOffset };
  });

  protected readonly identifierList: Rule<Identifier[]> = this.RULE(
    'identifierList',
    (): Identifier[] => {
      const names: Identifier[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: Comma,
        DEF: () => {
          names.push(this.SUBRULE(this.identifier));
        },
      });
      return names;
    },
  );

  /** `(a, b)` */
  protected readonly parenthesizedNames: Rule<Identifier[]> = this.RULE(
    'parenthesizedNames',
    (): Identifier[] => {
      this.CONSUME(LeftParen);
      const names = this.SUBRULE(this.identifierList);
      this.CONSUME(RightParen);
      return names;
    },
  );

  /** `a.b.c` as its parts. */
  protected readonly dottedName: Rule<string[]> = this.RULE('dottedName', (): string[] => {
    const parts = [valueOf(this.CONSUME(ColumnName))];
    this.MANY(() => {
      this.CONSUME(Dot);
      parts.push(valueOf(this.CONSUME(ColumnLabel)));
    });
    return parts;
  });

  protected readonly qualifiedName: Rule<QualifiedName> = this.RULE(
    'qualifiedName',
    (): QualifiedName => {
      const position = this.here();
      return this.toQualifiedName(this.SUBRULE(this.dottedName), position);
    },
  );

  protected readonly qualifiedNameList: Rule<QualifiedName[]> = this.RULE(
    'qualifiedNameList',
    (): QualifiedName[] => {
      const names: QualifiedName[] = [];
      this.AT_LEAST_ONE_SEP({
        SEP: Comma,
        DEF: () => {
          names.push(this.SUBRULE(this.qualifiedName));
        },
      });
      return names;
    },
  );

  protected toQualifiedName(parts: readonly string[], position: number): QualifiedName {
    if (this.RECORDING_PHASE) return { catalog: undefined, schema: undefined, name: '', position };
    if (parts.length > 3) {
      const dotted = parts.join('.');
      throw this.errorAt(position, `improper qualified name (too many dotted names): ${dotted}`);
    }
    return { catalog: parts.at(-3), schema: parts.at(-2), name: parts.at(-1) ?? '', position };
  }
}
