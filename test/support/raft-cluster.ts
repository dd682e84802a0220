/**
 * A Raft group under a scheduler that is a random number generator: messages are lost, duplicated, reordered; nodes
 * crash and lose what was not persisted; logs are compacted, and peers that lag get older entries from the log or a
 * snapshot. Checks Raft's properties, and the lease where time is kept, after every step.
 */
import type { Entry, Message } from '../../cluster/raft/messages.ts';
import { configurationOf } from '../../cluster/raft/quorum.ts';
import { RaftNode } from '../../cluster/raft/raft-node.ts';
import type { RaftOptions } from '../../cluster/raft/raft-options.ts';
import type { HardState, LogRead, Ready } from '../../cluster/raft/ready.ts';
import { Counters } from '../../src/base/counters.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { nodeId } from '../../src/base/ids.ts';
import type { Random } from '../../src/env/env.ts';

interface Checkpoint {
  readonly index: number;
  readonly term: number;
  readonly applied: readonly string[];
}

/** What survives a crash. */
interface Disk {
  hardState: HardState;
  checkpoint: Checkpoint;
  /** After the checkpoint, or from `logFirst` when the log is kept for reading. */
  entries: Entry[];
}

interface Snapshot extends Checkpoint {
  readonly from: NodeId;
  readonly to: NodeId;
}

export interface Member {
  node: RaftNode;
  readonly disk: Disk;
  readonly unsynced: Ready[];
  /** Terms and data, by index less one. */
  applied: string[];
  readonly reads: LogRead[];
  readonly id: NodeId;
}

export interface ClusterOptions {
  readonly size: number;
  /** The durable log answers for what memory no longer has. */
  readonly readsLog?: boolean;
  readonly raft?: Partial<RaftOptions>;
  /** Chance as each node knows it; otherwise the cluster's. */
  readonly randomOf?: (id: NodeId) => Random;
  /** Hears of everything that happens, one line each. */
  readonly trace?: (line: string) => void;
}

export const TICK_MS = 10;
const OPTIONS: RaftOptions = {
  electionTicks: 10,
  heartbeatTicks: 2,
  appendBytesMax: 300,
  inflightMax: 4,
  appendEntriesMax: 8,
  spareDelayMs: 0,
  uncommittedBytesMax: 1 << 20,
  applyBytesMax: 200,
  tailBytesMax: 700,
};

const textOf = (entry: Entry): string =>
  `${entry.term}:${Buffer.from(entry.data).toString('latin1')}`;
const termOf = (text: string): number => Number(text.slice(0, text.indexOf(':')));

export class RaftCluster {
  readonly members: Member[] = [];
  wire: Message[] = [];
  snapshots: Snapshot[] = [];
  readonly cut = new Set<string>();
  now = 0;
  /** How often the rare ways were taken. */
  readonly seen = { snapshots: 0, reads: 0, transfers: 0, leases: 0, leaders: 0, applied: 0 };
  readonly #random: Random;
  readonly #ids: readonly NodeId[];
  readonly #readsLog: boolean;
  readonly #options: RaftOptions;
  readonly #trace: (line: string) => void;
  readonly #randomOf: (id: NodeId) => Random;
  /** For the checks: leader by term, and what was applied at each index, by anyone. */
  readonly #leaders = new Map<number, NodeId>();
  readonly #applied: string[] = [];

  constructor(options: ClusterOptions, random: Random) {
    this.#random = random;
    this.#readsLog = options.readsLog ?? false;
    this.#options = { ...OPTIONS, ...options.raft };
    this.#randomOf = options.randomOf ?? ((): Random => random);
    this.#trace = options.trace ?? ((): void => undefined);
    this.#ids = Array.from({ length: options.size }, (_, i) => nodeId(i + 1));
    for (const id of this.#ids) {
      const checkpoint = { index: 0, term: 0, applied: [] };
      const disk: Disk = { hardState: { term: 0, vote: 0 }, checkpoint, entries: [] };
      const node = this.#boot(id, disk);
      this.members.push({ id, disk, node, unsynced: [], applied: [], reads: [] });
    }
  }

