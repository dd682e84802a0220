/**
 * Reads the log back at start. Sync batches are numbered without gaps, and every record says how many the batch before
 * had. So a bad record is a torn tail, and cut, when every valid record behind it belongs to the batch that was being
 * written: none of that was acknowledged. Anything else that is missing was acknowledged: the node refuses to start.
 * Zeros say that a segment ends; at the end of the last one they are believed only if nothing later stands behind
 * them (elsewhere the segment that follows shows what is missing).
 *
 * The cut is made durable (a zero length where the bad record was, later segments removed), and segments that were read
 * are synced before anything they say is answered for. The tail is not written on: the next append begins a segment.
 */
import type { RangeId } from '../../src/base/ids.ts';
import { QuorateError } from '../../src/base/errors.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO, maxTimestamp } from '../../src/base/timestamp.ts';
import type { Disk } from '../../src/env/disk.ts';
import { ChecksumIndex } from '../codec/checksum-index.ts';
import type { EntryPlace, LogIndex } from './log-index.ts';
import { RangeBuilder } from './range-builder.ts';
import type { RecoveredEntry, RecoveredRange } from './range-builder.ts';
import type { EntryRecord, LogRecord } from './record.ts';
import { RECORD_HEAD_BYTES, isIntact, mayBeRecord, readRecord } from './record.ts';
import { SEGMENT_HEADER_BYTES, decodeSegmentHeader } from './segment-header.ts';
import type { LogPosition } from './segment-header.ts';
import { Segment, segmentName, segmentNumber } from './segment.ts';

export class LogCorruption extends QuorateError<'log_corrupt'> {
  override readonly name = 'LogCorruption';

  constructor(file: string, offset: number) {
    super(
      'log_corrupt',
      `the raft log is corrupt: ${file}, offset ${offset}: what was acknowledged does not verify; ` +
        'restore this node from its peers',
    );
  }
}

export interface RecoveredLog {
  readonly segments: readonly Segment[];
  readonly ranges: Map<RangeId, RecoveredRange>;
  readonly indexes: Map<RangeId, LogIndex>;
  readonly clockCeiling: Timestamp;
  readonly ceilingIn: number;
  /** The highest sync-batch number in force, and how many of its records are. */
  readonly syncBatch: number;
  readonly lastCount: number;
}

interface Found {
  readonly checkpointed: Checkpointed;
  readonly ranges: Map<RangeId, RangeBuilder>;
  clockCeiling: Timestamp;
  ceilingIn: number;
  syncBatch: number;
  lastCount: number;
}

/** How far ahead of the last batch a valid record is looked for behind a bad one. */
const BATCHES_AHEAD_MAX = 1_000_000;

/** By range: entries up to this index are in its checkpoint. */
export type Checkpointed = ReadonlyMap<RangeId, number>;

/** What a checkpoint holds is verified, and can be read again later, but is not kept in memory. */
export async function recoverLog(
  disk: Disk,
  checkpointed: Checkpointed = new Map(),
): Promise<RecoveredLog> {
  const numbers = (await disk.list())
    .flatMap((name) => segmentNumber(name) ?? [])
    .sort((a, b) => a - b);
  const found: Found = {
    ...{ ranges: new Map(), checkpointed },
    ...{ clockCeiling: TS_ZERO, ceilingIn: 0, syncBatch: 0, lastCount: 0 },
  };
  const segments: Segment[] = [];
  let torn: { readonly file: string; readonly offset: number } | undefined;
  const last = numbers.at(-1);
  for (const number of numbers) {
    const name = segmentName(number);
    const file = await disk.open(name);
    const size = await file.size();
    const bytes = await file.read(0, size);
    const start = decodeSegmentHeader(bytes, name, number);
    if (start === undefined) throw new LogCorruption(name, 0);
    if (number === numbers[0]) beginAt(start, found);
    // It begins behind a record that is not there: fine if that was never acknowledged.
    else if (!follows(start, found)) torn ??= { file: name, offset: 0 };
    if (torn !== undefined) {
      if (!isOfTornBatch(start, found) || holdsLater(bytes, SEGMENT_HEADER_BYTES, number, found)) {
        throw new LogCorruption(torn.file, torn.offset);
      }
      await file.close();
      await disk.remove(name);
      continue;
    }
    const segment = new Segment(number, file, size, size);
    const { offset, isBad } = readSegment(bytes, segment, found);
    if ((isBad || number === last) && holdsLater(bytes, offset, number, found)) {
      throw new LogCorruption(name, offset);
    }
    if (isBad) {
      torn = { file: name, offset };
      file.write(offset, Buffer.alloc(Math.min(RECORD_HEAD_BYTES, size - offset)));
    }
    await file.sync();
    segments.push(segment);
  }
  const ranges = new Map<RangeId, RecoveredRange>();
  const indexes = new Map<RangeId, LogIndex>();
  for (const [range, builder] of found.ranges) {
    const { recovered, index } = builder.finish();
    ranges.set(range, recovered);
    indexes.set(range, index);
  }
  return { ...found, segments, ranges, indexes };
}

