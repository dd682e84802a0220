/**
 * Raft's properties (Ongaro and Ousterhout 2014, figure 3), of the logs of a run as they are seen from time to time:
 *
 *   election safety      one leader a term
 *   leader append-only   what a leader has in its log stays there for its term
 *   log matching         entries of one index and term are the same, and follow entries of the same term
 *   leader completeness  what was committed is in the log of every leader of a later term
 *   state machine safety what is committed at an index is the same everywhere
 *
 * It sees what is in memory; entries far below the commit index have been seen before.
 */
import { createHash } from 'node:crypto';
import type { RangeId } from '../base/ids.ts';
import type { RaftNode } from '../../cluster/raft/raft-node.ts';
import type { EmbeddedCluster } from './cluster.ts';
import { Violation } from './workload.ts';

/** Of a range, indexes that are remembered below the highest one. */
const REMEMBERED_MAX = 4000;

/** One entry, as somebody has it in the log. */
interface Seen {
  readonly hash: string;
  readonly prevTerm: number | undefined;
}

interface RangeLogs {
  /** By index and term. */
  readonly entries: Map<string, Seen>;
  /** By index: the term of the entry that is committed there, and a term in which that was known. */
  readonly committed: Map<number, { readonly term: number; readonly knownIn: number }>;
  /** By term: who leads, and how far its log went when it was last looked at. */
  readonly leaders: Map<number, { readonly node: number; lastIndex: number }>;
  /** By node: how far its log was committed when it was last looked at. */
  readonly looked: Map<number, number>;
  highestCommitted: number;
}

export class RaftChecker {
  readonly #cluster: EmbeddedCluster;
  readonly #ranges = new Map<RangeId, RangeLogs>();

  constructor(cluster: EmbeddedCluster) {
    this.#cluster = cluster;
  }

  observe(): void {
    for (const { id, node } of this.#cluster.alive()) {
      for (const group of node?.store.groups() ?? []) {
        const { rangeId, raft } = group;
        const logs = this.#logsOf(rangeId);
        if (raft.isLeader) checkLeader(rangeId, logs, id, raft);
        if (!group.isInstalling) look(rangeId, logs, id, raft);
      }
    }
  }

  #logsOf(range: RangeId): RangeLogs {
    let logs = this.#ranges.get(range);
    if (logs === undefined) {
      logs = {
        ...{ entries: new Map(), committed: new Map(), leaders: new Map(), looked: new Map() },
        highestCommitted: 0,
      };
      this.#ranges.set(range, logs);
    }
    return logs;
  }
}

function checkLeader(range: RangeId, logs: RangeLogs, id: number, raft: RaftNode): void {
  const { term: leaderTerm, lastIndex } = raft;
  const known = logs.leaders.get(leaderTerm);
  if (known !== undefined) {
    if (known.node !== id) {
      throw new Violation(
        `nodes ${known.node} and ${id} both lead range ${range} in term ${leaderTerm}`,
      );
    }
    if (lastIndex < known.lastIndex) {
      throw new Violation(`node ${id} leads range ${range}, and its log has become shorter`);
    }
    known.lastIndex = lastIndex;
    return;
  }
  logs.leaders.set(leaderTerm, { node: id, lastIndex });
  for (const [index, { term, knownIn }] of logs.committed) {
    if (raft.term <= knownIn || index < raft.firstIndex) continue;
    if (raft.termAt(index) === term) continue;
    throw new Violation(
      `entry ${index} of range ${range}, committed with term ${term} by term ${knownIn}, is not in the log of ` +
        `node ${id}, which leads it in term ${raft.term}`,
    );
  }
}

/** Takes in what the node has in its log behind what it had committed when it was last looked at. */
function look(range: RangeId, logs: RangeLogs, id: number, raft: RaftNode): void {
  const from = Math.min(logs.looked.get(id) ?? 0, raft.commitIndex);
  logs.looked.set(id, raft.commitIndex);
  for (const { index, term, data } of raft.entriesAfter(from)) {
    const hash = createHash('md5').update(data).digest('base64');
    const prevTerm = raft.termAt(index - 1);
    const key = `${index}/${term}`;
    const seen = logs.entries.get(key);
    if (seen === undefined) logs.entries.set(key, { hash, prevTerm });
    else if (seen.hash !== hash || (seen.prevTerm ?? prevTerm) !== (prevTerm ?? seen.prevTerm)) {
      throw new Violation(
        `range ${range} has two entries ${index} of term ${term}; one at node ${id}`,
      );
    }
    if (index <= raft.commitIndex) commit(range, logs, { index, term, knownIn: raft.term });
  }
  forgetOld(logs);
}

function commit(
  range: RangeId,
  logs: RangeLogs,
  {
    index,
    term,
    knownIn,
  }: { readonly index: number; readonly term: number; readonly knownIn: number },
): void {
  const known = logs.committed.get(index);
  if (known !== undefined && known.term !== term) {
    throw new Violation(
      `entry ${index} of range ${range} is committed with term ${known.term} and with term ${term}`,
    );
  }
  if (known === undefined || knownIn < known.knownIn) logs.committed.set(index, { term, knownIn });
  logs.highestCommitted = Math.max(logs.highestCommitted, index);
}

function forgetOld(logs: RangeLogs): void {
  const lowest = logs.highestCommitted - REMEMBERED_MAX;
  for (const index of logs.committed.keys()) {
    if (index >= lowest) break;
    logs.committed.delete(index);
  }
  for (const key of logs.entries.keys()) {
    if (Number(key.slice(0, key.indexOf('/'))) >= lowest) break;
    logs.entries.delete(key);
  }
}
