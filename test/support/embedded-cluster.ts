/**
 * A whole cluster in one process, over simulated ports: the production nodes, their logs and version stores, on disks
 * that crash and a network that fails. What the simulator's tests and later its command run.
 */
import { QuorateNode } from '../../src/node/quorate-node.ts';
import { DEFAULT_SETTINGS } from '../../src/node/config.ts';
import type { NodeConfig, NodeSettings } from '../../src/node/config.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { nodeId } from '../../src/base/ids.ts';
import type { KvClient } from '../../src/kv/kv-client.ts';
import { Planner } from '../../sql/plan/planner.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { CrashEngine } from './crash-engine.ts';
import { SimDisk } from './sim-disk.ts';
import type { SimWorld } from './sim-env.ts';
import { SimProcess, SimSwitch } from './sim-env.ts';

interface Machine {
  readonly id: NodeId;
  readonly disk: SimDisk;
  engine: CrashEngine;
  readonly skewMs: number;
  readonly rate: number;
  process: SimProcess | undefined;
  node: QuorateNode | undefined;
  sessions: SqlSessionFactory | undefined;
}

export interface ClusterOptions {
  readonly size: number;
  readonly settings?: Partial<NodeSettings>;
  /** Wall clocks start this far apart at most. */
  readonly skewMaxMs?: number;
}

export class EmbeddedCluster {
  readonly world: SimWorld;
  readonly net: SimSwitch;
  readonly machines: Machine[];
  readonly fatal: unknown[] = [];
  readonly #options: ClusterOptions;

  constructor(world: SimWorld, options: ClusterOptions) {
    this.world = world;
    this.net = new SimSwitch(world);
    this.#options = options;
    const skewMax = options.skewMaxMs ?? 0;
    this.machines = Array.from({ length: options.size }, (_, i) => ({
      id: nodeId(i + 1),
      disk: new SimDisk(),
      engine: new CrashEngine(),
      skewMs: (world.random.next() - 0.5) * 2 * skewMax,
      rate: 1,
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
    return this.machines[id - 1]!;
  }

  alive(): Machine[] {
    return this.machines.filter((machine) => machine.node !== undefined);
  }

  kv(id: number): KvClient | undefined {
    return this.at(id).node?.kv;
  }

  async boot(id: number): Promise<void> {
    const machine = this.at(id);
    const process = new SimProcess(this.world, machine);
    const members = this.machines.map((each) => ({ id: each.id, host: 'sim', peerPort: 1 }));
    const config: NodeConfig = {
      nodeId: machine.id,
      clusterId: 'sim',
      host: 'sim',
      sqlPort: 1,
      httpPort: 1,
      peerPort: 1,
      members,
      settings: { ...DEFAULT_SETTINGS, logSegmentBytes: 1 << 18, ...this.#options.settings },
    };
    const opening = QuorateNode.open(config, {
      env: process.env,
      network: this.net.network(machine.id),
      sockets: { listen: () => Promise.resolve({ port: 1, close: () => Promise.resolve() }) },
      disk: machine.disk,
      engine: machine.engine,
      rssBytes: () => 0,
      makeSessions: (kv) => {
        machine.sessions = new SqlSessionFactory(kv, process.env, { planner: new Planner() });
        return machine.sessions;
      },
      onFatal: (error) => {
        if (process.isAlive) this.fatal.push(error);
      },
    });
    const node = await this.world.settle(opening);
    await this.world.settle(node.start());
    machine.process = process;
    machine.node = node;
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

  /** kill -9, and the loss of what was not synced. */
  crash(id: number, keepRate = 0): void {
    const machine = this.at(id);
    machine.process?.kill();
    machine.node = undefined;
    machine.process = undefined;
    machine.sessions = undefined;
    this.net.disconnect(machine.id);
    machine.disk.crash(this.world.random, keepRate);
    machine.engine = machine.engine.crash(() => this.world.random.next() < keepRate);
  }
}
