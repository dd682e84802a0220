/**
 * The ports through which everything below the composition root meets time, randomness, timers, peers and logs.
 * Production implementations live in `src/env/node`, virtual ones in `test/sim`. The disk has two ports of its own:
 * `Engine` and `Disk` (under `storage`).
 */
import type { Counters } from '../base/counters.ts';
import type { NodeId } from '../base/ids.ts';

export interface Clock {
  /** Unix milliseconds, fractional; may jump either way. */
  wallMs(): number;
  /** Milliseconds since some moment, fractional, never backwards, not advancing while the machine is suspended. */
  monotonicMs(): number;
  /** Like `monotonicMs`, but advancing through suspension (LEASE-4). */
  bootMs(): number;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform integer, both ends included. */
  int(min: number, max: number): number;
  /** Cryptographically strong in production, seeded in simulation. */
  bytes(count: number): Uint8Array;
}

export interface Timer {
  cancel(): void;
}

export interface Scheduler {
  /** Runs `fn` once after at least `delayMs`. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer;
  /** Runs `fn` when the input of this turn of the event loop has been handled (setImmediate): the batching point. */
  defer(fn: () => void): void;
  /** As `defer`, but after all that was deferred in this turn: sends what the turn has to say, in one piece. */
  deferLast(fn: () => void): void;
  /** Resolves after `delayMs`; rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Frames between nodes: best effort. A frame may be lost (the connection broke, the peer's queue is full) and, in
 * simulation, delayed, duplicated or reordered; it is never changed. The receiver owns the frame.
 */
export interface Network {
  /** Begins to listen and connect. `onFrame` runs once per frame, synchronously. */
  start(handlers: NetworkHandlers): Promise<void>;
  /** Never blocks; drops when the peer is not connected or `queueBytesMax` is exceeded. The frame must not change afterwards. */
  send(to: NodeId, frame: Uint8Array): void;
  stop(): Promise<void>;
}

export interface NetworkHandlers {
  onFrame(from: NodeId, frame: Uint8Array): void;
  /** A connection to the peer was lost: answers outstanding there will not come. */
  onPeerDown(peer: NodeId): void;
  onPeerUp(peer: NodeId): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logs: event name plus fields; never user data. */
export interface Logger {
  debug(fields: LogFields, event: string): void;
  info(fields: LogFields, event: string): void;
  warn(fields: LogFields, event: string): void;
  error(fields: LogFields, event: string): void;
  child(fields: LogFields): Logger;
}

export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly log: Logger;
  readonly counters: Counters;
}
