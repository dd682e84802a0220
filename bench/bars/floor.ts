/**
 * The least that one replicated commit can take on this machine: one fdatasync of a small write into a file that exists
 * already, and one round trip over the loopback to another process. Medians, measured one after the other by one
 * client that waits, as the client of a database does.
 *
 * How it can mislead: neither waits for the other here, nor shares the disk with two other replicas.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { QuorateError } from '../../src/base/errors.ts';

const FILE_BYTES = 4 << 20;
const WRITE_BYTES = 512;
const MESSAGE = Buffer.alloc(64, 'm');

export interface Floor {
  readonly syncUs: number;
  readonly roundTripUs: number;
}

/** Takes about `seconds`. */
export async function measureFloor(seconds: number): Promise<Floor> {
  const half = (seconds / 2) * 1000;
  return { syncUs: measureSync(half), roundTripUs: await measureRoundTrip(half) };
}

function measureSync(milliseconds: number): number {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'quorate-bench-sync-'));
  const fd = fs.openSync(path.join(dir, 'file'), 'w');
  try {
    fs.writeSync(fd, Buffer.alloc(FILE_BYTES));
    fs.fsyncSync(fd);
    const bytes = Buffer.alloc(WRITE_BYTES, 'w');
    const times: number[] = [];
    const end = performance.now() + milliseconds;
    for (let at = 0; performance.now() < end; at = (at + WRITE_BYTES) % FILE_BYTES) {
      const start = performance.now();
      fs.writeSync(fd, bytes, 0, WRITE_BYTES, at);
      fs.fdatasyncSync(fd);
      times.push(performance.now() - start);
    }
    return medianUs(times);
  } finally {
    fs.closeSync(fd);
    fs.rmSync(dir, { recursive: true });
  }
}

/** What answers: a process of its own, which ends when its standard input does. */
const ECHO = `
const server = require('net').createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('data', (bytes) => socket.write(bytes));
  socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
`;

async function measureRoundTrip(milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, ['-e', ECHO], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout.once('data', (line: Buffer) => resolve(Number(line.toString())));
      child.once('exit', () => reject(new QuorateError('bench', 'the echo did not start')));
    });
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    const times: number[] = [];
    await new Promise<void>((resolve, reject) => {
      const end = performance.now() + milliseconds;
      let start = 0;
      const send = (): void => {
        start = performance.now();
        socket.write(MESSAGE);
      };
      socket.once('connect', send);
      socket.once('error', reject);
      socket.on('data', () => {
        const now = performance.now();
        times.push(now - start);
        if (now < end) send();
        else resolve();
      });
    });
    socket.destroy();
    return medianUs(times);
  } finally {
    child.stdin.end();
    child.kill();
  }
}

function medianUs(milliseconds: number[]): number {
  milliseconds.sort((a, b) => a - b);
  return (milliseconds[milliseconds.length >> 1] ?? 0) * 1000;
}
