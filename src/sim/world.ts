/**
 * The ports of a simulated machine room: one virtual clock of events, one source of randomness, a network of links that
 * can be cut. Everything happens in the order of (time, number), and promises are drained between events, so a run is
 * a function of its seed.
 */
import { setImmediate as nextTurn } from 'node:timers';
import { must } from '../base/assert.ts';
import { Counters } from '../base/counters.ts';
import type { NodeId } from '../base/ids.ts';
import { EPOCH_UNIX_MS } from '../base/timestamp.ts';
import type {
  Clock,
  Env,
  Logger,
  Network,
  NetworkHandlers,
  Random,
  Scheduler,
} from '../env/env.ts';

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
      const above = must(heap[parent]);
      if (!isBefore(event, above)) break;
      heap[i] = above;
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
    const last = must(heap.pop());
    if (heap.length > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= heap.length) break;
        const right = heap[child + 1];
        if (right !== undefined && isBefore(right, must(heap[child]))) child++;
        const below = must(heap[child]);
        if (!isBefore(below, last)) break;
        heap[i] = below;
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
  return new Promise((resolve) => nextTurn(resolve));
}

/** The clocks of a machine. Its wall clock may be set; its monotonic clock stands still while it is suspended. */
export class SimClock implements Clock {
  readonly #world: SimWorld;
  /** How fast it runs; 1 is right. */
  readonly rate: number;
  /** How far the wall clock is ahead. */
  skewMs: number;
  #suspendedMs = 0;
  #suspendedAt: number | undefined;

  constructor(world: SimWorld, options: { readonly skewMs: number; readonly rate: number }) {
    this.#world = world;
    this.skewMs = options.skewMs;
    this.rate = options.rate;
  }

  wallMs(): number {
    return EPOCH_UNIX_MS + 1e9 + this.skewMs + this.#world.nowMs * this.rate;
  }

  monotonicMs(): number {
    return ((this.#suspendedAt ?? this.#world.nowMs) - this.#suspendedMs) * this.rate;
  }

  bootMs(): number {
    return this.#world.nowMs * this.rate;
  }

  suspend(): void {
    this.#suspendedAt ??= this.#world.nowMs;
  }

  wake(): void {
    if (this.#suspendedAt === undefined) return;
    this.#suspendedMs += this.#world.nowMs - this.#suspendedAt;
    this.#suspendedAt = undefined;
  }
}

interface Task {
  fn: (() => void) | undefined;
}

/**
 * What one process sees. `kill` makes its timers and deferred work void, as a crash does; between `pause` and `resume`
 * nothing of it runs, and what became due meanwhile runs then, in order.
 */
export class SimProcess {
  readonly env: Env;
  readonly #world: SimWorld;
  isAlive = true;
  #held: Task[] | undefined;
  /** What is to be done for those it serves when it is about to stop. */
  readonly onLeave = new Set<() => void>();

  constructor(world: SimWorld, clock: SimClock) {
    this.#world = world;
    const at = (delayMs: number, fn: () => void): Task => {
      const task: Task = { fn };
      world.after(delayMs, () => this.#run(task));
      return task;
    };
    const scheduler: Scheduler = {
      after: (delayMs, fn) => {
        const task = at(delayMs / clock.rate, fn);
        return { cancel: () => (task.fn = undefined) };
      },
      defer: (fn) => void at(0.01, fn),
      deferLast: (fn) => void at(0.011, fn),
      sleep: (delayMs, signal) =>
        new Promise((resolve, reject) => {
          const onAbort = (): void => {
            task.fn = undefined;
            if (this.isAlive) reject(signal?.reason as Error);
          };
          const task = at(delayMs / clock.rate, () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          });
          if (signal?.aborted === true) onAbort();
          else signal?.addEventListener('abort', onAbort, { once: true });
        }),
    };
    const counters = new Counters();
    this.env = { clock, random: world.random, scheduler, log: silentLogger, counters };
  }

  /** Now, or when it goes on; never once it is dead. */
  run(fn: () => void): void {
    this.#run({ fn });
  }

  #run(task: Task): void {
    if (!this.isAlive) return;
    if (this.#held === undefined) task.fn?.();
    else this.#held.push(task);
  }

  kill(): void {
    this.isAlive = false;
    this.#held = undefined;
  }

  get isPaused(): boolean {
    return this.#held !== undefined;
  }

  /** It is about to stop, in order. */
  leave(): void {
    for (const send of [...this.onLeave]) send();
  }

  pause(): void {
    this.#held ??= [];
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const task of held) this.#world.after(0, () => this.#run(task));
  }
}

export interface LinkFaults {
  /** Of a frame, in [0, 1]. */
  lossRate: number;
  duplicateRate: number;
  delayMinMs: number;
  delayMaxMs: number;
}

export const CALM_LINKS: Readonly<LinkFaults> = {
  lossRate: 0,
  duplicateRate: 0,
  delayMinMs: 0.1,
  delayMaxMs: 1,
};

/** Who hears whom. Frames of a link may overtake each other when the delays differ. */
export class SimSwitch {
  readonly #world: SimWorld;
  readonly #ports = new Map<NodeId, { handlers: NetworkHandlers; incarnation: number }>();
  readonly #cut = new Set<string>();
  /** Links on which everything takes this much longer. */
  readonly #clogged = new Map<string, number>();
  #incarnation = 0;
  faults: Readonly<LinkFaults> = CALM_LINKS;

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

  clog(from: NodeId, to: NodeId, delayMs: number): void {
    this.#clogged.set(`${from}>${to}`, delayMs);
  }

  /** Nothing is cut or clogged. */
  get isCalm(): boolean {
    return this.#cut.size === 0 && this.#clogged.size === 0;
  }

  heal(): void {
    this.#cut.clear();
    this.#clogged.clear();
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
      const clog = this.#clogged.get(`${from}>${to}`) ?? 0;
      const delay = clog + delayMinMs + random.next() * (delayMaxMs - delayMinMs);
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
