/** Calls, casts, frames and stamps over a simulated network. */
import { describe, expect, it } from 'vitest';
import { Cancellation } from '../../../src/base/cancellation.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { nodeId, rangeId } from '../../../src/base/ids.ts';
import type { Timestamp } from '../../../src/base/timestamp.ts';
import type { Network, NetworkHandlers } from '../../../src/env/env.ts';
import type { Handler } from '../../../cluster/transport/transport.ts';
import { Transport, TransportError } from '../../../cluster/transport/transport.ts';
import { SimClock, SimProcess, SimSwitch, SimWorld } from '../../../src/sim/world.ts';

const A = nodeId(1);
const B = nodeId(2);

interface End {
  readonly process: SimProcess;
  readonly transport: Transport;
  readonly stamps: { from: NodeId; hlc: number; wallMs: number }[];
  hlc: number;
  framesSent: number;
  /** What the network tells this end; a test may call it as a hostile peer would. */
  handlers: NetworkHandlers | undefined;
}

function makeEnd(world: SimWorld, lines: SimSwitch, id: NodeId): End {
  const process = new SimProcess(world, new SimClock(world, { skewMs: 0, rate: 1 }));
  const inner = lines.network(id);
  const network: Network = {
    start: (handlers) => {
      end.handlers = handlers;
      return inner.start(handlers);
    },
    send: (to, frame) => {
      end.framesSent++;
      inner.send(to, frame);
    },
    stop: () => inner.stop(),
  };
  const stamps: End['stamps'] = [];
  const transport = new Transport(process.env, network, {
    readHlc: () => end.hlc as Timestamp,
    onStamp: (from, hlc, wallMs) => void stamps.push({ from, hlc, wallMs }),
  });
  const end: End = { process, transport, stamps, hlc: 1000, framesSent: 0, handlers: undefined };
  return end;
}

async function pair(seed = 1): Promise<{ world: SimWorld; lines: SimSwitch; a: End; b: End }> {
  const world = new SimWorld(seed);
  const lines = new SimSwitch(world);
  const a = makeEnd(world, lines, A);
  const b = makeEnd(world, lines, B);
  await a.transport.start();
  await b.transport.start();
  await world.run(5);
  return { world, lines, a, b };
}

async function failureOf(promise: Promise<unknown>): Promise<TransportError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TransportError);
  return error as TransportError;
}

const echo: Handler = (body) => body;
const never: Handler = () => new Promise(() => undefined);
const soon = { timeoutMs: 100 };

describe('bodies', () => {
  const allBytes = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
  const cases: [string, unknown][] = [
    ['a binary string of every code unit', allBytes],
    ['a long binary string', allBytes.repeat(300)],
    ['bytes', { value: Uint8Array.of(0, 1, 254, 255), none: new Uint8Array(0) }],
    ['integers beyond 32 bits', [2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, -(2 ** 40)]],
    ['fractions', [0.1, -1e300, Number.POSITIVE_INFINITY]],
    ['a bigint', { n: 12345678901234567n }],
    ['undefined, null and booleans', { a: undefined, b: null, c: true, d: false }],
    ['nested arrays and objects', { rows: [[1, 'x', [{ deep: [[]] }]], []] }],
    ['nothing', undefined],
  ];
  it.each(cases)('%s comes back as it was', async (_, body) => {
    const { world, a, b } = await pair();
    b.transport.register('echo', echo);
    const answer = await world.settle(a.transport.call(B, 'echo', body, soon));
    expect(normal(answer)).toEqual(normal(body));
  });

  /** Bytes may come back as a Buffer, which is a Uint8Array. */
  function normal(value: unknown): unknown {
    if (value instanceof Uint8Array) return { bytes: [...value] };
    if (Array.isArray(value)) return value.map(normal);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, normal(v)]));
  }
});

