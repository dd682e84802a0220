/**
 * Snapshot reads at any replica (TXN-16, ADR 0014). A leader that has admitted a snapshot read says with its answer,
 * where it can, that the range is settled at that timestamp behind an entry of its log: every write at or below it that
 * will ever commit is in the log up to there, decided. Whoever has applied that entry has the range as it will always be
 * at that timestamp, and needs no leader, lease or clock to read it.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import { spanCovers, spanHasAll } from '../../src/base/span.ts';
import type { Unrouted } from '../range/range-router.ts';
import type { GetRequest, RangeReply, ScanRequest } from '../range/requests.ts';
import type { Replica } from './replica.ts';
import { keysAt, rowsAt } from './state-read.ts';

export type SnapshotRead = Unrouted<GetRequest> | Unrouted<ScanRequest>;

/** What is known of a range: settled at a timestamp behind an entry, in this generation. */
export interface Settled {
  readonly generation: number;
  readonly index: number;
}

/**
 * A read at the timestamp at which the range is settled. Undefined: this replica is not so far, is of another generation,
 * or no longer has all versions; the leader is to be asked.
 */
export function readSettled(
  replica: Replica,
  request: SnapshotRead,
  { generation, index }: Settled,
): MaybePromise<RangeReply> | undefined {
  const { state } = replica;
  if (state.descriptor.generation !== generation) return undefined;
  if (state.appliedIndex < index && !isBroken('TXN-16')) return undefined;
  const { ts } = request;
  if (ts < state.threshold) return undefined;
  const at = { ts, settled: undefined };
  if (request.kind === 'get') {
    if (!spanHasAll(state.descriptor, request.keys)) return undefined;
    reached('read: settled, where it was asked');
    return keysAt(replica, request, at);
  }
  if (!spanCovers(state.descriptor, request.span)) return undefined;
  reached('read: settled, where it was asked');
  return rowsAt(replica, request, at);
}
