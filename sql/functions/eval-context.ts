/**
 * What scalar functions may depend on besides their arguments. One object per statement execution; functions never
 * keep it. Everything here is synchronous: what has to wait (sequences that need a block of numbers) is fetched by
 * the executor before it evaluates.
 */
import type { FormatContext } from '../types/format-context.ts';

/** Sequences, provided by the session. Each may throw `SqlError` (42P01, 55000, 2200H). */
export interface SequenceHooks {
  nextval(name: string): bigint;
  currval(name: string): bigint;
  lastval(): bigint;
  setval(name: string, value: bigint, isCalled: boolean): bigint;
  /** The sequence's qualified name, or null when the column owns none. */
  serialSequence(table: string, column: string): string | null;
}

export interface EvalContext extends FormatContext {
  /** Start of the statement, microseconds since 2000-01-01 UTC. `transactionMicros` is what now() says. */
  readonly statementMicros: bigint;
  /** The wall clock now, for clock_timestamp(). */
  clockMicros(): bigint;
  /** Uniform in [0, 1). */
  random(): number;
  /** Fresh random bytes at each call, for gen_random_uuid(). */
  randomBytes(count: number): Uint8Array;
  readonly currentUser: string;
  readonly sessionUser: string;
  readonly database: string;
  readonly currentSchema: string;
  readonly backendPid: number;
  /** What version() says: begins with `PostgreSQL 15`. */
  readonly versionText: string;
  /** current_setting(); undefined for an unknown one. */
  setting(name: string): string | undefined;
  readonly sequences: SequenceHooks;
  /** pg_sleep: returns when the time is over; ends with the statement. */
  sleep(seconds: number): void;
}