describe('frames', () => {
  it('carry all that one turn sends to a peer, in order', async () => {
    const { world, a, b } = await pair();
    const seen: string[] = [];
    b.transport.onRaft((from, range, bytes) =>
      seen.push(`raft ${from} ${range} ${Buffer.from(bytes).toString()}`),
    );
    b.transport.register('note', (body) => void seen.push(String(body)));
    const before = a.framesSent;
    a.transport.cast(B, 'note', 'first');
    a.transport.sendRaft(B, rangeId(7), Buffer.from('second'));
    a.transport.cast(B, 'note', 'third');
    await world.run(10);
    expect(seen).toEqual(['first', 'raft 1 7 second', 'third']);
    expect(a.framesSent - before).toBe(1);
  });

  it('leave at once when they have grown large', async () => {
    const { a } = await pair();
    a.transport.sendRaft(B, rangeId(1), Buffer.alloc(1 << 20));
    expect(a.framesSent).toBe(1);
  });

  it('are stamped when they leave: at or above all that their messages say', async () => {
    const { world, a, b } = await pair();
    let stampsAtHandling = 0;
    b.transport.register('note', () => void (stampsAtHandling = b.stamps.length));
    a.transport.cast(B, 'note', 1);
    a.hlc = 2000;
    await world.run(10);
    expect(b.stamps.at(-1)).toMatchObject({ from: A, hlc: 2000 });
    expect(b.stamps.at(-1)?.wallMs).toBeGreaterThan(1.7e12);
    expect(stampsAtHandling).toBe(1);
  });

  it('that do not decode are dropped, and nothing else is', async () => {
    const { world, a, b } = await pair();
    b.transport.register('echo', echo);
    const stamp = Buffer.alloc(16);
    const hostile = [
      Buffer.alloc(3),
      Buffer.alloc(16, 0xff),
      Buffer.concat([stamp, Buffer.of(99)]),
      Buffer.concat([stamp, Buffer.of(1, 0, 0)]),
      Buffer.concat([stamp, Buffer.of(2, 1, 4), Buffer.from('echo'), Buffer.of(1, 0xd9)]),
      Buffer.concat([stamp, Buffer.of(2, 1, 4), Buffer.from('echo'), Buffer.of(0xff, 0xff, 0x7f)]),
      Buffer.concat([stamp, Buffer.of(5, 4), Buffer.from('echo'), Buffer.of(2, 0xc1, 0xc1)]),
    ];
    for (const frame of hostile) expect(() => b.handlers?.onFrame(A, frame)).not.toThrow();
    expect(await world.settle(a.transport.call(B, 'echo', 5, soon))).toBe(5);
  });
});

