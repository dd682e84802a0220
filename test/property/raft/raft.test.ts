/** Raft's properties over random schedules of loss, duplication, reordering and crashes; then liveness once healed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../cluster/raft/codec.ts';
import { quorumValue, voteResult } from '../../../cluster/raft/quorum.ts';
import { ByteDecodeError } from '../../../src/base/bytes.ts';
import { nodeId } from '../../../src/base/ids.ts';
import type { Random } from '../../../src/env/env.ts';
import { RaftCluster } from '../../support/raft-cluster.ts';

function seeded(seed: number): Random {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
  return {
    next,
    int: (min, max) => min + Math.floor(next() * (max - min + 1)),
    bytes: (count) => new Uint8Array(count),
  };
}

function runRandom(seed: number, size: number): void {
  const random = seeded(seed);
  const cluster = new RaftCluster(size, random);
  let proposed = 0;
  for (let step = 0; step < 1500; step++) {
    const id = random.int(1, size);
    const what = random.next();
    if (what < 0.3) cluster.tick(id);
    else if (what < 0.65 && cluster.wire.length > 0) {
      const at = random.next() < 0.7 ? 0 : random.int(0, cluster.wire.length - 1);
      cluster.deliver(at, random.next() < 0.05);
    } else if (what < 0.68) cluster.wire.splice(random.int(0, 5), 1);
    else if (what < 0.88) cluster.sync(id);
    else if (what < 0.96) {
      const leader = cluster.leader();
      if (leader !== undefined && cluster.propose(leader.id, `p${proposed}`)) proposed++;
    } else if (what < 0.97) cluster.crash(id);
    else if (what < 0.975) cluster.isolate(id);
    else if (what < 0.98) cluster.cut.clear();
    else if (what < 0.985) {
      cluster.leader()?.node.transferLeader(nodeId(random.int(1, size)));
    }
  }
  cluster.cut.clear();
  cluster.settle(120);
  const leader = cluster.leader();
  expect(leader, `seed ${seed}: no leader after healing`).toBeDefined();
  expect(cluster.propose(leader!.id, 'last')).toBe(true);
  cluster.settle(10);
  for (const member of cluster.members) {
    expect(member.applied, `seed ${seed}: node ${member.id}`).toEqual(leader!.applied);
    expect(member.applied.at(-1)).toBe('last');
  }
}

describe('raft', () => {
  it('keeps its properties on three nodes', () => {
    for (let seed = 1; seed <= 250; seed++) runRandom(seed, 3);
  });

  it('keeps its properties on five nodes', () => {
    for (let seed = 1; seed <= 120; seed++) runRandom(seed, 5);
  });

  it('counts quorums like a naive model', () => {
    const sets = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 5 });
    fc.assert(
      fc.property(sets, sets, fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }), (a, b, at) => {
        const configuration = { voters: a.map(nodeId), outgoing: b.map(nodeId), learners: [] };
        const isQuorum = (test: (node: number) => boolean): boolean =>
          [a, b].every((set) => set.length === 0 || set.filter(test).length * 2 > set.length);
        let naive = -1;
        for (let value = 0; value <= 9; value++) if (isQuorum((n) => at[n]! >= value)) naive = value;
        const found = quorumValue(configuration, (n) => at[n]!);
        if (a.length + b.length > 0) expect(found).toBe(naive);
        const votes = new Map([...a, ...b].filter((n) => at[n]! > 2).map((n) => [nodeId(n), at[n]! > 5]));
        const result = voteResult(configuration, votes);
        expect(result === 'won').toBe(isQuorum((n) => votes.get(nodeId(n)) === true));
      }),
    );
  });

  it('hostile bytes end in a decode error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          encodeMessage(decodeMessage(bytes));
        } catch (error) {
          if (!(error instanceof ByteDecodeError)) throw error;
        }
      }),
    );
  });
});
