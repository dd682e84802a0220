/**
 * The ports of a simulated machine room: one virtual clock of events, one source of randomness, a network of links that
 * can be cut. Everything happens in the order of (time, number), and promises are drained between events, so a run is
 * a function of its seed.
 */
import type { NodeId } from '../../src/base/ids.ts';
import { EPOCH_UNIX_MS } from '../../src/base/timestamp.ts';
import type {
  Clock,
  Env,
  Logger,
  Network,
  NetworkHandlers,
  Random,
  Scheduler,
} from '../../src/env/env.ts';

export function seededRandom(seed: number): Random {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4294967296;
  };
  for (let i = 0; i < 8; i++) next();
  const int = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return { next, int, bytes: (n) => Uint8Array.from({ length: n }, () => int(0, 255)) };
}

interface Event {
  readonly at: number;
  readonly number: number;
  fn: (() => void) | undefined;
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

export class SimWorld {
  nowMs = 0;
  readonly random: Random;
  /** A heap by (at, number). */
  readonly #events: Event[] = [];
  #number = 0;
  /** Events run so far: the length of the trace. */
  steps = 0;
  /** A rolling hash of what happened when: two runs of one seed have the same. */
  traceHash = 0;

  constructor(seed: number) {
    this.random = seededRandom(seed);
  }

  after(delayMs: number, fn: () => void): Event {
    const event: Event = { at: this.nowMs + Math.max(0, delayMs), number: this.#number++, fn };
    const heap = this.#events;
    let i = heap.push(event) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = event;
    return event;
  }

  note(value: number): void {
    this.traceHash = (Math.imul(this.traceHash, 31) + value) | 0;
  }

  /** Runs events until `isDone`, or until `limitMs` of virtual time have passed; true when done. */
  async run(limitMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    const end = this.nowMs + limitMs;
    for (;;) {
      await drainPromises();
      if (isDone()) return true;
      const event = this.#pop(end);
      if (event === undefined) {
        this.nowMs = Math.max(this.nowMs, end);
        return isDone();
      }
      this.nowMs = event.at;
      this.steps++;
      this.note(Math.floor(event.at * 1000) ^ event.number);
      event.fn?.();
    }
  }

  /** Runs until the promise settles. */
  async settle<T>(promise: Promise<T>, limitMs = 60_000): Promise<T> {
    let isSettled = false;
    const marked = promise.finally(() => (isSettled = true));
    marked.catch(() => undefined);
    if (!(await this.run(limitMs, () => isSettled))) {
      throw new Error(`not settled after ${limitMs} virtual ms`);
    }
    return marked;
  }

  #pop(end: number): Event | undefined {
    const heap = this.#events;
    const top = heap[0];
    if (top === undefined || top.at > end) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
        if (!isBefore(heap[child]!, last)) break;
        heap[i] = heap[child]!;
        i = child;
      }
      heap[i] = last;
    }
    return top;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}

/** Microtasks run out; what is left waits for events. */
function drainPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What one process sees; `kill` makes its timers and deferred work void, as a crash does. */
export class SimProcess {
  readonly env: Env;
  isAlive = true;

  constructor(world: SimWorld, options: { skewMs: number; rate: number }) {
    const clock: Clock = {
      wallMs: () => EPOCH_UNIX_MS + 1e9 + options.skewMs + world.nowMs * options.rate,
      monotonicMs: () => world.nowMs * options.rate,
      bootMs: () => world.nowMs * options.rate,
    };
    const guarded = (fn: () => void) => (): void => {
      if (this.isAlive) fn();
    };
    const scheduler: Scheduler = {
      after: (delayMs, fn) => {
        const event = world.after(delayMs / options.rate, guarded(fn));
        return { cancel: () => (event.fn = undefined) };
      },
      defer: (fn) => void world.after(0.01, guarded(fn)),
      deferLast: (fn) => void world.after(0.011, guarded(fn)),
      sleep: (delayMs, signal) =>
        new Promise((resolve, reject) => {
          const onAbort = (): void => {
            event.fn = undefined;
            if (this.isAlive) reject(signal?.reason as Error);
          };
          const event = world.after(
            delayMs / options.rate,
            guarded(() => {
              signal?.removeEventListener('abort', onAbort);
              resolve();
            }),
          );
          if (signal?.aborted === true) onAbort();
          else signal?.addEventListener('abort', onAbort, { once: true });
        }),
    };
    this.env = { clock, random: world.random, scheduler, log: silentLogger };
  }

  kill(): void {
    this.isAlive = false;
  }
}

export interface LinkFaults {
  /** Of a frame, in [0, 1]. */
  lossRate: number;
  duplicateRate: number;
  delayMinMs: number;
  delayMaxMs: number;
}

/** Who hears whom. Frames of a link may overtake each other when the delays differ. */
export class SimSwitch {
  readonly #world: SimWorld;
  readonly #ports = new Map<NodeId, { handlers: NetworkHandlers; incarnation: number }>();
  readonly #cut = new Set<string>();
  #incarnation = 0;
  faults: LinkFaults = { lossRate: 0, duplicateRate: 0, delayMinMs: 0.1, delayMaxMs: 1 };

  constructor(world: SimWorld) {
    this.#world = world;
  }

  /** Cuts the direction `from` → `to`. */
  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`);
  }

  isolate(node: NodeId): void {
    for (const other of this.#ports.keys()) {
      this.cut(node, other);
      this.cut(other, node);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  network(self: NodeId): Network {
    const incarnation = ++this.#incarnation;
    return {
      start: (handlers) => {
        this.#ports.set(self, { handlers, incarnation });
        for (const [peer, port] of this.#ports) {
          if (peer === self) continue;
          this.#world.after(1, () => {
            handlers.onPeerUp(peer);
            port.handlers.onPeerUp(self);
          });
        }
        return Promise.resolve();
      },
      send: (to, frame) => this.#send(self, incarnation, to, frame),
      stop: () => {
        this.disconnect(self);
        return Promise.resolve();
      },
    };
  }

  /** A process ended: its peers notice. */
  disconnect(self: NodeId): void {
    this.#ports.delete(self);
    for (const { handlers } of this.#ports.values()) {
      this.#world.after(1, () => handlers.onPeerDown(self));
    }
  }

  #send(from: NodeId, incarnation: number, to: NodeId, frame: Uint8Array): void {
    const { random } = this.#world;
    const { lossRate, duplicateRate, delayMinMs, delayMaxMs } = this.faults;
    if (this.#ports.get(from)?.incarnation !== incarnation) return;
    const copies = random.next() < lossRate ? 0 : random.next() < duplicateRate ? 2 : 1;
    const target = this.#ports.get(to)?.incarnation;
    for (let i = 0; i < copies; i++) {
      const delay = delayMinMs + random.next() * (delayMaxMs - delayMinMs);
      this.#world.after(delay, () => {
        const port = this.#ports.get(to);
        if (port === undefined || port.incarnation !== target) return;
        if (this.#cut.has(`${from}>${to}`)) return;
        this.#world.note(frame.length);
        port.handlers.onFrame(from, Buffer.from(frame));
      });
    }
  }
}
