/**
 * Question: what do row locks cost the leader: as TPC-B takes them (three rows a transaction, the branch contended),
 * and as one hot row hands them on? Non-goals: messages, waiting time.
 */
import { bench, describe } from 'vitest';
import { LockTable } from '../../cluster/replica/lock-table.ts';
import type { LockId } from '../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { codecOf } from '../../sql/exec/table-codec.ts';
import { ACCOUNTS_TABLE, accountNumbers, accountRow, cycle } from './accounts.ts';

const codec = codecOf(ACCOUNTS_TABLE);
const keys: readonly Key[] = accountNumbers(4096).map((aid) => codec.primaryKey(accountRow(aid)));
const sessions = Array.from(
  { length: 64 },
  (_, i) => makeTxnId((1_000_000 + i) as Timestamp, nodeId(1 + (i % 3)), i) as string as LockId,
);
const hot = codec.primaryKey(accountRow(1));

describe('lock table', () => {
  const free = new LockTable();
  const nextKey = cycle(keys);
  const nextSession = cycle(sessions);
  bench('three free rows taken, then released', () => {
    const session = nextSession();
    for (let i = 0; i < 3; i++) free.tryAcquire(nextKey(), session, 'update');
    free.release(session);
  });

  const busy = new LockTable();
  const waiting: LockId[] = [];
  let holder = sessions[0] as LockId;
  const onGrant = (): void => {
    holder = waiting.shift() as LockId;
  };
  busy.tryAcquire(hot, holder, 'update');
  for (const session of sessions.slice(1)) {
    waiting.push(session);
    busy.wait(hot, session, 'update', onGrant);
  }
  bench('a hot row handed on, its last holder queueing again behind 63 others', () => {
    const last = holder;
    busy.release(last);
    busy.tryAcquire(hot, last, 'update');
    waiting.push(last);
    busy.wait(hot, last, 'update', onGrant);
  });

  const shared = new LockTable();
  bench('a row shared by 64 sessions and released by all', () => {
    for (const session of sessions) shared.tryAcquire(hot, session, 'share');
    for (const session of sessions) shared.release(session);
  });
});
