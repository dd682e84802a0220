/** `quorate sim` as a user runs it: a seed is a run in every process, and one's own workload is judged. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const COMMAND = path.resolve('dist/src/bin/quorate.js');
const DOCS = path.resolve('docs/testing.md');
let directory: string;

beforeAll(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-sim-'));
});

afterAll(() => {
  fs.rmSync(directory, { recursive: true });
});

function sim(...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, 'sim', ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}

/** The example of the documentation, changed. */
function workloadFile(name: string, change: (text: string) => string): string {
  const [, example = ''] = /```js\n([^]*?)```/.exec(fs.readFileSync(DOCS, 'utf8')) ?? [];
  const file = path.join(directory, name);
  fs.writeFileSync(file, change(example));
  return file;
}

describe('quorate sim', () => {
  it('does the same in every process', async () => {
    const args = ['--seed', '9', '--workload', 'bank,lists', '--minutes', '0.1'];
    const [first, second] = await Promise.all([sim(...args), sim(...args)]);
    const trace = (text: string): string | undefined => /trace ([0-9a-f]+)/.exec(text)?.[1];
    expect(first.output).toContain('seed 9: ok');
    expect(trace(first.output)).toBeDefined();
    expect(trace(second.output)).toBe(trace(first.output));
  });

  it("judges a user's workload", async () => {
    const good = workloadFile('good.mjs', (text) => text);
    const fine = await sim('--workload', good, '--minutes', '0.1');
    expect(fine).toMatchObject({ code: 0 });
    const bad = workloadFile('bad.mjs', (text) => text.replace('Number(n) + 1', 'Number(n)'));
    const found = await sim('--seed', '3', '--workload', bad, '--minutes', '0.1');
    expect(found.code).toBe(1);
    expect(found.output).toMatch(/increments acknowledged, 0 are there/);
    expect(found.output).toContain(`again: quorate sim --seed 3 --workload ${bad}`);
  });

  it('says what is wrong with its arguments', async () => {
    expect(await sim('--seed', 'x')).toMatchObject({ code: 1 });
    const missing = await sim('--workload', path.join(directory, 'none.mjs'));
    expect(missing.code).toBe(1);
    expect(missing.output).toMatch(/^quorate: .*none\.mjs cannot be loaded/);
  });
});
