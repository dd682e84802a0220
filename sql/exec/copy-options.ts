/**
 * The options of COPY with their defaults filled in and checked, as Postgres checks them.
 */
import type { CopyOptions, Copy } from '../parser/ast-statement.ts';
import { SqlError, notSupported } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';

export interface CopyFormat {
  readonly format: 'text' | 'csv';
  readonly delimiter: string;
  readonly null: string;
  readonly header: boolean | 'match';
  readonly quote: string;
  readonly escape: string;
  /** Column names; '*' is all. CSV only. */
  readonly forceQuote: '*' | ReadonlySet<string>;
  readonly forceNotNull: ReadonlySet<string>;
  readonly forceNull: ReadonlySet<string>;
}

export function resolveCopyOptions(options: CopyOptions, direction: Copy['direction']): CopyFormat {
  const format = options.format ?? 'text';
  if (format === 'binary') {
    throw notSupported('COPY in binary format is not supported', 'Use format text or csv.');
  }
  const isCsv = format === 'csv';
  const delimiter = options.delimiter ?? (isCsv ? ',' : '\t');
  const nullText = options.null ?? (isCsv ? '' : '\\N');
  const quote = options.quote ?? '"';
  checkDelimiter(delimiter, isCsv);
  checkNull(nullText, delimiter);
  checkCsvOnly(options, isCsv, direction);
  if (isCsv) checkCsv(delimiter, nullText, quote, options.escape ?? quote);
  if (options.encoding !== undefined && !/^"?utf-?8"?$/i.test(options.encoding)) {
    throw notSupported(`COPY in encoding "${options.encoding}" is not supported`, 'Use UTF8.');
  }
  if (options.header === 'match' && direction === 'to') {
    throw new SqlError(
      SQLSTATE.INVALID_PARAMETER_VALUE,
      'cannot use "match" with HEADER in COPY TO',
    );
  }
  return {
    format,
    delimiter,
    null: nullText,
    header: options.header ?? false,
    quote,
    escape: options.escape ?? quote,
    forceQuote:
      options.forceQuote === '*' ? '*' : new Set(options.forceQuote.map((column) => column.name)),
    forceNotNull: new Set(options.forceNotNull.map((column) => column.name)),
    forceNull: new Set(options.forceNull.map((column) => column.name)),
  };
}

function checkDelimiter(delimiter: string, isCsv: boolean): void {
  if (!isOneByte(delimiter)) {
    throw notSupported('COPY delimiter must be a single one-byte character');
  }
  if (delimiter === '\n' || delimiter === '\r') {
    throw invalid('COPY delimiter cannot be newline or carriage return');
  }
  if (!isCsv && /[\\.a-z0-9]/.test(delimiter)) {
    throw invalid(`COPY delimiter cannot be "${delimiter}"`);
  }
}

function checkNull(nullText: string, delimiter: string): void {
  if (/[\r\n]/.test(nullText)) {
    throw invalid('COPY null representation cannot use newline or carriage return');
  }
  if (nullText.includes(delimiter)) {
    throw invalid('COPY delimiter character must not appear in the NULL specification');
  }
}

function checkCsvOnly(options: CopyOptions, isCsv: boolean, direction: Copy['direction']): void {
  const hasForceQuote = options.forceQuote === '*' || options.forceQuote.length > 0;
  if (!isCsv) {
    if (options.quote !== undefined) throw notSupported('COPY quote available only in CSV mode');
    if (options.escape !== undefined) throw notSupported('COPY escape available only in CSV mode');
    if (hasForceQuote) throw notSupported('COPY force quote available only in CSV mode');
    if (options.forceNotNull.length > 0) {
      throw notSupported('COPY force not null available only in CSV mode');
    }
    if (options.forceNull.length > 0) {
      throw notSupported('COPY force null available only in CSV mode');
    }
  }
  if (hasForceQuote && direction === 'from') {
    throw notSupported('COPY force quote only available using COPY TO');
  }
  if (direction === 'to') {
    if (options.forceNotNull.length > 0) {
      throw notSupported('COPY force not null only available using COPY FROM');
    }
    if (options.forceNull.length > 0) {
      throw notSupported('COPY force null only available using COPY FROM');
    }
  }
}

function checkCsv(delimiter: string, nullText: string, quote: string, escape: string): void {
  if (!isOneByte(quote)) throw notSupported('COPY quote must be a single one-byte character');
  if (!isOneByte(escape)) throw notSupported('COPY escape must be a single one-byte character');
  if (delimiter === quote) throw invalid('COPY delimiter and quote must be different');
  if (nullText.includes(quote)) {
    throw invalid('CSV quote character must not appear in the NULL specification');
  }
}

function isOneByte(text: string): boolean {
  return text.length === 1 && text.charCodeAt(0) < 128;
}

function invalid(message: string): SqlError {
  return new SqlError(SQLSTATE.INVALID_PARAMETER_VALUE, message);
}
