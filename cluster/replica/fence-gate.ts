/**
 * TXN-5, the fence between latest reads and writes: a write takes its timestamp only after a gather that began after
 * the last latest read of its keys arrived. While a write gathers, its keys are in the gate and later latest reads
 * of them wait; so the gather began after every latest read that got through. `latestReads` counts the latest reads
 * of the whole range: when none arrived since the last completed gather of this office began, no new one is needed
 * (the office's own first gather makes that right for a new leader).
 */
import { ChurnMap } from '../../src/base/churn-map.ts';
import { isBroken } from '../../src/base/mutant.ts';
import type { QuorumClock } from '../clock/quorum-clock.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { spanContains, spansOverlap } from '../../src/base/span.ts';

export interface Gated {
  readonly keys: readonly Key[];
  readonly spans: readonly Span[];
}

export class FenceGate {
  /** Latest reads that arrived in this office. */
  latestReads = 0;
  /** The value of `latestReads` when the newest completed gather began. */
  coveredReads = 0;
  readonly #gated = new ChurnMap<Gated, true>();
  readonly #keyCounts = new ChurnMap<Key, number>();
  #waiters: (() => void)[] = [];

  get needsGather(): boolean {
    return this.coveredReads < this.latestReads && !isBroken('TXN-5');
  }

  enter(gated: Gated): void {
    this.#gated.set(gated, true);
    for (const key of gated.keys) this.#keyCounts.set(key, (this.#keyCounts.get(key) ?? 0) + 1);
  }

  leave(gated: Gated): void {
    if (!this.#gated.delete(gated)) return;
    for (const key of gated.keys) {
      const count = (this.#keyCounts.get(key) ?? 0) - 1;
      if (count > 0) this.#keyCounts.set(key, count);
      else this.#keyCounts.delete(key);
    }
    this.#wake();
  }

  blocksKey(key: Key): boolean {
    if (this.#gated.size === 0) return false;
    if (this.#keyCounts.has(key)) return true;
    for (const { spans } of this.#gated.keys()) {
      if (spans.some((span) => spanContains(span, key))) return true;
    }
    return false;
  }

  blocksSpan(span: Span): boolean {
    if (this.#gated.size === 0) return false;
    for (const key of this.#keyCounts.keys()) if (spanContains(span, key)) return true;
    for (const { spans } of this.#gated.keys()) {
      if (spans.some((each) => spansOverlap(each, span))) return true;
    }
    return false;
  }

  /** Resolves when some write has left the gate. */
  whenOpened(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  clear(): void {
    this.#gated.clear();
    this.#keyCounts.clear();
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/** Whether a write has to gather first; where that needs no round (CLOCK-5) it is done by asking. */
export function mustGather(gate: FenceGate, clock: QuorumClock): boolean {
  if (!gate.needsGather) return false;
  if (clock.gathered() === undefined) return true;
  gate.coveredReads = gate.latestReads;
  return false;
}
