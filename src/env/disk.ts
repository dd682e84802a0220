/**
 * The disk port under the Raft log: named files in one directory. Simulation implements it with loss of unsynced
 * bytes, torn writes, failing syncs, a full disk and flipped bits. Every failure rejects with `DiskError`.
 */
import { QuorateError } from '../base/errors.ts';

export type DiskErrorCode = 'disk_full' | 'disk_io' | 'disk_missing' | 'disk_locked';
export class DiskError extends QuorateError<DiskErrorCode> {
  override readonly name = 'DiskError';
}

export interface DiskFile {
  readonly name: string;
  /** Current length. */
  size(): Promise<number>;
  /** Reads up to `length` bytes at `offset`; shorter at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Writes synchronously: what is read from then on is this. Not durable. */
  write(offset: number, bytes: Uint8Array): void;
  /** fdatasync: all that was written before the call is durable when it resolves. Never retried after a failure. */
  sync(): Promise<void>;
  /**
   * Writes, and syncs what it has written and no more: durable, and to be read, when it resolves; `bytes` stay as they
   * are until then. Never retried after a failure.
   */
  writeDurably(offset: number, bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  list(): Promise<string[]>;
  /** Opens for reading and writing; missing files reject with `disk_missing`. */
  open(name: string): Promise<DiskFile>;
  /** Creates a zero-filled file of `sizeBytes`, synced with its directory entry. */
  create(name: string, sizeBytes: number): Promise<DiskFile>;
  /** Replaces a small file atomically and durably. */
  replace(name: string, bytes: Uint8Array): Promise<void>;
  readAll(name: string): Promise<Buffer | undefined>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
}
