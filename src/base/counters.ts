/**
 * What a node has counted since its process started: one object per node, in `Env`, whose fields are the names in
 * `GET /status`. Plain numbers, so that counting costs an addition; nobody decides anything by them.
 *
 * Fields that end in `Max` are the highest value seen; all others only grow, so that a difference of two readings is
 * what happened in between. What each one tells: docs/operations.md.
 */
export class Counters {
  /* As leader of ranges. */
  raftProposed = 0;
  raftCommitted = 0;
  /** Appends that carry entries. */
  raftAppends = 0;
  raftAppendEntries = 0;
  raftAppendBytes = 0;
  /** Appends out to the peer, each new one included, added up over `raftAppends`. */
  raftInflightSum = 0;
  raftInflightMax = 0;
  raftHeartbeats = 0;

  /* Between nodes. */
  netFramesSent = 0;
  netFramesReceived = 0;
  netMessagesSent = 0;
  netMessagesReceived = 0;
  netBytesSent = 0;
  netBytesReceived = 0;

  /* Requests of this gateway to leaders of ranges: here, or at another node. */
  rangeReadsLocal = 0;
  rangeReadsRemote = 0;
  rangeReadsSettled = 0;
  rangeLocksLocal = 0;
  rangeLocksRemote = 0;
  rangePreparesLocal = 0;
  rangePreparesRemote = 0;
  rangeOthersLocal = 0;
  rangeOthersRemote = 0;

  /* Transactions of this gateway. */
  txnsBegun = 0;
  txnsEnded = 0;
  txnsOnePhase = 0;
  txnsTwoPhase = 0;
  txnsReadOnly = 0;
  /** Reads without a transaction (TXN-3). */
  latestReads = 0;
  txnRetries = 0;
  statementRestarts = 0;
  deadlocks = 0;
  /** Changes of rows that were put off until the commit, and commits that had to run theirs as statements after all. */
  changesDeferred = 0;
  deferralsUndone = 0;
  /** Of sessions that had lost, and had to wait until fewer of these were under way. */
  txnsHeldBack = 0;

  /** As leader of ranges: locks that had to be waited for. */
  lockWaits = 0;

  /* SQL clients of this node. */
  sqlMessages = 0;
  sqlStatements = 0;
  /** Done together with one that its client had sent before. */
  sqlPipelined = 0;
  sqlFlushes = 0;
  sqlBytesReceived = 0;
  sqlBytesSent = 0;
}
