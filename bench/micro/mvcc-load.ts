/**
 * Question: what do the hot calls of `MvccStore` cost over LevelDB: apply with checkpoints, point reads from memory and
 * engine, short and long scans, validation. And: does a load stay within its memory bound?
 * Non-goals: durability of the machine's disk, contention, the layers above.
 * It can mislead: the block cache holds everything, and one process has the machine to itself.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTxnId, nodeId } from '../../src/base/ids.ts';
import type { Key } from '../../src/base/span.ts';
import { KEY_MAX, KEY_MIN, pointSpan } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import { LevelEngine } from '../../storage/engine/level-engine.ts';
import { MvccStore } from '../../storage/mvcc/mvcc-store.ts';
import { turns } from './turns.ts';

const ROWS = Number(process.argv[2] ?? 200_000);

const directory = mkdtempSync(join(tmpdir(), 'quorate-bench-'));
const engine = new LevelEngine(directory);
await engine.open();
let running: Promise<void> | undefined;
const checkpoint = (): void => {
  running ??= store.checkpoint(() => []).finally(() => (running = undefined));
};
const store = await MvccStore.open(turns, engine, {
  onCheckpointNeeded: () => setImmediate(checkpoint),
});

function name(row: number): Key {
  return `\x10\x01\x02\x01\x01${String(row).padStart(8, '0')}\x01` as Key;
}

function report(label: string, count: number, startMs: number): void {
  const ms = performance.now() - startMs;
  const { heapUsed, external, rss } = process.memoryUsage();
  const mib = [heapUsed, external, rss].map((bytes) => Math.round(bytes / (1 << 20)));
  console.log(
    `${label.padEnd(34)} ${((ms * 1000) / count).toFixed(2).padStart(9)} us/op` +
      `   heap ${mib[0]} external ${mib[1]} rss ${mib[2]} MiB`,
  );
}

async function settled(): Promise<void> {
  while (running !== undefined) await running;
}

let ts = 1;
const id = makeTxnId(1 as Timestamp, nodeId(1), 1);
const value = Buffer.alloc(100, 'v');

for (const pass of ['load', 'overwrite']) {
  let row = 0;
  ts++;
  const started = performance.now();
  await store.applyBulk(
    () => {
      if (row >= ROWS) return undefined;
      return Array.from({ length: 1000 }, () => ({ key: name(row++), value }));
    },
    ts as Timestamp,
    id,
  );
  report(`${pass}, applyBulk`, ROWS, started);
  await settled();
  report(`${pass}, with its checkpoints`, ROWS, started);
}

let seed = 1;
function random(): number {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed % ROWS;
}

let started = performance.now();
for (let i = 0; i < 100_000; i++) await store.get(name(random()), ts as Timestamp);
report('get, mostly engine', 100_000, started);

started = performance.now();
for (let i = 0; i < 100_000; i++)
  store.apply([{ key: name(random()), value }], ++ts as Timestamp, id);
report('apply of one row, random', 100_000, started);
started = performance.now();
checkpoint();
await settled();
report('checkpoint of those', 100_000, started);

started = performance.now();
for (let i = 0; i < 100_000; i++) void store.get(name(random()), ts as Timestamp);
report('get, half in memory', 100_000, started);

started = performance.now();
for (let i = 0; i < 200_000; i++) store.newerInMemory(pointSpan(name(random())), ts as Timestamp);
report('validation of a point', 200_000, started);

started = performance.now();
for (let i = 0; i < 2_000; i++) {
  await store.scan({ start: name(random()), end: KEY_MAX }, ts as Timestamp, { limitRows: 10 });
}
report('scan of 10 rows', 2_000, started);

started = performance.now();
let count = 0;
for (let start: Key | undefined = KEY_MIN; start !== undefined;) {
  const { rows, resume } = await store.scan({ start, end: KEY_MAX }, ts as Timestamp);
  count += rows.length;
  start = resume;
}
report('full scan, per row', count, started);

await engine.close();
rmSync(directory, { recursive: true });
