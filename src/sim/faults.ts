/**
 * What goes wrong in a simulated machine room. Each round ends what the round before began (but for clocks, which stay
 * where they were put) and begins something else, of the kinds that the run has drawn.
 */
import type { NodeId } from '../base/ids.ts';
import type { Random } from '../env/env.ts';
import type { NodeSettings } from '../node/config.ts';
import { DEFAULT_SETTINGS } from '../node/config.ts';
import type { RaftGroup } from '../../cluster/store/raft-group.ts';
import type { EmbeddedCluster, Machine } from './cluster.ts';
import type { LinkFaults, SimWorld } from './world.ts';
import { CALM_LINKS } from './world.ts';

export const FAULTS = [
  'crash',
  'torn crash',
  'coordinator crash',
  'all down',
  'rolling restart',
  'isolation',
  'one-way cut',
  'pair cut',
  'lost frames',
  'doubled frames',
  'slow links',
  'clogged link',
  'stuck link',
  'late news',
  'pause',
  'suspension',
  'clock jump',
  'slow disk',
  'failed sync',
  'full disk',
  'flipped bit',
  'transfer',
  'shuffle',
  'split',
  'unheard hand-over',
  'absence',
  'unheard commit',
  'leader ahead',
] as const;
export type Fault = (typeof FAULTS)[number];

/** About how long a COMMIT takes when nothing is in its way. */
const COMMIT_MS = 4;
/** A leader that is at work commits something within this. */
const AHEAD_WITHIN_MS = 500;
/** About how long it takes to move the lead of a few ranges, and to elect a leader in place of one that is gone. */
const TRANSFER_MS = 300;
const ELECTION_MS = 2500;

export class FaultInjector {
  readonly #world: SimWorld;
  readonly #cluster: EmbeddedCluster;
  readonly #kinds: readonly Fault[];
  readonly #split: () => void;
  readonly #onStory: ((line: string) => void) | undefined;
  /** What was begun in another round is over. */
  #round = 0;
  readonly counts = new Map<Fault, number>();
  /** What happened when, in words. */
  readonly story: string[] = [];

  /** `split` has some range split; what becomes of it nobody waits for. */
  constructor(
    world: SimWorld,
    cluster: EmbeddedCluster,
    options: {
      readonly kinds: readonly Fault[];
      readonly split: () => void;
      readonly onStory?: ((line: string) => void) | undefined;
    },
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#kinds = options.kinds;
    this.#split = options.split;
    this.#onStory = options.onStory;
  }

  /** Ends what is going on, and begins something else. */
  async next(): Promise<void> {
    await this.heal();
    if (this.#kinds.length === 0) return;
    const { random } = this.#world;
    for (let count = random.int(1, 2); count > 0; count--) {
      const kind = this.#kinds[random.int(0, this.#kinds.length - 1)];
      const running = this.#cluster.alive();
      const victim = running[random.int(0, running.length - 1)];
      if (kind !== undefined && victim !== undefined) await this.#begin(kind, victim);
    }
  }

  /** All links and nodes are up, but for those that will never be. */
  async heal(): Promise<void> {
    const { net, machines } = this.#cluster;
    this.#cluster.onCommit = undefined;
    this.#round++;
    net.heal();
    net.faults = CALM_LINKS;
    for (const machine of machines) {
      machine.process?.resume();
      machine.clock.wake();
      machine.syncDelayMs = () => this.#world.random.next();
      // Its log may have failed, with nobody yet who has noticed.
      if (machine.isDoomed && machine.node !== undefined) this.#cluster.crash(machine.id);
      machine.disk.failSyncs = false;
      machine.disk.failWrites = false;
      if (machine.node === undefined && !machine.isLost) await this.#boot(machine);
    }
  }

  async #boot(machine: Machine): Promise<void> {
    const isUp = await this.#cluster.boot(machine.id);
    if (!isUp) this.#tell(`node ${machine.id} does not start: its log is damaged`);
  }

