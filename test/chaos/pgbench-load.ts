/** Real pgbench against every node of a cluster under chaos: started again whenever it ends, and in the end the books agree. */
import type { ChildProcess } from 'node:child_process';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { ClusterNode, ProcessCluster } from '../support/process-cluster.ts';
import { connect } from './clients.ts';

const SCALE = 2;
/** Transactions a second at each node: the machine is shared with those whose latency is measured. */
const RATE = 20;
const RESTART_MS = 500;

const BOOKS = `
  SELECT (SELECT sum(abalance) FROM pgbench_accounts) AS accounts,
         (SELECT sum(tbalance) FROM pgbench_tellers) AS tellers,
         (SELECT sum(bbalance) FROM pgbench_branches) AS branches,
         (SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS history,
         (SELECT count(*) FROM pgbench_history) AS transfers`;

export function hasPgbench(): boolean {
  return spawnSync('pgbench', ['--version']).status === 0;
}

export class PgbenchLoad {
  readonly #cluster: ProcessCluster;
  readonly #children = new Map<number, ChildProcess>();
  #isOver = false;

  constructor(cluster: ProcessCluster) {
    this.#cluster = cluster;
  }

  /** Rejects when pgbench says that it failed. The links between the nodes run through this process: it has to go on. */
  async setUp(): Promise<void> {
    const args = [...this.#target(this.#cluster.node(1)), '-i', '-s', String(SCALE), '-q'];
    await promisify(execFile)('pgbench', args);
  }

  start(): void {
    for (const node of this.#cluster.nodes) this.#run(node);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    const ends = [...this.#children.values()].map(
      (child) => new Promise((resolve) => child.once('exit', resolve)),
    );
    for (const child of this.#children.values()) child.kill('SIGKILL');
    await Promise.all(ends);
  }

  /** What does not agree, in words; and how many transfers there were. */
  async audit(): Promise<{ readonly problem: string | undefined; readonly transfers: number }> {
    const client = await connect(this.#cluster.node(1));
    const { rows } = await client.query<Record<string, string>>(BOOKS);
    await client.end();
    const { transfers, ...sums } = rows[0] ?? {};
    const agree = new Set(Object.values(sums).map(Number)).size === 1;
    const problem = agree ? undefined : `pgbench's books do not agree: ${JSON.stringify(sums)}`;
    return { problem, transfers: Number(transfers) };
  }

  #run(node: ClusterNode): void {
    const args = ['-n', '-c', '1', '-T', '3600', '-R', String(RATE), '--max-tries', '10'];
    const child = spawn('pgbench', [...this.#target(node), ...args], { stdio: 'ignore' });
    this.#children.set(node.id, child);
    child.once('exit', () => {
      this.#children.delete(node.id);
      if (!this.#isOver) setTimeout(() => this.#again(node), RESTART_MS);
    });
  }

  #again(node: ClusterNode): void {
    if (!this.#isOver) this.#run(node);
  }

  #target({ host, sqlPort }: ClusterNode): string[] {
    return ['-h', host, '-p', String(sqlPort), '-U', 'quorate', 'quorate'];
  }
}
