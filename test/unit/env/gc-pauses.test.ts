/** The longest garbage collection of any time that ends now. */
import { describe, expect, it } from 'vitest';
import { LongestPauses } from '../../../src/env/node/gc-pauses.ts';
import type { GcPause } from '../../../src/env/node/gc-pauses.ts';

/** Each ends a second after the one before. */
function pausesOf(lengths: readonly number[]): GcPause[] {
  return lengths.map((ms, i) => ({ endedMs: (i + 1) * 1000, ms }));
}

function kept(pauses: readonly GcPause[]): readonly GcPause[] {
  const longest = new LongestPauses();
  for (const pause of pauses) longest.add(pause);
  return longest.list();
}

describe('the longest pauses', () => {
  it('are those that no later one was as long as', () => {
    const lengths = kept(pausesOf([3, 9, 2, 5, 5, 1, 4, 2])).map(({ ms }) => ms);
    expect(lengths).toEqual([9, 5, 4, 2]);
  });

  it('tell the longest since every moment', () => {
    const lengths = Array.from({ length: 500 }, (_, i) => ((i * 7919) % 1009) + 1);
    const pauses = pausesOf(lengths);
    const found = kept(pauses);
    for (let since = 0; since < pauses.length; since++) {
      const first = found.find(({ endedMs }) => endedMs > since * 1000);
      expect(first?.ms).toBe(Math.max(...lengths.slice(since)));
    }
    expect(found.length).toBeLessThan(20);
  });

  it('are so many at most, and the longest of all among them', () => {
    const found = kept(pausesOf(Array.from({ length: 10_000 }, (_, i) => 10_000 - i)));
    expect(found.length).toBe(256);
    expect(found[0]?.ms).toBe(10_000);
    expect(found.at(-1)?.ms).toBe(1);
  });
});
