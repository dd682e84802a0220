/** Accepted sockets that read into one buffer, over real connections on the loopback interface. */
import net from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { SERVER_OPTIONS, withSharedReads } from '../../../src/env/node/shared-reads.ts';

const HOST = '127.0.0.1';
const HIGH_WATER_BYTES = 256 * 1024;
const open: net.Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

interface Pair {
  readonly client: net.Socket;
  readonly socket: net.Socket;
  readonly isHandedOver: boolean;
  readonly chunks: Buffer[];
}

/** A server, and as many connections to it. */
async function connections(count: number): Promise<{ server: net.Server; pairs: Pair[] }> {
  const accepted: ((socket: net.Socket) => void)[] = [];
  const server = net.createServer(SERVER_OPTIONS, (socket) => accepted.shift()?.(socket));
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const pairs: Pair[] = [];
  for (let i = 0; i < count; i++) {
    const pair = await new Promise<Pair>((resolve) => {
      const client = net.connect({ host: HOST, port });
      accepted.push((before) => {
        const socket = withSharedReads(before, HIGH_WATER_BYTES);
        const chunks: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
        resolve({ client, socket, isHandedOver: socket !== before, chunks });
      });
    });
    open.push(pair.client, pair.socket);
    pairs.push(pair);
  }
  return { server, pairs };
}

const closed = (socket: net.Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

it('hand a connection over, in the Node that runs this', async () => {
  const { server, pairs } = await connections(1);
  expect(pairs.map(({ isHandedOver }) => isHandedOver)).toEqual([true]);
  expect(pairs[0]?.socket.remoteAddress).toBe(HOST);
  server.close();
});

it('bring what was sent, each to its own reader, and leave it alone afterwards', async () => {
  const { server, pairs } = await connections(4);
  const sent = pairs.map((_, i) =>
    Buffer.from(Array.from({ length: 300_000 }, (__, at) => (at * (i + 3)) & 0xff)),
  );
  const ended = pairs.map(async ({ client, socket }, i) => {
    const bytes = sent[i] ?? Buffer.alloc(0);
    for (let at = 0; at < bytes.length; at += 7_777) {
      if (!client.write(bytes.subarray(at, at + 7_777))) {
        await new Promise((resolve) => client.once('drain', resolve));
      }
    }
    client.end();
    await closed(socket);
  });
  await Promise.all(ended);
  const received = pairs.map(({ chunks }) => Buffer.concat(chunks).toString('base64'));
  expect(received).toEqual(sent.map((bytes) => bytes.toString('base64')));
  server.close();
});

it('bring nothing while they are paused, and all of it later', async () => {
  const { server, pairs } = await connections(2);
  const [paused, other] = pairs;
  if (paused === undefined || other === undefined) throw new Error('no connection');
  paused.socket.pause();
  paused.client.write('to wait for');
  // What another connection brings later has come, so this one's would have, too.
  other.client.write('to be read');
  await new Promise((resolve) => other.socket.once('data', resolve));
  expect(paused.chunks).toEqual([]);
  paused.socket.resume();
  await new Promise((resolve) => paused.socket.once('data', resolve));
  expect(Buffer.concat(paused.chunks).toString()).toBe('to wait for');
  server.close();
});

it('are counted by their server, which has closed when they have', async () => {
  const { server, pairs } = await connections(2);
  const isClosed = new Promise<void>((resolve) => server.close(() => resolve()));
  const count = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_, found) => resolve(found)));
  expect(await count()).toBe(2);
  for (const { socket } of pairs) socket.destroy();
  await isClosed;
  expect(await count()).toBe(0);
});

it('stay as they were where Node is not as it was known', async () => {
  const server = net.createServer(SERVER_OPTIONS);
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = net.connect({ host: HOST, port });
  const before = await new Promise<net.Socket>((resolve) => server.once('connection', resolve));
  open.push(client, before);
  (before as unknown as { _server: null })._server = null;
  const socket = withSharedReads(before, HIGH_WATER_BYTES);
  expect(socket).toBe(before);
  const chunk = new Promise((resolve) => socket.once('data', resolve));
  client.write('read as ever');
  expect(String(await chunk)).toBe('read as ever');
  server.close();
});
