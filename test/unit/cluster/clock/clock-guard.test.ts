/** CLOCK-4: how far a wall clock is believed. */
import { expect, it } from 'vitest';
import { ClockGuard } from '../../../../cluster/clock/clock-guard.ts';
import { Hlc } from '../../../../cluster/clock/hlc.ts';
import { nodeId } from '../../../../src/base/ids.ts';
import { EPOCH_UNIX_MS, TS_ZERO } from '../../../../src/base/timestamp.ts';

const AHEAD_MS = 500;

function make(ownMs: number, size: number): { guard: ClockGuard; hlcMs: () => number } {
  const clock = { wallMs: () => EPOCH_UNIX_MS + ownMs, monotonicMs: () => 7, bootMs: () => 7 };
  const hlc = new Hlc(clock, TS_ZERO);
  const acceptors = Array.from({ length: size }, (_, i) => nodeId(i + 1));
  const guard = new ClockGuard({ clock, hlc }, nodeId(1), acceptors, AHEAD_MS);
  return { guard, hlcMs: () => hlc.read() / 4096 };
}

const hear = (guard: ClockGuard, id: number, ms: number): void =>
  guard.onWallReading(nodeId(id), EPOCH_UNIX_MS + ms);

it('is not believed before a majority has been heard, and then as far as the median', () => {
  const { guard, hlcMs } = make(90_000, 3);
  expect(hlcMs()).toBe(0);
  expect(guard.aheadMs()).toBe(0);
  hear(guard, 2, 1000);
  expect(hlcMs()).toBe(1000 + AHEAD_MS);
  expect(guard.aheadMs()).toBe(90_000 - 1000 - AHEAD_MS);
  hear(guard, 3, 2000);
  expect(hlcMs()).toBe(2000 + AHEAD_MS);
  expect([1, 2, 3].map((id) => guard.isOutside(nodeId(id)))).toEqual([true, false, false]);
});

it('is not believed by two of five that agree with it', () => {
  const { guard, hlcMs } = make(90_000, 5);
  hear(guard, 2, 95_000);
  expect(hlcMs()).toBe(0);
  hear(guard, 3, 1000);
  expect(hlcMs()).toBe(1000 + AHEAD_MS);
  hear(guard, 4, 1100);
  hear(guard, 5, 900);
  expect(hlcMs()).toBe(1100 + AHEAD_MS);
});

it('that is behind is lifted by nobody', () => {
  const { guard, hlcMs } = make(1000, 3);
  hear(guard, 2, 5000);
  hear(guard, 3, 6000);
  expect(hlcMs()).toBe(1000);
  expect(guard.aheadMs()).toBeLessThan(0);
});

it('alone is believed', () => {
  expect(make(1234, 1).hlcMs()).toBe(1234);
});
