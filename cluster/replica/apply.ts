/**
 * Below Raft: takes one committed command to the range's state and versions. Blind and deterministic: every replica
 * that applies the same prefix has the same state. A command that refers to what is already decided does nothing,
 * because an entry may follow a marker that was proposed while it was in flight elsewhere.
 *
 * Synchronous, but for the commit of a large transaction and a split, which read the store.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { must } from '../../src/base/assert.ts';
import type { RangeId, TxnId } from '../../src/base/ids.ts';
import { rangeId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { pointSpan, spanContains } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { maxTimestamp } from '../../src/base/timestamp.ts';
import { TABLES_SPAN } from '../../src/kv/keyspace.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import { stagedKey } from '../../storage/mvcc/mvcc-key.ts';
import type { Write } from '../range/requests.ts';
import { chunkSpan, decodeChunk } from '../range/write-chunk.ts';
import type { Command, CommitCommand, PrepareCommand, SplitCommand } from './command.ts';
import type { RangeState } from './range-state.ts';

/** Rows of a staged part that are applied before the loop may do something else. */
const BULK_SLICE_ROWS = 1000;

export interface Applied {
  /** The right half that a split made. */
  readonly right: RangeState | undefined;
}

const NOTHING: Applied = { right: undefined };

export function applyCommand(
  state: RangeState,
  mvcc: Mvcc,
  command: Command,
): MaybePromise<Applied> {
  const result = applyByKind(state, mvcc, command);
  if (result instanceof Promise) {
    return result.then((applied) => {
      finishEntry(state, mvcc, command);
      return applied;
    });
  }
  finishEntry(state, mvcc, command);
  return result;
}

function applyByKind(state: RangeState, mvcc: Mvcc, command: Command): MaybePromise<Applied> {
  switch (command.kind) {
    case 'noop':
      return NOTHING;
    case 'ceiling':
      state.ceiling = maxTimestamp(state.ceiling, command.ts);
      return NOTHING;
    case 'handover':
      state.ceiling = command.ts;
      return NOTHING;
    case 'commit':
      return applyCommit(state, mvcc, command);
    case 'prepare':
      if (!state.outcomes.has(command.txnId)) state.prepared.set(command.txnId, command);
      return NOTHING;
    case 'resolve':
      return applyResolve(state, mvcc, command.txnId, command.commitTs);
    case 'stage': {
      const what = { span: chunkSpan(command.chunk), sizeBytes: command.chunk.length };
      if (state.outcomes.has(command.txnId)) return NOTHING;
      if (!state.stage(command.txnId, command.part, what)) return NOTHING;
      mvcc.stage(stagedKey(state.rangeId, command.txnId, command.part), command.chunk);
      return NOTHING;
    }
    case 'forget':
      state.outcomes.free(command.txnId);
      return NOTHING;
    case 'collect':
      state.threshold = maxTimestamp(state.threshold, command.threshold);
      return NOTHING;
    case 'split':
      return applySplit(state, mvcc, command);
  }
}

function finishEntry(state: RangeState, mvcc: Mvcc, command: Command): void {
  // NB: a ceiling's timestamp is a promise about the future; nothing has happened at it.
  if (command.kind !== 'ceiling') state.noteEntry(command.ts);
  if (state.dropped.length === 0) return;
  for (const { txnId, count } of state.dropped) {
    for (let part = 0; part < count; part++) mvcc.unstage(stagedKey(state.rangeId, txnId, part));
  }
  state.dropped = [];
}

function applyCommit(state: RangeState, mvcc: Mvcc, command: CommitCommand): MaybePromise<Applied> {
  const { txnId, ts } = command;
  if (state.outcomes.has(txnId)) return NOTHING;
  const outcome = { commitTs: ts, isFree: true, participants: undefined };
  mvcc.apply(command.writes, ts, txnId);
  if (command.stagedParts === 0) {
    state.decide(txnId, outcome);
    return NOTHING;
  }
  return applyStaged(state, mvcc, command, ts).then(() => {
    state.decide(txnId, outcome);
    return NOTHING;
  });
}

function applyResolve(
  state: RangeState,
  mvcc: Mvcc,
  txnId: TxnId,
  commitTs: Timestamp,
): MaybePromise<Applied> {
  if (state.outcomes.has(txnId)) return NOTHING;
  const record = state.prepared.get(txnId);
  // An abort may go when it is old; a commit stays until its participants have confirmed (TXN-12).
  const isFree = commitTs === 0 || record === undefined;
  const outcome = { commitTs, isFree, participants: record?.participants };
  if (commitTs === 0 || record === undefined) {
    state.decide(txnId, outcome);
    return NOTHING;
  }
  // After a split both halves have the record; each takes the writes of its own span.
  mvcc.apply(writesWithin(record.writes, state.descriptor), commitTs, txnId);
  state.maxTs = maxTimestamp(state.maxTs, commitTs);
  if (record.stagedParts === 0) {
    state.decide(txnId, outcome);
    return NOTHING;
  }
  return applyStaged(state, mvcc, record, commitTs).then(() => {
    state.decide(txnId, outcome);
    return NOTHING;
  });
}

function writesWithin(writes: readonly Write[], span: Span): readonly Write[] {
  return writes.every((write) => spanContains(span, write.key))
    ? writes
    : writes.filter((write) => spanContains(span, write.key));
}

async function applyStaged(
  state: RangeState,
  mvcc: Mvcc,
  command: CommitCommand | PrepareCommand,
  ts: Timestamp,
): Promise<void> {
  const slices = stagedSlices(mvcc, state.rangeId, command);
  await mvcc.applyBulk(
    () => {
      const slice = slices.next();
      return slice.done === true ? undefined : slice.value;
    },
    ts,
    command.txnId,
  );
}

function* stagedSlices(
  mvcc: Mvcc,
  range: RangeId,
  command: CommitCommand | PrepareCommand,
): Generator<readonly Write[], undefined> {
  for (let part = 0; part < command.stagedParts; part++) {
    const chunk = must(
      mvcc.staged(stagedKey(range, command.txnId, part)),
      'staged part is missing',
    );
    let slice: Write[] = [];
    for (const write of decodeChunk(chunk)) {
      slice.push(write);
      if (slice.length < BULK_SLICE_ROWS) continue;
      yield slice;
      slice = [];
    }
    if (slice.length > 0) yield slice;
  }
  return undefined;
}

/** The right half's fence is where its span begins: every version of the left half's is copied there. */
async function applySplit(state: RangeState, mvcc: Mvcc, command: SplitCommand): Promise<Applied> {
  const { at } = command;
  const fence = fenceBefore(at, state.descriptor.start);
  if (fence !== undefined && fence !== at) {
    const stream = mvcc.versions(pointSpan(fence));
    try {
      const versions = [];
      for (let batch = await stream.next(); batch !== undefined; batch = await stream.next()) {
        versions.push(...batch);
      }
      for (const version of versions.reverse()) {
        const write = { key: at, value: version.value ?? null };
        mvcc.apply([write], version.ts, version.txnId, { isHistorical: true });
      }
    } finally {
      await stream.close();
    }
  }
  return { right: state.splitOff(at, rangeId(command.rightId)) };
}

/** Where the fence of the table that holds `at` lies in a range that begins at `start`. */
export function fenceBefore(at: Key, start: Key): Key | undefined {
  if (!spanContains(TABLES_SPAN, at)) return undefined;
  const prefix = at.slice(0, 2 + at.charCodeAt(1)) as Key;
  return start > prefix ? start : prefix;
}
