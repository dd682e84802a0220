/** What a Raft node is told when it is made, and what it tells of itself. */
import type { Counters } from '../../src/base/counters.ts';
import type { NodeId } from '../../src/base/ids.ts';
import type { Random } from '../../src/env/env.ts';
import type { LeadershipOptions, PeerStatus } from './leadership.ts';
import type { Entry } from './messages.ts';
import type { Configuration } from './quorum.ts';
import type { HardState, SoftState } from './ready.ts';

export interface RaftOptions extends LeadershipOptions {
  /** Proposals not yet committed, in bytes: beyond it no more are taken. */
  readonly uncommittedBytesMax: number;
  /** Committed entries handed out in one Ready, in bytes. */
  readonly applyBytesMax: number;
  /** Entries kept in memory for peers that lag, in bytes. */
  readonly tailBytesMax: number;
}

export interface RaftStart {
  readonly self: NodeId;
  readonly configuration: Configuration;
  readonly hardState: HardState;
  /** What the state machine has applied: the boundary of the log in memory. */
  readonly applied: { readonly index: number; readonly term: number };
  /** The entries after it. */
  readonly entries: readonly Entry[];
  /** The first index of the durable log, when the caller answers `logReads`; otherwise memory is all there is. */
  readonly logFirst?: number;
  /** The data of a new leader's first entry. */
  readonly noopData: () => Uint8Array;
  readonly random: Random;
  readonly counters: Counters;
}

export interface RaftStatus extends SoftState {
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly persistedIndex: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly isQuiescent: boolean;
  readonly peers: readonly PeerStatus[];
}