  #note(kind: Fault, what: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#tell(what);
  }

  #tell(what: string): void {
    const line = `${(this.#world.nowMs / 1000).toFixed(3)} s: ${what}`;
    this.story.push(line);
    this.#onStory?.(line);
  }

  async #begin(kind: Fault, victim: Machine): Promise<void> {
    const { random } = this.#world;
    const { net, machines } = this.#cluster;
    const { id } = victim;
    const others = machines.filter((machine) => machine !== victim);
    const other = others[random.int(0, others.length - 1)] ?? victim;
    switch (kind) {
      case 'crash':
        this.#note(kind, `node ${id} is killed; what was not synced is lost`);
        this.#cluster.crash(id);
        return;
      case 'torn crash':
        this.#note(kind, `node ${id} is killed; of what was not synced parts survive`);
        this.#cluster.crash(id, 0.5);
        return;
      case 'coordinator crash':
        this.#awaitCommit(kind);
        return;
      case 'rolling restart':
        await this.#restartAll(kind);
        return;
      case 'all down':
        this.#killAll();
        for (const machine of machines) if (!machine.isLost) await this.#boot(machine);
        return;
      case 'isolation':
        this.#note(kind, `node ${id} is cut off`);
        net.isolate(id);
        return;
      case 'one-way cut':
        this.#note(kind, `node ${other.id} no longer hears node ${id}`);
        net.cut(id, other.id);
        return;
      case 'pair cut':
        this.#note(kind, `nodes ${id} and ${other.id} no longer hear each other`);
        net.cut(id, other.id);
        net.cut(other.id, id);
        return;
      case 'lost frames':
        this.#links(kind, { lossRate: 0.02 + random.next() * 0.08 });
        return;
      case 'doubled frames':
        this.#links(kind, { duplicateRate: 0.1 });
        return;
      case 'slow links':
        this.#links(kind, { delayMaxMs: random.int(5, 60) });
        return;
      case 'clogged link':
        this.#note(kind, `what node ${id} sends node ${other.id} takes long`);
        net.clog(id, other.id, random.int(50, 800));
        return;
      case 'stuck link':
        this.#note(kind, `what node ${id} sends node ${other.id} takes seconds`);
        net.clog(id, other.id, random.int(1000, 6000));
        return;
      case 'late news':
        this.#deafen(kind);
        return;
      case 'unheard hand-over':
        this.#handOverUnheard(victim);
        return;
      case 'absence':
        this.#suspendAbsent(victim);
        return;
      case 'unheard commit':
        await this.#killAhead();
        return;
      case 'leader ahead':
        await this.#cutOffAhead(victim);
        return;
      default:
        await this.#beginAtNode(kind, victim);
    }
  }

  async #beginAtNode(kind: Fault, victim: Machine): Promise<void> {
    const { random } = this.#world;
    const { id, disk, clock } = victim;
    switch (kind) {
      case 'pause':
        this.#note(kind, `node ${id} stands still`);
        victim.process?.pause();
        return;
      case 'suspension':
        this.#note(kind, `the machine of node ${id} is suspended`);
        victim.process?.pause();
        clock.suspend();
        return;
      case 'clock jump': {
        const jumpMs = (random.next() - 0.5) * 10 ** random.int(2, 6);
        this.#note(kind, `the wall clock of node ${id} jumps by ${jumpMs.toFixed(0)} ms`);
        clock.skewMs += jumpMs;
        return;
      }
      case 'slow disk':
        this.#note(kind, `the disk of node ${id} is slow`);
        victim.syncDelayMs = () => 20 + random.next() * 200;
        return;
      case 'failed sync':
        this.#note(kind, `the disk of node ${id} fails a sync`);
        victim.isDoomed = true;
        disk.failSyncs = true;
        return;
      case 'full disk':
        this.#note(kind, `the disk of node ${id} is full`);
        victim.isDoomed = true;
        disk.failWrites = true;
        return;
      case 'flipped bit':
        // A node whose log is damaged is lost for good: one at most, so that a majority stays.
        if (this.counts.has(kind)) return;
        this.#note(kind, `node ${id} is killed, and a bit of its log is flipped`);
        this.#cluster.crash(id);
        await flipBit(this.#world, victim);
        return;
      case 'transfer':
        this.#note(kind, `node ${id} is to lead a range`);
        this.#transfer(id);
        return;
      case 'shuffle':
        this.#note(kind, 'every range is to be led by some node');
        this.#shuffle();
        return;
      case 'split':
        this.#note(kind, 'a range is to be split');
        this.#split();
        return;
      default:
        return;
    }
  }

  /** Kills the node of whoever commits next, at some moment of that. */
  #awaitCommit(kind: Fault): void {
    const round = this.#round;
    this.#cluster.onCommit = (node) => {
      this.#cluster.onCommit = undefined;
      this.#world.after(this.#world.random.next() * COMMIT_MS, () => {
        const isStill = this.#round === round && this.#cluster.at(node).node !== undefined;
        if (!isStill) return;
        this.#note(kind, `node ${node} is killed in the middle of a commit`);
        this.#cluster.crash(node);
      });
    };
  }

  /** One after another, perhaps with other settings. */
  async #restartAll(kind: Fault): Promise<void> {
    const { random } = this.#world;
    for (const machine of this.#cluster.machines) {
      const { process, isDoomed, id } = machine;
      if (process === undefined || process.isPaused || isDoomed) continue;
      this.#note(kind, `node ${id} is stopped, and started again`);
      await this.#cluster.stop(id);
      if (random.next() < 0.5) machine.settings = drawRaftSettings(random);
      await this.#boot(machine);
      await this.#world.run(random.int(0, 1500));
    }
  }

  /** The node with the slowest clock: what its clock does not say it has from the others, late. */
  #deafen(kind: Fault): void {
    const { net, machines } = this.#cluster;
    const [last, ...others] = [...machines].sort((a, b) => a.clock.wallMs() - b.clock.wallMs());
    if (last === undefined) return;
    const { id } = last;
    const delayMs = this.#world.random.int(200, 600);
    this.#note(kind, `node ${id} hears of everything ${delayMs} ms late`);
    for (const from of others) net.clog(from.id, id, delayMs);
  }

  /** And perhaps their clocks are set back before they start again. */
  #killAll(): void {
    const { random } = this.#world;
    const backMs = random.next() < 0.5 ? 0 : 10 ** random.int(2, 9);
    this.#note('all down', `all nodes are killed at once, their clocks set back by ${backMs} ms`);
    for (const machine of this.#cluster.machines) {
      machine.clock.skewMs -= backMs;
      if (machine.node !== undefined) this.#cluster.crash(machine.id, random.int(0, 1) / 2);
    }
  }

  /** A leader gives its range away, and from the moment it has done so hears nothing of what becomes of it. */
  #handOverUnheard(victim: Machine): void {
    const { net, machines } = this.#cluster;
    const [from, group] = this.#leadership() ?? [];
    const to = victim === from ? machines.find((machine) => machine !== from) : victim;
    if (from === undefined || group === undefined || to === undefined) return;
    this.#note(
      'unheard hand-over',
      `node ${from.id} is to hand a range to node ${to.id}, and to hear nothing from then on`,
    );
    const others = machines.filter((machine) => machine !== from);
    // Late enough that it can be cut off before it hears of its successor.
    const lateMs = this.#world.random.int(5, 40);
    for (const { id } of others) net.clog(id, from.id, lateMs);
    this.#askTransfer(from, group, to.id);
    const { term } = group.raft;
    const watch = (): void => {
      const { isLeader, hasSentTimeoutNow } = group.raft;
      if (!isLeader || group.raft.term !== term || net.isCalm) return;
      if (!hasSentTimeoutNow) this.#world.after(1, watch);
      else for (const { id } of others) net.cut(id, from.id);
    };
    watch();
  }

  /** A leader's machine is suspended, and when it goes on its links are not up yet. */
  #suspendAbsent(victim: Machine): void {
    const [machine] = this.#leadership() ?? [victim];
    const { process, clock, id } = machine;
    const ms = this.#world.random.int(500, 2500);
    this.#note('absence', `the machine of node ${id} is suspended for ${ms} ms, and cut off`);
    process?.pause();
    clock.suspend();
    this.#cluster.net.isolate(id);
    this.#world.after(ms, () => {
      clock.wake();
      process?.resume();
    });
  }

  /**
   * A leader is killed when it has just committed what no other node knows to be committed, and whoever succeeds it
   * takes long to commit anything: the others' disks are slow.
   */
  async #killAhead(): Promise<void> {
    const [leader, group] = this.#leadership() ?? [];
    if (leader === undefined || group === undefined) return;
    const others = this.#cluster.machines.filter((machine) => machine !== leader);
    const known = ({ node }: Machine): number =>
      node?.store.group(group.rangeId)?.raft.commitIndex ?? 0;
    const isAhead = (): boolean => others.every((other) => known(other) < known(leader));
    if (!(await this.#world.run(AHEAD_WITHIN_MS, isAhead))) return;
    // What it has committed it makes known, and acknowledges.
    await this.#world.run(this.#world.random.next() * COMMIT_MS);
    if (leader.node === undefined) return;
    this.#note(
      'unheard commit',
      `node ${leader.id} is killed after a commit, other disks are slow`,
    );
    this.#cluster.crash(leader.id);
    for (const other of others) other.syncDelayMs = () => 50 + this.#world.random.next() * 200;
    await this.#world.run(ELECTION_MS);
  }

  /**
   * A node with a clock ahead of all others' is to lead everything, and is cut off for as long as it takes the others to
   * do without it: what it has given timestamps to is in their future.
   */
  async #cutOffAhead(victim: Machine): Promise<void> {
    const { net, machines } = this.#cluster;
    const { id, clock, node } = victim;
    const others = machines.filter((machine) => machine !== victim);
    const newestMs = Math.max(...others.map((other) => other.clock.wallMs()));
    clock.skewMs += newestMs + this.#world.random.int(2000, 40_000) - clock.wallMs();
    for (const group of node?.store.groups() ?? []) this.#askTransfer(victim, group, id);
    await this.#world.run(TRANSFER_MS);
    this.#note('leader ahead', `node ${id}, whose clock is ahead, is cut off for a while`);
    net.isolate(id);
    await this.#world.run(ELECTION_MS);
    // Whoever read from it is to go on elsewhere while it can still remember what it has read.
    net.heal();
  }

  /** Some range, and the node that leads it. */
  #leadership(): readonly [Machine, RaftGroup] | undefined {
    const found = this.#cluster
      .alive()
      .flatMap((machine) =>
        [...(machine.node?.store.groups() ?? [])]
          .filter(({ replica }) => replica.office?.isServing === true)
          .map((group) => [machine, group] as const),
      );
    return found[this.#world.random.int(0, Math.max(0, found.length - 1))];
  }

  #links(kind: Fault, faults: Partial<LinkFaults>): void {
    this.#note(kind, `${kind}: ${JSON.stringify(faults)}`);
    this.#cluster.net.faults = { ...this.#cluster.net.faults, ...faults };
  }

  #transfer(to: NodeId): void {
    const machine = this.#cluster.alive()[0];
    const groups = [...(machine?.node?.store.groups() ?? [])];
    const group = groups[this.#world.random.int(0, Math.max(0, groups.length - 1))];
    if (machine !== undefined && group !== undefined) this.#askTransfer(machine, group, to);
  }

  /** It may well fail: there is trouble enough. */
  #askTransfer({ node, process }: Machine, { rangeId: id }: RaftGroup, to: NodeId): void {
    const { signal } = new AbortController();
    process?.run(() => void node?.kv.transferLeader(id, to, signal).catch(() => undefined));
  }

  /** Ranges that were split off in one place are led there until they are told otherwise. */
  #shuffle(): void {
    const { machines } = this.#cluster;
    const { node, process } = this.#cluster.alive()[0] ?? {};
    if (node === undefined) return;
    const { signal } = new AbortController();
    for (const { rangeId: range } of node.store.groups()) {
      const to = machines[this.#world.random.int(0, machines.length - 1)]?.id;
      if (to === undefined) continue;
      process?.run(() => void node.kv.transferLeader(range, to, signal).catch(() => undefined));
    }
  }
}

