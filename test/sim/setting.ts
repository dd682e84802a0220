/** Sessions of a simulated cluster of three nodes, and what a node has counted. */
import { must } from '../../src/base/assert.ts';
import type { NodeSettings } from '../../src/node/config.ts';
import { CollectingSink } from '../../src/sim/collecting-sink.ts';
import { EmbeddedCluster } from '../../src/sim/cluster.ts';
import { SimWorld } from '../../src/sim/world.ts';
import { SqlError } from '../../sql/errors/sql-error.ts';
import type { Session } from '../../sql/session/session-api.ts';

export interface Client {
  readonly session: Session;
  /** The tags of what was run, or the SQLSTATE of what failed; with rows, where there are some. */
  run(text: string): Promise<string>;
}

export class Setting {
  readonly world: SimWorld;
  readonly cluster: EmbeddedCluster;

  private constructor(world: SimWorld, cluster: EmbeddedCluster) {
    this.world = world;
    this.cluster = cluster;
  }

  static async start(seed: number, settings: Partial<NodeSettings> = {}): Promise<Setting> {
    const world = new SimWorld(seed);
    const cluster = new EmbeddedCluster(world, { size: 3, settings });
    await cluster.start();
    return new Setting(world, cluster);
  }

  get leader(): number {
    const { machines } = this.cluster;
    return must(machines.find(({ node }) => node?.status().ranges.some(({ isLeader }) => isLeader)))
      .id;
  }

  get others(): readonly [number, number] {
    const [one = 0, two = 0] = [1, 2, 3].filter((id) => id !== this.leader);
    return [one, two];
  }

  async connect(id: number): Promise<Client> {
    const session = await must(this.cluster.at(id).sessions).open({
      ...{ user: 'u', database: 'quorate', parameters: new Map() },
      ...{ processId: 1, onFatal: () => undefined },
    });
    const run = async (text: string): Promise<string> => {
      const sink = new CollectingSink(() => session.format());
      try {
        await session.simpleQuery(text, sink);
      } catch (error) {
        if (error instanceof SqlError) return error.sqlState;
        throw error;
      }
      return sink.results.map(({ tag, rows }) => [tag, ...rows.flat()].join(' ')).join('; ');
    };
    return { session, run };
  }

  /** What a node has counted while `work` was done. */
  async counted(
    id: number,
    work: () => Promise<unknown>,
  ): Promise<Readonly<Record<string, number>>> {
    const now = (): Readonly<Record<string, number>> =>
      must(this.cluster.at(id).node).status().counters;
    const before = { ...now() };
    await this.world.settle(work());
    const after = now();
    const names = Object.keys(after);
    return Object.fromEntries(
      names.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]),
    );
  }

  async all(client: Client, texts: readonly string[]): Promise<string[]> {
    const said: string[] = [];
    for (const text of texts) said.push(await this.world.settle(client.run(text)));
    return said;
  }
}
