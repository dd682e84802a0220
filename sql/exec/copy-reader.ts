/**
 * COPY input: bytes in any chunks come in, records of fields come out. Text and CSV as Postgres reads them. What
 * spans two chunks is kept until its end arrives, up to a bound. Fields are text or null; types are the caller's.
 */
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { CopyFormat } from './copy-options.ts';

export interface CopyRecord {
  /** The line that the record begins in, 1 and up. */
  readonly line: number;
  readonly fields: (string | null)[];
}

const RECORD_BYTES_MAX = 64 * 1024 * 1024;
const NEWLINE = 10;
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

export class CopyReader {
  readonly #format: CopyFormat;
  /** Names of the columns read, for HEADER MATCH and the FORCE options. */
  readonly #columns: readonly string[];
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Bytes behind the last newline, in pieces. */
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #line = 0;
  /** Lines of a CSV record whose quotes are still open. */
  #open = '';
  #openLine = 0;
  #isHeaderDue: boolean;
  #isEnded = false;
  #hasCarriageReturns: boolean | undefined;

  constructor(format: CopyFormat, columns: readonly string[]) {
    this.#format = format;
    this.#columns = columns;
    this.#isHeaderDue = format.header !== false;
  }

  /** The line that was read last, for the context of an error. */
  get line(): number {
    return this.#line;
  }

  push(chunk: Uint8Array): CopyRecord[] {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) {
      this.#keep(chunk);
      return [];
    }
    const whole = this.#withTail(chunk.subarray(0, end));
    this.#keep(chunk.subarray(end + 1));
    const records: CopyRecord[] = [];
    for (const line of this.#decode(whole).split('\n')) this.#onLine(line, records);
    return records;
  }

