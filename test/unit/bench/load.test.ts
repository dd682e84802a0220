/** The loops of clients, under a clock that the test moves. */
import { describe, expect, it } from 'vitest';
import type { LoadClock, LoadOptions, Worker } from '../../../bench/driver/load.ts';
import { Load } from '../../../bench/driver/load.ts';
import { Recorder } from '../../../bench/driver/recorder.ts';
import { SeededRandom } from '../../../bench/driver/random.ts';
import { SqlFailure } from '../../../bench/workload.ts';

const MS = 1000;

/** Microseconds; timers run in order, and all that follows from one runs before the next. */
class TestClock implements LoadClock {
  #now = 0;
  #order = 0;
  readonly #timers: { readonly at: number; readonly order: number; call(): void }[] = [];

  now(): number {
    return this.#now;
  }

  wake(afterMs: number, call: () => void): void {
    this.#timers.push({ at: this.#now + afterMs * MS, order: this.#order++, call });
  }

  sleep(us: number): Promise<void> {
    return new Promise((resolve) => this.wake(us / MS, resolve));
  }

  async runUntil(end: number): Promise<void> {
    await settled();
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at || a.order - b.order);
      const [next] = this.#timers;
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.#now = next.at;
      next.call();
      await settled();
    }
    this.#now = end;
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const CLOSED: LoadOptions = { rate: undefined, retriesMax: 0, random: () => 0 };

function workerOf(run: () => Promise<string>): Worker & { rewinds: number } {
  const worker = {
    ...{ run, rewinds: 0 },
    rewind: () => {
      worker.rewinds++;
    },
  };
  return worker;
}

/** Operations that take so many microseconds, by their number from 0. */
function timed(clock: TestClock, durationOf: (index: number) => number): Worker {
  let count = 0;
  return workerOf(async () => {
    await clock.sleep(durationOf(count++));
    return 'op';
  });
}

describe('the closed loop', () => {
  it('begins an operation when the last one has ended, and counts those that end in the window', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    const workers = [timed(clock, () => 2 * MS), timed(clock, () => 4 * MS)];
    const load = new Load(workers, CLOSED, recorder, clock);
    load.start();
    await clock.runUntil(100 * MS);
    load.beginWindow();
    await clock.runUntil(200 * MS);
    expect(load.endWindow()).toBe(0);
    await clock.runUntil(300 * MS);
    expect(recorder.operations).toBe(50 + 25);
    expect(recorder.latency['op']?.max).toBe(4 * MS);
    const ended = load.stop();
    await clock.runUntil(400 * MS);
    await ended;
  });

  it('counts failures by SQLSTATE, pauses after a lost connection, and goes on', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    let count = 0;
    const worker = workerOf(async () => {
      await clock.sleep(MS);
      count++;
      if (count === 2) throw new SqlFailure('23505', 'twice');
      if (count === 3) throw new SqlFailure('08006', 'gone');
      return 'op';
    });
    const load = new Load([worker], CLOSED, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(110 * MS);
    expect(recorder.errors).toEqual({ '08006': 1, '23505': 1 });
    // One before, and from 103 ms on seven more.
    expect(recorder.operations).toBe(1 + 7);
  });

  it('repeats the same operation after a conflict, as often as allowed', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    let count = 0;
    const worker = workerOf(async () => {
      await clock.sleep(MS);
      if (++count % 3 !== 0) throw new SqlFailure('40001', 'conflict');
      return 'op';
    });
    const load = new Load([worker], { ...CLOSED, retriesMax: 2 }, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(30 * MS);
    expect(recorder.errors).toEqual({});
    expect(recorder.retries).toEqual({ '40001': 20 });
    expect(worker.rewinds).toBe(20);
    expect(recorder.operations).toBe(10);
    // From the first try to the end of the last.
    expect(recorder.latency['op']?.p50).toBe(3 * MS);
  });

  it('gives up when there are no tries left', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    const worker = workerOf(async () => {
      await clock.sleep(MS);
      throw new SqlFailure('40P01', 'deadlock');
    });
    const load = new Load([worker], { ...CLOSED, retriesMax: 1 }, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(10 * MS);
    expect(recorder.errors).toEqual({ '40P01': 5 });
    expect(recorder.retries).toEqual({ '40P01': 5 });
  });

  it('ends with what is no failure of SQL', async () => {
    const clock = new TestClock();
    const broken = workerOf(() => Promise.reject(new TypeError('a bug')));
    const load = new Load([broken, timed(clock, () => MS)], CLOSED, new Recorder(), clock);
    load.start();
    await expect(load.ended).rejects.toThrow('a bug');
  });
});

