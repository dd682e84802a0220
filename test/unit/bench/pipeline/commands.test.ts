/** What the commands say to wrong input, and that a page can be made again from its JSON. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPipelineCommand } from '../../../../bench/pipeline/pipeline-command.ts';
import { runReportCommand } from '../../../../bench/pipeline/report-command.ts';
import { renderReport } from '../../../../bench/pipeline/report.ts';
import { measurementOf, runOf } from './fixture.ts';

let dir = '';
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-report-'));
});
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }));

/** Commands throw at once or reject later. */
const tried = async (run: () => Promise<number>): Promise<number> => run();

describe('quorate bench pipeline', () => {
  it.each([
    [['--seconds', '0'], '--seconds takes a whole number from 1 to 3600, not "0"'],
    [['--repeat', 'x'], '--repeat takes a whole number'],
    [['--only', 'raft-batch,disk'], 'there is no sweep "disk"; there are clients,'],
    [['--slow'], "Unknown option '--slow'"],
  ])('refuses %j', async (args, message) => {
    await expect(tried(() => runPipelineCommand(args))).rejects.toThrow(message);
  });
});

describe('quorate bench report', () => {
  it('makes the page of a file beside it', async () => {
    const cells = [1, 64].map((clients) => measurementOf({ cell: { clients } }));
    const file = path.join(dir, 'run.json');
    fs.writeFileSync(file, JSON.stringify(runOf(cells)));
    expect(await runReportCommand([file])).toBe(0);
    const page = fs.readFileSync(path.join(dir, 'run.html'), 'utf8');
    expect(page).toBe(renderReport(runOf(cells)));
  });

  it.each([
    [[], 'takes one file'],
    [['/nowhere/a.json'], 'cannot read /nowhere/a.json: ENOENT'],
  ])('refuses %j', async (args, message) => {
    await expect(tried(() => runReportCommand(args))).rejects.toThrow(message);
  });

  it('refuses what is no result', async () => {
    const file = path.join(dir, 'other.json');
    fs.writeFileSync(file, '{}');
    await expect(tried(() => runReportCommand([file]))).rejects.toThrow('is not a result');
    fs.writeFileSync(file, '{');
    await expect(tried(() => runReportCommand([file]))).rejects.toThrow('is not JSON');
  });
});
