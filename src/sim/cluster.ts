/**
 * A whole cluster in one process, over simulated ports: the production nodes, their logs and version stores, on disks
 * that crash and a network that fails.
 */
import { QuorateNode } from '../node/quorate-node.ts';
import { DEFAULT_SETTINGS } from '../node/config.ts';
import type { NodeConfig, NodeSettings } from '../node/config.ts';
import { must } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { nodeId } from '../base/ids.ts';
import type { Network } from '../env/env.ts';
import type { KvClient } from '../kv/kv-client.ts';
import { Planner } from '../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { LogCorruption } from '../../storage/raftlog/recovery.ts';
import { CrashEngine } from './crash-engine.ts';
import { SimDisk } from './disk.ts';
import type { SimWorld } from './world.ts';
import { SimClock, SimProcess, SimSwitch } from './world.ts';

/** A simulated node shares the process with all others. */
const NO_USAGE = {
  ...{ rssBytes: 0, heapUsedBytes: 0, heapLimitBytes: 0, externalBytes: 0 },
  ...{ uptimeMs: 0, gcLongest: [], counters: {} },
};

export interface Machine {
  readonly id: NodeId;
  readonly disk: SimDisk;
  engine: CrashEngine;
  readonly clock: SimClock;
  /** How long a sync takes; drawn anew for each. */
  syncDelayMs: (() => number) | undefined;
  /** What it is told at its next start, over what all are told. */
  settings: Partial<NodeSettings>;
  /** Its disk has been made to fail: the process is to end by itself, which is a crash and no bug. */
  isDoomed: boolean;
  /** What its log held is damaged: it will not start again. */
  isLost: boolean;
  process: SimProcess | undefined;
  node: QuorateNode | undefined;
  sessions: SqlSessionFactory | undefined;
}

export interface ClusterOptions {
  readonly size: number;
  readonly settings?: Partial<NodeSettings>;
  /** Wall clocks start this far apart at most. */
  readonly skewMaxMs?: number;
  /** Clocks run this much too fast or too slow at most. */
  readonly rateErrorMax?: number;
}

export class EmbeddedCluster {
  readonly world: SimWorld;
  readonly net: SimSwitch;
  readonly machines: Machine[];
  readonly fatal: unknown[] = [];
  /** How often a node has been started. */
  boots = 0;
  /** Is told where a client is about to commit. */
  onCommit: ((node: number) => void) | undefined;
  readonly #options: ClusterOptions;

  constructor(world: SimWorld, options: ClusterOptions) {
    this.world = world;
    this.net = new SimSwitch(world);
    this.#options = options;
    const around = (max: number): number => (world.random.next() - 0.5) * 2 * max;
    this.machines = Array.from({ length: options.size }, (_, i) => ({
      id: nodeId(i + 1),
      disk: new SimDisk(),
      engine: new CrashEngine(),
      clock: new SimClock(world, {
        skewMs: around(options.skewMaxMs ?? 0),
        rate: 1 + around(options.rateErrorMax ?? 0),
      }),
      syncDelayMs: undefined,
      settings: {},
      isDoomed: false,
      isLost: false,
      process: undefined,
      node: undefined,
      sessions: undefined,
    }));
  }

  async start(): Promise<void> {
    for (const { id } of this.machines) await this.boot(id);
    const isReady = await this.world.run(30_000, () =>
      this.machines.every(({ node }) => node?.isReady === true),
    );
    if (!isReady) throw new Error('the cluster did not come up');
  }

  at(id: number): Machine {
    return must(this.machines[id - 1], `there is no node ${id}`);
  }

  alive(): Machine[] {
    return this.machines.filter((machine) => machine.node !== undefined);
  }

  kv(id: number): KvClient | undefined {
    return this.at(id).node?.kv;
  }

