/**
 * Removes what dropped, truncated and rewritten indexes have left behind: their entries, by ordinary transactions of
 * bounded size, some time after they were given up. Nothing can see these entries, save transactions with older
 * snapshots, and those read the versions before the removal. The node that leads the catalog's range does it; if two
 * do it for a moment they only meet in conflicts. A sweep that fails or is cut short is taken up again.
 */
import { run } from '../../src/base/steps.ts';
import type { Steps } from '../../src/base/steps.ts';
import { wait } from '../../src/base/steps.ts';
import type { Key, Span } from '../../src/base/span.ts';
import { keyAfter, prefixSpan } from '../../src/base/span.ts';
import type { KvClient, KvTxn } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { indexPrefix } from '../../src/kv/keyspace.ts';
import { GARBAGE_SPAN, garbageKey } from './catalog-keys.ts';
import type { Garbage } from './descriptor-codec.ts';
import { decodeGarbage } from './descriptor-codec.ts';

export interface SweeperEnv {
  readonly clock: { monotonicMs(): number };
  readonly scheduler: { after(delayMs: number, fn: () => void): { cancel(): void } };
}

export interface SweeperOptions {
  /** How long an index is left alone after it was first seen to be garbage. */
  readonly restMs: number;
  /** Between looking for garbage. */
  readonly periodMs: number;
}

export const SWEEPER_DEFAULTS: SweeperOptions = { restMs: 600_000, periodMs: 60_000 };

/** Entries removed by one transaction, and the pause after it: foreground work goes first. */
const BATCH_ENTRIES = 1000;
const PAUSE_MS = 50;
const TXN_BYTES = 1 << 24;

export class GarbageSweeper {
  readonly #kv: KvClient;
  readonly #env: SweeperEnv;
  readonly #options: SweeperOptions;
  readonly #abort = new AbortController();
  /** When each index was first seen here. */
  #seen = new Map<Key, number>();
  #timer: { cancel(): void } | undefined;

  constructor(kv: KvClient, env: SweeperEnv, options: SweeperOptions = SWEEPER_DEFAULTS) {
    this.#kv = kv;
    this.#env = env;
    this.#options = options;
  }

  start(): void {
    this.#again();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#abort.abort();
  }

  /** Looks once, and sweeps what is due. */
  async sweep(): Promise<void> {
    const [range] = await this.#kv.listRanges(GARBAGE_SPAN, this.#abort.signal);
    if (range?.leader !== this.#kv.nodeId) {
      this.#seen.clear();
      return;
    }
    for (const garbage of await this.#due()) await this.#remove(garbage);
  }

  #again(): void {
    this.#timer = this.#env.scheduler.after(this.#options.periodMs, () => {
      void this.#sweepOrFail().finally(() => {
        if (!this.#abort.signal.aborted) this.#again();
      });
    });
  }

  /** What fails for reasons of the cluster is tried again next time: a range without leader, a lost conflict. */
  async #sweepOrFail(): Promise<void> {
    try {
      await this.sweep();
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
    }
  }

  async #due(): Promise<readonly Garbage[]> {
    const now = this.#env.clock.monotonicMs();
    const found = await this.#inTxn(function* (txn): Steps<Map<Key, Garbage>> {
      const rows = new Map<Key, Garbage>();
      const cursor = txn.scan(GARBAGE_SPAN, undefined);
      for (let batch = yield* wait(cursor.next()); batch; batch = yield* wait(cursor.next())) {
        for (const { key, value } of batch) rows.set(key, decodeGarbage(value));
      }
      return rows;
    });
    const before = this.#seen;
    this.#seen = new Map([...found.keys()].map((key) => [key, before.get(key) ?? now]));
    const { restMs } = this.#options;
    return [...found].flatMap(([key, garbage]) => {
      return now - (this.#seen.get(key) ?? now) >= restMs ? [garbage] : [];
    });
  }

  async #remove({ tableId, indexId }: Garbage): Promise<void> {
    const { start, end } = prefixSpan(indexPrefix(tableId, indexId));
    // NB: goes on behind the last batch: what has been removed before it would have to be skipped each time.
    for (let from: Key | undefined = start; from !== undefined;) {
      const span: Span = { start: from, end };
      const last: Key | undefined = await this.#inTxn(function* (txn): Steps<Key | undefined> {
        const cursor = txn.scan(span, undefined, { limit: BATCH_ENTRIES });
        const rows = yield* wait(cursor.next());
        cursor.close();
        for (const { key } of rows ?? []) yield* wait(txn.delete(key, undefined));
        if (rows === undefined) yield* wait(txn.delete(garbageKey(tableId, indexId), undefined));
        return rows?.at(-1)?.key;
      });
      from = last === undefined ? undefined : keyAfter(last);
      if (from !== undefined) await this.#pause();
    }
  }

  async #inTxn<T>(work: (txn: KvTxn) => Steps<T>): Promise<T> {
    const txn = this.#kv.begin({ txnMaxBytes: TXN_BYTES, signal: this.#abort.signal });
    try {
      const result = await run(work(txn));
      await txn.commit();
      return result;
    } finally {
      txn.rollback();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#env.scheduler.after(PAUSE_MS, resolve);
    });
  }
}
