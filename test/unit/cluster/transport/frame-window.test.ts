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

  it('begins anew with a restarted sender, and takes what is late of the one before once', () => {
    const window = new FrameWindow();
    expect(window.isNew(7, 1)).toBe(true);
    expect(window.isNew(8, 1)).toBe(true);
    expect(window.isNew(7, 2)).toBe(true);
    expect(window.isNew(7, 1)).toBe(false);
    expect(window.isNew(8, 1)).toBe(false);
    expect(window.isNew(8, 2)).toBe(true);
  });

  it('goes on with a sender after the first that is heard of its predecessor', () => {
    const window = new FrameWindow();
    expect(window.isNew(8, 1)).toBe(true);
    expect(window.isNew(7, 900)).toBe(true);
    for (let seq = 2; seq < 100; seq++) expect(window.isNew(8, seq)).toBe(true);
  });

  it('remembers a bounded number of senders', () => {
    const window = new FrameWindow();
    for (let epoch = 1; epoch <= 9; epoch++) expect(window.isNew(epoch, 1)).toBe(true);
    expect(window.isNew(2, 1)).toBe(false);
    expect(window.isNew(1, 1)).toBe(true);
  });
});
