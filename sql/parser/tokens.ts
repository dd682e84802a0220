/**
 * The token types of the grammar. Keywords belong to the categories of what they may also be (a column's name, an
 * alias, ...), so that one alternative of the grammar accepts them all. The scanner makes the tokens; chevrotain's
 * own lexer is not used (its patterns have no nested comments, and no errors worded as Postgres words them).
 */
import { createToken, Lexer } from 'chevrotain';
import type { IToken, TokenType } from 'chevrotain';
import { KEYWORD_CLASSES, NEEDS_AS_WORDS } from './keywords.ts';
import type { Keyword, KeywordClass } from './keywords.ts';
import type { SqlError } from '../errors/sql-error.ts';

/** `value`: an identifier folded, a string without quotes and escapes, an operator, a keyword in lower case. */
export interface SqlToken extends IToken {
  readonly value: string;
  /** Only of an `Invalid` token: what is wrong with the text there. */
  readonly error: SqlError | undefined;
}

const allTokens: TokenType[] = [];

function token(name: string, categories: TokenType[] = []): TokenType {
  const type = createToken({ name, pattern: Lexer.NA, categories });
  allTokens.push(type);
  return type;
}

// Categories: never produced by the scanner themselves.
/** Anything but `;`, the end and what cannot be a token. */
export const AnyToken = token('AnyToken');
/** Postgres' ColLabel: what may follow AS. */
export const ColumnLabel = token('ColumnLabel', [AnyToken]);
/** Postgres' BareColLabel: an alias without AS. */
export const BareLabel = token('BareLabel');
/** Postgres' ColId: names of columns, tables, variables. */
export const ColumnName = token('ColumnName');
/** Postgres' type_function_name. */
export const TypeFunctionName = token('TypeFunctionName');
/** Postgres' NonReservedWord: anything but a reserved word. */
export const NonReservedWord = token('NonReservedWord');
/** Keywords of the type and function class alone: names only of functions and types. */
export const TypeFunctionKeyword = token('TypeFunctionKeyword');
/** Words that begin a type with a syntax of its own, and are column names elsewhere. */
export const TypeKeyword = token('TypeKeyword');
/** INT, REAL and the like: a type's whole name. */
export const PlainTypeKeyword = token('PlainTypeKeyword');
/** Words that begin a call with a syntax of its own when `(` follows, and are column names elsewhere. */
export const CallKeyword = token('CallKeyword');
/** CURRENT_DATE and its like. */
export const ValueFunctionKeyword = token('ValueFunctionKeyword');
/** `<`, `=`, `>=`, ... */
export const ComparisonOperator = token('ComparisonOperator', [AnyToken]);
/** Every operator symbol that can stand between two operands. */
export const InfixOperator = token('InfixOperator', [AnyToken]);
/** Symbols before an operand. */
export const PrefixOperator = token('PrefixOperator', [AnyToken]);

export const Identifier = token('Identifier', [
  AnyToken,
  ColumnLabel,
  BareLabel,
  ColumnName,
  TypeFunctionName,
  NonReservedWord,
]);
export const IntegerLiteral = token('IntegerLiteral', [AnyToken]);
export const DecimalLiteral = token('DecimalLiteral', [AnyToken]);
export const StringLiteral = token('StringLiteral', [AnyToken]);
export const BitStringLiteral = token('BitStringLiteral', [AnyToken]);
export const Parameter = token('Parameter', [AnyToken]);

export const LeftParen = token('LeftParen', [AnyToken]);
export const RightParen = token('RightParen', [AnyToken]);
export const LeftBracket = token('LeftBracket', [AnyToken]);
export const RightBracket = token('RightBracket', [AnyToken]);
export const Comma = token('Comma', [AnyToken]);
export const Semicolon = token('Semicolon');
export const Dot = token('Dot', [AnyToken]);
export const DotDot = token('DotDot', [AnyToken]);
export const Colon = token('Colon', [AnyToken]);
export const ColonEquals = token('ColonEquals', [AnyToken]);
export const EqualsGreater = token('EqualsGreater', [AnyToken]);
export const TypeCast = token('TypeCast', [AnyToken]);

