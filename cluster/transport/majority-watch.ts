/**
 * Whether this node has been without a majority of the cluster for a while: then nobody finds a leader or a clock
 * through it, and who waits for one is better told at once, to ask another node. Every node is a voter of every range so
 * far, so a majority of the members is what counts.
 *
 * Only a hint, for when to give up: nothing safe rests on it.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { Clock } from '../../src/env/env.ts';

/** A connection that was lost comes back, and a cluster that starts is connected, within this time. */
const GRACE_MS = 1000;

export class MajorityWatch {
  readonly #clock: Clock;
  readonly #majority: number;
  /** Other members that can be talked to. */
  readonly #up = new Set<NodeId>();
  /** Undefined while there is a majority. */
  #aloneSinceMs: number | undefined;

  constructor(clock: Clock, memberCount: number) {
    this.#clock = clock;
    this.#majority = Math.floor(memberCount / 2) + 1;
    this.#note();
  }

  onPeerChange(peer: NodeId, isUp: boolean): void {
    if (isUp) this.#up.add(peer);
    else this.#up.delete(peer);
    this.#note();
  }

  get isCutOff(): boolean {
    const sinceMs = this.#aloneSinceMs;
    return sinceMs !== undefined && this.#clock.monotonicMs() - sinceMs > GRACE_MS;
  }

  #note(): void {
    if (this.#up.size + 1 >= this.#majority) this.#aloneSinceMs = undefined;
    else this.#aloneSinceMs ??= this.#clock.monotonicMs();
  }
}
