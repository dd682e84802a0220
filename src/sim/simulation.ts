/**
 * One run of the simulator: a cluster, clients, faults and checkers, all drawn from one seed. The options of a run
 * (sizes, limits, clocks, which faults, which workloads) are drawn too, so that many seeds together meet what no fixed
 * choice would. A run is a function of its seed and options: the same code gives the same trace.
 */
import process from 'node:process';
import type { Probe } from '../base/probe.ts';
import type { Random } from '../env/env.ts';
import { checkTransactions, explain } from '../check/check-history.ts';
import type { Key } from '../base/span.ts';
import type { KvClient } from '../kv/kv-client.ts';
import { KvError } from '../kv/kv-errors.ts';
import { DEFAULT_SETTINGS } from '../node/config.ts';
import type { NodeSettings } from '../node/config.ts';
import { ClockChecker } from './clock-checker.ts';
import { ReplicaChecker } from './checkers.ts';
import { ConnectionLost, SimClient, isExpected } from './client.ts';
import { EmbeddedCluster } from './cluster.ts';
import type { Fault } from './faults.ts';
import { FAULTS, FaultInjector, drawBatching } from './faults.ts';
import { withProbes } from './probes.ts';
import { RaftChecker } from './raft-checker.ts';
import { Recorder } from './recorder.ts';
import type { Workload, WorkloadContext } from './workload.ts';
import { Violation } from './workload.ts';
import { WORKLOADS } from './workloads/index.ts';
import { SimWorld, seededRandom } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Drawn from the seed unless they are given. */
  readonly nodes?: number | undefined;
  readonly workloads?: readonly Workload[] | undefined;
  readonly faults?: readonly Fault[] | undefined;
  /** Clients pause for up to this long between two pieces of work, milliseconds. */
  readonly thinkMs?: number | undefined;
  /** In place of those drawn. */
  readonly settings?: Partial<NodeSettings> | undefined;
  /** Virtual minutes under faults. */
  readonly minutes: number;
  /** Is told what happens while it happens. */
  readonly onStory?: ((line: string) => void) | undefined;
}

export interface SimulationReport {
  readonly seed: number;
  /** What does not hold; undefined when everything does. */
  readonly failure: string | undefined;
  readonly story: readonly string[];
  /** What was drawn, in words. */
  readonly setting: string;
  readonly traceHash: number;
  readonly virtualMs: number;
  /** Pieces of work that clients have done, whatever came of them. */
  readonly steps: number;
  readonly transactions: Readonly<Record<'ok' | 'fail' | 'info', number>>;
  readonly faults: ReadonlyMap<Fault, number>;
  /** The rare places in the code that the run came to. */
  readonly reached: ReadonlySet<Probe>;
}

