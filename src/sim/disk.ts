/**
 * A disk in memory that can crash: what was not synced is lost, or half of it, at random. Writes and
 * syncs can be made to fail, bits flipped and bytes erased. Durable state is per file; creation,
 * renaming and removal take effect as one, durably, when `beforeChange` lets them.
 */
import type { Disk, DiskFile } from '../env/disk.ts';
import { DiskError } from '../env/disk.ts';
import type { Random } from '../env/env.ts';

interface Write {
  readonly offset: number;
  readonly bytes: Buffer;
}

interface File {
  durable: Buffer;
  current: Buffer;
  /** In the order in which they were made. */
  unsynced: Write[];
}

export class SimDisk implements Disk {
  readonly #files = new Map<string, File>();
  failSyncs = false;
  failWrites = false;
  syncs = 0;
  /** Handles of a process that has crashed do nothing any more. */
  #epoch = 0;
  /** Lets a test hold syncs back: each waits for this promise. */
  beforeSync: () => Promise<void> = () => Promise.resolve();
  /** Between what a read finds and its end. */
  afterRead: () => Promise<void> = () => Promise.resolve();
  /** The same for what changes the directory; undefined: at once, and in the order of the calls. */
  beforeChange: (() => Promise<void>) | undefined;

  list(): Promise<string[]> {
    return Promise.resolve([...this.#files.keys()].sort());
  }

  open(name: string): Promise<DiskFile> {
    const file = this.#files.get(name);
    if (file === undefined) return Promise.reject(new DiskError('disk_missing', name));
    return Promise.resolve(this.#handle(name, file));
  }

  create(name: string, sizeBytes: number): Promise<DiskFile> {
    const zeros = Buffer.alloc(sizeBytes);
    const file: File = { durable: zeros, current: Buffer.from(zeros), unsynced: [] };
    this.#files.set(name, file);
    return Promise.resolve(this.#handle(name, file));
  }

  replace(name: string, bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes);
    this.#files.set(name, { durable: copy, current: Buffer.from(copy), unsynced: [] });
    return Promise.resolve();
  }

  readAll(name: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.#files.get(name)?.current);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change(() => {
      const file = this.#files.get(from);
      if (file === undefined) throw new DiskError('disk_missing', from);
      this.#files.delete(from);
      this.#files.set(to, file);
    });
  }

  remove(name: string): Promise<void> {
    return this.#change(() => void this.#files.delete(name));
  }

  async #change(act: () => void): Promise<void> {
    const epoch = this.#epoch;
    if (this.beforeChange !== undefined) await this.beforeChange();
    // The process that asked has crashed: it never gets an answer.
    if (epoch !== this.#epoch) return new Promise(() => undefined);
    act();
    return undefined;
  }

  /** Power is lost: unsynced writes are gone, but for those, whole or torn, that chance lets through. */
  crash(random: Random, keepRate: number): void {
    this.#epoch++;
    for (const file of this.#files.values()) {
      for (const { offset, bytes } of file.unsynced) {
        if (random.next() >= keepRate) continue;
        const from = random.next() < 0.5 ? 0 : random.int(0, bytes.length);
        const to = random.next() < 0.5 ? bytes.length : random.int(from, bytes.length);
        bytes.copy(file.durable, offset + from, from, to);
      }
      file.unsynced = [];
      file.current = Buffer.from(file.durable);
    }
    this.failSyncs = false;
    this.failWrites = false;
  }

  flipBit(name: string, offset: number, bit = 0): void {
    for (const bytes of this.#contents(name)) bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  }

  /** Puts zeros where something was. */
  erase(name: string, offset: number, length: number): void {
    for (const bytes of this.#contents(name)) bytes.fill(0, offset, offset + length);
  }

  #contents(name: string): Buffer[] {
    const file = this.#files.get(name);
    return file === undefined ? [] : [file.durable, file.current];
  }

  #write(file: File, offset: number, bytes: Uint8Array): Write {
    if (this.failWrites) throw new DiskError('disk_full', 'write failed');
    const write = { offset, bytes: Buffer.from(bytes) };
    write.bytes.copy(file.current, offset);
    file.unsynced.push(write);
    return write;
  }

  /** `epoch`: of the handle. Its process never gets an answer if it has crashed. */
  async #sync(file: File, writes: readonly Write[], epoch: number): Promise<void> {
    await this.beforeSync();
    if (epoch !== this.#epoch) return new Promise(() => undefined);
    if (this.failSyncs) throw new DiskError('disk_io', 'sync failed');
    this.syncs++;
    for (const { offset, bytes } of writes) bytes.copy(file.durable, offset);
    file.unsynced = file.unsynced.filter((write) => !writes.includes(write));
    return undefined;
  }

  #handle(name: string, file: File): DiskFile {
    const epoch = this.#epoch;
    return {
      name,
      size: () => Promise.resolve(file.current.length),
      read: async (offset, length) => {
        const found = Buffer.from(file.current.subarray(offset, offset + length));
        await this.afterRead();
        return found;
      },
      write: (offset, bytes) => {
        if (epoch === this.#epoch) this.#write(file, offset, bytes);
      },
      sync: () => this.#sync(file, [...file.unsynced], epoch),
      writeDurably: async (offset, bytes) => {
        if (epoch !== this.#epoch) return new Promise(() => undefined);
        return this.#sync(file, [this.#write(file, offset, bytes)], epoch);
      },
      close: () => Promise.resolve(),
    };
  }
}