  /** False: the node has found its log damaged, and refuses to start. */
  async boot(id: number): Promise<boolean> {
    const machine = this.at(id);
    const process = new SimProcess(this.world, machine.clock);
    machine.isDoomed = false;
    this.boots++;
    machine.disk.beforeSync = () => this.#syncTime(machine, process);
    const members = this.machines.map((each) => ({ id: each.id, host: 'sim', peerPort: 1 }));
    const config: NodeConfig = {
      nodeId: machine.id,
      clusterId: 'sim',
      host: 'sim',
      sqlPort: 1,
      httpPort: 1,
      peerPort: 1,
      members,
      settings: {
        ...{ ...DEFAULT_SETTINGS, logSegmentBytes: 1 << 18 },
        ...{ ...this.#options.settings, ...machine.settings },
      },
    };
    const opening = QuorateNode.open(config, {
      env: process.env,
      network: guarded(this.net.network(machine.id), process),
      sockets: { listen: () => Promise.resolve({ port: 1, close: () => Promise.resolve() }) },
      disk: machine.disk,
      engine: machine.engine,
      usage: () => NO_USAGE,
      makeSessions: (kv) => {
        machine.sessions = new SqlSessionFactory(kv, process.env, { planner: new Planner() });
        return machine.sessions;
      },
      onFatal: (error) => {
        if (!process.isAlive) return;
        if (machine.isDoomed) this.crash(id);
        else this.fatal.push(error);
      },
    });
    const node = await this.world.settle(opening).catch((error: unknown) => {
      if (!(error instanceof LogCorruption)) throw error;
      machine.isLost = true;
      process.kill();
      return undefined;
    });
    if (node === undefined) return false;
    await this.world.settle(node.start());
    machine.process = process;
    machine.node = node;
    return true;
  }

  /** What each replica thinks: for the story of a failure. */
  describe(): string {
    const lines = this.machines.flatMap(({ id, node }) =>
      [...(node?.store.groups() ?? [])].map(({ state, raft, replica, isBroken, isInstalling }) => {
        const { rangeId, generation } = state.descriptor;
        const flags = [
          isBroken ? 'broken' : '',
          isInstalling ? 'installing' : '',
          replica.office?.isServing === true ? 'serving' : '',
          replica.office?.isHandingOver === true ? 'handing over' : '',
          replica.office?.isSplitting === true ? 'splitting' : '',
        ];
        return (
          `node ${id} range ${rangeId} gen ${generation} ${raft.role} term ${raft.term} leader ` +
          `${raft.leader ?? '-'} log ${raft.firstIndex}..${raft.lastIndex} commit ` +
          `${raft.commitIndex} applied ${state.appliedIndex} prepared ${state.prepared.size} ` +
          flags.filter((flag) => flag !== '').join(', ')
        );
      }),
    );
    return lines.join('\n');
  }

  #syncTime({ syncDelayMs }: Machine, process: SimProcess): Promise<void> {
    if (syncDelayMs === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.world.after(syncDelayMs(), () => process.run(resolve));
    });
  }

  /** As an operator stops it: clients are sent away, what is under way ends, nothing that was written is lost. */
  async stop(id: number): Promise<void> {
    const machine = this.at(id);
    machine.sessions = undefined;
    machine.process?.leave();
    if (machine.node !== undefined) await this.world.settle(machine.node.stop());
    this.#end(machine);
    machine.engine = machine.engine.crash(() => true);
  }

  #end(machine: Machine): void {
    machine.process?.kill();
    machine.clock.wake();
    machine.node = undefined;
    machine.process = undefined;
    machine.sessions = undefined;
    this.net.disconnect(machine.id);
  }

  /** kill -9, and the loss of what was not synced. */
  crash(id: number, keepRate = 0): void {
    const machine = this.at(id);
    this.#end(machine);
    machine.disk.crash(this.world.random, keepRate);
    machine.engine = machine.engine.crash(() => this.world.random.next() < keepRate);
  }
}

/** What arrives at a process that stands still is heard when it goes on. */
function guarded(network: Network, process: SimProcess): Network {
  return {
    start: (handlers) =>
      network.start({
        onFrame: (from, frame) => process.run(() => handlers.onFrame(from, frame)),
        onPeerDown: (peer) => process.run(() => handlers.onPeerDown(peer)),
        onPeerUp: (peer) => process.run(() => handlers.onPeerUp(peer)),
      }),
    send: (to, frame) => network.send(to, frame),
    stop: () => network.stop(),
  };
}
