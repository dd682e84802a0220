/** The quorum clock over a network that the test delivers by hand: rounds, sharing, loss, CLOCK-1. */
import { describe, expect, it } from 'vitest';
import { ClockCeiling } from '../../../../cluster/clock/clock-ceiling.ts';
import { Hlc } from '../../../../cluster/clock/hlc.ts';
import type { RoundAnswer, RoundRequest } from '../../../../cluster/clock/quorum-clock.ts';
import { MAJORITY_MAX_MS, QuorumClock } from '../../../../cluster/clock/quorum-clock.ts';
import { Counters } from '../../../../src/base/counters.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { nodeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { EPOCH_UNIX_MS, TS_MAX, TS_ZERO } from '../../../../src/base/timestamp.ts';
import type { Env, Logger } from '../../../../src/env/env.ts';

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silent,
};

class Bench {
  readonly deferred: (() => void)[] = [];
  readonly timers: (() => void)[] = [];
  readonly wire: (() => void)[] = [];
  readonly syncs: (() => void)[] = [];
  readonly clocks = new Map<NodeId, QuorumClock>();
  readonly hlcs = new Map<NodeId, Hlc>();
  nowMs = 0;
  isCutOff = false;
  leadsEverything = false;

  constructor(wallMs: readonly number[], durable: Timestamp = TS_MAX) {
    const ids = wallMs.map((_, i) => nodeId(i + 1));
    wallMs.forEach((wall, i) => {
      const self = nodeId(i + 1);
      const clock = {
        wallMs: () => EPOCH_UNIX_MS + wall,
        monotonicMs: () => this.nowMs,
        bootMs: () => 0,
      };
      const env: Env = {
        clock,
        random: { next: () => 0, int: (min) => min, bytes: (n) => new Uint8Array(n) },
        scheduler: {
          after: (_ms, fn) => {
            this.timers.push(fn);
            return { cancel: () => undefined };
          },
          defer: (fn) => this.deferred.push(fn),
          deferLast: (fn) => this.deferred.push(fn),
          sleep: () => Promise.resolve(),
        },
        log: silent,
        counters: new Counters(),
      };
      const hlc = new Hlc(clock, TS_ZERO);
      const ceiling = new ClockCeiling(
        { appendCeiling: () => new Promise((resolve) => this.syncs.push(resolve)) },
        durable,
      );
      const peers = {
        sendRound: (to: NodeId, request: RoundRequest) =>
          this.wire.push(() => this.clocks.get(to)?.onRound(self, request)),
        sendAnswer: (to: NodeId, answer: RoundAnswer) =>
          this.wire.push(() => this.clocks.get(to)?.onAnswer(self, answer)),
        isCutOff: () => this.isCutOff,
        leadsEverything: () => this.leadsEverything,
      };
      this.hlcs.set(self, hlc);
      this.clocks.set(self, new QuorumClock({ env, hlc, ceiling, peers }, self, ids));
    });
  }

  at(id: number): QuorumClock {
    return this.clocks.get(nodeId(id))!;
  }

  hlc(id: number): Hlc {
    return this.hlcs.get(nodeId(id))!;
  }

  turn(): void {
    for (const fn of this.deferred.splice(0)) fn();
  }

  deliver(): void {
    while (this.wire.length > 0) this.wire.shift()?.();
  }
}

