/** What nodes used, from what they and the operating system say. */
import { describe, expect, it } from 'vitest';
import {
  countersOf,
  cpuSecondsIn,
  pausesOf,
  totalCounters,
  usageBetween,
} from '../../../bench/driver/observe.ts';
import type { Observation } from '../../../bench/driver/target.ts';

describe('observe', () => {
  it('reads user and system time, whatever the program is called', () => {
    const stat = '4242 (node (a) b) S 1 4242 4242 0 -1 4194304 100 0 0 0 1234 566 0 0 20 0 11 0 99';
    expect(cpuSecondsIn(stat)).toBe(18);
    expect(cpuSecondsIn('nonsense')).toBeUndefined();
  });

  it('takes every number of a status, and tells sums from what is only so now', () => {
    const status = {
      nodeId: 1,
      counters: {
        logSyncs: 5,
        raft: { entries: 7, inflightNow: 2 },
        memoryTableBytes: 9,
        text: 'x',
      },
    };
    expect(countersOf(status)).toEqual({
      counters: { logSyncs: 5, 'raft.entries': 7 },
      gauges: { 'raft.inflightNow': 2, memoryTableBytes: 9 },
    });
    expect(countersOf(undefined)).toEqual({ counters: {}, gauges: {} });
  });

  it('tells differences, also of a counter that is new and of a process that began again', () => {
    const before = {
      name: 'n',
      cpuSeconds: 10,
      rssBytes: 5,
      counters: { a: 100, b: 50 },
      gauges: {},
    };
    const after = {
      ...{ name: 'n', cpuSeconds: 12.5, rssBytes: 4 },
      ...{ counters: { a: 130, b: 20, c: 3 }, gauges: { g: 1 } },
    };
    const [usage] = usageBetween([before], [after], [9]);
    expect(usage).toEqual({
      ...{ name: 'n', cpuSeconds: 2.5, rssMaxBytes: 9 },
      ...{ counters: { a: 30, b: 20, c: 3 }, gauges: { g: 1 } },
    });
    expect(usage?.gc).toBeUndefined();
    const unknown = usageBetween([], [{ name: 'n', counters: {}, gauges: {} }], []);
    expect(unknown[0]?.cpuSeconds).toBeUndefined();
    expect(unknown[0]?.rssMaxBytes).toBeUndefined();
    expect(unknown[0]?.gc).toBeUndefined();
    expect(totalCounters(usage === undefined ? [] : [usage, usage])).toEqual({
      a: 60,
      b: 40,
      c: 6,
    });
  });

  describe('tells of collections of garbage', () => {
    const seen = (
      uptimeMs: number,
      gc: readonly [number, number],
      gcLongest: readonly { endedMs: number; ms: number }[],
    ): Observation => {
      const status = { uptimeMs, gcLongest, counters: { gcPauses: gc[0], gcMs: gc[1] } };
      return { name: 'n', ...countersOf(status), pauses: pausesOf(status) };
    };
    const longest = [
      { endedMs: 500, ms: 90 },
      { endedMs: 1500, ms: 30 },
      { endedMs: 1900, ms: 4 },
    ];

    it('the longest that ended in the window', () => {
      const [usage] = usageBetween(
        [seen(1000, [10, 200], [])],
        [seen(2000, [15, 260], longest)],
        [],
      );
      expect(usage?.gc).toEqual({ pauses: 5, ms: 60, longestMs: 30 });
    });

    it('none', () => {
      const same = seen(2000, [15, 260], longest);
      const [usage] = usageBetween([same], [seen(3000, [15, 260], longest)], []);
      expect(usage?.gc).toEqual({ pauses: 0, ms: 0, longestMs: 0 });
    });

    it('all, of a process that began again', () => {
      const [usage] = usageBetween(
        [seen(9000, [99, 999], [])],
        [seen(2000, [15, 260], longest)],
        [],
      );
      expect(usage?.gc).toEqual({ pauses: 15, ms: 260, longestMs: 90 });
    });

    it('nothing, where a node says nothing', () => {
      expect(pausesOf({ counters: { gcPauses: 1 } })).toBeUndefined();
      expect(pausesOf(undefined)).toBeUndefined();
    });
  });
});
