/**
 * A bank over several ranges of a simulated cluster: transfers from every node, full reads at snapshots, and faults drawn
 * from the seed. Money is conserved in every snapshot, nothing acknowledged is lost, and once healed everything drains.
 */
import { describe, expect, it } from 'vitest';
import type { Key } from '../../src/base/span.ts';
import type { KvClient, KvTxn } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { tablePrefix } from '../../src/kv/keyspace.ts';
import { EmbeddedCluster } from '../support/embedded-cluster.ts';
import { SimWorld } from '../support/sim-env.ts';
import { disturb, heal } from '../support/sim-faults.ts';

const ACCOUNTS = 8;
const START = 100;
/** Every request gets one of its own, as statements do. */
const signal = (): AbortSignal => new AbortController().signal;
const account = (i: number): Key => `${tablePrefix(5)}a${i}\x01` as Key;
const boundary = (i: number): Key => `${tablePrefix(5)}a${i}` as Key;
const SPAN = { start: account(0), end: `${tablePrefix(5)}b` as Key };
const encode = (value: number): Uint8Array => Buffer.from(String(value));
const decode = (value: Uint8Array | undefined): number =>
  Number(Buffer.from(value ?? Buffer.from('0')).toString());
const LOCK = { strength: 'update', wait: 'block', timeoutMs: 3000 } as const;

interface Tally {
  committed: number;
  /** Refused, with certainty. */
  failed: number;
  ambiguous: number;
  reads: number;
  /** By account: what transfers acknowledged have moved in, on balance. */
  readonly moved: number[];
}

function begin(kv: KvClient): KvTxn {
  return kv.begin({ txnMaxBytes: 1 << 20, signal: signal() });
}

async function setUp(kv: KvClient): Promise<void> {
  const txn = begin(kv);
  for (let i = 0; i < ACCOUNTS; i++) await txn.put(account(i), encode(START), undefined);
  await txn.commit();
}

async function transfer(kv: KvClient, world: SimWorld, tally: Tally): Promise<void> {
  const from = world.random.int(0, ACCOUNTS - 1);
  const to = (from + world.random.int(1, ACCOUNTS - 1)) % ACCOUNTS;
  const amount = world.random.int(1, 10);
  const locks = world.random.next() < 0.6;
  const txn = begin(kv);
  let isCommitting = false;
  try {
    const values: number[] = [];
    if (locks) {
      for (const key of [account(from), account(to)]) {
        const [row] = await txn.lock([key], undefined, LOCK);
        values.push(decode(row?.value));
      }
    } else {
      const found = await txn.getMany([account(from), account(to)], undefined);
      values.push(...found.map(decode));
    }
    await txn.put(account(from), encode(values[0]! - amount), undefined);
    await txn.put(account(to), encode(values[1]! + amount), undefined);
    isCommitting = true;
    await txn.commit();
    tally.committed++;
    tally.moved[from]! -= amount;
    tally.moved[to]! += amount;
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    if (isCommitting && error.code === 'ambiguous') tally.ambiguous++;
    else tally.failed++;
  } finally {
    txn.rollback();
  }
}

