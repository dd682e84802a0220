/**
 * Writes backend messages of the Postgres protocol 3.0 (chapter 55) into one growing buffer, which the connection
 * hands to the socket once per flush. A message is begun, filled, and its length patched in. `mark` and `truncate`
 * drop what has not been flushed: a silent retry takes back what its first run has written.
 */
import { assert } from '../base/assert.ts';
import type { SqlType } from '../../sql/types/sql-type.ts';
import { typeLength } from '../../sql/types/sql-type.ts';

/** What the encoder needs of a result column. */
export interface ColumnDescription {
  readonly name: string;
  readonly type: SqlType;
  readonly tableId: number;
  readonly columnNumber: number;
}

export interface ErrorFields {
  readonly severity: string;
  readonly sqlState: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly position?: number | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly dataType?: string | undefined;
  readonly constraint?: string | undefined;
  readonly context?: string | undefined;
}

const INITIAL_BYTES = 8192;
const SHORT_TEXT = 24;
/** A buffer that has grown beyond this is let go after its flush. */
const KEEP_BYTES_MAX = 256 * 1024;

const EMPTY = Buffer.alloc(0);
/** Messages that are the same every time, by their content: few. */
const CONSTANTS_MAX = 256;
const tags = new Map<string, Buffer>();
/** RowDescriptions by their columns: all in text, all in binary. */
const descriptions = [
  new WeakMap<readonly ColumnDescription[], Buffer>(),
  new WeakMap<readonly ColumnDescription[], Buffer>(),
] as const;

export class BackendEncoder {
  #buffer: Buffer = EMPTY;
  /** What the last `take` has given away. */
  #spare: Buffer | undefined;
  #length = 0;
  #messageStart = -1;
  /** Bytes handed out by `take` so far: positions are absolute. */
  #taken = 0;

  get length(): number {
    return this.#length;
  }

  /** An absolute position: everything before it that was not taken can be kept, everything after it dropped. */
  mark(): number {
    return this.#taken + this.#length;
  }

  isTakenSince(mark: number): boolean {
    return this.#taken > mark;
  }

  truncate(mark: number): void {
    assert(!this.isTakenSince(mark), 'results that were sent cannot be dropped');
    this.#length = mark - this.#taken;
  }

