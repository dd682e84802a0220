/**
 * PostgreSQL's pgbench with its own scripts, one process per node of the target, started together, the clients spread
 * over them. Failed transactions are not retried, and counted.
 *
 * How it can mislead: the processes end within milliseconds of each other, not at the same moment; sixteen clients on
 * three nodes are 6 + 5 + 5.
 */
import process from 'node:process';
import { QuorateError } from '../../src/base/errors.ts';
import type { Endpoint } from '../driver/target.ts';
import { findProgram, runProgram } from './programs.ts';

export interface PgbenchRun {
  /** Which script and protocol: `['-N', '-M', 'prepared']`. */
  readonly script: readonly string[];
  readonly scale: number;
  readonly clients: number;
  readonly seconds: number;
}

export interface ToolOutcome {
  /** Transactions per second of all processes. */
  readonly throughput: number;
  readonly failed: number;
}

export function whyNoPgbench(): string | undefined {
  return findProgram('pgbench') === undefined ? 'pgbench is not installed' : undefined;
}

export async function loadPgbench(address: Endpoint, scale: number): Promise<void> {
  await pgbench(address, ['-i', '-q', '-s', String(scale)]);
}

export async function runPgbench(
  nodes: readonly Endpoint[],
  { script, scale, clients, seconds }: PgbenchRun,
): Promise<ToolOutcome> {
  const outputs = await Promise.all(
    shares(clients, nodes.length).map(async (count, i) => {
      const node = nodes[i];
      if (count === 0 || node === undefined) return '';
      const load = ['-c', String(count), '-j', '1', '-T', String(seconds)];
      return pgbench(node, ['-n', '-s', String(scale), ...load, ...script]);
    }),
  );
  return sumOutcomes(outputs.filter((output) => output !== '').map(parsePgbench));
}

/** As even as can be; the first have one more. */
export function shares(clients: number, nodes: number): number[] {
  return Array.from(
    { length: nodes },
    (_, i) => Math.floor(clients / nodes) + (i < clients % nodes ? 1 : 0),
  );
}

export function sumOutcomes(outcomes: readonly ToolOutcome[]): ToolOutcome {
  return {
    throughput: outcomes.reduce((sum, { throughput }) => sum + throughput, 0),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
  };
}

export function parsePgbench(output: string): ToolOutcome {
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (tps === undefined) throw new QuorateError('bench', `pgbench gave no rate:\n${output}`);
  const failed = /^number of failed transactions: (\d+)/m.exec(output)?.[1];
  return { throughput: Number(tps), failed: Number(failed ?? 0) };
}

/** Exits with 2 when some clients were aborted, which it tells; a run without any rate has failed. */
function pgbench(address: Endpoint, args: readonly string[]): Promise<string> {
  const { host, port, user, database, options } = address;
  const where = ['-h', host, '-p', String(port), '-U', user];
  return runProgram(findProgram('pgbench') ?? 'pgbench', [...where, ...args, database], {
    env: { ...process.env, PGOPTIONS: options ?? '', PGSSLMODE: 'disable' },
  });
}

/** TPC-B's invariants, whatever failed; `-N` keeps the second alone. Empty when they hold. */
export const PGBENCH_INVARIANTS: readonly (readonly [says: string, sql: string])[] = [
  [
    'branches and tellers agree',
    `select (select sum(bbalance) from pgbench_branches) =
       (select sum(tbalance) from pgbench_tellers)`,
  ],
  [
    'accounts and history agree',
    `select (select sum(abalance) from pgbench_accounts) =
       (select coalesce(sum(delta), 0) from pgbench_history)`,
  ],
];
