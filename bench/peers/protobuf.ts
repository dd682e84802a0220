/**
 * As much of protobuf's wire format as etcd's few messages need: varints and length-delimited fields. Writing never
 * fails; malformed input ends in a `RangeError`.
 */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

export type ProtoValue = number | Buffer;

/** A field absent from `fields`, or 0, is not written: that is its default. Numbers are unsigned, below 2^53. */
export function encodeProto(
  fields: readonly (readonly [number: number, value: ProtoValue])[],
): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') {
      if (value !== 0) parts.push(varint(number * 8 + VARINT), varint(value));
    } else {
      parts.push(varint(number * 8 + DELIMITED), varint(value.length), value);
    }
  }
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** The values of one field, in order; those of other fields are skipped. */
export function fieldsOf(message: Buffer, wanted: number): ProtoValue[] {
  const found: ProtoValue[] = [];
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('a protobuf message ends early');
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const field = Math.floor(tag / 8);
    const value = readValue(tag % 8);
    if (field === wanted && value !== undefined) found.push(value);
  }
  return found;

  function readValue(type: number): ProtoValue | undefined {
    if (type === VARINT) return next();
    const length = type === DELIMITED ? next() : type === FIXED64 ? 8 : type === FIXED32 ? 4 : -1;
    if (length < 0 || at + length > message.length) throw new RangeError('not a protobuf message');
    at += length;
    return type === DELIMITED ? message.subarray(at - length, at) : undefined;
  }
}
