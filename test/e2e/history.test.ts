/**
 * Clients at all nodes of a real cluster append to lists in several ranges and read them, while nodes are killed and
 * paused. What they were answered is strictly serializable.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WireClient } from '../../src/client/wire-client.ts';
import { checkTransactions, explain } from '../../src/check/check-history.ts';
import type { Operation } from '../../src/check/history.ts';
import { TransactionCollector } from '../../src/check/history.ts';
import type { Random } from '../../src/env/env.ts';
import { ProcessCluster } from '../support/process-cluster.ts';
import { seededRandom } from '../../src/sim/world.ts';
import { sqlStateOf } from './bank-workload.ts';

const KEYS = 12;
const CLIENTS_PER_NODE = 3;
const VALUES_MAX = 100;

let cluster: ProcessCluster;

beforeAll(async () => {
  cluster = await ProcessCluster.start();
  const client = await cluster.connect(1);
  await client.query('CREATE TABLE lists (key integer PRIMARY KEY, items text NOT NULL)');
  await client.query('ALTER TABLE lists SPLIT AT VALUES (4), (8)');
  client.close();
});
afterAll(() => cluster.stop());

class Recorder {
  readonly collector = new TransactionCollector();
  readonly #random: Random;
  isOver = false;
  /** By node. */
  readonly committed = [0, 0, 0, 0];
  #lastValue = 0;
  #lastProcess = 0;
  /** Keys are left behind when their lists have grown long. */
  readonly #generations = Array.from({ length: KEYS }, () => 0);
  readonly #lengths = Array.from({ length: KEYS }, () => 0);

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  async run(node: number): Promise<void> {
    let client: WireClient | undefined;
    while (!this.isOver) {
      try {
        client ??= await cluster.connect(node);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      if (!(await this.#transaction(client, node))) {
        client.destroy();
        client = undefined;
      }
    }
    client?.close();
  }

  /** False: the connection is lost. */
  async #transaction(client: WireClient, node: number): Promise<boolean> {
    const process = ++this.#lastProcess;
    const plan = Array.from({ length: this.#random.int(1, 4) }, () => this.#operation());
    this.#note(process, 'invoke', plan);
    let isCommitting = plan.length === 1;
    try {
      const seen: Operation[] = [];
      if (plan.length > 1) await client.query('BEGIN');
      for (const op of plan) seen.push(await execute(client, op));
      isCommitting = true;
      if (plan.length > 1) await client.query('COMMIT');
      this.#note(process, 'ok', seen);
      this.committed[node] = (this.committed[node] ?? 0) + 1;
      return true;
    } catch (error) {
      const state = sqlStateOf(error);
      if (state === undefined && !/connection|closed|ECONN|EPIPE/i.test(String(error))) throw error;
      const isUnknown = isCommitting && (state === undefined || /^(40003|57P01)$/.test(state));
      this.#note(process, isUnknown ? 'info' : 'fail', plan);
      if (state === undefined || state === '57P01') return false;
      expect(['40001', '40P01', '40003', '58000', '57P03']).toContain(state);
      return client.query('ROLLBACK').then(
        () => true,
        () => false,
      );
    }
  }

  #operation(): Operation {
    const k = this.#random.int(0, KEYS - 1);
    const key = `${k + KEYS * (this.#generations[k] ?? 0)}`;
    if (this.#random.next() < 0.5) return ['r', key, null];
    this.#lengths[k] = (this.#lengths[k] ?? 0) + 1;
    if (this.#lengths[k] >= VALUES_MAX) {
      this.#lengths[k] = 0;
      this.#generations[k] = (this.#generations[k] ?? 0) + 1;
    }
    return ['append', key, ++this.#lastValue];
  }

  #note(process: number, type: 'invoke' | 'ok' | 'fail' | 'info', ops: readonly Operation[]): void {
    this.collector.add({ process, type, time: Math.round(performance.now() * 1000), ops });
  }
}

async function execute(client: WireClient, op: Operation): Promise<Operation> {
  const [kind, key, value] = op;
  if (kind !== 'r') {
    const upsert = `INSERT INTO lists VALUES ($1, $2)
      ON CONFLICT (key) DO UPDATE SET items = lists.items || ',' || excluded.items`;
    await client.execute(upsert, [key, String(value)]);
    return op;
  }
  const { rows } = await client.execute('SELECT items FROM lists WHERE key = $1', [key]);
  return ['r', key, (rows[0]?.[0] ?? '').split(',').filter(Boolean).map(Number)];
}

it('of clients of a cluster whose nodes die is strictly serializable', async () => {
  const recorder = new Recorder(7);
  const running = [1, 2, 3].flatMap((node) =>
    Array.from({ length: CLIENTS_PER_NODE }, () => recorder.run(node)),
  );
  const failed = Promise.all(running);
  failed.catch(() => (recorder.isOver = true));
  const progress = async (...nodes: number[]): Promise<void> => {
    const marks = nodes.map((node) => (recorder.committed[node] ?? 0) + 30);
    await cluster.until('transactions', () => {
      if (recorder.isOver) return true;
      return nodes.every((node, i) => (recorder.committed[node] ?? 0) >= (marks[i] ?? 0));
    });
  };
  await progress(1, 2, 3);
  await cluster.kill(1);
  await progress(2, 3);
  cluster.startNode(1);
  await progress(1, 2, 3);
  cluster.signal(2, 'SIGSTOP');
  await progress(1, 3);
  cluster.signal(2, 'SIGCONT');
  await progress(1, 2, 3);
  await Promise.all([1, 2, 3].map((id) => cluster.kill(id)));
  for (const id of [1, 2, 3]) cluster.startNode(id);
  await progress(1, 2, 3);
  recorder.isOver = true;
  await failed;
  const verdict = checkTransactions(recorder.collector.transactions);
  expect(explain(verdict)).toContain('\nstrictly serializable\n');
  expect(verdict.counts.ok).toBeGreaterThan(300);
  expect(verdict.counts.fail + verdict.counts.info).toBeGreaterThan(0);
});
