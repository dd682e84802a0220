/** Whom the router asks, and what it makes of answers from those who know less than it does. */
import { describe, expect, it } from 'vitest';
import { nodeId, rangeId } from '../../../../src/base/ids.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../../../src/base/span.ts';
import type { RangeDescriptor } from '../../../../cluster/range/range-descriptor.ts';
import { RangeRouter } from '../../../../cluster/range/range-router.ts';
import type { RangeSender } from '../../../../cluster/range/range-sender.ts';
import type { RangeReply } from '../../../../cluster/range/requests.ts';
import { SimClock, SimProcess, SimWorld } from '../../../../src/sim/world.ts';

const MEMBERS = [nodeId(1), nodeId(2), nodeId(3)];

function descriptor(id: number, start: string, end: string, generation: number): RangeDescriptor {
  const replicas = MEMBERS;
  return { rangeId: rangeId(id), generation, start: start as Key, end: end as Key, replicas };
}

/** A router at node 1 that knows both halves of a split; `answers` say what each node replies. */
function make(
  answers: Readonly<Record<number, RangeReply>>,
  isCutOff = false,
): {
  readonly world: SimWorld;
  readonly router: RangeRouter;
  readonly asked: NodeId[];
} {
  const world = new SimWorld(1);
  const { env } = new SimProcess(world, new SimClock(world, { skewMs: 0, rate: 1 }));
  const asked: NodeId[] = [];
  const sender = {
    self: nodeId(1),
    send: (to: NodeId) => {
      asked.push(to);
      return { kind: 'reply', reply: answers[to] };
    },
  } as unknown as RangeSender;
  const router = new RangeRouter(env, sender, MEMBERS, () => isCutOff);
  router.learn([descriptor(1, KEY_MIN, 'm', 2), descriptor(2, 'm', KEY_MAX, 2)]);
  return { world, router, asked };
}

const GET = { kind: 'describe' } as const;
const DONE: RangeReply = { kind: 'done' };

describe('the router', () => {
  it('asks elsewhere when a node does not have the range, or has not heard of the split', async () => {
    const old: RangeReply = { kind: 'moved', descriptors: [descriptor(1, KEY_MIN, KEY_MAX, 1)] };
    const left: RangeReply = { kind: 'moved', descriptors: [descriptor(1, KEY_MIN, 'm', 2)] };
    const { world, router, asked } = make({ 1: left, 2: old, 3: DONE });
    const range = router.find('x' as Key);
    const sent = Promise.resolve(router.send(range, GET, { timeoutMs: 1000 }));
    expect(await world.settle(sent)).toEqual(DONE);
    expect(asked).toEqual([1, 2, 3]);
    // It remembers who answered.
    await world.settle(Promise.resolve(router.send(range, GET, { timeoutMs: 1000 })));
    expect(asked.at(-1)).toBe(3);
    expect(asked).toHaveLength(4);
  });

  it('takes what is newer for an answer', async () => {
    const newer: RangeReply = {
      kind: 'moved',
      descriptors: [descriptor(2, 'm', 's', 3), descriptor(3, 's', KEY_MAX, 3)],
    };
    const { world, router } = make({ 1: newer, 2: DONE, 3: DONE });
    const range = router.find('x' as Key);
    const sent = Promise.resolve(router.send(range, GET, { timeoutMs: 1000 }));
    expect(await world.settle(sent)).toEqual(newer);
    expect(router.find('x' as Key).rangeId).toBe(3);
  });

  it('looks for a leader no longer when its node is cut off', async () => {
    const nobody: RangeReply = { kind: 'notLeader', leader: undefined };
    const answers = { 1: nobody, 2: nobody, 3: nobody };
    for (const isCutOff of [false, true]) {
      const { world, router, asked } = make(answers, isCutOff);
      const range = router.find('x' as Key);
      const sent = Promise.resolve(router.send(range, GET, { timeoutMs: 1000 }));
      await expect(world.settle(sent)).rejects.toThrow('no leader can be reached');
      if (isCutOff) expect(asked).toHaveLength(1);
      else expect(asked.length).toBeGreaterThan(10);
    }
  });

  it('asks next to what it does not know', () => {
    const { router } = make({});
    router.learn([descriptor(1, KEY_MIN, 'c', 3), descriptor(3, 'c', 'f', 3)]);
    // What was between is not known; then range 3 turns out to be smaller still, and 4 to follow it.
    expect(router.find('g' as Key)).toMatchObject({ rangeId: 3, generation: 0 });
    router.learn([descriptor(3, 'c', 'd', 4), descriptor(4, 'd', 'f', 4)]);
    expect(router.find('g' as Key)).toMatchObject({ rangeId: 4, generation: 0, end: 'm' });
    expect(router.find('x' as Key)).toMatchObject({ rangeId: 2, generation: 2 });
  });
});
