import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, keyAfter, pointSpan } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { TS_ZERO } from '../../../../src/base/timestamp.ts';
import type { TableCursor } from '../../../../storage/mvcc/entry-blocks.ts';
import { isPoint, MemoryTable } from '../../../../storage/mvcc/memory-table.ts';

const ALL = { start: KEY_MIN, end: KEY_MAX };

function id(ts: number): { ts: Timestamp; txnId: ReturnType<typeof makeTxnId> } {
  return { ts: ts as Timestamp, txnId: makeTxnId(ts as Timestamp, nodeId(1), ts) };
}

function keysOf(cursor: TableCursor): string[] {
  const keys: string[] = [];
  while (cursor.key !== undefined) {
    keys.push(cursor.key);
    cursor.move();
  }
  return keys;
}

function name(number: number): Key {
  return `k${String(number).padStart(5, '0')}` as Key;
}

describe('MemoryTable', () => {
  it('keeps keys in order over many blocks, whatever the order of arrival', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { maxLength: 1500 }), fc.nat(2000), (numbers, at) => {
        const table = new MemoryTable(TS_ZERO);
        numbers.forEach((n, i) => table.put(name(n), null, id(i + 1), false));
        const sorted = [...new Set(numbers)].sort((a, b) => a - b).map(name);
        expect(keysOf(table.cursorFrom(KEY_MIN))).toEqual(sorted);
        expect(keysOf(table.cursorFrom(name(at)))).toEqual(sorted.filter((k) => k >= name(at)));
        expect(keysOf(table.cursorBelow(name(at)))).toEqual(
          sorted.filter((k) => k < name(at)).reverse(),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('keeps many keys in order that came between two looks, in few blocks and in many', () => {
    const table = new MemoryTable(TS_ZERO);
    const seen = new Set<number>();
    // The first is larger than what may wait; of the others sorted runs wait, and more. They cut blocks.
    for (const [count, step, from] of [
      [40_000, 2, 0],
      [5000, 7, 5000],
      [5000, 3, 1],
      [3000, 1, 4000],
    ] as const) {
      for (let i = 0; i < count; i++) {
        const number = (from + i * step * 7919) % 90_000;
        seen.add(number);
        table.put(name(number), null, id(step), false);
      }
      const sorted = [...seen].sort((a, b) => a - b).map(name);
      expect(keysOf(table.cursorFrom(KEY_MIN))).toEqual(sorted);
      expect(keysOf(table.cursorBelow(KEY_MAX))).toEqual(sorted.reverse());
    }
  });

  it('knows what is new in a span while keys wait for their places, and after', () => {
    const table = new MemoryTable(TS_ZERO);
    for (let i = 0; i < 9000; i += 3) table.put(name(i), null, id(100), false);
    const hasNewer = (from: number, to: number, ts: number): boolean =>
      table.hasNewer({ start: name(from), end: name(to) }, ts as Timestamp);
    // One alone into a block that has room, then as many as cut it.
    for (let i = 0; i < 300; i++) {
      const number = 4000 + i;
      if (number % 3 === 0) continue;
      table.put(name(number), null, id(200 + i), false);
      expect(hasNewer(number, number + 1, 199)).toBe(true);
      expect(hasNewer(0, 4000, 100)).toBe(false);
      expect(hasNewer(number + 1, 9000, 100)).toBe(false);
    }
    // A newer version of a key that has its place.
    table.put(name(3000), null, id(900), false);
    expect(hasNewer(2500, 3500, 899)).toBe(true);
  });

  it('keeps a chain newest first and takes a version only once', () => {
    const table = new MemoryTable(TS_ZERO);
    const key = 'k' as Key;
    for (const ts of [10, 30, 20, 30]) table.put(key, Buffer.from(String(ts)), id(ts), ts === 20);
    const bytes = table.bytes;
    table.put(key, Buffer.from('again'), id(20), false);
    expect(table.bytes).toBe(bytes);
    const seen = [5, 10, 19, 20, 29, 30, 99].map((ts) => table.at(key, ts as Timestamp)?.ts);
    expect(seen).toEqual([undefined, 10, 10, 20, 20, 30, 30]);
  });

  it('copies values, so that the caller may use its buffer again', () => {
    const table = new MemoryTable(TS_ZERO);
    for (const size of [3, 100_000]) {
      const key = `k${size}` as Key;
      const buffer = Buffer.alloc(size, 'a');
      table.put(key, buffer, id(1), false);
      buffer.fill('b');
      const stored = table.newest(key);
      expect(stored?.value?.equals(Buffer.alloc(size, 'a'))).toBe(true);
    }
  });

  it('finds newer versions in spans, skipping nothing at their edges', () => {
    const table = new MemoryTable(TS_ZERO);
    for (let i = 0; i < 500; i++) table.put(name(i), null, id(100), false);
    table.put(name(250), null, id(200), false);
    const hasNewer = (from: number, to: number, ts: number): boolean =>
      table.hasNewer({ start: name(from), end: name(to) }, ts as Timestamp);
    expect(hasNewer(0, 250, 100)).toBe(false);
    expect(hasNewer(250, 251, 100)).toBe(true);
    expect(hasNewer(251, 500, 100)).toBe(false);
    expect(hasNewer(0, 500, 199)).toBe(true);
    expect(hasNewer(0, 500, 200)).toBe(false);
    expect(table.hasNewer(pointSpan(name(250)), 150 as Timestamp)).toBe(true);
    expect(table.hasNewer(pointSpan(name(999)), 0 as Timestamp)).toBe(false);
  });

  it('forgets a span and the memory it took', () => {
    const alone = new MemoryTable(TS_ZERO);
    for (let i = 0; i < 20; i++) alone.put(name(i), Buffer.from('v'), id(1), false);
    const aloneBytes = alone.bytesIn(ALL);
    const table = new MemoryTable(TS_ZERO);
    for (let i = 0; i < 300; i++) table.put(name(i), Buffer.from('v'), id(1), false);
    table.removeSpan({ start: name(10), end: name(290) });
    expect(keysOf(table.cursorFrom(KEY_MIN))).toHaveLength(20);
    expect(table.newest(name(100))).toBeUndefined();
    // What is left is not taken for more than it is; the memory of the others is free when the table is empty.
    expect(table.bytesIn(ALL)).toBe(aloneBytes);
    expect(table.bytes).toBeGreaterThan(aloneBytes);
    table.removeSpan(ALL);
    expect(table.bytes).toBe(0);
    table.put(name(1), null, id(2), false);
    expect(keysOf(table.cursorFrom(KEY_MIN))).toEqual([name(1)]);
  });

  it('knows a point when it sees one', () => {
    expect(isPoint(pointSpan('a' as Key))).toBe(true);
    expect(isPoint({ start: 'a' as Key, end: 'b\0' as Key })).toBe(false);
    expect(isPoint({ start: 'a' as Key, end: keyAfter(keyAfter('a' as Key)) })).toBe(false);
  });
});
