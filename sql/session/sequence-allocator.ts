/**
 * Numbers of sequences, for the sessions of a node. Not transactional: numbers are taken by small transactions of
 * their own, and what is taken is gone, as in Postgres. Requests for one sequence that arrive while an increment is
 * under way, or in the same turn, share the next one. One queue per sequence; bounded by the number of sessions.
 */
import type { KvClient, KvTxn, LockOptions } from '../../src/kv/kv-client.ts';
import { KvError } from '../../src/kv/kv-errors.ts';
import { sequenceKey } from '../catalog/catalog-keys.ts';
import { SqlError } from '../errors/sql-error.ts';
import { SQLSTATE } from '../errors/sqlstate.ts';
import type { SessionEnv } from './session-env.ts';

export interface SequenceInfo {
  readonly name: string;
  /** Names the state; a sequence that is restarted in a transaction gets a new one. */
  readonly stateId: string;
  readonly start: bigint;
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly cycles: boolean;
}

export interface SequenceValue {
  readonly last: bigint;
  /** False: `last` has not been given out yet. */
  readonly isCalled: boolean;
}

interface Request {
  readonly info: SequenceInfo;
  readonly count: number;
  readonly resolve: (values: bigint[]) => void;
  readonly reject: (error: unknown) => void;
}

const TXN_BYTES = 1 << 20;
const TRIES_MAX = 50;
const LOCK: LockOptions = { strength: 'update', wait: 'block', timeoutMs: 10000 };

export class SequenceAllocator {
  readonly #kv: KvClient;
  readonly #env: SessionEnv;
  readonly #queues = new Map<string, Request[]>();

  constructor(kv: KvClient, env: SessionEnv) {
    this.#kv = kv;
    this.#env = env;
  }

  /** Up to `count` numbers, at least one. Rejects with 2200H at the end of the sequence. */
  allocate(info: SequenceInfo, count: number): Promise<bigint[]> {
    return new Promise((resolve, reject) => {
      const request = { info, count, resolve, reject };
      const queue = this.#queues.get(info.stateId);
      if (queue !== undefined) {
        queue.push(request);
        return;
      }
      this.#queues.set(info.stateId, [request]);
      this.#env.scheduler.defer(() => void this.#pump(info.stateId));
    });
  }

  async setValue(info: SequenceInfo, value: bigint, isCalled: boolean): Promise<void> {
    if (value < info.min || value > info.max) {
      throw new SqlError(
        SQLSTATE.NUMERIC_VALUE_OUT_OF_RANGE,
        `setval: value ${value} is out of bounds for sequence "${info.name}" ` +
          `(${info.min}..${info.max})`,
      );
    }
    await this.#change(info, () => ({ next: { last: value, isCalled }, result: undefined }));
  }

  async #pump(stateId: string): Promise<void> {
    for (;;) {
      const requests = this.#queues.get(stateId) ?? [];
      const first = requests[0];
      if (first === undefined) break;
      this.#queues.set(stateId, []);
      try {
        await this.#serve(first.info, requests);
      } catch (error) {
        for (const request of requests) request.reject(error);
      }
    }
    this.#queues.delete(stateId);
  }

  async #serve(info: SequenceInfo, requests: readonly Request[]): Promise<void> {
    const count = requests.reduce((sum, request) => sum + request.count, 0);
    const values = await this.#change(info, (state) => take(info, state, count));
    let at = 0;
    for (const [i, request] of requests.entries()) {
      // Near the end of the sequence there may be fewer than asked: each gets one before anyone gets more.
      const others = requests.length - i - 1;
      const share = Math.min(request.count, values.length - at - others);
      if (share > 0) request.resolve(values.slice(at, at + share));
      else request.reject(exhausted(info));
      at += Math.max(share, 0);
    }
  }

  async #change<T>(
    info: SequenceInfo,
    change: (state: SequenceValue) => { readonly next: SequenceValue; readonly result: T },
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const signal = new AbortController().signal;
      const txn = this.#kv.begin({ txnMaxBytes: TXN_BYTES, signal });
      try {
        const key = sequenceKey(info.stateId);
        const [row] = await txn.lock([key], undefined, LOCK);
        const { next, result } = change(decodeState(info, row?.value));
        await txn.put(key, encodeState(next), undefined);
        await txn.commit();
        return result;
      } catch (error) {
        txn.rollback();
        if (!canRepeat(error) || tries >= TRIES_MAX) throw error;
      }
    }
  }
}

/** The state as the transaction sees it. */
export async function readSequence(txn: KvTxn, info: SequenceInfo): Promise<SequenceValue> {
  return decodeState(info, await txn.get(sequenceKey(info.stateId), undefined));
}

/** An ambiguous increment may be repeated: at worst some numbers are never used. */
function canRepeat(error: unknown): boolean {
  return error instanceof KvError && (error.retry === 'transaction' || error.code === 'ambiguous');
}

function take(
  info: SequenceInfo,
  state: SequenceValue,
  count: number,
): { next: SequenceValue; result: bigint[] } {
  const { increment, min, max, cycles } = info;
  const values: bigint[] = [];
  let { last, isCalled } = state;
  while (values.length < count) {
    let next = isCalled ? last + increment : last;
    if (next > max || next < min) {
      if (!cycles) break;
      next = increment > 0n ? min : max;
    }
    values.push(next);
    last = next;
    isCalled = true;
  }
  if (values.length === 0) throw exhausted(info);
  return { next: { last, isCalled }, result: values };
}

function exhausted(info: SequenceInfo): SqlError {
  const [end, bound] = info.increment > 0n ? ['maximum', info.max] : ['minimum', info.min];
  return new SqlError(
    SQLSTATE.SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
    `nextval: reached ${end} value of sequence "${info.name}" (${bound})`,
  );
}

function encodeState(state: SequenceValue): Uint8Array {
  return Buffer.from(`${state.isCalled ? '1' : '0'}${state.last}`);
}

function decodeState(info: SequenceInfo, bytes: Uint8Array | undefined): SequenceValue {
  if (bytes === undefined) return { last: info.start, isCalled: false };
  const text = Buffer.from(bytes).toString('latin1');
  return { last: BigInt(text.slice(1)), isCalled: text.startsWith('1') };
}
