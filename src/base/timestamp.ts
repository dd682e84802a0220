/**
 * A hybrid timestamp: one safe integer, `(ms since 2025-01-01 UTC) * 4096 + logical`. 41 bits of milliseconds last
 * 69 years. Compared with `<`; the logical part may carry into the milliseconds. (design, section 2)
 */
declare const brand: unique symbol;

export type Timestamp = number & { readonly [brand]: 'Timestamp' };

/** 2025-01-01T00:00:00Z in Unix milliseconds. */
export const EPOCH_UNIX_MS = 1735689600000;
export const TICKS_PER_MS = 4096;
export const TS_ZERO = 0 as Timestamp;
/** Above every timestamp that can occur: the highest 53-bit integer. */
export const TS_MAX = Number.MAX_SAFE_INTEGER as Timestamp;

/** The first timestamp of a wall-clock millisecond; clocks before the epoch read as zero. */
export function timestampOfUnixMs(unixMs: number): Timestamp {
  return (Math.max(0, Math.floor(unixMs) - EPOCH_UNIX_MS) * TICKS_PER_MS) as Timestamp;
}

export function addMs(ts: Timestamp, ms: number): Timestamp {
  return (ts + ms * TICKS_PER_MS) as Timestamp;
}

export function minTimestamp(a: Timestamp, b: Timestamp): Timestamp {
  return a <= b ? a : b;
}

export function maxTimestamp(a: Timestamp, b: Timestamp): Timestamp {
  return a > b ? a : b;
}
