/** Whom to talk to: peers that are connected and heard. */
import { beforeEach, describe, expect, it } from 'vitest';
import { PING_MS, PeerWatch, SILENT_MS } from '../../../cluster/transport/peer-watch.ts';
import { nodeId } from '../../../src/base/ids.ts';
import type { Env } from '../../../src/env/env.ts';

const B = nodeId(2);
let now = 0;
let tick: () => void;
let events: string[] = [];
let watch: PeerWatch;

function pass(ms: number): void {
  for (let left = ms; left > 0; left -= PING_MS) {
    now += Math.min(left, PING_MS);
    tick();
  }
}

beforeEach(() => {
  now = 1000;
  events = [];
  const env = {
    clock: { monotonicMs: () => now },
    scheduler: {
      after: (_delayMs: number, fn: () => void) => {
        tick = fn;
        return { cancel: () => undefined };
      },
    },
  };
  watch = new PeerWatch(env as unknown as Env, {
    ping: (peer, { isHeard }) => void events.push(`ping ${peer}${isHeard ? '' : ', not heard'}`),
    onChange: (peer, isUp) => void events.push(`${peer} ${isUp ? 'up' : 'down'}`),
  });
  watch.start();
});

const changes = (): string[] => events.filter((event) => !event.startsWith('ping'));

describe('peer watch', () => {
  it('pings those it is connected with', () => {
    pass(PING_MS);
    expect(events).toEqual([]);
    watch.onConnected(B);
    pass(2 * PING_MS);
    expect(events).toEqual(['2 up', 'ping 2', 'ping 2']);
  });

  it('takes a silent peer for lost, until it is heard', () => {
    watch.onConnected(B);
    pass(SILENT_MS / 2);
    watch.onHeard(B);
    pass(SILENT_MS - PING_MS);
    expect(watch.isUp(B)).toBe(true);
    pass(3 * PING_MS);
    expect(watch.isUp(B)).toBe(false);
    watch.onHeard(B);
    expect(changes()).toEqual(['2 up', '2 down', '2 up']);
    watch.onLost(B);
    watch.onHeard(B);
    expect(watch.isUp(B)).toBe(false);
  });

  it('takes a peer for lost that does not hear this node, and tells those that it does not hear', () => {
    watch.onConnected(B);
    watch.onPing(B, { isHeard: false, reach: 1 });
    watch.onHeard(B);
    expect(watch.isUp(B)).toBe(false);
    watch.onPing(B, { isHeard: true, reach: 1 });
    expect(watch.isUp(B)).toBe(true);
    watch.onPing(B, { isHeard: false, reach: 1 });
    watch.onLost(B);
    watch.onConnected(B);
    expect(changes()).toEqual(['2 up', '2 down', '2 up', '2 down', '2 up']);
    pass(SILENT_MS + 2 * PING_MS);
    expect(events.at(-1)).toBe('ping 2, not heard');
  });

  it('names a peer that can talk to more than this node, once that has lasted', () => {
    const C = nodeId(3);
    watch.onConnected(B);
    watch.onConnected(C);
    watch.onPing(B, { isHeard: true, reach: 2 });
    pass(4 * PING_MS);
    expect(watch.betterConnected()).toEqual([]);
    watch.onLost(C);
    watch.onHeard(B);
    watch.onPing(B, { isHeard: true, reach: 2 });
    pass(2 * PING_MS);
    expect(watch.betterConnected()).toEqual([]);
    pass(4 * PING_MS);
    expect(watch.betterConnected()).toEqual([B]);
    watch.onPing(B, { isHeard: true, reach: 1 });
    pass(PING_MS);
    expect(watch.betterConnected()).toEqual([]);
  });

  it('does not blame others for its own sleep', () => {
    watch.onConnected(B);
    now += 10 * SILENT_MS;
    tick();
    expect(watch.isUp(B)).toBe(true);
    pass(SILENT_MS + 2 * PING_MS);
    expect(watch.isUp(B)).toBe(false);
  });
});
