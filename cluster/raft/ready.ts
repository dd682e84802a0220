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

export type Role = 'follower' | 'precandidate' | 'candidate' | 'leader';

export interface HardState {
  readonly term: number;
  /** Whom this node has voted for in `term`; 0: nobody. */
  readonly vote: number;
}

/** What nobody has to keep. */
export interface SoftState {
  readonly role: Role;
  readonly term: number;
  readonly leader: NodeId | undefined;
}

/**
 * Durable entries from `from` on, below `to`, about `bytesMax` of them and at least two if there are, wanted for a peer:
 * `entriesRead`.
 */
export interface LogRead {
  readonly peer: NodeId;
  readonly term: number;
  readonly from: number;
  readonly to: number;
  readonly bytesMax: number;
}

export interface Ready {
  /** Set when something of it has changed since the last Ready. */
  readonly softState: SoftState | undefined;
  readonly messages: readonly Message[];
  readonly hardState: HardState | undefined;
  /** Durable entries from this index on are to be removed before `entries` are appended. */
  readonly truncateFrom: number | undefined;
  readonly entries: readonly Entry[];
  readonly afterPersist: readonly Message[];
  readonly committed: readonly Entry[];
  /** Peers whose next entry is no longer in the log: they need a snapshot, to be reported with `reportSnapshot`. */
  readonly snapshotsFor: readonly NodeId[];
  /** Only when the node was told that its durable log can be read. */
  readonly logReads: readonly LogRead[];
}

/**
 * Of messages that wait for the log, those to be kept back when it is durable up to `saved` only: from the first on that
 * acknowledges more, so that nothing overtakes an acknowledgement. They are removed from `waiting`.
 */
export function takeEarly(waiting: Message[], saved: number): Message[] {
  const isEarly = (message: Message): boolean =>
    message.kind === 'appendReply' && message.isOk && message.index > saved;
  const first = waiting.findIndex(isEarly);
  return first < 0 ? [] : waiting.splice(first);
}
