/** A run of `quorate` as a user would make it: what it says, and how it ends. Nothing of it outlives the test. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import type { NodeStatus } from '../../src/admin/status.ts';
import { ProcessGuard } from './process-cluster-guard.ts';
import { MAIN } from './process-cluster.ts';

const guard = new ProcessGuard();

export class Command {
  output = '';
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;

  /** `prefix` is put before the command line: a program that runs it. */
  constructor(args: readonly string[], prefix: readonly string[] = []) {
    const [program = '', ...rest] = [...prefix, process.execPath, MAIN, ...args];
    this.child = spawn(program, rest);
    if (this.child.pid !== undefined) guard.watchSupervisor(this.child.pid);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    }
    this.exit = new Promise((resolve) => this.child.once('exit', resolve));
  }
}

/** A node as `cluster.json` has it. */
export interface Listed {
  readonly id: number;
  readonly pid: number;
  readonly host: string;
  readonly sqlPort: number;
  readonly httpPort: number;
}

export function nodesIn(dir: string): Listed[] {
  const text = fs.readFileSync(path.join(dir, 'cluster.json'), 'utf8');
  return (JSON.parse(text) as { nodes: Listed[] }).nodes;
}

/** Undefined while the node does not answer. */
export async function statusOf({
  host,
  httpPort,
}: Pick<Listed, 'host' | 'httpPort'>): Promise<NodeStatus | undefined> {
  try {
    return (await (await fetch(`http://${host}:${httpPort}/status`)).json()) as NodeStatus;
  } catch {
    return undefined;
  }
}
