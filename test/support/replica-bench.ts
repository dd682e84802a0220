/**
 * One replica without a cluster: a Raft handle that the test commits by hand, a real version store over the memory
 * engine, and a quorum clock of one. Shows the leader's side of a range (cluster/replica) step by step.
 */
import { ClockCeiling } from '../../cluster/clock/clock-ceiling.ts';
import { Hlc } from '../../cluster/clock/hlc.ts';
import { QuorumClock } from '../../cluster/clock/quorum-clock.ts';
import { SuspendWatch } from '../../cluster/clock/suspend-watch.ts';
import type { RangeReply, RangeRequest } from '../../cluster/range/requests.ts';
import type { Command } from '../../cluster/replica/command.ts';
import { decodeCommand } from '../../cluster/replica/command.ts';
import { RangeState } from '../../cluster/replica/range-state.ts';
import { Replica } from '../../cluster/replica/replica.ts';
import { Counters } from '../../src/base/counters.ts';
import { nodeId, rangeId } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { EPOCH_UNIX_MS, TS_MAX, TS_ZERO } from '../../src/base/timestamp.ts';
import type { Env, Logger } from '../../src/env/env.ts';
import { MemEngine } from '../../storage/engine/mem-engine.ts';
import { MvccStore } from '../../storage/mvcc/mvcc-store.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

interface Timed {
  readonly at: number;
  readonly fn: () => void;
}

export class ReplicaBench {
  readonly self = nodeId(1);
  nowMs = 1000;
  term = 0;
  hasLease = true;
  /** What this node has heard of the snapshots of all. */
  snapshotFloor: Timestamp | undefined;
  readonly recovered: string[] = [];
  readonly log: { index: number; term: number; data: Uint8Array }[] = [];
  readonly hlc: Hlc;
  readonly env: Env;
  readonly replica: Replica;
  readonly mvcc: MvccStore;
  readonly suspendWatch: SuspendWatch;
  #index = 0;
  #timers: Timed[] = [];

  static async open(start: Key = KEY_MIN): Promise<ReplicaBench> {
    const made: { bench?: ReplicaBench } = {};
    const env = makeEnv(() => made.bench);
    const engine = new MemEngine();
    await engine.open();
    const mvcc = await MvccStore.open(env.scheduler, engine);
    made.bench = new ReplicaBench(env, mvcc, start);
    return made.bench;
  }

  private constructor(env: Env, mvcc: MvccStore, start: Key) {
    this.env = env;
    this.mvcc = mvcc;
    this.hlc = new Hlc(env.clock, TS_ZERO);
    this.suspendWatch = new SuspendWatch(env.clock, 50);
    this.suspendWatch.sample();
    const ceiling = new ClockCeiling({ appendCeiling: () => Promise.resolve() }, TS_MAX);
    const peers = {
      sendRound: () => undefined,
      sendAnswer: () => undefined,
      isCutOff: () => false,
      leadsEverything: () => false,
    };
    const clock = new QuorumClock({ env, hlc: this.hlc, ceiling, peers }, this.self, [this.self]);
    const descriptor = {
      rangeId: rangeId(1),
      generation: 0,
      start,
      end: KEY_MAX,
      replicas: [this.self],
    };
    this.replica = new Replica(
      {
        self: this.self,
        env,
        hlc: this.hlc,
        clock,
        mvcc,
        settings: { leaseMs: 900, retentionMs: 3_600_000 },
        suspendWatch: this.suspendWatch,
        snapshotFloor: () => this.snapshotFloor,
        runProgram: () => false,
        recover: (txnId) => this.recovered.push(txnId),
        neighbours: () => [],
        wake: () => undefined,
        askSessions: () => undefined,
      },
      new RangeState(descriptor),
      {
        isLeader: () => this.term > 0,
        term: () => this.term,
        leader: () => this.self,
        propose: (data) => this.#propose(data),
        leaseQuorumSentAt: () => (this.hasLease ? this.nowMs : Number.NEGATIVE_INFINITY),
        hasSentTimeoutNow: () => false,
        transferLeader: () => undefined,
        stepDown: () => this.replica.onFollower(),
      },
    );
  }

  #propose(data: Uint8Array): { index: number } {
    this.log.push({ index: ++this.#index, term: this.term, data });
    return { index: this.#index };
  }

  /** Becomes leader of a new term and comes into service. */
  async lead(): Promise<void> {
    this.term++;
    const ts = this.replica.floor(TS_ZERO);
    this.replica.onLeader(this.term);
    const noop: Command = { kind: 'noop', ts };
    await this.replica.apply({ index: ++this.#index, term: this.term }, () => noop);
    await this.settle();
  }

  /** Commits and applies everything proposed. */
  async commit(): Promise<void> {
    for (let entry = this.log.shift(); entry !== undefined; entry = this.log.shift()) {
      const { data } = entry;
      await this.replica.apply(entry, () => decodeCommand(data));
    }
    await this.settle();
  }

  /** Lets promises and deferred work run. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  ask(request: Unrouted): Promise<RangeReply> {
    const { descriptor } = this.replica.state;
    const routed = { rangeId: 1, generation: descriptor.generation, ...request } as RangeRequest;
    return Promise.resolve(this.replica.handle(routed, undefined));
  }

  /** Passes time, firing what falls due. */
  advance(ms: number): void {
    this.nowMs += ms;
    const due = this.#timers.filter((timer) => timer.at <= this.nowMs);
    this.#timers = this.#timers.filter((timer) => timer.at > this.nowMs);
    for (const timer of due) timer.fn();
  }

  addTimer(delayMs: number, fn: () => void): Timed {
    const timer = { at: this.nowMs + delayMs, fn };
    this.#timers.push(timer);
    return timer;
  }

  cancelTimer(timer: Timed): void {
    this.#timers = this.#timers.filter((each) => each !== timer);
  }
}

type Unrouted = RangeRequest extends infer R
  ? R extends RangeRequest
    ? Omit<R, 'rangeId' | 'generation'>
    : never
  : never;

function makeEnv(bench: () => ReplicaBench | undefined): Env {
  const now = (): number => bench()?.nowMs ?? 0;
  return {
    clock: { wallMs: () => EPOCH_UNIX_MS + now(), monotonicMs: now, bootMs: now },
    random: { next: () => 0.5, int: (min) => min, bytes: (n) => new Uint8Array(n) },
    scheduler: {
      after: (delayMs, fn) => {
        const timer = bench()?.addTimer(delayMs, fn);
        return { cancel: () => timer && bench()?.cancelTimer(timer) };
      },
      defer: (fn) => setImmediate(fn),
      deferLast: (fn) => setImmediate(fn),
      sleep: () => new Promise((resolve) => setImmediate(resolve)),
    },
    log: silent,
    counters: new Counters(),
  };
}
