/**
 * SQL sessions at every node of a simulated cluster append to lists in several ranges and read them, under faults and
 * with clocks that are minutes apart. What they were answered is strictly serializable.
 */
import { describe, expect, it } from 'vitest';
import { SqlError } from '../../sql/errors/sql-error.ts';
import { checkTransactions, explain } from '../../src/check/check-history.ts';
import type { Operation } from '../../src/check/history.ts';
import { TransactionCollector } from '../../src/check/history.ts';
import { EmbeddedCluster } from '../support/embedded-cluster.ts';
import { ConnectionLost, SimClient } from '../support/sim-client.ts';
import { SimWorld } from '../support/sim-env.ts';
import { disturb, heal } from '../support/sim-faults.ts';

const KEYS = 9;
const CLIENTS = 8;
const ROUNDS = 8;
const ROUND_MS = 1500;
const TICKS_PER_MS = 1000;

interface Run {
  readonly hash: number;
  readonly story: string;
  readonly counts: Readonly<Record<'ok' | 'fail' | 'info', number>>;
}

class Workload {
  readonly world: SimWorld;
  readonly cluster: EmbeddedCluster;
  readonly collector = new TransactionCollector();
  isOver = false;
  #lastProcess = 0;
  #lastValue = 0;

  constructor(world: SimWorld, cluster: EmbeddedCluster) {
    this.world = world;
    this.cluster = cluster;
  }

  async setUp(): Promise<void> {
    const client = await SimClient.connect(this.world, this.cluster, 1);
    await client.query('CREATE TABLE lists (key integer PRIMARY KEY, items text NOT NULL)');
    // A row for each value: what is read of it is a predicate.
    await client.query(
      'CREATE TABLE items (key integer, at serial, item integer NOT NULL, PRIMARY KEY (key, at))',
    );
    await client.query(`ALTER TABLE lists SPLIT AT VALUES (${KEYS / 3})`);
    await client.query(`ALTER TABLE items SPLIT AT VALUES (${KEYS / 3}, 0)`);
    client.close();
  }

  async runClient(): Promise<void> {
    const { random } = this.world;
    let client: SimClient | undefined;
    while (!this.isOver) {
      await this.#pause(random.int(1, 60));
      if (client === undefined) {
        const at = random.int(1, 3);
        try {
          client = await SimClient.connect(this.world, this.cluster, at);
        } catch (error) {
          this.#expectKnown(error);
          continue;
        }
      }
      if (!(await this.#transaction(client)) || random.next() < 0.05) {
        client.close();
        client = undefined;
      }
    }
  }

  /** False: the connection is lost. */
  async #transaction(client: SimClient): Promise<boolean> {
    const { random } = this.world;
    const process = ++this.#lastProcess;
    const plan = Array.from({ length: random.int(1, 4) }, () => this.#operation());
    this.#note(process, 'invoke', plan);
    let isCommitting = plan.length === 1;
    try {
      const seen: Operation[] = [];
      if (plan.length > 1) await client.query('BEGIN');
      for (const op of plan) seen.push(await this.#execute(client, op));
      isCommitting = true;
      if (plan.length > 1) await client.query('COMMIT');
      this.#note(process, 'ok', seen);
      return true;
    } catch (error) {
      this.#expectKnown(error);
      const state = error instanceof SqlError ? error.sqlState : undefined;
      const isUnknown = isCommitting && (state === undefined || state === '40003');
      this.#note(process, isUnknown ? 'info' : 'fail', plan);
      if (state === undefined) return false;
      return client.query('ROLLBACK').then(
        () => true,
        () => false,
      );
    }
  }

  #operation(): Operation {
    const { random } = this.world;
    const table = random.next() < 0.5 ? 'l' : 'i';
    const key = `${table}${random.int(0, KEYS - 1)}`;
    return random.next() < 0.5 ? ['r', key, null] : ['append', key, ++this.#lastValue];
  }

  async #execute(client: SimClient, op: Operation): Promise<Operation> {
    const [kind, key, value] = op;
    const id = key.slice(1);
    const isList = key.startsWith('l');
    if (kind !== 'r') {
      await client.query(
        isList
          ? `INSERT INTO lists VALUES (${id}, '${value}')
             ON CONFLICT (key) DO UPDATE SET items = lists.items || ',' || excluded.items`
          : `INSERT INTO items (key, at, item)
             SELECT ${id}, coalesce(max(at), 0) + 1, ${value} FROM items WHERE key = ${id}`,
      );
      return op;
    }
    const rows = await client.query(
      isList
        ? `SELECT items FROM lists WHERE key = ${id}`
        : `SELECT item FROM items WHERE key = ${id} ORDER BY at`,
    );
    const items = isList
      ? (rows[0]?.[0] ?? '').split(',').filter(Boolean)
      : rows.map(([item]) => item);
    return ['r', key, items.map(Number)];
  }

  #expectKnown(error: unknown): void {
    if (error instanceof ConnectionLost) return;
    if (!(error instanceof SqlError)) throw error;
    // A rival may have taken the place that was counted out.
    const known = ['40001', '40P01', '40003', '58000', '57P01', '57P03', '23505'];
    if (!known.includes(error.sqlState)) throw error;
  }

