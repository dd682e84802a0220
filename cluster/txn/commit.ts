/**
 * COMMIT (TXN-7 to TXN-11): groups what a transaction read and wrote by range, and asks each range for its vote. One
 * participant decides alone, in one entry; with several the transaction is committed at the instant the last prepare is
 * durable, at the highest prepareTs, which is published before anyone is told. Resolves leave after that, behind the
 * client's back.
 *
 * TXN-11: a refusal is final here, because a prepare is sent again only where the one before certainly was not handled.
 * Where that is not certain, the outcome is learnt by recovery before anyone is told; if it cannot be learnt: 40003.
 * A range that has split refuses, and the attempt is aborted durably and made again under a new id.
 */
import { assert, must } from '../../src/base/assert.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import { isPromise, thenMaybe } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { isBroken } from '../../src/base/mutant.ts';
import { reached } from '../../src/base/probe.ts';
import type { Key, Span } from '../../src/base/span.ts';
import {
  KEY_MAX,
  KEY_MIN,
  intersectSpans,
  spanContains,
  spansOverlap,
} from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { TS_ZERO } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import { KvError, SchemaMismatch } from '../../src/kv/kv-errors.ts';
import { tableSpan } from '../../src/kv/keyspace.ts';
import type { RangeDescriptor } from '../range/range-descriptor.ts';
import type { Attempted, Unrouted } from '../range/range-router.ts';
import { FIND_LEADER_MS } from '../range/range-router.ts';
import type {
  DeferredChange,
  LockGrant,
  PrepareRequest,
  RangeReply,
  StageRequest,
  Write,
} from '../range/requests.ts';
import { encodeChunk } from '../range/write-chunk.ts';
import type { ReadSet } from './read-set.ts';
import type { Outcome } from './recovery.ts';
import type { TxnServices } from './txn-services.ts';
import { REQUEST_TIMEOUT_MS } from './txn-services.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface CommitInput {
  readonly lockId: LockId;
  readonly readTs: Timestamp;
  readonly reads: ReadSet;
  readonly writes: WriteBuffer;
  /** Put off until now (TXN-17): only where one range is all that takes part. */
  readonly changes: readonly DeferredChange[];
  /** Rows locked FOR UPDATE; those that were written too count as writes. */
  readonly lockedKeys: ReadonlySet<Key>;
  readonly grants: readonly LockGrant[];
  /** Tables whose schema version changes. */
  readonly fenceWrites: ReadonlyMap<number, number>;
  /** A range has committed, and by that ended the session's locks in it: it need not be told. */
  readonly onReleased: (rangeId: number) => void;
  /** The schema versions that writes were planned with, but for the tables just named. */
  readonly planned: readonly TableFence[];
}

/** What one range is asked for. */
interface Participant {
  readonly descriptor: RangeDescriptor;
  readonly reads: Span[];
  writes: Write[];
  readonly changes: DeferredChange[];
  readonly lockedKeys: Key[];
  readonly fences: number[];
  readonly planned: TableFence[];
  readonly fenceWrites: { tableId: number; version: number }[];
  stagedParts: number;
}

/** What became of one prepare. */
type Vote =
  | { readonly kind: 'prepared'; readonly ts: Timestamp; readonly isPublished: boolean }
  | { readonly kind: 'committed'; readonly ts: Timestamp }
  | { readonly kind: 'refused'; readonly why: string; readonly cause?: SchemaMismatch }
  | { readonly kind: 'moved' }
  /** Its deferred changes cannot be run there as they were forecast. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'unknown' };

const REGROUPS_MAX = 10;
const STAGE_PART_BYTES = 1 << 20;
const RETRY_MS = 20;
/** What applying one staged part may take on a busy disk. */
const STAGED_PART_MS = 1000;

/** Resolves to the commit timestamp; throws `conflict`, `ambiguous`, `unavailable`. */
export function commitTxn(services: TxnServices, input: CommitInput): MaybePromise<Timestamp> {
  assert(input.changes.length === 0, 'changes that were put off have not been run');
  if (!input.writes.isLarge) {
    const participants = group(services, input);
    const only = participants.length === 1 ? participants[0] : undefined;
    if (only !== undefined) {
      return thenMaybe(commitOnePhase(services, input, only), (ts) => must(ts));
    }
  }
  return commitSlow(services, input, 0);
}

/**
 * As `commitTxn`, with changes that were put off (TXN-17). Undefined: certainly nothing has happened, and they are to be
 * run as statements first.
 */
export function commitDeferred(
  services: TxnServices,
  input: CommitInput,
): MaybePromise<Timestamp | undefined> {
  if (input.writes.isLarge || input.fenceWrites.size > 0) return undefined;
  const participants = group(services, input);
  const only = participants.length === 1 ? participants[0] : undefined;
  return only === undefined ? undefined : commitOnePhase(services, input, only);
}

