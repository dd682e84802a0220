/** One node of a group, message by message: the promises that the random schedules seldom put to the test. */
import { describe, expect, it } from 'vitest';
import type { Append, Entry, Message, VoteRequest } from '../../../../cluster/raft/messages.ts';
import type { Configuration } from '../../../../cluster/raft/quorum.ts';
import { configurationOf } from '../../../../cluster/raft/quorum.ts';
import { RaftNode } from '../../../../cluster/raft/raft-node.ts';
import type { RaftOptions, RaftStart } from '../../../../cluster/raft/raft-options.ts';
import type { Ready } from '../../../../cluster/raft/ready.ts';
import { Counters } from '../../../../src/base/counters.ts';
import { nodeId } from '../../../../src/base/ids.ts';

const [ME, A, B] = [nodeId(1), nodeId(2), nodeId(3)];
const TICKS = 5;
const OPTIONS: RaftOptions = {
  electionTicks: TICKS,
  heartbeatTicks: 1,
  appendBytesMax: 10_000,
  inflightMax: 4,
  appendEntriesMax: 8,
  spareDelayMs: 0,
  uncommittedBytesMax: 1000,
  applyBytesMax: 10_000,
  tailBytesMax: 100_000,
};

function entriesOf(terms: readonly number[], first = 1): Entry[] {
  return terms.map((term, i) => ({ index: first + i, term, data: Buffer.from(`${term}.${i}`) }));
}

function makeNode(start: Partial<RaftStart> = {}, options: Partial<RaftOptions> = {}): RaftNode {
  return new RaftNode(
    {
      self: ME,
      configuration: configurationOf([ME, A, B]),
      hardState: { term: 1, vote: 0 },
      applied: { index: 0, term: 0 },
      entries: [],
      noopData: () => Buffer.from('noop'),
      random: { next: () => 0, int: (min) => min, bytes: (count) => new Uint8Array(count) },
      counters: new Counters(),
      ...start,
    },
    { ...OPTIONS, ...options },
  );
}

function ticks(node: RaftNode, count: number): void {
  for (let i = 0; i < count; i++) node.tick();
}

/** Takes all Readies, syncs and applies them, and returns them as one. */
function settle(
  node: RaftNode,
): Pick<Ready, 'messages' | 'afterPersist' | 'committed' | 'entries'> {
  const all = {
    messages: [] as Message[],
    afterPersist: [] as Message[],
    committed: [] as Entry[],
    entries: [] as Entry[],
  };
  while (node.hasReady()) {
    const ready = node.ready();
    all.messages.push(...ready.messages);
    all.afterPersist.push(...ready.afterPersist);
    all.committed.push(...ready.committed);
    all.entries.push(...ready.entries);
    const last = ready.entries.at(-1);
    if (last !== undefined) node.persisted(last);
    const applied = ready.committed.at(-1);
    if (applied !== undefined) node.applied(applied.index);
  }
  return all;
}

const heartbeat = (term: number, commit = 0): Message => {
  return { kind: 'heartbeat', from: A, to: ME, term, commit, sentAt: 0 };
};

function append(part: Partial<Append>): Append {
  const empty = { prevIndex: 0, prevTerm: 0, commit: 0, entries: [], sentAt: 0 };
  return { kind: 'append', from: A, to: ME, term: 1, ...empty, ...part };
}

function voteRequest(part: Partial<VoteRequest>): VoteRequest {
  const log = { lastIndex: 9, lastTerm: 1 };
  return { kind: 'vote', from: B, to: ME, term: 2, ...log, isForced: false, ...part };
}

function isGranted(node: RaftNode, request: VoteRequest): boolean {
  node.step(request);
  const { messages, afterPersist } = settle(node);
  return [...messages, ...afterPersist].some(
    (message) => 'isGranted' in message && message.isGranted,
  );
}

/** A leader of term 2 with an empty log but for its no-op; A has voted for it. */
function makeLeader(start: Partial<RaftStart> = {}, options: Partial<RaftOptions> = {}): RaftNode {
  const node = makeNode(start, options);
  ticks(node, TICKS + 1);
  settle(node);
  const [from, to, term] = [A, ME, 2];
  node.step({ kind: 'prevoteReply', from, to, term, isGranted: true });
  settle(node);
  node.step({ kind: 'voteReply', from, to, term, isGranted: true });
  expect(node.isLeader).toBe(true);
  return node;
}