describe('calls', () => {
  it('to a peer that is not connected fail at once and were not delivered', async () => {
    const { a } = await pair();
    const error = await failureOf(a.transport.call(nodeId(3), 'echo', 1, soon));
    expect(error).toMatchObject({ code: 'peer_down', maybeDelivered: false });
  });

  it('fail when the peer is lost, and may have been delivered', async () => {
    const { world, lines, a, b } = await pair();
    b.transport.register('wait', never);
    const call = failureOf(a.transport.call(B, 'wait', 1, { timeoutMs: 60_000 }));
    await world.run(5);
    lines.disconnect(B);
    expect(await world.settle(call, 100)).toMatchObject({
      code: 'peer_down',
      maybeDelivered: true,
    });
    expect(a.transport.isUp(B)).toBe(false);
  });

  it('end with their time, and tell the other side', async () => {
    const { world, a, b } = await pair();
    let isAborted = false;
    b.transport.register('wait', (_, context) => {
      context.cancellation().onCancel(() => (isAborted = true));
      return new Promise(() => undefined);
    });
    const error = await world.settle(failureOf(a.transport.call(B, 'wait', 1, soon)));
    expect(error).toMatchObject({ code: 'timeout', maybeDelivered: true });
    await world.run(10);
    expect(isAborted).toBe(true);
  });

  it('end when they are cancelled', async () => {
    const { world, a, b } = await pair();
    b.transport.register('wait', never);
    const cancellation = new Cancellation();
    const call = failureOf(a.transport.call(B, 'wait', 1, { timeoutMs: 60_000, cancellation }));
    await world.run(5);
    cancellation.cancel();
    expect(await world.settle(call)).toMatchObject({ code: 'aborted', maybeDelivered: true });
    const late = failureOf(a.transport.call(B, 'wait', 1, { timeoutMs: 60_000, cancellation }));
    expect(await late).toMatchObject({ code: 'aborted', maybeDelivered: false });
  });

  it('fail where the handler does, whether at once or later', async () => {
    const { world, a, b } = await pair();
    b.transport.register('throw', () => {
      throw new Error('no');
    });
    b.transport.register('reject', () => Promise.reject(new Error('no')));
    for (const method of ['throw', 'reject', 'unknown']) {
      const error = await world.settle(failureOf(a.transport.call(B, method, 1, soon)));
      expect(error).toMatchObject({ code: 'remote', maybeDelivered: true });
    }
  });

  it('find their own answer, whatever the order', async () => {
    const { world, lines, a, b } = await pair(4);
    lines.faults = { lossRate: 0, duplicateRate: 0.5, delayMinMs: 0.1, delayMaxMs: 40 };
    b.transport.register('echo', (body) =>
      (body as number) % 2 === 0 ? body : Promise.resolve(body),
    );
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 100; i++) {
      calls.push(a.transport.call(B, 'echo', i, { timeoutMs: 10_000 }));
      await world.run(1);
    }
    expect(await world.settle(Promise.all(calls))).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it('are not ended by what is answered to a process of their node that died', async () => {
    const { world, lines, a, b } = await pair();
    const served: { answer: (body: unknown) => void; fail: (error: Error) => void }[] = [];
    b.transport.register(
      'wait',
      () => new Promise((answer, fail) => void served.push({ answer, fail })),
    );
    const callTwice = (end: End): Promise<unknown>[] =>
      [1, 2].map(() => end.transport.call(B, 'wait', undefined, { timeoutMs: 60_000 }));

    void callTwice(a);
    await world.run(5);
    a.process.kill();
    lines.disconnect(A);
    const successor = makeEnd(world, lines, A);
    await successor.transport.start();
    await world.run(5);

    let endedCount = 0;
    const calls = callTwice(successor);
    for (const call of calls) void call.finally(() => endedCount++).catch(() => undefined);
    await world.run(5);
    expect(served).toHaveLength(4);
    served[0]?.answer('for the dead');
    served[1]?.fail(new Error('for the dead'));
    b.hlc = 2000;
    await world.run(5);
    // The frame with both has come.
    expect(successor.stamps.at(-1)).toMatchObject({ from: B, hlc: 2000 });
    expect(endedCount).toBe(0);

    served[3]?.answer('second');
    served[2]?.answer('first');
    expect(await world.settle(Promise.all(calls))).toEqual(['first', 'second']);
  });

  it('end with their time where frames are lost, and others go on', async () => {
    const { world, lines, a, b } = await pair(9);
    lines.faults = { lossRate: 0.5, duplicateRate: 0, delayMinMs: 1, delayMaxMs: 2 };
    b.transport.register('echo', echo);
    let answered = 0;
    let timedOut = 0;
    for (let i = 0; i < 40; i++) {
      const result = a.transport.call(B, 'echo', i, soon).then(
        () => answered++,
        () => timedOut++,
      );
      await world.settle(result);
    }
    expect(answered).toBeGreaterThan(3);
    expect(timedOut).toBeGreaterThan(3);
  });
});

describe('peers', () => {
  it('are reported as they come and go', async () => {
    const { world, lines, a } = await pair();
    const seen: string[] = [];
    a.transport.onPeerChange((peer, isUp) => seen.push(`${peer} ${isUp ? 'up' : 'down'}`));
    lines.disconnect(B);
    await world.run(5);
    const again = makeEnd(world, lines, B);
    await again.transport.start();
    await world.run(5);
    expect(seen).toEqual(['2 down', '2 up']);
  });
});
