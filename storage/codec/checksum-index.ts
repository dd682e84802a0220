/**
 * Checksums of any parts of a buffer, each in time that grows with the logarithm of its length only: CRCs are linear,
 * so that of a part follows from those of two prefixes (as in zlib's `crc32_combine`). For looking for records at
 * every offset of a damaged segment, where summing up each candidate would take hours.
 */
import { POLYNOMIAL, crc32 } from './checksum.ts';

const STEP = 256;
/** x to the power of 2 to the power of i, modulo the polynomial; bits are reflected, so that the highest is 1. */
const POWERS = makePowers();

function makePowers(): Uint32Array {
  const powers = new Uint32Array(64);
  let power = 1 << 30;
  for (let i = 0; i < powers.length; i++) {
    powers[i] = power;
    power = multiply(power, power);
  }
  return powers;
}

/** The product of two polynomials over GF(2), modulo that of the checksum. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= factor;
    factor = factor & 1 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product;
}

/** What `crc` becomes when so many zero bytes follow. */
function advance(crc: number, byteCount: number): number {
  let result = crc;
  let rest = byteCount;
  for (let i = 3; rest > 0; i++) {
    if (rest & 1) result = multiply(POWERS[i] ?? 0, result);
    rest = Math.floor(rest / 2);
  }
  return result;
}

export class ChecksumIndex {
  readonly #bytes: Uint8Array;
  /** Of the first `i * STEP` bytes. */
  readonly #prefixes: Uint32Array;

  /** Reads the whole buffer once; it must not change afterwards. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#prefixes = new Uint32Array(Math.floor(bytes.length / STEP) + 1);
    let crc = 0;
    for (let i = 1; i < this.#prefixes.length; i++) {
      crc = crc32(bytes, (i - 1) * STEP, i * STEP, crc);
      this.#prefixes[i] = crc;
    }
  }

  /** The same as `crc32` of `bytes[start, end)`. */
  of(start: number, end: number, seed = 0): number {
    return (this.#prefix(end) ^ advance(this.#prefix(start) ^ seed, end - start)) >>> 0;
  }

  #prefix(end: number): number {
    const i = Math.floor(end / STEP);
    return crc32(this.#bytes, i * STEP, end, this.#prefixes[i] ?? 0);
  }
}