/** As ever in this share of the draws; limited or off, in every combination, in the others. */
export function drawBatching(random: Random, usualShare: number): Partial<NodeSettings> {
  const [batch, pipeline] = [random.next(), random.next()];
  const limit = (drawn: number, usual: number, limited: number): number =>
    drawn < usualShare ? usual : drawn < (1 + usualShare) / 2 ? limited : 1;
  return {
    raftBatch: limit(batch, DEFAULT_SETTINGS.raftBatch, 3),
    raftPipeline: limit(pipeline, DEFAULT_SETTINGS.raftPipeline, 2),
    // The lower digits of a draw are one of their own.
    groupCommit: (batch * 1000) % 1 < usualShare,
  };
}

/** Nodes need not agree on these. */
function drawRaftSettings(random: Random): Partial<NodeSettings> {
  return {
    ...drawBatching(random, 0.5),
    checkpointSpreadMs: random.int(0, 5000),
    raftTailBytes: 10 ** random.int(3, 7),
  };
}

/** One bit somewhere in what the log's files hold. */
async function flipBit(world: SimWorld, { disk }: Machine): Promise<void> {
  const names = (await disk.list()).filter((name) => name.startsWith('log-'));
  const name = names[world.random.int(0, Math.max(0, names.length - 1))];
  if (name === undefined) return;
  const bytes = (await disk.readAll(name)) ?? Buffer.alloc(0);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  disk.flipBit(name, world.random.int(0, Math.max(0, end - 1)), world.random.int(0, 7));
}