  /** What was written since the last `take`: the caller's until it says `giveBack`, or else for good. */
  take(): Buffer {
    assert(this.#messageStart < 0, 'a message is half written');
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#taken += this.#length;
    this.#length = 0;
    this.#spare = this.#buffer.length > KEEP_BYTES_MAX ? undefined : this.#buffer;
    this.#buffer = EMPTY;
    return bytes;
  }

  /** Nobody reads what was taken last any more: its buffer is written to again. */
  giveBack(): void {
    if (this.#length === 0 && this.#spare !== undefined) this.#buffer = this.#spare;
    this.#spare = undefined;
  }

  /* ---------- pieces ---------- */

  begin(type: number): void {
    this.#reserve(5);
    this.#buffer[this.#length] = type;
    this.#messageStart = this.#length + 1;
    this.#length += 5;
  }

  end(): void {
    this.#buffer.writeUInt32BE(this.#length - this.#messageStart, this.#messageStart);
    this.#messageStart = -1;
  }

  /** A message that could not be finished leaves no trace. */
  abandon(): void {
    if (this.#messageStart < 0) return;
    this.#length = this.#messageStart - 1;
    this.#messageStart = -1;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#length = this.#buffer.writeInt16BE(value, this.#length);
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32BE(value, this.#length);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    const buffer = this.#buffer;
    const at = this.#length;
    // A call into the runtime takes longer than a short loop.
    if (bytes.length > 48) buffer.set(bytes, at);
    else for (let i = 0; i < bytes.length; i++) buffer[at + i] = bytes[i] ?? 0;
    this.#length = at + bytes.length;
  }

  string(text: string): void {
    const size = Buffer.byteLength(text, 'utf8');
    this.#reserve(size + 1);
    this.#buffer.utf8Write(text, this.#length);
    this.#length += size;
    this.#buffer[this.#length++] = 0;
  }

  /** A value in text format: its length and UTF-8. */
  textValue(text: string): void {
    const worst = text.length * 3;
    this.#reserve(worst + 4);
    if (text.length <= SHORT_TEXT && this.#shortText(text)) return;
    const size = this.#buffer.utf8Write(text, this.#length + 4);
    this.#buffer.writeInt32BE(size, this.#length);
    this.#length += size + 4;
  }

  /** Plain ASCII, character by character: faster than a call into the runtime. False: it is not that. */
  #shortText(text: string): boolean {
    const buffer = this.#buffer;
    const at = this.#length + 4;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return false;
      buffer[at + i] = code;
    }
    buffer[at - 4] = 0;
    buffer[at - 3] = 0;
    buffer[at - 2] = 0;
    buffer[at - 1] = text.length;
    this.#length = at + text.length;
    return true;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    let size = Math.max(INITIAL_BYTES, this.#buffer.length * 2);
    while (size < needed) size *= 2;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  /* ---------- messages ---------- */

  authenticationOk(): void {
    this.begin(0x52);
    this.int32(0);
    this.end();
  }

  backendKeyData(processId: number, secret: Uint8Array): void {
    this.begin(0x4b);
    this.int32(processId);
    this.raw(secret);
    this.end();
  }

  parameterStatus(name: string, value: string): void {
    this.begin(0x53);
    this.string(name);
    this.string(value);
    this.end();
  }

  readyForQuery(status: string): void {
    this.begin(0x5a);
    this.byte(status.charCodeAt(0));
    this.end();
  }

  /** Columns that come again (those of a plan) are encoded once. */
  rowDescription(columns: readonly ColumnDescription[], formats: readonly number[]): void {
    if (formats.length > 1) {
      this.#describeRow(columns, formats);
      return;
    }
    const known = descriptions[formats[0] === 1 ? 1 : 0];
    const bytes = known.get(columns);
    if (bytes !== undefined) {
      this.raw(bytes);
      return;
    }
    const start = this.#length;
    this.#describeRow(columns, formats);
    known.set(columns, this.#copyFrom(start));
  }

  #describeRow(columns: readonly ColumnDescription[], formats: readonly number[]): void {
    this.begin(0x54);
    this.int16(columns.length);
    columns.forEach((column, i) => {
      this.string(column.name);
      this.uint32(column.tableId);
      this.int16(column.columnNumber);
      this.uint32(column.type.oid);
      this.int16(typeLength(column.type));
      this.int32(column.type.modifier);
      this.int16(formatOf(formats, i));
    });
    this.end();
  }

  parameterDescription(types: readonly SqlType[]): void {
    this.begin(0x74);
    this.int16(types.length);
    for (const type of types) this.uint32(type.oid);
    this.end();
  }

  commandComplete(tag: string): void {
    const known = tags.get(tag);
    if (known !== undefined) {
      this.raw(known);
      return;
    }
    const start = this.#length;
    this.begin(0x43);
    this.string(tag);
    this.end();
    if (tags.size < CONSTANTS_MAX) tags.set(tag, this.#copyFrom(start));
  }

  #copyFrom(start: number): Buffer {
    return Buffer.from(this.#buffer.subarray(start, this.#length));
  }

  copyResponse(type: 'G' | 'H', isBinary: boolean, columnCount: number): void {
    this.begin(type.charCodeAt(0));
    this.byte(isBinary ? 1 : 0);
    this.int16(columnCount);
    for (let i = 0; i < columnCount; i++) this.int16(isBinary ? 1 : 0);
    this.end();
  }

  copyData(bytes: Uint8Array): void {
    this.begin(0x64);
    this.raw(bytes);
    this.end();
  }

  /** A message that is only its type: '1' ParseComplete, '2' BindComplete, '3', 'n', 's', 'I', 'c'. */
  empty(type: string): void {
    this.#reserve(5);
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = type.charCodeAt(0);
    buffer[at + 1] = 0;
    buffer[at + 2] = 0;
    buffer[at + 3] = 0;
    buffer[at + 4] = 4;
    this.#length = at + 5;
  }

  /** 'E' ErrorResponse or 'N' NoticeResponse. */
  report(type: 'E' | 'N', fields: ErrorFields): void {
    this.begin(type.charCodeAt(0));
    this.#field('S', fields.severity);
    this.#field('V', fields.severity);
    this.#field('C', fields.sqlState);
    this.#field('M', fields.message);
    this.#field('D', fields.detail);
    this.#field('H', fields.hint);
    this.#field('P', fields.position === undefined ? undefined : String(fields.position));
    this.#field('W', fields.context);
    this.#field('s', fields.schema);
    this.#field('t', fields.table);
    this.#field('c', fields.column);
    this.#field('d', fields.dataType);
    this.#field('n', fields.constraint);
    this.byte(0);
    this.end();
  }

  #field(code: string, value: string | undefined): void {
    if (value === undefined) return;
    this.byte(code.charCodeAt(0));
    // A NUL would end the field early and garble the rest.
    this.string(value.includes('\0') ? value.replaceAll('\0', '\\0') : value);
  }
}

/** None: text; one: for all columns; else one each (Bind, chapter 55.7). */
export function formatOf(formats: readonly number[], index: number): number {
  if (formats.length === 0) return 0;
  return (formats.length === 1 ? formats[0] : formats[index]) ?? 0;
}
