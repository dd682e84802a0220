/**
 * The schema fences of a range, as its leader checks them for every request (TXN-3, 4, 7): which schema version a
 * table has at a timestamp. A fence is an ordinary versioned key; this cache only spares the store a look-up per
 * request. It holds the newest version of each fence; a request below that reads the store.
 */
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import { thenMaybe } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import type { Timestamp } from '../../src/base/timestamp.ts';
import type { TableFence } from '../../src/kv/kv-client.ts';
import { fenceKey } from '../../src/kv/keyspace.ts';
import type { Mvcc } from '../../storage/mvcc/mvcc.ts';
import type { Command } from './command.ts';
import type { RangeState } from './range-state.ts';

const CACHED_TABLES_MAX = 4096;
/** A fence key is a table's prefix (at most this long) or the start of the range. */
const PREFIX_LENGTH_MAX = 9;

interface Cached {
  readonly ts: Timestamp;
  readonly version: number;
}

export class FenceCache {
  readonly #mvcc: Mvcc;
  readonly #state: RangeState;
  readonly #newest = new Map<number, Cached>();

  constructor(mvcc: Mvcc, state: RangeState) {
    this.#mvcc = mvcc;
    this.#state = state;
  }

  keyOf(tableId: number): Key {
    return fenceKey(tableId, this.#state.descriptor.start);
  }

  /** The schema version of a table at `ts`; 0 when it does not exist then. */
  versionAt(tableId: number, ts: Timestamp): MaybePromise<number> {
    const cached = this.#newest.get(tableId) ?? this.#load(tableId);
    if (ts >= cached.ts) return cached.version;
    return thenMaybe(this.#mvcc.get(this.keyOf(tableId), ts), decodeFence);
  }

  newest(tableId: number): number {
    return (this.#newest.get(tableId) ?? this.#load(tableId)).version;
  }

  /** The first fence whose version is not the one the request was planned with. */
  mismatch(
    fences: readonly TableFence[],
    ts: Timestamp,
  ): MaybePromise<{ tableId: number; foundVersion: number } | undefined> {
    for (const { tableId, version } of fences) {
      const found = this.versionAt(tableId, ts);
      if (typeof found !== 'number') return this.#mismatchSlow(fences, ts);
      if (found !== version) return { tableId, foundVersion: found };
    }
    return undefined;
  }

  clear(): void {
    this.#newest.clear();
  }

  onApplied(command: Command): void {
    if (this.#newest.size === 0) return;
    if (command.kind === 'split') this.#newest.clear();
    if (command.kind === 'resolve') {
      this.#newest.clear();
    } else if (command.kind === 'commit') {
      const { start } = this.#state.descriptor;
      for (const { key } of command.writes) {
        if (key.length > PREFIX_LENGTH_MAX && key !== start) continue;
        this.#newest.clear();
        return;
      }
    }
  }

  async #mismatchSlow(
    fences: readonly TableFence[],
    ts: Timestamp,
  ): Promise<{ tableId: number; foundVersion: number } | undefined> {
    for (const { tableId, version } of fences) {
      const found = await this.versionAt(tableId, ts);
      if (found !== version) return { tableId, foundVersion: found };
    }
    return undefined;
  }

  #load(tableId: number): Cached {
    if (this.#newest.size >= CACHED_TABLES_MAX) this.#newest.clear();
    const newest = this.#mvcc.newest(this.keyOf(tableId));
    const cached =
      newest === undefined
        ? { ts: 0 as Timestamp, version: 0 }
        : { ts: newest.ts, version: decodeFence(newest.value) };
    this.#newest.set(tableId, cached);
    return cached;
  }
}

export function encodeFence(version: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  return bytes;
}

export function decodeFence(value: Uint8Array | undefined): number {
  if (value === undefined || value.length < 4) return 0;
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0);
}
