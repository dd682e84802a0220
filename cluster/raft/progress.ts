/**
 * What the leader knows of one peer.
 *
 *   probe      finding where the logs agree: one append at a time
 *   replicate  appends follow each other, up to a window, before they are acknowledged
 *   snapshot   the log no longer reaches the peer: nothing is sent until its snapshot is reported
 *
 * Invariant: `0 <= match < next`.
 */
import { assert } from '../../src/base/assert.ts';
import type { NodeId } from '../../src/base/ids.ts';

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export class Progress {
  readonly peer: NodeId;
  /** The highest index known to be in the peer's durable log as it is in the leader's. */
  match = 0;
  /** The first index of the next append. */
  next: number;
  state: ProgressState = 'probe';
  /** Heard from since the last check of the quorum. */
  isActive = false;
  /** Ticks since the peer was heard from in this term. */
  quietTicks = 0;
  /** In `probe`: an append is out, or no use; the next goes after an answer. */
  isPaused = false;
  /** In `snapshot`: asked for in a Ready already. */
  isSnapshotAsked = false;
  /** Older entries are being read from the durable log: nothing is sent before they come. */
  isReading = false;
  /** When the newest round that the peer has acknowledged in this term was sent. */
  ackedSentAt = Number.NEGATIVE_INFINITY;
  /** When the last append left. */
  appendedAt = Number.NEGATIVE_INFINITY;
  /** The last index of each append that is out, oldest first. */
  readonly inflight: number[] = [];

  constructor(peer: NodeId, next: number) {
    this.peer = peer;
    this.next = next;
  }

  canSend(inflightMax: number): boolean {
    if (this.state === 'snapshot' || this.isReading) return false;
    return this.state === 'probe' ? !this.isPaused : this.inflight.length < inflightMax;
  }

  /** It follows the log, and does not keep us waiting for its acknowledgements. */
  isPrompt(now: number, waitMaxMs: number): boolean {
    if (this.state !== 'replicate') return false;
    return this.inflight.length === 0 || now - this.ackedSentAt < waitMaxMs;
  }

  /** An append up to `last` left. */
  onSent(last: number, now: number): void {
    this.appendedAt = now;
    if (this.state === 'probe') this.isPaused = true;
    else if (last >= this.next) {
      this.next = last + 1;
      this.inflight.push(last);
    }
  }

  /** True when `index` is news. */
  onAccepted(index: number): boolean {
    while (this.inflight.length > 0 && (this.inflight[0] ?? 0) <= index) this.inflight.shift();
    this.isPaused = false;
    const isNews = index > this.match;
    if (isNews) this.match = index;
    if (this.next <= index) this.next = index + 1;
    if (this.state === 'probe' || (this.state === 'snapshot' && isNews)) this.become('replicate');
    assert(this.match < this.next, 'RAFT-3: match < next');
    return isNews;
  }

  /** The append after `prevIndex` was refused; false when that is old news. */
  onRefused(prevIndex: number, agreeMax: number): boolean {
    if (this.state === 'snapshot') return false;
    if (this.state === 'replicate' ? prevIndex <= this.match : prevIndex !== this.next - 1) {
      return false;
    }
    this.become('probe');
    this.next = Math.max(this.match + 1, Math.min(prevIndex, agreeMax + 1));
    return true;
  }

  become(state: ProgressState): void {
    this.state = state;
    this.isPaused = false;
    this.isSnapshotAsked = false;
    this.isReading = false;
    this.inflight.length = 0;
    if (state === 'probe') this.next = this.match + 1;
  }
}
