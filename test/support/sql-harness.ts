/**
 * Sessions over `LocalKv` for tests: virtual time, seeded randomness, and a sink that keeps what it is given.
 */
import type { KvClient } from '../../src/kv/kv-client.ts';
import type { SqlError } from '../../sql/errors/sql-error.ts';
import type { Notice, ResultColumn, ResultSink, Session } from '../../sql/session/session-api.ts';
import type { SessionEnv } from '../../sql/session/session-env.ts';
import { SqlSessionFactory } from '../../sql/session/session-factory.ts';
import type { Datum } from '../../sql/types/datum.ts';
import type { FormatContext } from '../../sql/types/format-context.ts';
import { encodeText } from '../../sql/types/text-format.ts';
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

export interface Result {
  columns: readonly ResultColumn[] | undefined;
  rows: (string | null)[][];
  tag: string | undefined;
}

/** Keeps results as text. `isFlushed` true says that everything has gone to the client at once. */
export class CollectingSink implements ResultSink {
  readonly results: Result[] = [];
  readonly notices: Notice[] = [];
  readonly parameters: (readonly [string, string])[] = [];
  readonly events: string[] = [];
  copyInput: Uint8Array[] = [];
  copyOutput = '';
  isFlushed = false;
  #columns: readonly ResultColumn[] | undefined;
  #rows: (string | null)[][] = [];
  #begin = 0;
  #beginNotices = 0;
  #format: () => FormatContext;

  constructor(format: () => FormatContext) {
    this.#format = format;
  }

  columns(columns: readonly ResultColumn[]): void {
    this.#columns = columns;
  }

  /** A portal has been described before it is executed. */
  useColumns(columns: readonly ResultColumn[] | undefined): void {
    this.#columns = columns;
  }

  row(values: readonly Datum[]): void {
    const columns = this.#columns ?? [];
    this.#rows.push(
      values.map((value, i) => {
        const column = columns[i];
        if (value === null || column === undefined) return null;
        return encodeText(column.type, value, this.#format());
      }),
    );
  }

  complete(tag: string): void {
    this.#push(tag);
  }

  suspended(): void {
    this.#push('(suspended)');
  }

  empty(): void {
    this.#push('(empty)');
  }

  notice(notice: Notice): void {
    this.notices.push(notice);
  }

  parameter(name: string, value: string): void {
    this.parameters.push([name, value]);
  }

  beginResults(): void {
    this.#begin = this.results.length;
    this.#beginNotices = this.notices.length;
  }

  hasSentResults(): boolean {
    return this.isFlushed && this.results.length > this.#begin;
  }

  discardResults(): void {
    this.events.push('retry');
    this.results.length = this.#begin;
    this.notices.length = this.#beginNotices;
    this.#columns = undefined;
    this.#rows = [];
    this.copyOutput = '';
  }

  async *copyIn(): AsyncIterable<Uint8Array> {
    const input = this.copyInput;
    this.copyInput = [];
    for (const chunk of input) {
      await Promise.resolve();
      yield chunk;
    }
  }

  copyOut(): void {
    this.copyOutput = '';
  }

  copyData(bytes: Uint8Array): void {
    this.copyOutput += Buffer.from(bytes).toString('utf8');
  }

  copyDone(): void {
    if (this.copyOutput === '') return;
    for (const line of this.copyOutput.replace(/\n$/, '').split('\n')) this.#rows.push([line]);
    this.copyOutput = '';
  }

  #push(tag: string): void {
    this.results.push({ columns: this.#columns, rows: this.#rows, tag });
    this.#columns = undefined;
    this.#rows = [];
  }
}
