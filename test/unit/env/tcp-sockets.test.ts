/** Client sockets over real connections on the loopback interface. */
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import type { Listener, StreamSocket } from '../../../src/env/sockets.ts';
import { tcpSockets } from '../../../src/env/node/tcp-sockets.ts';

const HOST = '127.0.0.1';
const listeners: Listener[] = [];
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

interface Accepted {
  readonly socket: StreamSocket;
  readonly received: Buffer[];
  readonly drained: Promise<void>;
  readonly closed: Promise<void>;
}

async function connected(): Promise<{ client: net.Socket; server: Accepted }> {
  let resolveAccepted: (accepted: Accepted) => void = () => undefined;
  const accepted = new Promise<Accepted>((resolve) => (resolveAccepted = resolve));
  const listener = await tcpSockets.listen(HOST, 0, (socket) => {
    const received: Buffer[] = [];
    let onDrain = (): void => undefined;
    let onClose = (): void => undefined;
    const drained = new Promise<void>((resolve) => (onDrain = resolve));
    const closed = new Promise<void>((resolve) => (onClose = resolve));
    socket.setHandlers({ onData: (bytes) => void received.push(bytes), onDrain, onClose });
    resolveAccepted({ socket, received, drained, closed });
  });
  listeners.push(listener);
  const client = net.connect({ host: HOST, port: listener.port });
  client.on('error', () => undefined);
  return { client, server: await accepted };
}

it('carries bytes both ways and ends after them', async () => {
  const { client, server } = await connected();
  const got: Buffer[] = [];
  client.on('data', (bytes: Buffer) => void got.push(bytes));
  const ended = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.write('question');
  expect(server.socket.write(Buffer.from('answer'))).toBe(true);
  server.socket.end();
  await ended;
  await server.closed;
  expect(Buffer.concat(got).toString()).toBe('answer');
  expect(server.socket.isLoopback).toBe(true);
});

it('says when a slow reader has to be waited for, and when it has caught up', async () => {
  const { client, server } = await connected();
  client.pause();
  const chunk = Buffer.alloc(64 * 1024);
  let writes = 0;
  while (server.socket.write(chunk)) writes++;
  expect(writes).toBeGreaterThan(1);
  expect(server.socket.bufferedBytes()).toBeGreaterThan(0);
  client.resume();
  await server.drained;
  expect(server.socket.bufferedBytes()).toBe(0);
  client.destroy();
  await server.closed;
  expect(server.socket.write(chunk)).toBe(true);
});

it('a port that is taken is a typed error', async () => {
  const listener = await tcpSockets.listen(HOST, 0, () => undefined);
  listeners.push(listener);
  const second = tcpSockets.listen(HOST, listener.port, () => undefined);
  await expect(second).rejects.toMatchObject({ code: 'port_taken' });
});
