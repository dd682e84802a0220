/**
 * What etcd is measured with, beside Quorate's point reads and writes: puts, linearizable gets, and transactions that
 * read and replace a key that exists. Keys are uniform, and as many as on the other side. The check reads every key.
 */
import type { Client, Random, Session, Workload } from '../workload.ts';
import { EtcdSession } from './etcd.ts';

export type EtcdOperation = 'put' | 'get' | 'txn';

export interface EtcdOptions {
  readonly operation: EtcdOperation;
  readonly rows: number;
  /** Of a value. */
  readonly bytes: number;
}

const LOADED_TOGETHER = 64;

export class EtcdWorkload implements Workload {
  readonly name: string;
  readonly summary: string;
  readonly #options: EtcdOptions;
  #violations = 0;
  #writes = 0;

  constructor(options: EtcdOptions) {
    this.#options = options;
    this.name = `etcd-${options.operation}`;
    this.summary = `etcd: ${options.operation} of one key.`;
  }

  async load(session: Session): Promise<void> {
    const { client } = etcdOf(session);
    const { rows } = this.#options;
    for (let first = 0; first < rows; first += LOADED_TOGETHER) {
      const count = Math.min(LOADED_TOGETHER, rows - first);
      const puts = Array.from({ length: count }, (_, i) =>
        client.put(keyOf(first + i), this.#valueOf(first + i)),
      );
      await Promise.all(puts);
    }
  }

  client(_index: number, _count: number, random: Random): Client {
    const { operation, rows } = this.#options;
    return {
      run: async (session) => {
        const { client } = etcdOf(session);
        const id = random.between(0, rows - 1);
        if (operation === 'put') await client.put(keyOf(id), this.#valueOf(id));
        else if (operation === 'get') this.#verify(id, await client.get(keyOf(id)));
        else if (!(await client.replace(keyOf(id), this.#valueOf(id)))) this.#violations++;
        return operation;
      },
    };
  }

  async check(session: Session): Promise<readonly string[]> {
    const { client } = etcdOf(session);
    for (let id = 0; id < this.#options.rows; id++) {
      this.#verify(id, await client.get(keyOf(id)));
    }
    const count = this.#violations;
    return count === 0 ? [] : [`${count} reads returned what nobody wrote there`];
  }

  #verify(id: number, value: string | undefined): void {
    const isRight = value?.startsWith(`${id}:`) === true && value.length === this.#options.bytes;
    if (!isRight) this.#violations++;
  }

  /** Tells whose it is, and differs from write to write. */
  #valueOf(id: number): string {
    return `${id}:${++this.#writes}:`.padEnd(this.#options.bytes, 'x');
  }
}

function keyOf(id: number): string {
  return `bench/${String(id).padStart(8, '0')}`;
}

function etcdOf(session: Session): EtcdSession {
  if (session instanceof EtcdSession) return session;
  throw new Error('this workload is for etcd');
}
