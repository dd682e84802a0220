/** `npm run chaos`, briefly: faults come and go, and what clients were told holds. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { ROOT } from '../support/project-root.ts';

const MAIN = path.join(ROOT, 'dist/test/chaos/main.js');

it('survives a cut, a kill and a jump of a clock, and says how', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-chaos-test-'));
  const faults = 'leader killed,one-way cut,clock jump';
  const args = [
    MAIN,
    '--minutes',
    '0.35',
    '--seed',
    '2',
    '--pgbench',
    'off',
    '--faults',
    faults,
    '--dir',
    dir,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toMatch(/node \d killed, which led \d ranges: nothing committed for/);
  expect(stdout).toContain('does not hear');
  expect(stdout).toContain('\nstrictly serializable\n');
  expect(stdout).toContain('commits resume after kill -9 of a leader');
  expect(stdout.trim().endsWith('everything held')).toBe(true);
  expect(fs.readdirSync(dir)).toContain('history.jsonl');
  fs.rmSync(dir, { recursive: true });
});

it('refuses what it does not know', async () => {
  const run = promisify(execFile)(process.execPath, [MAIN, '--faults', 'flood']);
  await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('flood') });
});
