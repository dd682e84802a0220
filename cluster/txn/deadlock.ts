/**
 * Deadlocks, found by following edges (Chandy, Misra and Haas, 1983): a session that has waited a moment asks the
 * leader it waits at whom it waits for, and sends a probe to the gateways of those; a gateway whose session waits too
 * passes the probe on along its own edges. A probe that comes back to where it has been has found a cycle, and the
 * youngest session in it (lock ids order by time) is the victim: its gateway ends its wait with 40P01.
 *
 * Where a gateway is out of reach from another a third node passes on what the one has to say to the other.
 *
 * The same question finds waits that will never end: frames get lost, and a wait for a row has no time-out of its own.
 * A session of which the leader knows nothing, twice in a row, is told to ask for its lock again.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import type { LockId, NodeId } from '../../src/base/ids.ts';
import { lockIdNode } from '../../src/base/ids.ts';
import { reached } from '../../src/base/probe.ts';
import type { Env } from '../../src/env/env.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { RangeRouter } from '../range/range-router.ts';
import type { Transport } from '../transport/transport.ts';

const FIRST_PROBE_MS = 100;
const PROBE_AGAIN_MS = 500;
/** All waits are looked at together: a timer for each would cost more than most of them. */
const SWEEP_MS = 50;
const PATH_MAX = 64;
/** Once may be an answer that is on its way. */
const UNKNOWN_MAX = 2;

export type WaitEnd = 'deadlock' | 'lost';

interface Waiting {
  readonly descriptor: RangeDescriptor;
  readonly end: (why: WaitEnd) => void;
  nextProbeMs: number;
  /** How many times in a row the leader knew nothing of it. */
  unknown: number;
}

interface Probe {
  /** Sessions from the one that began to the one whose blockers are asked for now. */
  readonly path: readonly string[];
}

interface Verdict {
  readonly victim: string;
}

/** To be passed on to a gateway that its sender does not reach. */
interface Relayed {
  readonly lockId: string;
  readonly method: 'deadlock.probe' | 'deadlock.victim';
  readonly body: object;
}

export class DeadlockDetector {
  readonly #env: Env;
  readonly #self: NodeId;
  readonly #router: RangeRouter;
  readonly #transport: Transport;
  readonly #waiting = new ChurnMap<LockId, Waiting>();
  #isSweeping = false;

  constructor(ports: { env: Env; self: NodeId; router: RangeRouter; transport: Transport }) {
    this.#env = ports.env;
    this.#self = ports.self;
    this.#router = ports.router;
    this.#transport = ports.transport;
    const { transport } = ports;
    transport.register('deadlock.probe', (body) => this.#onProbe(body as Probe));
    transport.register('deadlock.victim', (body) => this.#onVictim(body as Verdict));
    transport.register('deadlock.relay', (body) => this.#onRelayed(body as Relayed));
  }

  /** A session waits for a lock from now on; `end` is called to end its wait. Returns how to end the watch. */
  watch(lockId: LockId, descriptor: RangeDescriptor, end: Waiting['end']): () => void {
    const nextProbeMs = this.#env.clock.monotonicMs() + FIRST_PROBE_MS;
    const waiting: Waiting = { descriptor, end, nextProbeMs, unknown: 0 };
    this.#waiting.set(lockId, waiting);
    this.#sweepLater();
    return () => {
      if (this.#waiting.get(lockId) === waiting) this.#waiting.delete(lockId);
    };
  }

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#env.scheduler.after(SWEEP_MS, () => this.#sweep());
  }

  #sweep(): void {
    this.#isSweeping = false;
    const now = this.#env.clock.monotonicMs();
    for (const [lockId, waiting] of [...this.#waiting]) {
      if (waiting.nextProbeMs > now) continue;
      waiting.nextProbeMs = now + PROBE_AGAIN_MS;
      this.#onProbe({ path: [lockId] });
    }
    if (this.#waiting.size > 0) this.#sweepLater();
  }

  #onProbe(probe: Probe): void {
    const last = probe.path.at(-1) as LockId | undefined;
    const waiting = last === undefined ? undefined : this.#waiting.get(last);
    if (last === undefined || waiting === undefined || probe.path.length > PATH_MAX) return;
    void this.#follow(probe.path, last, waiting);
  }

  async #follow(path: readonly string[], last: LockId, waiting: Waiting): Promise<void> {
    const request = { kind: 'blockers', lockId: last } as const;
    const asked = await this.#router.sendOnce(waiting.descriptor, request, { timeoutMs: 2000 });
    if (asked.kind !== 'reply') return;
    const isKnown = asked.reply.kind === 'blockers' && asked.reply.isWaiting;
    if (path.length === 1) this.#noteKnown(waiting, isKnown);
    if (asked.reply.kind !== 'blockers') return;
    for (const blocker of asked.reply.blockers) {
      const seen = path.indexOf(blocker);
      if (seen >= 0) this.#condemn(path.slice(seen));
      else this.#sendTo(blocker, 'deadlock.probe', { path: [...path, blocker] } satisfies Probe);
    }
  }

  #noteKnown(waiting: Waiting, isKnown: boolean): void {
    waiting.unknown = isKnown ? 0 : waiting.unknown + 1;
    if (waiting.unknown >= UNKNOWN_MAX) waiting.end('lost');
  }

  #condemn(cycle: readonly string[]): void {
    const victim = cycle.reduce((youngest, each) => (each > youngest ? each : youngest));
    this.#env.log.info({ length: cycle.length }, 'txn: deadlock');
    reached('deadlock: a victim was chosen');
    this.#sendTo(victim, 'deadlock.victim', { victim } satisfies Verdict);
  }

  #onVictim(verdict: Verdict): void {
    this.#waiting.get(verdict.victim as LockId)?.end('deadlock');
  }

  #sendTo(lockId: string, method: Relayed['method'], body: object): void {
    const gateway = lockIdNode(lockId as LockId);
    if (gateway === this.#self) {
      if (method === 'deadlock.probe') this.#onProbe(body as Probe);
      else this.#onVictim(body as Verdict);
      return;
    }
    const between = this.#transport.isUp(gateway) ? undefined : this.#transport.peersUp()[0];
    if (between === undefined) this.#transport.cast(gateway, method, body);
    else this.#transport.cast(between, 'deadlock.relay', { lockId, method, body });
  }

  /** Once: what this node does not reach either is lost, and said again before long. */
  #onRelayed({ lockId, method, body }: Relayed): void {
    const gateway = lockIdNode(lockId as LockId);
    if (gateway === this.#self) this.#sendTo(lockId, method, body);
    else this.#transport.cast(gateway, method, body);
  }
}
