/**
 * sysbench's oltp_read_write, 4 tables of 50,000 rows, as it comes: prepared statements of its own choice, transactions
 * of 18 statements, uniform or Pareto keys as it has them by default. One process per node, started together.
 *
 * Its driver for PostgreSQL rolls back and goes on after 40001, 40P01 and 23505, and counts them: such a transaction is
 * not repeated with the same values but followed by another one. Any other error ends it.
 */
import process from 'node:process';
import { QuorateError } from '../../src/base/errors.ts';
import type { Endpoint } from '../driver/target.ts';
import type { ToolOutcome } from './pgbench.ts';
import { shares, sumOutcomes } from './pgbench.ts';
import { findProgram, runProgram } from './programs.ts';

const SCRIPT = 'oltp_read_write';
const TABLES = 4;
const ROWS = 50_000;

export function whyNoSysbench(): string | undefined {
  return findProgram('sysbench') === undefined ? 'sysbench is not installed' : undefined;
}

export async function loadSysbench(address: Endpoint): Promise<void> {
  await sysbench(address, ['prepare']);
}

export async function runSysbench(
  nodes: readonly Endpoint[],
  { threads, seconds }: { readonly threads: number; readonly seconds: number },
): Promise<ToolOutcome> {
  const outputs = await Promise.all(
    shares(threads, nodes.length).map(async (count, i) => {
      const node = nodes[i];
      if (count === 0 || node === undefined) return '';
      return sysbench(node, [`--threads=${count}`, `--time=${seconds}`, 'run']);
    }),
  );
  return sumOutcomes(outputs.filter((output) => output !== '').map(parseSysbench));
}

export function parseSysbench(output: string): ToolOutcome {
  const rate = /transactions:\s+\d+\s+\(([\d.]+) per sec\.\)/.exec(output)?.[1];
  if (rate === undefined) throw new QuorateError('bench', `sysbench gave no rate:\n${output}`);
  const ignored = /ignored errors:\s+(\d+)/.exec(output)?.[1];
  return { throughput: Number(rate), failed: Number(ignored ?? 0) };
}

function sysbench(address: Endpoint, args: readonly string[]): Promise<string> {
  const { host, port, user, database, options } = address;
  const where = [`--pgsql-host=${host}`, `--pgsql-port=${port}`, `--pgsql-user=${user}`];
  const size = [`--tables=${TABLES}`, `--table-size=${ROWS}`, `--pgsql-db=${database}`];
  const file = findProgram('sysbench') ?? 'sysbench';
  return runProgram(file, [SCRIPT, '--db-driver=pgsql', ...where, ...size, ...args], {
    env: { ...process.env, PGOPTIONS: options ?? '', PGSSLMODE: 'disable' },
  });
}