async function commitSlow(
  services: TxnServices,
  input: CommitInput,
  regroups: number,
): Promise<Timestamp> {
  if (regroups > 0) reached('commit: regrouped after a split');
  const txnId = services.ids.next();
  const participants = group(services, input);
  const writers = participants.filter((each) => each.writes.length > 0 || isStaged(input, each));
  const anchor = firstKeyWritten(input, writers[0] ?? must(participants[0]));
  const spans = participants.map(({ descriptor: { start, end } }) => ({ start, end }));
  let isMoved = false;
  for (const participant of participants) {
    if (!isStaged(input, participant)) continue;
    if (!(await stage(services, input, participant, txnId))) isMoved = true;
  }
  const votes: Vote[] = isMoved
    ? [{ kind: 'moved' }]
    : await Promise.all(
        participants.map(async (participant, i) => {
          const request = prepareOf(input, participant, {
            txnId,
            anchor,
            onePhase: participants.length === 1,
            participants: participant === (writers[0] ?? participants[0]) ? spans : undefined,
            span: must(spans[i]),
          });
          return await askVote(services, participant.descriptor, request);
        }),
      );
  return decide(services, input, { txnId, anchor, spans, votes, regroups });
}

interface Voted {
  readonly txnId: TxnId;
  readonly anchor: Key;
  readonly spans: readonly Span[];
  readonly votes: readonly Vote[];
  readonly regroups: number;
}

async function decide(
  services: TxnServices,
  input: CommitInput,
  { txnId, anchor, spans, votes, regroups }: Voted,
): Promise<Timestamp> {
  const { recovery } = services;
  const single = votes.length === 1 ? votes[0] : undefined;
  if (single?.kind === 'committed') {
    services.env.counters.txnsOnePhase++;
    return single.ts;
  }
  if (votes.every((vote) => vote.kind === 'prepared' || vote.kind === 'committed')) {
    const ts = await publishHighest(services, votes);
    recovery.tell(txnId, anchor, spans, ts);
    services.env.counters.txnsTwoPhase++;
    return ts;
  }
  // A "no" that is final settles it, whatever became of the others: nobody can commit without that vote.
  const refused = votes.find((vote) => vote.kind === 'refused');
  const moved = votes.some((vote) => vote.kind === 'moved');
  const unavailable = votes.some((vote) => vote.kind === 'unavailable');
  if (refused === undefined && !moved && !unavailable) {
    return learn(await recovery.recover(txnId, anchor, false));
  }
  if (votes.length === 1 && moved && regroups < REGROUPS_MAX) {
    return commitSlow(services, input, regroups + 1);
  }
  if (refused !== undefined || regroups >= REGROUPS_MAX) {
    recovery.tell(txnId, anchor, spans, TS_ZERO);
    throw refused?.cause ?? new KvError('conflict', refused?.why ?? 'ranges keep moving');
  }
  if (moved) {
    // The next attempt would meet this one's records: they go first.
    await recovery.tellNow(txnId, anchor, spans, TS_ZERO);
    return commitSlow(services, input, regroups + 1);
  }
  recovery.tell(txnId, anchor, spans, TS_ZERO);
  throw new KvError(
    'unavailable',
    'a range of this transaction is unavailable; nothing was committed',
  );
}

function learn(outcome: Outcome): Timestamp {
  if (outcome.kind === 'committed') return outcome.ts;
  if (outcome.kind === 'aborted') throw new KvError('conflict', 'the transaction was aborted');
  reached('commit: the outcome was not known');
  throw new KvError('ambiguous', 'the outcome of the commit is not known');
}

/** CLOCK-2: the participant with the largest timestamp vouches for it when its appends have published it. */
async function publishHighest(services: TxnServices, votes: readonly Vote[]): Promise<Timestamp> {
  let ts = TS_ZERO;
  let isPublished = false;
  for (const vote of votes) {
    if (vote.kind === 'committed') return vote.ts;
    if (vote.kind === 'prepared' && vote.ts > ts) {
      ts = vote.ts;
      isPublished = vote.isPublished;
    }
  }
  if (isPublished) return ts;
  try {
    return await services.clock.tryPublish(ts).then(() => ts);
  } catch (error) {
    // Committed, but it must not be said (TXN-9).
    if (!(error instanceof KvError) || error.code !== 'unavailable') throw error;
    throw new KvError('ambiguous', error.message);
  }
}

/* ---------- one participant ---------- */

