/**
 * The composition root: one node from its ports and its configuration. Everything below gets what it needs from here;
 * nothing below knows a real clock, socket or file. Tests make whole clusters of these in one process.
 *
 * Start: disk and versions are read, the log is recovered, the clock starts from its durable ceiling, then peers are
 * connected, then ranges run; SQL clients are let in once the system range serves (57P03 until then).
 * Stop: clients first, then ranges, a checkpoint, the log. A failure that leaves a promise in doubt ends the node.
 */
import type { NodeId, RangeId } from '../base/ids.ts';
import { nodeId, rangeId } from '../base/ids.ts';
import { isBroken } from '../base/mutant.ts';
import { KEY_MAX, KEY_MIN, formatKey } from '../base/span.ts';
import type { Timestamp } from '../base/timestamp.ts';
import { TS_ZERO, maxTimestamp } from '../base/timestamp.ts';
import type { Disk } from '../env/disk.ts';
import type { Env, Network } from '../env/env.ts';
import type { Sockets } from '../env/sockets.ts';
import type { MemoryStatus, NodeStatus, ProcessUsage } from '../admin/status.ts';
import type { KvClient } from '../kv/kv-client.ts';
import { KvError } from '../kv/kv-errors.ts';
import { SYSTEM_SPAN } from '../kv/keyspace.ts';
import { SqlServer } from '../pgwire/server.ts';
import type { SessionFactory } from '../../sql/session/session-api.ts';
import { ClockCeiling } from '../../cluster/clock/clock-ceiling.ts';
import { ClockGuard } from '../../cluster/clock/clock-guard.ts';
import { Hlc } from '../../cluster/clock/hlc.ts';
import type { RoundAnswer, RoundRequest } from '../../cluster/clock/quorum-clock.ts';
import { QuorumClock } from '../../cluster/clock/quorum-clock.ts';
import { SuspendWatch } from '../../cluster/clock/suspend-watch.ts';
import { ROUND_CODEC } from '../../cluster/clock/round-codec.ts';
import type { RangeDescriptor } from '../../cluster/range/range-descriptor.ts';
import { RANGE_CODEC } from '../../cluster/range/range-codec.ts';
import { RangeRouter } from '../../cluster/range/range-router.ts';
import { RangeSender, waitsForLocks } from '../../cluster/range/range-sender.ts';
import type { RangeRequest } from '../../cluster/range/requests.ts';
import type { RaftOptions } from '../../cluster/raft/raft-node.ts';
import type { GroupLog } from '../../cluster/store/raft-group.ts';
import { SnapshotTransfer } from '../../cluster/store/snapshot-transfer.ts';
import { Store, TICK_MS, checkpointedIndexes } from '../../cluster/store/store.ts';
import { LockCensus } from '../../cluster/txn/lock-census.ts';
import { DeadlockDetector } from '../../cluster/txn/deadlock.ts';
import { ClusterKvClient } from '../../cluster/txn/kv-client.ts';
import { Recovery } from '../../cluster/txn/recovery.ts';
import { ContentionGate } from '../../cluster/txn/contention-gate.ts';
import { HotTables } from '../../cluster/txn/hot-tables.ts';
import { OpenSnapshots } from '../../cluster/txn/open-snapshots.ts';
import { SchemaNews } from '../../cluster/txn/schema-news.ts';
import { SnapshotFloor } from '../../cluster/txn/snapshot-floor.ts';
import { IdSource } from '../../cluster/txn/txn-services.ts';
import { MajorityWatch } from '../../cluster/transport/majority-watch.ts';
import { Transport } from '../../cluster/transport/transport.ts';
import type { Engine } from '../../storage/engine/engine.ts';
import { MvccStore } from '../../storage/mvcc/mvcc-store.ts';
import { RaftLogStore } from '../../storage/raftlog/raft-log-store.ts';
import type { NodeConfig } from './config.ts';
import type { MemoryShares } from './memory-shares.ts';
import { DEFAULT_MEMORY_BYTES, sharesOf } from './memory-shares.ts';
import { acceptorsOf } from './placement.ts';
import { limitsOf, withDefaults } from './session-defaults.ts';
import { RAFT_BATCH_MAX } from './config.ts';

