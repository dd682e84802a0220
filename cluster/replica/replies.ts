/** Answers that every evaluator gives, and what they share. */
import type { Cancellation } from '../../src/base/cancellation.ts';
import type { RangeReply } from '../range/requests.ts';
import type { Replica } from './replica.ts';

export type Signal = Cancellation | undefined;

/** A request that waits inside the leader (for a record, a ceiling, an office) gives up after this long. */
export const WAIT_MAX_MS = 5000;

export function notLeader(replica: Replica): RangeReply {
  const leader = replica.raft.leader();
  return { kind: 'notLeader', leader: leader === replica.host.self ? undefined : leader };
}

export function moved(replica: Replica): RangeReply {
  const { descriptor } = replica.state;
  return { kind: 'moved', descriptors: [descriptor, ...replica.host.neighbours(descriptor)] };
}