  at(id: number): Member {
    return this.members[id - 1]!;
  }

  leader(): Member | undefined {
    const leaders = this.members.filter((member) => member.node.isLeader);
    return leaders.sort((a, b) => b.node.term - a.node.term)[0];
  }

  #boot(id: NodeId, disk: Disk): RaftNode {
    const { checkpoint } = disk;
    const logFirst = disk.entries[0]?.index ?? checkpoint.index + 1;
    return new RaftNode(
      {
        self: id,
        configuration: configurationOf(this.#ids),
        hardState: disk.hardState,
        applied: checkpoint,
        entries: disk.entries.filter(({ index }) => index > checkpoint.index),
        ...(this.#readsLog ? { logFirst } : {}),
        noopData: () => Buffer.from('noop'),
        random: this.#randomOf(id),
        counters: new Counters(),
      },
      this.#options,
    );
  }

  /* ---------- time ---------- */

  advance(): void {
    this.now += TICK_MS;
    for (const { node } of this.members) node.setNow(this.now);
  }

  tick(id: number): void {
    this.at(id).node.tick();
    this.collect(id);
  }

  /* ---------- one node ---------- */

  propose(id: number, data: string): boolean {
    const taken = this.at(id).node.propose(Buffer.from(data, 'latin1')) !== undefined;
    this.collect(id);
    return taken;
  }

  /** Takes Readies; what needs a sync waits for `sync`. */
  collect(id: number): void {
    const member = this.at(id);
    while (member.node.hasReady()) {
      const ready = member.node.ready();
      this.#traceReady(id, ready);
      this.#post(ready.messages);
      member.unsynced.push(ready);
      member.reads.push(...ready.logReads);
      for (const to of ready.snapshotsFor) {
        const [index, applied] = [member.applied.length, [...member.applied]];
        this.snapshots.push({ from: member.id, to, index, term: termOf(applied.at(-1)!), applied });
      }
      for (const entry of ready.committed) {
        this.#trace(`${id} applies ${formatEntry(entry)}`);
        this.#checkApplied(entry);
        member.applied.push(textOf(entry));
        member.node.applied(entry.index);
      }
    }
    this.#checkLeader(member);
  }

  /** The oldest Ready becomes durable. */
  sync(id: number): void {
    const member = this.at(id);
    const ready = member.unsynced.shift();
    if (ready === undefined) return;
    const { disk } = member;
    this.#traceSync(id, ready);
    if (ready.hardState !== undefined) disk.hardState = ready.hardState;
    const { truncateFrom, entries } = ready;
    if (truncateFrom !== undefined) {
      disk.entries = disk.entries.filter((entry) => entry.index < truncateFrom);
    }
    const next = (disk.entries.at(-1)?.index ?? disk.checkpoint.index) + 1;
    if (entries.length > 0 && entries[0]!.index !== next) {
      throw new Error(`entry ${entries[0]!.index} is to be stored at ${next}`);
    }
    disk.entries.push(...entries);
    this.#post(ready.afterPersist);
    const last = ready.entries.at(-1);
    if (last !== undefined) member.node.persisted(last);
    this.collect(id);
  }

  /** The oldest read of the durable log is answered. */
  read(id: number): void {
    const { reads, disk, node } = this.at(id);
    const read = reads.shift();
    if (read === undefined) return;
    const asked = disk.entries.filter(({ index }) => index >= read.from && index < read.to);
    const entries = asked.slice(0, 4);
    node.entriesRead(read, entries[0]?.index === read.from ? entries : []);
    this.seen.reads++;
    this.collect(id);
  }

  /** A checkpoint of all that is applied and durable; the log goes, but for `keepCount` entries. */
  compact(id: number, keepCount: number): void {
    const { node, disk, applied } = this.at(id);
    const index = Math.min(applied.length, node.status().persistedIndex);
    if (index <= disk.checkpoint.index) return;
    const term = termOf(applied[index - 1]!);
    disk.checkpoint = { index, term, applied: applied.slice(0, index) };
    const kept = this.#readsLog ? index - keepCount : index;
    disk.entries = disk.entries.filter((entry) => entry.index > kept);
    node.compact(kept);
  }

  crash(id: number): void {
    const member = this.at(id);
    member.unsynced.length = 0;
    member.reads.length = 0;
    member.applied = [...member.disk.checkpoint.applied];
    member.disk.entries = [...member.disk.entries];
    member.node = this.#boot(member.id, member.disk);
    member.node.setNow(this.now);
  }

  /** Starts a node anew with a log of these terms, all durable. */
  restartWith(id: number, terms: readonly number[]): void {
    const { disk } = this.at(id);
    disk.hardState = { term: terms.at(-1) ?? 0, vote: 0 };
    disk.entries = terms.map((term, i): Entry => {
      return { index: i + 1, term, data: Buffer.from(`${term}.${i + 1}`) };
    });
    this.crash(id);
  }

  /** A snapshot arrives, or fails: the sender hears of it at once. */
  install(snapshot: Snapshot, isLost: boolean): void {
    const { from, to, index, term, applied } = snapshot;
    const member = this.at(to);
    const isStale = index <= member.applied.length;
    if (!isLost && !isStale) {
      const { disk, node } = member;
      const continues = node.termAt(index) === term;
      const entries = continues ? [...node.entriesAfter(index)] : [];
      disk.hardState = node.hardState;
      disk.checkpoint = { index, term, applied };
      disk.entries = entries;
      this.crash(to);
      this.seen.snapshots++;
      this.#trace(`${to} installs a snapshot up to ${index}@${term} from ${from}`);
      this.collect(to);
    }
    this.at(from).node.reportSnapshot(to, isLost ? undefined : index);
    this.collect(from);
  }

  /* ---------- the network ---------- */

  deliver(index: number, isKept = false): void {
    const [message] = isKept ? [this.wire[index]] : this.wire.splice(index, 1);
    if (message === undefined) return;
    if (this.cut.has(`${message.from}>${message.to}`)) {
      this.#trace(formatMessage(message, '-x'));
      return;
    }
    this.#trace(formatMessage(message, '->'));
    if (message.kind === 'timeoutNow') this.seen.transfers++;
    this.at(message.to).node.step(message);
    this.collect(message.to);
  }

  isolate(id: number): void {
    for (const other of this.#ids) {
      this.cut.add(`${id}>${other}`);
      this.cut.add(`${other}>${id}`);
    }
  }

  cutPair(a: number, b: number, isOneWay: boolean): void {
    this.cut.add(`${a}>${b}`);
    if (!isOneWay) this.cut.add(`${b}>${a}`);
  }

  /** Delivers and syncs everything, again and again, ticking in between. */
  settle(rounds = 40): void {
    for (let round = 0; round < rounds; round++) {
      this.advance();
      for (const { id } of this.members) this.tick(id);
      this.flush();
    }
  }

  flush(): void {
    for (let i = 0; i < 5000; i++) {
      for (const { id, unsynced, reads } of this.members) {
        while (unsynced.length > 0) this.sync(id);
        while (reads.length > 0) this.read(id);
      }
      const snapshot = this.snapshots.shift();
      if (snapshot !== undefined) this.install(snapshot, false);
      else if (this.wire.length > 0) this.deliver(0);
      else return;
    }
  }

  #post(messages: readonly Message[]): void {
    this.wire.push(...messages);
    if (this.wire.length > 200) this.wire.splice(0, this.wire.length - 200);
  }

