/**
 * A leader's time in office: everything that exists only in its memory, and ends with its term. The replica makes an
 * `Office` when its Raft node becomes leader and closes it when it stops being one; closing wakes everyone who waits,
 * who then find the office closed and answer `notLeader` (or `lost`, for what they had proposed).
 *
 * Invariants:
 * - LEASE-1: `isServing` only after the no-op of this term was applied (which publishes the floor) and a gather that
 *   began in this office has completed (RANGE-1).
 * - RANGE-1: from the hand-over's proposal on, `isHandingOver`: nothing is served or proposed any more.
 * - Proposals are applied in the order proposed, or, when the office closes first, not known to be.
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import { assert, must } from '../../src/base/assert.ts';
import type { LockId, TxnId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { AgeMarks } from './age-marks.ts';
import { LockTable } from './lock-table.ts';
import type { Command } from './command.ts';
import { PendingWrites } from './pending-writes.ts';
import type { Holder } from './pending-writes.ts';
import { FenceGate } from './fence-gate.ts';

export interface Proposal {
  readonly index: number;
  readonly command: Command;
  readonly holder: Holder | undefined;
  /** True once applied; false when the office closed before. */
  readonly done: (isApplied: boolean) => void;
}

export class Office {
  readonly term: number;
  readonly pending = new PendingWrites();
  readonly locks = new LockTable();
  readonly gate = new FenceGate();
  /** Requests for locks that are waiting, the newest of each session. */
  readonly lockJobs = new ChurnMap<LockId, Promise<unknown>>();
  /** Attempts whose decision is proposed and not yet applied. */
  readonly deciding = new Set<TxnId>();
  /** LEASE-1 and RANGE-1: the two conditions of `isServing`. */
  hasAppliedNoop = false;
  hasGathered = false;
  isServing = false;
  isHandingOver = false;
  /** A split is in flight: everything waits for it. */
  isSplitting = false;
  isClosed = false;
  /** Ticks since sessions were last asked about, and the last stay of a session that had begun then. */
  censusTicks = 0;
  censusStay = 0;
  /** The ceiling that is on its way, at or above the applied one; 0 when none is. */
  ceilingInFlight = 0 as Timestamp;
  /** Monotonic time of the last snapshot read: the ceiling is kept ahead only while there are any. */
  lastSnapshotReadMs = Number.NEGATIVE_INFINITY;
  /** What is older than retention, as far as this office knows. */
  readonly ages: AgeMarks;

  /** In log order; `#head` is the first not yet applied, and nothing below it is held on to. */
  #proposals: (Proposal | undefined)[] = [];
  #head = 0;
  #changed: (() => void)[] = [];

  constructor(term: number, retentionMs: number) {
    this.term = term;
    this.ages = new AgeMarks(retentionMs);
  }

  get inFlightCount(): number {
    return this.#proposals.length - this.#head;
  }

  addProposal(proposal: Proposal): void {
    const last = this.#proposals[this.#proposals.length - 1];
    assert(last === undefined || last.index < proposal.index, 'proposal order');
    this.#proposals.push(proposal);
    if (proposal.holder !== undefined) this.pending.add(proposal.holder);
  }

  /** The proposal at this index, if this office made it. */
  proposalAt(index: number): Proposal | undefined {
    const proposal = this.#proposals[this.#head];
    return proposal?.index === index ? proposal : undefined;
  }

  /** The first proposal was applied: takes it off. */
  shiftProposal(): Proposal {
    const proposal = must(this.#proposals[this.#head]);
    this.#proposals[this.#head++] = undefined;
    if (this.#head === this.#proposals.length) {
      this.#proposals.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#proposals.length) {
      this.#proposals = this.#proposals.slice(this.#head);
      this.#head = 0;
    }
    return proposal;
  }

  /** Resolves at the next change of `isServing`, `isSplitting`, the ceiling, or at the close. */
  whenChanged(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  noteChange(): void {
    const waiters = this.#changed;
    this.#changed = [];
    for (const wake of waiters) wake();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isServing = false;
    const lost = this.#proposals.slice(this.#head);
    this.#proposals = [];
    this.#head = 0;
    this.pending.clear();
    this.locks.clear();
    this.gate.clear();
    this.noteChange();
    for (const proposal of lost) proposal?.done(false);
  }
}

/** Waits for a holder to let go. */
export function whenReleased(holder: Holder): Promise<void> {
  return new Promise((resolve) => holder.waiters.push(resolve));
}
