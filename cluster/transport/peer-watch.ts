/**
 * Which peers can be talked to: connected, heard lately, and hearing us. A process that is stopped, or a machine that is
 * gone without a word, keeps its connections for minutes; whoever waits for it should ask elsewhere long before. So
 * nodes say something to each other all the time, and a peer that was silent for `SILENT_MS` counts as down until it is
 * heard again. A ping says whether the one who sends it hears the other: where frames pass one way only both sides take
 * each other for down, for neither would get an answer. It also says how many peers its sender can talk to: who can talk
 * to fewer is not the one to lead.
 *
 * Only a hint, for whom to ask and what to give up: nothing safe rests on it.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { Env } from '../../src/env/env.ts';

export const PING_MS = 250;
/** One and a half election timeouts: about when others have taken over what a peer was leading. */
export const SILENT_MS = 1500;

/** A peer that is better connected has to be so for this long: connections come back one after the other. */
const BETTER_MS = 1000;

export interface Ping {
  /** The one it is sent to is heard, lately. */
  readonly isHeard: boolean;
  /** How many peers the sender can talk to. */
  readonly reach: number;
}

export interface PeerWatchPorts {
  ping(peer: NodeId, ping: Ping): void;
  onChange(peer: NodeId, isUp: boolean): void;
}

export class PeerWatch {
  readonly #env: Env;
  readonly #ports: PeerWatchPorts;
  /** By connected peer: when it was last heard, on the monotonic clock. */
  readonly #heardMs = new Map<NodeId, number>();
  /** Connected peers that say that they do not hear this node. */
  readonly #deaf = new Set<NodeId>();
  readonly #up = new Set<NodeId>();
  /** What peers have said of their own reach, and since when it is larger than that of this node. */
  readonly #reach = new Map<NodeId, number>();
  readonly #betterSinceMs = new Map<NodeId, number>();
  #lastTickMs = 0;
  #isStopped = false;

  constructor(env: Env, ports: PeerWatchPorts) {
    this.#env = env;
    this.#ports = ports;
  }

  start(): void {
    this.#lastTickMs = this.#env.clock.monotonicMs();
    this.#env.scheduler.after(PING_MS, () => this.#tick());
  }

  stop(): void {
    this.#isStopped = true;
  }

  peersUp(): NodeId[] {
    return [...this.#up];
  }

  isUp(peer: NodeId): boolean {
    return this.#up.has(peer);
  }

  /** Those that have been able to talk to more peers than this node for a while. */
  betterConnected(): NodeId[] {
    const before = this.#env.clock.monotonicMs() - BETTER_MS;
    return [...this.#betterSinceMs].flatMap(([peer, sinceMs]) => (sinceMs <= before ? [peer] : []));
  }

  onConnected(peer: NodeId): void {
    this.#heardMs.set(peer, this.#env.clock.monotonicMs());
    this.#deaf.delete(peer);
    this.#setUp(peer, true);
  }

  onLost(peer: NodeId): void {
    this.#heardMs.delete(peer);
    this.#deaf.delete(peer);
    this.#reach.delete(peer);
    this.#betterSinceMs.delete(peer);
    this.#setUp(peer, false);
  }

  /** A ping arrived: it was heard (`onHeard`), and says whether the peer hears this node. */
  onPing(peer: NodeId, { isHeard, reach }: Ping): void {
    if (!this.#heardMs.has(peer)) return;
    this.#reach.set(peer, reach);
    if (isHeard) this.#deaf.delete(peer);
    else this.#deaf.add(peer);
    this.#setUp(peer, isHeard);
  }

  onHeard(peer: NodeId): void {
    if (!this.#heardMs.has(peer)) return;
    this.#heardMs.set(peer, this.#env.clock.monotonicMs());
    if (!this.#up.has(peer) && !this.#deaf.has(peer)) this.#setUp(peer, true);
  }

  #tick(): void {
    if (this.#isStopped) return;
    this.#env.scheduler.after(PING_MS, () => this.#tick());
    const now = this.#env.clock.monotonicMs();
    // It was this node that slept: what the others have said meanwhile has not been read yet.
    const wasAsleep = now - this.#lastTickMs > SILENT_MS / 2;
    this.#lastTickMs = now;
    for (const [peer, heardMs] of this.#heardMs) {
      const isHeard = wasAsleep || now - heardMs <= SILENT_MS;
      this.#ports.ping(peer, { isHeard, reach: this.#up.size });
      if (wasAsleep) this.#heardMs.set(peer, now);
      else if (!isHeard) this.#setUp(peer, false);
    }
    for (const peer of this.#heardMs.keys()) this.#compare(peer, now);
  }

  #compare(peer: NodeId, now: number): void {
    const isBetter = this.#up.has(peer) && (this.#reach.get(peer) ?? 0) > this.#up.size;
    if (!isBetter) this.#betterSinceMs.delete(peer);
    else if (!this.#betterSinceMs.has(peer)) this.#betterSinceMs.set(peer, now);
  }

  #setUp(peer: NodeId, isUp: boolean): void {
    if (isUp === this.#up.has(peer)) return;
    if (isUp) this.#up.add(peer);
    else this.#up.delete(peer);
    this.#ports.onChange(peer, isUp);
  }
}
