/**
 * The disk port over one directory. Writes go to the page cache in the calling thread (cheap); fdatasync runs on the
 * thread pool. New files are filled with zeros and synced with their directory entry, so that later syncs of data
 * inside them change no metadata.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Disk, DiskErrorCode, DiskFile } from '../disk.ts';
import { DiskError } from '../disk.ts';

const ZERO_CHUNK = Buffer.alloc(1 << 20);

export class NodeDisk implements Disk {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    fs.mkdirSync(directory, { recursive: true });
  }

  list(): Promise<string[]> {
    return attempt('list', async () => {
      const names = await fs.promises.readdir(this.#directory);
      return names.sort();
    });
  }

  open(name: string): Promise<DiskFile> {
    return attempt(name, async () => {
      const handle = await fs.promises.open(this.#path(name), 'r+');
      return new NodeFile(name, handle);
    });
  }

  create(name: string, sizeBytes: number): Promise<DiskFile> {
    return attempt(name, async () => {
      const handle = await fs.promises.open(this.#path(name), 'w+');
      for (let at = 0; at < sizeBytes; at += ZERO_CHUNK.length) {
        await handle.write(ZERO_CHUNK, 0, Math.min(ZERO_CHUNK.length, sizeBytes - at), at);
      }
      await handle.sync();
      await this.#syncDirectory();
      return new NodeFile(name, handle);
    });
  }

  replace(name: string, bytes: Uint8Array): Promise<void> {
    return attempt(name, async () => {
      const temporary = this.#path(`${name}.new`);
      await fs.promises.writeFile(temporary, bytes, { flush: true });
      await fs.promises.rename(temporary, this.#path(name));
      await this.#syncDirectory();
    });
  }

  readAll(name: string): Promise<Buffer | undefined> {
    return attempt(name, async () => {
      try {
        return await fs.promises.readFile(this.#path(name));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return attempt(from, async () => {
      await fs.promises.rename(this.#path(from), this.#path(to));
      await this.#syncDirectory();
    });
  }

  remove(name: string): Promise<void> {
    return attempt(name, () => fs.promises.rm(this.#path(name), { force: true }));
  }

  #path(name: string): string {
    return path.join(this.#directory, name);
  }

  async #syncDirectory(): Promise<void> {
    const handle = await fs.promises.open(this.#directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

class NodeFile implements DiskFile {
  readonly name: string;
  readonly #handle: fs.promises.FileHandle;

  constructor(name: string, handle: fs.promises.FileHandle) {
    this.name = name;
    this.#handle = handle;
  }

  size(): Promise<number> {
    return attempt(this.name, async () => (await this.#handle.stat()).size);
  }

  read(offset: number, length: number): Promise<Buffer> {
    return attempt(this.name, async () => {
      const buffer = Buffer.allocUnsafeSlow(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(
          ...([buffer, filled, length - filled, offset + filled] as const),
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    try {
      let written = 0;
      while (written < bytes.length) {
        written += fs.writeSync(
          ...([this.#handle.fd, bytes, written, bytes.length - written, offset + written] as const),
        );
      }
    } catch (error) {
      throw asDiskError(this.name, error);
    }
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#handle.fd, (error) => {
        if (error === null) resolve();
        else reject(asDiskError(this.name, error));
      });
    });
  }

  close(): Promise<void> {
    return attempt(this.name, () => this.#handle.close());
  }
}

async function attempt<T>(name: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw asDiskError(name, error);
  }
}

function asDiskError(name: string, error: unknown): DiskError {
  const errno = codeOf(error);
  let code: DiskErrorCode = 'disk_io';
  if (errno === 'ENOSPC' || errno === 'EDQUOT') code = 'disk_full';
  else if (errno === 'ENOENT') code = 'disk_missing';
  return new DiskError(code, `${name}: ${errno ?? String(error)}`, {}, error);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
