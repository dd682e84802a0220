/** COPY output: rows of text fields to lines, in text or CSV format, as Postgres writes them. */
import type { CopyFormat } from './copy-options.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
};

/** Makes the line of a row, newline included. */
export type CopyLineWriter = (fields: readonly (string | null)[]) => string;

export function copyLineWriter(format: CopyFormat, columns: readonly string[]): CopyLineWriter {
  const write = format.format === 'text' ? textField(format) : csvField(format, columns);
  return (fields) => {
    const isOnly = fields.length === 1;
    return fields.map((field, i) => write(field, i, isOnly)).join(format.delimiter) + '\n';
  };
}

/** The header line, or undefined when none is wanted. */
export function copyHeader(format: CopyFormat, columns: readonly string[]): string | undefined {
  if (format.header === false) return undefined;
  const plain: CopyFormat = { ...format, forceQuote: new Set() };
  return copyLineWriter(plain, columns)(columns);
}

type FieldWriter = (field: string | null, index: number, isOnly: boolean) => string;

function textField(format: CopyFormat): FieldWriter {
  const { delimiter } = format;
  const special = new RegExp(`[\\b\\f\\n\\r\\t\\v\\\\${escapeForClass(delimiter)}]`, 'g');
  return (field) => {
    if (field === null) return format.null;
    return field.replaceAll(special, (c) => ESCAPES[c] ?? `\\${c}`);
  };
}

function csvField(format: CopyFormat, columns: readonly string[]): FieldWriter {
  const { delimiter, quote, escape, forceQuote } = format;
  const special = new RegExp(`[\\n\\r${escapeForClass(delimiter)}${escapeForClass(quote)}]`);
  const escaped = new RegExp(`[${escapeForClass(quote)}${escapeForClass(escape)}]`, 'g');
  return (field, index, isOnly) => {
    if (field === null) return format.null;
    const isQuoted =
      field === format.null ||
      (isOnly && field === '\\.') ||
      special.test(field) ||
      forceQuote === '*' ||
      forceQuote.has(columns[index] ?? '');
    return isQuoted ? quote + field.replaceAll(escaped, (c) => escape + c) + quote : field;
  };
}

function escapeForClass(c: string): string {
  return /[\\\]^-]/.test(c) ? `\\${c}` : c;
}
