/**
 * The commands of the raft scripts, over `RaftCluster`, which also checks Raft's invariants at every step. Nothing
 * happens but by command: messages wait on the wire for `deliver`, writes for `sync`. Chance is gone: node n waits an
 * election timeout of 5 ticks and n more, up to 4.
 */
import type { Message } from '../../../cluster/raft/messages.ts';
import type { Command, Interpreter } from '../../support/goldenscript.ts';
import { formatMessage, RaftCluster } from '../../support/raft-cluster.ts';
import { nodeId } from '../../../src/base/ids.ts';
import type { Random } from '../../../src/env/env.ts';

const ELECTION_TICKS = 5;
/** Rounds after which `stabilize` gives up: something talks for ever. */
const ROUNDS_MAX = 100;

export function raftInterpreter(): Interpreter {
  const script = new RaftScript();
  return (command) => script.run(command);
}

class RaftScript {
  #cluster: RaftCluster | undefined;
  #lines: string[] = [];

  run(command: Command): string {
    this.#lines = [];
    if (command.name === 'cluster') this.#create(command);
    else this.#act(this.#mustCluster(command), command);
    return this.#lines.join('\n');
  }

  #mustCluster(command: Command): RaftCluster {
    if (this.#cluster === undefined) throw command.error('there is no cluster');
    return this.#cluster;
  }

