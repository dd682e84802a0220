/** The owner's side of `process-cluster-guard.mjs`: names what must not outlive this process. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { ROOT } from './project-root.ts';

const MAIN = path.join(ROOT, 'test/support/process-cluster-guard.mjs');

export class ProcessGuard {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = spawn(process.execPath, [MAIN], { stdio: ['pipe', 'ignore', 'inherit'] });
    // This process may end first: that is what the guard is there for.
    this.#child.unref();
  }

  watch(pid: number): void {
    this.#tell(`+${pid}`);
  }

  /** One that ends its own children when it is told to end. */
  watchSupervisor(pid: number): void {
    this.#tell(`~${pid}`);
  }

  forget(pid: number): void {
    this.#tell(`-${pid}`);
  }

  watchDirectory(dir: string): void {
    this.#tell(`dir ${dir}`);
  }

  /** Kills what is left now. */
  release(): void {
    this.#child.stdin?.end();
  }

  #tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }
}