  #traceReady(id: number, { softState, logReads, snapshotsFor }: Ready): void {
    if (softState !== undefined) {
      const { role, term, leader } = softState;
      const whose = role === 'follower' ? ` of ${leader ?? 'nobody'}` : '';
      this.#trace(`${id} is ${role}${whose}, term ${term}`);
    }
    for (const { peer, from } of logReads)
      this.#trace(`${id} reads its log from ${from} for ${peer}`);
    for (const peer of snapshotsFor) this.#trace(`${id} begins a snapshot for ${peer}`);
  }

  #traceSync(id: number, { hardState, truncateFrom, entries }: Ready): void {
    const parts: string[] = [];
    if (hardState !== undefined) parts.push(`term ${hardState.term} vote ${hardState.vote}`);
    if (truncateFrom !== undefined) parts.push(`without ${truncateFrom} and after`);
    if (entries.length > 0) parts.push(entries.map(formatEntry).join(' '));
    if (parts.length > 0) this.#trace(`${id} syncs ${parts.join(', ')}`);
  }

  /* ---------- checks ---------- */

  #checkLeader({ node, id }: Member): void {
    if (!node.isLeader || this.#leaders.get(node.term) === id) return;
    const known = this.#leaders.get(node.term);
    if (known !== undefined) throw new Error(`RAFT-1: ${known} and ${id} lead term ${node.term}`);
    this.#leaders.set(node.term, id);
    this.seen.leaders++;
    this.#applied.forEach((text, index) => {
      const term = index < node.firstIndex ? termOf(text) : node.termAt(index);
      if (term !== termOf(text)) throw new Error(`RAFT-4: leader ${id} lacks ${text} at ${index}`);
    });
  }

  #checkApplied(entry: Entry): void {
    const value = textOf(entry);
    const known = this.#applied[entry.index];
    if (known !== undefined && known !== value) {
      throw new Error(`RAFT-5: ${known} and ${value} applied at ${entry.index}`);
    }
    if (known === undefined) this.seen.applied++;
    this.#applied[entry.index] = value;
  }

  /** RAFT-3: where two logs hold the same term, they hold the same entries up to there. */
  checkLogs(): void {
    const [a, b] = [this.#random.int(1, this.#ids.length), this.#random.int(1, this.#ids.length)];
    const [left, right] = [this.at(a).node, this.at(b).node];
    const first = Math.max(left.firstIndex, right.firstIndex);
    const mine = left.entriesAfter(first - 1);
    const other = right.entriesAfter(first - 1);
    let agrees = false;
    for (let i = Math.min(mine.length, other.length) - 1; i >= 0; i--) {
      agrees ||= mine[i]!.term === other[i]!.term;
      if (agrees && textOf(mine[i]!) !== textOf(other[i]!)) {
        throw new Error(`RAFT-3: ${a} and ${b} differ at ${first + i}`);
      }
    }
  }

  /** While a leader may answer reads by its lease nobody leads a later term. */
  checkLease(): void {
    const newest = this.leader()?.node.term ?? 0;
    const leaseMs = this.#options.electionTicks * TICK_MS;
    for (const { node, id } of this.members) {
      if (!node.isLeader || node.hasSentTimeoutNow) continue;
      if (this.now - node.leaseQuorumSentAt() > leaseMs) continue;
      this.seen.leases++;
      if (node.term < newest) throw new Error(`LEASE: ${id} of term ${node.term} holds it`);
    }
  }
}

