/**
 * Repeatable random numbers: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM
 * TOMS 47/4, 2021), its state filled by splitmix32 steps. Cheap, and a stream can be taken back to a mark, so that an
 * operation that is tried again is the same operation. Not for secrets.
 */
import type { Random } from '../workload.ts';

const TWO_32 = 4_294_967_296;
const TWO_21 = 2_097_152;
const TWO_53 = 9_007_199_254_740_992;

export class SeededRandom implements Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  #marked: readonly [number, number, number, number] = [0, 0, 0, 0];

  /** Streams of different seeds or different indexes have nothing to do with each other. */
  constructor(seed: number, index = 0) {
    let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0;
    const fill = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return (mixed ^ (mixed >>> 15)) >>> 0;
    };
    this.#a = fill();
    this.#b = fill();
    this.#c = fill();
    // Never all zero, which the generator could not leave.
    this.#d = fill() | 1;
  }

  next(): number {
    const high = this.#word();
    const low = this.#word() >>> 11;
    return (high * TWO_21 + low) / TWO_53;
  }

  between(min: number, max: number): number {
    const span = max - min + 1;
    const fraction = span < TWO_21 ? this.#word() / TWO_32 : this.next();
    return min + Math.floor(fraction * span);
  }

  mark(): void {
    this.#marked = [this.#a, this.#b, this.#c, this.#d];
  }

  rewind(): void {
    [this.#a, this.#b, this.#c, this.#d] = this.#marked;
  }

  #word(): number {
    const scrambled = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return scrambled >>> 0;
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
