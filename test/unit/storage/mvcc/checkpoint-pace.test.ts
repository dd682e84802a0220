/** How a checkpoint spreads its work over time. */
import { describe, expect, it } from 'vitest';
import type { Scheduler } from '../../../../src/env/env.ts';
import { CheckpointPace } from '../../../../storage/mvcc/checkpoint-pace.ts';

function sleeper(): { readonly scheduler: Scheduler; readonly slept: () => number } {
  let sleptMs = 0;
  const scheduler: Scheduler = {
    after: () => ({ cancel: () => undefined }),
    defer: (fn) => fn(),
    deferLast: (fn) => fn(),
    sleep: (ms) => {
      sleptMs += ms;
      return Promise.resolve();
    },
  };
  return { scheduler, slept: () => sleptMs };
}

const PLENTY = 1e9;
const NAP_MS = 20;

describe('a checkpoint', () => {
  it('rests as long in all as it is told to', async () => {
    const { scheduler, slept } = sleeper();
    const pace = new CheckpointPace(scheduler, 1000, () => PLENTY);
    await pace.rest(0.25);
    expect(slept()).toBe(260);
    for (const progress of [0.5, 0.75, 1]) await pace.rest(progress);
    expect(slept()).toBe(1000);
  });

  it('does not rest while there is no room, nor make up for that', async () => {
    const { scheduler, slept } = sleeper();
    let room = 0;
    const pace = new CheckpointPace(scheduler, 1000, () => room);
    await pace.rest(0.5);
    expect(slept()).toBe(0);
    room = PLENTY;
    await pace.rest(0.6);
    expect(slept()).toBe(100);
  });

  it('ends a rest when there is no room any more', async () => {
    const { scheduler, slept } = sleeper();
    const pace = new CheckpointPace(scheduler, 1000, () => (slept() >= 60 ? 0 : PLENTY));
    await pace.rest(0.9);
    expect(slept()).toBe(60);
  });

  it.each([
    ['that is fast enough to fill the table', 20_000, 5000],
    ['that began when little room was left', 4000, 1000],
  ])('takes as long as the room lasts under a load %s', async (_what, room, endsMs) => {
    const { scheduler, slept } = sleeper();
    const pace = new CheckpointPace(scheduler, 1e6, () => room - slept() * 4);
    const steps: number[] = [];
    for (let batch = 1; batch <= 5; batch++) {
      const before = slept();
      await pace.rest(batch / 5);
      steps.push(slept() - before);
    }
    expect(slept()).toBe(endsMs);
    // No batch has another's share, but for a nap that began in its own.
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(2 * NAP_MS);
  });
});
