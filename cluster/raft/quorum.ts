/**
 * Who belongs to a group, and what a quorum of it is. The configuration is a value carried by every node of the group;
 * `outgoing` is there for joint consensus: while it is not empty, decisions need a majority of both sets.
 */
import type { NodeId } from '../../src/base/ids.ts';

export interface Configuration {
  readonly voters: readonly NodeId[];
  readonly outgoing: readonly NodeId[];
  /** Get entries, and neither vote nor count. */
  readonly learners: readonly NodeId[];
}

export function configurationOf(voters: readonly NodeId[]): Configuration {
  return { voters, outgoing: [], learners: [] };
}

/** Everyone who gets entries. */
export function membersOf(configuration: Configuration): readonly NodeId[] {
  const { voters, outgoing, learners } = configuration;
  return [...new Set([...voters, ...outgoing, ...learners])];
}

export function isVoter(configuration: Configuration, node: NodeId): boolean {
  return configuration.voters.includes(node) || configuration.outgoing.includes(node);
}

/**
 * The largest value that a quorum has reached: `reached(node)` per voter. An empty set constrains nothing.
 * With `reached` as match index it is the commit index, with send times the age of the lease.
 */
export function quorumValue(
  configuration: Configuration,
  reached: (node: NodeId) => number,
): number {
  const incoming = majorityValue(configuration.voters, reached);
  if (configuration.outgoing.length === 0) return incoming;
  return Math.min(incoming, majorityValue(configuration.outgoing, reached));
}

export type VoteResult = 'won' | 'lost' | 'pending';

/** `votes`: who has answered, and what. */
export function voteResult(
  configuration: Configuration,
  votes: ReadonlyMap<NodeId, boolean>,
): VoteResult {
  const incoming = majorityVote(configuration.voters, votes);
  const outgoing = majorityVote(configuration.outgoing, votes);
  if (incoming === 'lost' || outgoing === 'lost') return 'lost';
  return incoming === 'pending' || outgoing === 'pending' ? 'pending' : 'won';
}

/** Values of one set, sorted: reused, because a leader asks on every acknowledgement. */
const sorted: number[] = [];

function majorityValue(set: readonly NodeId[], reached: (node: NodeId) => number): number {
  if (set.length === 0) return Number.POSITIVE_INFINITY;
  sorted.length = 0;
  for (const node of set) {
    const value = reached(node);
    let at = sorted.length;
    sorted.push(value);
    for (; at > 0 && (sorted[at - 1] ?? 0) < value; at--) sorted[at] = sorted[at - 1] ?? 0;
    sorted[at] = value;
  }
  return sorted[Math.floor(set.length / 2)] ?? Number.NEGATIVE_INFINITY;
}

function majorityVote(set: readonly NodeId[], votes: ReadonlyMap<NodeId, boolean>): VoteResult {
  if (set.length === 0) return 'won';
  const majority = Math.floor(set.length / 2) + 1;
  let granted = 0;
  let refused = 0;
  for (const node of set) {
    const vote = votes.get(node);
    if (vote === true) granted++;
    else if (vote === false) refused++;
  }
  if (granted >= majority) return 'won';
  return set.length - refused < majority ? 'lost' : 'pending';
}
