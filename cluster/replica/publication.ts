/** When the appends of a range's entries are the publication of their timestamps (CLOCK-2). */
import type { Replica } from './replica.ts';

/**
 * CLOCK-2: an entry that is committed has been acknowledged, in this term, by a majority of the range's voters, each
 * after forwarding its clock; where the voters are the acceptors, that is its publication.
 */
export function isPublishedByAppends(replica: Replica): boolean {
  const { acceptors } = replica.host.clock;
  const { replicas } = replica.state.descriptor;
  return acceptors.length === replicas.length && replicas.every((id) => acceptors.includes(id));
}
