/**
 * The disk port over one directory of the real file system, which belongs to this process alone (directory-lock.ts;
 * who opens the disk holds the lock).
 *
 * Files appear complete or not at all: they are filled and synced under a passing name, then renamed, then the
 * directory is synced. `create` really writes its zeros, because a file whose blocks exist takes twice the syncs of
 * one that has yet to get them. What a crash leaves under a passing name goes at the next opening; what a full disk
 * leaves goes at once.
 *
 * `write` is synchronous; so are `sync` and `writeDurably` as long as the disk is fast (sync-mode.ts): a hand-over to the
 * thread pool costs more. A failed sync is reported once and never repeated here: the kernel may have dropped the pages,
 * and a second attempt would succeed without them.
 *
 * On Linux opened files have O_DSYNC: their writes do what an fdatasync behind each would, flush of the disk's cache
 * included (open(2)), in one call; `write` waits for the disk, too. Other systems promise less by that flag than by what
 * libuv takes for fdatasync (F_FULLFSYNC on macOS), so there it is two calls.
 */
import fs from 'node:fs';
import { promisify } from 'node:util';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { assert } from '../../base/assert.ts';
import type { Disk, DiskErrorCode, DiskFile } from '../disk.ts';
import { DiskError } from '../disk.ts';
import { SyncMode } from './sync-mode.ts';

const PASSING = '.part';
const ZEROS = Buffer.alloc(1 << 20);
const HAS_DSYNC = process.platform === 'linux';
const OPEN_FLAGS = fs.constants.O_RDWR | (HAS_DSYNC ? fs.constants.O_DSYNC : 0);

const fsync = promisify(fs.fsync);
const fdatasync = promisify(fs.fdatasync);

export class NodeDisk implements Disk {
  readonly #directory: string;
  /** The directory itself, open so that its entries can be synced. */
  readonly #directoryFd: number;
  readonly #mode = new SyncMode(() => performance.eventLoopUtilization());

  /** Makes the directory if need be. */
  constructor(directory: string) {
    this.#directory = directory;
    try {
      fs.mkdirSync(directory, { recursive: true });
      this.#directoryFd = fs.openSync(directory, 'r');
      for (const name of fs.readdirSync(directory)) {
        if (name.endsWith(PASSING)) fs.rmSync(path.join(directory, name), { force: true });
      }
    } catch (error) {
      throw diskError(`open directory ${directory}`, error);
    }
  }