  /** The last line may lack its newline. */
  finish(): CopyRecord[] {
    const records: CopyRecord[] = [];
    if (this.#tailBytes > 0) this.#onLine(this.#decode(this.#withTail(new Uint8Array())), records);
    if (this.#open !== '') throw bad('unterminated CSV quoted field');
    return records;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    if (this.#tailBytes > RECORD_BYTES_MAX) throw bad('a line of COPY data is too long');
  }

  #withTail(bytes: Uint8Array): Uint8Array {
    if (this.#tailBytes === 0) return bytes;
    const whole = Buffer.concat([...this.#tail, bytes]);
    this.#tail = [];
    this.#tailBytes = 0;
    return whole;
  }

  #decode(bytes: Uint8Array): string {
    let text: string;
    try {
      text = this.#decoder.decode(bytes);
    } catch {
      throw new SqlError(
        SQLSTATE.CHARACTER_NOT_IN_REPERTOIRE,
        'invalid byte sequence for encoding "UTF8"',
      );
    }
    if (text.includes('\0')) {
      throw new SqlError(
        SQLSTATE.CHARACTER_NOT_IN_REPERTOIRE,
        'invalid byte sequence for encoding "UTF8": 0x00',
      );
    }
    return text;
  }

  #onLine(raw: string, records: CopyRecord[]): void {
    if (this.#isEnded) return;
    this.#line++;
    this.#hasCarriageReturns ??= raw.endsWith('\r');
    const line = this.#hasCarriageReturns && raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (this.#open === '' && line === '\\.') {
      this.#isEnded = true;
      return;
    }
    if (this.#format.format === 'text') {
      const fields = this.#isSkippedHeader() ? undefined : this.#textFields(line);
      if (fields !== undefined) this.#emit(this.#line, fields, records);
      return;
    }
    const text = this.#open === '' ? line : `${this.#open}\n${line}`;
    if (this.#open === '') this.#openLine = this.#line;
    if (text.length > RECORD_BYTES_MAX) throw bad('a record of COPY data is too long');
    const fields = this.#csvFields(text);
    this.#open = fields === undefined ? text : '';
    if (fields === undefined || this.#isSkippedHeader()) return;
    this.#emit(this.#openLine, fields, records);
  }

  #isSkippedHeader(): boolean {
    if (!this.#isHeaderDue || this.#format.header !== true) return false;
    this.#isHeaderDue = false;
    return true;
  }

  #emit(line: number, fields: (string | null)[], records: CopyRecord[]): void {
    if (!this.#isHeaderDue) {
      records.push({ line, fields });
      return;
    }
    this.#isHeaderDue = false;
    if (fields.length !== this.#columns.length) {
      throw bad(
        `wrong number of fields in header line: got ${fields.length}, ` +
          `expected ${this.#columns.length}`,
      );
    }
    fields.forEach((field, i) => {
      const expected = this.#columns[i] ?? '';
      if (field === expected) return;
      throw bad(
        `column name mismatch in header line field ${i + 1}: got "${field ?? ''}", ` +
          `expected "${expected}"`,
      );
    });
  }

  #textFields(line: string): (string | null)[] {
    const { delimiter, null: nullText } = this.#format;
    if (!line.includes('\\')) {
      const plain: (string | null)[] = line.split(delimiter);
      for (let i = 0; i < plain.length; i++) if (plain[i] === nullText) plain[i] = null;
      return plain;
    }
    return splitEscaped(line, delimiter).map((raw) => (raw === nullText ? null : unescape(raw)));
  }

  /** Undefined when a quote is still open at the end of the text. */
  #csvFields(text: string): (string | null)[] | undefined {
    const { delimiter, quote, escape, null: nullText } = this.#format;
    if (!text.includes(quote)) {
      return text.split(delimiter).map((value, i) => this.#csvValue(value, false, i, nullText));
    }
    const fields: (string | null)[] = [];
    let value = '';
    let isQuoted = false;
    let wasQuoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i] ?? '';
      if (isQuoted) {
        const next = text[i + 1];
        if (c === escape && (next === quote || next === escape)) {
          value += next;
          i++;
        } else if (c === quote) isQuoted = false;
        else value += c;
      } else if (c === quote) {
        isQuoted = true;
        wasQuoted = true;
      } else if (c === delimiter) {
        fields.push(this.#csvValue(value, wasQuoted, fields.length, nullText));
        value = '';
        wasQuoted = false;
      } else value += c;
    }
    if (isQuoted) return undefined;
    fields.push(this.#csvValue(value, wasQuoted, fields.length, nullText));
    return fields;
  }

  #csvValue(value: string, wasQuoted: boolean, index: number, nullText: string): string | null {
    if (value !== nullText) return value;
    const column = this.#columns[index] ?? '';
    if (wasQuoted) return this.#format.forceNull.has(column) ? null : value;
    return this.#format.forceNotNull.has(column) ? value : null;
  }
}

/** Cuts at delimiters that no backslash precedes; the escapes stay in the pieces. */
function splitEscaped(line: string, delimiter: string): string[] {
  const pieces: string[] = [];
  let start = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (c === '\\') i++;
    else if (c === delimiter) {
      pieces.push(line.slice(start, i));
      start = i + 1;
    }
  }
  pieces.push(line.slice(start));
  return pieces;
}

function unescape(raw: string): string {
  if (!raw.includes('\\')) return raw;
  if (/\\(?:[0-7]|x[0-9a-fA-F])/.test(raw)) return unescapeBytes(raw);
  return raw.replaceAll(/\\([\s\S])/g, (_, c: string) => SIMPLE_ESCAPES[c] ?? c);
}

/** Octal and hexadecimal escapes name bytes of UTF-8. */
function unescapeBytes(raw: string): string {
  const pattern = /\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([\s\S]))/g;
  const pieces: Buffer[] = [];
  let last = 0;
  for (const match of raw.matchAll(pattern)) {
    pieces.push(Buffer.from(raw.slice(last, match.index)));
    const [whole, octal, hex, c] = match;
    if (octal !== undefined) pieces.push(Buffer.of(parseInt(octal, 8) & 255));
    else if (hex !== undefined) pieces.push(Buffer.of(parseInt(hex, 16)));
    else pieces.push(Buffer.from(SIMPLE_ESCAPES[c ?? ''] ?? c ?? ''));
    last = match.index + whole.length;
  }
  pieces.push(Buffer.from(raw.slice(last)));
  const bytes = Buffer.concat(pieces);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // Reported below, as for any bad bytes.
  }
  throw new SqlError(
    SQLSTATE.CHARACTER_NOT_IN_REPERTOIRE,
    'invalid byte sequence for encoding "UTF8"',
  );
}

function bad(message: string): SqlError {
  return new SqlError(SQLSTATE.BAD_COPY_FILE_FORMAT, message);
}
