/**
 * The only exit of the Raft core: duties for its caller, in this order.
 *
 * 1. `messages` may leave at once: the leader's appends go in parallel with its own sync.
 * 2. `truncateFrom`, `entries` and `hardState` go to durable storage, in the order of the Readies; when that is synced
 *    the caller says `persisted` with the last entry. Further Readies may be taken meanwhile.
 * 3. `afterPersist` leaves when everything of this and earlier Readies is durable: acknowledgements and votes.
 * 4. `committed` is applied, in order; the caller says `applied`.
 */
import type { NodeId } from '../../src/base/ids.ts';
import type { Entry, Message } from './messages.ts';

export interface HardState {
  readonly term: number;
  /** Whom this node has voted for in `term`; 0: nobody. */
  readonly vote: number;
}

export interface Ready {
  readonly messages: readonly Message[];
  readonly hardState: HardState | undefined;
  /** Durable entries from this index on are to be removed before `entries` are appended. */
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
  readonly afterPersist: readonly Message[];
  readonly committed: readonly Entry[];
  /** Peers whose next entry is no longer in the log: they need a snapshot, to be reported with `reportSnapshot`. */
  readonly snapshotsFor: readonly NodeId[];
}
