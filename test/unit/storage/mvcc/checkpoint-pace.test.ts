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

describe('a checkpoint', () => {
  it('rests as long in all as it is told to', async () => {
    const { scheduler, slept } = sleeper();
    const pace = new CheckpointPace(scheduler, 1000, () => false);
    await pace.rest(0.25);
    expect(slept()).toBe(260);
    for (const progress of [0.5, 0.75, 1]) await pace.rest(progress);
    expect(slept()).toBe(1000);
  });

  it('does not rest while it is urgent, nor make up for that', async () => {
    const { scheduler, slept } = sleeper();
    let isUrgent = true;
    const pace = new CheckpointPace(scheduler, 1000, () => isUrgent);
    await pace.rest(0.5);
    expect(slept()).toBe(0);
    isUrgent = false;
    await pace.rest(0.6);
    expect(slept()).toBe(100);
  });

  it('ends a rest when it becomes urgent, and is told how much is done', async () => {
    const { scheduler, slept } = sleeper();
    const seen: number[] = [];
    const pace = new CheckpointPace(scheduler, 1000, (progress) => {
      seen.push(progress);
      return slept() >= 60;
    });
    await pace.rest(0.9);
    expect(slept()).toBe(60);
    expect(new Set(seen)).toEqual(new Set([0.9]));
  });
});
