/**
 * What is done to a cluster of real processes. Each fault says what it did, whom it hit, and how long it lasts; the
 * round ends with everything healed and all nodes up.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../src/env/env.ts';
import type { ProcessCluster } from '../support/process-cluster.ts';
import type { ChaosClients } from './clients.ts';
import { connect } from './clients.ts';
import type { FakeClock } from './fake-clock.ts';
import type { SmallDisk } from './small-disk.ts';

export const FAULTS = [
  'leader killed',
  'leader stopped',
  'follower killed',
  'minority cut off',
  'pair cut',
  'one-way cut',
  'links reset',
  'all killed',
  'rolling restart',
  'clock jump',
  'full disk',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Room {
  readonly cluster: ProcessCluster;
  readonly clients: ChaosClients;
  readonly random: Random;
  /** By node; none where libfaketime is not installed. */
  readonly clocks: ReadonlyMap<number, FakeClock>;
  readonly disk: { readonly node: number; readonly disk: SmallDisk } | undefined;
  /** The node that leads the range that was written most, and the ranges that it leads. */
  readonly leader: { readonly node: number; readonly ranges: ReadonlySet<number> };
}

export interface Hit {
  readonly words: string;
  /** Ranges that have lost their leader: someone else has to go on with them. */
  readonly ranges?: ReadonlySet<number>;
  /** Is cut off from all others: it has to answer errors. */
  readonly minority?: number;
  /** When it hit, where that was not at once. */
  readonly beganMs?: number;
  readonly holdMs: number;
}

const STOP_MS = 5000;
const CUT_MS = 8000;
const KILL_MS = 4000;
/** What has to be written until a full disk is noticed: a file of the log, or a memory table. */
const BALLAST_ROWS = 100;
const BALLAST_BYTES = 1_000_000;

/** Begins it. Resolves when it has begun; undefined when this machine cannot do it. */
export async function begin(fault: Fault, room: Room): Promise<Hit | undefined> {
  const { cluster, random, leader } = room;
  const ids = cluster.nodes.map(({ id }) => id);
  const victim = ids[random.int(0, ids.length - 1)] ?? 1;
  const others = ids.filter((id) => id !== victim);
  const other = others[random.int(0, others.length - 1)] ?? 1;
  switch (fault) {
    case 'leader killed':
      void cluster.kill(leader.node);
      return {
        words: `node ${leader.node} killed, which led ${leader.ranges.size} ranges`,
        ...{ ranges: leader.ranges, holdMs: KILL_MS },
      };
    case 'leader stopped':
      return stopLeader(room);
    case 'follower killed': {
      const follower = ids.find((id) => id !== leader.node) ?? 1;
      void cluster.kill(follower);
      return { words: `node ${follower} killed`, holdMs: KILL_MS };
    }
    case 'minority cut off':
      for (const id of ids) {
        if (id === leader.node) continue;
        cluster.relays.cut(leader.node, id);
        cluster.relays.cut(id, leader.node);
      }
      return {
        words: `node ${leader.node} cut off, which led ${leader.ranges.size} ranges`,
        ...{ ranges: leader.ranges, minority: leader.node, holdMs: CUT_MS },
      };
    case 'pair cut':
      cluster.relays.cut(victim, other);
      cluster.relays.cut(other, victim);
      return { words: `nodes ${victim} and ${other} do not hear each other`, holdMs: CUT_MS };
    case 'one-way cut':
      cluster.relays.cut(victim, other);
      return { words: `node ${other} does not hear node ${victim}`, holdMs: CUT_MS };
    case 'links reset':
      for (const id of others) {
        cluster.relays.reset(victim, id);
        cluster.relays.reset(id, victim);
      }
      return { words: `all connections of node ${victim} to others lost`, holdMs: 2000 };
    case 'all killed':
      await Promise.all(ids.map((id) => cluster.kill(id)));
      for (const id of ids) cluster.startNode(id);
      return { words: 'all killed at once, and started again', holdMs: 2 * KILL_MS };
    case 'rolling restart':
      for (const id of ids) {
        await cluster.kill(id, 'SIGTERM');
        cluster.startNode(id);
        await cluster.whenReady(id);
      }
      return { words: 'each stopped in order and started again', holdMs: 1000 };
    case 'clock jump':
      return jumpClock(room, victim);
    case 'full disk':
      return fillDisk(room);
  }
}

/** Ends whatever was begun. Resolves when all nodes serve. */
export async function heal({ cluster, disk }: Room): Promise<void> {
  cluster.relays.heal();
  disk?.disk.free();
  for (const { id } of cluster.nodes) {
    cluster.signal(id, 'SIGCONT');
    if (!cluster.isRunning(id)) cluster.startNode(id);
  }
  await cluster.whenReady();
}

async function stopLeader({ cluster, clients, leader }: Room): Promise<Hit> {
  await clients.openProbes(leader.node);
  const beganMs = performance.now();
  cluster.signal(leader.node, 'SIGSTOP');
  void clients.probe(leader.node);
  return {
    words: `node ${leader.node} stopped for ${STOP_MS / 1000} s, which led ${leader.ranges.size} ranges`,
    ...{ beganMs, ranges: leader.ranges, holdMs: STOP_MS },
  };
}

function jumpClock({ clocks, random }: Room, victim: number): Hit | undefined {
  const clock = clocks.get(victim);
  if (clock === undefined) return undefined;
  const seconds = Math.round((random.next() - 0.5) * 10 ** random.int(1, 5));
  clock.jump(seconds);
  return { words: `the wall clock of node ${victim} jumped by ${seconds} s`, holdMs: 4000 };
}

/** Where `full disk` writes. */
export async function setUpBallast(cluster: ProcessCluster): Promise<void> {
  const client = await connect(cluster.node(1));
  await client.query('CREATE TABLE ballast (id integer PRIMARY KEY, data text NOT NULL)');
  await client.end();
}

async function fillDisk({ cluster, disk }: Room): Promise<Hit | undefined> {
  if (disk === undefined) return undefined;
  disk.disk.fill();
  // Nobody notices before something is to be written that has no place yet.
  const writer = await connect(cluster.node((disk.node % cluster.nodes.length) + 1));
  const text =
    'INSERT INTO ballast VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET data = excluded.data';
  for (let id = 0; id < BALLAST_ROWS && cluster.isRunning(disk.node); id++) {
    await writer.query(text, [id, 'x'.repeat(BALLAST_BYTES)]).catch(() => undefined);
  }
  await writer.end().catch(() => undefined);
  await pause(1000);
  const state = cluster.isRunning(disk.node) ? 'it goes on' : 'it has ended itself';
  return { words: `the disk of node ${disk.node} full: ${state}`, holdMs: 2000 };
}
