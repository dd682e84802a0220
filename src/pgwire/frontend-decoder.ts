/**
 * Cuts a client's byte stream into messages of the Postgres protocol 3.0 (chapter 55). Incremental: fed with chunks
 * as they arrive, it yields whole messages; what is incomplete waits. Field by field bounds are checked, so a hostile
 * stream ends in `ProtocolError` (08P01) and nothing else. Lengths are checked before anything is buffered.
 *
 * Byte arrays in messages are views of the chunk they came in: a consumer that keeps one copies it.
 */
import { QuorateError } from '../base/errors.ts';

export class ProtocolError extends QuorateError<'08P01'> {
  override readonly name = 'ProtocolError';

  constructor(message: string) {
    super('08P01', message);
  }
}

export type StartupMessage =
  | { readonly kind: 'startup'; readonly parameters: ReadonlyMap<string, string> }
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gssenc' }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secret: Buffer };

export type FrontendMessage =
  | { readonly kind: 'query'; readonly text: string }
  | {
      readonly kind: 'parse';
      readonly name: string;
      readonly text: string;
      readonly typeOids: readonly number[];
    }
  | {
      readonly kind: 'bind';
      readonly portal: string;
      readonly statement: string;
      readonly formats: readonly number[];
      readonly values: readonly (Buffer | null)[];
      readonly resultFormats: readonly number[];
    }
  | { readonly kind: 'describe'; readonly what: 'S' | 'P'; readonly name: string }
  | { readonly kind: 'execute'; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'close'; readonly what: 'S' | 'P'; readonly name: string }
  | { readonly kind: 'sync' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'terminate' }
  | { readonly kind: 'copyData'; readonly bytes: Buffer }
  | { readonly kind: 'copyDone' }
  | { readonly kind: 'copyFail'; readonly message: string };

/** A startup packet is small; any other message at most this long. */
const STARTUP_BYTES_MAX = 10_000;
export const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

const SSL_REQUEST = 80877103;
const CANCEL_REQUEST = 80877102;
const GSSENC_REQUEST = 80877104;

export class FrontendDecoder {
  #buffer: Buffer = Buffer.alloc(0);
  #offset = 0;
  /** Chunks of a long message, joined once it is whole. */
  #parts: Buffer[] = [];
  #partsBytes = 0;
  #partsWanted = 0;
  #lastType = 0;

