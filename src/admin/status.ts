/** What a node says of itself: the body of `GET /status`. Plain values; keys and numbers, no user data. */
export interface RangeStatus {
  readonly rangeId: number;
  readonly generation: number;
  /** Hexadecimal. */
  readonly start: string;
  readonly end: string;
  readonly isLeader: boolean;
  readonly term: number;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  readonly lastIndex: number;
}

export interface NodeStatus {
  readonly nodeId: number;
  readonly clusterId: string;
  /** Every range of the node has a leader that this node has heard of, and SQL clients are let in. */
  readonly isReady: boolean;
  readonly sqlPort: number;
  readonly clientCount: number;
  /** Of the process, milliseconds. */
  readonly uptimeMs: number;
  readonly rssBytes: number;
  readonly memory: MemoryStatus;
  /**
   * Garbage collections that were longer than all later ones, oldest first. The longest since a reader's last look is the
   * first that ended after the `uptimeMs` it saw then.
   */
  readonly gcLongest: readonly GcPause[];
  readonly ranges: readonly RangeStatus[];
  /** Since the start of the process; docs/operations.md has them one by one. */
  readonly counters: Readonly<Record<string, number>>;
}

export interface GcPause {
  /** In milliseconds of `uptimeMs`. */
  readonly endedMs: number;
  readonly ms: number;
}

/** How the node's memory is divided, and what of it the heap takes. */
export interface MemoryStatus {
  readonly budgetBytes: number;
  /** By the names of `MemoryShares`. */
  readonly shares: Readonly<Record<string, number>>;
  readonly heapUsedBytes: number;
  /** V8 ends the process beyond it. */
  readonly heapLimitBytes: number;
  /** Buffers outside of the heap. */
  readonly externalBytes: number;
}

/** What the process has used: read when it is asked for. */
export interface ProcessUsage {
  readonly uptimeMs: number;
  readonly gcLongest: readonly GcPause[];
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly heapLimitBytes: number;
  readonly externalBytes: number;
  readonly counters: Readonly<Record<string, number>>;
}