function accept(node: RaftNode, from: typeof A, index: number, sentAt = 0): void {
  const hints = { hintIndex: 0, hintTerm: 0 };
  const { term } = node;
  node.step({ kind: 'appendReply', from, to: ME, term, isOk: true, index, ...hints, sentAt });
}

describe('the promise to a leader (LEASE)', () => {
  it.each(['vote', 'prevote'] as const)('a %s waits a whole election timeout', (kind) => {
    const node = makeNode();
    ticks(node, 100);
    settle(node);
    node.step(heartbeat(1));
    ticks(node, TICKS);
    expect(isGranted(node, voteRequest({ kind }))).toBe(false);
    expect(node.term).toBe(1);
    expect(node.campaign()).toBe(false);
    node.tick();
    expect(isGranted(node, voteRequest({ kind }))).toBe(true);
  });

  it('nobody campaigns before it is over', () => {
    const node = makeNode();
    ticks(node, TICKS);
    expect(node.role).toBe('follower');
    node.tick();
    expect(node.role).toBe('precandidate');
  });

  it('a vote in the own term waits like any other', () => {
    const node = makeNode();
    expect(isGranted(node, voteRequest({ term: 1 }))).toBe(false);
    ticks(node, TICKS + 1);
    settle(node);
    expect(isGranted(node, voteRequest({ term: 1 }))).toBe(true);
  });

  it('who campaigns goes on being bound by what it heard', () => {
    const node = makeNode();
    ticks(node, 2 * TICKS);
    settle(node);
    expect(node.role).toBe('precandidate');
    expect(isGranted(node, voteRequest({ kind: 'prevote' }))).toBe(true);
  });

  it('who led until now is bound as if it had heard itself', () => {
    const node = makeLeader();
    node.stepDown();
    ticks(node, TICKS);
    expect(node.campaign()).toBe(false);
    expect(isGranted(node, voteRequest({ term: 3, lastTerm: 3 }))).toBe(false);
    node.tick();
    expect(isGranted(node, voteRequest({ term: 3, lastTerm: 3 }))).toBe(true);
  });

  it('TimeoutNow overrides it, at the candidate and at its voters', () => {
    const node = makeNode();
    expect(isGranted(node, voteRequest({ isForced: true }))).toBe(true);
    const other = makeNode();
    other.step(heartbeat(1));
    other.step({ kind: 'timeoutNow', from: A, to: ME, term: 1 });
    expect(other.role).toBe('candidate');
    expect(settle(other).afterPersist).toMatchObject([{ isForced: true }, { isForced: true }]);
  });

  it('the lease is as old as the newest round that a quorum has acknowledged in this term', () => {
    const node = makeLeader();
    node.setNow(1000);
    expect(node.leaseQuorumSentAt()).toBe(Number.NEGATIVE_INFINITY);
    accept(node, A, 1, 700);
    expect(node.leaseQuorumSentAt()).toBe(700);
    node.step({ kind: 'heartbeatReply', from: B, to: ME, term: 2, sentAt: 900 });
    node.step({ kind: 'heartbeatReply', from: B, to: ME, term: 2, sentAt: 800 });
    node.step({ kind: 'heartbeatReply', from: A, to: ME, term: 1, sentAt: 950 });
    expect(node.leaseQuorumSentAt()).toBe(900);
    node.stepDown();
    expect(node.leaseQuorumSentAt()).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('durability', () => {
  it('votes, candidacies and acknowledgements leave after the sync (RAFT-1)', () => {
    const node = makeNode();
    node.step(append({ entries: entriesOf([1]) }));
    const first = node.ready();
    expect(first.messages).toEqual([]);
    expect(first.afterPersist).toMatchObject([{ kind: 'appendReply', isOk: true, index: 1 }]);

    ticks(node, TICKS + 1);
    const second = node.ready();
    expect(second.messages).toMatchObject([{ kind: 'prevote' }, { kind: 'prevote' }]);
    expect(second.hardState).toBeUndefined();
    node.step({ kind: 'prevoteReply', from: A, to: ME, term: 2, isGranted: true });
    const third = node.ready();
    expect(third.messages).toEqual([]);
    expect(third.hardState).toEqual({ term: 2, vote: ME });
    expect(third.afterPersist).toMatchObject([{ kind: 'vote' }, { kind: 'vote' }]);

    node.step(voteRequest({ term: 3, lastTerm: 3 }));
    const fourth = node.ready();
    expect(fourth.messages).toEqual([]);
    expect(fourth.hardState).toEqual({ term: 3, vote: B });
    expect(fourth.afterPersist).toMatchObject([{ kind: 'voteReply', isGranted: true }]);
  });

  it('a leader counts its own log only once it is durable', () => {
    const node = makeLeader();
    const { entries } = node.ready();
    accept(node, A, 1);
    expect(node.commitIndex).toBe(0);
    node.persisted(entries[0]!);
    expect(node.commitIndex).toBe(1);
  });

  it('the sync of an entry that was replaced since does not count', () => {
    const node = makeNode();
    node.step(append({ entries: entriesOf([1, 1]) }));
    const first = node.ready();
    node.step(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2, 2], 2) }));
    const second = node.ready();
    expect(second).toMatchObject({ truncateFrom: 2, entries: [{ index: 2 }, { index: 3 }] });
    node.persisted(first.entries[1]!);
    expect(node.status().persistedIndex).toBeLessThan(2);
    node.persisted(second.entries[1]!);
    expect(node.status().persistedIndex).toBe(3);
  });

  it('entries taken and replaced between two Readies are not handed out', () => {
    const node = makeNode();
    node.step(append({ entries: entriesOf([1, 1]) }));
    node.step(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2], 2) }));
    expect(node.ready().entries.map(({ term }) => term)).toEqual([1, 2]);
  });

  it('entries leave for the log a limited number at a time, and are acknowledged as they are durable', () => {
    const node = makeNode({}, { appendEntriesMax: 2 });
    const all = entriesOf([1, 1, 1, 1]);
    node.step(append({ entries: all.slice(0, 3) }));
    node.step(append({ prevIndex: 3, prevTerm: 1, entries: all.slice(3) }));
    const first = node.ready();
    expect(first).toMatchObject({ entries: [{ index: 1 }, { index: 2 }], afterPersist: [] });
    expect(node.hasReady()).toBe(true);
    const second = node.ready();
    expect(second.entries).toMatchObject([{ index: 3 }, { index: 4 }]);
    expect(second.afterPersist).toMatchObject([{ index: 3 }, { index: 4 }]);
    expect(node.hasReady()).toBe(false);
  });

  it('what answers an append does not overtake one that waits for more entries', () => {
    const node = makeNode({}, { appendEntriesMax: 1 });
    node.step(append({ entries: entriesOf([1]) }));
    node.step(append({ prevIndex: 1, prevTerm: 1, entries: entriesOf([1], 2) }));
    node.step(voteRequest({ term: 1 }));
    expect(node.ready().afterPersist).toMatchObject([{ kind: 'appendReply', index: 1 }]);
    const rest = node.ready().afterPersist;
    expect(rest).toMatchObject([{ kind: 'appendReply', index: 2 }, { kind: 'voteReply' }]);
  });

  it('a hard state behind the log is lifted: no vote of that term was given', () => {
    const node = makeNode({ hardState: { term: 1, vote: B }, entries: entriesOf([1, 4]) });
    expect(node.ready().hardState).toEqual({ term: 4, vote: 0 });
    const behind = makeNode({ hardState: { term: 1, vote: B }, applied: { index: 9, term: 6 } });
    expect(behind.term).toBe(6);
  });
});

