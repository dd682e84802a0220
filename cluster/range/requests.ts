/**
 * What gateways ask of the leader of a range, and its answers. Plain values: they cross the wire by the RPC codec or
 * stay in the process as they are, so nobody changes one after it was sent.
 *
 * Every request names the range by id and generation; a replica answers `moved` when that is not the range it has
 * (RANGE-2, TXN-11) and `notLeader` when it does not lead. A request names only keys within the range's span.
 */
import type { LockId, NodeId, TxnId } from '../../src/base/ids.ts';
import type { Key, Span } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type {
  KvRow,
  LockStrength,
  LockWait,
  RowChange,
  TableFence,
} from '../../src/kv/kv-client.ts';
import type { RangeDescriptor } from './range-descriptor.ts';

interface Routed {
  readonly rangeId: number;
  readonly generation: number;
}

/** Point reads. `ts` 0 asks for the newest state under the lease (TXN-3); else a snapshot read (TXN-2, TXN-4). */
export interface GetRequest extends Routed {
  readonly kind: 'get';
  readonly keys: readonly Key[];
  readonly ts: Timestamp;
  readonly fences: readonly TableFence[];
}

/** One batch of a scan; `ts` as in `GetRequest`. A latest scan that does not fit one batch says `isComplete` false. */
export interface ScanRequest extends Routed {
  readonly kind: 'scan';
  readonly span: Span;
  readonly ts: Timestamp;
  readonly reverse: boolean;
  readonly limitRows: number;
  readonly limitBytes: number;
  readonly fences: readonly TableFence[];
}

/**
 * A locking read (TXN-6, TXN-13). Waits in FIFO order for other holders, then for undecided and unpublished writes of
 * those keys, and returns their newest values. If one is newer than `readTs`, the answer's `hlc` is the snapshot to
 * move to, and `isRevalidated` says whether `revalidate` (spans this transaction has read in this range) is
 * unchanged there since `readTs`. All or nothing under `nowait`; with `skip` rows held by others are not granted.
 */
export interface LockRequest extends Routed {
  readonly kind: 'lock';
  readonly lockId: LockId;
  readonly keys: readonly Key[];
  readonly strength: LockStrength;
  readonly wait: LockWait;
  /** Milliseconds for `block`; 0 is no limit. */
  readonly timeoutMs: number;
  readonly readTs: Timestamp;
  /**
   * The first that this transaction asks of anyone: `readTs` is the reading of its gateway's clock, an acceptor's, and
   * the answer says whether `hlc` is a gather (TXN-1), and with that the snapshot.
   */
  readonly isOpening: boolean;
  readonly revalidate: readonly Span[];
  readonly fences: readonly TableFence[];
  /** Lock the schema fences of these tables as well (DDL), and return them after the keys. */
  readonly fenceLocks: readonly number[];
}

/** Has anything in `spans` a version in (`fromTs`, `toTs`]? A snapshot read at `toTs` in all other respects. */
export interface RevalidateRequest extends Routed {
  readonly kind: 'revalidate';
  readonly spans: readonly Span[];
  readonly fromTs: Timestamp;
  readonly toTs: Timestamp;
}

export interface Write {
  readonly key: Key;
  /** null deletes. */
  readonly value: Uint8Array | null;
}

/** What a grant named: COMMIT names it back (TXN-6). */
export interface LockGrant {
  readonly rangeId: number;
  readonly generation: number;
  readonly term: number;
  /** Which of the session's stays in the leader's lock table it belongs to; 0 when nothing was locked. */
  readonly stay: number;
}

/** A change of one row that was put off until the commit (TXN-17). */
export interface DeferredChange {
  /** The row it locks, reads and writes. */
  readonly key: Key;
  /** As in `RowChange`, within the process; undefined: it has come from another. */
  readonly run: RowChange['run'] | undefined;
  readonly bytes: Uint8Array;
}

