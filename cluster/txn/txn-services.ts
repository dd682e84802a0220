/** What the transactions of a node share. */
import type { NodeId, TxnId } from '../../src/base/ids.ts';
import { makeTxnId } from '../../src/base/ids.ts';
import type { Env } from '../../src/env/env.ts';
import type { Hlc } from '../clock/hlc.ts';
import type { QuorumClock } from '../clock/quorum-clock.ts';
import type { RangeRouter } from '../range/range-router.ts';
import type { RangeSender } from '../range/range-sender.ts';
import type { ContentionGate } from './contention-gate.ts';
import type { DeadlockDetector } from './deadlock.ts';
import type { HotTables } from './hot-tables.ts';
import type { LockCensus } from './lock-census.ts';
import type { OpenSnapshots } from './open-snapshots.ts';
import type { Recovery } from './recovery.ts';
import type { SchemaNews } from './schema-news.ts';
import type { OwnReplicas } from './settled-reads.ts';

export interface TxnServices {
  readonly self: NodeId;
  readonly env: Env;
  readonly hlc: Hlc;
  readonly clock: QuorumClock;
  readonly router: RangeRouter;
  readonly sender: RangeSender;
  readonly replicas: OwnReplicas;
  readonly recovery: Recovery;
  readonly deadlocks: DeadlockDetector;
  readonly census: LockCensus;
  readonly ids: IdSource;
  readonly schemaNews: SchemaNews;
  readonly gate: ContentionGate;
  readonly hotTables: HotTables;
  readonly snapshots: OpenSnapshots;
}

/** Attempt ids and lock ids: the HLC now, this node, a counter. */
export class IdSource {
  readonly #self: NodeId;
  readonly #hlc: Hlc;
  #counter = 0;

  constructor(self: NodeId, hlc: Hlc) {
    this.#self = self;
    this.#hlc = hlc;
  }

  next(): TxnId {
    this.#counter = (this.#counter + 1) % 0x100000000;
    return makeTxnId(this.#hlc.read(), this.#self, this.#counter);
  }
}

/** How often a range may have moved before a request gives up, and the pause before it looks again. */
export const MOVES_MAX = 50;
export const MOVED_PAUSE_MS = 5;

/** A request to a range waits this long for an answer that needs replication, and no lock. */
export const REQUEST_TIMEOUT_MS = 8000;
