/**
 * Sessions over `LocalKv` for tests: virtual time and seeded randomness.
 */
import { Counters } from '../../src/base/counters.ts';
import type { KvClient } from '../../src/kv/kv-client.ts';
import type { SqlError } from '../../sql/errors/sql-error.ts';
import type { Session } from '../../sql/session/session-api.ts';
import type { SessionEnv } from '../../sql/session/session-env.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import { Planner } from '../../sql/plan/planner.ts';
import type { LocalKvOptions } from './local-kv.ts';
import { LocalKv } from './local-kv.ts';

/** Timers that fire when the test says so; deferred work runs in the next real turn. */
export class VirtualTime {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly fn: () => void }[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, fn: () => void): { cancel(): void } {
    const timer = { atMs: this.#nowMs + delayMs, fn };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.atMs <= until).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = due.atMs;
      due.fn();
    }
    this.#nowMs = until;
  }
}

const START_UNIX_MS = Date.UTC(2025, 5, 15, 12, 0, 0);

export function virtualEnv(time: VirtualTime): SessionEnv {
  let seed = 42;
  const next = (): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return seed / 0x80000000;
  };
  return {
    clock: { wallMs: () => START_UNIX_MS + time.nowMs, monotonicMs: () => time.nowMs },
    random: { next, bytes: (count) => Uint8Array.from({ length: count }, () => next() * 256) },
    scheduler: {
      after: (delayMs, fn) => time.after(delayMs, fn),
      defer: (fn) => void setImmediate(fn),
    },
    counters: new Counters(),
  };
}

export interface Harness {
  readonly kv: LocalKv;
  readonly time: VirtualTime;
  readonly factory: SqlSessionFactory;
  open(parameters?: ReadonlyMap<string, string>): Promise<Session>;
  readonly fatal: SqlError[];
}

export function makeHarness(options: LocalKvOptions = {}): Harness {
  const time = new VirtualTime();
  const kv = new LocalKv({ after: (delayMs, fn) => time.after(delayMs, fn), ...options });
  return harnessOver(kv, kv, time);
}

function harnessOver(kv: LocalKv, client: KvClient, time: VirtualTime): Harness {
  const factory = new SqlSessionFactory(client, virtualEnv(time), { planner: new Planner() });
  const fatal: SqlError[] = [];
  let processId = 100;
  return {
    kv,
    time,
    factory,
    fatal,
    open: (parameters = new Map()) =>
      factory.open({
        user: 'quorate',
        database: 'quorate',
        parameters,
        processId: ++processId,
        onFatal: (error: SqlError) => fatal.push(error),
      }),
  };
}
