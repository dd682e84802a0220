/**
 * The servers that bars are measured on: started when first asked for, kept while the group that uses them is measured,
 * stopped in the end. While one side is measured the other is idle, which costs some hundredths of a core.
 */
import type { LocalCluster } from '../driver/cluster.ts';
import { startCluster } from '../driver/cluster.ts';
import type { Target } from '../driver/target.ts';
import type { Etcd } from '../peers/etcd.ts';
import { startEtcd } from '../peers/etcd.ts';
import type { Postgres } from '../peers/postgres.ts';
import { startPostgres } from '../peers/postgres.ts';

/** First ports; each server takes some behind its own. */
export interface Ports {
  readonly sql: number;
  readonly http: number;
  readonly peer: number;
  readonly postgres: number;
  readonly etcd: number;
}

/** Which cluster of Quorate: as it is by default, or with batching and pipelining of Raft switched off. */
export type Settings = 'default' | 'switched off';

const NODES = 3;
const SWITCHED_OFF = ['--raft-batch', 'off', '--raft-pipeline', 'off'];
/** The second cluster's ports lie this far behind the first one's. */
const PORT_STEP = 10;

export class Resources {
  readonly #ports: Ports;
  readonly #clusters = new Map<Settings, Promise<LocalCluster>>();
  #postgres: Promise<Postgres> | undefined;
  #etcd: Promise<Etcd> | undefined;
  readonly #done = new Set<string>();

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** Runs what has to happen once before it is measured: loading. */
  async once(what: string, run: () => Promise<void>): Promise<void> {
    if (this.#done.has(what)) return;
    await run();
    this.#done.add(what);
  }

  isDone(what: string): boolean {
    return this.#done.has(what);
  }

  async quorate(settings: Settings = 'default'): Promise<Target> {
    return (await this.#cluster(settings)).target;
  }

  async postgres(settings: string): Promise<Target> {
    this.#postgres ??= startPostgres({ port: this.#ports.postgres, standbys: 2 });
    return (await this.#postgres).target('postgres', settings);
  }

  async etcd(): Promise<Target> {
    this.#etcd ??= startEtcd(this.#ports.etcd);
    return (await this.#etcd).target;
  }

  /** Everything that runs; what did not start is not there to stop. */
  async stop(): Promise<void> {
    const none = Promise.resolve(undefined);
    const running = [...[...this.#clusters.values(), this.#postgres ?? none, this.#etcd ?? none]];
    this.#clusters.clear();
    this.#postgres = undefined;
    this.#etcd = undefined;
    this.#done.clear();
    for (const server of await Promise.allSettled(running)) {
      if (server.status === 'fulfilled') await server.value?.stop();
    }
  }

  #cluster(settings: Settings): Promise<LocalCluster> {
    const known = this.#clusters.get(settings);
    if (known !== undefined) return known;
    const step = settings === 'default' ? 0 : PORT_STEP;
    const { sql, http, peer } = this.#ports;
    const started = startCluster({
      ...{ nodes: NODES, sqlPort: sql + step, httpPort: http + step, peerPort: peer + step },
      flags: settings === 'default' ? [] : SWITCHED_OFF,
    });
    this.#clusters.set(settings, started);
    return started;
  }
}
