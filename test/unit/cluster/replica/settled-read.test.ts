/**
 * TXN-16: what a replica reads where a leader has said that the range is settled is what that leader will read there for
 * ever, whatever was under way then, and however far behind the replica is.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogPosition, RangeReply } from '../../../../cluster/range/requests.ts';
import { decodeCommand } from '../../../../cluster/replica/command.ts';
import { readSettled } from '../../../../cluster/replica/settled-read.ts';
import type { LockId, TxnId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, key } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { addMs } from '../../../../src/base/timestamp.ts';
import { ReplicaBench } from '../../../support/replica-bench.ts';

const KEYS: readonly Key[] = ['a', 'b', 'c'].map((name) => key(`\x10\x01\x05${name}`));
const SPAN = { start: KEY_MIN, end: KEY_MAX };

interface Mark {
  readonly ts: Timestamp;
  readonly at: LogPosition;
}

interface Entry {
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

async function apply(bench: ReplicaBench, entry: Entry): Promise<void> {
  await bench.replica.apply(entry, () => decodeCommand(entry.data));
}

/** A leader, and a replica that applies the same entries later. */
class Pair {
  readonly leader: ReplicaBench;
  readonly other: ReplicaBench;
  readonly marks: Mark[] = [];
  /** Applied by the leader, not by the other one. */
  readonly #behind: Entry[] = [];
  readonly #undecided: { readonly txnId: TxnId; readonly ts: Timestamp }[] = [];
  #counter = 0;

  private constructor(leader: ReplicaBench, other: ReplicaBench) {
    this.leader = leader;
    this.other = other;
  }

  static async open(): Promise<Pair> {
    const [leader, other] = [await ReplicaBench.open(), await ReplicaBench.open()];
    await leader.lead();
    return new Pair(leader, other);
  }

  /** Proposes; nothing is committed yet. */
  write(at: number, onePhase: boolean): void {
    const { leader } = this;
    const k = KEYS[at % KEYS.length]!;
    const txnId = makeTxnId(leader.hlc.read(), nodeId(1), ++this.#counter);
    const lockId = `lock${this.#counter}` as LockId;
    const value = Buffer.from(String(this.#counter));
    const reply = leader.ask({
      ...{ kind: 'prepare', txnId, lockId, onePhase, readTs: leader.hlc.read(), reads: [] },
      ...{
        fences: [],
        planned: [],
        writes: [{ key: k, value }],
        fenceWrites: [],
        changes: [],
        lockedKeys: [],
      },
      ...{ grant: undefined, stagedParts: 0, anchor: k, participants: undefined, span: SPAN },
      isFirstSend: true,
    });
    void reply.then((answer) => {
      if (answer.kind === 'prepared') this.#undecided.push({ txnId, ts: answer.ts });
    });
  }

  /** Another participant may have voted for a later timestamp. */
  decide(laterMs: number): void {
    const record = this.#undecided.shift();
    if (record === undefined) return;
    const { txnId, ts } = record;
    const commitTs = addMs(ts, laterMs);
    void this.leader.ask({ kind: 'resolve', txnId, anchor: KEYS[0]!, span: SPAN, commitTs });
  }

  async commit(): Promise<void> {
    const { leader } = this;
    await leader.settle();
    for (let entry = leader.log.shift(); entry !== undefined; entry = leader.log.shift()) {
      this.#behind.push(entry);
      await apply(leader, entry);
    }
    await leader.settle();
  }

  /** The other one applies some of what it lacks. */
  async follow(count: number): Promise<void> {
    for (const entry of this.#behind.splice(0, count)) {
      await apply(this.other, entry);
    }
  }

  /** The snapshot may lie in the past, or a little ahead. */
  async ask(at: number, deltaMs: number): Promise<void> {
    const ts = addMs(this.leader.hlc.read(), deltaMs);
    const k = KEYS[at % KEYS.length]!;
    let reply: RangeReply | undefined;
    void this.leader
      .ask({ kind: 'get', keys: [k], ts, fences: [] })
      .then((value) => (reply = value));
    await this.leader.settle();
    if (reply?.kind === 'values' && reply.settled !== undefined) {
      this.marks.push({ ts, at: reply.settled });
    }
  }

  async readOther({ ts, at }: Mark): Promise<RangeReply | undefined> {
    const request = { kind: 'get', keys: KEYS, ts, fences: [] } as const;
    return await readSettled(this.other.replica, request, { generation: 0, index: at.index });
  }

  async finish(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      while (this.#undecided.length > 0) this.decide(0);
      await this.commit();
    }
  }

  readLeader(ts: Timestamp): Promise<RangeReply> {
    return this.leader.ask({ kind: 'get', keys: KEYS, ts, fences: [] });
  }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('write' as const), at: fc.nat(2), onePhase: fc.boolean() }),
  fc.record({ kind: fc.constant('decide' as const), laterMs: fc.nat(3) }),
  fc.record({ kind: fc.constant('commit' as const) }),
  fc.record({ kind: fc.constant('follow' as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 50 }) }),
  fc.record({
    ...{ kind: fc.constant('ask' as const), at: fc.nat(2) },
    deltaMs: fc.integer({ min: -20, max: 3 }),
  }),
);

describe('a settled read', () => {
  it('sees what the leader will see there for ever', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
        const pair = await Pair.open();
        const seen: { readonly ts: Timestamp; readonly values: unknown }[] = [];
        for (const each of steps) {
          if (each.kind === 'write') pair.write(each.at, each.onePhase);
          else if (each.kind === 'decide') pair.decide(each.laterMs);
          else if (each.kind === 'commit') await pair.commit();
          else if (each.kind === 'follow') await pair.follow(each.count);
          else if (each.kind === 'pass') pair.leader.advance(each.ms);
          else await pair.ask(each.at, each.deltaMs);
          for (const mark of pair.marks) {
            const reply = await pair.readOther(mark);
            if (reply?.kind === 'values') seen.push({ ts: mark.ts, values: reply.values });
          }
        }
        await pair.finish();
        for (const { ts, values } of seen) {
          const reading = pair.readLeader(ts);
          await pair.commit();
          expect(await reading).toMatchObject({ kind: 'values', values });
          compared++;
        }
      }),
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(100);
  });

  it('is not answered by a replica that is behind, of another generation, or has collected versions', async () => {
    const pair = await Pair.open();
    pair.write(0, true);
    await pair.commit();
    void pair.ask(0, 0);
    await pair.commit();
    await pair.ask(0, 0);
    const mark = pair.marks.at(-1)!;
    expect(await pair.readOther(mark)).toBeUndefined();
    await pair.follow(100);
    expect(await pair.readOther(mark)).toMatchObject({ kind: 'values' });
    const { state } = pair.other.replica;
    state.threshold = (mark.ts + 1) as Timestamp;
    expect(await pair.readOther(mark)).toBeUndefined();
    state.threshold = mark.ts;
    state.descriptor = { ...state.descriptor, generation: 1 };
    expect(await pair.readOther(mark)).toBeUndefined();
  });

  it('is not answered when a snapshot begins to replace the data while the disk is read', async () => {
    const pair = await Pair.open();
    pair.write(0, true);
    await pair.commit();
    await pair.ask(0, 0);
    await pair.commit();
    const ts = pair.leader.hlc.read();
    pair.write(0, true);
    await pair.commit();
    await pair.follow(100);
    for (let i = 0; i < 2; i++) await pair.other.mvcc.checkpoint(() => []);
    const reading = pair.readOther({ ts, at: { index: 1, term: 1 } });
    pair.other.replica.installs++;
    expect(await reading).toMatchObject({ kind: 'unavailable' });
  });
});
