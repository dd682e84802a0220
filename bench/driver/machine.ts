/** Where and with what a run was made, so that results are compared only with their like. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Build, Machine } from './result.ts';

export function describeMachine(): Machine {
  const cpus = os.cpus();
  return {
    cpus: cpus.length,
    cpuModel: cpus[0]?.model ?? 'unknown',
    memoryBytes: os.totalmem(),
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
  };
}

export function describeBuild(): Build {
  const root = packageRoot();
  const text = fs.readFileSync(path.join(root, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return { version, commit: commitOf(root) };
}

/** The directory of package.json, from the sources as from dist/. */
function packageRoot(): string {
  let dir = path.dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(path.join(dir, 'package.json'))) dir = path.dirname(dir);
  return dir;
}

function commitOf(root: string): string | undefined {
  if (!fs.existsSync(path.join(root, '.git'))) return undefined;
  const git = (...args: string[]): string | undefined => {
    const done = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    return done.status === 0 ? done.stdout.trim() : undefined;
  };
  const commit = git('rev-parse', 'HEAD');
  if (commit === undefined) return undefined;
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
}
