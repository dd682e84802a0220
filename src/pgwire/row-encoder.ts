/**
 * DataRow messages: each value in the format the client asked for, written straight into the output buffer. The
 * encoder of a column is chosen once per result, not per row.
 */
import { ByteWriter } from '../base/bytes.ts';
import { encodeBinary } from '../../sql/types/binary-format.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { FormatContext } from '../../sql/types/format-context.ts';
import type { SqlType } from '../../sql/types/sql-type.ts';
import { encodeText } from '../../sql/types/text-format.ts';
import type { BackendEncoder } from './backend-encoder.ts';
import { formatOf } from './backend-encoder.ts';

type WriteValue = (out: BackendEncoder, value: Exclude<Datum, null>) => void;

export class RowEncoder {
  readonly #writers: readonly WriteValue[];

  readonly #ctx: FormatContext;

  /** The encoder of columns that come again (those of a plan) is kept with them. */
  static of(
    columns: readonly { readonly type: SqlType }[],
    formats: readonly number[],
    ctx: FormatContext,
  ): RowEncoder {
    if (formats.length > 1) return new RowEncoder(columns, formats, ctx);
    const known = encoders[formats[0] === 1 ? 1 : 0];
    let encoder = known.get(columns);
    if (encoder === undefined || encoder.#ctx !== ctx) {
      encoder = new RowEncoder(columns, formats, ctx);
      known.set(columns, encoder);
    }
    return encoder;
  }

  private constructor(
    columns: readonly { readonly type: SqlType }[],
    formats: readonly number[],
    ctx: FormatContext,
  ) {
    this.#ctx = ctx;
    this.#writers = columns.map(({ type }, i) => writerFor(type, formatOf(formats, i) === 1, ctx));
  }

  /** Appends one DataRow; when a value has no such form, nothing is appended and the error passes on. */
  write(out: BackendEncoder, values: readonly Datum[]): void {
    out.begin(0x44);
    try {
      out.int16(this.#writers.length);
      for (let i = 0; i < this.#writers.length; i++) {
        const value = values[i];
        if (value === null || value === undefined) out.int32(-1);
        else this.#writers[i]?.(out, value);
      }
    } catch (error) {
      out.abandon();
      throw error;
    }
    out.end();
  }
}

type Columns = readonly { readonly type: SqlType }[];
/** All in text, all in binary; for the last format context that was used with them. */
const encoders = [new WeakMap<Columns, RowEncoder>(), new WeakMap<Columns, RowEncoder>()] as const;

const scratch = new ByteWriter(1024);

function writerFor(type: SqlType, isBinary: boolean, ctx: FormatContext): WriteValue {
  switch (type.name) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
    case 'unknown':
      // Both forms are the text.
      return (out, value) => out.textValue(value as string);
    default:
      return isBinary ? binaryWriter(type) : textWriter(type, ctx);
  }
}

function binaryWriter(type: SqlType): WriteValue {
  if (type.name === 'int4') {
    return (out, value) => {
      out.int32(4);
      out.int32(value as number);
    };
  }
  return (out, value) => {
    scratch.reset();
    encodeBinary(type, value, scratch);
    out.int32(scratch.length);
    out.raw(scratch.view());
  };
}

function textWriter(type: SqlType, ctx: FormatContext): WriteValue {
  switch (type.name) {
    case 'int2':
    case 'int4':
    case 'int8':
    case 'oid':
      return (out, value) => out.textValue((value as number | bigint).toString());
    case 'bool':
      return (out, value) => out.textValue(value === true ? 't' : 'f');
    default:
      return (out, value) => out.textValue(encodeText(type, value, ctx));
  }
}