function commitOnePhase(
  services: TxnServices,
  input: CommitInput,
  participant: Participant,
): MaybePromise<Timestamp | undefined> {
  const txnId = services.ids.next();
  const { start, end } = participant.descriptor;
  const anchor = firstKeyWritten(input, participant);
  const span = { start, end };
  const request = prepareOf(input, participant, {
    txnId,
    anchor,
    onePhase: true,
    participants: undefined,
    span,
  });
  const finish = (vote: Vote): MaybePromise<Timestamp | undefined> => {
    if (vote.kind === 'committed') {
      input.onReleased(participant.descriptor.rangeId);
      services.env.counters.txnsOnePhase++;
      return vote.ts;
    }
    const isUndone = vote.kind === 'elsewhere' || vote.kind === 'moved';
    if (input.changes.length > 0 && isUndone) return undefined;
    return decide(services, input, { txnId, anchor, spans: [span], votes: [vote], regroups: 0 });
  };
  const vote = askVote(services, participant.descriptor, request);
  return isPromise(vote) ? vote.then(finish) : finish(vote);
}

/**
 * One vote. Sent again only while it certainly was not handled: to the leader that a refusal names, or after a pause.
 */
function askVote(
  services: TxnServices,
  descriptor: RangeDescriptor,
  request: Unrouted<PrepareRequest>,
): MaybePromise<Vote> {
  const first = services.router.sendOnce(descriptor, request, {
    timeoutMs: voteTimeoutMs(request),
  });
  if (!isPromise(first)) {
    const vote = voteOf(services, first);
    if (vote !== undefined) return vote;
  }
  return askVoteSlow(services, descriptor, request, first);
}

async function askVoteSlow(
  services: TxnServices,
  descriptor: RangeDescriptor,
  request: Unrouted<PrepareRequest>,
  first: MaybePromise<Attempted>,
): Promise<Vote> {
  const { env, router } = services;
  const deadline = env.clock.monotonicMs() + FIND_LEADER_MS;
  let attempted = await first;
  for (let tries = 1; ; tries++) {
    const vote = voteOf(services, attempted);
    if (vote !== undefined) return vote;
    const isHinted = router.noteFailure(descriptor, attempted);
    if (router.hasGivenUp(deadline)) return { kind: 'unavailable' };
    if (!isHinted) await env.scheduler.sleep(Math.min(200, RETRY_MS * tries));
    const options = { timeoutMs: voteTimeoutMs(request) };
    attempted = await router.sendOnce(descriptor, request, options, tries);
  }
}

/** One participant alone answers when all staged parts have been applied, which takes its time. */
function voteTimeoutMs(request: Unrouted<PrepareRequest>): number {
  return REQUEST_TIMEOUT_MS + request.stagedParts * STAGED_PART_MS;
}

/** Undefined: it was certainly not handled, and may be sent again. */
function voteOf(services: TxnServices, attempted: Attempted): Vote | undefined {
  if (attempted.kind === 'unsent') return undefined;
  if (attempted.kind === 'unknown') {
    if (isBroken('TXN-8')) return { kind: 'prepared', ts: TS_ZERO, isPublished: true };
    return isBroken('TXN-11') ? { kind: 'refused', why: REASONS.conflict } : { kind: 'unknown' };
  }
  const { reply } = attempted;
  switch (reply.kind) {
    case 'notLeader':
    case 'unavailable':
      return undefined;
    case 'prepared':
      return reply;
    case 'committed':
      return { kind: 'committed', ts: reply.ts };
    case 'schemaMismatch': {
      const cause = new SchemaMismatch(reply.tableId, reply.foundVersion);
      return { kind: 'refused', why: cause.message, cause };
    }
    case 'aborted':
      return { kind: 'refused', why: 'the transaction was aborted by recovery' };
    case 'refused':
      if (reply.reason === 'elsewhere') return { kind: 'elsewhere' };
      if (reply.reason !== 'moved') return { kind: 'refused', why: REASONS[reply.reason] };
      services.router.learn(reply.descriptors);
      return { kind: 'moved' };
    case 'moved':
      services.router.learn(reply.descriptors);
      return { kind: 'moved' };
    default:
      return { kind: 'unknown' };
  }
}

const REASONS = {
  conflict: 'another transaction has changed what this one has read',
  lockLost: 'a row lock was lost with the leader of its range',
  unknown: 'the transaction is too old',
  stagedLost: 'a part of the transaction was lost',
} as const;

/* ---------- large transactions ---------- */

function isStaged(input: CommitInput, participant: Participant): boolean {
  return input.writes.isLarge && input.writes.touches(participant.descriptor);
}

