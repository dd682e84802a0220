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
  readonly rssBytes: number;
  readonly ranges: readonly RangeStatus[];
  /** Since the start of the process; docs/operations.md has them one by one. */
  readonly counters: Readonly<Record<string, number>>;
}

/** What the process has used: read when it is asked for. */
export interface ProcessUsage {
  readonly rssBytes: number;
  readonly counters: Readonly<Record<string, number>>;
}
