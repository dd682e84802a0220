/** The store over the engine that ships: real cursors, snapshots and reopening. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import type { Key, Span } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { LevelEngine } from '../../../../storage/engine/level-engine.ts';
import { MvccStore } from '../../../../storage/mvcc/mvcc-store.ts';
import { TurnScheduler } from '../../../support/turn-scheduler.ts';

const directory = mkdtempSync(join(tmpdir(), 'quorate-mvcc-'));
const ROWS = 3_000;

afterAll(() => {
  rmSync(directory, { recursive: true });
});

function name(row: number): Key {
  return `\x10\x00${String(row).padStart(5, '0')}\xff` as Key;
}

function write(store: MvccStore, ts: number, every: number): void {
  const writes = [];
  for (let row = 0; row < ROWS; row += every) {
    writes.push({ key: name(row), value: Buffer.from(`${row}@${ts}`) });
  }
  store.apply(writes, ts as Timestamp, makeTxnId(ts as Timestamp, nodeId(1), 1));
}

async function read(store: MvccStore, ts: number, reverse: boolean): Promise<string[]> {
  const found: string[] = [];
  let span: Span = { start: KEY_MIN, end: KEY_MAX };
  for (;;) {
    const { rows, resume } = await store.scan(span, ts as Timestamp, { reverse, limitRows: 700 });
    for (const { value } of rows) found.push(Buffer.from(value).toString());
    if (resume === undefined) return found;
    span = reverse ? { start: span.start, end: resume } : { start: resume, end: span.end };
  }
}

function expected(ts: number): string[] {
  return Array.from({ length: ROWS }, (_, row) => {
    const seen = [30, 20, 10].find((at) => at <= ts && row % (at / 10) === 0);
    return `${row}@${seen ?? 10}`;
  });
}

it('reads every snapshot, both ways, before and after a reopen', async () => {
  const open = async (): Promise<[LevelEngine, MvccStore]> => {
    const engine = new LevelEngine(directory);
    await engine.open();
    return [engine, await MvccStore.open(new TurnScheduler('automatic'), engine)];
  };
  const [engine, store] = await open();
  write(store, 10, 1);
  await store.checkpoint(() => []);
  write(store, 20, 2);
  await store.checkpoint(() => []);
  write(store, 30, 3);
  for (const ts of [10, 20, 30]) expect(await read(store, ts, false)).toEqual(expected(ts));
  await store.checkpoint(() => []);
  await engine.close();

  const [reopenedEngine, reopened] = await open();
  for (const ts of [10, 20, 30]) {
    expect(await read(reopened, ts, false)).toEqual(expected(ts));
    expect(await read(reopened, ts, true)).toEqual(expected(ts).reverse());
  }
  expect(reopened.highestTs()).toBe(30);
  expect(reopened.get(name(6), 30 as Timestamp)).toEqual(Buffer.from('6@30'));
  expect(await reopened.get(name(6), 29 as Timestamp)).toEqual(Buffer.from('6@20'));
  expect(await reopened.hasNewer({ start: KEY_MIN, end: KEY_MAX }, 29 as Timestamp)).toBe(true);
  expect(await reopened.sizeOf({ start: KEY_MIN, end: KEY_MAX })).toBeGreaterThanOrEqual(0);
  await reopenedEngine.close();
});
