/**
 * The ports of a session: time, randomness, timers. `src/env` satisfies them; tests give virtual ones.
 */
import type { Counters } from '../../src/base/counters.ts';

export interface SessionTimer {
  cancel(): void;
}

export interface SessionEnv {
  readonly clock: {
    /** Unix milliseconds, fractional. */
    wallMs(): number;
    /** Never backwards. */
    monotonicMs(): number;
  };
  readonly random: {
    /** Uniform in [0, 1). */
    next(): number;
    bytes(count: number): Uint8Array;
  };
  readonly scheduler: {
    after(delayMs: number, fn: () => void): SessionTimer;
    /** Runs `fn` after the input of this turn of the event loop. */
    defer(fn: () => void): void;
  };
  readonly counters: Counters;
}

const UNIX_2000_MS = 946684800000;

/** The wall clock in microseconds since 2000-01-01 UTC, as timestamps are kept. */
export function wallMicros(env: SessionEnv): bigint {
  return BigInt(Math.floor((env.clock.wallMs() - UNIX_2000_MS) * 1000));
}
