/**
 * CLOCK-4: nothing happens at a time that most clocks have never been near. No entry that is applied anywhere carries a
 * timestamp further ahead than the median of the acceptors' wall clocks, each taken where it was furthest ahead so far,
 * plus what a wall clock is believed beyond it, plus what ceilings and restarts add.
 */
import { TICKS_PER_MS, addMs, timestampOfUnixMs } from '../base/timestamp.ts';
import type { EmbeddedCluster } from './cluster.ts';
import { Violation } from './workload.ts';
import type { SimWorld } from './world.ts';

/** A ceiling lies so far ahead of a leader's clock, and the next leader begins there. */
const CEILING_MS = 2100;
/** A node that starts again begins at its durable ceiling. */
const RESTART_MS = 4100;
const ACCEPTORS_MAX = 5;

export class ClockChecker {
  readonly #world: SimWorld;
  readonly #cluster: EmbeddedCluster;
  readonly #maxAheadMs: number;
  /** By acceptor: how far its wall clock was ahead of the simulation's clock at most. */
  readonly #ahead: number[];

  constructor(world: SimWorld, cluster: EmbeddedCluster, maxAheadMs: number) {
    this.#world = world;
    this.#cluster = cluster;
    this.#maxAheadMs = maxAheadMs;
    this.#ahead = cluster.machines.slice(0, ACCEPTORS_MAX).map(() => Number.NEGATIVE_INFINITY);
  }

  observe(): void {
    const { nowMs } = this.#world;
    const { machines, boots } = this.#cluster;
    for (const [i, before] of this.#ahead.entries()) {
      const wallMs = machines[i]?.clock.wallMs() ?? 0;
      this.#ahead[i] = Math.max(before, wallMs - nowMs);
    }
    const sorted = [...this.#ahead].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const added = this.#maxAheadMs + CEILING_MS + boots * RESTART_MS;
    const limit = addMs(timestampOfUnixMs(nowMs + median), added);
    for (const { id, node } of this.#cluster.alive()) {
      for (const { rangeId, state } of node?.store.groups() ?? []) {
        if (state.maxTs <= limit) continue;
        const aheadMs = Math.round((state.maxTs - limit) / TICKS_PER_MS);
        throw new Violation(
          `node ${id} has applied an entry of range ${rangeId} that is ${aheadMs} ms further ahead than clocks explain`,
        );
      }
    }
  }
}
