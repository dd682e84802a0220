/**
 * Client programs of PostgreSQL, where they are installed: psql and pgbench run as processes against a node. Tests ask
 * `findProgram` first, and are skipped, saying why, where it finds nothing.
 */
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const RUN_MAX_MS = 90_000;
const VERSION_MIN = 15;

export interface Address {
  readonly host: string;
  readonly sqlPort: number;
}

export interface ProgramResult {
  /** Standard output and standard error in the order written. */
  readonly output: string;
  readonly code: number | null;
}

export interface RunOptions {
  readonly input?: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
}

/** Whether the program can be run here, in a version whose output is known. Says so once when it cannot. */
export function findProgram(name: 'psql' | 'pgbench'): boolean {
  // Null, whatever its type says, when there is no such program.
  const stdout = spawnSync(name, ['--version'], { encoding: 'utf8' }).stdout as string | null;
  const version = Number(/\(PostgreSQL\) (\d+)/.exec(stdout ?? '')?.[1] ?? 0);
  if (version >= VERSION_MIN) return true;
  const what = `${name} ${VERSION_MIN} or newer`;
  process.stderr.write(`skipped: tests that need ${what}, which is not installed\n`);
  return false;
}

/** Runs a script as if it were typed, without the user's psqlrc. */
export function psql(node: Address, input: string, options: RunOptions = {}) {
  return runProgram('psql', node, {
    ...options,
    input,
    args: ['-X', '-h', node.host, '-U', 'tester', '-d', 'quorate', ...(options.args ?? [])],
  });
}

export function pgbench(node: Address, args: readonly string[]): Promise<ProgramResult> {
  return runProgram('pgbench', node, {
    args: ['-h', node.host, '-U', 'tester', ...args, 'quorate'],
  });
}

/** Both outputs go to one file, so that errors stand where they came. */
async function runProgram(
  name: string,
  node: Address,
  options: RunOptions,
): Promise<ProgramResult> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-program-'));
  const file = path.join(dir, 'output');
  const output = fs.openSync(file, 'a');
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      const child = spawn(name, ['-p', String(node.sqlPort), ...(options.args ?? [])], {
        stdio: ['pipe', output, output],
        cwd: options.cwd ?? dir,
        timeout: RUN_MAX_MS,
        killSignal: 'SIGKILL',
        env: { PATH: process.env.PATH, LC_ALL: 'C', PGSSLMODE: 'disable', PGTZ: 'UTC' },
      });
      child.once('error', reject);
      child.once('exit', (exitCode) => resolve(exitCode));
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input ?? '');
    });
    return { output: fs.readFileSync(file, 'utf8'), code };
  } finally {
    fs.closeSync(output);
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
