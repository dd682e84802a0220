/**
 * The distributions of YCSB (Cooper, Silberstein, Tam, Ramakrishnan and Sears, "Benchmarking Cloud Serving Systems with
 * YCSB", SoCC 2010, section 4.1): zipfian, by the method of Gray, Sundaresan, Englert, Baclawski and Weinberger
 * ("Quickly Generating Billion-Record Synthetic Databases", SIGMOD 1994), which needs one uniform number a draw; its
 * scrambled form, in which popular records lie anywhere in the key space; and latest, in which the newest are popular.
 */
import type { Random } from '../workload.ts';

/** YCSB's constant: the most popular of 100,000 records gets one in 13 requests. */
export const ZIPFIAN_THETA = 0.99;

/** Ranks from 0, the most popular, to `count - 1`. The number of records may grow between draws. */
export class Zipfian {
  readonly #theta: number;
  #count = 0;
  /** Sum of 1 / i ^ theta for i from 1 to `count`. */
  #zeta = 0;
  readonly #zetaOfTwo: number;
  readonly #alpha: number;
  #eta = 0;

  /** `0 < theta < 1`; takes time in proportion to `count`. */
  constructor(count: number, theta = ZIPFIAN_THETA) {
    this.#theta = theta;
    this.#zetaOfTwo = 1 + 0.5 ** theta;
    this.#alpha = 1 / (1 - theta);
    this.grow(count);
  }

  get count(): number {
    return this.#count;
  }

  /** Takes time in proportion to what is new. */
  grow(count: number): void {
    if (count <= this.#count) return;
    for (let i = this.#count + 1; i <= count; i++) this.#zeta += 1 / i ** this.#theta;
    this.#count = count;
    const rest = 1 - (2 / count) ** (1 - this.#theta);
    this.#eta = rest / (1 - this.#zetaOfTwo / this.#zeta);
  }

  next(random: Random): number {
    const uniform = random.next();
    const scaled = uniform * this.#zeta;
    if (scaled < 1 || this.#count === 1) return 0;
    if (scaled < this.#zetaOfTwo || this.#count === 2) return 1;
    const rank = Math.floor(this.#count * (this.#eta * uniform - this.#eta + 1) ** this.#alpha);
    return Math.min(rank, this.#count - 1);
  }
}

/** Where the record of a rank is: 32-bit FNV-1a over its four bytes, modulo the number of records. */
export function scrambled(rank: number, count: number): number {
  let hash = 0x811c9dc5;
  for (let shift = 0; shift < 32; shift += 8) {
    hash = Math.imul(hash ^ ((rank >>> shift) & 0xff), 0x01000193);
  }
  return (hash >>> 0) % count;
}

/** One to one on 32-bit numbers: neighbours end up far apart. Every step can be undone. */
export function scatter(number: number): number {
  let mixed = number | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
