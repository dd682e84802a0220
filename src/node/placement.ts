/**
 * Which members do what, and what a cluster loses with a host. Every member is a voter of every range until replicas can
 * be moved; the first few of the list are the acceptors of the clock.
 */
import type { MemberConfig } from './config.ts';

/** So few that a round is cheap, so many that one or two may be down. */
export function acceptorsOf<T>(members: readonly T[]): readonly T[] {
  return members.slice(0, members.length >= 5 ? 5 : members.length >= 3 ? 3 : 1);
}

/** Sentences for people: hosts without which the cluster stops, where there are several hosts. */
export function hostWarnings(members: readonly MemberConfig[]): readonly string[] {
  const hosts = [...new Set(members.map(({ host }) => host))];
  if (hosts.length === 1) return [];
  const roles = [
    ['of the voters of every range', members],
    ['of the acceptors of the clock, the first of the list,', acceptorsOf(members)],
  ] as const;
  return hosts.flatMap((host) => {
    const found = roles.find(([, all]) => {
      const left = all.filter((member) => member.host !== host).length;
      return left < majorityOf(all.length);
    });
    if (found === undefined) return [];
    const [role, all] = found;
    const here = all.filter((member) => member.host === host).length;
    return [`${here} ${role} are on ${host}: the cluster stops when that host does`];
  });
}

function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}
