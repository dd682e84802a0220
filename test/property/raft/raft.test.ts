/** Raft's properties over random schedules of loss, duplication, reordering and crashes; then liveness once healed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../cluster/raft/codec.ts';
import type { Entry, Message } from '../../../cluster/raft/messages.ts';
import { quorumValue, voteResult } from '../../../cluster/raft/quorum.ts';
import { ByteDecodeError } from '../../../src/base/bytes.ts';
import { nodeId } from '../../../src/base/ids.ts';
import type { Random } from '../../../src/env/env.ts';
import { seededRandom } from '../../../src/sim/world.ts';
import type { ClusterOptions } from '../../support/raft-cluster.ts';
import { RaftCluster } from '../../support/raft-cluster.ts';

/** How often each event comes, among all; drawn for each run, so that rare ones are common in some. */
type Weights = readonly (readonly [event: Event, weight: number])[];
type Event = (cluster: RaftCluster, random: Random, id: number, name: string) => void;

const EVENTS: readonly (readonly [event: Event, weights: readonly number[]])[] = [
  [(cluster, random) => deliver(cluster, random), [50, 100, 200]],
  [(cluster, random) => void cluster.wire.splice(random.int(0, 5), 1), [0, 4, 20]],
  [(cluster, _, id) => cluster.sync(id), [5, 20, 60]],
  [(cluster, _, __, name) => propose(cluster, name), [1, 10, 30]],
  [(cluster, _, id) => cluster.read(id), [4]],
  [(cluster, random, id) => tell(cluster, random, id), [0, 2, 10]],
  [(cluster, random, id) => cluster.compact(id, random.int(0, 6)), [0, 1, 5]],
  [(cluster, random) => install(cluster, random), [2]],
  [(cluster, _, id) => cluster.crash(id), [0, 1, 5]],
  [(cluster, _, id) => cluster.isolate(id), [0, 0.5, 2]],
  [(cluster, random, id) => cutFrom(cluster, random, id), [0, 1, 3]],
  [(cluster) => cluster.cut.clear(), [0.5, 2]],
  [(cluster, _, id) => void cluster.leader()?.node.transferLeader(nodeId(id)), [0, 0.5, 2]],
  [(cluster, _, id) => cluster.leader()?.node.reportUnreachable(nodeId(id)), [0, 0.5]],
  [(cluster, _, id) => campaign(cluster, id), [0, 1, 10]],
  [(cluster) => cluster.checkLogs(), [1]],
];

function deliver(cluster: RaftCluster, random: Random): void {
  if (cluster.wire.length === 0) return;
  const at = random.next() < 0.8 ? 0 : random.int(0, cluster.wire.length - 1);
  cluster.deliver(at, random.next() < 0.05);
}

function propose(cluster: RaftCluster, name: string): void {
  const leader = cluster.leader();
  if (leader !== undefined) cluster.propose(leader.id, name);
}

/** A node that may be far behind, or ahead, says how far it knows the log to be committed. */
function tell(cluster: RaftCluster, random: Random, id: number): void {
  const { node } = cluster.at(random.int(1, cluster.members.length));
  const term = node.termAt(node.commitIndex);
  if (term !== undefined) cluster.at(id).node.learnCommitted(node.commitIndex, term);
  cluster.collect(id);
}

function install(cluster: RaftCluster, random: Random): void {
  const snapshot = cluster.snapshots.shift();
  if (snapshot !== undefined) cluster.install(snapshot, random.next() < 0.2);
}

function cutFrom(cluster: RaftCluster, random: Random, id: number): void {
  cluster.cutPair(id, random.int(1, cluster.members.length), random.next() < 0.5);
}

function campaign(cluster: RaftCluster, id: number): void {
  cluster.at(id).node.campaign();
  cluster.collect(id);
}

function drawWeights(random: Random): Weights {
  return EVENTS.map(([event, weights]) => [event, weights[random.int(0, weights.length - 1)]!]);
}

