/** The simulator on a fixed set of seeds: whatever they draw, everything holds; and a seed is a run. */
import { describe, expect, it } from 'vitest';
import type { Fault } from '../../src/sim/faults.ts';
import type { SimulationReport } from '../../src/sim/simulation.ts';
import { simulate } from '../../src/sim/simulation.ts';
import { WORKLOADS } from '../../src/sim/workloads/index.ts';

const FROM = Number(process.env['SIM_SEED'] ?? 1);
const COUNT = Number(process.env['SIM_COUNT'] ?? 16);
const MINUTES = 0.25;
/** Checkpoints all the time, each followed by a collection of what was replaced some seconds ago. */
const SHORT_LIVED = {
  memoryTableBytes: 20_000,
  raftTailBytes: 2_000,
  logSegmentBytes: 16_384,
  retentionMs: 5_000,
};

async function expectOk(seed: number, names?: readonly string[]): Promise<SimulationReport> {
  const workloads = names?.flatMap((name) => WORKLOADS[name]?.() ?? []);
  const report = await simulate({ seed, minutes: MINUTES, workloads });
  const { failure, setting, story } = report;
  expect(failure, `seed ${seed}: ${setting}\n${story.join('\n')}`).toBeUndefined();
  return report;
}

describe('the simulator', () => {
  it.each(Array.from({ length: COUNT }, (_, i) => FROM + i))(
    'finds nothing with seed %i',
    async (seed) => {
      await expectOk(seed);
    },
  );

  it.each(Array.from({ length: COUNT / 2 }, (_, i) => FROM + i))(
    'finds nothing with seed %i where old versions go after seconds',
    async (seed) => {
      const { failure, story } = await simulate({ seed, minutes: MINUTES, settings: SHORT_LIVED });
      expect(failure, story.join('\n')).toBeUndefined();
    },
  );

  it.each(Object.keys(WORKLOADS))('runs %s', async (name) => {
    await expectOk(7001, [name]);
  });

  it('does the same thing twice for the same seed', async () => {
    const first = await expectOk(77, ['lists', 'bank']);
    const second = await expectOk(77, ['lists', 'bank']);
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.transactions).toEqual(first.transactions);
  });
});

/** What the simulator has found, with what found it. */
describe('regressions', () => {
  const cases: [string, number, number, (readonly string[])?, (readonly Fault[])?][] = [
    ['a router asked for keys at a range that was no longer next to them', 1023, 0.4],
    ['a range was installed whose split was in memory only, and made again', 2097, 0.4],
    ['a change put off before a savepoint and run behind it was lost with it', 500, 0.4],
    ['a deposed leader tried again at once, for ever', 113, 0.25, ['registers'], ['suspension']],
  ];
  it('a late frame of a dead process made a peer refuse all calls of the living one (seed 2097)', async () => {
    const { failure } = await simulate({ seed: 2097, minutes: 0.4, settings: SHORT_LIVED });
    expect(failure).toBeUndefined();
  });

  it.each(cases)('%s (seed %i)', async (_, seed, minutes, names, faults) => {
    const workloads = names?.flatMap((name) => WORKLOADS[name]?.() ?? []);
    const { failure } = await simulate({ seed, minutes, workloads, faults });
    expect(failure).toBeUndefined();
  });
});
