import { describe, expect, it } from 'vitest';
import { SyncMode } from '../../../src/env/node/sync-mode.ts';

/** How many of so many syncs are done in place on a disk that takes `tookMs` for each. */
function inPlace(mode: SyncMode, count: number, tookMs: number): number {
  let found = 0;
  for (let i = 0; i < count; i++) {
    if (!mode.next()) continue;
    found++;
    mode.note(tookMs);
  }
  return found;
}

describe('syncs', () => {
  it('are done in place on a fast disk, through a single slow one', () => {
    const mode = new SyncMode();
    expect(inPlace(mode, 1000, 0.15)).toBe(1000);
    expect(inPlace(mode, 1, 5)).toBe(1);
    expect(inPlace(mode, 1000, 0.15)).toBe(1000);
  });

  it('leave for a thread on a slow one, but for a probe now and then', () => {
    const mode = new SyncMode();
    expect(inPlace(mode, 10_000, 8)).toBeLessThan(100);
  });

  it('come back when the disk has become fast', () => {
    const mode = new SyncMode();
    inPlace(mode, 1000, 8);
    inPlace(mode, 10_000, 0.15);
    expect(inPlace(mode, 1000, 0.15)).toBe(1000);
  });
});
