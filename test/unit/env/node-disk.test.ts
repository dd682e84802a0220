/** The disk port over a real directory. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory } from '../../../src/env/node/directory-lock.ts';
import { NodeDisk } from '../../../src/env/node/node-disk.ts';

let dir = '';

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-disk-'));
});
afterEach(() => {
  fs.rmSync(dir, { recursive: true });
});

/** So long that what follows at once is left to a thread. */
function keepLoopBusy(): void {
  const until = performance.now() + 100;
  while (performance.now() < until);
}

/** Where a descriptor of this process leads; undefined if it is gone. */
function pathOf(fd: string): string | undefined {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

describe('files', () => {
  it('are made full of zeros, written anywhere, and read back', async () => {
    const disk = new NodeDisk(dir);
    const size = (1 << 20) + 77;
    const file = await disk.create('log-1', size);
    expect(await file.size()).toBe(size);
    // Blocks that exist, not a hole.
    expect(fs.statSync(path.join(dir, 'log-1')).blocks * 512).toBeGreaterThanOrEqual(size);
    file.write(1000, Buffer.from('hello'));
    await file.sync();
    expect((await file.read(999, 7)).toString('latin1')).toBe('\0hello\0');
    expect(await file.read(size - 3, 100)).toHaveLength(3);
    await file.close();
    const again = await disk.open('log-1');
    expect((await again.read(1000, 5)).toString()).toBe('hello');
    await again.close();
  });

  it('are written durably, made or opened, in place or while the loop is busy', async () => {
    const disk = new NodeDisk(dir);
    const made = await disk.create('log-1', 64);
    await made.writeDurably(8, Buffer.from('made'));
    await made.close();
    const file = await disk.open('log-1');
    await file.writeDurably(16, Buffer.from('idle'));
    keepLoopBusy();
    await file.writeDurably(24, Buffer.from('busy'));
    const text = fs.readFileSync(path.join(dir, 'log-1'), 'latin1');
    expect(text.replace(/\0+/g, ' ')).toBe(' made idle busy ');
    await file.close();
  });

  it.runIf(process.platform === 'linux')('that cannot be written say why', async () => {
    const disk = new NodeDisk(dir);
    fs.symlinkSync('/dev/full', path.join(dir, 'log-1'));
    const file = await disk.open('log-1');
    const failure = { code: 'disk_full', message: 'cannot write and sync log-1: ENOSPC' };
    const write = (): Promise<void> => file.writeDurably(0, Buffer.from('x'));
    await expect(write()).rejects.toMatchObject({ code: 'disk_full' });
    keepLoopBusy();
    await expect(write()).rejects.toMatchObject(failure);
    await file.close();
  });

  it.runIf(process.platform === 'linux')('that are opened sync what is written', async () => {
    const disk = new NodeDisk(dir);
    await (await disk.create('log-1', 64)).close();
    const file = await disk.open('log-1');
    const fds = fs.readdirSync('/proc/self/fd').filter((fd) => pathOf(fd)?.endsWith('/log-1'));
    expect(fds).toHaveLength(1);
    const info = fs.readFileSync(`/proc/self/fdinfo/${fds[0]}`, 'utf8');
    const flags = Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '', 8);
    expect(flags & fs.constants.O_DSYNC).toBe(fs.constants.O_DSYNC);
    await file.close();
  });

  it('are replaced, renamed, removed and listed', async () => {
    const disk = new NodeDisk(dir);
    await disk.replace('b', Buffer.from('one'));
    await disk.replace('b', Buffer.from('two'));
    await disk.replace('a', Buffer.from('x'));
    expect(await disk.list()).toEqual(['a', 'b']);
    await disk.rename('b', 'c');
    await disk.remove('a');
    await disk.remove('a');
    expect(await disk.list()).toEqual(['c']);
    expect((await disk.readAll('c'))?.toString()).toBe('two');
    expect(await disk.readAll('b')).toBeUndefined();
  });

  it('that are missing are typed errors', async () => {
    const disk = new NodeDisk(dir);
    await expect(disk.open('nothing')).rejects.toMatchObject({ code: 'disk_missing' });
    await expect(disk.rename('nothing', 'x')).rejects.toMatchObject({ code: 'disk_missing' });
  });

  it('half made by a crash are not there, and go', async () => {
    fs.writeFileSync(path.join(dir, 'log-2.part'), 'half');
    const disk = new NodeDisk(dir);
    expect(await disk.list()).toEqual([]);
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it.skipIf(!fs.existsSync('/dev/full'))('that find no room say so', async () => {
    const disk = new NodeDisk(dir);
    fs.symlinkSync('/dev/full', path.join(dir, 'full'));
    const file = await disk.open('full');
    expect(() => file.write(0, Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'disk_full' }),
    );
    await file.close();
  });
});

describe('the lock of a directory', () => {
  it('is had by one, and given back', async () => {
    const first = await lockDirectory(dir);
    expect(first).toBeDefined();
    expect(await lockDirectory(dir)).toBeUndefined();
    await first?.release();
    const second = await lockDirectory(dir);
    expect(second).toBeDefined();
    await second?.release();
  });

  it('goes with the process that had it, however that ended', async () => {
    const source = fs.readFileSync('src/env/node/directory-lock.ts', 'utf8');
    const module = path.join(dir, 'lock.mjs');
    const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
    fs.writeFileSync(module, ts.transpileModule(source, { compilerOptions: options }).outputText);
    const script = `
      import { lockDirectory } from ${JSON.stringify(module)};
      const lock = await lockDirectory(${JSON.stringify(dir)});
      process.stdout.write(lock === undefined ? 'refused' : 'locked');
      setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const said = await new Promise<string>((resolve) =>
      child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString())),
    );
    expect(said).toBe('locked');
    expect(await lockDirectory(dir)).toBeUndefined();
    child.kill('SIGKILL');
    await ended;
    const lock = await lockDirectory(dir);
    expect(lock).toBeDefined();
    await lock?.release();
  });
});
