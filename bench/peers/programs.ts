/**
 * Programs of other projects, which are used when they are installed and never required: where they are, and how they
 * run beside the benchmark. Servers are children of this process and end with it, however it ends in order.
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError } from '../../src/base/errors.ts';

const OUTPUT_LENGTH_MAX = 1 << 20;
const START_MAX_MS = 60_000;
const START_POLL_MS = 50;
const STOP_MAX_MS = 15_000;

/** On PATH, or in one of the further directories, which come first. */
export function findProgram(name: string, directories: readonly string[] = []): string | undefined {
  const searched = [...directories, ...(process.env['PATH'] ?? '').split(path.delimiter)];
  return searched
    .filter((directory) => directory !== '')
    .map((directory) => path.join(directory, name))
    .find((file) => isExecutable(file));
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Runs to its end. Its output, both streams in order; rejects with it when it fails. */
export function runProgram(
  file: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const end = whenThisEnds(child);
    let output = '';
    const hear = (chunk: Buffer): void => {
      if (output.length < OUTPUT_LENGTH_MAX) output += chunk.toString();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', (cause) => reject(failure(file, cause.message)));
    child.once('close', (code) => {
      end();
      if (code === 0) resolve(output);
      else reject(failure(file, output.trim().slice(-2000)));
    });
  });
}

function failure(file: string, why: string): QuorateError<'bench'> {
  return new QuorateError('bench', `${path.basename(file)} failed: ${why}`);
}

/** A child that goes when this process does. Returns what takes that back. */
function whenThisEnds(child: ChildProcess): () => void {
  const onExit = (): void => void child.kill('SIGKILL');
  // Before the directories they write to are removed.
  process.prependOnceListener('exit', onExit);
  return () => void process.off('exit', onExit);
}

/** A new directory, which goes when this process ends, if it has not gone before. */
export function temporaryDirectory(prefix: string): {
  readonly dir: string;
  readonly remove: () => void;
} {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  const onExit = (): void => fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', onExit);
  const remove = (): void => {
    process.off('exit', onExit);
    onExit();
  };
  return { dir, remove };
}

export class Server {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #log: string;
  readonly #stopSignal: NodeJS.Signals;

  /** Output goes to `log`. `stopSignal`: how it is asked to stop in order. */
  constructor(
    file: string,
    args: readonly string[],
    options: SpawnOptions & { readonly log: string; readonly stopSignal?: NodeJS.Signals },
  ) {
    const { log, stopSignal = 'SIGTERM', ...spawnOptions } = options;
    const fd = fs.openSync(log, 'a');
    this.#child = spawn(file, args, { ...spawnOptions, stdio: ['ignore', fd, fd] });
    fs.closeSync(fd);
    this.#name = path.basename(file);
    this.#log = log;
    this.#stopSignal = stopSignal;
    this.#child.once('error', () => undefined);
    this.#child.once('exit', whenThisEnds(this.#child));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Polls until `isReady` does not reject; rejects with the end of its log when it ends or takes too long. */
  async whenReady(isReady: () => Promise<unknown>): Promise<void> {
    const deadline = performance.now() + START_MAX_MS;
    for (;;) {
      try {
        await isReady();
        return;
      } catch (cause) {
        const hasEnded = this.#child.pid === undefined || this.#child.exitCode !== null;
        if (hasEnded || performance.now() > deadline) {
          const said = fs.readFileSync(this.#log, 'utf8').trim().slice(-2000);
          throw failure(this.#name, said === '' ? String(cause) : said);
        }
      }
      await sleep(START_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(this.#stopSignal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
    await exited;
    clearTimeout(timer);
  }
}
