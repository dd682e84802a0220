/**
 * Row locks of sessions that are gone (TXN-6: a session's locks end with it). Its gateway tells the leaders when it ends,
 * but frames get lost, and one that asks for a lock may come again when all is over. So a leader asks the gateways now and
 * then about the sessions that have held locks for a while, and is told of those that nobody knows.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import type { LockId, NodeId, RangeId } from '../../src/base/ids.ts';
import type { RangeSender } from '../range/range-sender.ts';
import type { Transport } from '../transport/transport.ts';

const METHOD = 'lock.census';
/** Asked about at a time; the others will be asked about when these are gone. */
const SESSIONS_MAX = 1000;

interface CensusBody {
  readonly rangeId: number;
  readonly lockIds: readonly string[];
}

export class LockCensus {
  readonly #self: NodeId;
  readonly #sender: RangeSender;
  readonly #transport: Transport;
  /** Sessions of this gateway that may hold locks. */
  readonly #sessions = new ChurnMap<LockId, true>();

  constructor(ports: { self: NodeId; sender: RangeSender; transport: Transport }) {
    this.#self = ports.self;
    this.#sender = ports.sender;
    this.#transport = ports.transport;
    ports.transport.register(METHOD, (body, { from }) => this.#onAsked(from, body as CensusBody));
  }

  /** Before a session's first request for a lock leaves. */
  enter(lockId: LockId): void {
    this.#sessions.set(lockId, true);
  }

  leave(lockId: LockId): void {
    this.#sessions.delete(lockId);
  }

  /** The leader's side. */
  ask(gateway: NodeId, range: RangeId, lockIds: readonly LockId[]): void {
    const body: CensusBody = { rangeId: range, lockIds: lockIds.slice(0, SESSIONS_MAX) };
    if (gateway === this.#self) this.#onAsked(this.#self, body);
    else this.#transport.cast(gateway, METHOD, body);
  }

  /** Whoever asks is the one that holds them. */
  #onAsked(leader: NodeId, { rangeId, lockIds }: CensusBody): void {
    for (const lockId of lockIds as readonly LockId[]) {
      if (this.#sessions.has(lockId)) continue;
      this.#sender.cast(leader, { kind: 'release', rangeId, generation: 0, lockId });
    }
  }
}