describe('the log', () => {
  it('commits only what is known to match (RAFT-4)', () => {
    const node = makeNode({ entries: entriesOf([1, 1, 1]) });
    node.step(append({ term: 2, prevIndex: 1, prevTerm: 1, commit: 3 }));
    expect(node.commitIndex).toBe(1);
    node.step(
      append({ term: 2, prevIndex: 1, prevTerm: 1, commit: 3, entries: entriesOf([1], 2) }),
    );
    expect(node.commitIndex).toBe(2);
  });

  it('takes what is new of an append that begins before the commit index', () => {
    const node = makeNode({ applied: { index: 3, term: 1 } });
    node.step(append({ term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([1, 1, 2], 2) }));
    expect(node.lastIndex).toBe(4);
    expect(settle(node).afterPersist).toMatchObject([{ isOk: true, index: 4 }]);
    node.step(append({ term: 2, prevIndex: 0, prevTerm: 0, entries: entriesOf([1], 1) }));
    expect(settle(node).afterPersist).toMatchObject([{ isOk: true, index: 3 }]);
  });

  it('never replaces what is committed (RAFT-4)', () => {
    const node = makeNode({ entries: entriesOf([1, 1]) });
    node.step(heartbeat(1, 2));
    const bad = append({ term: 2, prevIndex: 1, prevTerm: 1, entries: entriesOf([2, 2], 2) });
    expect(() => node.step(bad)).toThrow('RAFT-4');
  });

  it('two leaders in a term are a bug (RAFT-1)', () => {
    expect(() => makeLeader().step(heartbeat(2))).toThrow('RAFT-1');
  });

  it('refuses proposals beyond the bytes that may wait, until some are committed', () => {
    const node = makeLeader();
    settle(node);
    const data = Buffer.alloc(500);
    expect(node.propose(data)).toMatchObject({ index: 2, term: 2 });
    expect(node.propose(data)).toMatchObject({ index: 3, term: 2 });
    expect(node.propose(data)).toBeUndefined();
    settle(node);
    accept(node, A, 2);
    expect(node.propose(data)).toMatchObject({ index: 4, term: 2 });
  });

  it('memory holds a bounded tail of what is applied', () => {
    const node = makeLeader({}, { tailBytesMax: 1000, uncommittedBytesMax: 1e9 });
    for (let i = 0; i < 50; i++) node.propose(Buffer.alloc(36));
    settle(node);
    expect(node.firstIndex).toBe(1);
    accept(node, A, 51);
    settle(node);
    expect(node.lastIndex - node.firstIndex).toBeLessThan(10);
    expect(node.lastIndex - node.firstIndex).toBeGreaterThan(4);
  });

  it('a long log that was read at the start is let go of in few pieces while it is applied', () => {
    const count = 2000;
    const entries = entriesOf(Array.from({ length: count }, () => 1));
    const long = { tailBytesMax: 1000, applyBytesMax: 1e9 };
    const node = makeNode({ entries, hardState: { term: 1, vote: 0 } }, long);
    node.step(heartbeat(1, count));
    const { committed } = node.ready();
    expect(committed).toHaveLength(count);
    const firsts = new Set<number>();
    for (const { index } of committed) {
      node.applied(index);
      firsts.add(node.firstIndex);
    }
    expect(firsts.size).toBeLessThan(30);
    expect(node.lastIndex - node.firstIndex).toBeLessThan(30);
  });
});

