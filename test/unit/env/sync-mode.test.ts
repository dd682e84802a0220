import { describe, expect, it } from 'vitest';
import { SyncMode } from '../../../src/env/node/sync-mode.ts';

/** An event loop that a test keeps busy. */
class Loop {
  active = 0;
  idle = 0;
  readonly mode = new SyncMode(() => ({ active: this.active, idle: this.idle }));

  /** How many of so many syncs are done in place, each taking `tookMs`, after so much of other work and of sleep. */
  inPlace(count: number, tookMs: number, workMs = 0.2, sleepMs = 0.8): number {
    let found = 0;
    for (let i = 0; i < count; i++) {
      this.active += workMs;
      this.idle += sleepMs;
      if (!this.mode.next()) continue;
      found++;
      this.active += tookMs;
      this.mode.note(tookMs);
    }
    return found;
  }
}

describe('syncs', () => {
  it('are done in place on a fast disk, through a single slow one', () => {
    const loop = new Loop();
    expect(loop.inPlace(1000, 0.15)).toBe(1000);
    expect(loop.inPlace(1, 5)).toBe(1);
    expect(loop.inPlace(1000, 0.15)).toBe(1000);
    expect(loop.inPlace(1, 100)).toBe(1);
    expect(loop.inPlace(1000, 0.15)).toBe(1000);
  });

  it('leave for a thread on a slow one, but for a probe now and then', () => {
    expect(new Loop().inPlace(10_000, 8)).toBeLessThan(100);
  });

  it('come back when the disk has become fast', () => {
    const loop = new Loop();
    loop.inPlace(1000, 8);
    loop.inPlace(10_000, 0.15);
    expect(loop.inPlace(1000, 0.15)).toBe(1000);
  });

  it('leave for a thread while the loop has no time to wait, and come back', () => {
    const loop = new Loop();
    expect(loop.inPlace(1000, 0.15, 0.9, 0.1)).toBeLessThan(100);
    expect(loop.inPlace(1000, 0.15)).toBeGreaterThan(900);
    expect(loop.inPlace(1000, 0.15, 0.75, 0.25)).toBeLessThan(100);
    expect(loop.inPlace(1000, 0.15, 0.55, 0.45)).toBeGreaterThan(900);
  });

  it('do not count as work of the loop themselves', () => {
    expect(new Loop().inPlace(1000, 0.8, 0.2, 0)).toBe(1000);
  });
});
