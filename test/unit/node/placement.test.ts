/** What a cluster loses with a host. */
import { describe, expect, it } from 'vitest';
import { acceptorsOf, hostWarnings } from '../../../src/node/placement.ts';

/** One letter a member, the host it is on. */
function warnings(hosts: string): readonly string[] {
  return hostWarnings(hosts.split('').map((host, i) => ({ id: i + 1, host, peerPort: 7000 + i })));
}

const VOTERS = 'of the voters of every range are on';
const STOPS = 'the cluster stops when that host does';

describe('hosts', () => {
  it.each(['a', 'aaa', 'abc', 'abcab', 'abcabc', 'abcabca'])(
    '%s: may fail, or there is one',
    (hosts) => {
      expect(warnings(hosts)).toEqual([]);
    },
  );

  it.each([
    ['ab', [`1 ${VOTERS} a: ${STOPS}`, `1 ${VOTERS} b: ${STOPS}`]],
    ['aab', [`2 ${VOTERS} a: ${STOPS}`]],
    ['abab', [`2 ${VOTERS} a: ${STOPS}`, `2 ${VOTERS} b: ${STOPS}`]],
    ['aabbcca', []],
    ['aaabbcc', [`3 of the acceptors of the clock, the first of the list, are on a: ${STOPS}`]],
  ])('%s', (hosts, expected) => {
    expect(warnings(hosts)).toEqual(expected);
  });

  it('hold the acceptors of the clock: one, three or five of the first', () => {
    const counts = [1, 2, 3, 4, 5, 6, 7].map((n) => acceptorsOf(Array.from({ length: n })).length);
    expect(counts).toEqual([1, 1, 3, 3, 5, 5, 5]);
  });
});