export interface NodePorts {
  readonly env: Env;
  readonly network: Network;
  readonly sockets: Sockets;
  readonly disk: Disk;
  readonly engine: Engine;
  readonly usage: () => ProcessUsage;
  /** The SQL layer over this node's key-value client. */
  readonly makeSessions: (kv: KvClient, isReady: () => boolean) => SessionFactory;
  /** The node cannot go on: a failed sync, a broken invariant below Raft. */
  readonly onFatal: (error: unknown) => void;
}

const FITNESS_WATCH_MS = 500;
const READY_RETRY_MS = 50;
/** Boot time may run this far from the monotonic clock within a lease. */
const SUSPEND_TOLERANCE_MS = 50;
const ELECTION_TICKS = 10;
/** What a lease keeps clear of the election timeout, for clocks that run at different rates. */
const DRIFT_SHARE = 0.1;
/** Far below what a client notices when the spare voter is needed after all, and some ten appends under load. */
const SPARE_DELAY_MS = 10;
/** Checkpoints begin at random within this last part of a full memory table. */
const CHECKPOINT_JITTER = 0.4;

export function raftOptionsOf(settings: NodeConfig['settings']): RaftOptions {
  return {
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: 1,
    appendBytesMax: 1 << 20,
    inflightMax: settings.raftPipeline,
    appendEntriesMax: settings.raftBatch,
    // To gather is to batch.
    spareDelayMs: settings.raftBatch > 1 ? SPARE_DELAY_MS : 0,
    uncommittedBytesMax: settings.raftUncommittedBytes,
    applyBytesMax: 8 << 20,
    tailBytesMax: settings.raftTailBytes,
  };
}

export class QuorateNode {
  readonly #config: NodeConfig;
  readonly #ports: NodePorts;
  readonly #env: Env;
  readonly #self: NodeId;
  readonly hlc: Hlc;
  readonly clock: QuorumClock;
  readonly store: Store;
  readonly transport: Transport;
  readonly #guard: ClockGuard;
  readonly #majority: MajorityWatch;
  readonly kv: ClusterKvClient;
  readonly #mvcc: MvccStore;
  readonly #log: RaftLogStore;
  readonly #sql: SqlServer;
  readonly #snapshots = new OpenSnapshots();
  readonly #floor: SnapshotFloor;
  #recovery: Recovery | undefined;
  #census: LockCensus | undefined;
  #isReady = false;
  #isStopping = false;

  /** Reads what is durable, and connects nothing yet. Rejects with typed errors: corruption, a locked directory. */
  static async open(config: NodeConfig, ports: NodePorts): Promise<QuorateNode> {
    const { env, engine, disk } = ports;
    const { settings } = config;
    await engine.open();
    const made: { node?: QuorateNode } = {};
    const mvcc = await MvccStore.open(env.scheduler, engine, {
      tableBytesMax: settings.memoryTableBytes,
      headCacheBytes: settings.headCacheBytes,
      spreadMs: settings.checkpointSpreadMs,
      nextFill: () => 1 - CHECKPOINT_JITTER * env.random.next(),
      onCheckpointNeeded: () => made.node?.store.onCheckpointNeeded(),
    });
    const log = await RaftLogStore.open(
      disk,
      {
        isGroupCommit: settings.groupCommit,
        syncEntriesMax: settings.raftBatch < RAFT_BATCH_MAX ? settings.raftBatch : Infinity,
        segmentBytes: settings.logSegmentBytes,
      },
      { scheduler: env.scheduler, log: env.log },
      await checkpointedIndexes(mvcc),
    );
    // CLOCK-1: what versions and entries show was acknowledged, too.
    const known = maxTimestamp(log.clockCeiling, mvcc.highestTs());
    const floor = isBroken('CLOCK-1') ? TS_ZERO : known;
    const durable = { mvcc, log: log.store, floor, recovered: log.ranges };
    const node = new QuorateNode(config, ports, durable);
    made.node = node;
    await node.store.open(bootstrapRange(config));
    return node;
  }