export const Plus = token('Plus', [AnyToken, InfixOperator, PrefixOperator]);
export const Minus = token('Minus', [AnyToken, InfixOperator, PrefixOperator]);
export const Star = token('Star', [AnyToken, InfixOperator]);
export const Slash = token('Slash', [AnyToken, InfixOperator]);
export const Percent = token('Percent', [AnyToken, InfixOperator]);
export const Caret = token('Caret', [AnyToken, InfixOperator]);
export const Less = token('Less', [AnyToken, InfixOperator, ComparisonOperator]);
export const Greater = token('Greater', [AnyToken, InfixOperator, ComparisonOperator]);
export const Equals = token('Equals', [AnyToken, InfixOperator, ComparisonOperator]);
export const LessEquals = token('LessEquals', [AnyToken, InfixOperator, ComparisonOperator]);
export const GreaterEquals = token('GreaterEquals', [AnyToken, InfixOperator, ComparisonOperator]);
export const NotEquals = token('NotEquals', [AnyToken, InfixOperator, ComparisonOperator]);
/** Every other operator symbol: `||`, `~*`, `->>`, ... */
export const Operator = token('Operator', [AnyToken, InfixOperator, PrefixOperator]);
/** Text that is no token; scanning ends with it. */
export const Invalid = token('Invalid');

const TYPE_WORDS: ReadonlySet<string> = new Set(
  (
    'bigint bit boolean char character dec decimal double float int integer interval national ' +
    'nchar numeric real smallint time timestamp varchar'
  ).split(' '),
);
/** The catalog's name of a type whose name is one word. */
export const PLAIN_TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  ['bigint', 'int8'],
  ['boolean', 'bool'],
  ['int', 'int4'],
  ['integer', 'int4'],
  ['real', 'float4'],
  ['smallint', 'int2'],
]);
const CALL_WORDS: ReadonlySet<string> = new Set(
  (
    'coalesce exists extract greatest grouping least normalize nullif overlay position row ' +
    'substring treat trim xmlconcat xmlelement xmlexists xmlforest xmlparse xmlpi xmlroot ' +
    'xmlserialize'
  ).split(' '),
);
const VALUE_FUNCTION_WORDS: ReadonlySet<string> = new Set(
  (
    'current_catalog current_date current_role current_schema current_time current_timestamp ' +
    'current_user localtime localtimestamp session_user user'
  ).split(' '),
);

const CLASS_CATEGORIES: Readonly<Record<KeywordClass, readonly TokenType[]>> = {
  unreserved: [ColumnName, TypeFunctionName, NonReservedWord],
  'column name': [ColumnName, NonReservedWord],
  'type function': [TypeFunctionName, TypeFunctionKeyword, NonReservedWord],
  reserved: [],
};

function keywordToken(word: Keyword, wordClass: KeywordClass): TokenType {
  const categories = [AnyToken, ColumnLabel, ...CLASS_CATEGORIES[wordClass]];
  if (!NEEDS_AS_WORDS.has(word)) categories.push(BareLabel);
  if (TYPE_WORDS.has(word)) categories.push(TypeKeyword);
  if (PLAIN_TYPE_NAMES.has(word)) categories.push(PlainTypeKeyword);
  if (CALL_WORDS.has(word)) categories.push(CallKeyword);
  if (VALUE_FUNCTION_WORDS.has(word)) categories.push(ValueFunctionKeyword);
  return token(`Keyword_${word}`, categories);
}

/** Keyword tokens by word: `K.select`. */
export const K = Object.fromEntries(
  [...KEYWORD_CLASSES].map(([word, wordClass]) => [word, keywordToken(word, wordClass)]),
) as Readonly<Record<Keyword, TokenType>>;

/** For the scanner: the token of a folded word, or undefined when it is an ordinary identifier. */
export const KEYWORDS_BY_WORD: ReadonlyMap<string, TokenType> = new Map(Object.entries(K));

export const ALL_TOKENS: TokenType[] = allTokens;

function membersOf(category: TokenType): ReadonlySet<TokenType> {
  return new Set(allTokens.filter((type) => type.CATEGORIES?.includes(category)));
}

/** The words that name functions and types only, as token types. */
export const TYPE_FUNCTION_KEYWORDS = membersOf(TypeFunctionKeyword);
/** What can name a function or a type by itself. */
export const TYPE_FUNCTION_NAMES = membersOf(TypeFunctionName);
/** What can name a column. */
export const COLUMN_NAMES = membersOf(ColumnName);
