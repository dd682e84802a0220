/** Frames that come twice, out of order, late, and from before a restart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameWindow } from '../../../../cluster/transport/frame-window.ts';

describe('frame window', () => {
  it('takes every frame once, in whatever order it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 })), (order) => {
        const window = new FrameWindow();
        const seen = new Set<number>();
        for (const seq of order) {
          expect(window.isNew(7, seq)).toBe(!seen.has(seq));
          seen.add(seq);
        }
      }),
    );
  });

  it('takes nothing that lies too far behind to be told from what was seen', () => {
    const window = new FrameWindow();
    expect(window.isNew(7, 5000)).toBe(true);
    expect(window.isNew(7, 5000 - 1024)).toBe(false);
    expect(window.isNew(7, 5000 - 1023)).toBe(true);
  });

  it('begins anew with a restarted sender, and takes nothing more of the one before', () => {
    const window = new FrameWindow();
    expect(window.isNew(7, 1)).toBe(true);
    expect(window.isNew(8, 1)).toBe(true);
    expect(window.isNew(7, 2)).toBe(false);
    expect(window.isNew(8, 1)).toBe(false);
    expect(window.isNew(8, 2)).toBe(true);
  });
});
