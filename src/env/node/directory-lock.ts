/**
 * One process per directory: an abstract Unix socket named for the directory's device and inode. The kernel lets go
 * of it when the process ends, however it ends, so nothing is left behind by kill -9; and it needs no native code.
 * Linux only; elsewhere the lock is a socket file in the temporary directory, whose listener is probed.
 */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** The lock, or undefined when another process holds it. */
export async function lockDirectory(dir: string): Promise<DirectoryLock | undefined> {
  const stat = fs.statSync(dir);
  const name = `quorate-${stat.dev}-${stat.ino}`;
  if (process.platform === 'linux') return listen(`\0${name}`);
  const file = path.join(os.tmpdir(), `${name}.lock`);
  if (fs.existsSync(file)) {
    if (await answers(file)) return undefined;
    fs.rmSync(file, { force: true });
  }
  return listen(file);
}

function listen(address: string): Promise<DirectoryLock | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: address }, () => {
      server.unref();
      resolve({
        release: () => new Promise((done) => server.close(() => done())),
      });
    });
  });
}

function answers(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path: file });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
