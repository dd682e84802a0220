/**
 * What a statement sees that is run at the leader of its range, in one synchronous step (design, 4.5): every read and
 * lock is answered with the newest value there is, what is in flight included, and writes are kept for the one entry
 * that they will be.
 *
 * - A key that another session has locked, or queues for, and one that an undecided record holds, has to be waited
 *   for: `obstacle` says what for, the answer is a promise that never resolves, and the run is left standing there.
 *   Once it has waited, the caller runs the statement again from its start.
 * - A key whose holders are all one-phase commits of this office, proposed and not yet applied, is read as the last of
 *   them leaves it: the entry that is made of this lies behind theirs in the same log, and takes effect only if they do.
 *   So a hot row takes as many changes a round as come.
 * - Whatever else a transaction can do throws, as does a key of another range: then it has to be one.
 */
import type { LockId } from '../../src/base/ids.ts';
import { isPromise } from '../../src/base/maybe-promise.ts';
import type { MaybePromise } from '../../src/base/maybe-promise.ts';
import type { Key } from '../../src/base/span.ts';
import { TS_MAX } from '../../src/base/timestamp.ts';
import type { KvTxn, LockedRow, TableFence } from '../../src/kv/kv-client.ts';
import { OneRequestTxn, notInOneRequest, stand } from '../range/one-request-txn.ts';
import type { Write } from '../range/requests.ts';
import type { Office } from './office.ts';
import type { Holder, InFlight } from './pending-writes.ts';
import type { Replica } from './replica.ts';

/** What a run has met: a record that holds the key, or, without one, the queue of its lock. */
export interface Obstacle {
  readonly key: Key;
  readonly holder: Holder | undefined;
}

export class LeaderTxn extends OneRequestTxn implements KvTxn {
  /** Set when the run met something to wait for. */
  obstacle: Obstacle | undefined;
  readonly #replica: Replica;
  readonly #office: Office;
  readonly #lockId: LockId;
  readonly #writes: Write[] = [];
  /** Fences found to be what the statement was planned with. */
  #checked: TableFence | undefined;

  constructor(replica: Replica, office: Office, lockId: LockId) {
    super();
    this.#replica = replica;
    this.#office = office;
    this.#lockId = lockId;
  }

  get hasWrites(): boolean {
    return this.#writes.length > 0;
  }

  hasWritten(key: Key): boolean {
    return this.#writes.some((write) => write.key === key);
  }

  /** In ascending order, each key once. */
  takeWrites(): readonly Write[] {
    const writes = this.#writes;
    return writes.length < 2 ? writes : writes.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  get(k: Key, table: TableFence | undefined): MaybePromise<Uint8Array | undefined> {
    this.#check(k, table);
    return this.#inTheWay(k) ? stand() : this.#read(k);
  }

  getMany(
    keys: readonly Key[],
    table: TableFence | undefined,
  ): MaybePromise<readonly (Uint8Array | undefined)[]> {
    const rows = this.lock(keys, table);
    return isPromise(rows) ? stand() : rows.map((row) => row.value);
  }

  lock(keys: readonly Key[], table: TableFence | undefined): MaybePromise<LockedRow[]> {
    const rows: LockedRow[] = [];
    for (const key of keys) {
      this.#check(key, table);
      if (this.#inTheWay(key)) return stand();
      rows.push({ key, value: this.#read(key), isGranted: true });
    }
    return rows;
  }

  put(k: Key, value: Uint8Array, table: TableFence | undefined): MaybePromise<void> {
    return this.#write(k, value, table);
  }

  delete(k: Key, table: TableFence | undefined): MaybePromise<void> {
    return this.#write(k, null, table);
  }

  #write(key: Key, value: Uint8Array | null, table: TableFence | undefined): MaybePromise<void> {
    this.#check(key, table);
    const { pending } = this.#office;
    if (pending.size > 0) {
      const holder = undecidedHolder(pending.inFlight(key)) ?? pending.readerOfKey(key);
      if (holder !== undefined) {
        this.obstacle = { key, holder };
        return stand();
      }
    }
    const at = this.#writes.findIndex((write) => write.key === key);
    if (at >= 0) this.#writes[at] = { key, value };
    else this.#writes.push({ key, value });
  }

  #inTheWay(key: Key): boolean {
    const { locks, pending } = this.#office;
    if (locks.isHeldOrAwaited(key, this.#lockId)) {
      this.obstacle = { key, holder: undefined };
      return true;
    }
    if (pending.size === 0) return false;
    const holder = undecidedHolder(pending.inFlight(key));
    if (holder === undefined) return false;
    this.obstacle = { key, holder };
    return true;
  }

  #read(key: Key): Uint8Array | undefined {
    for (const write of this.#writes) if (write.key === key) return write.value ?? undefined;
    const { pending } = this.#office;
    const inFlight = pending.size === 0 ? undefined : pending.inFlight(key);
    if (inFlight !== undefined && 'value' in inFlight) return inFlight.value ?? undefined;
    return this.#replica.host.mvcc.newest(key)?.value;
  }

  /** It is this range's, and its table's schema is the one that the statement was planned with (TXN-3, TXN-7). */
  #check(key: Key, table: TableFence | undefined): void {
    if (!this.#replica.owns(key)) notInOneRequest();
    if (table === undefined || table === this.#checked) return;
    const { fences } = this.#replica;
    const { locks, pending } = this.#office;
    const fence = fences.keyOf(table.tableId);
    const isChanging =
      locks.isHeldByOther(fence, this.#lockId) || pending.writerOfKey(fence, TS_MAX) !== undefined;
    if (isChanging || fences.newest(table.tableId) !== table.version) notInOneRequest();
    this.#checked = table;
  }
}

function undecidedHolder(inFlight: InFlight | undefined): Holder | undefined {
  return inFlight !== undefined && 'holder' in inFlight ? inFlight.holder : undefined;
}