describe('roles', () => {
  it('a change of role alone makes a Ready', () => {
    const node = makeLeader();
    settle(node);
    expect(node.hasReady()).toBe(false);
    node.stepDown();
    expect(node.ready().softState).toEqual({ role: 'follower', term: 2, leader: undefined });
    expect(node.hasReady()).toBe(false);
  });

  it('a group of one elects itself and commits by its own sync', () => {
    const node = makeNode({ configuration: configurationOf([ME]) });
    ticks(node, TICKS + 1);
    expect(node.isLeader).toBe(true);
    expect(node.commitIndex).toBe(0);
    expect(settle(node).committed).toHaveLength(1);
    ticks(node, 10 * TICKS);
    expect(node.isLeader).toBe(true);
  });

  it('a learner gets entries, and neither counts nor campaigns', () => {
    const configuration: Configuration = { voters: [ME], outgoing: [], learners: [A] };
    const node = makeNode({ configuration });
    ticks(node, TICKS + 1);
    const { messages, committed } = settle(node);
    expect(messages).toMatchObject([{ kind: 'append', to: A }]);
    expect(committed).toHaveLength(1);
    const learner = makeNode({ self: A, configuration });
    ticks(learner, 10 * TICKS);
    expect(learner.role).toBe('follower');
    expect(learner.campaign()).toBe(false);
    expect(node.transferLeader(A)).toBe(false);
  });

  it('in a joint configuration both sets decide', () => {
    const configuration: Configuration = { voters: [ME, A], outgoing: [ME, B], learners: [] };
    const node = makeNode({ configuration });
    ticks(node, TICKS + 1);
    settle(node);
    node.step({ kind: 'prevoteReply', from: A, to: ME, term: 2, isGranted: true });
    expect(node.role).toBe('precandidate');
    node.step({ kind: 'prevoteReply', from: B, to: ME, term: 2, isGranted: true });
    expect(node.role).toBe('candidate');
    node.step({ kind: 'voteReply', from: A, to: ME, term: 2, isGranted: true });
    node.step({ kind: 'voteReply', from: B, to: ME, term: 2, isGranted: true });
    settle(node);
    accept(node, A, 1);
    expect(node.commitIndex).toBe(0);
    accept(node, B, 1);
    expect(node.commitIndex).toBe(1);
  });
});
