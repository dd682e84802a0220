/** Which thresholds the collector hands out, and that a pass ends when it is told to. */
import { describe, expect, it } from 'vitest';
import type { CollectedRange } from '../../../../cluster/store/version-collector.ts';
import { VersionCollector } from '../../../../cluster/store/version-collector.ts';
import type { Key } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import type {
  CollectCursor,
  CollectStep,
  Thresholds,
} from '../../../../storage/mvcc/mvcc-types.ts';
import { settle, TurnScheduler } from '../../../support/turn-scheduler.ts';

interface Range extends CollectedRange {
  state: { descriptor: { start: Key; end: Key } };
  hasData: boolean;
}

function range(start: string, end: string): Range {
  return { state: { descriptor: { start: start as Key, end: end as Key } }, hasData: true };
}

/** Answers a step when it is told to. */
class Steps {
  readonly calls: { thresholds: Thresholds; from: CollectCursor | undefined }[] = [];
  #answer: ((step: CollectStep) => void) | undefined;

  readonly collect = (thresholds: Thresholds, from?: CollectCursor): Promise<CollectStep> => {
    this.calls.push({ thresholds, from });
    return new Promise((resolve) => (this.#answer = resolve));
  };

  async answer(step: CollectStep): Promise<void> {
    this.#answer?.(step);
    await settle();
  }
}

function setUp(): { steps: Steps; collector: VersionCollector } {
  const steps = new Steps();
  const scheduler = Object.assign(new TurnScheduler('automatic'), {
    sleep: () => Promise.resolve(),
  });
  const onFatal = (error: unknown): never => expect.fail(String(error));
  return { steps, collector: new VersionCollector({ mvcc: steps, scheduler, onFatal }) };
}

const of = (steps: Steps, key: string): number => steps.calls.at(-1)!.thresholds.of(key as Key);
const ts = (value: number): Timestamp => value as Timestamp;

describe('the collector of versions', () => {
  it('gives each key the threshold of the range that holds it and has its data', () => {
    const { steps, collector } = setUp();
    const [left, right] = [range('a', 'm'), range('m', 'z')];
    collector.want(
      new Map([
        [left, ts(10)],
        [right, ts(20)],
      ]),
    );
    expect(steps.calls[0]!.thresholds.highest).toBe(20);
    expect([of(steps, 'b'), of(steps, 'c'), of(steps, 'm'), of(steps, 'z')]).toEqual([
      10, 10, 20, 0,
    ]);
    right.hasData = false;
    expect(of(steps, 'n')).toBe(0);
  });

  it('gives nothing to what a split has taken from a range since the checkpoint', () => {
    const { steps, collector } = setUp();
    const whole = range('a', 'z');
    collector.want(new Map([[whole, ts(10)]]));
    expect(of(steps, 'p')).toBe(10);
    whole.state = { descriptor: { start: 'a' as Key, end: 'm' as Key } };
    expect(of(steps, 'p')).toBe(0);
    expect(of(steps, 'b')).toBe(10);
  });

  it('goes on step by step, then with the thresholds of the newest checkpoint', async () => {
    const { steps, collector } = setUp();
    const only = range('a', 'z');
    for (const threshold of [10, 20, 30]) collector.want(new Map([[only, ts(threshold)]]));
    expect(steps.calls).toHaveLength(1);
    await steps.answer({ deletedCount: 3, resume: { next: 1, end: 5 } });
    expect(steps.calls.at(-1)).toMatchObject({ thresholds: { highest: 10 }, from: { next: 1 } });
    await steps.answer({ deletedCount: 4 });
    expect(steps.calls.at(-1)).toMatchObject({ thresholds: { highest: 30 }, from: undefined });
    await steps.answer({ deletedCount: 0 });
    expect(steps.calls).toHaveLength(3);
    expect(collector).toMatchObject({ isRunning: false, deletedTotal: 7 });
  });

  it('ends with the step that runs when it is stopped', async () => {
    const { steps, collector } = setUp();
    collector.want(new Map([[range('a', 'z'), ts(10)]]));
    collector.stop();
    await steps.answer({ deletedCount: 1, resume: { next: 1, end: 5 } });
    expect(steps.calls).toHaveLength(1);
    expect(collector.isRunning).toBe(false);
    collector.want(new Map([[range('a', 'z'), ts(20)]]));
    expect(steps.calls).toHaveLength(1);
  });
});
