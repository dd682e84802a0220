#!/usr/bin/env node
/**
 * The command line: `quorate demo | start | sql | status | bench | sim`. Each command is a file; this one chooses it,
 * prints help, and turns a `UsageError` into one clear line and exit code 1.
 */
import process from 'node:process';
import { QuorateError } from '../base/errors.ts';
import { runBench } from './bench.ts';
import { runCheck } from './check.ts';
import { runDemo } from './demo.ts';
import { runSim } from './sim.ts';
import { runSql } from './sql.ts';
import { runStart } from './start.ts';
import { runStatus } from './status.ts';

const HELP = `usage: quorate COMMAND [options]

  demo     run a local cluster of real processes
             --data DIR (./quorate-data)  --nodes N (3)  --host H (127.0.0.1)
             --sql-port P (7432)  --http-port P (7480)  --peer-port P (7532)
             --restart-after SECONDS (5; 0: a node that dies stays down)
             --memory SIZE of each node (2GiB), and the other settings of start
  start    run one node
             --data DIR; at the first start also --id N --init-nodes 1=HOST:PORT,2=HOST:PORT,3=HOST:PORT
             --cluster-id NAME  --host H  --sql-port P  --http-port P
             --reads lease|quorum  --raft-batch on|off|N  --raft-pipeline on|off|N
             --group-commit on|off  --defer-updates on|off  --retention SECONDS  --memory SIZE (2GiB)
           or all nodes of a cluster that this host has, a process each
             --nodes-per-host N  --data DIR  --host H (127.0.0.1)  --restart-after SECONDS (5)
             --sql-port P (7432)  --http-port P (7480)  --peer-port P (7532): the first of each
             --init-nodes ...: of several hosts; the members on H run here
  sql      a small SQL shell: --url postgres://HOST:PORT/DB  [-c SQL]
  status   nodes and ranges of a cluster: --data DIR or --http HOST:PORT
  check    is a history strictly serializable? FILE (JSON lines; see docs/testing.md)
  sim      whole clusters in one process, under virtual time and faults drawn from a seed
             --seed N (1) or --seeds A..B  --nodes N  --minutes M (0.5)  --workload NAME,...|FILE.js  --trace
  bench    what it is worth; without more, bars
             bars: against PostgreSQL and etcd  --only NAME,...  --repeat N  --seconds S  --warmup S  --out FILE.json
             list: the workloads and their parameters
             run WORKLOAD  --clients N  --seconds S  --warmup S  --rate R  --repeat N  --out FILE.json
               --nodes N  --set NAME=VALUE | --cluster DIR | --url HOST:PORT,...
             compare A.json B.json: ratios of medians
             pipeline [--quick] [--out DIR]: what batching and pipelining are worth, as a page
             report FILE.json: that page again
`;

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  demo: runDemo,
  start: runStart,
  sql: runSql,
  status: runStatus,
  bench: runBench,
  check: runCheck,
  sim: runSim,
};

async function main(): Promise<number> {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(HELP);
    return name === undefined ? 1 : 0;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    process.stderr.write(`quorate: there is no command "${name}"; see quorate help\n`);
    return 1;
  }
  try {
    return await command(args);
  } catch (error) {
    // A failure that says what it is; anything else is a bug, and shows its stack.
    if (!(error instanceof QuorateError) && !isArgumentError(error)) throw error;
    process.stderr.write(`quorate: ${(error as Error).message}\n`);
    return 1;
  }
}

function isArgumentError(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS');
}

process.exitCode = await main();
