/** What has become of attempts: held and plain ones against a map of all, and their bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../../../src/base/bytes.ts';
import type { TxnId } from '../../../../src/base/ids.ts';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { KEY_MAX, KEY_MIN } from '../../../../src/base/span.ts';
import { TICKS_PER_MS } from '../../../../src/base/timestamp.ts';
import type { Outcome } from '../../../../cluster/replica/outcome-table.ts';
import { OutcomeTable } from '../../../../cluster/replica/outcome-table.ts';

const SECOND = 1000 * TICKS_PER_MS;
const PARTICIPANTS = [{ start: KEY_MIN, end: KEY_MAX }];

function idAt(second: number, counter: number, node = 1, tick = 0): TxnId {
  return makeTxnId((second * SECOND + tick) as Timestamp, nodeId(node), counter);
}

function encoded(table: OutcomeTable): Buffer {
  const out = new ByteWriter();
  table.encodeHeld(out);
  table.encodePlain(out);
  return out.copy();
}

function decoded(bytes: Buffer): OutcomeTable {
  const table = new OutcomeTable();
  const reader = new ByteReader(bytes);
  table.decodeHeld(reader);
  table.decodePlain(reader);
  return table;
}

const arbId = fc.record({
  second: fc.integer({ min: 1, max: 3 }),
  counter: fc.constantFrom(0, 1, 2, 2 ** 31, 2 ** 32 - 1),
  node: fc.constantFrom(1, 65535),
  tick: fc.constantFrom(0, 9),
});
const arbStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('decide' as const),
      id: arbId,
      commitTs: fc.constantFrom(0, 1, 2 ** 52),
      isFree: fc.boolean(),
      hasSpans: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('free' as const), id: arbId }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('forget' as const),
      second: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('copy' as const) }) },
);

describe('OutcomeTable', () => {
  it('is a map that forgets what is free and old', () => {
    fc.assert(
      fc.property(fc.array(arbStep, { maxLength: 120, size: 'max' }), (steps) => {
        let table = new OutcomeTable();
        const model = new Map<TxnId, Outcome>();
        const seen = new Set<TxnId>();
        let copies = 0;
        for (const step of steps) {
          if (step.kind === 'decide' || step.kind === 'free') {
            const id = idAt(step.id.second, step.id.counter, step.id.node, step.id.tick);
            seen.add(id);
            const known = model.get(id);
            if (step.kind === 'free') {
              table.free(id);
              if (known !== undefined) model.set(id, { ...known, isFree: true });
            } else if (known === undefined) {
              const commitTs = step.commitTs as Timestamp;
              const participants = step.hasSpans ? PARTICIPANTS : undefined;
              const outcome = { commitTs, isFree: step.isFree, participants };
              model.set(id, outcome);
              table.decide(id, outcome);
            } else {
              expect(() => table.decide(id, known)).toThrow('an outcome never changes');
            }
          } else if (step.kind === 'forget') {
            table.forgetBelow((step.second * SECOND) as Timestamp, false);
            for (const id of [...model.keys()])
              if (!table.has(id)) {
                // What goes is free and old; what is free and has no participants goes at once.
                expect(model.get(id)?.isFree).toBe(true);
                expect(id < idAt(step.second, 0)).toBe(true);
                model.delete(id);
              }
            for (const [id, { isFree, participants }] of model) {
              expect(
                isFree &&
                  participants === undefined &&
                  id < makeTxnId((step.second * SECOND) as Timestamp, nodeId(1), 0),
              ).toBe(false);
            }
          } else if (step.kind === 'reopen') {
            const bytes = encoded(table);
            table = decoded(bytes);
            expect(encoded(table).equals(bytes)).toBe(true);
          } else {
            const copy = new OutcomeTable();
            copy.copyFrom(table);
            for (const [at, node] of [
              [copy, 8],
              [table, 7],
            ] as const) {
              const commitTs = node as Timestamp;
              for (let second = 1; second < 4; second++) {
                const id = idAt(second, ++copies, node);
                at.decide(id, { commitTs, isFree: true, participants: undefined });
                if (at === copy) model.set(id, { commitTs, isFree: true, participants: undefined });
                seen.add(id);
              }
            }
            table = copy;
          }
          for (const id of seen) {
            expect(table.get(id)).toEqual(model.get(id));
            expect(table.has(id)).toBe(model.has(id));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('finds each of many, and none of others', () => {
    const table = new OutcomeTable();
    for (let i = 0; i < 20_000; i++) {
      const commitTs = (i + 1) as Timestamp;
      table.decide(idAt(1, i), { commitTs, isFree: true, participants: undefined });
    }
    const again = decoded(encoded(table));
    for (let i = 0; i < 20_000; i++) expect(again.get(idAt(1, i))?.commitTs).toBe(i + 1);
    for (let i = 20_000; i < 21_000; i++) expect(again.has(idAt(1, i))).toBe(false);
    expect(again.forgetBelow((2 * SECOND) as Timestamp, false)).toBe(20_000);
    expect(again.has(idAt(1, 1))).toBe(false);
  });

  it('keeps what must stay, and lets go of it early only when it is told to', () => {
    const table = new OutcomeTable();
    table.decide(idAt(1, 1), {
      commitTs: 5 as Timestamp,
      isFree: false,
      participants: PARTICIPANTS,
    });
    expect(table.forgetBelow((3 * SECOND) as Timestamp, false)).toBe(0);
    table.free(idAt(1, 1));
    expect(table.get(idAt(1, 1))?.participants).toEqual(PARTICIPANTS);
    expect(table.forgetBelow((3 * SECOND) as Timestamp, false)).toBe(1);
    table.decide(idAt(1, 2), { commitTs: 5 as Timestamp, isFree: false, participants: undefined });
    expect(table.forgetBelow((3 * SECOND) as Timestamp, true)).toBe(1);
  });

  it('refuses bytes that are none', () => {
    const table = new OutcomeTable();
    table.decide(idAt(1, 1), { commitTs: 5 as Timestamp, isFree: true, participants: undefined });
    const bytes = encoded(table);
    bytes.fill(0xff, bytes.length - 8);
    expect(() => decoded(bytes)).toThrow('not an outcome');
  });
});