/** TXN-7, TXN-8. `onePhase`: the only participant; validation, timestamp and writes in one entry. */
export interface PrepareRequest extends Routed {
  readonly kind: 'prepare';
  readonly txnId: TxnId;
  readonly lockId: LockId;
  readonly onePhase: boolean;
  readonly readTs: Timestamp;
  /** Everything read or locked here, absence included. */
  readonly reads: readonly Span[];
  /** Tables whose fence here belongs to the read set. */
  readonly fences: readonly number[];
  /** The schema versions that the writes were planned with: blind writes have met no fence before. */
  readonly planned: readonly TableFence[];
  /** In ascending key order, each key once. Values of staged parts (see `StageRequest`) are not repeated. */
  readonly writes: readonly Write[];
  readonly fenceWrites: readonly TableFence[];
  /**
   * In the order of their statements; only in one phase. They run over the newest state in the step of the validation, or
   * the request is refused as `elsewhere`, and has had no effect.
   */
  readonly changes: readonly DeferredChange[];
  /** Rows locked FOR UPDATE and not written: writes without value. */
  readonly lockedKeys: readonly Key[];
  /** Absent when no lock was taken here. */
  readonly grant: LockGrant | undefined;
  /** Number of parts staged for this attempt in this range. */
  readonly stagedParts: number;
  /** The key that names the anchor range. */
  readonly anchor: Key;
  /** Present at the anchor: the spans of all participants. */
  readonly participants: readonly Span[] | undefined;
  /** The part of the key space this participant stands for. */
  readonly span: Span;
  /** False once this prepare was sent before: a refusal is then not final (TXN-11). */
  readonly isFirstSend: boolean;
}

/**
 * A statement on its own, run and committed where its range is led (TXN-14). Sent once: it is refused as `elsewhere`,
 * or with another answer that says that it has had no effect, or it commits in one phase under `txnId`.
 */
export interface ChangeRequest extends Routed {
  readonly kind: 'change';
  readonly txnId: TxnId;
  /** TXN-15: refused unless this one has been proposed here, or committed. */
  readonly after: TxnId | undefined;
  readonly lockId: LockId;
  /** A key of the range, under which its outcome is asked for. */
  readonly anchor: Key;
  /** The reading of the gateway's clock. */
  readonly readTs: Timestamp;
  /** As in `LockRequest`. */
  readonly timeoutMs: number;
  /** Within the process as it is, else as bytes. */
  readonly program: Pick<RowChange, 'run'> | { readonly bytes: Uint8Array };
}

/**
 * A part of a large transaction, staged under the attempt's id: holds nothing, has no timestamp. `chunk` is
 * `encodeChunk` of cluster/replica/write-chunk.ts: ascending keys within a part.
 */
export interface StageRequest extends Routed {
  readonly kind: 'stage';
  readonly txnId: TxnId;
  /** 0, 1, 2, ... in this range. */
  readonly part: number;
  readonly chunk: Uint8Array;
}

/** The decision, sent after `publish(commitTs)`; `commitTs` 0 aborts. Answered once durable and applied. */
export interface ResolveRequest extends Routed {
  readonly kind: 'resolve';
  readonly txnId: TxnId;
  readonly anchor: Key;
  /** The part of the participant's span that lies in this range. */
  readonly span: Span;
  readonly commitTs: Timestamp;
}

/** TXN-10: this range's vote. A range without a record makes a durable abort marker first. */
export interface VoteRequest extends Routed {
  readonly kind: 'vote';
  readonly txnId: TxnId;
  readonly anchor: Key;
  readonly span: Span;
}

/** TXN-12: the outcome may go once below the horizon: every participant has confirmed (at the anchor), or the anchor has. */
export interface ForgetRequest extends Routed {
  readonly kind: 'forget';
  readonly txnId: TxnId;
  readonly span: Span;
}

/** The session's locks in this range end. A cast: nobody waits for it. */
export interface ReleaseRequest extends Routed {
  readonly kind: 'release';
  readonly lockId: LockId;
}

/** COMMIT of a transaction that locked and wrote nothing: do the grants still hold? One check under the lease. */
export interface CheckGrantRequest extends Routed {
  readonly kind: 'checkGrant';
  readonly lockId: LockId;
  readonly grant: LockGrant;
}

/** Whom does this session wait for in this range? For deadlock probes. */
export interface BlockersRequest extends Routed {
  readonly kind: 'blockers';
  readonly lockId: LockId;
}

export interface SplitRequest extends Routed {
  readonly kind: 'split';
  readonly at: Key;
  /** The right half's id: allocated by the gateway in a transaction over the system span, never used twice. */
  readonly rightId: number;
}

export interface TransferRequest extends Routed {
  readonly kind: 'transfer';
  readonly to: NodeId;
}

export interface DescribeRequest extends Routed {
  readonly kind: 'describe';
}

export type RangeRequest =
  | GetRequest
  | ScanRequest
  | LockRequest
  | RevalidateRequest
  | PrepareRequest
  | ChangeRequest
  | StageRequest
  | ResolveRequest
  | VoteRequest
  | ForgetRequest
  | ReleaseRequest
  | CheckGrantRequest
  | BlockersRequest
  | SplitRequest
  | TransferRequest
  | DescribeRequest;

/* ---------- answers ---------- */

