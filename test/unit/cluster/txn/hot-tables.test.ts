import { describe, expect, it } from 'vitest';
import { HotTables } from '../../../../cluster/txn/hot-tables.ts';

describe('hot tables', () => {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs };
  const wait = (tables: HotTables, tableId: number, times: number, everyMs: number): void => {
    for (let i = 0; i < times; i++) {
      tables.noteWait(tableId);
      clock.nowMs += everyMs;
    }
  };

  it('are those with many waits within a second, for ten', () => {
    const tables = new HotTables(clock, 4);
    wait(tables, 1, 3, 10);
    expect(tables.isHot(1)).toBe(false);
    wait(tables, 2, 40, 500);
    expect(tables.isHot(2)).toBe(false);
    wait(tables, 1, 4, 10);
    expect(tables.isHot(1)).toBe(true);
    expect(tables.isHot(2)).toBe(false);
    clock.nowMs += 9900;
    expect(tables.isHot(1)).toBe(true);
    clock.nowMs += 200;
    expect(tables.isHot(1)).toBe(false);
  });

  it('are all when no wait is asked for', () => {
    expect(new HotTables(clock, 0).isHot(3)).toBe(true);
  });

  it('are a thousand at most', () => {
    const tables = new HotTables(clock, 1);
    for (let tableId = 0; tableId <= 1000; tableId++) tables.noteWait(tableId);
    expect([tables.isHot(0), tables.isHot(1), tables.isHot(1000)]).toEqual([false, true, true]);
  });
});
