/** Runs the engine suite for the engines that ship, and what only the one on disk can show. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LevelEngine } from '../../storage/engine/level-engine.ts';
import { MemEngine } from '../../storage/engine/mem-engine.ts';
import { engineSuite } from './engine-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'quorate-engine-'));
let next = 0;

afterAll(() => {
  rmSync(root, { recursive: true });
});

engineSuite('MemEngine', () => new MemEngine());
engineSuite('LevelEngine', () => new LevelEngine(join(root, `db${next++}`)));

describe('LevelEngine on disk', () => {
  it('finds what was written after a reopen', async () => {
    const directory = join(root, 'reopened');
    const first = new LevelEngine(directory);
    await first.open();
    await first.batch([{ key: 'a', value: Buffer.from('1') }], { sync: true });
    await first.close();
    const second = new LevelEngine(directory);
    await second.open();
    expect(second.getSync('a')?.toString()).toBe('1');
    await second.close();
  });

  it('says so when another holds the directory', async () => {
    const directory = join(root, 'locked');
    const first = new LevelEngine(directory);
    await first.open();
    await expect(new LevelEngine(directory).open()).rejects.toMatchObject({
      code: 'engine_locked',
    });
    await first.close();
  });
});
