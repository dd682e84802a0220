/**
 * CLOCK-4: a guard against a runaway wall clock. Messages carry the sender's wall reading; the wall clock of this
 * node lifts its HLC no further than the median of the acceptors' wall clocks (its own included) last heard, plus
 * `maxAheadMs`, and not at all before a majority of them has been heard. Readings are kept as offsets to the own
 * monotonic clock, so that they stay usable while no message comes. Latency and liveness only: no safety rests on it.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { Clock } from '../../src/env/env.ts';
import type { Hlc } from './hlc.ts';

/** Against a cap that lies `maxAheadMs` ahead, hundreds of them. */
const STILL_MS = 5;

export class ClockGuard {
  readonly #clock: Clock;
  readonly #hlc: Hlc;
  readonly #self: NodeId;
  readonly #acceptors: ReadonlySet<NodeId>;
  readonly #maxAheadMs: number;
  /** Per acceptor: its wall clock minus our monotonic clock. */
  readonly #offsets = new Map<NodeId, number>();

  constructor(
    ports: { clock: Clock; hlc: Hlc },
    self: NodeId,
    acceptors: readonly NodeId[],
    maxAheadMs: number,
  ) {
    this.#clock = ports.clock;
    this.#hlc = ports.hlc;
    this.#self = self;
    this.#acceptors = new Set(acceptors);
    this.#maxAheadMs = maxAheadMs;
    // An acceptor that is alone is its own majority.
    const isAlone = acceptors.length === 1 && acceptors[0] === self;
    if (!isAlone) this.#hlc.setWallCap(Number.NEGATIVE_INFINITY);
  }

  onWallReading(from: NodeId, wallMs: number): void {
    if (!this.#acceptors.has(from)) return;
    const monotonic = this.#clock.monotonicMs();
    const isNews = this.#note(from, wallMs - monotonic);
    const isOwn = this.#acceptors.has(this.#self);
    const isOwnNews = isOwn && this.#note(this.#self, this.#clock.wallMs() - monotonic);
    if (!isNews && !isOwnNews) return;
    if (this.#offsets.size * 2 <= this.#acceptors.size) return;
    this.#hlc.setWallCap(this.#median() + this.#maxAheadMs);
  }

  /** Every frame says it: what moves by less than clocks wander is no news, and needs no new median. */
  #note(acceptor: NodeId, offsetMs: number): boolean {
    const before = this.#offsets.get(acceptor);
    if (before !== undefined && Math.abs(offsetMs - before) < STILL_MS) return false;
    this.#offsets.set(acceptor, offsetMs);
    return true;
  }

  /** How far the own wall clock is beyond the cap; 0 or less while it is not. A node beyond it does not lead. */
  aheadMs(): number {
    if (this.#offsets.size * 2 <= this.#acceptors.size) return 0;
    const own = this.#clock.wallMs() - this.#clock.monotonicMs();
    return own - this.#median() - this.#maxAheadMs;
  }

  /** As far as is known. */
  isOutside(peer: NodeId): boolean {
    const offset = this.#offsets.get(peer);
    return offset !== undefined && offset > this.#median() + this.#maxAheadMs;
  }

  /** Of all acceptors: those not yet heard may be behind all others, or a few that are far ahead would be believed. */
  #median(): number {
    const sorted = [...this.#offsets.values()].sort((a, b) => a - b);
    const unheard = this.#acceptors.size - sorted.length;
    return sorted[Math.floor((this.#acceptors.size - 1) / 2) - unheard] ?? 0;
  }
}
