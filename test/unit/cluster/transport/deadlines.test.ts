import { describe, expect, it } from 'vitest';
import type { Deadline } from '../../../../cluster/transport/deadlines.ts';
import { Deadlines } from '../../../../cluster/transport/deadlines.ts';
import { SimWorld } from '../../../../src/sim/world.ts';

function deadlinesOf(world: SimWorld): Deadlines {
  const now = (): number => world.nowMs;
  return new Deadlines({
    clock: { wallMs: now, monotonicMs: now, bootMs: now },
    scheduler: {
      after: (delayMs, fn) => {
        const event = world.after(delayMs, fn);
        return { cancel: () => (event.fn = undefined) };
      },
      defer: (fn) => void world.after(0, fn),
      deferLast: (fn) => void world.after(0, fn),
      sleep: () => Promise.resolve(),
    },
  });
}

describe('deadlines', () => {
  it('expire once, never early, and not at all when they were removed', async () => {
    const world = new SimWorld(1);
    const deadlines = deadlinesOf(world);
    const expired: [string, number][] = [];
    const make = (name: string): Deadline => ({
      deadlineMs: 0,
      slot: -1,
      onExpired: () => expired.push([name, world.nowMs]),
    });
    const removed = make('removed');
    deadlines.add(make('late'), 1000);
    deadlines.add(make('soon'), 250);
    deadlines.add(removed, 300);
    deadlines.remove(removed);
    await world.run(5000);
    expect(expired.map(([name]) => name)).toEqual(['soon', 'late']);
    const [soon, late] = expired.map(([, at]) => at);
    expect(soon).toBeGreaterThanOrEqual(250);
    expect(soon).toBeLessThanOrEqual(350);
    expect(late).toBeGreaterThanOrEqual(1000);
    expect(late).toBeLessThanOrEqual(1100);
  });

  it('one that is added by another one that expires is looked after as well', async () => {
    const world = new SimWorld(1);
    const deadlines = deadlinesOf(world);
    let count = 0;
    const again: Deadline = {
      deadlineMs: 0,
      slot: -1,
      onExpired: () => {
        if (++count < 3) deadlines.add(again, 200);
      },
    };
    deadlines.add(again, 200);
    await world.run(5000);
    expect(count).toBe(3);
  });
});
