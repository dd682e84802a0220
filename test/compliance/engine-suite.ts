/**
 * What every `Engine` must do (ENGINE-1, ENGINE-2), as a suite that each implementation runs. ENGINE-3 is about
 * crashes and is attacked with `CrashEngine`.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, EngineCursor, EngineEntry } from '../../storage/engine/engine.ts';
import { EngineError } from '../../storage/engine/engine.ts';

export function engineSuite(name: string, make: () => Engine): void {
  describe(name, () => {
    let engine: Engine;

    beforeEach(async () => {
      engine = make();
      await engine.open();
    });

    afterEach(async () => {
      await engine.close();
    });

    it('gets what was put, byte for byte', async () => {
      const key = '\x00\x01\x7f\x80\xff';
      await engine.batch([{ key, value: Buffer.from([0, 255, 128]) }], { sync: true });
      expect(engine.getSync(key)).toEqual(Buffer.from([0, 255, 128]));
      expect(engine.getSync(key + '\0')).toBeUndefined();
      await engine.batch([{ key: 'empty', value: Buffer.alloc(0) }], { sync: false });
      expect(engine.getSync('empty')).toEqual(Buffer.alloc(0));
    });

    it('takes a later write of the same key in one batch', async () => {
      await engine.batch([put('a', '1'), { key: 'a', value: undefined }, put('a', '2')], {
        sync: true,
      });
      expect(text(engine.getSync('a'))).toBe('2');
      await engine.batch([{ key: 'a', value: undefined }], { sync: true });
      expect(engine.getSync('a')).toBeUndefined();
    });

    it('answers many in the order asked', async () => {
      await engine.batch([put('a', '1'), put('b', '2')], { sync: true });
      expect((await engine.getMany(['b', 'x', 'a', 'b'])).map(text)).toEqual([
        '2',
        undefined,
        '1',
        '2',
      ]);
      expect(await engine.getMany([])).toEqual([]);
    });

    it('orders keys as bytes, prefixes first', async () => {
      const keys = ['', 'a', 'a\x00', 'a\x00\xff', 'a\x01', 'a\x80', 'a\xff', 'b'];
      const shuffled = [3, 6, 0, 5, 1, 7, 2, 4].map((i) => put(keys[i] ?? '', 'v'));
      await engine.batch(shuffled.slice(1), { sync: true });
      const expected = keys.filter((key) => key !== keys[3]);
      await engine.batch(shuffled.slice(0, 1), { sync: true });
      expect(await keysOf(engine.iterate('a', 'c'))).toEqual(keys.slice(1));
      expect(expected).toHaveLength(7);
      expect(await keysOf(engine.iterate('a', 'c', { reverse: true }))).toEqual(
        keys.slice(1).reverse(),
      );
    });

    it('iterates half-open spans, limited, in both directions', async () => {
      await fill(engine, 1000);
      const all = range(1000);
      expect(await keysOf(engine.iterate(id(10), id(20)))).toEqual(all.slice(10, 20));
      expect(await keysOf(engine.iterate(id(10), id(20), { reverse: true }))).toEqual(
        all.slice(10, 20).reverse(),
      );
      expect(await keysOf(engine.iterate(id(10), id(900), { limit: 3 }))).toEqual(
        all.slice(10, 13),
      );
      expect(await keysOf(engine.iterate(id(10), id(900), { limit: 3, reverse: true }))).toEqual(
        all.slice(897, 900).reverse(),
      );
      expect(await keysOf(engine.iterate(id(20), id(10)))).toEqual([]);
      expect(await keysOf(engine.iterate('', '\xff', { expected: 2 }), 7)).toEqual(all);
    });

    it('ENGINE-2: a cursor sees the engine as it was when it was opened', async () => {
      await fill(engine, 500);
      const cursor = engine.iterate('', '\xff');
      const first = await cursor.nextBatch(100);
      await engine.batch([put(id(0), 'new'), put(id(400), 'new'), put('zzz', 'new')], {
        sync: true,
      });
      await engine.batch([{ key: id(300), value: undefined }], { sync: true });
      const rest = await drain(cursor, 100);
      expect([...first, ...rest].map(([key, value]) => `${key}=${value.toString()}`)).toEqual(
        range(500).map((key) => `${key}=${key}`),
      );
      expect(text(engine.getSync(id(400)))).toBe('new');
    });

    it('ENGINE-2: a snapshot keeps a state for several cursors', async () => {
      await fill(engine, 20);
      const snapshot = engine.snapshot();
      await engine.batch([put(id(3), 'new'), { key: id(4), value: undefined }, put('z', '')], {
        sync: true,
      });
      for (const reverse of [false, true]) {
        const seen = await drain(engine.iterate('', '\xff', { snapshot, reverse }), 6);
        expect(seen.map(([key, value]) => key === value.toString())).toEqual(
          Array.from({ length: 20 }, () => true),
        );
      }
      await snapshot.close();
      expect(await keysOf(engine.iterate('', '\xff'))).toHaveLength(20);
    });

    it('estimates sizes', async () => {
      expect(await engine.approximateSize('', '\xff')).toBe(0);
      await fill(engine, 100);
      expect(await engine.approximateSize('x', 'y')).toBe(0);
    });

    it('refuses work after close with its own error', async () => {
      await engine.close();
      expect(() => engine.getSync('a')).toThrow(EngineError);
      await expect(engine.batch([put('a', '1')], { sync: true })).rejects.toMatchObject({
        code: 'engine_closed',
      });
      await engine.open();
    });
  });
}

function put(key: string, value: string): { key: string; value: Buffer } {
  return { key, value: Buffer.from(value) };
}

function text(value: Buffer | undefined): string | undefined {
  return value?.toString();
}

function id(number: number): string {
  return `k${String(number).padStart(5, '0')}`;
}

function range(count: number): string[] {
  return Array.from({ length: count }, (_, i) => id(i));
}

async function fill(engine: Engine, count: number): Promise<void> {
  await engine.batch(
    range(count).map((key) => put(key, key)),
    { sync: true },
  );
}

async function drain(cursor: EngineCursor, count: number): Promise<EngineEntry[]> {
  const entries: EngineEntry[] = [];
  for (;;) {
    const batch = await cursor.nextBatch(count);
    if (batch.length === 0) break;
    expect(batch.length).toBeLessThanOrEqual(count);
    entries.push(...batch);
  }
  await cursor.close();
  return entries;
}

async function keysOf(cursor: EngineCursor, count = 64): Promise<string[]> {
  return (await drain(cursor, count)).map(([key]) => key);
}