describe('the open loop', () => {
  /** Gaps of exactly 1 ms: the exponential of this number is 1. */
  const steady = { rate: 1000, retriesMax: 0, random: () => 1 - Math.exp(-1) };

  it('counts latency from when an operation was due', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    // One stall of 100 ms, else next to nothing: 99 operations fall due meanwhile.
    const worker = timed(clock, (index) => (index === 10 ? 100 * MS : 10));
    const load = new Load([worker], steady, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(1000 * MS + 500);
    // The last one may just have fallen due.
    expect(load.endWindow()).toBeLessThanOrEqual(1);
    expect(recorder.operations).toBeGreaterThanOrEqual(999);
    const { p50 = 0, p90 = 0, p99 = 0, max = 0 } = recorder.latency['op'] ?? {};
    expect(p50).toBeLessThanOrEqual(2 * MS);
    // A closed loop would have seen one slow operation in a thousand; a tenth of them waited.
    expect(p90).toBeGreaterThan(MS);
    expect(p99).toBeGreaterThan(80 * MS);
    expect(max).toBeGreaterThanOrEqual(100 * MS);
    expect(recorder.serviceTime['op']?.p99).toBeLessThan(MS);
  });

  it('tells what is left undone when the database does not keep up', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    const load = new Load([timed(clock, () => 2 * MS)], steady, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(1000 * MS + 500);
    const backlog = load.endWindow();
    expect(recorder.operations + backlog).toBe(1000);
    expect(backlog).toBeGreaterThanOrEqual(500);
    expect(recorder.latency['op']?.max).toBeGreaterThan(490 * MS);
  });

  it('keeps to the rate with any number of clients, and to its mean with random gaps', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    const random = new SeededRandom(7);
    const options = { rate: 2000, retriesMax: 0, random: () => random.next() };
    const workers = Array.from({ length: 20 }, () => timed(clock, () => 3 * MS));
    const load = new Load(workers, options, recorder, clock);
    load.start();
    load.beginWindow();
    await clock.runUntil(5_000 * MS);
    load.endWindow();
    expect(recorder.operations).toBeGreaterThan(9_600);
    expect(recorder.operations).toBeLessThan(10_400);
    // Somebody is always free: a timer's lateness is all that is added.
    expect(recorder.latency['op']?.max).toBeLessThan(5 * MS);
  });

  it('forgets at the beginning of the window what the warm-up left undone', async () => {
    const clock = new TestClock();
    const recorder = new Recorder();
    // Five operations in 250 ms; the other 245 would take as long again.
    const worker = timed(clock, () => (clock.now() < 250 * MS ? 50 * MS : 500));
    const load = new Load([worker], steady, recorder, clock);
    load.start();
    await clock.runUntil(260 * MS);
    load.beginWindow();
    await clock.runUntil(360 * MS + 900);
    expect(load.endWindow()).toBeLessThanOrEqual(1);
    expect(recorder.operations).toBeGreaterThanOrEqual(99);
    expect(recorder.operations).toBeLessThanOrEqual(100);
    expect(recorder.latency['op']?.max).toBeLessThan(3 * MS);
  });
});