/** All balances in one snapshot. */
async function readAll(kv: KvClient): Promise<number[]> {
  const txn = begin(kv);
  try {
    const balances: number[] = [];
    const cursor = txn.scan(SPAN, undefined);
    for (let rows = await cursor.next(); rows !== undefined; rows = await cursor.next()) {
      for (const row of rows) balances.push(decode(row.value));
    }
    await txn.commit();
    return balances;
  } finally {
    txn.rollback();
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

interface Run {
  readonly tally: Tally;
  readonly hash: number;
  readonly final: readonly number[];
}

async function runBank(seed: number, faults: boolean): Promise<Run> {
  const world = new SimWorld(seed);
  // Limits at their extremes: checkpoints all the time, logs that let go at once.
  const isTight = faults && world.random.next() < 0.6;
  const cluster = new EmbeddedCluster(world, {
    size: 3,
    skewMaxMs: faults ? 60_000 : 0,
    settings: isTight
      ? { memoryTableBytes: 20_000, raftTailBytes: 2_000, logSegmentBytes: 16_384 }
      : {},
  });
  await cluster.start();
  await world.settle(setUp(cluster.kv(1)!));
  for (const at of [3, 6]) await world.settle(cluster.kv(2)!.splitAt(boundary(at), signal()));
  const tally: Tally = {
    ...{ committed: 0, failed: 0, ambiguous: 0, reads: 0 },
    moved: Array.from({ length: ACCOUNTS }, () => 0),
  };
  let isOver = false;
  const clients: Promise<void>[] = [];
  const pause = (ms: number): Promise<void> => new Promise((done) => world.after(ms, done));
  for (let c = 0; c < 6; c++) {
    const client = async (): Promise<void> => {
      while (!isOver) {
        await pause(world.random.int(1, 40));
        const machine = cluster.alive()[world.random.int(0, cluster.alive().length - 1)];
        const node = machine?.node;
        if (node === undefined) continue;
        // What a killed node was doing never ends; its client gives up, not knowing.
        const work =
          world.random.next() < 0.25
            ? readAll(node.kv).then(
                (all) => {
                  tally.reads++;
                  expect(sum(all), `seed ${seed}: a snapshot`).toBe(ACCOUNTS * START);
                },
                (error: unknown) => {
                  if (!(error instanceof KvError)) throw error;
                },
              )
            : transfer(node.kv, world, tally);
        const gaveUp = pause(20_000).then(() => 'gave up' as const);
        if ((await Promise.race([work, gaveUp])) === 'gave up') tally.ambiguous++;
      }
    };
    clients.push(client());
  }
  const failed = Promise.all(clients).then(() => undefined);
  let failure: Error | undefined;
  failed.catch((error: unknown) => (failure = error as Error));
  for (let round = 0; round < 12; round++) {
    await world.run(1500, () => failure !== undefined);
    if (failure !== undefined) throw failure;
    if (faults) await disturb(cluster, world, round);
  }
  await heal(cluster);
  await world.run(15_000);
  isOver = true;
  await world.settle(failed, 60_000);
  const final = await world.settle(readAll(cluster.kv(1)!)).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${String(error)}\n${cluster.describe()}`);
  });
  expect(cluster.fatal, `seed ${seed}`).toEqual([]);
  expect(sum(final), `seed ${seed}: at the end`).toBe(ACCOUNTS * START);
  if (tally.ambiguous === 0) {
    expect(final, `seed ${seed}: every acknowledged transfer, and no other`).toEqual(
      tally.moved.map((moved) => START + moved),
    );
  }
  await world.run(20_000);
  for (const { node, id } of cluster.machines) {
    for (const group of node!.store.groups()) {
      const left = group.state.prepared.size;
      expect(left, `seed ${seed}: undecided records at node ${id}\n${cluster.describe()}`).toBe(0);
    }
  }
  return { tally, hash: world.traceHash, final };
}

describe('bank', () => {
  it('runs without faults', async () => {
    const { tally } = await runBank(1, false);
    expect(tally.committed).toBeGreaterThan(500);
    expect(tally.reads).toBeGreaterThan(50);
    expect(tally.ambiguous).toBe(0);
  });

  it('conserves money under faults', async () => {
    const from = Number(process.env['SIM_SEED'] ?? 2);
    const count = Number(process.env['SIM_COUNT'] ?? 20);
    for (let seed = from; seed < from + count; seed++) {
      const { tally } = await runBank(seed, true);
      if (process.env['SIM_TRACE'] !== undefined) console.log(seed, tally);
    }
  });

  it('does the same thing twice for the same seed', async () => {
    const first = await runBank(77, true);
    const second = await runBank(77, true);
    expect(second.hash).toBe(first.hash);
    expect(second.final).toEqual(first.final);
  });
});
