/** One small history for each anomaly, what it is called, and how it is told. */
import { describe, expect, it } from 'vitest';
import { checkHistory, explain } from '../../../src/check/check-history.ts';
import type { HistoryEvent, Operation } from '../../../src/check/history.ts';
import { HistoryError, parseEvent } from '../../../src/check/history.ts';

interface Line {
  readonly at: readonly [number, number];
  readonly type?: 'fail' | 'info';
  readonly ops: readonly Operation[];
}

/** Each transaction by a process of its own. */
function history(...lines: readonly Line[]): HistoryEvent[] {
  const events = lines.flatMap(({ at: [from, to], type, ops }, process): HistoryEvent[] => [
    { process, type: 'invoke', time: from, ops },
    { process, type: type ?? 'ok', time: to, ops },
  ]);
  return events.sort((a, b) => a.time - b.time);
}

const names = (events: readonly HistoryEvent[]): string[] =>
  checkHistory(events).anomalies.map(({ name }) => name);

/** All at the same time, so that nothing but the operations says anything about their order. */
const together = (...all: readonly (readonly Operation[])[]): HistoryEvent[] =>
  history(...all.map((ops): Line => ({ at: [0, 100], ops })));

describe('the name of', () => {
  it.each<[string, HistoryEvent[]]>([
    [
      'internal',
      together([
        ['append', 'x', 1],
        ['r', 'x', []],
      ]),
    ],
    [
      'internal',
      together([
        ['r', 'x', [1]],
        ['append', 'x', 1],
      ]),
    ],
    [
      'internal',
      together(
        [
          ['w', 'x', 1],
          ['r', 'x', 2],
        ],
        [['w', 'x', 2]],
      ),
    ],
    ['phantom value', together([['r', 'x', [7]]])],
    ['phantom value', together([['r', 'x', 7]])],
    ['duplicated write', together([['append', 'x', 1]], [['r', 'x', [1, 1]]])],
    [
      'incompatible order',
      together([['append', 'x', 1]], [['append', 'x', 2]], [['r', 'x', [1, 2]]], [['r', 'x', [2]]]),
    ],
    [
      'incompatible order',
      together(
        [
          ['append', 'x', 1],
          ['append', 'x', 2],
        ],
        [['r', 'x', [2, 1]]],
      ),
    ],
    [
      'G1a',
      history(
        { at: [0, 100], type: 'fail', ops: [['append', 'x', 1]] },
        { at: [0, 100], ops: [['r', 'x', [1]]] },
      ),
    ],
    [
      'G1a',
      history(
        { at: [0, 100], type: 'fail', ops: [['w', 'x', 1]] },
        { at: [0, 100], ops: [['r', 'x', 1]] },
      ),
    ],
    [
      'G1b',
      together(
        [
          ['append', 'x', 1],
          ['append', 'x', 2],
        ],
        [['r', 'x', [1]]],
      ),
    ],
    [
      'G1b',
      together(
        [
          ['w', 'x', 1],
          ['w', 'x', 2],
        ],
        [['r', 'x', 1]],
      ),
    ],
    [
      'G0',
      together(
        [
          ['append', 'x', 1],
          ['append', 'y', 1],
        ],
        [
          ['append', 'x', 2],
          ['append', 'y', 2],
        ],
        [['r', 'x', [1, 2]]],
        [['r', 'y', [2, 1]]],
      ),
    ],
    [
      'G1c',
      together(
        [
          ['append', 'x', 1],
          ['r', 'y', [1]],
        ],
        [
          ['append', 'y', 1],
          ['r', 'x', [1]],
        ],
      ),
    ],
    [
      'G-single',
      together(
        [
          ['r', 'x', []],
          ['r', 'y', [1]],
        ],
        [
          ['append', 'x', 1],
          ['append', 'y', 1],
        ],
      ),
    ],
    [
      'G2',
      together(
        [
          ['r', 'x', []],
          ['append', 'y', 1],
        ],
        [
          ['r', 'y', []],
          ['append', 'x', 1],
        ],
      ),
    ],
    [
      'G2',
      together(
        [
          ['r', 'x', null],
          ['w', 'x', 1],
        ],
        [
          ['r', 'x', null],
          ['w', 'x', 2],
        ],
      ),
    ],
    [
      'G0-realtime',
      history(
        { at: [0, 10], ops: [['append', 'x', 1]] },
        { at: [20, 30], ops: [['append', 'x', 2]] },
        { at: [0, 40], ops: [['r', 'x', [2, 1]]] },
      ),
    ],
    [
      'G1c-realtime',
      history({ at: [0, 10], ops: [['r', 'x', [1]]] }, { at: [20, 30], ops: [['append', 'x', 1]] }),
    ],
    [
      'G-single-realtime',
      history(
        { at: [0, 10], ops: [['w', 'x', 1]] },
        { at: [20, 30], ops: [['w', 'x', 2]] },
        { at: [40, 50], ops: [['r', 'x', 1]] },
      ),
    ],
    [
      'lost write',
      history({ at: [0, 10], ops: [['append', 'x', 1]] }, { at: [20, 30], ops: [['r', 'x', []]] }),
    ],
  ])('%s', (name, events) => {
    expect(names(events)).toContain(name);
  });
});

