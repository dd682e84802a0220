/**
 * What replicas of a range say to each other. `sentAt` is the sender's monotonic clock, opaque to the receiver, which
 * echoes it: the leader learns from the echo how old the round is that a peer has acknowledged (the lease).
 */
import type { NodeId } from '../../src/base/ids.ts';

export interface Entry {
  readonly index: number;
  readonly term: number;
  /** A command; nobody changes it. */
  readonly data: Uint8Array;
}

interface Addressed {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: number;
}

/** A candidacy; a pre-vote asks without raising anyone's term. `isForced`: by TimeoutNow, lease or not. */
export interface VoteRequest extends Addressed {
  readonly kind: 'vote' | 'prevote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly isForced: boolean;
}
export interface VoteReply extends Addressed {
  readonly kind: 'voteReply' | 'prevoteReply';
  readonly isGranted: boolean;
}
export interface Append extends Addressed {
  readonly kind: 'append';
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly commit: number;
  readonly entries: readonly Entry[];
  readonly sentAt: number;
}
export interface AppendReply extends Addressed {
  readonly kind: 'appendReply';
  readonly isOk: boolean;
  /** Ok: the highest index known to match. Refused: the `prevIndex` that did not. */
  readonly index: number;
  /** Refused: where the logs may agree at most, and the term there. */
  readonly hintIndex: number;
  readonly hintTerm: number;
  readonly sentAt: number;
}
export interface Heartbeat extends Addressed {
  readonly kind: 'heartbeat';
  readonly commit: number;
  readonly sentAt: number;
}
export interface HeartbeatReply extends Addressed {
  readonly kind: 'heartbeatReply';
  readonly sentAt: number;
}
export interface TimeoutNow extends Addressed {
  readonly kind: 'timeoutNow';
}

export type Message =
  VoteRequest | VoteReply | Append | AppendReply | Heartbeat | HeartbeatReply | TimeoutNow;