/** How long a healed cluster may take to end everything. */
const DRAIN_MS = 60_000;
const CALM_MS = 10_000;
/** Differences between states stay; leaders and uncommitted entries come and go. */
const REPLICAS_EVERY_MS = 500;
const RAFT_EVERY_MS = 50;
/** A check may meet what is still being recovered. */
const AUDITS_MAX = 5;
/** Of all runs whose workloads are drawn. */
const STREAMS_SHARE = 0.2;
/** Of all runs: changes are put off without waiting for contention. */
const DEFERRING_SHARE = 0.5;
/** Clients that think no longer than this keep a cluster busy. */
export const THINK_MIN_MS = 60;

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: SimWorld;
  readonly #cluster: EmbeddedCluster;
  readonly #workloads: readonly Workload[];
  readonly #injector: FaultInjector;
  readonly #checker: ReplicaChecker;
  readonly #history: Recorder;
  readonly #settings: Partial<NodeSettings>;
  /** What else clients have to expect: old snapshots, where versions do not live as long as by default. */
  readonly #also: readonly string[];
  readonly #setting: string;
  readonly #thinkMs: number;
  readonly #reached = new Set<Probe>();
  #failure: unknown;
  #isOver = false;
  #steps = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new SimWorld(options.seed);
    const { random } = this.#world;
    const size = options.nodes ?? pick(random, [3, 3, 3, 5]);
    const settings = {
      ...drawSettings(random),
      deferAfterWaits: drawDeferring(options.seed),
      ...options.settings,
    };
    this.#settings = settings;
    this.#also = settings.retentionMs === undefined ? [] : ['72000'];
    const skewMaxMs = pick(random, [0, 1000, 120_000, 3e10]);
    // Rates are the one thing that leases trust.
    const rateErrorMax = settings.reads === 'quorum' ? 0.3 : pick(random, [0, 0.03]);
    const kinds = options.faults ?? FAULTS.filter(() => random.next() < 0.3);
    this.#workloads = options.workloads ?? drawWorkloads(random, options.seed);
    this.#thinkMs = options.thinkMs ?? pick(random, [THINK_MIN_MS, 300, 1500]);
    this.#cluster = new EmbeddedCluster(this.#world, { size, settings, skewMaxMs, rateErrorMax });
    this.#history = new Recorder(this.#world);
    this.#checker = new ReplicaChecker(this.#cluster);
    this.#injector = new FaultInjector(this.#world, this.#cluster, {
      kinds,
      split: () => void this.#split(),
      onStory: options.onStory,
    });
    this.#setting =
      `${size} nodes; ${this.#workloads.map(({ name }) => name).join(', ')}; ${JSON.stringify(settings)}; ` +
      `clients think ${this.#thinkMs} ms at most; clocks ${skewMaxMs} ms apart, rates off by ${rateErrorMax}; faults: ${kinds.join(', ') || 'none'}`;
  }

  async run(): Promise<SimulationReport> {
    // What nobody waits for may fail, too: it would end a node's process.
    const onRejection = (error: unknown): void => void (this.#failure ??= error);
    process.on('unhandledRejection', onRejection);
    try {
      await withProbes(this.#reached, () => this.#play());
    } catch (error) {
      this.#failure ??= error;
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    const verdict = checkTransactions(this.#history.transactions);
    if (!verdict.isStrictlySerializable) this.#failure ??= new Violation(explain(verdict));
    const { traceHash, nowMs } = this.#world;
    return {
      seed: this.#options.seed,
      failure: this.#failure === undefined ? undefined : this.#words(this.#failure),
      story: this.#injector.story,
      setting: this.#setting,
      traceHash,
      virtualMs: nowMs,
      steps: this.#steps,
      transactions: verdict.counts,
      faults: this.#injector.counts,
      reached: this.#reached,
    };
  }

  #words(failure: unknown): string {
    if (failure instanceof Violation) return failure.message;
    return `${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}\n${this.#cluster.describe()}`;
  }

  async #play(): Promise<void> {
    const { random } = this.#world;
    await this.#cluster.start();
    const clients: Promise<void>[] = [];
    for (const workload of this.#workloads) {
      const client = await this.#world.settle(this.#connect(1));
      await this.#world.settle(workload.setUp(client, this.#context()));
      client.close();
    }
    const raftChecker = new RaftChecker(this.#cluster);
    const { maxClockAheadMs = DEFAULT_SETTINGS.maxClockAheadMs } = this.#settings;
    const clockChecker = new ClockChecker(this.#world, this.#cluster, maxClockAheadMs);
    this.#observeForEver(RAFT_EVERY_MS, () => raftChecker.observe());
    this.#observeForEver(RAFT_EVERY_MS, () => clockChecker.observe());
    this.#observeForEver(REPLICAS_EVERY_MS, () => this.#checker.observe());
    for (const workload of this.#workloads) {
      for (let i = 0; i < workload.clients; i++) clients.push(this.#runClient(workload));
    }
    const all = Promise.all(clients);
    all.catch((error: unknown) => (this.#failure ??= error));
    const end = this.#world.nowMs + this.#options.minutes * 60_000;
    while (this.#world.nowMs < end) {
      await this.#pass(random.int(300, 3000));
      await this.#injector.next();
    }
    await this.#injector.heal();
    await this.#pass(CALM_MS);
    this.#isOver = true;
    await this.#world.settle(all, DRAIN_MS);
    await this.#drain();
    for (const workload of this.#workloads) await this.#world.settle(this.#audit(workload));
    await this.#checker.compareVersions(this.#world);
    await this.#world.settle(this.#writeEverywhere(), DRAIN_MS);
    this.#throwFailure();
  }

  /** Every range takes writes again, through every node. Last of all: what is written belongs to nobody. */
  async #writeEverywhere(): Promise<void> {
    for (const { node } of this.#cluster.alive()) {
      for (const { state } of node?.store.groups() ?? []) {
        const key = `${state.descriptor.start}\0` as Key;
        for (let tries = 1; node !== undefined && !(await this.#writeOnce(node.kv, key)); tries++) {
          if (tries >= AUDITS_MAX) throw new Violation(`range ${state.rangeId} takes no writes`);
          await this.#pause(1000);
        }
      }
    }
  }

  async #writeOnce(kv: KvClient, key: Key): Promise<boolean> {
    const { signal } = new AbortController();
    const txn = kv.begin({ txnMaxBytes: 1000, signal });
    try {
      await txn.put(key, new Uint8Array(1), undefined);
      await txn.commit();
      return true;
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
      return false;
    } finally {
      txn.rollback();
    }
  }

  /** Virtual time goes on, as long as nothing has failed. */
  async #pass(ms: number): Promise<void> {
    await this.#world.run(ms, () => this.#hasFailed());
    this.#throwFailure();
  }

  #hasFailed(): boolean {
    return this.#failure !== undefined || this.#cluster.fatal.length > 0;
  }

  #throwFailure(): void {
    this.#failure ??= this.#cluster.fatal[0];
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  #observeForEver(everyMs: number, observe: () => void): void {
    try {
      observe();
    } catch (error) {
      this.#failure ??= error;
    }
    this.#world.after(everyMs, () => this.#observeForEver(everyMs, observe));
  }

  /** Locks of sessions that are gone, and transactions that nobody has decided, come to an end by themselves. */
  async #drain(): Promise<void> {
    const isDrained = await this.#world.run(
      DRAIN_MS,
      () => this.#hasFailed() || this.#checker.leftovers().length === 0,
    );
    if (isDrained) return;
    const left = this.#checker.leftovers().join('; ');
    throw new Violation(`left after ${DRAIN_MS} ms: ${left}\n${this.#cluster.describe()}`);
  }

  async #audit(workload: Workload): Promise<void> {
    for (let tries = 1; workload.check !== undefined; tries++) {
      const client = await this.#connect(this.#cluster.alive()[0]?.id);
      try {
        await workload.check(client, this.#context());
        return;
      } catch (error) {
        if (!isExpected(error, this.#also) || tries >= AUDITS_MAX) throw error;
        await this.#pause(1000);
      } finally {
        client.close();
      }
    }
  }

  /* ---------- clients ---------- */

  #context(): WorkloadContext {
    return {
      random: this.#world.random,
      history: this.#history,
      pause: (ms) => this.#pause(ms),
      fail: (message) => {
        throw new Violation(message);
      },
    };
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.after(ms, resolve));
  }

  #connect(node?: number): Promise<SimClient> {
    const { random } = this.#world;
    const id = node ?? random.int(1, this.#cluster.machines.length);
    return SimClient.connect(this.#world, this.#cluster, id, this.#also);
  }

  async #runClient(workload: Workload): Promise<void> {
    const { random } = this.#world;
    const context = this.#context();
    let client: SimClient | undefined;
    while (!this.#isOver) {
      await this.#pause(random.int(1, this.#thinkMs));
      try {
        client ??= await this.#connect();
        await workload.step(client, context);
        this.#steps++;
      } catch (error) {
        if (!(error instanceof ConnectionLost) && !isExpected(error, this.#also)) throw error;
      }
      if (client?.isLost === true || random.next() < 0.03) {
        client?.close();
        client = undefined;
      }
    }
    client?.close();
  }

  async #split(): Promise<void> {
    const { random } = this.#world;
    const statements = this.#workloads.flatMap((workload) => workload.splits?.(random) ?? []);
    const text = statements[random.int(0, Math.max(0, statements.length - 1))];
    if (text === undefined) return;
    try {
      const client = await this.#connect();
      await client.query(text).finally(() => client.close());
    } catch (error) {
      // Also what says that there is a boundary already.
      if (
        !(error instanceof ConnectionLost) &&
        !isExpected(error, [...this.#also, '55000', '42P17'])
      ) {
        this.#failure ??= error;
      }
    }
  }
}

function pick<T>(random: Random, from: readonly T[]): T {
  const found = from[random.int(0, from.length - 1)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
}

function drawSettings(random: Random): Partial<NodeSettings> {
  // Limits at their extremes: checkpoints all the time, logs that let go at once.
  const tight = { memoryTableBytes: 20_000, raftTailBytes: 2_000, logSegmentBytes: 16_384 };
  return {
    ...(random.next() < 0.4 ? tight : {}),
    reads: random.next() < 0.8 ? 'lease' : 'quorum',
    ...drawBatching(random, 0.9),
    checkpointSpreadMs: pick(random, [0, 500, 15_000]),
    // No safety rests on it.
    maxClockAheadMs: pick(random, [500, 60_000]),
  };
}

/** It came later: what else is drawn is what it was before. */
function drawDeferring(seed: number): number {
  const random = seededRandom(seed);
  random.next();
  return random.next() < DEFERRING_SHARE ? 0 : DEFAULT_SETTINGS.deferAfterWaits;
}

function drawWorkloads(random: Random, seed: number): Workload[] {
  const names = Object.keys(WORKLOADS).filter((name) => name !== 'streams');
  const chosen = new Set(Array.from({ length: random.int(1, 3) }, () => pick(random, names)));
  // It came later: seeds that do not draw it are the runs that they were before.
  if (seededRandom(seed).next() < STREAMS_SHARE) chosen.add('streams');
  return [...chosen].flatMap((name) => WORKLOADS[name]?.() ?? []);
}
