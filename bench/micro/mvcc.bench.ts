/**
 * Question: what do the hot calls of `MvccStore` cost over LevelDB: point reads from memory and from the engine, short
 * scans from cached heads and past them, validation, apply? Non-goals: loads and checkpoints (mvcc-load.ts),
 * durability. It can mislead: the block cache holds everything, and half the rows are in memory too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, bench, describe } from 'vitest';
import { makeTxnId, nodeId } from '../../src/base/ids.ts';
import { KEY_MAX, pointSpan } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { LevelEngine } from '../../storage/engine/level-engine.ts';
import { MvccStore } from '../../storage/mvcc/mvcc-store.ts';
import { codecOf } from '../../sql/exec/table-codec.ts';
import { ACCOUNTS_TABLE, accountRow, cycle } from './accounts.ts';
import { turns } from './turns.ts';

const ROWS = 20_000;
const codec = codecOf(ACCOUNTS_TABLE);

const directory = mkdtempSync(join(tmpdir(), 'quorate-bench-'));
const engine = new LevelEngine(directory);
await engine.open();
const store = await MvccStore.open(turns, engine, { onCheckpointNeeded: () => undefined });
const writes = Array.from({ length: ROWS }, (_, i) => {
  const row = accountRow(1 + ((i * 7919) % ROWS));
  return { key: codec.primaryKey(row), value: codec.encodeValue(row) };
});
const txnId = makeTxnId(1 as Timestamp, nodeId(1), 1);
let ts = 1;
store.apply(writes, ts as Timestamp, txnId);
store.hurry();
await store.checkpoint(() => []);
// The table that was written stays in memory until the next: then only the engine has the rows.
await store.checkpoint(() => []);
// Reads only, beside the other.
const uncached = await MvccStore.open(turns, engine, { headCacheBytes: 0 });
// Every second row has a newer version that only memory knows.
store.apply(
  writes.filter((_, i) => i % 2 === 1),
  ++ts as Timestamp,
  txnId,
);

afterAll(async () => {
  await engine.close();
  rmSync(directory, { recursive: true });
});

describe('mvcc over LevelDB', () => {
  const keys = writes.map(({ key }) => key);
  const now = (): Timestamp => ts as Timestamp;
  const inEngine = cycle(keys.filter((_, i) => i % 2 === 0));
  const inMemory = cycle(keys.filter((_, i) => i % 2 === 1));
  bench('get, engine', async () => {
    await store.get(inEngine(), now());
  });
  bench('get, memory', () => {
    void store.get(inMemory(), now());
  });
  bench('newest, memory', () => {
    store.newest(inMemory());
  });
  bench('validation of a point', () => {
    store.newerInMemory(pointSpan(inMemory()), now());
  });
  const nextStart = cycle(keys);
  bench('scan of 10 rows, half in memory', async () => {
    await store.scan({ start: nextStart(), end: KEY_MAX }, now(), { limitRows: 10 });
  });
  const sorted = keys.toSorted();
  const hundreds = sorted.flatMap((start, i) => {
    const end = sorted[i + 100];
    return i % 100 !== 0 || end === undefined ? [] : [{ start, end }];
  });
  for (const [name, from] of [['cached', store] as const, ['from LevelDB', uncached] as const]) {
    const nextRow = cycle(hundreds.map(({ start }) => pointSpan(start)));
    bench(`scan of one row, ${name}`, async () => {
      await from.scan(nextRow(), 1 as Timestamp);
    });
    const nextHundred = cycle(hundreds);
    bench(`scan of 100 rows, ${name}`, async () => {
      await from.scan(nextHundred(), 1 as Timestamp);
    });
  }
  const nextWrite = cycle(writes.map((write) => [write]));
  // Bounded, for no checkpoint clears the table here.
  bench(
    'apply of one row',
    () => {
      store.apply(nextWrite(), ++ts as Timestamp, txnId);
    },
    { iterations: 20_000, time: 0, warmupTime: 0, warmupIterations: 1000 },
  );
});
