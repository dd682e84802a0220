/**
 * How long a node has been without a leader, in ticks. Two counts: `quiet` since it heard from a leader, stopped being
 * one, or started (what it may not vote or campaign within: the lease); `waited` since then, or since it last
 * campaigned or gave its vote (when to campaign next). Invariant: `waited <= quiet`.
 *
 * The first tick after an event may follow it at once, so a whole election timeout is `electionTicks + 1` counts.
 */
import type { Random } from '../../src/env/env.ts';

export class ElectionClock {
  readonly #electionTicks: number;
  readonly #random: Random;
  #quietTicks = 0;
  #waitedTicks = 0;
  #timeoutTicks: number;

  constructor(electionTicks: number, random: Random) {
    this.#electionTicks = electionTicks;
    this.#random = random;
    this.#timeoutTicks = this.#draw();
  }

  /** Bound by what a leader may rely on. */
  get isWithinLease(): boolean {
    return this.#quietTicks <= this.#electionTicks;
  }

  /** True when it is time to campaign. */
  tick(): boolean {
    this.#quietTicks++;
    this.#waitedTicks++;
    return this.#waitedTicks >= this.#timeoutTicks;
  }

  onLeaderHeard(): void {
    this.#quietTicks = 0;
    this.#waitedTicks = 0;
  }

  /** A new wait, of another length. */
  restart(): void {
    this.#waitedTicks = 0;
    this.#timeoutTicks = this.#draw();
  }

  #draw(): number {
    const spread = Math.ceil(this.#electionTicks / 2);
    return this.#electionTicks + 1 + this.#random.int(0, spread);
  }
}