  push(chunk: Buffer): void {
    if (this.#partsWanted > 0) {
      this.#parts.push(chunk);
      this.#partsBytes += chunk.length;
      if (this.#partsBytes < this.#partsWanted) return;
      this.#buffer = Buffer.concat(this.#parts, this.#partsBytes);
      this.#offset = 0;
      this.#parts = [];
      this.#partsBytes = 0;
      this.#partsWanted = 0;
      return;
    }
    if (this.#offset === this.#buffer.length) this.#buffer = chunk;
    else this.#buffer = Buffer.concat([this.#buffer.subarray(this.#offset), chunk]);
    this.#offset = 0;
  }

  /** Bytes received and not yet taken as messages. */
  bufferedBytes(): number {
    return this.#buffer.length - this.#offset + this.#partsBytes;
  }

  /** The type of the message taken last, one that could not be decoded included. */
  get lastType(): number {
    return this.#lastType;
  }

  /** The next startup-phase packet, or undefined until it is whole. */
  nextStartup(): StartupMessage | undefined {
    if (this.#buffer.length - this.#offset < 4) return undefined;
    const length = this.#buffer.readUInt32BE(this.#offset);
    if (length < 8 || length > STARTUP_BYTES_MAX) {
      throw new ProtocolError('invalid length of startup packet');
    }
    if (this.#buffer.length - this.#offset < length) return undefined;
    const body = this.#buffer.subarray(this.#offset + 4, this.#offset + length);
    this.#offset += length;
    return decodeStartup(body);
  }

  next(): FrontendMessage | undefined {
    const available = this.#buffer.length - this.#offset;
    if (this.#partsWanted > 0 || available < 5) return undefined;
    const length = this.#buffer.readUInt32BE(this.#offset + 1);
    if (length < 4 || length > MESSAGE_BYTES_MAX) throw new ProtocolError('invalid message length');
    if (available < length + 1) {
      this.#awaitLong(length + 1);
      return undefined;
    }
    const type = this.#buffer[this.#offset] ?? 0;
    const reader = new MessageReader(this.#buffer, this.#offset + 5, this.#offset + 1 + length);
    this.#offset += length + 1;
    this.#lastType = type;
    const message = decodeMessage(type, reader);
    reader.end();
    return message;
  }

  /** Is the next whole message a Sync? Looks without taking. */
  isSyncNext(): boolean {
    return (
      this.#partsWanted === 0 &&
      this.#buffer.length - this.#offset >= 5 &&
      this.#buffer[this.#offset] === 0x53
    );
  }

  /**
   * What follows a Bind, if it is the rest of a statement in the unnamed portal up to its Sync, and if it is all here:
   * Execute and Sync, maybe with a Describe before them. Looks without taking.
   */
  statementAhead(): 'plain' | 'described' | undefined {
    if (this.#isNext(EXECUTE_SYNC)) return 'plain';
    return this.#isNext(DESCRIBE_EXECUTE_SYNC) ? 'described' : undefined;
  }

  /** Is the first message behind that rest, or the next one, a whole Bind? Looks without taking. */
  isBindAhead(behind: 'plain' | 'described' | undefined): boolean {
    if (this.#partsWanted > 0) return false;
    const at = this.#offset + (behind === undefined ? 0 : REST_BYTES[behind]);
    const available = this.#buffer.length - at;
    if (available < 5 || this.#buffer[at] !== 0x42) return false;
    return available > this.#buffer.readUInt32BE(at + 1);
  }

  #isNext(bytes: Buffer): boolean {
    const at = this.#offset;
    const end = at + bytes.length;
    if (this.#partsWanted > 0 || end > this.#buffer.length) return false;
    return this.#buffer.compare(bytes, 0, bytes.length, at, end) === 0;
  }

  /** From here on chunks are collected and joined once, not with every arrival. */
  #awaitLong(length: number): void {
    const rest = this.#buffer.subarray(this.#offset);
    if (length - rest.length < 64 * 1024) return;
    this.#parts = [rest];
    this.#partsBytes = rest.length;
    this.#partsWanted = length;
    this.#buffer = Buffer.alloc(0);
    this.#offset = 0;
  }
}

/** Of the unnamed portal, all its rows. */
const EXECUTE_SYNC = Buffer.from('45000000090000000000' + '5300000004', 'hex');
const DESCRIBE_EXECUTE_SYNC = Buffer.concat([Buffer.from('44000000065000', 'hex'), EXECUTE_SYNC]);
const REST_BYTES = { plain: EXECUTE_SYNC.length, described: DESCRIBE_EXECUTE_SYNC.length };

class MessageReader {
  readonly #buffer: Buffer;
  #offset: number;
  readonly #end: number;

  constructor(buffer: Buffer, offset: number, end: number) {
    this.#buffer = buffer;
    this.#offset = offset;
    this.#end = end;
  }

  #need(count: number): void {
    if (this.#offset + count > this.#end) {
      throw new ProtocolError('insufficient data left in message');
    }
  }

  byte(): number {
    this.#need(1);
    return this.#buffer[this.#offset++] ?? 0;
  }

  int16(): number {
    this.#need(2);
    const value = this.#buffer.readInt16BE(this.#offset);
    this.#offset += 2;
    return value;
  }

  uint16(): number {
    return this.int16() & 0xffff;
  }

  int32(): number {
    this.#need(4);
    const value = this.#buffer.readInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  bytes(length: number): Buffer {
    if (length < 0) throw new ProtocolError('negative length in message');
    this.#need(length);
    const value = this.#buffer.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  rest(): Buffer {
    return this.bytes(this.#end - this.#offset);
  }

  /** A NUL-terminated string. */
  string(): string {
    const start = this.#offset;
    if (start < this.#end && this.#buffer[start] === 0) {
      this.#offset = start + 1;
      return '';
    }
    const end = this.#buffer.indexOf(0, start);
    if (end < 0 || end >= this.#end) throw new ProtocolError('invalid string in message');
    this.#offset = end + 1;
    const text = this.#buffer.utf8Slice(start, end);
    return text.includes('\ufffd') ? decodeUtf8(this.#buffer.subarray(start, end)) : text;
  }

  end(): void {
    if (this.#offset !== this.#end) throw new ProtocolError('invalid message format');
  }
}

/** Raised for text that is not UTF-8: 22021, as Postgres has it; not a protocol violation. */
export class InvalidTextError extends QuorateError<'22021'> {
  override readonly name = 'InvalidTextError';

  constructor(bytes: string) {
    super('22021', `invalid byte sequence for encoding "UTF8": ${bytes}`);
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function decodeUtf8(raw: Buffer): string {
  const text = raw.utf8Slice(0, raw.length);
  if (!text.includes('\ufffd')) return text;
  try {
    return strictUtf8.decode(raw);
  } catch (cause) {
    if (cause instanceof TypeError) throw new InvalidTextError(firstInvalid(raw));
    throw cause;
  }
}

/** How long the sequence is that begins so; a byte that begins none stands alone. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc0 && lead < 0xe0) return 2;
  if (lead >= 0xe0 && lead < 0xf0) return 3;
  return lead >= 0xf0 && lead < 0xf8 ? 4 : 1;
}

/** The first bytes that are not UTF-8, as Postgres prints them: `0xff`. */
function firstInvalid(raw: Buffer): string {
  for (let i = 0; i < raw.length;) {
    const lead = raw[i] ?? 0;
    const size = sequenceLength(lead);
    const piece = raw.subarray(i, i + size);
    try {
      strictUtf8.decode(piece);
    } catch {
      return [...piece].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(' ');
    }
    i += size;
  }
  return '0x00';
}

function decodeStartup(body: Buffer): StartupMessage {
  const code = body.readUInt32BE(0);
  if (code === SSL_REQUEST) return { kind: 'ssl' };
  if (code === GSSENC_REQUEST) return { kind: 'gssenc' };
  if (code === CANCEL_REQUEST) {
    if (body.length < 12) throw new ProtocolError('invalid cancel request');
    return { kind: 'cancel', processId: body.readInt32BE(4), secret: body.subarray(8) };
  }
  if (code >>> 16 !== 3) {
    const wanted = `${code >>> 16}.${code & 0xffff}`;
    throw new ProtocolError(`unsupported frontend protocol ${wanted}: server supports 3.0`);
  }
  // A newer minor version is answered as 3.0.
  const reader = new MessageReader(body, 4, body.length);
  const parameters = new Map<string, string>();
  for (let name = reader.string(); name !== ''; name = reader.string()) {
    parameters.set(name, reader.string());
  }
  reader.end();
  return { kind: 'startup', parameters };
}

const SYNC: FrontendMessage = { kind: 'sync' };

function decodeMessage(type: number, reader: MessageReader): FrontendMessage {
  switch (type) {
    case 0x51: // Q
      return { kind: 'query', text: reader.string() };
    case 0x50: // P
      return decodeParse(reader);
    case 0x42: // B
      return decodeBind(reader);
    case 0x44: // D
      return { kind: 'describe', what: targetOf(reader), name: reader.string() };
    case 0x45: // E
      return { kind: 'execute', portal: reader.string(), maxRows: Math.max(0, reader.int32()) };
    case 0x43: // C
      return { kind: 'close', what: targetOf(reader), name: reader.string() };
    case 0x53: // S
      return SYNC;
    case 0x48: // H
      return { kind: 'flush' };
    case 0x58: // X
      return { kind: 'terminate' };
    case 0x64: // d
      return { kind: 'copyData', bytes: reader.rest() };
    case 0x63: // c
      return { kind: 'copyDone' };
    case 0x66: // f
      return { kind: 'copyFail', message: reader.string() };
    default:
      throw new ProtocolError(`invalid frontend message type ${type}`);
  }
}

function targetOf(reader: MessageReader): 'S' | 'P' {
  const byte = reader.byte();
  if (byte === 0x53) return 'S';
  if (byte === 0x50) return 'P';
  throw new ProtocolError(`invalid subtype ${byte} of message`);
}

function decodeParse(reader: MessageReader): FrontendMessage {
  const name = reader.string();
  const text = reader.string();
  const typeOids: number[] = [];
  for (let count = reader.uint16(); count > 0; count--) typeOids.push(reader.int32() >>> 0);
  return { kind: 'parse', name, text, typeOids };
}

function decodeBind(reader: MessageReader): FrontendMessage {
  const portal = reader.string();
  const statement = reader.string();
  const formats = formatCodes(reader);
  const values: (Buffer | null)[] = [];
  for (let count = reader.uint16(); count > 0; count--) {
    const length = reader.int32();
    values.push(length === -1 ? null : reader.bytes(length));
  }
  return { kind: 'bind', portal, statement, formats, values, resultFormats: formatCodes(reader) };
}

const NO_CODES: readonly number[] = [];
const TEXT_CODE: readonly number[] = [0];
const BINARY_CODE: readonly number[] = [1];

function formatCodes(reader: MessageReader): readonly number[] {
  const count = reader.uint16();
  if (count === 0) return NO_CODES;
  if (count === 1) return formatCode(reader) === 0 ? TEXT_CODE : BINARY_CODE;
  const codes: number[] = [];
  for (let left = count; left > 0; left--) codes.push(formatCode(reader));
  return codes;
}

function formatCode(reader: MessageReader): number {
  const code = reader.int16();
  if (code !== 0 && code !== 1) throw new ProtocolError(`unsupported format code: ${code}`);
  return code;
}
