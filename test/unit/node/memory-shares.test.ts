/** From a node's budget to its bounds, and where they arrive. */
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_MEMORY_BYTES,
  MIN_MEMORY_BYTES,
  formatSize,
  heapBytesOf,
  heapFlags,
  parseSize,
  sharesOf,
  sumOf,
} from '../../../src/node/memory-shares.ts';
import { limitsOf, withDefaults } from '../../../src/node/session-defaults.ts';
import type { MemoryShares } from '../../../src/node/memory-shares.ts';
import type { Session, SessionOptions } from '../../../sql/session/session-api.ts';
import { Settings } from '../../../sql/session/settings.ts';

const MIB = 2 ** 20;
const BUDGETS_MIB = [512, 600, 777, 1024, 2048, 4096, 6000, 8192, 16_384, 65_536];

function inMib(shares: MemoryShares): Record<string, number> {
  return Object.fromEntries(Object.entries(shares).map(([name, bytes]) => [name, bytes / MIB]));
}

describe('the shares of a budget', () => {
  it('of the default one', () => {
    expect(inMib(sharesOf(DEFAULT_MEMORY_BYTES))).toEqual({
      ...{ oldSpaceBytes: 864, semiSpaceBytes: 32, memoryTableBytes: 128 },
      ...{ blockCacheBytes: 64, writeBufferBytes: 16, raftTailBytes: 32, raftTailsBytes: 128 },
      ...{ raftUncommittedBytes: 64, peerQueuesBytes: 224, txnBytes: 256, workMemBytes: 64 },
      headCacheBytes: 32,
    });
  });

  it('of the smallest one', () => {
    expect(inMib(sharesOf(MIN_MEMORY_BYTES))).toEqual({
      ...{ oldSpaceBytes: 195, semiSpaceBytes: 4, memoryTableBytes: 28 },
      ...{ blockCacheBytes: 14, writeBufferBytes: 3, raftTailBytes: 7, raftTailsBytes: 28 },
      ...{ raftUncommittedBytes: 14, peerQueuesBytes: 50, txnBytes: 57, workMemBytes: 14 },
      headCacheBytes: 7,
    });
  });

  it.each(BUDGETS_MIB)('come to no more than %i MiB', (mib) => {
    const shares = sharesOf(mib * MIB);
    expect(sumOf(shares)).toBeLessThanOrEqual(mib * MIB);
    for (const bytes of Object.values(shares)) {
      expect(bytes).toBeGreaterThanOrEqual(MIB);
      expect(bytes % MIB).toBe(0);
    }
  });

  it('grow with the budget, none beyond its cap; the block cache has what is left over', () => {
    const all = BUDGETS_MIB.map((mib) => sharesOf(mib * MIB));
    for (const [i, shares] of all.entries()) {
      const before = all[i - 1];
      for (const [name, bytes] of Object.entries(shares)) {
        expect(bytes, name).toBeGreaterThanOrEqual(before?.[name as keyof MemoryShares] ?? 0);
      }
    }
    const large = sharesOf(8192 * MIB);
    expect(large.txnBytes).toBe(512 * MIB);
    expect(large.semiSpaceBytes).toBe(32 * MIB);
    expect(large.blockCacheBytes).toBeGreaterThan(1024 * MIB);
    // More would not fit into the 32 bits in which the engine takes it.
    expect(sharesOf(2 ** 40).blockCacheBytes).toBe(4095 * MIB);
  });

  it.each([MIN_MEMORY_BYTES - 1, 0, -1, Number.NaN, Infinity])('of %d: there are none', (bytes) => {
    expect(() => sharesOf(bytes)).toThrow('at least 512MiB');
  });

  it('that are the heap, as flags', () => {
    const flags = ['--max-old-space-size=864', '--max-semi-space-size=32'];
    expect(heapFlags(DEFAULT_MEMORY_BYTES)).toEqual(flags);
    expect(heapFlags(undefined)).toEqual(flags.slice(1));
    // V8 would take 16 for anything above 8.
    expect(heapFlags(768 * MIB)[1]).toBe('--max-semi-space-size=8');
  });

  it('bound the heap as V8 says afterwards', () => {
    const budget = 512 * MIB;
    const print = 'process.stdout.write(String(v8.getHeapStatistics().heap_size_limit))';
    const said = execFileSync(process.execPath, [...heapFlags(budget), '-e', print]);
    expect(Number(said)).toBe(heapBytesOf(sharesOf(budget)));
  });
});

describe('sizes', () => {
  it.each([
    ['512MiB', 512 * MIB],
    ['1GiB', 1024 * MIB],
    ['1.5gib', 1536 * MIB],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['512', '512MB', 'GiB', '-1GiB', '1e3MiB', '', '1 GiB of it'])('not "%s"', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );

  it('for people', () => {
    expect([2048, 1536, 256].map((mib) => formatSize(mib * MIB))).toEqual([
      ...['2GiB', '1536MiB', '256MiB'],
    ]);
  });
});

describe('the limits of sessions', () => {
  /** What a session would have as settings. */
  async function settingsWith(
    budget: number,
    parameters: readonly (readonly [string, string])[],
  ): Promise<Settings> {
    const settings = new Settings('u');
    const sessions = {
      open: (options: SessionOptions): Promise<Session> => {
        settings.setDefaults(options.parameters);
        return Promise.resolve(undefined as unknown as Session);
      },
    };
    await withDefaults(sessions, limitsOf(sharesOf(budget))).open({
      ...{ user: 'u', database: 'd', processId: 1, onFatal: () => undefined },
      parameters: new Map(parameters),
    });
    return settings;
  }

  it('are as ever with the default budget', async () => {
    const settings = await settingsWith(DEFAULT_MEMORY_BYTES, []);
    const usual = new Settings('u');
    for (const name of ['work_mem', 'txn_max_bytes']) {
      expect(settings.show(name)).toBe(usual.show(name));
    }
  });

  it('follow from the budget, but for what the client asks for', async () => {
    const settings = await settingsWith(1024 * MIB, [['work_mem', '1MB']]);
    expect(settings.show('work_mem')).toBe('1MB');
    expect(settings.show('txn_max_bytes')).toBe('123MB');
    settings.set('txn_max_bytes', '1GB', false);
    settings.set('txn_max_bytes', undefined, false);
    expect(settings.show('txn_max_bytes')).toBe('123MB');
  });
});
