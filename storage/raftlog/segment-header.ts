/**
 * What a segment begins with: a magic, the version of the format, the segment's number, where in the sequence of
 * records it begins, and a checksum. It is durable before the file has a segment's name, so a segment without one is
 * damaged, or not ours, and never merely new. Where it begins shows at recovery whether the records before it are all
 * there, even when a segment has no record of its own left.
 */
import { ByteReader, ByteWriter } from '../../src/base/bytes.ts';
import { QuorateError } from '../../src/base/errors.ts';
import { crc32 } from '../codec/checksum.ts';

/** A place between two records: of which batch the next one is, which of it, and how many the batch before had. */
export interface LogPosition {
  readonly syncBatch: number;
  readonly place: number;
  readonly previousCount: number;
}

export class LogVersionError extends QuorateError<'log_version'> {
  override readonly name = 'LogVersionError';

  constructor(file: string, version: number) {
    super(
      'log_version',
      `the raft log is of another version: ${file} has ${version}, this program reads ${VERSION}`,
    );
  }
}

const MAGIC = 0x51524c47;
const VERSION = 1;
const FIELDS_BYTES = 4 + 4 + 8 + 8 + 4 + 4;

export const SEGMENT_HEADER_BYTES = FIELDS_BYTES + 4;

export function encodeSegmentHeader(segment: number, start: LogPosition): Buffer {
  const out = new ByteWriter(SEGMENT_HEADER_BYTES);
  out.u32(MAGIC);
  out.u32(VERSION);
  out.f64(segment);
  out.f64(start.syncBatch);
  out.u32(start.place);
  out.u32(start.previousCount);
  out.u32(crc32(out.view(), 0, FIELDS_BYTES));
  return out.copy();
}

/** Where the segment begins; undefined when the header is damaged or another segment's. */
export function decodeSegmentHeader(
  bytes: Buffer,
  file: string,
  segment: number,
): LogPosition | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  const reader = new ByteReader(bytes, 0, SEGMENT_HEADER_BYTES);
  const magic = reader.u32();
  const version = reader.u32();
  const number = reader.f64();
  const start = { syncBatch: reader.f64(), place: reader.u32(), previousCount: reader.u32() };
  if (magic !== MAGIC || reader.u32() !== crc32(bytes, 0, FIELDS_BYTES)) return undefined;
  if (version !== VERSION) throw new LogVersionError(file, version);
  return number === segment ? start : undefined;
}
