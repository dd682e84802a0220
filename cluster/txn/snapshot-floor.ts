/**
 * Below which timestamp no open transaction of the cluster reads, nor one that is yet to begin. Twice a second every node
 * publishes the highest timestamp that it has applied, if that is a new one, and tells the others the oldest snapshot of
 * its transactions (open-snapshots.ts). What a node has said once holds for ever, also for its next process, whose
 * snapshots are at or above everything published; so it does not matter how late it comes, nor in which order.
 *
 * A node that was not heard of for `FORGET_MS` is left out: its sessions have lost their locks, and most of them their
 * clients. If one of them reads below what is forgotten then, it is refused.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { minTimestamp } from '../../src/base/timestamp.ts';
import type { Env } from '../../src/env/env.ts';
import type { QuorumClock } from '../clock/quorum-clock.ts';
import type { Transport } from '../transport/transport.ts';
import type { OpenSnapshots } from './open-snapshots.ts';

const TELL_MS = 500;
const FORGET_MS = 60_000;

export interface SnapshotFloorPorts {
  readonly env: Pick<Env, 'clock' | 'scheduler'>;
  readonly transport: Pick<Transport, 'register' | 'cast'>;
  readonly clock: Pick<QuorumClock, 'tryPublish'>;
  readonly snapshots: OpenSnapshots;
  readonly peers: readonly NodeId[];
  /** The highest timestamp applied here. */
  readonly appliedTs: () => Timestamp;
}

interface Heard {
  /** Undefined: nothing yet. */
  readonly oldest: Timestamp | undefined;
  readonly atMs: number;
}

export class SnapshotFloor {
  readonly #ports: SnapshotFloorPorts;
  readonly #heard = new Map<NodeId, Heard>();
  #isPublishing = false;
  #isStopped = false;

  constructor(ports: SnapshotFloorPorts) {
    this.#ports = ports;
    const atMs = ports.env.clock.monotonicMs();
    for (const peer of ports.peers) this.#heard.set(peer, { oldest: undefined, atMs });
    ports.transport.register('snapshots.oldest', (body, { from }) => {
      if (typeof body === 'number') this.#note(from, body as Timestamp);
    });
  }

  start(): void {
    if (this.#isStopped) return;
    const { env, peers, transport, snapshots } = this.#ports;
    env.scheduler.after(TELL_MS, () => this.start());
    this.#publish();
    const oldest = snapshots.oldest();
    for (const peer of peers) transport.cast(peer, 'snapshots.oldest', oldest);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Undefined: a node that may have open transactions was not heard yet. */
  lowest(): Timestamp | undefined {
    const before = this.#ports.env.clock.monotonicMs() - FORGET_MS;
    let lowest = this.#ports.snapshots.oldest();
    for (const { oldest, atMs } of this.#heard.values()) {
      if (atMs < before) continue;
      if (oldest === undefined) return undefined;
      lowest = minTimestamp(lowest, oldest);
    }
    return lowest;
  }

  #publish(): void {
    const { clock, snapshots, appliedTs } = this.#ports;
    const ts = appliedTs();
    if (this.#isPublishing || ts <= snapshots.published) return;
    this.#isPublishing = true;
    clock.tryPublish(ts).then(
      () => {
        this.#isPublishing = false;
        snapshots.notePublished(ts);
      },
      // No majority answers: the next time.
      () => (this.#isPublishing = false),
    );
  }

  #note(peer: NodeId, oldest: Timestamp): void {
    this.#heard.set(peer, { oldest, atMs: this.#ports.env.clock.monotonicMs() });
  }
}
