/** Frames between nodes over real connections on the loopback interface. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/base/ids.ts';
import { nodeId } from '../../../src/base/ids.ts';
import { TcpNetwork } from '../../../src/env/node/tcp-network.ts';
import { silentLogger } from '../../../src/sim/world.ts';

const A = nodeId(1);
const B = nodeId(2);
const HOST = '127.0.0.1';

interface End {
  readonly network: TcpNetwork;
  readonly frames: { from: NodeId; bytes: Buffer }[];
  readonly events: string[];
  /** Called after everything that is noted above. */
  onNote: () => void;
}

const open: TcpNetwork[] = [];
afterEach(async () => {
  for (const network of open.splice(0)) await network.stop();
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.listen({ host: HOST, port: 0 }, () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function start(self: NodeId, ports: Map<NodeId, number>, clusterId = 'one'): Promise<End> {
  const peers = [...ports].map(([id, port]) => ({ id, host: HOST, port }));
  const port = ports.get(self) ?? 0;
  const options = { self, clusterId, host: HOST, port, peers, queueBytesMax: 1 << 27 };
  const network = new TcpNetwork(options, silentLogger);
  const end: End = { network, frames: [], events: [], onNote: () => undefined };
  const note = (text: string): void => {
    end.events.push(text);
    end.onNote();
  };
  open.push(network);
  await network.start({
    onFrame: (from, bytes) => {
      end.frames.push({ from, bytes: Buffer.from(bytes) });
      end.onNote();
    },
    onPeerUp: (peer) => note(`up ${peer}`),
    onPeerDown: (peer) => note(`down ${peer}`),
  });
  return end;
}

/** Resolves as soon as it is so; the test's own time limit ends a wait for what never comes. */
function until(end: End, isSo: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (isSo()) resolve();
    };
    end.onNote = check;
    check();
  });
}

async function ports(): Promise<Map<NodeId, number>> {
  return new Map([
    [A, await freePort()],
    [B, await freePort()],
  ]);
}

async function pair(): Promise<{ a: End; b: End; at: Map<NodeId, number> }> {
  const at = await ports();
  const a = await start(A, at);
  const b = await start(B, at);
  await until(a, () => a.events.includes('up 2'));
  await until(b, () => b.events.includes('up 1'));
  return { a, b, at };
}

function hello(clusterId: string, sender: number): Buffer {
  return framed(Buffer.from(`quorate1\n${clusterId}\n${sender}`));
}

function framed(bytes: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(bytes.length);
  return Buffer.concat([head, bytes]);
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: HOST, port }, () => resolve(socket));
    socket.once('error', reject);
  });
}

function closed(socket: net.Socket): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

describe('frames', () => {
  it('of all sizes arrive whole and in order', async () => {
    const { a, b } = await pair();
    const sizes = [0, 1, 3, 65_535, 65_536, 5_000_000, 2, ...Array<number>(2000).fill(17)];
    const sent = sizes.map((size, i) => Buffer.alloc(size, i & 255));
    for (const frame of sent) a.network.send(B, frame);
    await until(b, () => b.frames.length === sent.length);
    expect(b.frames.every(({ from }) => from === A)).toBe(true);
    expect(b.frames.every(({ bytes }, i) => bytes.equals(sent[i]!))).toBe(true);
  });

  it('for nobody, and for nobody there, are dropped', async () => {
    const at = await ports();
    const a = await start(A, at);
    a.network.send(B, Buffer.from('lost'));
    a.network.send(nodeId(9), Buffer.from('lost'));
    const b = await start(B, at);
    await until(a, () => a.events.includes('up 2'));
    a.network.send(B, Buffer.from('kept'));
    await until(b, () => b.frames.length > 0);
    expect(b.frames.map(({ bytes }) => bytes.toString())).toEqual(['kept']);
  });

  it('may arrive cut anywhere', async () => {
    const at = await ports();
    const a = await start(A, at);
    const socket = await connect(a.network.port);
    socket.setNoDelay(true);
    const bytes = Buffer.concat([
      hello('one', 2),
      framed(Buffer.from('abc')),
      framed(Buffer.from('d')),
    ]);
    for (const byte of bytes) {
      await new Promise<void>((resolve) => socket.write(Buffer.of(byte), () => resolve()));
    }
    await until(a, () => a.frames.length === 2);
    expect(a.frames.map((frame) => frame.bytes.toString())).toEqual(['abc', 'd']);
    socket.destroy();
  });
});

describe('peers', () => {
  it('go down with their connection, and come back', async () => {
    const { a, b, at } = await pair();
    await b.network.stop();
    await until(a, () => a.events.includes('down 2'));
    await start(B, at);
    await until(a, () => a.events.length === 3);
    expect(a.events).toEqual(['up 2', 'down 2', 'up 2']);
  });

  it('are up only when both directions are: an answer must have a way back', async () => {
    const at = await ports();
    const a = await start(A, at);
    // Somebody takes connections in place of node 2, but does not connect.
    const taken: net.Socket[] = [];
    const server = net.createServer(
      (socket) => void taken.push(socket.on('error', () => undefined)),
    );
    const accepted = new Promise<void>((resolve) => server.once('connection', () => resolve()));
    await new Promise<void>((resolve) => server.listen({ host: HOST, port: at.get(B) }, resolve));
    await accepted;
    expect(a.events).toEqual([]);
    const socket = await connect(a.network.port);
    socket.write(hello('one', 2));
    await until(a, () => a.events.includes('up 2'));
    socket.destroy();
    await until(a, () => a.events.includes('down 2'));
    for (const each of taken) each.destroy();
    server.close();
  });

  it('that connect anew end their older connection', async () => {
    const { a } = await pair();
    const socket = await connect(a.network.port);
    socket.write(Buffer.concat([hello('one', 2), framed(Buffer.from('new'))]));
    await until(a, () => a.frames.length === 1);
    expect(a.events.slice(0, 3)).toEqual(['up 2', 'down 2', 'up 2']);
    socket.destroy();
  });
});

describe('strangers', () => {
  const cases: [string, Buffer][] = [
    ['of another cluster', hello('two', 2)],
    ['that are no member', hello('one', 3)],
    ['that say they are this node', hello('one', 1)],
    ['that speak something else', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['with a hello of great length', framed(Buffer.alloc(600))],
  ];
  it.each(cases)('%s are refused, and nobody else notices', async (_, bytes) => {
    const { a, b } = await pair();
    const socket = await connect(a.network.port);
    const end = closed(socket);
    socket.write(Buffer.concat([bytes, framed(Buffer.from('evil'))]));
    await end;
    b.network.send(A, Buffer.from('good'));
    await until(a, () => a.frames.length > 0);
    expect(a.frames.map((frame) => frame.bytes.toString())).toEqual(['good']);
    expect(a.events).toEqual(['up 2']);
  });

  it('a frame that claims to be too long ends its connection', async () => {
    const at = await ports();
    const a = await start(A, at);
    const socket = await connect(a.network.port);
    const end = closed(socket);
    socket.write(Buffer.concat([hello('one', 2), Buffer.alloc(4, 0xff)]));
    await end;
    expect(a.frames).toEqual([]);
  });
});

it('a port that is taken is a typed error', async () => {
  const at = await ports();
  await start(A, at);
  await expect(start(A, at)).rejects.toMatchObject({ code: 'port_taken' });
});