describe('quorum clock', () => {
  it('gathers the highest clock of a majority, and forwards its own to it', async () => {
    const bench = new Bench([10, 5000, 20]);
    const gathered = bench.at(1).gather();
    bench.turn();
    expect(bench.wire.length).toBe(1); // Node 3 never hears of it: nodes 1 and 2 are a majority.
    bench.deliver();
    const ts = await gathered;
    expect(ts).toBe(5000 * 4096);
    expect(bench.hlc(1).read()).toBe(ts);
  });

  it('CLOCK-5: needs no round to gather while its node leads every range', async () => {
    const bench = new Bench([10, 20, 30]);
    expect(bench.at(1).gathered()).toBeUndefined();
    bench.leadsEverything = true;
    expect(bench.at(1).gathered()).toBe(10 * 4096);
    expect(bench.at(1).tryGather()).toBe(10 * 4096);
    // The gather of a new leader is what makes that right, and asks the others.
    const first = bench.at(1).gather();
    bench.turn();
    bench.deliver();
    expect(await first).toBe(20 * 4096);
    expect(bench.at(1).gathered()).toBe(20 * 4096);
  });

  it('publishes: a later gather anywhere is at or above, whatever the clocks say', async () => {
    const bench = new Bench([10, 20, 30]);
    const ts = (9000 * 4096) as Timestamp;
    const published = bench.at(1).publish(ts);
    bench.turn();
    bench.wire.splice(0, 1); // Node 2 misses it.
    bench.timers.shift()?.();
    bench.wire.splice(0, 1); // And again, when all are asked.
    bench.deliver();
    await published;
    const gathered = bench.at(2).gather();
    bench.turn();
    bench.deliver();
    expect(await gathered).toBeGreaterThanOrEqual(ts);
  });

  it('shares the next round, never one that is out', async () => {
    const bench = new Bench([1, 2, 3]);
    const clock = bench.at(1);
    const first = clock.gather();
    bench.turn();
    let isSecondDone = false;
    const second = clock.gather().then(() => (isSecondDone = true));
    bench.deliver();
    await first;
    expect(isSecondDone).toBe(false);
    bench.turn();
    bench.deliver();
    await second;
    expect(clock.roundsTotal).toBe(2);
  });

  it('asks first who answered the last round', async () => {
    const bench = new Bench([1, 2, 9000]);
    const first = bench.at(1).gather();
    bench.turn();
    bench.wire.splice(0); // Node 2 is gone.
    bench.timers.shift()?.();
    bench.wire.splice(0, 1);
    bench.deliver();
    expect(await first).toBe(9000 * 4096);
    const second = bench.at(1).gather();
    bench.turn();
    expect(bench.wire.length).toBe(1);
    bench.deliver();
    await second;
    expect(bench.hlc(2).read()).toBeLessThan(9000 * 4096);
  });

  it('sends a lost round again, and counts no acceptor twice', async () => {
    const bench = new Bench([1, 2, 3, 4, 5]);
    let isDone = false;
    const gathered = bench
      .at(1)
      .gather()
      .then(() => (isDone = true));
    bench.turn();
    bench.wire.splice(1); // Only node 2 hears of it: with node 1 that is two of five.
    bench.deliver();
    await Promise.resolve();
    expect(isDone).toBe(false);
    bench.timers.shift()?.();
    expect(bench.wire.length).toBe(3); // To those that have not answered.
    bench.deliver();
    await gathered;
  });

  it('tells those who would rather know that no majority answers, and goes on for the others', async () => {
    const bench = new Bench([1, 2, 3]);
    const clock = bench.at(1);
    const waiting = clock.publish((7000 * 4096) as Timestamp);
    const knowing = Promise.resolve(clock.tryGather()).catch((error: unknown) => error);
    bench.turn();
    const next = Promise.resolve(clock.tryGather()).catch((error: unknown) => error);
    bench.nowMs += MAJORITY_MAX_MS + 1;
    bench.wire.splice(0);
    bench.timers.shift()?.();
    expect(await knowing).toMatchObject({ code: 'unavailable' });
    expect(await next).toMatchObject({ code: 'unavailable' });
    bench.deliver();
    await waiting;
    expect(bench.hlc(2).read()).toBeGreaterThanOrEqual(7000 * 4096);
  });

  it('CLOCK-1: an acceptor answers only what its durable ceiling covers', async () => {
    const bench = new Bench([10, 20, 30], TS_ZERO);
    let isDone = false;
    const gathered = bench
      .at(1)
      .gather()
      .then(() => (isDone = true));
    bench.turn();
    bench.deliver();
    await new Promise((resolve) => setImmediate(resolve));
    expect(isDone).toBe(false);
    for (const sync of bench.syncs.splice(0)) sync();
    await new Promise((resolve) => setImmediate(resolve));
    bench.deliver();
    await gathered;
  });
});