describe('nothing is wrong', () => {
  it.each<[string, HistoryEvent[]]>([
    [
      'when unknown transactions have happened, or not',
      history(
        { at: [0, 10], type: 'info', ops: [['append', 'x', 1]] },
        { at: [0, 10], type: 'info', ops: [['append', 'x', 2]] },
        { at: [20, 30], ops: [['r', 'x', []]] },
        { at: [40, 50], ops: [['r', 'x', [2]]] },
      ),
    ],
    [
      'when one ends in the moment in which the other begins',
      history({ at: [0, 10], ops: [['append', 'x', 1]] }, { at: [10, 20], ops: [['r', 'x', []]] }),
    ],
    ['when nothing happened', []],
  ])('%s', (_name, events) => {
    expect(names(events)).toEqual([]);
    expect(explain(checkHistory(events))).toContain('\nstrictly serializable\n');
  });
});

it('the shortest circle is told', () => {
  const events = history(
    { at: [0, 10], ops: [['append', 'x', 1]] },
    {
      at: [20, 60],
      ops: [
        ['append', 'x', 2],
        ['r', 'y', []],
      ],
    },
    {
      at: [30, 70],
      ops: [
        ['append', 'y', 1],
        ['r', 'x', [1]],
      ],
    },
    {
      at: [80, 90],
      ops: [
        ['r', 'x', [1, 2]],
        ['r', 'y', [1]],
      ],
    },
  );
  expect(explain(checkHistory(events))).toBe(`4 transactions: 4 ok, 0 failed, 0 unknown
NOT strictly serializable

G2: transactions have each missed what another has written
  T1 (process 1, from 20, ok at 60): append 2 to x, read y = []
  T2 (process 2, from 30, ok at 70): append 1 to y, read x = [1]
  T1 comes before T2: it has read y without what T2 wrote.
  T2 comes before T1: it has read x without what T1 wrote.
  So each of them comes before itself.
`);
});

describe('what is not a history', () => {
  it.each([
    ['{', 'line 7: not JSON'],
    ['3', 'line 7: not an object'],
    ['{"process": "a"}', 'line 7: "process" is not an integer'],
    ['{"process": 1, "type": "maybe"}', 'line 7: "type" is not invoke, ok, fail or info'],
    ['{"process": 1, "type": "ok", "time": 1.5}', 'line 7: "time" is not an integer'],
    ['{"process": 1, "type": "ok", "time": 1}', 'line 7: "ops" is not an array'],
    [
      '{"process": 1, "type": "ok", "time": 1, "ops": [["x", "y", 1]]}',
      'line 7: not an operation: ["x","y",1]',
    ],
  ])('%s', (line, message) => {
    expect(() => parseEvent(line, 7)).toThrow(new HistoryError(message));
  });

  it('is refused where processes and values contradict the rules', () => {
    const invoke: HistoryEvent = { process: 1, type: 'invoke', time: 1, ops: [] };
    expect(() => checkHistory([invoke, invoke])).toThrow('invokes a second transaction');
    expect(() => checkHistory([{ ...invoke, type: 'ok' }])).toThrow('what it has not invoked');
    expect(() =>
      checkHistory([
        { ...invoke, time: 5 },
        { ...invoke, type: 'ok' },
      ]),
    ).toThrow('before');
    expect(() => checkHistory(together([['w', 'x', 1]], [['w', 'x', 1]]))).toThrow('twice');
    expect(() => checkHistory(together([['w', 'x', 1]], [['append', 'x', 2]]))).toThrow('a list');
  });
});
