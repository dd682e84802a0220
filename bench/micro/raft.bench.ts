/**
 * Question: what does Raft itself cost for one command, from the proposal to its delivery on three nodes, one at a time
 * and many at once, and what do its messages and commands cost as bytes? Disk and network take no time here: an entry
 * is persisted as soon as it is handed out, a message is stepped as soon as it is sent.
 */
import { afterAll, bench, describe } from 'vitest';
import { decodeMessage, encodeMessage } from '../../cluster/raft/codec.ts';
import type { Append, Message } from '../../cluster/raft/messages.ts';
import { configurationOf } from '../../cluster/raft/quorum.ts';
import { RaftNode } from '../../cluster/raft/raft-node.ts';
import { decodeCommand, encodeCommand } from '../../cluster/replica/command.ts';
import { Counters } from '../../src/base/counters.ts';
import { makeTxnId, nodeId } from '../../src/base/ids.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { DEFAULT_SETTINGS } from '../../src/node/config.ts';
import { raftOptionsOf } from '../../src/node/quorate-node.ts';
import { codecOf } from '../../sql/exec/table-codec.ts';
import { ACCOUNTS_TABLE, accountNumbers, accountRow, cycle } from './accounts.ts';

const codec = codecOf(ACCOUNTS_TABLE);
const IDS = [nodeId(1), nodeId(2), nodeId(3)];

/** The commit of one pgbench update. */
function commitOf(aid: number): Parameters<typeof encodeCommand>[0] {
  const row = accountRow(aid);
  const ts = (200_000_000_000_000 + aid) as Timestamp;
  const writes = [{ key: codec.primaryKey(row), value: codec.encodeValue(row) }];
  const txnId = makeTxnId(ts, nodeId(1), aid);
  return { kind: 'commit', ts, txnId, writes, stagedParts: 0 };
}

const aids = accountNumbers(256);
const commands = aids.map((aid) => encodeCommand(commitOf(aid)));

/** Three nodes of one range; the first leads. */
class Trio {
  readonly #nodes: readonly RaftNode[];
  readonly #leader: RaftNode;
  readonly #perNode = new Map<RaftNode, number>();
  #nowMs = 0;

  constructor() {
    const random = {
      next: () => 0,
      int: (min: number) => min,
      bytes: (n: number) => Buffer.alloc(n),
    };
    const configuration = configurationOf(IDS);
    this.#nodes = IDS.map((self) => {
      const start = { self, configuration, hardState: { term: 0, vote: 0 }, entries: [], random };
      return new RaftNode(
        {
          ...start,
          applied: { index: 0, term: 0 },
          noopData: () => Buffer.alloc(9),
          counters: new Counters(),
        },
        raftOptionsOf(DEFAULT_SETTINGS),
      );
    });
    const [leader] = this.#nodes;
    if (leader === undefined) throw new Error('no nodes');
    this.#leader = leader;
    while (!leader.isLeader) {
      // Nobody votes until the promise that might have been given before the start is over.
      for (const node of this.#nodes) node.tick(node === leader);
      this.settle();
    }
  }

  /** Proposes them together, and lets everything happen that follows. */
  commit(batch: readonly Uint8Array[]): void {
    // Time must pass, or the voter that a majority does not need would never get its entries.
    this.#nowMs += 0.1;
    for (const node of this.#nodes) node.setNow(this.#nowMs);
    for (const command of batch) this.#leader.propose(command);
    this.settle();
  }

  /** How many entries the node furthest behind has delivered, of those the leader has. */
  deliveredShare(): number {
    const counts = this.#nodes.map((node) => this.#perNode.get(node) ?? 0);
    return Math.min(...counts) / Math.max(...counts);
  }

  settle(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const node of this.#nodes) {
        if (!node.hasReady()) continue;
        isBusy = true;
        this.#serve(node);
      }
    }
  }

  #serve(node: RaftNode): void {
    const { messages, entries, afterPersist, committed } = node.ready();
    this.#deliver(messages);
    const last = entries.at(-1);
    if (last !== undefined) node.persisted(last);
    this.#deliver(afterPersist);
    const applied = committed.at(-1);
    if (applied === undefined) return;
    this.#perNode.set(node, (this.#perNode.get(node) ?? 0) + committed.length);
    node.applied(applied.index);
  }

  #deliver(messages: readonly Message[]): void {
    for (const message of messages) this.#nodes[message.to - 1]?.step(message);
  }
}

const trios: Trio[] = [];
afterAll(() => {
  for (const trio of trios) if (trio.deliveredShare() < 0.99) throw new Error('a node fell behind');
});

describe('raft, three nodes', () => {
  const one = new Trio();
  trios.push(one);
  const nextCommand = cycle(commands.map((command) => [command]));
  bench('one command, to all three', () => {
    one.commit(nextCommand());
  });
  const many = new Trio();
  trios.push(many);
  const batch = commands.slice(0, 64);
  bench('64 commands at once, to all three', () => {
    many.commit(batch);
  });
});

describe('raft, as bytes', () => {
  const append = (count: number): Append => ({
    ...{ kind: 'append', from: nodeId(1), to: nodeId(2), term: 3, sentAt: 123_456.789 },
    ...{ prevIndex: 1_000_000, prevTerm: 3, commit: 999_990 },
    entries: commands.slice(0, count).map((data, i) => ({ index: 1_000_001 + i, term: 3, data })),
  });
  for (const count of [1, 64]) {
    const message = append(count);
    const bytes = encodeMessage(message);
    bench(`append of ${count}: encode`, () => {
      encodeMessage(message);
    });
    bench(`append of ${count}: decode`, () => {
      decodeMessage(bytes);
    });
  }
  const nextCommit = cycle(aids.map(commitOf));
  const nextBytes = cycle(commands);
  bench('commit of one row: encode', () => {
    encodeCommand(nextCommit());
  });
  bench('commit of one row: decode', () => {
    decodeCommand(nextBytes());
  });
});
