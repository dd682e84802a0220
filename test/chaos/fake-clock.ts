/**
 * The wall clock of one process, moved while it runs: libfaketime, where it is installed, reads how far from a file.
 * The monotonic clock is left alone.
 */
import fs from 'node:fs';
import path from 'node:path';

const LIBRARY = 'faketime/libfaketimeMT.so.1';
/** The library looks into the file this often. */
const CACHE_S = 1;

/** Undefined when it is not installed. */
export function findFakeTime(): string | undefined {
  const dirs = ['/usr/lib', '/usr/local/lib', '/usr/lib64'].filter((dir) => fs.existsSync(dir));
  const all = dirs.flatMap((dir) => [dir, ...subdirectories(dir)]);
  return all.map((dir) => path.join(dir, LIBRARY)).find((file) => fs.existsSync(file));
}

function subdirectories(dir: string): string[] {
  const entries = fs.readdirSync(dir, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && entry.name.includes('linux'))
    .map((entry) => path.join(dir, entry.name));
}

export class FakeClock {
  readonly #library: string;
  readonly #file: string;
  #aheadS = 0;

  constructor(library: string, file: string) {
    this.#library = library;
    this.#file = file;
    this.jump(0);
  }

  /** What the process is started with. */
  get environment(): Readonly<Record<string, string>> {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_CACHE_DURATION: String(CACHE_S),
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  jump(seconds: number): void {
    this.#aheadS += seconds;
    const sign = this.#aheadS < 0 ? '-' : '+';
    fs.writeFileSync(`${this.#file}.new`, `${sign}${Math.abs(this.#aheadS)}s\n`);
    fs.renameSync(`${this.#file}.new`, this.#file);
  }
}
