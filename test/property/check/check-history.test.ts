/** The checker against a judge that tries all orders. */
import { describe, expect, it } from 'vitest';
import { checkHistory } from '../../../src/check/check-history.ts';
import type { HistoryEvent, Scalar, Transaction } from '../../../src/check/history.ts';
import { TransactionCollector } from '../../../src/check/history.ts';
import type { Shape } from '../../support/history-generator.ts';
import { makeHistory, makeSpoiled } from '../../support/history-generator.ts';
import { seededRandom } from '../../../src/sim/world.ts';

const TINY: Shape = {
  ...{ kind: 'list', transactions: 5, keys: 2, opsMax: 3, processes: 3, spread: 2 },
  ...{ infoRate: 0.15, failRate: 0.1, listMax: 100 },
};

/** Is there an order of all acknowledged and some unknown transactions that explains what was seen? */
function isExplained(events: readonly HistoryEvent[]): boolean {
  const collector = new TransactionCollector();
  for (const event of events) collector.add(event);
  const candidates = collector.transactions.filter(({ outcome }) => outcome !== 'fail');
  return place(candidates, new Map());
}

/** Goes on with each that no other one has to come before; unknown ones may also be left out. */
function place(
  rest: readonly Transaction[],
  state: ReadonlyMap<string, readonly Scalar[]>,
): boolean {
  if (rest.every(({ outcome }) => outcome === 'info')) return true;
  for (const txn of rest) {
    if (rest.some((other) => other.completedAt < txn.invokedAt)) continue;
    const after = execute(txn, state);
    const others = rest.filter((other) => other !== txn);
    if (after !== undefined && place(others, after)) return true;
  }
  return false;
}

function execute(
  txn: Transaction,
  before: ReadonlyMap<string, readonly Scalar[]>,
): Map<string, readonly Scalar[]> | undefined {
  const state = new Map(before);
  for (const [kind, key, value] of txn.ops) {
    const values = state.get(key) ?? [];
    if (kind === 'append') state.set(key, [...values, value]);
    else if (kind === 'w') state.set(key, [value]);
    else if (txn.outcome === 'ok') {
      const isSeen = Array.isArray(value)
        ? JSON.stringify(value) === JSON.stringify(values)
        : value === (values.at(-1) ?? null);
      if (!isSeen) return undefined;
    }
  }
  return state;
}

describe('a history', () => {
  it('of lists is judged as by trying all orders', () => {
    const counts = { right: 0, wrong: 0 };
    for (let seed = 1; seed <= 30_000; seed++) {
      const random = seededRandom(seed);
      const shape = { ...TINY, transactions: random.int(2, 6), keys: random.int(1, 3) };
      const events = makeSpoiled(random, shape);
      const isRight = isExplained(events);
      counts[isRight ? 'right' : 'wrong']++;
      const verdict = checkHistory(events);
      if (verdict.isStrictlySerializable !== isRight) {
        expect({ seed, events, verdict }, `should be ${isRight ? 'right' : 'wrong'}`).toBe(0);
      }
    }
    expect(Math.min(counts.right, counts.wrong)).toBeGreaterThan(3000);
  });

  it('of registers is never called wrong when it is right, and mostly found out when it is not', () => {
    const counts = { right: 0, wrong: 0, found: 0 };
    for (let seed = 1; seed <= 30_000; seed++) {
      const random = seededRandom(seed);
      const events = makeSpoiled(random, {
        ...TINY,
        kind: 'register',
        transactions: random.int(2, 6),
      });
      const isRight = isExplained(events);
      counts[isRight ? 'right' : 'wrong']++;
      const verdict = checkHistory(events);
      if (!verdict.isStrictlySerializable) {
        if (isRight) expect({ seed, events, verdict }, 'should be right').toBe(0);
        counts.found++;
      }
    }
    expect(Math.min(counts.right, counts.wrong)).toBeGreaterThan(3000);
    expect(counts.found / counts.wrong).toBeGreaterThan(0.9);
  });

  it.each(['list', 'register'] as const)(
    'of %ss that is right is found to be, when it is long, too',
    (kind) => {
      for (let seed = 1; seed <= 20; seed++) {
        const shape: Shape = {
          ...{ kind, transactions: 2000, keys: 20, opsMax: 5, processes: 10, spread: 10 },
          ...{ infoRate: 0.05, failRate: 0.05, listMax: 30 },
        };
        const verdict = checkHistory(makeHistory(seededRandom(seed), shape));
        expect(verdict.anomalies, `seed ${seed}`).toEqual([]);
        expect(verdict.transactionCount).toBe(2000);
      }
    },
  );
});
