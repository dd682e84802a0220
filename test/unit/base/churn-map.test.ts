import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChurnMap } from '../../../src/base/churn-map.ts';

describe('ChurnMap', () => {
  it('is a map, however often its table is given up', () => {
    const change = fc.tuple(fc.constantFrom('set', 'set', 'delete', 'clear'), fc.nat(20), fc.nat());
    fc.assert(
      fc.property(fc.array(change, { maxLength: 1000 }), (changes) => {
        const [map, model] = [new ChurnMap<number, number>(), new Map<number, number>()];
        changes.forEach(([what, key, value], i) => {
          if (what === 'clear' && i % 7 > 0) return;
          if (what === 'set') {
            map.set(key, value);
            model.set(key, value);
          } else if (what === 'delete') expect(map.delete(key)).toBe(model.delete(key));
          else {
            map.clear();
            model.clear();
          }
          expect([map.size, map.get(key), map.has(key)]).toEqual([
            model.size,
            model.get(key),
            model.has(key),
          ]);
        });
        expect([...map]).toEqual([...model]);
        expect([...map.keys()]).toEqual([...model.keys()]);
        expect([...map.values()]).toEqual([...model.values()]);
      }),
    );
  });

  it('lets everything that is there be removed while it is walked', () => {
    const map = new ChurnMap<number, number>();
    for (let key = 0; key < 500; key++) {
      map.set(key, key);
      if (key % 3 === 0) map.delete(key);
    }
    const seen: number[] = [];
    for (const [key] of map) {
      seen.push(key);
      map.delete(key);
    }
    expect([seen.length, map.size]).toEqual([333, 0]);
  });
});
