/** A range that starts: what of its log is the history of its state. */
import { expect, it } from 'vitest';
import { RaftGroup } from '../../../../cluster/store/raft-group.ts';
import { raftOptionsOf } from '../../../../src/node/quorate-node.ts';
import { DEFAULT_SETTINGS } from '../../../../src/node/config.ts';
import { SimDisk } from '../../../../src/sim/disk.ts';
import { silentLogger } from '../../../../src/sim/world.ts';
import type { OpenedLog } from '../../../../storage/raftlog/raft-log-store.ts';
import { RaftLogStore } from '../../../../storage/raftlog/raft-log-store.ts';
import { ReplicaBench } from '../../../support/replica-bench.ts';
import { TurnScheduler } from '../../../support/turn-scheduler.ts';

function openLog(disk: SimDisk): Promise<OpenedLog> {
  const ports = { scheduler: new TurnScheduler('automatic'), log: silentLogger };
  return RaftLogStore.open(disk, { segmentBytes: 1 << 16, segmentsMax: 3 }, ports);
}

/** Restarts with a checkpoint up to (100, term 5) and these entries, by index and term, in the log. */
async function restart(
  disk: SimDisk,
  entries: readonly (readonly [number, number])[],
): Promise<{ readonly group: RaftGroup; readonly log: RaftLogStore }> {
  const bench = await ReplicaBench.open();
  const { host } = bench.replica;
  const { state } = bench.replica;
  state.appliedIndex = 100;
  state.appliedTerm = 5;
  const before = await openLog(disk);
  const data = Buffer.alloc(20);
  await before.store.append({
    ranges: [
      {
        ...{ rangeId: state.rangeId, truncateFrom: undefined },
        entries: entries.map(([index, term]) => ({ index, term, data })),
        hardState: { term: 8, vote: 0 },
      },
    ],
  });
  await before.store.close();
  const { store: log, ranges } = await openLog(disk);
  const group = new RaftGroup(
    {
      ...{ env: host.env, self: host.self, log },
      sendRaft: () => undefined,
      sendSnapshot: () => Promise.resolve(undefined),
      requestSnapshot: () => undefined,
      onFatal: (error) => {
        throw error as Error;
      },
      schedule: () => undefined,
      onSplit: () => undefined,
    },
    host,
    { state, log: ranges.get(state.rangeId) },
    raftOptionsOf(DEFAULT_SETTINGS),
  );
  await log.whenIdle();
  return { group, log };
}

const span = (from: number, to: number, term: number): (readonly [number, number])[] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, term]);

it('goes on with the entries behind its checkpoint, and can read those before it', async () => {
  const { group, log } = await restart(new SimDisk(), [...span(90, 100, 5), ...span(101, 105, 7)]);
  expect(group.raft.lastIndex).toBe(105);
  expect(log.firstIndex(group.rangeId)).toBe(90);
});

it.each([
  ['has entries of another history in the place of a snapshot', span(90, 105, 7)],
  ['has entries of another history that end before a snapshot', span(90, 99, 7)],
])('%s: they are forgotten for good', async (_what, entries) => {
  const disk = new SimDisk();
  const { group, log } = await restart(disk, entries);
  expect(group.raft.lastIndex).toBe(100);
  expect(group.raft.hardState).toEqual({ term: 8, vote: 0 });
  expect(log.firstIndex(group.rangeId)).toBeUndefined();
  disk.crash({ next: () => 0, int: (min) => min, bytes: (n) => new Uint8Array(n) }, 0);
  const { ranges } = await openLog(disk);
  expect(ranges.get(group.rangeId)?.entries).toEqual([]);
});
