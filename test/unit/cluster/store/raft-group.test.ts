/** One range of a node: what of its log is the history of its state, and what it does without data. */
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../../cluster/raft/codec.ts';
import type { Message } from '../../../../cluster/raft/messages.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { nodeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { RaftGroup } from '../../../../cluster/store/raft-group.ts';
import { raftOptionsOf } from '../../../../src/node/quorate-node.ts';
import { DEFAULT_SETTINGS } from '../../../../src/node/config.ts';
import { SimDisk } from '../../../../src/sim/disk.ts';
import { silentLogger } from '../../../../src/sim/world.ts';
import type { OpenedLog } from '../../../../storage/raftlog/raft-log-store.ts';
import { RaftLogStore } from '../../../../storage/raftlog/raft-log-store.ts';
import { ReplicaBench } from '../../../support/replica-bench.ts';
import { TurnScheduler } from '../../../support/turn-scheduler.ts';

const A = nodeId(1);
const B = nodeId(2);

function openLog(disk: SimDisk): Promise<OpenedLog> {
  const ports = { scheduler: new TurnScheduler('automatic'), log: silentLogger };
  return RaftLogStore.open(disk, { segmentBytes: 1 << 16, segmentsMax: 3 }, ports);
}

/** Restarts with a checkpoint up to (100, term 5) and these entries, by index and term, in the log. */
async function restart(
  disk: SimDisk,
  entries: readonly (readonly [number, number])[],
): Promise<{
  readonly group: RaftGroup;
  readonly log: RaftLogStore;
  readonly sent: Message[];
  readonly snapshots: NodeId[];
}> {
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
  const sent: Message[] = [];
  const snapshots: NodeId[] = [];
  state.descriptor = { ...state.descriptor, replicas: [A, B, nodeId(3)] };
  const { store: log, ranges } = await openLog(disk);
  const group = new RaftGroup(
    {
      ...{ env: host.env, self: host.self, log },
      sendRaft: (_to, _range, bytes) => void sent.push(decodeMessage(bytes)),
      sendSnapshot: (_group, to) => {
        snapshots.push(to);
        return Promise.resolve(undefined);
      },
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
  return { group, log, sent, snapshots };
}

const span = (from: number, to: number, term: number): (readonly [number, number])[] =>
  Array.from({ length: to - from + 1 }, (_, i) => [from + i, term]);

it('goes on with the entries behind its checkpoint, and can read those before it', async () => {
  const { group, log } = await restart(new SimDisk(), [...span(90, 100, 5), ...span(101, 105, 7)]);
  expect(group.raft.lastIndex).toBe(105);
  expect(log.firstIndex(group.rangeId)).toBe(90);
});

it('commits what a leader has said to be committed, if it has that very entry', async () => {
  const { group } = await restart(new SimDisk(), [...span(90, 100, 5), ...span(101, 105, 7)]);
  group.learnCommitted({ index: 103, term: 6 });
  group.learnCommitted({ index: 106, term: 7 });
  expect(group.raft.commitIndex).toBe(100);
  group.learnCommitted({ index: 103, term: 7 });
  expect(group.raft.commitIndex).toBe(103);
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

describe('a replica without data', () => {
  const ask = (group: RaftGroup, message: Partial<Message>): void => {
    const whole = { from: B, to: A, term: 9, ...message } as Message;
    group.step(B, encodeMessage(whole));
    for (let ready = group.takeReady(); ready !== undefined; ready = group.takeReady()) {
      group.onPersisted(ready);
    }
  };

  it('votes once it has not heard from its leader, and does not lead', async () => {
    const { group, sent } = await restart(new SimDisk(), span(90, 100, 5));
    group.isBroken = true;
    ask(group, { kind: 'heartbeat', commit: 0, sentAt: 0 });
    const vote = { kind: 'prevote', term: 10, lastIndex: 120, lastTerm: 9 } as const;
    ask(group, vote);
    expect(sent.filter(({ kind }) => kind === 'prevoteReply')).toMatchObject([]);
    for (let tick = 0; tick < 40; tick++) group.tick();
    ask(group, vote);
    expect(sent.at(-1)).toMatchObject({ kind: 'prevoteReply', isGranted: true });
    ask(group, { kind: 'timeoutNow' });
    for (let tick = 0; tick < 40; tick++) group.tick();
    expect(group.raft.role).toBe('follower');
  });

  it('answers no read, however far the log is known to be settled', async () => {
    const { group } = await restart(new SimDisk(), span(90, 100, 5));
    const read = (): unknown =>
      group.readSettled(
        { kind: 'get', keys: [], ts: 1 as Timestamp, fences: [] },
        { generation: 0, index: 90 },
      );
    expect(read()).toMatchObject({ kind: 'values' });
    group.isBroken = true;
    expect(read()).toBeUndefined();
  });

  it('takes no snapshot that is older than what it had applied, for it has acknowledged more', async () => {
    const { group } = await restart(new SimDisk(), [...span(90, 100, 5), ...span(101, 105, 7)]);
    group.isBroken = true;
    expect([80, 99, 100, 103, 120].map((index) => group.mayInstall(index))).toEqual([
      ...[false, false, true, true, true],
    ]);
  });

  it('is given what another has applied, also while nobody leads', async () => {
    const { group, snapshots } = await restart(new SimDisk(), span(90, 100, 5));
    group.sendSnapshotTo(B);
    expect(snapshots).toEqual([B]);
    ask(group, { kind: 'heartbeat', commit: 0, sentAt: 0 });
    group.sendSnapshotTo(B);
    expect(snapshots).toEqual([B]);
  });
});
