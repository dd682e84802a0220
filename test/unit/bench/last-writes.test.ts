/** Which write a register may show. Times go from left to right. */
import { describe, expect, it } from 'vitest';
import { FIRST, LastWrites } from '../../../bench/workloads/last-writes.ts';

describe('LastWrites', () => {
  it('an acknowledged write takes the place of all that ended before it began', () => {
    const writes = new LastWrites();
    expect(writes.mayHold('k', FIRST)).toBe(true);
    writes.acknowledged(writes.begin('k', '1'));
    expect(writes.mayHold('k', FIRST)).toBe(false);
    writes.acknowledged(writes.begin('k', '2'));
    expect(writes.mayHold('k', '1')).toBe(false);
    expect(writes.mayHold('k', '2')).toBe(true);
    expect(writes.mayHold('k', '3')).toBe(false);
    expect(writes.mayHold('other', FIRST)).toBe(true);
  });

  it('of writes at the same time, either may be the last', () => {
    const writes = new LastWrites();
    const a = writes.begin('k', 'a');
    const b = writes.begin('k', 'b');
    writes.acknowledged(b);
    writes.acknowledged(a);
    expect([writes.mayHold('k', 'a'), writes.mayHold('k', 'b')]).toEqual([true, true]);
    writes.acknowledged(writes.begin('k', 'c'));
    expect([writes.mayHold('k', 'a'), writes.mayHold('k', 'b')]).toEqual([false, false]);
  });

  it('a write of unknown outcome may come at any time, one that failed never', () => {
    const writes = new LastWrites();
    writes.begin('k', 'unknown');
    const failed = writes.begin('k', 'failed');
    writes.failed(failed);
    writes.acknowledged(writes.begin('k', 'c'));
    expect(writes.mayHold('k', 'unknown')).toBe(true);
    expect(writes.mayHold('k', 'failed')).toBe(false);
    expect(writes.mayHold('k', 'c')).toBe(true);
    expect(writes.describe('k')).toBe('unknown or c');
  });
});