/** Sends the writes of a range in parts; false when the range has moved. */
async function stage(
  services: TxnServices,
  input: CommitInput,
  participant: Participant,
  txnId: TxnId,
): Promise<boolean> {
  const { descriptor } = participant;
  const send = async (writes: readonly Write[]): Promise<boolean> => {
    const part = participant.stagedParts++;
    const chunk = encodeChunk(writes);
    const request: Unrouted<StageRequest> = { kind: 'stage', txnId, part, chunk };
    const options = { timeoutMs: 4 * REQUEST_TIMEOUT_MS };
    const reply: RangeReply = await services.router.send(descriptor, request, options);
    if (reply.kind === 'done') return true;
    if (reply.kind === 'moved') return false;
    throw new KvError('conflict', 'a part of the transaction was refused');
  };
  let part: Write[] = [];
  let bytes = 0;
  for (const write of input.writes.iterate(descriptor)) {
    part.push(write);
    bytes += write.key.length + (write.value?.length ?? 0);
    if (bytes < STAGE_PART_BYTES) continue;
    if (!(await send(part))) return false;
    part = [];
    bytes = 0;
  }
  return part.length === 0 || send(part);
}

/* ---------- grouping ---------- */

function group(services: TxnServices, input: CommitInput): Participant[] {
  const { router } = services;
  const participants: Participant[] = [];
  const byRange = new Map<number, Participant>();
  const at = (descriptor: RangeDescriptor): Participant => {
    // Most transactions have one participant, and are not to pay for a map.
    const first = participants[0];
    if (first?.descriptor.rangeId === descriptor.rangeId) return first;
    let participant = first === undefined ? undefined : byRange.get(descriptor.rangeId);
    if (participant === undefined) {
      participant = newParticipant(descriptor);
      if (first !== undefined) byRange.set(descriptor.rangeId, participant);
      participants.push(participant);
    }
    return participant;
  };
  if (input.writes.isLarge) {
    for (const descriptor of router.covering({ start: KEY_MIN, end: KEY_MAX })) {
      if (input.writes.touches(descriptor)) at(descriptor);
    }
  } else {
    let last: Participant | undefined;
    for (const write of input.writes.list()) {
      if (last === undefined || !spanContains(last.descriptor, write.key)) {
        last = at(router.find(write.key));
      }
      last.writes.push(write);
    }
  }
  for (const change of input.changes) at(router.find(change.key)).changes.push(change);
  for (const span of input.reads.spans()) addRead(router.find(span.start), span);
  for (const key of input.lockedKeys) {
    const isWritten =
      input.writes.get(key) !== undefined || input.changes.some((change) => change.key === key);
    if (!isWritten) at(router.find(key)).lockedKeys.push(key);
  }
  for (const [tableId, version] of input.fenceWrites) {
    for (const descriptor of router.covering(tableSpan(tableId))) {
      at(descriptor).fenceWrites.push({ tableId, version });
    }
  }
  for (const { descriptor, fences, planned } of participants) {
    for (const tableId of input.reads.tables) {
      if (spansOverlap(tableSpan(tableId), descriptor)) fences.push(tableId);
    }
    for (const fence of input.planned) {
      if (spansOverlap(tableSpan(fence.tableId), descriptor)) planned.push(fence);
    }
  }
  return participants.length === 1
    ? participants
    : participants.sort((a, b) => (a.descriptor.start < b.descriptor.start ? -1 : 1));

  function addRead(first: RangeDescriptor, span: Span): void {
    if (span.end <= first.end) {
      at(first).reads.push(span);
      return;
    }
    for (const descriptor of router.covering(span)) {
      const part = intersectSpans(descriptor, span);
      if (part !== undefined) at(descriptor).reads.push(part);
    }
  }
}

function newParticipant(descriptor: RangeDescriptor): Participant {
  return {
    descriptor,
    reads: [],
    writes: [],
    changes: [],
    lockedKeys: [],
    fences: [],
    planned: [],
    fenceWrites: [],
    stagedParts: 0,
  };
}

function prepareOf(
  input: CommitInput,
  participant: Participant,
  attempt: Pick<PrepareRequest, 'txnId' | 'anchor' | 'onePhase' | 'participants' | 'span'>,
): Unrouted<PrepareRequest> {
  const { descriptor, reads, writes, changes, fences, planned, fenceWrites } = participant;
  const { lockedKeys, stagedParts } = participant;
  return {
    kind: 'prepare',
    txnId: attempt.txnId,
    anchor: attempt.anchor,
    onePhase: attempt.onePhase,
    participants: attempt.participants,
    span: attempt.span,
    lockId: input.lockId,
    readTs: input.readTs,
    reads,
    fences,
    planned,
    writes,
    changes,
    fenceWrites,
    lockedKeys,
    stagedParts,
    grant: input.grants.find((grant) => grant.rangeId === descriptor.rangeId),
    isFirstSend: true,
  };
}

function firstKeyWritten(input: CommitInput, participant: Participant): Key {
  const { writes, changes, lockedKeys } = participant;
  const first = writes[0]?.key ?? changes[0]?.key ?? lockedKeys[0];
  if (first !== undefined) return first;
  for (const { key } of input.writes.iterate(participant.descriptor)) return key;
  return participant.descriptor.start;
}
