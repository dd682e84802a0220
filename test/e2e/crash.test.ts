/**
 * Nodes of a real cluster are killed, paused and stopped while clients at all of them transfer money. Nothing that was
 * acknowledged is lost, nothing that failed appears, nothing happens twice, and the others go on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireClient } from '../../src/client/wire-client.ts';
import { ProcessCluster, answered } from '../support/process-cluster.ts';
import { BankWorkload, sqlStateOf } from './bank-workload.ts';

describe('a bank on a cluster whose nodes die', () => {
  let cluster: ProcessCluster;
  let bank: BankWorkload;
  const ALL = [1, 2, 3];
  const others = (id: number): number[] => ALL.filter((each) => each !== id);

  beforeAll(async () => {
    cluster = await ProcessCluster.start();
    bank = new BankWorkload(cluster);
    await bank.setUp();
    bank.start();
  });

  afterAll(() => cluster.stop());

  /** How many of the bank's ranges each node leads, most first. */
  const leaders = async (): Promise<number[]> => {
    const client = await cluster.connect(1);
    const ranges = await bank.ranges(client);
    client.close();
    const count = (id: number): number => ranges.filter((range) => range.leader === id).length;
    return [...ALL].sort((a, b) => count(b) - count(a));
  };

  it('serves at every node', async () => {
    await bank.progress(12, ...ALL);
    expect(bank.violations).toEqual([]);
  });

  it('goes on when a leader is killed, and takes it back', async () => {
    const [leader = 1] = await leaders();
    await cluster.kill(leader);
    await bank.progress(12, ...others(leader));
    cluster.startNode(leader);
    await bank.progress(12, ...ALL);
    expect(bank.violations).toEqual([]);
  });

  it('goes on when a node that leads little is killed, and takes it back', async () => {
    const follower = (await leaders())[2] ?? 3;
    await cluster.kill(follower);
    await bank.progress(12, ...others(follower));
    cluster.startNode(follower);
    await bank.progress(12, ...ALL);
    expect(bank.violations).toEqual([]);
  });

  it('goes on when a leader is paused, which then shows nothing old', async () => {
    const [leader = 1] = await leaders();
    cluster.signal(leader, 'SIGSTOP');
    await bank.progress(12, ...others(leader));
    cluster.signal(leader, 'SIGCONT');
    await bank.progress(12, ...ALL);
    expect(bank.violations).toEqual([]);
  });

  it('goes on when nodes are stopped in order, one after the other', async () => {
    for (const id of ALL) {
      await cluster.kill(id, 'SIGTERM');
      await bank.progress(5, ...others(id));
      cluster.startNode(id);
      await bank.progress(5, ...ALL);
    }
    expect(bank.violations).toEqual([]);
  });

  it('comes back when all are killed at once', async () => {
    await Promise.all(ALL.map((id) => cluster.kill(id)));
    for (const id of ALL) cluster.startNode(id);
    await bank.progress(12, ...ALL);
    expect(bank.violations).toEqual([]);
  });

  it('answers an error while two of three are down, and works again with one of them', async () => {
    const client = await cluster.connect(3);
    const statements = [
      'UPDATE account SET balance = balance WHERE id = 1',
      'SELECT sum(balance) FROM account',
      'INSERT INTO history VALUES (-1, 1, 1, 1, 0)',
    ];
    await Promise.all([cluster.kill(1), cluster.kill(2)]);
    for (const text of statements) {
      // The first ones may still be answered under a lease that has not run out.
      await cluster.until(`an error from ${text}`, () => failsIn(client, text));
    }
    cluster.startNode(2);
    await cluster.until('an answer', async () => !(await failsIn(client, statements[0] ?? '')));
    await bank.progress(8, 2, 3);
    cluster.startNode(1);
    await bank.progress(8, ...ALL);
    await client.query('DELETE FROM history WHERE id = -1');
    client.close();
    expect(bank.violations).toEqual([]);
  });

  it('has every acknowledged transfer once, no failed one, and the right balances', async () => {
    await bank.stop();
    expect(bank.violations).toEqual([]);
    for (const id of ALL) {
      expect(await bank.verify(id)).toEqual({
        ...{ lost: [], doubled: [], uncommitted: [], wrongAccounts: [] },
      });
    }
    // There was something to lose.
    expect(bank.counts.acknowledged).toBeGreaterThan(300);
    expect(bank.counts.failed + bank.counts.unknown).toBeGreaterThan(0);
  });

  async function failsIn(client: WireClient, text: string): Promise<boolean> {
    try {
      await answered(text, client.query(text));
      return false;
    } catch (error) {
      expect(['58000', '40003', '40001']).toContain(sqlStateOf(error));
      return true;
    }
  }
});
