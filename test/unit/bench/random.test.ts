/** Random numbers and the distributions drawn from them. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../bench/driver/random.ts';
import { Zipfian, scatter, scrambled } from '../../../bench/workloads/distributions.ts';

describe('SeededRandom', () => {
  it('repeats itself from the same seed, and is another for another client', () => {
    const draw = (random: SeededRandom): number[] => Array.from({ length: 5 }, () => random.next());
    const first = draw(new SeededRandom(3, 1));
    expect(draw(new SeededRandom(3, 1))).toEqual(first);
    expect(draw(new SeededRandom(3, 2))).not.toEqual(first);
    expect(draw(new SeededRandom(4, 1))).not.toEqual(first);
  });

  it('goes back to its mark', () => {
    const random = new SeededRandom(9);
    random.next();
    random.mark();
    const drawn = [random.next(), random.between(1, 1000), random.next()];
    random.rewind();
    expect([random.next(), random.between(1, 1000), random.next()]).toEqual(drawn);
  });

  it('is uniform, both ends included', () => {
    const random = new SeededRandom(1);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const drawn = random.between(5, 14) - 5;
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    expect(Math.min(...counts)).toBeGreaterThan(9_600);
    expect(Math.max(...counts)).toBeLessThan(10_400);
    let sum = 0;
    for (let i = 0; i < 100_000; i++) sum += random.next();
    expect(Math.abs(sum / 100_000 - 0.5)).toBeLessThan(0.005);
  });
});

describe('Zipfian', () => {
  it('gives the n-th rank its share', () => {
    const count = 1000;
    const zipfian = new Zipfian(count);
    const random = new SeededRandom(2);
    const draws = 200_000;
    const counts = new Array<number>(count).fill(0);
    for (let i = 0; i < draws; i++) {
      const rank = zipfian.next(random);
      counts[rank] = (counts[rank] ?? 0) + 1;
    }
    let zeta = 0;
    for (let i = 1; i <= count; i++) zeta += 1 / i ** 0.99;
    // The method is exact for the first two ranks and close for the others.
    for (const [rank, tolerance] of [
      [0, 0.03],
      [1, 0.04],
    ] as const) {
      const expected = draws / (rank + 1) ** 0.99 / zeta;
      expect(Math.abs((counts[rank] ?? 0) - expected) / expected).toBeLessThan(tolerance);
    }
    const upToTen = counts.slice(0, 10).reduce((sum, each) => sum + each, 0);
    let share = 0;
    for (let i = 1; i <= 10; i++) share += 1 / i ** 0.99 / zeta;
    expect(Math.abs(upToTen / draws - share)).toBeLessThan(0.03);
  });

  it('stays within what there is, also of one, two and a growing number', () => {
    const random = new SeededRandom(2);
    for (const count of [1, 2, 3]) {
      const zipfian = new Zipfian(count);
      const drawn = new Set(Array.from({ length: 2000 }, () => zipfian.next(random)));
      expect([...drawn].sort()).toEqual(Array.from({ length: count }, (_, i) => i));
    }
    const grown = new Zipfian(10);
    grown.grow(500);
    const drawn = Array.from({ length: 5000 }, () => grown.next(random));
    expect(Math.max(...drawn)).toBeGreaterThan(400);
    expect(Math.max(...drawn)).toBeLessThan(500);
    // As if it had been made with so many.
    const same = new Zipfian(500);
    const [left, right] = [new SeededRandom(8), new SeededRandom(8)];
    for (let i = 0; i < 100; i++) expect(grown.next(left)).toBe(same.next(right));
  });

  it('scatters ranks over the records', () => {
    const places = Array.from({ length: 20 }, (_, rank) => scrambled(rank, 1000));
    expect(new Set(places).size).toBeGreaterThan(17);
    expect(Math.max(...places)).toBeGreaterThan(700);
    expect(Math.min(...places)).toBeLessThan(300);
  });

  it('scatters keys one to one', () => {
    const keys = new Set(Array.from({ length: 50_000 }, (_, i) => scatter(i)));
    expect(keys.size).toBe(50_000);
  });
});