  #note(process: number, type: 'invoke' | 'ok' | 'fail' | 'info', ops: readonly Operation[]): void {
    const time = Math.round(this.world.nowMs * TICKS_PER_MS);
    this.collector.add({ process, type, time, ops });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((done) => this.world.after(ms, done));
  }
}

async function runHistory(seed: number, hasFaults: boolean): Promise<Run> {
  const world = new SimWorld(seed);
  const isTight = hasFaults && world.random.next() < 0.5;
  const cluster = new EmbeddedCluster(world, {
    ...{ size: 3, skewMaxMs: hasFaults ? 120_000 : 0 },
    settings: isTight
      ? { memoryTableBytes: 20_000, raftTailBytes: 2_000, logSegmentBytes: 16_384 }
      : {},
  });
  await cluster.start();
  const workload = new Workload(world, cluster);
  await world.settle(workload.setUp());
  let failure: unknown;
  const clients = Array.from({ length: CLIENTS }, () => workload.runClient());
  const all = Promise.all(clients).then(() => undefined);
  all.catch((error: unknown) => (failure = error));
  for (let round = 0; round < ROUNDS && failure === undefined; round++) {
    await world.run(ROUND_MS, () => failure !== undefined);
    if (hasFaults) await disturb(cluster, world, round);
  }
  await heal(cluster);
  await world.run(10_000, () => failure !== undefined);
  workload.isOver = true;
  await world.settle(all, 120_000);
  expect(cluster.fatal, `seed ${seed}`).toEqual([]);
  const verdict = checkTransactions(workload.collector.transactions);
  return { hash: world.traceHash, story: explain(verdict), counts: verdict.counts };
}

describe('a history of SQL sessions', () => {
  it('is strictly serializable without faults', async () => {
    const { story, counts } = await runHistory(1, false);
    expect(story).toContain('\nstrictly serializable\n');
    expect(counts.ok).toBeGreaterThan(500);
    expect(counts.info).toBe(0);
  });

  it('is strictly serializable under faults', async () => {
    const from = Number(process.env['SIM_SEED'] ?? 100);
    const count = Number(process.env['SIM_COUNT'] ?? 12);
    for (let seed = from; seed < from + count; seed++) {
      const { story, counts } = await runHistory(seed, true);
      expect(`seed ${seed}: ${story}`).toContain('\nstrictly serializable\n');
      if (process.env['SIM_TRACE'] !== undefined) console.log(seed, counts);
    }
  });

  it('is the same for the same seed', async () => {
    const first = await runHistory(77, true);
    const second = await runHistory(77, true);
    expect(second).toEqual(first);
  });
});
