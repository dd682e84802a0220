/**
 * Splits, leader transfers, and what a range says of itself.
 *
 * RANGE-2: a split waits until nothing undecided touches a fence and nothing is staged, because the copy of the fence
 * and the parts are made when the entry is applied; other undecided records go to both halves. LEASE-3: from the
 * proposal until it is applied the range serves nothing.
 * RANGE-1: a transfer begins with a hand-over entry that sets the ceiling to the leader's HLC; from its proposal the
 * leader serves nothing more in its term.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import { spanContains } from '../../src/base/span.ts';
import { TABLES_SPAN } from '../../src/kv/keyspace.ts';
import type { RangeReply, SplitRequest, TransferRequest } from '../range/requests.ts';
import { fenceBefore } from './apply.ts';
import { moved } from './replies.ts';
import type { Office } from './office.ts';
import type { Replica } from './replica.ts';

export function splitRange(
  replica: Replica,
  office: Office,
  request: SplitRequest,
): MaybePromise<RangeReply> {
  const { state, host } = replica;
  const { at } = request;
  const { descriptor } = state;
  if (at === descriptor.start) return { kind: 'done' };
  if (!spanContains(descriptor, at)) return moved(replica);
  if (state.staged.size > 0)
    return { kind: 'unavailable', reason: 'a large transaction is staged' };
  if (isFenceHeld(replica, office)) {
    return { kind: 'unavailable', reason: 'a schema change is under way' };
  }
  const fence = fenceBefore(at, descriptor.start);
  if (spanContains(TABLES_SPAN, at) && fence === undefined) return moved(replica);
  const ts = host.hlc.next();
  const command = { kind: 'split', ts, at, rightId: request.rightId } as const;
  return new Promise((resolve) => {
    const done = (isApplied: boolean): void => {
      office.isSplitting = false;
      office.noteChange();
      resolve(isApplied ? { kind: 'done' } : { kind: 'lost' });
    };
    office.isSplitting = replica.propose(office, command, done);
    if (!office.isSplitting) resolve({ kind: 'unavailable', reason: 'the log takes no entries' });
  });
}

/** Does anything undecided write a fence of this range? */
function isFenceHeld(replica: Replica, office: Office): boolean {
  const { start } = replica.state.descriptor;
  for (const holder of office.pending.values()) {
    for (const key of holder.keys) {
      if (key === start || key.length === 2 + key.charCodeAt(1)) return true;
    }
  }
  return false;
}

export function transferLeadership(
  replica: Replica,
  office: Office,
  request: TransferRequest,
): MaybePromise<RangeReply> {
  const { state, host } = replica;
  if (request.to === host.self) return { kind: 'done' };
  if (!state.descriptor.replicas.includes(request.to)) {
    return { kind: 'unavailable', reason: `node ${request.to} has no replica of the range` };
  }
  const command = { kind: 'handover', ts: host.hlc.next() } as const;
  return new Promise((resolve) => {
    const done = (isApplied: boolean): void => {
      if (!isApplied) {
        resolve({ kind: 'lost' });
        return;
      }
      replica.raft.transferLeader(request.to);
      host.wake(replica.rangeId);
      resolve({ kind: 'done' });
    };
    office.isHandingOver = replica.propose(office, command, done);
    if (!office.isHandingOver) {
      resolve({ kind: 'unavailable', reason: 'the log takes no entries now' });
    }
    office.noteChange();
  });
}

export function describeRange(replica: Replica): MaybePromise<RangeReply> {
  const { descriptor } = replica.state;
  return thenMaybe(replica.host.mvcc.sizeOf(descriptor), (sizeBytes): RangeReply => ({
    kind: 'described',
    descriptor,
    neighbours: replica.host.neighbours(descriptor),
    leader: replica.raft.leader(),
    sizeBytes,
  }));
}
