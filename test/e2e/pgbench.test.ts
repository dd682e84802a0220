/**
 * pgbench, unchanged: it makes its tables and runs its three built-in transactions over each protocol, one node or all
 * nodes at once, a fixed number of transactions. None may fail, and afterwards money is where it should be.
 */
import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireClient } from '../../src/client/wire-client.ts';
import { ProcessCluster } from '../support/process-cluster.ts';
import type { ProgramResult } from '../support/psql.ts';
import { findProgram, pgbench } from '../support/psql.ts';

const hasPgbench = findProgram('pgbench');
const CLIENTS = 4;
const SUMS = `
  SELECT (SELECT sum(bbalance) FROM pgbench_branches) AS branches,
         (SELECT sum(tbalance) FROM pgbench_tellers) AS tellers,
         (SELECT sum(abalance) FROM pgbench_accounts) AS accounts,
         (SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS history,
         (SELECT count(*) FROM pgbench_history) AS lines`;

describe.skipIf(!hasPgbench)(
  hasPgbench ? 'pgbench' : 'pgbench: skipped, it is not installed',
  () => {
    let cluster: ProcessCluster;
    let client: WireClient;

    beforeAll(async () => {
      cluster = await ProcessCluster.start();
      client = await cluster.connect(2);
      const { output, code } = await pgbench(cluster.node(1), ['-i', '-s', '1']);
      expect(output).toMatch(/\ndone in /);
      expect(output).not.toMatch(/error|fatal/i);
      expect(code).toBe(0);
    });

    afterAll(() => cluster.stop());

    const query = async (text: string): Promise<readonly (string | null)[]> =>
      (await client.query(text)).at(-1)?.rows[0] ?? [];

    const expectClean = ({ output, code }: ProgramResult, transactions: number): void => {
      expect(output).toContain(
        `number of transactions actually processed: ${transactions}/${transactions}\n`,
      );
      expect(output).toContain('number of failed transactions: 0 (0.000%)');
      expect(output).not.toMatch(/error|fatal|abort/i);
      expect(code).toBe(0);
    };

    /** -n: without the VACUUM and TRUNCATE that come first. */
    const run = (node: number, mode: string, each: number, more: readonly string[] = []) => {
      const args = ['-M', mode, '-c', String(CLIENTS), '-t', String(each)];
      return pgbench(cluster.node(node), [...args, ...more]);
    };

    it('makes its tables', async () => {
      const counts = await query(
        `SELECT (SELECT count(*) FROM pgbench_branches), (SELECT count(*) FROM pgbench_tellers),
                (SELECT count(*) FROM pgbench_accounts), (SELECT count(*) FROM pgbench_history)`,
      );
      expect(counts).toEqual(['1', '10', '100000', '0']);
      const last = await query(
        'SELECT aid, bid, abalance FROM pgbench_accounts WHERE aid = 100000',
      );
      expect(last).toEqual(['100000', '1', '0']);
    });

    it.each(['simple', 'extended', 'prepared'])('TPC-B, -N and -S, -M %s', async (mode) => {
      const before = Number((await query('SELECT count(*) FROM pgbench_history'))[0]);
      expectClean(await run(1, mode, 25, ['-n']), CLIENTS * 25);
      const [branches, tellers, accounts, history, lines] = await query(SUMS);
      expect(Number(lines)).toBe(before + CLIENTS * 25);
      expect([branches, tellers, accounts].map(Number)).toEqual(Array(3).fill(Number(history)));

      expectClean(await run(2, mode, 25, ['-n', '-N']), CLIENTS * 25);
      const after = await query(SUMS);
      expect(Number(after[4])).toBe(before + 2 * CLIENTS * 25);
      // -N leaves branches and tellers alone.
      expect(after[0]).toBe(branches);
      expect(after[1]).toBe(tellers);
      expect(after[2]).toBe(after[3]);

      expectClean(await run(3, mode, 100, ['-n', '-S']), CLIENTS * 100);
      expect(await query(SUMS)).toEqual(after);
      // The next mode compares the four sums again.
      await query('TRUNCATE pgbench_history');
      await query('UPDATE pgbench_accounts SET abalance = 0 WHERE abalance <> 0');
      await query('UPDATE pgbench_tellers SET tbalance = 0');
      await query('UPDATE pgbench_branches SET bbalance = 0');
    });

    it('several nodes at once, beginning with VACUUM and TRUNCATE', async () => {
      expectClean(await run(1, 'simple', 1), CLIENTS);
      const modes = ['simple', 'extended', 'prepared'];
      const results = await Promise.all(modes.map((mode, i) => run(i + 1, mode, 20, ['-n'])));
      for (const result of results) expectClean(result, CLIENTS * 20);
      const [branches, tellers, accounts, history, lines] = await query(SUMS);
      expect(Number(lines)).toBe(CLIENTS + 3 * CLIENTS * 20);
      expect([branches, tellers, accounts]).toEqual(Array(3).fill(history));
    });

    it('runs a script of one’s own, with its variables', async () => {
      fs.writeFileSync(
        `${cluster.dir}/script.sql`,
        '\\set id random(1, 100000)\nSELECT abalance AS balance FROM pgbench_accounts WHERE aid = :id \\gset\n' +
          'BEGIN;\nUPDATE pgbench_accounts SET abalance = :balance WHERE aid = :id;\nEND;\n',
      );
      const script = ['-n', '-f', `${cluster.dir}/script.sql`];
      expectClean(await run(3, 'prepared', 20, script), CLIENTS * 20);
    });
  },
);