/** Takes a segment's records in; where they end, and whether by a bad one. */
function readSegment(
  bytes: Buffer,
  segment: Segment,
  found: Found,
): { readonly offset: number; readonly isBad: boolean } {
  for (let offset = SEGMENT_HEADER_BYTES; ;) {
    const read = readRecord(bytes, offset, segment.number);
    if (read === 'end') return { offset, isBad: false };
    if (read === 'bad' || !follows(read.record, found)) return { offset, isBad: true };
    found.syncBatch = read.record.syncBatch;
    found.lastCount = read.record.place + 1;
    takeRecord(read.record, { segment, offset }, found);
    offset = read.end;
  }
}

/** What stood before the oldest segment has been let go. */
function beginAt({ syncBatch, place, previousCount }: LogPosition, found: Found): void {
  found.syncBatch = place > 0 ? syncBatch : syncBatch - 1;
  found.lastCount = place > 0 ? place : previousCount;
}

/** Is it the place behind the last record taken? */
function follows({ syncBatch, place, previousCount }: LogPosition, found: Found): boolean {
  if (syncBatch === found.syncBatch) return place === found.lastCount;
  return syncBatch === found.syncBatch + 1 && place === 0 && previousCount === found.lastCount;
}

/**
 * Does a segment behind a tear begin in the batch that was being written? A segment is begun only when all batches
 * before that one are durable, so any other beginning shows that something acknowledged is missing.
 */
function isOfTornBatch({ syncBatch, place, previousCount }: LogPosition, found: Found): boolean {
  if (syncBatch === found.syncBatch) return place >= found.lastCount;
  return syncBatch === found.syncBatch + 1 && previousCount === found.lastCount;
}

/** Is there, at or behind an offset, a valid record that proves an acknowledged one to be missing? */
function holdsLater(bytes: Buffer, from: number, segment: number, found: Found): boolean {
  const { syncBatch, lastCount } = found;
  const highest = syncBatch + BATCHES_AHEAD_MAX;
  const end = endOfData(bytes) - RECORD_HEAD_BYTES;
  // The first byte of a record is that of its length: in most places it is too large, or all is zero.
  const lengthByteMax = bytes.length >>> 24;
  let sums: ChecksumIndex | undefined;
  for (let offset = from; offset < end; offset++) {
    if ((bytes[offset] ?? 0) > lengthByteMax) continue;
    if (!mayBeRecord(bytes, offset, syncBatch + 1, highest)) continue;
    sums ??= new ChecksumIndex(bytes);
    if (!isIntact(bytes, offset, sums, segment)) continue;
    const read = readRecord(bytes, offset, segment);
    if (read === 'end' || read === 'bad') continue;
    if (read.record.syncBatch > syncBatch + 1) return true;
    // Of the batch after the last one seen: that one must be whole, else the bad record was one of it.
    if (read.record.previousCount !== lastCount) return true;
  }
  return false;
}

const ZEROS = Buffer.alloc(1 << 16);

/** Behind the last byte that is not zero: a segment that was never used again is mostly zeros. */
function endOfData(bytes: Buffer): number {
  let end = bytes.length;
  while (
    end >= ZEROS.length &&
    bytes.compare(ZEROS, 0, ZEROS.length, end - ZEROS.length, end) === 0
  ) {
    end -= ZEROS.length;
  }
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

function takeRecord(record: LogRecord, place: EntryPlace, found: Found): void {
  if (record.kind === 'ceiling') {
    found.clockCeiling = maxTimestamp(found.clockCeiling, record.ts);
    found.ceilingIn = place.segment.number;
    return;
  }
  let range = found.ranges.get(record.range);
  if (range === undefined) {
    range = new RangeBuilder();
    found.ranges.set(record.range, range);
  }
  switch (record.kind) {
    case 'hardState':
      range.setHardState(record.hardState, place.segment.number);
      return;
    case 'truncate':
      range.truncate(record.from);
      return;
    case 'entry':
      range.append(kept(record, found), place);
      return;
    case 'copy':
      range.copy(kept(record, found), place);
  }
}

const NO_DATA = Buffer.alloc(0);

/** Its own copy of the data: the bytes of the segment go. */
function kept(record: EntryRecord & { readonly range: RangeId }, found: Found): RecoveredEntry {
  const { range, index, term } = record;
  const isKept = index > (found.checkpointed.get(range) ?? 0);
  return { index, term, data: isKept ? Buffer.from(record.data) : NO_DATA };
}
