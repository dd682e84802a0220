/**
 * What a run of the benchmarks leaves behind: one JSON document of plain values, written by every part of the suite and
 * read by reports and by `quorate bench compare`. Times are microseconds unless a name says otherwise; counters and CPU
 * times are differences over the measured window, which excludes loading, warm-up and checks.
 *
 * What it does not hold: single operations, and anything of a table's contents.
 */

/** Changes when a reader of an older document would misread a newer one. */
export const RESULT_FORMAT = 'quorate-bench/1';

export interface RunResult {
  readonly format: typeof RESULT_FORMAT;
  /** ISO 8601, UTC: when the run began. */
  readonly date: string;
  readonly machine: Machine;
  readonly build: Build;
  /** The command line, without the name of the program. */
  readonly command: readonly string[];
  /** Of the run as a whole: settings of the nodes, how the cluster was started. */
  readonly settings: Settings;
  readonly measurements: readonly Measurement[];
}

export type Settings = Readonly<Record<string, string | number | boolean>>;

export interface Machine {
  readonly cpus: number;
  readonly cpuModel: string;
  readonly memoryBytes: number;
  /** Name and release of the operating system. */
  readonly os: string;
  /** Of the process that drove the load, for example `v20.19.0`. */
  readonly node: string;
}

export interface Build {
  /** Of package.json. */
  readonly version: string;
  /** Of the source tree, with `-dirty` when it held changes; undefined outside of one. */
  readonly commit?: string | undefined;
}

/** Closed: each client starts an operation when its last one has ended. Open: operations start at a given rate. */
export type Mode = 'closed' | 'open';

/**
 * One workload on one target, once. Two measurements are repetitions of each other when `workload`, `parameters` and
 * `target` are equal; they then differ in `repetition`.
 */
export interface Measurement {
  readonly workload: string;
  /** Whatever was chosen: rows, bytes, clients, rate, and what a sweep varies. Part of the identity. */
  readonly parameters: Settings;
  readonly target: string;
  /** From 1. */
  readonly repetition: number;
  readonly mode: Mode;
  readonly clients: number;
  /** Operations per second that were asked for; open loop only. */
  readonly rate?: number | undefined;
  /** Length of the measured window as it was, in seconds. */
  readonly seconds: number;
  /** What an operation holds when it is more than one of something: statements, rows. */
  readonly units?: Units | undefined;
  /** Operations that ended well in the window, and the same per second. */
  readonly operations: number;
  readonly throughput: number;
  /**
   * By kind of operation. Closed loop: service time, from the start of the operation to its end. Open loop: from the
   * moment the operation was due, so that waiting for a free client counts (no coordinated omission).
   */
  readonly latency: Readonly<Record<string, Distribution>>;
  /** Open loop only: from when an operation really started, by kind; what a closed loop would have reported. */
  readonly serviceTime?: Readonly<Record<string, Distribution>> | undefined;
  /** Open loop only: operations that were due when the window ended and had not ended themselves. */
  readonly backlog?: number | undefined;
  /** Operations that failed in the window, by SQLSTATE. 08006: the connection was lost. */
  readonly errors: Readonly<Record<string, number>>;
  /** Tries in the window that failed and were repeated, by SQLSTATE; none unless retries were asked for. */
  readonly retries: Readonly<Record<string, number>>;
  /** What the check after the run found wrong; empty when all holds. */
  readonly violations: readonly string[];
  readonly driver: DriverUsage;
  readonly nodes: readonly NodeUsage[];
}

export interface Units {
  /** In the plural, for example `rows`. */
  readonly name: string;
  readonly perOperation: number;
}

export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** All of it: a compressed HdrHistogram (V2) in base64; `decodeHistogram` of histogram.ts reads it. */
  readonly histogram: string;
}

/** What the measuring process itself used in the window: it shares the machine with what it measures. */
export interface DriverUsage {
  readonly cpuSeconds: number;
  /** The longest time its event loop was held up: latencies contain it. */
  readonly stallMax: number;
  /** Open loop only: how late operations began for which a client was waiting, because timers are. In `latency`. */
  readonly startDelay?: Distribution | undefined;
}

export interface NodeUsage {
  /** For example `node 1`, `primary`, `standby 2`. */
  readonly name: string;
  /** User and system time of its processes; undefined where the operating system does not tell. */
  readonly cpuSeconds?: number | undefined;
  /** The largest resident size seen, sampled about once a second. */
  readonly rssMaxBytes?: number | undefined;
  /** Differences of all counters the node publishes; empty when it publishes none. */
  readonly counters: Readonly<Record<string, number>>;
  /** Garbage collections in the window; undefined where the node does not tell. */
  readonly gc?: GcUsage | undefined;
  /** Values at the end of the window of what is no counter: sizes, maxima. */
  readonly gauges: Readonly<Record<string, number>>;
}

/** Milliseconds that the node did nothing else. */
export interface GcUsage {
  readonly pauses: number;
  readonly ms: number;
  readonly longestMs: number;
}
