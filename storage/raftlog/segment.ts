/**
 * Segments of the Raft log: preallocated files, numbered upwards for ever, written from the front. The next one is made
 * ahead of need; a freed one is renamed to be a next one, so that in the long run no file is made or grown (a file of
 * its full size takes twice the syncs of a growing one).
 *
 * A segment's number is its name: `log-0000000012`. A spare is called `spare-N`; recovery reads none. A spare gets its
 * header (segment-header.ts), synced, and then its name as a segment. Segments go one
 * after the other, oldest first: a gap would look like lost records at the next start. A failure to let one go is not
 * the log's: it and all later ones stay.
 */
import { assert, must } from '../../src/base/assert.ts';
import type { Disk, DiskFile } from '../../src/env/disk.ts';
import { RECORD_HEAD_BYTES } from './record.ts';
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from './segment-header.ts';
import type { LogPosition } from './segment-header.ts';

const SPARES_MAX = 2;
const SPARE_NAME = /^spare-(\d+)$/;

export function segmentName(number: number): string {
  return `log-${String(number).padStart(10, '0')}`;
}

export function segmentNumber(name: string): number | undefined {
  const match = /^log-(\d{10})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

export class Segment {
  readonly number: number;
  readonly sizeBytes: number;
  /** Where the next record goes. */
  position: number;
  readonly #file: DiskFile;

  constructor(number: number, file: DiskFile, sizeBytes: number, position: number) {
    this.number = number;
    this.#file = file;
    this.sizeBytes = sizeBytes;
    this.position = position;
  }

  get file(): DiskFile {
    return this.#file;
  }

  /** Durable when it resolves; `bytes` stay as they are until then. */
  append(bytes: Uint8Array): Promise<void> {
    const { position } = this;
    assert(position + bytes.length <= this.sizeBytes, 'segment overflow');
    this.position += bytes.length;
    return this.#file.writeDurably(position, bytes);
  }

  /** The last bytes, and the mark of the end where there is room: what a recycled file held before may follow. */
  end(bytes: Uint8Array): Promise<void> {
    const room = this.sizeBytes - this.position - bytes.length;
    const mark = Buffer.alloc(Math.min(RECORD_HEAD_BYTES, room));
    const ended = this.append(Buffer.concat([bytes, mark]));
    this.position = this.sizeBytes;
    return ended;
  }
}

export class SegmentPool {
  readonly #disk: Disk;
  readonly #segmentBytes: number;
  /** Oldest first; the last one is written to. */
  readonly #segments: Segment[];
  readonly #spares: string[] = [];
  #spareNumber = 0;
  #making: Promise<void> | undefined;
  /** Making one ahead of need has failed: whoever needs the segment tries again, and meets the failure. */
  #isMakingFailed = false;
  /** The segments being let go, one after the other; never rejects. */
  #freeing: Promise<boolean> = Promise.resolve(true);

  /** `recovered`: the segments found, oldest first; the last is written on where its records end. */
  static async open(
    disk: Disk,
    segmentBytes: number,
    recovered: readonly Segment[],
  ): Promise<SegmentPool> {
    const pool = new SegmentPool(disk, segmentBytes, [...recovered]);
    for (const name of await disk.list()) {
      const match = SPARE_NAME.exec(name);
      if (match !== null) await pool.#adopt(name, Number(match[1]));
    }
    return pool;
  }

  /** Spares of the run before are as good as new ones, if they are whole. */
  async #adopt(name: string, number: number): Promise<void> {
    this.#spareNumber = Math.max(this.#spareNumber, number);
    const file = await this.#disk.open(name);
    const size = await file.size();
    await file.close();
    if (size === this.#segmentBytes && this.#spares.length < SPARES_MAX) this.#spares.push(name);
    else await this.#disk.remove(name);
  }

  private constructor(disk: Disk, segmentBytes: number, segments: Segment[]) {
    this.#disk = disk;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
  }

  get count(): number {
    return this.#segments.length;
  }

  /** The segment to write to; the first one begins at `start`. */
  async current(start: LogPosition): Promise<Segment> {
    return this.#segments.at(-1) ?? this.next(start, 0);
  }

  /** A new segment, with room for a record of this size, that begins at `start`. */
  async next(start: LogPosition, recordBytes: number): Promise<Segment> {
    const number = (this.#segments.at(-1)?.number ?? 0) + 1;
    const sizeBytes = Math.max(this.#segmentBytes, SEGMENT_HEADER_BYTES + recordBytes);
    const name = segmentName(number);
    await this.#making;
    const spare = sizeBytes === this.#segmentBytes ? this.#spares.shift() : undefined;
    await this.#dedicate(spare ?? (await this.#makeSpare(sizeBytes)), name, number, start);
    const file = await this.#disk.open(name);
    const segment = new Segment(number, file, sizeBytes, SEGMENT_HEADER_BYTES);
    this.#segments.push(segment);
    return segment;
  }

  async #makeSpare(sizeBytes: number): Promise<string> {
    const spare = `spare-${++this.#spareNumber}`;
    const file = await this.#disk.create(spare, sizeBytes);
    await file.close();
    this.#isMakingFailed = false;
    return spare;
  }

  /** Makes a spare a segment: the header is durable before the name is. */
  async #dedicate(spare: string, name: string, number: number, start: LogPosition): Promise<void> {
    const file = await this.#disk.open(spare);
    await file.writeDurably(0, encodeSegmentHeader(number, start));
    await file.close();
    await this.#disk.rename(spare, name);
  }

  /** Makes a spare in the background when the current segment is half full and there is none. */
  prepareNext(): void {
    const current = this.#segments.at(-1);
    if (current === undefined || current.position * 2 < current.sizeBytes) return;
    if (this.#spares.length > 0 || this.#making !== undefined || this.#isMakingFailed) return;
    this.#making = this.#makeSpare(this.#segmentBytes)
      .then(
        (name) => void this.#spares.push(name),
        () => void (this.#isMakingFailed = true),
      )
      .finally(() => (this.#making = undefined));
  }

  /** The oldest segment, unless it is the one being written to. */
  oldest(): Segment | undefined {
    return this.#segments.length > 1 ? this.#segments[0] : undefined;
  }

  /** Lets the oldest go: it becomes a spare, or is removed. */
  freeOldest(): void {
    const segment = must(this.#segments.shift());
    this.#freeing = this.#freeing.then(async (isOrdered) => {
      if (!isOrdered) return false;
      try {
        await this.#free(segment);
        return true;
      } catch {
        return false;
      }
    });
  }

  async #free(segment: Segment): Promise<void> {
    const name = segmentName(segment.number);
    await segment.file.close();
    if (segment.sizeBytes !== this.#segmentBytes || this.#spares.length >= SPARES_MAX) {
      await this.#disk.remove(name);
      return;
    }
    const spare = `spare-${++this.#spareNumber}`;
    await this.#disk.rename(name, spare);
    this.#spares.push(spare);
  }

  async close(): Promise<void> {
    await this.#making;
    await this.#freeing;
    for (const segment of this.#segments) await segment.file.close();
  }
}
