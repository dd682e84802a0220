/**
 * The real clocks. `bootMs` is meant to advance through a suspension of the machine, which no clock of Node does; the
 * wall clock does, so boot time is read as wall time here, and LEASE-4 compares the wall clock alone.
 */
import { performance } from 'node:perf_hooks';
import type { Clock } from '../env.ts';

export const nodeClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  bootMs: () => Date.now(),
};
