/**
 * The seam between what is measured and how: a `Target` gives sessions and tells what its processes used, `measure`
 * (measure.ts) runs a workload against it. Quorate's is in cluster.ts; other databases implement the same.
 */
import type { Session, Workload } from '../workload.ts';
import type { Measurement, Settings, Units } from './result.ts';

/** A session the driver may clean up after and close. */
export interface DriverSession extends Session {
  /** The last answer left a transaction block open: the driver rolls it back. */
  readonly isInTransaction: boolean;
  /** The connection is gone: the driver connects again. */
  readonly isClosed: boolean;
  /** Ends the connection; a call that is running rejects with 08006, its outcome unknown. */
  close(): void;
}

/** Sums since the processes began; what is undefined or absent is not known. */
export interface Observation {
  readonly name: string;
  readonly cpuSeconds?: number | undefined;
  readonly rssBytes?: number | undefined;
  readonly counters: Readonly<Record<string, number>>;
  readonly gauges: Readonly<Record<string, number>>;
  readonly pauses?: Pauses | undefined;
}

/** Garbage collections, as `GET /status` has them. */
export interface Pauses {
  readonly uptimeMs: number;
  readonly gcLongest: readonly { readonly endedMs: number; readonly ms: number }[];
}

/** Where the Postgres protocol is spoken. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Settings for the session as PostgreSQL's `options` takes them, for example `-c work_mem=64MB`. */
  readonly options?: string | undefined;
}

export interface Target {
  readonly name: string;
  /** For programs that bring a client of their own, one per node; empty when there is no such protocol. */
  readonly endpoints: readonly Endpoint[];
  /**
   * Connects the session of the client with this index out of so many; targets with several nodes spread them evenly.
   * Rejects with a `SqlFailure`.
   */
  connect(index: number, count: number): Promise<DriverSession>;
  /** One entry per node, in the same order every time. Never rejects: what cannot be told is left out. */
  observe(): Promise<readonly Observation[]>;
  /** Resident bytes per node as `observe` has them, cheap enough for once a second; empty when not known. */
  sampleRss(): readonly (number | undefined)[];
}

export interface MeasureOptions {
  readonly clients: number;
  /** The clients share so many connections and pipeline on them. Undefined: each has its own. */
  readonly connections?: number | undefined;
  readonly warmUpSeconds: number;
  /** Length of the measured window. */
  readonly seconds: number;
  /** Operations per second of all clients together: open loop. Undefined: closed loop. */
  readonly rate?: number | undefined;
  /** How often an operation that failed with 40001, 40P01 or 40003 is repeated before it counts as failed; 0. */
  readonly retriesMax?: number | undefined;
  /** Of the clients' random numbers; 1. The repetition is added to it. */
  readonly seed?: number | undefined;
  /** From 1; 1. */
  readonly repetition?: number | undefined;
  /** Go into the measurement as they are, beside `clients` and `rate`. */
  readonly parameters?: Settings | undefined;
  readonly units?: Units | undefined;
  /** False: the tables are there already, from an earlier call with the same workload object. True. */
  readonly isLoading?: boolean | undefined;
  /** False: leaves the workload's check to a later call. True. */
  readonly isChecking?: boolean | undefined;
}

/** Loads, warms up, measures, stops the clients, checks. Rejects when loading, connecting or checking is impossible. */
export type Measure = (
  target: Target,
  workload: Workload,
  options: MeasureOptions,
) => Promise<Measurement>;
