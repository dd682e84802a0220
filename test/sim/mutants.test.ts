/**
 * Every rule earns its place: with it broken the simulator's checkers find something within a few seeds. The first seed
 * tried is one that found it. docs/testing.md says which rules no workload attacks yet.
 */
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../src/base/mutant.ts';
import type { Fault } from '../../src/sim/faults.ts';
import { withBroken } from '../../src/sim/mutants.ts';
import { THINK_MIN_MS, simulate } from '../../src/sim/simulation.ts';
import { WORKLOADS } from '../../src/sim/workloads/index.ts';

const SEEDS_MAX = 25;
const MINUTES = 0.25;

interface Attack {
  readonly rule: Rule;
  readonly workloads: readonly string[];
  /** Drawn from the seed when not given. */
  readonly faults?: readonly Fault[];
  readonly seed: number;
}

const ALL = ['bank', 'lists', 'registers'];
const TWO = ['lists', 'registers'];
const ATTACKS: readonly Attack[] = [
  { rule: 'CLOCK-1', workloads: ['registers'], faults: ['all down'], seed: 12 },
  { rule: 'CLOCK-2', workloads: ['registers'], faults: ['isolation'], seed: 5 },
  { rule: 'CLOCK-4', workloads: ['registers'], faults: ['clock jump', 'transfer'], seed: 1 },
  { rule: 'CLOCK-5', workloads: ['crowd'], faults: ['absence'], seed: 1 },
  { rule: 'LEASE-1', workloads: ['queues'], faults: ['unheard commit'], seed: 1 },
  { rule: 'LEASE-2', workloads: ['crowd'], faults: ['unheard hand-over'], seed: 1 },
  { rule: 'LEASE-3', workloads: ['bank'], faults: ['split'], seed: 4 },
  { rule: 'LEASE-4', workloads: ['fresh'], faults: ['absence'], seed: 1 },
  { rule: 'LEASE-5', workloads: ['crowd'], faults: ['isolation'], seed: 8 },
  { rule: 'RANGE-1', workloads: ['pairs'], faults: ['leader ahead'], seed: 7 },
  { rule: 'RANGE-2', workloads: ['bank'], faults: ['split', 'unheard commit'], seed: 1 },
  { rule: 'TXN-1', workloads: TWO, faults: ['clock jump', 'isolation', 'transfer'], seed: 1 },
  { rule: 'TXN-2', workloads: ALL, seed: 2 },
  { rule: 'TXN-3', workloads: ALL, seed: 4 },
  { rule: 'TXN-4', workloads: ALL, seed: 1 },
  { rule: 'TXN-5', workloads: ['reversals'], faults: ['late news', 'shuffle'], seed: 5 },
  { rule: 'TXN-6', workloads: ['queues', 'bank'], faults: ['transfer', 'crash'], seed: 1 },
  { rule: 'TXN-7', workloads: ALL, seed: 1 },
  { rule: 'TXN-8', workloads: ALL, seed: 1 },
  { rule: 'TXN-9', workloads: ['fresh'], faults: ['unheard commit', 'slow disk'], seed: 35 },
  { rule: 'TXN-10', workloads: ['batches'], faults: ['stuck link'], seed: 1 },
  {
    rule: 'TXN-11',
    workloads: ['bank', 'registers'],
    faults: ['coordinator crash', 'lost frames'],
    seed: 1,
  },
  { rule: 'TXN-12', workloads: ['batches'], faults: ['stuck link', 'shuffle'], seed: 9 },
  { rule: 'TXN-13', workloads: ['registers'], faults: ['shuffle'], seed: 1 },
  { rule: 'TXN-15', workloads: ['streams'], faults: [], seed: 1 },
  { rule: 'TXN-16', workloads: ALL, seed: 1 },
  { rule: 'TXN-17', workloads: ALL, seed: 1 },
];

/** The first seed that fails. */
async function find({ rule, workloads, faults, seed }: Attack): Promise<number | undefined> {
  for (let at = seed; at < seed + SEEDS_MAX; at++) {
    const made = workloads.flatMap((name) => WORKLOADS[name]?.() ?? []);
    const options = { seed: at, thinkMs: THINK_MIN_MS, minutes: MINUTES, workloads: made, faults };
    const { failure } = await withBroken(rule, () => simulate(options));
    if (failure !== undefined) return at;
  }
  return undefined;
}

describe('a rule that is broken', () => {
  it.each(ATTACKS)('$rule', async (attack) => {
    const found = await find(attack);
    if (process.env['SIM_TRACE'] !== undefined) console.log(attack.rule, found);
    expect(found, `${attack.rule} survives ${SEEDS_MAX} seeds`).toBeDefined();
  });
});