function disturb(cluster: RaftCluster, random: Random, weights: Weights, name: string): void {
  const id = random.int(1, cluster.members.length);
  let at = random.next() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [event, weight] of weights) {
    at -= weight;
    if (at < 0) {
      event(cluster, random, id, name);
      return;
    }
  }
}

function heal(cluster: RaftCluster, seed: number): void {
  cluster.cut.clear();
  cluster.settle(120);
  const leader = cluster.leader();
  expect(leader, `seed ${seed}: no leader after healing`).toBeDefined();
  expect(cluster.propose(leader!.id, 'last')).toBe(true);
  cluster.settle(20);
  for (const member of cluster.members) {
    expect(member.applied, `seed ${seed}: node ${member.id}`).toEqual(leader!.applied);
    expect(member.applied.at(-1)).toMatch(/:last$/);
  }
}

/** Every node's ticks come when they like. */
function runFree(seed: number, options: ClusterOptions): RaftCluster {
  const random = seededRandom(seed);
  const electionTicks = [3, 5, 10][random.int(0, 2)]!;
  const cluster = new RaftCluster(
    { ...options, raft: { electionTicks, heartbeatTicks: random.int(1, 2), ...options.raft } },
    random,
  );
  const weights = drawWeights(random);
  const ticking = [0.05, 0.12, 0.3][random.int(0, 2)]!;
  for (let step = 0; step < 2500; step++) {
    if (random.next() < ticking) {
      cluster.advance();
      cluster.tick(random.int(1, options.size));
    } else disturb(cluster, random, weights, `p${step}`);
  }
  heal(cluster, seed);
  return cluster;
}

/** All nodes' clocks run at one rate: what the lease asks for. */
function runTimed(seed: number, options: ClusterOptions): RaftCluster {
  const random = seededRandom(seed);
  const electionTicks = [3, 5, 10][random.int(0, 2)]!;
  const cluster = new RaftCluster(
    { ...options, raft: { electionTicks, heartbeatTicks: random.int(1, 2), ...options.raft } },
    random,
  );
  const weights = drawWeights(random);
  for (let round = 0; round < 150; round++) {
    cluster.advance();
    for (let id = 1; id <= options.size; id++) {
      // A tick may come at any moment of its interval.
      for (let i = random.int(0, 12); i > 0; i--) {
        disturb(cluster, random, weights, `p${round}.${i}`);
        cluster.checkLease();
      }
      cluster.tick(id);
      cluster.checkLease();
    }
  }
  heal(cluster, seed);
  return cluster;
}

function runMany(count: number, run: (seed: number) => RaftCluster): RaftCluster['seen'] {
  const total = { snapshots: 0, reads: 0, transfers: 0, leases: 0, leaders: 0, applied: 0 };
  for (let seed = 1; seed <= count; seed++) {
    const { seen } = run(seed);
    for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += seen[name];
  }
  return total;
}

describe('raft', () => {
  it('keeps its properties on three nodes', () => {
    const seen = runMany(600, (seed) => runFree(seed, { size: 3 }));
    expect(seen.snapshots).toBeGreaterThan(100);
    expect(seen.transfers).toBeGreaterThan(20);
  });

  it('keeps its properties on five nodes', () => {
    runMany(300, (seed) => runFree(seed, { size: 5 }));
  });

  it('keeps its properties when older entries come from the log', () => {
    const seen = runMany(400, (seed) => runFree(seed, { size: 3, readsLog: true }));
    expect(seen.reads).toBeGreaterThan(100);
    expect(seen.snapshots).toBeGreaterThan(20);
  });

  it('keeps its properties without pipelining and batching', () => {
    const raft = { inflightMax: 1, appendEntriesMax: 1 };
    runMany(200, (seed) => runFree(seed, { size: 3, raft }));
  });

  it('keeps its properties when entries gather for spare voters', () => {
    runMany(300, (seed) => runFree(seed, { size: 3, raft: { spareDelayMs: 5 * (seed % 8) } }));
    runMany(200, (seed) => runFree(seed, { size: 5, raft: { spareDelayMs: 5 * (seed % 8) } }));
  });

  it('has one lease at a time where clocks run at one rate (LEASE)', () => {
    const three = runMany(500, (seed) => runTimed(seed, { size: 3 }));
    const five = runMany(200, (seed) => runTimed(seed, { size: 5 }));
    expect(three.leases + five.leases).toBeGreaterThan(10_000);
  });
});

