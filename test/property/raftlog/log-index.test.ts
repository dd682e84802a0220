/** The index of a range's entries against a plain map. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogIndex } from '../../../storage/raftlog/log-index.ts';
import { Segment } from '../../../storage/raftlog/segment.ts';
import { SimDisk } from '../../../src/sim/disk.ts';

const file = await new SimDisk().create('x', 0);
const segments = Array.from({ length: 6 }, (_, i) => new Segment(i + 1, file, 1000, 0));

interface Place {
  readonly segment: number;
  readonly offset: number;
}

const step = fc.record({
  what: fc.constantFrom(
    'append',
    'append',
    'append',
    'append',
    'replace',
    'truncate',
    'compact',
    'move',
    'gap',
  ),
  /** How far from the beginning or the end; how many. */
  near: fc.nat(9),
  newSegment: fc.nat(4).map((n) => n === 0),
});

it('finds every entry where it lies, whatever was appended, cut, let go and moved', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const index = new LogIndex();
      const model = new Map<number, Place>();
      let segment = 0;
      let offset = 0;
      let first = 1;
      const put = (at: number): void => {
        for (const i of [...model.keys()]) if (i >= at) model.delete(i);
        index.append(at, segments[segment]!, ++offset);
        model.set(at, { segment, offset });
      };
      for (const { what, near, newSegment } of steps) {
        if (newSegment && segment < segments.length - 1) segment++;
        const last = model.size === 0 ? first - 1 : Math.max(...model.keys());
        const inside = Math.max(first, last - near);
        switch (what) {
          case 'append':
            for (let i = 1; i <= near; i++) put(last + i);
            break;
          case 'replace':
            if (model.size > 0) put(inside);
            break;
          case 'truncate':
            index.truncate(inside);
            for (const i of [...model.keys()]) if (i >= inside) model.delete(i);
            break;
          case 'compact':
            first = Math.min(last + 1, first + near);
            index.compact(first);
            for (const i of [...model.keys()]) if (i < first) model.delete(i);
            break;
          case 'gap':
            if (model.size === 0) break;
            model.clear();
            first = last + 2 + near;
            put(first);
            break;
          case 'move':
            // All that lies in the oldest segment in use, as copying forward does; a new one is written to.
            if (model.size === 0) break;
            for (const { from, to } of index.spansIn(segments[model.get(first)!.segment]!, first)) {
              if (model.get(first)!.segment === segment) break;
              for (let i = from; i < to; i++) {
                index.move(i, segments[segment]!, ++offset);
                model.set(i, { segment, offset });
              }
            }
        }
        const end = Math.max(first, last) + 12;
        for (let i = first; i < end; i++) {
          const place = index.find(i);
          const expected = model.get(i);
          expect(place?.offset).toBe(expected?.offset);
          if (expected !== undefined) expect(place?.segment).toBe(segments[expected.segment]);
        }
        segments.forEach((each, number) => {
          const isHeld = [...model.values()].some((place) => place.segment === number);
          expect(index.holds(each, first)).toBe(isHeld);
        });
      }
    }),
    { numRuns: 500 },
  );
});