  list(): Promise<string[]> {
    return attempt('list', async () => {
      const entries = await fs.promises.readdir(this.#directory, { withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(PASSING));
      return files.map((entry) => entry.name).sort();
    });
  }

  open(name: string): Promise<DiskFile> {
    return attempt(`open ${name}`, async () => {
      const handle = await fs.promises.open(this.#path(name), OPEN_FLAGS);
      return new NodeDiskFile(name, { handle, hasDsync: HAS_DSYNC }, this.#mode);
    });
  }

  create(name: string, sizeBytes: number): Promise<DiskFile> {
    return attempt(`create ${name}`, async () => {
      const handle = await this.#writePassing(name, async (file) => {
        for (let offset = 0; offset < sizeBytes; offset += ZEROS.length) {
          await writeFully(file, ZEROS.subarray(0, sizeBytes - offset), offset);
        }
      });
      return new NodeDiskFile(name, { handle, hasDsync: false }, this.#mode);
    });
  }

  replace(name: string, bytes: Uint8Array): Promise<void> {
    return attempt(`replace ${name}`, async () => {
      const handle = await this.#writePassing(name, (file) => writeFully(file, bytes, 0));
      await handle.close();
    });
  }

  readAll(name: string): Promise<Buffer | undefined> {
    return attempt(`read ${name}`, async () => {
      try {
        return await fs.promises.readFile(this.#path(name));
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return attempt(`rename ${from} to ${to}`, async () => {
      await fs.promises.rename(this.#path(from), this.#path(to));
      await fsync(this.#directoryFd);
    });
  }

  remove(name: string): Promise<void> {
    return attempt(`remove ${name}`, async () => {
      await fs.promises.rm(this.#path(name), { force: true });
      await fsync(this.#directoryFd);
    });
  }

  /** Writes a file under a passing name, syncs it and gives it its name; the open handle. */
  async #writePassing(
    name: string,
    fill: (handle: fs.promises.FileHandle) => Promise<void>,
  ): Promise<fs.promises.FileHandle> {
    const passing = this.#path(name) + PASSING;
    const handle = await fs.promises.open(passing, 'w+');
    try {
      await fill(handle);
      await handle.sync();
      await fs.promises.rename(passing, this.#path(name));
      await fsync(this.#directoryFd);
      return handle;
    } catch (error) {
      await handle.close();
      // What did not fit must not go on taking the room; the name may already be the file's own.
      await fs.promises.rm(passing, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  #path(name: string): string {
    assert(/^[\w-][\w.-]*$/.test(name), () => `not a file name: ${name}`);
    return path.join(this.#directory, name);
  }
}

class NodeDiskFile implements DiskFile {
  readonly name: string;
  readonly #handle: fs.promises.FileHandle;
  readonly #hasDsync: boolean;
  readonly #mode: SyncMode;

  constructor(
    name: string,
    file: { handle: fs.promises.FileHandle; hasDsync: boolean },
    mode: SyncMode,
  ) {
    this.name = name;
    this.#handle = file.handle;
    this.#hasDsync = file.hasDsync;
    this.#mode = mode;
  }

  size(): Promise<number> {
    return attempt(`size of ${this.name}`, async () => (await this.#handle.stat()).size);
  }

  read(offset: number, length: number): Promise<Buffer> {
    return attempt(`read ${this.name}`, async () => {
      const out = Buffer.allocUnsafeSlow(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await this.#handle.read(
          out,
          filled,
          length - filled,
          offset + filled,
        );
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return out.subarray(0, filled);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    try {
      let written = 0;
      while (written < bytes.length) {
        written += fs.writeSync(
          this.#handle.fd,
          bytes,
          written,
          bytes.length - written,
          offset + written,
        );
      }
    } catch (error) {
      throw diskError(`write ${this.name}`, error);
    }
  }

  sync(): Promise<void> {
    return attempt(`sync ${this.name}`, () => this.#sync());
  }

  #sync(): Promise<void> {
    if (!this.#mode.next()) return fdatasync(this.#handle.fd);
    this.#timed(() => fs.fdatasyncSync(this.#handle.fd));
    return Promise.resolve();
  }

  writeDurably(offset: number, bytes: Uint8Array): Promise<void> {
    return attempt(`write and sync ${this.name}`, () => this.#writeDurably(offset, bytes));
  }

  #writeDurably(offset: number, bytes: Uint8Array): Promise<void> {
    if (!this.#hasDsync) {
      this.write(offset, bytes);
      return this.#sync();
    }
    if (!this.#mode.next()) return writeFully(this.#handle, bytes, offset);
    this.#timed(() => this.write(offset, bytes));
    return Promise.resolve();
  }

  #timed(sync: () => void): void {
    const startMs = performance.now();
    sync();
    this.#mode.note(performance.now() - startMs);
  }

  close(): Promise<void> {
    return attempt(`close ${this.name}`, () => this.#handle.close());
  }
}

async function writeFully(
  handle: fs.promises.FileHandle,
  bytes: Uint8Array,
  at: number,
): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, at + written);
    written += result.bytesWritten;
  }
}

async function attempt<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw diskError(what, error);
  }
}

const CODES: Readonly<Record<string, DiskErrorCode>> = {
  ENOENT: 'disk_missing',
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
};

function diskError(what: string, error: unknown): unknown {
  const errno = errnoOf(error);
  // What is not a failure of the file system (a typed error, a bug) is not ours to name.
  if (errno === undefined || error instanceof DiskError) return error;
  return new DiskError(CODES[errno] ?? 'disk_io', `cannot ${what}: ${errno}`, {}, error);
}

function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
