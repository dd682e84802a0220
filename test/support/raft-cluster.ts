/**
 * A Raft group under a scheduler that is a random number generator: messages are lost, duplicated, reordered; nodes
 * crash and lose what was not persisted. Checks the five properties of Raft after every step.
 */
import type { Entry, Message } from '../../cluster/raft/messages.ts';
import { configurationOf } from '../../cluster/raft/quorum.ts';
import { RaftNode } from '../../cluster/raft/raft-node.ts';
import type { HardState, Ready } from '../../cluster/raft/ready.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { nodeId } from '../../src/base/ids.ts';
import type { Random } from '../../src/env/env.ts';

/** What survives a crash. */
interface Disk {
  hardState: HardState;
  entries: Entry[];
}

export interface Member {
  node: RaftNode;
  readonly disk: Disk;
  readonly unsynced: Ready[];
  readonly applied: string[];
  readonly id: NodeId;
}

const text = (data: Uint8Array): string => Buffer.from(data).toString('latin1');

export class RaftCluster {
  readonly members: Member[] = [];
  wire: Message[] = [];
  readonly cut = new Set<string>();
  now = 0;
  readonly #random: Random;
  readonly #ids: readonly NodeId[];
  /** For the checks: leader by term, and what was applied at each index, by anyone. */
  readonly #leaders = new Map<number, NodeId>();
  readonly #applied: string[] = [];

  constructor(size: number, random: Random) {
    this.#random = random;
    this.#ids = Array.from({ length: size }, (_, i) => nodeId(i + 1));
    for (const id of this.#ids) {
      const disk: Disk = { hardState: { term: 0, vote: 0 }, entries: [] };
      this.members.push({ id, disk, node: this.#boot(id, disk), unsynced: [], applied: [] });
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
    return new RaftNode(
      {
        self: id,
        configuration: configurationOf(this.#ids),
        hardState: disk.hardState,
        applied: { index: 0, term: 0 },
        entries: disk.entries,
        noopData: () => Buffer.from('noop'),
        random: this.#random,
      },
      {
        electionTicks: 10,
        heartbeatTicks: 1,
        appendBytesMax: 64,
        inflightMax: 4,
        appendEntriesMax: 8,
        uncommittedBytesMax: 1 << 20,
        applyBytesMax: 32,
        tailBytesMax: 1 << 20,
      },
    );
  }

  tick(id: number): void {
    this.now += 10;
    const { node } = this.at(id);
    node.setNow(this.now);
    node.tick();
    this.collect(id);
  }

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
      this.#post(ready.messages);
      member.unsynced.push(ready);
      for (const entry of ready.committed) {
        this.#checkApplied(entry);
        member.applied.push(text(entry.data));
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
    if (ready.hardState !== undefined) disk.hardState = ready.hardState;
    const first = ready.truncateFrom ?? ready.entries[0]?.index;
    if (first !== undefined) {
      disk.entries = disk.entries.filter((entry) => entry.index < first);
    }
    disk.entries.push(...ready.entries);
    this.#post(ready.afterPersist);
    const last = ready.entries.at(-1);
    if (last !== undefined) member.node.persisted(last);
    this.collect(id);
  }

  crash(id: number): void {
    const member = this.at(id);
    member.unsynced.length = 0;
    member.applied.length = 0;
    member.node = this.#boot(member.id, { ...member.disk, entries: [...member.disk.entries] });
  }

  deliver(index: number, isKept = false): void {
    const [message] = isKept ? [this.wire[index]] : this.wire.splice(index, 1);
    if (message === undefined || this.cut.has(`${message.from}>${message.to}`)) return;
    const { node } = this.at(message.to);
    node.setNow(this.now);
    node.step(message);
    this.collect(message.to);
  }

  /** Delivers and syncs everything, again and again, ticking in between. */
  settle(rounds = 40): void {
    for (let round = 0; round < rounds; round++) {
      for (const { id } of this.members) this.tick(id);
      this.flush();
    }
  }

  flush(): void {
    for (let i = 0; i < 2000; i++) {
      for (const { id, unsynced } of this.members) while (unsynced.length > 0) this.sync(id);
      if (this.wire.length === 0) return;
      this.deliver(0);
    }
  }

  isolate(id: number): void {
    for (const other of this.#ids) {
      this.cut.add(`${id}>${other}`);
      this.cut.add(`${other}>${id}`);
    }
  }

  #post(messages: readonly Message[]): void {
    this.wire.push(...messages);
    if (this.wire.length > 200) this.wire.splice(0, this.wire.length - 200);
  }

  #checkLeader({ node, id }: Member): void {
    if (!node.isLeader) return;
    const known = this.#leaders.get(node.term);
    if (known !== undefined && known !== id) {
      throw new Error(`RAFT-1: ${known} and ${id} lead term ${node.term}`);
    }
    this.#leaders.set(node.term, id);
  }

  #checkApplied(entry: Entry): void {
    const value = `${entry.term}:${text(entry.data)}`;
    const known = this.#applied[entry.index];
    if (known !== undefined && known !== value) {
      throw new Error(`RAFT-5: ${known} and ${value} applied at ${entry.index}`);
    }
    this.#applied[entry.index] = value;
  }
}
