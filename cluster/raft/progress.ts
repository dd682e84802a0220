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

export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export class Progress {
  match = 0;
  next: number;
  state: ProgressState = 'probe';
  /** Heard from since the last check of the quorum. */
  isActive = false;
  /** In `probe`: an append is out; the next goes after its answer or a heartbeat's. */
  isPaused = false;
  /** In `snapshot`: asked for in a Ready already. */
  isSnapshotAsked = false;
  /** When the newest round that the peer has acknowledged in this term was sent. */
  ackedSentAt = Number.NEGATIVE_INFINITY;
  /** The last index of each append that is out, oldest first. */
  readonly inflight: number[] = [];

  constructor(next: number) {
    this.next = next;
  }

  canSend(inflightMax: number): boolean {
    if (this.state === 'snapshot') return false;
    return this.state === 'probe' ? !this.isPaused : this.inflight.length < inflightMax;
  }

  /** An append up to `last` left. */
  onSent(last: number): void {
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
    assert(this.match < this.next, 'RAFT progress: match < next');
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
    this.inflight.length = 0;
    if (state === 'probe') this.next = this.match + 1;
  }
}