/** Not the range the request names, or keys outside it. Newer descriptors, as far as this node knows. */
export interface MovedReply {
  readonly kind: 'moved';
  readonly descriptors: readonly RangeDescriptor[];
}
export interface NotLeaderReply {
  readonly kind: 'notLeader';
  readonly leader: NodeId | undefined;
}
/** A leader that cannot serve now (no quorum, no room): certainly nothing happened. */
export interface UnavailableReply {
  readonly kind: 'unavailable';
  readonly reason: string;
}
export interface SchemaMismatchReply {
  readonly kind: 'schemaMismatch';
  readonly tableId: number;
  readonly foundVersion: number;
}
/** Below the collected versions. */
export interface TooOldReply {
  readonly kind: 'tooOld';
}
/** An entry of a range's log. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}
export interface ValuesReply {
  readonly kind: 'values';
  readonly values: readonly (Uint8Array | undefined)[];
  /**
   * To a snapshot read, TXN-16: no write of this range at or below its timestamp is undecided, or will ever come behind
   * this entry. Undefined: that cannot be said.
   */
  readonly settled: LogPosition | undefined;
}
export interface RowsReply {
  readonly kind: 'rows';
  readonly rows: readonly KvRow[];
  /** Where the next batch begins (forward) or ends (reverse); undefined at the end of the span. */
  readonly resume: Key | undefined;
  /** As in `ValuesReply`. */
  readonly settled: LogPosition | undefined;
}
export interface LockedReply {
  readonly kind: 'locked';
  readonly rows: readonly { readonly value: Uint8Array | undefined; readonly isGranted: boolean }[];
  readonly grant: LockGrant;
  /** The newest version among the granted rows. */
  readonly newestTs: Timestamp;
  readonly hlc: Timestamp;
  readonly isRevalidated: boolean;
  /** To an opening request: `hlc` is at or above everything published before it was sent. */
  readonly isGather: boolean;
  /** It stood in the queue of a lock. */
  readonly hasWaited: boolean;
}
export interface LockRefusedReply {
  readonly kind: 'lockRefused';
  readonly reason: 'timeout' | 'notAvailable' | 'tooMany';
}
export interface RevalidatedReply {
  readonly kind: 'revalidated';
  readonly isUnchanged: boolean;
}
export interface PreparedReply {
  readonly kind: 'prepared';
  readonly ts: Timestamp;
  /** The appends of this record have published `ts` (CLOCK-2): when it is the largest, no `publish` is needed. */
  readonly isPublished: boolean;
}
/** One-phase: committed, durable and published at `ts`. Also the answer of a range that knows the outcome. */
export interface CommittedReply {
  readonly kind: 'committed';
  readonly ts: Timestamp;
}
export interface AbortedReply {
  readonly kind: 'aborted';
}
/** Refused. Final if this was the only send of this prepare (TXN-11). `unknown`: below the horizon (TXN-12). */
export interface RefusedReply {
  readonly kind: 'refused';
  readonly reason: 'conflict' | 'lockLost' | 'moved' | 'unknown' | 'stagedLost' | 'elsewhere';
  readonly descriptors: readonly RangeDescriptor[];
}
/**
 * It was proposed, and leadership was lost before it was applied: it may or may not take effect. Whoever needs to
 * know learns the outcome (TXN-10, TXN-11).
 */
export interface LostReply {
  readonly kind: 'lost';
}
export interface DoneReply {
  readonly kind: 'done';
}
/** `spans`: the participants, when this range is the anchor and has the record. */
export interface VoteReply {
  readonly kind: 'vote';
  readonly vote: 'prepared' | 'committed' | 'aborted' | 'forgotten';
  readonly ts: Timestamp;
  readonly spans: readonly Span[] | undefined;
}
export interface BlockersReply {
  readonly kind: 'blockers';
  /** The session has a request here that waits. */
  readonly isWaiting: boolean;
  readonly blockers: readonly LockId[];
}
export interface DescribeReply {
  readonly kind: 'described';
  readonly descriptor: RangeDescriptor;
  /** Ranges next to it that this node has: what a gateway needs after a split. */
  readonly neighbours: readonly RangeDescriptor[];
  readonly leader: NodeId | undefined;
  readonly sizeBytes: number;
}

export type RangeReply =
  | MovedReply
  | NotLeaderReply
  | UnavailableReply
  | SchemaMismatchReply
  | TooOldReply
  | ValuesReply
  | RowsReply
  | LockedReply
  | LockRefusedReply
  | RevalidatedReply
  | PreparedReply
  | CommittedReply
  | AbortedReply
  | RefusedReply
  | LostReply
  | DoneReply
  | VoteReply
  | BlockersReply
  | DescribeReply;