describe('quorum', () => {
  it('counts like a naive model', () => {
    const sets = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 5 });
    fc.assert(
      fc.property(sets, sets, fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }), (a, b, at) => {
        const configuration = { voters: a.map(nodeId), outgoing: b.map(nodeId), learners: [] };
        const isQuorum = (test: (node: number) => boolean): boolean =>
          [a, b].every((set) => set.length === 0 || set.filter(test).length * 2 > set.length);
        let naive = -1;
        for (let v = 0; v <= 9; v++) if (isQuorum((n) => at[n]! >= v)) naive = v;
        const found = quorumValue(configuration, (n) => at[n]!);
        if (a.length + b.length > 0) expect(found).toBe(naive);
        const voters = [...a, ...b].filter((n) => at[n]! > 2);
        const votes = new Map(voters.map((n) => [nodeId(n), at[n]! > 5]));
        const result = voteResult(configuration, votes);
        expect(result === 'won').toBe(isQuorum((n) => votes.get(nodeId(n)) === true));
        expect(result === 'lost').toBe(!isQuorum((n) => votes.get(nodeId(n)) !== false));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('raft codec', () => {
  const int = fc.nat(2 ** 40);
  const id = fc.integer({ min: 1, max: 65535 }).map(nodeId);
  const sentAt = fc.oneof(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.constant(-Infinity));
  const address = { from: id, to: id, term: int };
  const blobs = fc.array(fc.tuple(int, fc.uint8Array({ maxLength: 40 })), { maxLength: 5 });
  const messages: fc.Arbitrary<Message> = fc.oneof(
    fc
      .tuple(fc.record({ ...address, prevIndex: int, prevTerm: int, commit: int, sentAt }), blobs)
      .map(([append, list]) => {
        const entries = list.map(([term, data], i): Entry => {
          return { index: append.prevIndex + 1 + i, term, data: Buffer.from(data) };
        });
        return { kind: 'append' as const, ...append, entries };
      }),
    fc.record({
      ...{ kind: fc.constant('appendReply' as const), ...address, isOk: fc.boolean(), sentAt },
      ...{ index: int, hintIndex: int, hintTerm: int },
    }),
    fc.record({ kind: fc.constant('heartbeat' as const), ...address, commit: int, sentAt }),
    fc.record({ kind: fc.constant('heartbeatReply' as const), ...address, sentAt }),
    fc.record({
      ...{ kind: fc.constantFrom('vote' as const, 'prevote' as const), ...address },
      ...{ lastIndex: int, lastTerm: int, isForced: fc.boolean() },
    }),
    fc.record({
      ...{ kind: fc.constantFrom('voteReply' as const, 'prevoteReply' as const), ...address },
      isGranted: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('timeoutNow' as const), ...address }),
  );

  it('gives every message back', () => {
    fc.assert(
      fc.property(messages, (message) => {
        expect(decodeMessage(encodeMessage(message))).toEqual(message);
      }),
      { numRuns: 1000 },
    );
  });

  it('hostile bytes end in a decode error', () => {
    const cut = fc.tuple(messages, fc.nat(100), fc.uint8Array({ maxLength: 4 }));
    const mangled = cut.map(([message, at, bytes]) => {
      const good = encodeMessage(message);
      return Buffer.concat([good.subarray(0, at % (good.length + 1)), bytes]);
    });
    fc.assert(
      fc.property(fc.oneof(mangled, fc.uint8Array({ maxLength: 60 })), (bytes) => {
        try {
          encodeMessage(decodeMessage(bytes));
        } catch (error) {
          if (!(error instanceof ByteDecodeError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});
