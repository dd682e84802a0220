/** Clients that share connections: which, until when, and what they may not do. */
import { describe, expect, it } from 'vitest';
import type { DriverSession } from '../../../bench/driver/target.ts';
import { SharedSessions } from '../../../bench/driver/shared-session.ts';

class Connection implements DriverSession {
  readonly isInTransaction = false;
  isClosed = false;
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }

  execute = (): Promise<{ rows: string[][]; tag: string }> =>
    Promise.resolve({ rows: [[String(this.index)]], tag: '' });
  pipeline = (): Promise<[]> => Promise.resolve([]);
  query = (): Promise<[]> => Promise.resolve([]);
  copyIn = (): Promise<{ rows: []; tag: string }> => Promise.resolve({ rows: [], tag: '' });
  close(): void {
    this.isClosed = true;
  }
}

function sharing(count: number): { shared: SharedSessions; made: Connection[] } {
  const made: Connection[] = [];
  const shared = new SharedSessions(count, (index) => {
    const connection = new Connection(index);
    made.push(connection);
    return Promise.resolve(connection);
  });
  return { shared, made };
}

describe('SharedSessions', () => {
  it('gives clients the connections in turn, each made once', async () => {
    const { shared, made } = sharing(2);
    const leases = await Promise.all([0, 1, 2, 3, 4].map((client) => shared.lease(client)));
    expect(made.map(({ index }) => index)).toEqual([0, 1]);
    const used = await Promise.all(
      leases.map(async (lease) => (await lease.execute({ name: '', text: '' }, [])).rows[0]?.[0]),
    );
    expect(used).toEqual(['0', '1', '0', '1', '0']);
  });

  it('closes a connection with the last of its clients', async () => {
    const { shared, made } = sharing(1);
    const [one, two] = [await shared.lease(0), await shared.lease(1)];
    one.close();
    one.close();
    expect([one.isClosed, two.isClosed, made[0]?.isClosed]).toEqual([true, false, false]);
    two.close();
    expect(made[0]?.isClosed).toBe(true);
  });

  it('connects again once for all when a connection was lost, and after it could not', async () => {
    const { shared, made } = sharing(1);
    await shared.lease(0);
    made[0]?.close();
    const again = await Promise.all([shared.lease(0), shared.lease(1)]);
    expect([made.length, ...again.map(({ isClosed }) => isClosed)]).toEqual([2, false, false]);
    let tries = 0;
    const failing = new SharedSessions(1, (index) =>
      ++tries === 1 ? Promise.reject(new Error('refused')) : Promise.resolve(new Connection(index)),
    );
    await expect(failing.lease(0)).rejects.toThrow('refused');
    expect((await failing.lease(0)).isClosed).toBe(false);
  });

  it('refuses what would need a connection of one’s own', async () => {
    const lease = await sharing(1).shared.lease(0);
    await expect(lease.query('BEGIN')).rejects.toThrow('leave out --connections');
    await expect(lease.copyIn('COPY t FROM STDIN', [])).rejects.toThrow('leave out --connections');
  });
});
