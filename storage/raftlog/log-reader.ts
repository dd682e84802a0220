/**
 * Reads entries back from the segments, for peers that are behind what memory holds. While a read waits for the disk,
 * the entry may be replaced or its segment let go and used again: what then comes up is not an answer, and not damage.
 * Damage is: a record that is still where the index says and does not verify, in bytes read since it lies there. A window
 * read for an earlier entry may be older than that.
 */
import type { RangeId } from '../../src/base/ids.ts';
import type { EntryPlace, LogIndex } from './log-index.ts';
import type { LogRecord } from './record.ts';
import { RECORD_HEAD_BYTES, readRecord } from './record.ts';
import { LogCorruption } from './recovery.ts';
import { segmentName } from './segment.ts';
import type { Segment } from './segment.ts';

const WINDOW_BYTES = 128 * 1024;

export interface ReadEntry {
  readonly index: number;
  readonly term: number;
  readonly data: Buffer;
}

/** A part of a segment in memory. */
interface Window {
  readonly segment: Segment;
  readonly start: number;
  readonly bytes: Buffer;
}

export interface ReadSpan {
  /** From this entry on; */
  readonly from: number;
  /** up to this one, which is not read. */
  readonly to: number;
  /** Of data, about: at least one entry is read, if there is one. */
  readonly bytesMax: number;
}

/** Entries from `from` on, contiguous; none when the log does not hold `from`. Rejects with `LogCorruption`. */
export async function readEntries(
  range: RangeId,
  log: LogIndex,
  { from, to, bytesMax }: ReadSpan,
): Promise<ReadEntry[]> {
  const found: ReadEntry[] = [];
  let bytes = 0;
  let window: Window | undefined;
  for (let index = from; index < to && (bytes < bytesMax || found.length === 0); index++) {
    const place = log.find(index);
    if (place === undefined) return found;
    let entry = window === undefined ? undefined : entryAt(window, place, range, index);
    if (entry === undefined) {
      window = await readWindow(place).catch((error: unknown) => {
        if (isStill(log, index, place)) throw error;
        return undefined;
      });
      if (window === undefined || !isStill(log, index, place)) return found;
      entry = entryAt(window, place, range, index);
    }
    if (entry === undefined) {
      throw new LogCorruption(segmentName(place.segment.number), place.offset);
    }
    found.push(entry);
    bytes += entry.data.length;
  }
  return found;
}

function isStill(log: LogIndex, index: number, place: EntryPlace): boolean {
  const now = log.find(index);
  return now?.segment === place.segment && now.offset === place.offset;
}

/** Is the whole record in the window? */
function covers({ segment, start, bytes }: Window, place: EntryPlace): boolean {
  const at = place.offset - start;
  if (segment !== place.segment || at < 0 || at + RECORD_HEAD_BYTES > bytes.length) return false;
  return at + RECORD_HEAD_BYTES + bytes.readUInt32BE(at) <= bytes.length;
}

async function readWindow({ segment, offset }: EntryPlace): Promise<Window> {
  const window = { segment, start: offset, bytes: await segment.file.read(offset, WINDOW_BYTES) };
  if (covers(window, { segment, offset }) || window.bytes.length < RECORD_HEAD_BYTES) return window;
  const length = Math.min(window.bytes.readUInt32BE(0), segment.sizeBytes - offset);
  const bytes = await segment.file.read(offset, RECORD_HEAD_BYTES + length);
  return { segment, start: offset, bytes };
}

/** The entry, if the window has all of it. */
function entryAt(
  window: Window,
  place: EntryPlace,
  range: RangeId,
  index: number,
): ReadEntry | undefined {
  if (!covers(window, place)) return undefined;
  const { start, bytes } = window;
  const { segment, offset } = place;
  const read = readRecord(bytes, offset - start, segment.number);
  if (read === 'end' || read === 'bad') return undefined;
  const record: LogRecord = read.record;
  if (record.kind !== 'entry' && record.kind !== 'copy') return undefined;
  if (record.range !== range || record.index !== index) return undefined;
  return { index, term: record.term, data: Buffer.from(record.data) };
}
