/** The simulator's checker of Raft's properties says so when one is broken. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { EmbeddedCluster } from '../../../src/sim/cluster.ts';
import { RaftChecker } from '../../../src/sim/raft-checker.ts';

/** What one node shows of its log: terms by index, from 1 on. */
interface Log {
  terms: number[];
  term: number;
  isLeader: boolean;
  commitIndex: number;
  /** By index, where the data is not what the term says. */
  data?: Record<number, string>;
}

let nodes: Log[];
let checker: RaftChecker;

function raftOf(log: Log): object {
  return {
    ...{ isLeader: log.isLeader, term: log.term, commitIndex: log.commitIndex },
    ...{ firstIndex: 1, lastIndex: log.terms.length },
    termAt: (index: number) => (index === 0 ? 0 : log.terms[index - 1]),
    entriesAfter: (from: number) =>
      log.terms.slice(from).map((term, i) => {
        const index = from + i + 1;
        return { index, term, data: Buffer.from(log.data?.[index] ?? `${index}/${term}`) };
      }),
  };
}

beforeEach(() => {
  const fresh = (): Log => ({ terms: [1, 1, 1], term: 1, isLeader: false, commitIndex: 2 });
  nodes = [{ ...fresh(), isLeader: true }, fresh(), fresh()];
  const alive = (): object[] =>
    nodes.map((log, i) => {
      const group = { rangeId: 7, raft: raftOf(log), isInstalling: false };
      return { id: i + 1, node: { store: { groups: () => [group] } } };
    });
  checker = new RaftChecker({ alive } as unknown as EmbeddedCluster);
  checker.observe();
});

const node = (id: number): Log => nodes[id - 1]!;

describe('nothing is wrong with', () => {
  it('a log that grows, and a new leader that has it', () => {
    node(1).terms.push(1, 1);
    node(1).commitIndex = 4;
    node(2).terms.push(1);
    checker.observe();
    Object.assign(node(1), { isLeader: false });
    Object.assign(node(2), { isLeader: true, term: 2, terms: [1, 1, 1, 1, 2] });
    checker.observe();
    // What was not committed is replaced.
    Object.assign(node(1), { term: 2, terms: [1, 1, 1, 1, 2], commitIndex: 5 });
    checker.observe();
  });

  it('a deposed leader that has not heard of it, and lacks what was committed since', () => {
    Object.assign(node(2), { isLeader: true, term: 2, terms: [1, 1, 1, 2], commitIndex: 4 });
    Object.assign(node(3), { term: 2, terms: [1, 1, 1, 2], commitIndex: 4 });
    checker.observe();
    expect(node(1).isLeader).toBe(true);
  });
});

describe('it sees', () => {
  it('two leaders of a term', () => {
    node(2).isLeader = true;
    expect(() => checker.observe()).toThrow('both lead range 7 in term 1');
  });

  it('a leader that takes back what it had', () => {
    node(1).terms.pop();
    expect(() => checker.observe()).toThrow('its log has become shorter');
  });

  it('two entries of one index and term', () => {
    node(1).terms.push(1);
    Object.assign(node(2), { terms: [1, 1, 1, 1], data: { 4: 'other' } });
    expect(() => checker.observe()).toThrow('two entries 4 of term 1');
  });

  it('the same entry behind two different ones', () => {
    Object.assign(node(2), { term: 3, terms: [1, 1, 2, 3] });
    Object.assign(node(3), { term: 3, terms: [1, 1, 1, 3] });
    expect(() => checker.observe()).toThrow('two entries 4 of term 3');
  });

  it('a leader without what was committed', () => {
    Object.assign(node(1), { isLeader: false, commitIndex: 3 });
    checker.observe();
    Object.assign(node(2), { isLeader: true, term: 2, terms: [1, 1, 2] });
    expect(() => checker.observe()).toThrow('is not in the log of node 2');
  });

  it('an index at which two entries are committed', () => {
    Object.assign(node(1), { commitIndex: 3 });
    checker.observe();
    Object.assign(node(3), { term: 2, terms: [1, 1, 2], commitIndex: 3 });
    expect(() => checker.observe()).toThrow('committed with term 1 and with term 2');
  });
});
