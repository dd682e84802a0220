/**
 * Latest reads of several statements, asked for together: each statement runs until it reads, and goes on when all have
 * been answered at one moment. One that cannot be answered so rejects with `NotTogether`, and is to be run alone.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { QuorateError } from '../../src/base/errors.ts';
import type { Key } from '../../src/base/span.ts';
import type { KvClient, LatestGet, LatestScan, TableFence } from '../../src/kv/kv-client.ts';
import type { Execution } from '../plan/statement-planner.ts';

class NotTogether extends QuorateError<'not_together'> {
  override readonly name = 'NotTogether';

  constructor() {
    super('not_together', 'to be read alone');
  }
}

interface Asked extends LatestGet {
  readonly resolve: (value: Uint8Array | undefined) => void;
  readonly reject: (error: unknown) => void;
}

export class GatheredReads implements Pick<KvClient, keyof Execution['kv']> {
  readonly #kv: Pick<KvClient, 'latestGets'>;
  readonly #asked: Asked[] = [];
  #isSent = false;

  constructor(kv: Pick<KvClient, 'latestGets'>) {
    this.#kv = kv;
  }

  latestGet(key: Key, table: TableFence): Promise<Uint8Array | undefined> {
    if (this.#isSent) return Promise.reject(new NotTogether());
    return new Promise((resolve, reject) => this.#asked.push({ key, table, resolve, reject }));
  }

  latestScan(): MaybePromise<LatestScan> {
    throw new NotTogether();
  }

  uniqueInt(): bigint {
    throw new NotTogether();
  }

  /** Asks for all that has been asked for here. Never rejects. */
  async send(signal: AbortSignal): Promise<void> {
    this.#isSent = true;
    const asked = this.#asked;
    if (asked.length === 0) return;
    try {
      const values = await this.#kv.latestGets(asked, signal);
      if (values === undefined) throw new NotTogether();
      asked.forEach(({ resolve }, i) => resolve(values[i]));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
