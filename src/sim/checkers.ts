/**
 * What must hold of the replicas of a run, looked at all the time and at its end: those that have applied the same entry
 * have the same state, and in the end the same versions; nothing undecided or locked is left. Raft's own properties are
 * in raft-checker.ts.
 */
import { createHash } from 'node:crypto';
import type { RangeId } from '../base/ids.ts';
import type { Key } from '../base/span.ts';
import type { Timestamp } from '../base/timestamp.ts';
import type { RaftGroup } from '../../cluster/store/raft-group.ts';
import type { VersionRecord } from '../../storage/mvcc/mvcc-types.ts';
import type { EmbeddedCluster, Machine } from './cluster.ts';
import { Violation } from './workload.ts';
import type { SimWorld } from './world.ts';

/** Which of a range's versions someone may still see, who reads at its threshold or later. */
export class ReadableVersions {
  readonly #threshold: Timestamp;
  /** Of this key the newest version at or below the threshold has come. */
  #settledKey: Key | undefined;

  constructor(threshold: Timestamp) {
    this.#threshold = threshold;
  }

  /** Asked for one after the other, in key order, newest first. */
  isNext({ key, ts, value }: Pick<VersionRecord, 'key' | 'ts' | 'value'>): boolean {
    if (ts > this.#threshold) return true;
    if (key === this.#settledKey) return false;
    this.#settledKey = key;
    return value !== undefined;
  }
}

interface Seen {
  readonly node: number;
  readonly hash: string;
}

export class ReplicaChecker {
  readonly #cluster: EmbeddedCluster;
  /** By range: at which applied index so many of its replicas have been compared. */
  readonly #compared = new Map<RangeId, { readonly index: number; readonly count: number }>();

  constructor(cluster: EmbeddedCluster) {
    this.#cluster = cluster;
  }

  observe(): void {
    const even = new Map<string, [Machine, RaftGroup][]>();
    for (const [machine, group] of this.#groups()) {
      const { rangeId, state } = group;
      if (group.isBroken || group.isInstalling || group.isApplying) continue;
      const key = `${rangeId}/${state.appliedIndex}`;
      const replicas = even.get(key);
      if (replicas === undefined) even.set(key, [[machine, group]]);
      else replicas.push([machine, group]);
    }
    for (const replicas of even.values()) if (replicas.length > 1) this.#compare(replicas);
  }

  /** All have applied the same entry of their range. */
  #compare(replicas: readonly [Machine, RaftGroup][]): void {
    const [[one, first], ...others] = replicas as [[Machine, RaftGroup]];
    const { rangeId, state } = first;
    const known = this.#compared.get(rangeId);
    if (known?.index === state.appliedIndex && known.count >= replicas.length) return;
    this.#compared.set(rangeId, { index: state.appliedIndex, count: replicas.length });
    const bytes = state.encode();
    for (const [other, group] of others as readonly [Machine, RaftGroup][]) {
      if (group.state.encode().equals(bytes)) continue;
      throw new Violation(
        `nodes ${one.id} and ${other.id} have applied range ${rangeId} up to entry ${state.appliedIndex}, and differ`,
      );
    }
  }

  *#groups(): Generator<[Machine, RaftGroup]> {
    for (const machine of this.#cluster.alive()) {
      for (const group of machine.node?.store.groups() ?? []) yield [machine, group];
    }
  }

  /** What has not come to an end: replicas without data, undecided transactions, locks that nobody holds any more. */
  leftovers(): string[] {
    const left = this.#missingReplicas();
    for (const [{ id }, { rangeId, state, replica }] of this.#groups()) {
      if (state.prepared.size > 0)
        left.push(`node ${id}, range ${rangeId}: ${state.prepared.size} undecided`);
      const locks = replica.office?.locks.lockCount ?? 0;
      if (locks > 0) left.push(`node ${id}, range ${rangeId}: ${locks} row locks`);
    }
    return left;
  }

  /** Every node that is up has the data of every range that it is to have. */
  #missingReplicas(): string[] {
    const ranges = new Set([...this.#groups()].map(([, { rangeId }]) => rangeId));
    return this.#cluster.alive().flatMap(({ id, node }) =>
      [...ranges].flatMap((range) => {
        const group = node?.store.group(range);
        const isThere = group !== undefined && !group.isBroken && !group.isInstalling;
        return isThere ? [] : [`node ${id}: no data of range ${range}`];
      }),
    );
  }

  /**
   * All replicas of a range have the same versions, once they have applied the same: those that anyone may still read.
   * Of the others each deletes what it likes, when it likes.
   */
  async compareVersions(world: SimWorld): Promise<void> {
    const found = new Map<string, Seen>();
    for (const [{ id }, { rangeId, state, replica }] of [...this.#groups()]) {
      const stream = replica.host.mvcc.versions(state.descriptor);
      const hash = createHash('sha256');
      const readable = new ReadableVersions(state.threshold);
      for (;;) {
        const batch = await world.settle(stream.next());
        if (batch === undefined) break;
        for (const version of batch) {
          const { key, ts, txnId, value } = version;
          if (!readable.isNext(version)) continue;
          hash.update(`${key.length}/${key}/${ts}/${txnId}/${value?.length ?? -1}/`, 'latin1');
          if (value !== undefined) hash.update(value);
        }
      }
      await world.settle(stream.close());
      const key = `${rangeId}/${state.appliedIndex}`;
      const mine = hash.digest('hex');
      const seen = found.get(key);
      if (seen === undefined) found.set(key, { node: id, hash: mine });
      else if (seen.hash !== mine) {
        throw new Violation(
          `nodes ${seen.node} and ${id} have different versions of range ${rangeId}`,
        );
      }
    }
  }
}
