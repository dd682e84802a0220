/**
 * A disk of a given size that can be filled: a tmpfs in a mount namespace of its own, so that no privilege is needed
 * where the kernel lets users make namespaces. It lives as long as the process that holds the namespace, which ends
 * with this one.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const FILL_BYTES = 1 << 20;

export class SmallDisk {
  readonly #holder: ChildProcess;
  readonly #dir: string;

  /** Mounts it at the directory; undefined where this machine does not let us. */
  static async mount(dir: string, bytes: number): Promise<SmallDisk | undefined> {
    const script = `mount -t tmpfs -o size=${bytes} none "$0" && echo mounted && exec cat`;
    const holder = spawn('unshare', ['-U', '-r', '-m', 'sh', '-c', script, dir], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const isMounted = await new Promise<boolean>((resolve) => {
      holder.once('error', () => resolve(false));
      holder.once('exit', () => resolve(false));
      holder.stdout.once('data', () => resolve(true));
    });
    return isMounted ? new SmallDisk(holder, dir) : undefined;
  }

  private constructor(holder: ChildProcess, dir: string) {
    this.#holder = holder;
    this.#dir = dir;
  }

  /** Put before a command, this has it see the disk. */
  get prefix(): readonly string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '-U', '-m', '--preserve-credentials'];
  }

  /** Not a byte is left. */
  fill(): void {
    const file = fs.openSync(this.#fillerPath(), 'a');
    for (let bytes = FILL_BYTES; bytes >= 1;) {
      try {
        fs.writeSync(file, Buffer.alloc(bytes));
      } catch {
        bytes = Math.floor(bytes / 16);
      }
    }
    fs.closeSync(file);
  }

  free(): void {
    fs.rmSync(this.#fillerPath(), { force: true });
  }

  close(): void {
    this.#holder.kill('SIGKILL');
  }

  /** A path as the node has it, as this process finds it. */
  pathOf(inside: string): string {
    return path.join(`/proc/${this.#holder.pid}/root`, inside);
  }

  #fillerPath(): string {
    return path.join(this.pathOf(this.#dir), 'filler');
  }
}
