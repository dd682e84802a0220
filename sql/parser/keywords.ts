/**
 * The words of the grammar with what each may be besides itself, as in Postgres' appendix C: which words are names
 * without quotes is part of the dialect.
 *
 * | list         | column or table name | function or type name |
 * | unreserved   | yes                  | yes                   |
 * | columnName   | yes                  | no                    |
 * | typeFunction | no                   | yes                   |
 * | reserved     | no                   | no                    |
 *
 * All are names after AS. Those in `needsAs` are not a column's alias without AS.
 */
const UNRESERVED = `
  abort absolute access action add admin after aggregate also alter always asensitive
  assertion assignment at atomic attach attribute backward before begin breadth by cache call
  called cascade cascaded catalog chain characteristics checkpoint class close cluster
  columns comment comments commit committed compression configuration conflict connection
  constraints content continue conversion copy cost csv cube current cursor cycle data
  database day deallocate declare defaults deferred definer delete delimiter delimiters
  depends depth detach dictionary disable discard document domain double drop each enable
  encoding encrypted enum escape event exclude excluding exclusive execute explain expression
  extension external family filter finalize first following force forward function functions
  generated global granted groups handler header hold hour identity if immediate immutable
  implicit import include including increment index indexes inherit inherits inline input
  insensitive insert instead invoker isolation key label language large last leader leakproof
  level listen load local location lock locked logged mapping match matched materialized
  maxvalue merge method minute minvalue mode month move name names new next nfc nfd nfkc nfkd
  no normalized nothing notify nowait nulls object of off oids old operator option options
  ordinality others over overriding owned owner parallel parameter parser partial partition
  passing password plans policy preceding prepare prepared preserve prior privileges
  procedural procedure procedures program publication quote range ranges read reassign
  recheck recursive ref referencing refresh reindex relative release rename repeatable
  replace replica reset restart restrict return returns revoke role rollback rollup routine
  routines rows rule savepoint schema schemas scroll search second security sequence
  sequences serializable server session set sets share show simple skip snapshot sql stable
  standalone start statement statistics stdin stdout storage stored strict strip subscription
  support sysid system tables tablespace temp template temporary text ties transaction
  transform trigger truncate trusted type types uescape unbounded uncommitted unencrypted
  unknown unlisten unlogged until update vacuum valid validate validator value varying
  version view views volatile whitespace within without work wrapper write xml year yes zone
` as const;

const COLUMN_NAME = `
  between bigint bit boolean char character coalesce dec decimal exists extract float
  greatest grouping inout int integer interval least national nchar none normalize nullif
  numeric out overlay position precision real row setof smallint substring time timestamp
  treat trim values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest
  xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
` as const;

const TYPE_FUNCTION = `
  authorization binary collation concurrently cross current_schema freeze full ilike inner is
  isnull join left like natural notnull outer overlaps right similar tablesample verbose
` as const;

const RESERVED = `
  all analyse analyze and any array as asc asymmetric both case cast check collate column
  constraint create current_catalog current_date current_role current_time current_timestamp
  current_user default deferrable desc distinct do else end except false fetch for foreign
  from grant group having in initially intersect into lateral leading limit localtime
  localtimestamp not null offset on only or order placing primary references returning select
  session_user some symmetric table then to trailing true union unique user using variadic
  when where window with
` as const;

const NEEDS_AS = `
  array as char character create day except fetch filter for from grant group having hour
  intersect into isnull limit minute month notnull offset on order over overlaps precision
  returning second to union varying where window with within without year
` as const;

/** The words of a list as a union of literals: a misspelt keyword in the grammar does not compile. */
type Words<List extends string, Found = never> = List extends `${infer Word} ${infer Rest}`
  ? Words<Rest, Found | Trimmed<Word>>
  : Found | Trimmed<List>;
type Trimmed<Word extends string> = Word extends `\n${infer Rest}`
  ? Trimmed<Rest>
  : Word extends `${infer Rest}\n`
    ? Rest
    : Word;

export type UnreservedWord = Exclude<Words<typeof UNRESERVED>, ''>;
export type ColumnNameWord = Exclude<Words<typeof COLUMN_NAME>, ''>;
export type TypeFunctionWord = Exclude<Words<typeof TYPE_FUNCTION>, ''>;
export type ReservedWord = Exclude<Words<typeof RESERVED>, ''>;
export type Keyword = UnreservedWord | ColumnNameWord | TypeFunctionWord | ReservedWord;

export type KeywordClass = 'unreserved' | 'column name' | 'type function' | 'reserved';

function words(list: string): readonly string[] {
  return list.trim().split(/\s+/u);
}

export const KEYWORD_CLASSES: ReadonlyMap<Keyword, KeywordClass> = new Map([
  ...words(UNRESERVED).map((word) => [word as Keyword, 'unreserved'] as const),
  ...words(COLUMN_NAME).map((word) => [word as Keyword, 'column name'] as const),
  ...words(TYPE_FUNCTION).map((word) => [word as Keyword, 'type function'] as const),
  ...words(RESERVED).map((word) => [word as Keyword, 'reserved'] as const),
]);

export const NEEDS_AS_WORDS: ReadonlySet<string> = new Set(words(NEEDS_AS));
