/** What the commands refuse, in one line that names it; and what pgbench's summary says. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runBenchCommand } from '../../../bench/commands.ts';
import { clusterAt } from '../../../bench/driver/cluster.ts';
import { WORKLOADS } from '../../../bench/workloads/catalog.ts';
import { parseSummary } from '../../../bench/workloads/pgbench-program.ts';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-bench-test-'));
afterAll(() => fs.rmSync(dir, { recursive: true }));

async function refusalOf(...args: string[]): Promise<string> {
  const run = async (): Promise<number> => runBenchCommand(args);
  const message = await run().then(
    () => 'accepted',
    (error: unknown) => (error as Error).message,
  );
  expect(message).not.toContain('\n');
  return message;
}

describe('quorate bench', () => {
  it('refuses what it does not know', async () => {
    expect(await refusalOf('sprint')).toContain('no command "sprint"');
    expect(await refusalOf('run')).toContain('which workload?');
    expect(await refusalOf('run', 'nothing')).toContain('no workload "nothing"');
    expect(await refusalOf('run', 'point-read', '--hot', '3')).toContain("Unknown option '--hot'");
    expect(await refusalOf('list', '--all')).toContain("Unknown option '--all'");
    expect(await refusalOf('toString')).toContain('no command');
  });

  it('refuses values out of bounds before anything is started', async () => {
    expect(await refusalOf('run', 'bank', '--cross', '101')).toBe(
      '--cross takes a whole number from 0 to 100, not "101"',
    );
    expect(await refusalOf('run', 'bank', '--cross', '')).toContain('not ""');
    expect(await refusalOf('run', 'bank', '--clients', '0')).toContain('--clients takes');
    expect(await refusalOf('run', 'bank', '--trips', 'two')).toBe('--trips takes each or one');
    expect(await refusalOf('run', 'bank', '--set', 'x')).toContain('NAME=VALUE');
    const both = ['--cluster', dir, '--url', '127.0.0.1:1'];
    expect(await refusalOf('run', 'bank', ...both)).toContain('not both');
    expect(await refusalOf('run', 'bank', '--cluster', dir)).toContain('cluster.json');
    expect(await refusalOf('run', 'bank', '--url', 'nowhere')).toContain('not HOST:PORT');
    expect(() => clusterAt('a:1,b:2', 'a:3')).toThrow('as many addresses');
  });

  it('refuses to compare what is no result', async () => {
    const file = path.join(dir, 'a.json');
    expect(await refusalOf('compare', file)).toContain('two files');
    expect(await refusalOf('compare', file, file)).toContain('cannot read');
    fs.writeFileSync(file, '{');
    expect(await refusalOf('compare', file, file)).toContain('is not JSON');
    fs.writeFileSync(file, 'null');
    expect(await refusalOf('compare', file, file)).toContain('is not a result');
    fs.writeFileSync(file, '{"format":"quorate-bench/0","measurements":[]}');
    expect(await refusalOf('compare', file, file)).toContain('is not a result');
  });

  it('has each workload once, with defaults within bounds and no flag of the driver', () => {
    const names = WORKLOADS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { parameters } of WORKLOADS) {
      for (const [flag, parameter] of Object.entries(parameters)) {
        expect(['clients', 'seconds', 'warmup', 'rate', 'out', 'set']).not.toContain(flag);
        if ('choices' in parameter) expect(parameter.choices).toContain(parameter.default);
        else expect(parameter.default).toBeGreaterThanOrEqual(parameter.min);
      }
    }
  });
});

describe("pgbench's summary", () => {
  it('is read with its failures', () => {
    const text = [
      'pgbench: error: client 3 aborted in command 5 (SQL) of script 0; ERROR:  gone',
      'number of transactions actually processed: 2000',
      'number of failed transactions: 5 (0.249%)',
      'number of serialization failures: 3 (0.150%)',
      'number of deadlock failures: 2 (0.100%)',
      'latency average = 1.0 ms',
      'tps = 1000.5 (without initial connection time)',
    ].join('\n');
    expect(parseSummary(text)).toEqual({
      ...{ processed: 2000, throughput: 1000.5, seconds: 2000 / 1000.5 },
      failures: { '40001': 3, '40P01': 2, aborted: 1 },
    });
    expect(parseSummary('connection refused')).toBeUndefined();
  });
});