  #create(command: Command): void {
    const size = command.number('nodes', 3);
    const randomOf = (id: number): Random => ({
      next: () => 0,
      int: (min, max) => Math.min(max, min + id - 1),
      bytes: (count) => new Uint8Array(count),
    });
    this.#cluster = new RaftCluster(
      {
        size,
        randomOf,
        readsLog: command.key('log') === 'readable',
        trace: (line) => this.#lines.push(line),
        raft: {
          electionTicks: ELECTION_TICKS,
          heartbeatTicks: 1,
          inflightMax: command.number('inflight', 4),
          appendEntriesMax: command.number('entries', 8),
          spareDelayMs: command.number('spare', 0),
          appendBytesMax: 10_000,
          applyBytesMax: 10_000,
          tailBytesMax: command.number('tail', 1_000_000),
        },
      },
      randomOf(1),
    );
  }

  #act(cluster: RaftCluster, command: Command): void {
    const id = (): number => Number(command.next());
    switch (command.name) {
      case 'tick':
        this.#tick(cluster, command);
        return;
      case 'campaign':
        this.#campaign(cluster, id());
        return;
      case 'elect':
        this.#elect(cluster, id());
        return;
      case 'win':
        this.#win(cluster, id(), (command.key('with') ?? '').split(',').map(Number));
        return;
      case 'propose':
        this.#propose(cluster, id(), command.rest());
        return;
      case 'sync':
        this.#sync(cluster, id(), command.number('count', Infinity));
        return;
      case 'deliver':
        for (const message of this.#matching(cluster, command)) {
          cluster.deliver(cluster.wire.indexOf(message));
        }
        return;
      case 'drop':
        for (const message of this.#matching(cluster, command)) {
          cluster.wire.splice(cluster.wire.indexOf(message), 1);
          this.#lines.push(formatMessage(message, '-x'));
        }
        return;
      case 'stabilize':
        this.#stabilize(cluster, command.rest().map(Number));
        return;
      case 'cut':
        cluster.cutPair(id(), id(), command.tag('oneway'));
        return;
      case 'isolate':
        cluster.isolate(id());
        return;
      case 'heal':
        cluster.cut.clear();
        return;
      default:
        this.#actRarely(cluster, command, id);
    }
  }

  #actRarely(cluster: RaftCluster, command: Command, id: () => number): void {
    switch (command.name) {
      case 'crash': {
        const node = id();
        cluster.crash(node);
        this.#describeLog(cluster, node);
        return;
      }
      case 'restart':
        cluster.restartWith(id(), (command.key('terms') ?? '').split(',').map(Number));
        return;
      case 'compact':
        cluster.compact(id(), command.number('keep', 0));
        return;
      case 'snapshot':
        for (const snapshot of cluster.snapshots.splice(0)) {
          cluster.install(snapshot, command.tag('lost'));
        }
        return;
      case 'transfer': {
        const from = id();
        const isBegun = cluster.at(from).node.transferLeader(nodeId(id()));
        if (!isBegun) this.#lines.push('refused');
        cluster.collect(from);
        return;
      }
      case 'step-down': {
        const node = id();
        cluster.at(node).node.stepDown();
        cluster.collect(node);
        return;
      }
      case 'quiesce':
        for (const node of command.rest().map(Number)) {
          this.#lines.push(`${node} ${cluster.at(node).node.quiesce() ? 'is quiet' : 'is not done'}`);
        }
        return;
      case 'wake':
        cluster.at(id()).node.wake();
        return;
      case 'log':
        for (const { id: node } of this.#chosen(cluster, command)) this.#describeLog(cluster, node);
        return;
      case 'status':
        for (const { id: node } of this.#chosen(cluster, command)) this.#describe(cluster, node);
        return;
      case 'lease': {
        const { node } = cluster.at(id());
        const age = cluster.now - node.leaseQuorumSentAt();
        const note = node.hasSentTimeoutNow ? ', void' : '';
        this.#lines.push(age === Infinity ? 'none' : `${age / 10} ticks old${note}`);
        return;
      }
      default:
        throw command.unknown();
    }
  }

  #chosen(cluster: RaftCluster, command: Command): RaftCluster['members'] {
    const ids = command.rest().map(Number);
    return cluster.members.filter(({ id }) => ids.length === 0 || ids.includes(id));
  }

  /** Ticks some or all nodes, a tick of each before the next. */
  #tick(cluster: RaftCluster, command: Command): void {
    const chosen = this.#chosen(cluster, command);
    for (let i = command.number('count', 1); i > 0; i--) {
      cluster.advance();
      for (const { id } of chosen) cluster.tick(id);
    }
  }

  #campaign(cluster: RaftCluster, id: number): void {
    if (!cluster.at(id).node.campaign()) this.#lines.push('refused');
    cluster.collect(id);
  }

  /** Makes a node leader: waits out all leases in silence but its own, which has it campaign. */
  #elect(cluster: RaftCluster, id: number): void {
    for (let i = 0; i <= ELECTION_TICKS; i++) {
      cluster.advance();
      for (const { id: other } of cluster.members) cluster.tick(other);
      cluster.wire = [];
    }
    if (!cluster.at(id).node.isLeader) cluster.at(id).node.campaign();
    cluster.collect(id);
    this.#stabilize(cluster, []);
    cluster.advance();
    cluster.tick(id);
    this.#stabilize(cluster, []);
  }

  /** Makes a node leader by the votes of those named; its first appends stay on the wire. */
  #win(cluster: RaftCluster, id: number, voters: number[]): void {
    const present = [id, ...voters];
    for (let i = 0; i <= ELECTION_TICKS; i++) {
      cluster.advance();
      for (const node of present) cluster.tick(node);
    }
    cluster.wire = [];
    // A refusal may tell of a newer term: then once more, in that.
    let attempts = 0;
    while (!cluster.at(id).node.isLeader) {
      for (const node of present) this.#sync(cluster, node, Infinity);
      const among = cluster.wire.filter((m) => present.includes(m.from) && present.includes(m.to));
      if (among.length === 0 && attempts++ === 2) break;
      if (among.length === 0) this.#campaign(cluster, id);
      for (const message of among) cluster.deliver(cluster.wire.indexOf(message));
    }
    cluster.wire = cluster.wire.filter(({ kind }) => kind === 'append');
  }

  #propose(cluster: RaftCluster, id: number, values: string[]): void {
    for (const value of values) {
      if (cluster.at(id).node.propose(Buffer.from(value)) === undefined) {
        this.#lines.push(`${value} refused`);
      }
    }
    cluster.collect(id);
  }

  #sync(cluster: RaftCluster, id: number, count: number): void {
    const { unsynced } = cluster.at(id);
    for (let left = Math.min(count, unsynced.length); left > 0; left--) cluster.sync(id);
  }

  /** The messages now on the wire that the command names. */
  #matching(cluster: RaftCluster, command: Command): Message[] {
    const [from, to] = [command.number('from', 0), command.number('to', 0)];
    const kind = command.key('kind');
    const count = command.number('count', Infinity);
    return cluster.wire
      .filter((message) => from === 0 || message.from === from)
      .filter((message) => to === 0 || message.to === to)
      .filter((message) => kind === undefined || message.kind === kind)
      .slice(0, count);
  }

  /** Syncs, reads and delivers until nothing is left; with nodes named, only theirs and among them. */
  #stabilize(cluster: RaftCluster, ids: number[]): void {
    const takesPart = (id: number): boolean => ids.length === 0 || ids.includes(id);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const { id } of cluster.members) {
        if (!takesPart(id)) continue;
        this.#sync(cluster, id, Infinity);
        while (cluster.at(id).reads.length > 0) cluster.read(id);
      }
      const messages = cluster.wire.filter(({ from, to }) => takesPart(from) && takesPart(to));
      if (messages.length === 0) return;
      for (const message of messages) cluster.deliver(cluster.wire.indexOf(message));
    }
    throw new Error('the cluster does not come to rest');
  }

  /** Indexes, terms and data; what is committed before the bar. */
  #describeLog(cluster: RaftCluster, id: number): void {
    const { node } = cluster.at(id);
    const start = node.firstIndex > 1 ? [`...${node.firstIndex - 1}`] : [];
    const parts = node.entriesAfter(0).map((entry) => {
      return { index: entry.index, text: `${entry.index}@${entry.term}` };
    });
    const decided = parts.filter(({ index }) => index <= node.commitIndex);
    const open = parts.filter(({ index }) => index > node.commitIndex);
    const texts = [...start, ...decided.map((p) => p.text), '|', ...open.map((p) => p.text)];
    this.#lines.push(`${id}: ${texts.join(' ')}`);
  }

  #describe(cluster: RaftCluster, id: number): void {
    const status = cluster.at(id).node.status();
    const { role, term, leader, lastIndex, persistedIndex, commitIndex, appliedIndex } = status;
    const of = role === 'follower' ? ` of ${leader ?? 'nobody'}` : '';
    const quiet = status.isQuiescent ? ', quiet' : '';
    const marks = `last ${lastIndex} synced ${persistedIndex} commit ${commitIndex} applied ${appliedIndex}`;
    this.#lines.push(`${id}: ${role}${of}, term ${term}, ${marks}${quiet}`);
    for (const { peer, state, match, next, inflightCount } of status.peers) {
      this.#lines.push(`   ${peer}: ${state}, match ${match} next ${next} out ${inflightCount}`);
    }
  }
}