  private constructor(
    config: NodeConfig,
    ports: NodePorts,
    durable: {
      mvcc: MvccStore;
      log: RaftLogStore;
      floor: Timestamp;
      recovered: Map<RangeId, GroupLog>;
    },
  ) {
    const { env, network } = ports;
    this.#config = config;
    this.#ports = ports;
    this.#env = env;
    this.#self = nodeId(config.nodeId);
    this.#mvcc = durable.mvcc;
    this.#log = durable.log;
    this.hlc = new Hlc(env.clock, durable.floor);
    const members = config.members.map((member) => nodeId(member.id));
    const acceptors = acceptorsOf(members);
    this.#guard = new ClockGuard(
      { clock: env.clock, hlc: this.hlc },
      ...([this.#self, acceptors, config.settings.maxClockAheadMs] as const),
    );
    this.transport = new Transport(env, network, {
      readHlc: () => this.hlc.read(),
      onStamp: (from, hlc, wallMs) => {
        // An append's stamp lies at or above its entries: it would forward an acceptor as well as they do.
        if (!isBroken('CLOCK-2')) this.hlc.forward(hlc);
        this.#guard.onWallReading(from, wallMs);
      },
    });
    this.#majority = new MajorityWatch(env.clock, members.length);
    this.transport.onPeerChange((peer, isUp) => this.#majority.onPeerChange(peer, isUp));
    const ceiling = new ClockCeiling(
      { appendCeiling: (ts) => durable.log.append({ ranges: [], clockCeiling: ts }) },
      durable.floor,
    );
    this.clock = this.#makeClock(ceiling, acceptors);
    this.#floor = new SnapshotFloor({
      ...{ env, transport: this.transport, clock: this.clock, snapshots: this.#snapshots },
      peers: members.filter((id) => id !== this.#self),
      appliedTs: () => this.#mvcc.highestTs(),
    });
    this.store = this.#makeStore(ceiling, durable.recovered);
    this.kv = this.#makeKv(members);
    this.#sql = new SqlServer(
      env,
      withDefaults(
        ports.makeSessions(this.kv, () => this.isReady),
        limitsOf(config.settings),
      ),
      {
        host: config.host,
        port: config.sqlPort,
        connectionsMax: config.settings.connectionsMax,
      },
    );
  }

  #makeClock(ceiling: ClockCeiling, acceptors: readonly NodeId[]): QuorumClock {
    const { transport } = this;
    const peers = {
      sendRound: (to: NodeId, request: RoundRequest) => transport.cast(to, 'clock.round', request),
      sendAnswer: (to: NodeId, answer: RoundAnswer) => transport.cast(to, 'clock.answer', answer),
      isCutOff: () => this.#majority.isCutOff,
      leadsEverything: () => this.store.leadsEverything(),
    };
    const clock = new QuorumClock(
      { env: this.#env, hlc: this.hlc, ceiling, peers },
      this.#self,
      acceptors,
    );
    transport.register(
      'clock.round',
      (body, { from }) => clock.onRound(from, body as RoundRequest),
      ROUND_CODEC,
    );
    transport.register(
      'clock.answer',
      (body, { from }) => clock.onAnswer(from, body as RoundAnswer),
      ROUND_CODEC,
    );
    return clock;
  }

  #makeStore(ceiling: ClockCeiling, recovered: Map<RangeId, GroupLog>): Store {
    const { transport } = this;
    const { settings } = this.#config;
    const env = this.#env;
    const snapshots = new SnapshotTransfer({
      ...{ env, transport, mvcc: this.#mvcc },
      store: () => this.store,
    });
    const leaseMs = ELECTION_TICKS * TICK_MS * (1 - DRIFT_SHARE);
    const store = new Store(
      {
        ...{ env, ceiling, recovered, mvcc: this.#mvcc, log: this.#log },
        sendRaft: (to, range, bytes) => transport.sendRaft(to, range, bytes),
        flushSends: () => transport.flush(),
        sendSnapshot: (group, to) => snapshots.send(group, to),
        requestSnapshot: (range, leader) => snapshots.request(range, leader),
        onFatal: (error) => this.#ports.onFatal(error),
      },
      {
        ...{ self: this.#self, env, hlc: this.hlc, clock: this.clock, mvcc: this.#mvcc },
        settings: {
          leaseMs: settings.reads === 'lease' ? leaseMs : 0,
          retentionMs: settings.retentionMs,
        },
        suspendWatch: new SuspendWatch(env.clock, SUSPEND_TOLERANCE_MS),
        askSessions: (gateway, range, lockIds) => this.#census?.ask(gateway, range, lockIds),
        snapshotFloor: () => this.#floor.lowest(),
        runProgram: (program, txn) => this.kv.runProgram(program, txn),
        recover: (txnId, anchor, span) => void this.#recovery?.recoverAt(txnId, anchor, span),
      },
      {
        ...raftOptionsOf(settings),
        tailsBytesMax: settings.raftTailsBytes,
        // A budget that is stated is kept.
      },
    );
    transport.onRaft((from, range, bytes) => store.onRaftMessage(from, range, bytes));
    transport.register(
      'range',
      (body, context) => {
        const request = body as RangeRequest;
        const cancellation = waitsForLocks(request) ? context.cancellation() : undefined;
        return store.handle(request, cancellation);
      },
      RANGE_CODEC,
    );
    transport.onPeerChange((peer, isUp) => {
      if (!isUp) store.onPeerDown(peer);
    });
    return store;
  }

  #makeKv(members: readonly NodeId[]): ClusterKvClient {
    const { transport, hlc, clock } = this;
    const env = this.#env;
    const self = this.#self;
    const sender = new RangeSender(env, self, this.store, transport);
    const router = new RangeRouter(env, sender, members, () => this.#majority.isCutOff);
    const recovery = new Recovery(env, router, clock);
    this.#recovery = recovery;
    const census = new LockCensus({ self, sender, transport });
    this.#census = census;
    transport.onPeerChange((peer, isUp) => {
      if (!isUp) router.forgetLeader(peer);
    });
    return new ClusterKvClient({
      ...{ self, env, hlc, clock, router, sender, recovery, census },
      deadlocks: new DeadlockDetector({ env, self, router, transport }),
      ids: new IdSource(self, hlc),
      gate: new ContentionGate(env),
      hotTables: new HotTables(env.clock, this.#config.settings.deferAfterWaits),
      snapshots: this.#snapshots,
      replicas: this.store,
      schemaNews: new SchemaNews(
        transport,
        members.filter((id) => id !== self),
      ),
    });
  }

  /** Connects to the peers and runs the ranges; resolves once SQL clients are let in. */
  async start(): Promise<void> {
    await this.transport.start();
    this.store.start();
    this.#floor.start();
    await this.#sql.listen(this.#ports.sockets);
    void this.#untilReady();
    this.#watchFitness(false);
  }

  /**
   * Who should not lead hands its ranges to a peer that should: CLOCK-4, a node whose wall clock is far ahead, which says
   * so; and one that cannot talk to all whom that peer can talk to, for clients there would not find their leader.
   */
  #watchFitness(wasAhead: boolean): void {
    if (this.#isStopping) return;
    const aheadMs = this.#guard.aheadMs();
    const isAhead = aheadMs > 0;
    if (isAhead !== wasAhead) {
      const what = isAhead ? 'far ahead of the others: leading nothing' : 'with the others again';
      this.#env.log.warn({ aheadMs: Math.round(aheadMs) }, `clock: the wall clock is ${what}`);
    }
    if (isAhead) this.store.giveUpLeaderships((peer) => !this.#guard.isOutside(peer));
    else {
      const better = this.transport.betterConnected();
      const isFit = (peer: NodeId): boolean =>
        better.includes(peer) && !this.#guard.isOutside(peer);
      if (better.length > 0) this.store.giveUpLeaderships(isFit);
    }
    this.#env.scheduler.after(FITNESS_WATCH_MS, () => this.#watchFitness(isAhead));
  }

  /** Ready: this node has read the system range through its leader. */
  async #untilReady(): Promise<void> {
    while (!this.#isStopping && !this.#isReady) {
      const txn = this.kv.begin({ txnMaxBytes: 1, signal: new AbortController().signal });
      try {
        await txn.get(SYSTEM_SPAN.start, undefined);
        this.#isReady = true;
        this.#env.log.info({}, 'node: ready');
      } catch (error) {
        if (!(error instanceof KvError)) throw error;
        await this.#env.scheduler.sleep(READY_RETRY_MS);
      } finally {
        txn.rollback();
      }
    }
  }

  get isReady(): boolean {
    return this.#isReady && !this.#isStopping;
  }

  /** Stops in order: clients, ranges, a last checkpoint, files. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#floor.stop();
    await this.#sql.close();
    await this.store.stop();
    await this.transport.stop();
    await this.#log.close();
    await this.#ports.engine.close();
  }

  status(): NodeStatus {
    const ranges = [...this.store.groups()].map(({ state, raft }) => ({
      rangeId: state.rangeId,
      generation: state.descriptor.generation,
      start: formatKey(state.descriptor.start),
      end: formatKey(state.descriptor.end),
      isLeader: raft.isLeader,
      term: raft.term,
      appliedIndex: state.appliedIndex,
      commitIndex: raft.commitIndex,
      lastIndex: raft.lastIndex,
    }));
    const log = this.#log.stats();
    const usage = this.#ports.usage();
    const { txnsEnded, txnsOnePhase, txnsTwoPhase, txnsReadOnly } = this.#env.counters;
    return {
      nodeId: this.#config.nodeId,
      clusterId: this.#config.clusterId,
      isReady: this.isReady,
      sqlPort: this.#sql.port,
      clientCount: this.#sql.connectionCount,
      ...{ uptimeMs: usage.uptimeMs, rssBytes: usage.rssBytes, gcLongest: usage.gcLongest },
      memory: memoryStatusOf(this.#config.settings, usage),
      ranges,
      counters: {
        logSyncs: log.syncs,
        logBytes: log.bytes,
        logEntries: log.entries,
        logBatches: log.batches,
        clockRounds: this.clock.roundsTotal,
        versionsCollected: this.store.versionsCollected,
        memoryTableBytes: this.#mvcc.memoryBytes(),
        raftInflightNow: inflightOf(this.store),
        txnsAborted: txnsEnded - txnsOnePhase - txnsTwoPhase - txnsReadOnly,
        ...Object.fromEntries(Object.entries(this.#env.counters)),
        ...usage.counters,
      },
    };
  }
}

/** A cluster with a fixed list of members is born with all of them as voters of its first range. */
function bootstrapRange(config: NodeConfig): RangeDescriptor {
  return {
    rangeId: rangeId(1),
    generation: 0,
    start: KEY_MIN,
    end: KEY_MAX,
    replicas: config.members.map((member) => nodeId(member.id)),
  };
}

function memoryStatusOf(
  settings: NodeConfig['settings'],
  { heapUsedBytes, heapLimitBytes, externalBytes }: ProcessUsage,
): MemoryStatus {
  const names = Object.keys(sharesOf(DEFAULT_MEMORY_BYTES)) as (keyof MemoryShares)[];
  const shares = Object.fromEntries(names.map((name) => [name, settings[name]]));
  const { memoryBytes: budgetBytes = DEFAULT_MEMORY_BYTES } = settings;
  return { budgetBytes, shares, heapUsedBytes, heapLimitBytes, externalBytes };
}

/** Appends that this node's ranges have out now. */
function inflightOf(store: Store): number {
  let count = 0;
  for (const { raft } of store.groups()) {
    for (const { inflightCount } of raft.status().peers) count += inflightCount;
  }
  return count;
}
