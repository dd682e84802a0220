/** LEASE-4: a lease does not outlive a suspension of the machine. */
import { describe, expect, it } from 'vitest';
import { SuspendWatch } from '../../../../cluster/clock/suspend-watch.ts';

describe('suspend watch', () => {
  it('notices that boot time went on while the monotonic clock stood still', () => {
    let monotonic = 1000;
    let boot = 5000;
    const clock = { wallMs: () => 0, monotonicMs: () => monotonic, bootMs: () => boot };
    const watch = new SuspendWatch(clock, 50);
    expect(watch.hasJumpedSince(monotonic)).toBe(true); // Nothing is known yet.
    for (let i = 0; i < 200; i++) {
      watch.sample();
      monotonic += 100;
      boot += 100.1;
    }
    expect(watch.hasJumpedSince(monotonic - 500)).toBe(false);
    boot += 60_000;
    expect(watch.hasJumpedSince(monotonic - 500)).toBe(true);
    watch.sample();
    expect(watch.hasJumpedSince(monotonic - 500)).toBe(true);
    expect(watch.hasJumpedSince(monotonic)).toBe(false);
  });
});
