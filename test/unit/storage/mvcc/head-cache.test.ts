/** What scans get from the cache of heads: which are answered at once, and what makes the cache forget. */
import { beforeEach, describe, expect, it } from 'vitest';
import { makeTxnId, nodeId } from '../../../../src/base/ids.ts';
import { isPromise } from '../../../../src/base/maybe-promise.ts';
import type { Key, Span } from '../../../../src/base/span.ts';
import { KEY_MAX, KEY_MIN } from '../../../../src/base/span.ts';
import type { Timestamp } from '../../../../src/base/timestamp.ts';
import { MvccStore } from '../../../../storage/mvcc/mvcc-store.ts';
import type { MvccScanOptions, MvccScanResult } from '../../../../storage/mvcc/mvcc-types.ts';
import { SlowEngine } from '../../../support/slow-engine.ts';
import { TurnScheduler } from '../../../support/turn-scheduler.ts';

let engine: SlowEngine;
let store: MvccStore;
let now: number;

beforeEach(async () => {
  engine = new SlowEngine();
  await engine.open();
  now = 0;
  store = await through(MvccStore.open(new TurnScheduler('automatic'), engine));
  put('b', 'd', 'f', 'h', 'x');
  await flush();
  await flush();
});

/** Lets the engine answer until `promise` has resolved. */
async function through<T>(promise: Promise<T>): Promise<T> {
  let isDone = false;
  const done = promise.finally(() => (isDone = true));
  done.catch(() => undefined);
  while (!isDone) await engine.release(0);
  return done;
}

/** The value says when it was written. */
function put(...keys: string[]): void {
  const ts = ++now as Timestamp;
  const writes = keys.map((key) => ({ key: key as Key, value: Buffer.from(String(ts)) }));
  store.apply(writes, ts, makeTxnId(ts, nodeId(1), 1));
}

function flush(): Promise<void> {
  return through(store.checkpoint(() => []));
}

function span(start: string, end: string): Span {
  return { start: start as Key, end: end as Key };
}

function textOf({ rows }: MvccScanResult): string {
  return rows.map(({ key, value }) => `${key}${Buffer.from(value).toString()}`).join(' ');
}

/** What a scan gives, and whether it was there at once. */
async function scan(where: Span, options: MvccScanOptions = {}): Promise<string> {
  const answer = store.scan(where, (now + 1) as Timestamp, options);
  if (!isPromise(answer)) return `at once: ${textOf(answer)}`;
  return `later: ${textOf(await through(answer))}`;
}

describe('a scan', () => {
  it('is answered at once where another has been, and within it', async () => {
    expect(await scan(span('b', 'g'))).toBe('later: b1 d1 f1');
    expect(await scan(span('b', 'g'))).toBe('at once: b1 d1 f1');
    expect(await scan(span('c', 'e'))).toBe('at once: d1');
    expect(await scan(span('a', 'e'))).toBe('later: b1 d1');
    expect(await scan(span('a', 'g'), { reverse: true })).toBe('at once: f1 d1 b1');
    expect(await scan(span('a', 'z'), { limitRows: 2 })).toBe('at once: b1 d1');
    expect(await scan(span('d', 'i'))).toBe('later: d1 f1 h1');
    expect(await scan(span('a', 'i'))).toBe('at once: b1 d1 f1 h1');
  });

  it('merges what is cached with what was applied since', async () => {
    await scan(span('b', 'i'));
    put('c', 'f');
    expect(await scan(span('b', 'i'))).toBe('at once: b1 c2 d1 f2 h1');
    store.apply(
      [{ key: 'd' as Key, value: null }],
      ++now as Timestamp,
      makeTxnId(now as Timestamp, nodeId(1), 1),
    );
    expect(await scan(span('b', 'i'), { reverse: true })).toBe('at once: h1 f2 c2 b1');
  });

  it('knows after one look that there is nothing up to the next row', async () => {
    expect(await scan(span('k', 'l'))).toBe('later: ');
    put('m', 'p', 'y');
    expect(await scan(span('m', 'q'))).toBe('at once: m2 p2');
    expect(await scan(span('m', 'x'))).toBe('at once: m2 p2');
    expect(await scan(span('m', 'z'))).toBe('later: m2 p2 x1 y2');
  });

  it('looks into the history below a cached head', async () => {
    put('d');
    await flush();
    await flush();
    await scan(span('a', 'z'));
    const answer = store.scan(span('a', 'g'), 1 as Timestamp);
    expect(isPromise(answer)).toBe(true);
    expect(textOf(await through(Promise.resolve(answer)))).toBe('b1 d1 f1');
  });

  it('of a whole table is not kept', async () => {
    now++;
    const keys = Array.from({ length: 2000 }, (_, i) => `t${String(i).padStart(4, '0')}`);
    put(...keys);
    await flush();
    await flush();
    expect(await scan(span('t', 'u'))).toMatch(/^later/);
    expect(await scan(span('t0100', 't0200'))).toMatch(/^later/);
    expect(await scan(span('t0100', 't0200'))).toMatch(/^at once/);
  });
});

describe('a batch', () => {
  it('makes the cache forget what it wrote into, and nothing else', async () => {
    await scan(span('a', 'e'));
    await scan(span('e', 'g'));
    await scan(span('w', KEY_MAX));
    put('f');
    await flush();
    await flush();
    expect(await scan(span('w', KEY_MAX))).toBe('at once: x1');
    expect(await scan(span('a', 'g'))).toBe('later: b1 d1 f2');
    expect(await scan(span('a', 'g'))).toBe('at once: b1 d1 f2');
  });

  it('leaves a scan alone that runs meanwhile, and keeps nothing of it', async () => {
    put('d', 'e');
    const answer = store.scan(span('a', 'z'), now as Timestamp);
    // The cursor is open, and has not answered; of what waits the checkpoint's steps come after it.
    const checkpoint = store.checkpoint(() => []);
    let isWritten = false;
    const written = checkpoint.then(() => (isWritten = true));
    while (!isWritten) await engine.release(1);
    await written;
    expect(textOf(await through(Promise.resolve(answer)))).toBe('b1 d2 e2 f1 h1 x1');
    // Now only the engine has it.
    await flush();
    expect(await scan(span('a', 'z'))).toBe('later: b1 d2 e2 f1 h1 x1');
  });

  it('makes the cache forget what was read while it was written', async () => {
    put('d');
    const checkpoint = store.checkpoint(() => []);
    const answers: string[] = [];
    let isWritten = false;
    const written = checkpoint.then(() => (isWritten = true));
    while (!isWritten) {
      // At every step of the checkpoint somebody reads all there is, and is served at once.
      const answer = store.scan({ start: KEY_MIN, end: KEY_MAX }, now as Timestamp);
      let isAnswered = false;
      const answered = Promise.resolve(answer).then((result) => {
        answers.push(textOf(result));
        isAnswered = true;
      });
      while (!isAnswered) await engine.release(1);
      await answered;
      await engine.release(0);
    }
    await written;
    expect(new Set(answers)).toEqual(new Set(['b1 d2 f1 h1 x1']));
    await flush();
    expect(await scan({ start: KEY_MIN, end: KEY_MAX })).toContain(': b1 d2 f1 h1 x1');
  });
});
