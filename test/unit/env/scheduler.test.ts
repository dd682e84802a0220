/** Sleeping, on the real event loop and in simulation: both do the same. */
import { describe, expect, it } from 'vitest';
import type { Scheduler } from '../../../src/env/env.ts';
import { nodeScheduler } from '../../../src/env/node/node-scheduler.ts';
import { SimClock, SimProcess, SimWorld } from '../../../src/sim/world.ts';

interface Bench {
  readonly scheduler: Scheduler;
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
}

function simulated(): Bench {
  const world = new SimWorld(1);
  const { env } = new SimProcess(world, new SimClock(world, { skewMs: 0, rate: 1 }));
  return { scheduler: env.scheduler, run: (promise) => world.settle(promise) };
}

const cases: [string, () => Bench][] = [
  ['real', () => ({ scheduler: nodeScheduler, run: (promise) => promise })],
  ['simulated', simulated],
];

describe.each(cases)('%s scheduler', (_, make) => {
  it('sleeps', async () => {
    const { scheduler, run } = make();
    await expect(run(scheduler.sleep(1))).resolves.toBeUndefined();
  });

  it('sleeps no longer than its signal lets it', async () => {
    const { scheduler, run } = make();
    const controller = new AbortController();
    const sleep = scheduler.sleep(1e9, controller.signal);
    const reason = new Error('enough');
    scheduler.defer(() => controller.abort(reason));
    await expect(run(sleep)).rejects.toBe(reason);
    await expect(run(scheduler.sleep(1, controller.signal))).rejects.toBe(reason);
  });

  it('defers to the last of a turn, behind what is deferred after it', async () => {
    const { scheduler, run } = make();
    const seen: string[] = [];
    await run(scheduler.sleep(1));
    const end = new Promise<void>((resolve) => {
      scheduler.deferLast(() => {
        seen.push('last');
        resolve();
      });
    });
    scheduler.defer(() => {
      seen.push('first');
      void Promise.resolve().then(() => seen.push('its promise'));
    });
    await run(end);
    expect(seen).toEqual(['first', 'its promise', 'last']);
  });

  it('runs what is deferred while deferred work runs', async () => {
    const { scheduler, run } = make();
    const end = new Promise<void>((resolve) => {
      scheduler.defer(() => scheduler.deferLast(() => scheduler.defer(resolve)));
    });
    await expect(run(end)).resolves.toBeUndefined();
  });

  it('does not do what was cancelled', async () => {
    const { scheduler, run } = make();
    let isDone = false;
    scheduler.after(1, () => (isDone = true)).cancel();
    await run(scheduler.sleep(3));
    expect(isDone).toBe(false);
  });

  it('defers to the end of the turn, in order', async () => {
    const { scheduler, run } = make();
    const seen: number[] = [];
    await run(
      new Promise<void>((resolve) => {
        scheduler.defer(() => seen.push(2));
        scheduler.defer(() => {
          seen.push(3);
          resolve();
        });
        seen.push(1);
      }),
    );
    expect(seen).toEqual([1, 2, 3]);
  });
});

it('a simulated process that was killed does nothing any more', async () => {
  const world = new SimWorld(1);
  const dying = new SimProcess(world, new SimClock(world, { skewMs: 0, rate: 1 }));
  let isDone = false;
  dying.env.scheduler.after(1, () => (isDone = true));
  dying.env.scheduler.defer(() => (isDone = true));
  dying.kill();
  await world.run(10);
  expect(isDone).toBe(false);
});

it('clocks of simulated processes run at their own rates, timers with them', async () => {
  const world = new SimWorld(1);
  const fast = new SimProcess(world, new SimClock(world, { skewMs: 5000, rate: 1.25 }));
  const exact = new SimProcess(world, new SimClock(world, { skewMs: 0, rate: 1 }));
  const skew = fast.env.clock.wallMs() - exact.env.clock.wallMs();
  expect(skew).toBe(5000);
  await world.settle(fast.env.scheduler.sleep(100));
  expect(world.nowMs).toBeCloseTo(80);
  expect(fast.env.clock.monotonicMs()).toBeCloseTo(100);
});