export function formatEntry(entry: Entry): string {
  return `${entry.index}@${entry.term}(${Buffer.from(entry.data).toString('latin1')})`;
}

/** `from -> to kind term details`; an entry is `index@term(data)`. */
export function formatMessage(message: Message, arrow: string): string {
  const head = `${message.from} ${arrow} ${message.to} ${message.kind} t${message.term}`;
  switch (message.kind) {
    case 'vote':
    case 'prevote':
      return `${head} last ${message.lastIndex}@${message.lastTerm}${message.isForced ? ' forced' : ''}`;
    case 'voteReply':
    case 'prevoteReply':
      return `${head} ${message.isGranted ? 'granted' : 'refused'}`;
    case 'append': {
      const entries = message.entries.map(formatEntry).join(' ') || 'nothing';
      const after = `${message.prevIndex}@${message.prevTerm}`;
      return `${head} after ${after}: ${entries}, commit ${message.commit}`;
    }
    case 'appendReply':
      return message.isOk
        ? `${head} ok ${message.index}`
        : `${head} refused ${message.index}, try ${message.hintIndex}@${message.hintTerm}`;
    case 'heartbeat':
      return `${head} commit ${message.commit}`;
    case 'heartbeatReply':
    case 'timeoutNow':
      return head;
  }
}
